package manifest

// rawManifest is a manifest as it is written: strict decoding refuses a key
// that is not here. Values that FF-M allows to be written in several ways are
// of type any and are read by the scalar functions.
type rawManifest struct {
	FrameworkVersion any          `yaml:"psa_framework_version"`
	Name             string       `yaml:"name"`
	Type             string       `yaml:"type"`
	Priority         string       `yaml:"priority"`
	Model            string       `yaml:"model"`
	Description      string       `yaml:"description"`
	EntryPoint       string       `yaml:"entry_point"`
	EntryInit        string       `yaml:"entry_init"`
	StackSize        any          `yaml:"stack_size"`
	HeapSize         any          `yaml:"heap_size"`
	MMIORegions      []rawMMIO    `yaml:"mmio_regions"`
	Services         []rawService `yaml:"services"`
	IRQs             []rawIRQ     `yaml:"irqs"`
	Dependencies     []string     `yaml:"dependencies"`
	WeakDependencies []string     `yaml:"weak_dependencies"`
	NSAgent          bool         `yaml:"ns_agent"`
	ClientIDBase     any          `yaml:"client_id_base"`
	ClientIDLimit    any          `yaml:"client_id_limit"`
	NonFFM           []string     `yaml:"non_ffm_attributes"`
	Concurrent       bool         `yaml:"concurrent_messages"`
	PID              any          `yaml:"pid"`
}

type rawService struct {
	Name             string `yaml:"name"`
	Description      string `yaml:"description"`
	SID              any    `yaml:"sid"`
	NonSecureClients *bool  `yaml:"non_secure_clients"`
	ConnectionBased  *bool  `yaml:"connection_based"`
	StatelessHandle  any    `yaml:"stateless_handle"`
	Version          any    `yaml:"version"`
	VersionPolicy    string `yaml:"version_policy"`
	MMIOVec          string `yaml:"mm_iovec"`
}

type rawIRQ struct {
	Source        any    `yaml:"source"`
	Signal        string `yaml:"signal"`
	Name          string `yaml:"name"`
	Handling      string `yaml:"handling"`
	Description   string `yaml:"description"`
	ClientIDBase  any    `yaml:"client_id_base"`
	ClientIDLimit any    `yaml:"client_id_limit"`
}

type rawMMIO struct {
	Name       string `yaml:"name"`
	Base       any    `yaml:"base"`
	Size       any    `yaml:"size"`
	Permission string `yaml:"permission"`
}

// kind is who defines a top-level attribute.
type kind int

const (
	unknown   kind = iota
	framework      // FF-M, or TF-M in manifests that it ships
	extension      // this project
)

// attributes are the top-level attributes that are known.
var attributes = map[string]kind{
	"psa_framework_version": framework,
	"name":                  framework,
	"type":                  framework,
	"priority":              framework,
	"model":                 framework,
	"description":           framework,
	"entry_point":           framework,
	"entry_init":            framework,
	"stack_size":            framework,
	"heap_size":             framework,
	"mmio_regions":          framework,
	"services":              framework,
	"irqs":                  framework,
	"dependencies":          framework,
	"weak_dependencies":     framework,
	"ns_agent":              framework,
	"client_id_base":        framework,
	"client_id_limit":       framework,
	"non_ffm_attributes":    framework,
	"concurrent_messages":   extension,
	"pid":                   extension,
}
