// Package manifest reads the manifests of secure partitions and links them
// into one secure world. The format is the one of the Arm Firmware Framework
// for M 1.0 and 1.1 (FF-M, chapter "Manifest") as TF-M writes and extends it:
// JSON with comments and trailing commas, which is YAML's flow style. TF-M's
// own manifest files are read as they are.
//
// The boot code calls Parse once for each manifest and Link once for all of
// them; nothing here is on the path of a call. Manifests come from whoever
// builds the secure world, so they are trusted to say what a partition may do,
// but not to be right: every key is known, every limit checked, and a mistake
// is answered with the file, line and field that hold it.
package manifest

import "strconv"

// The limits of a manifest and of a set of them.
const (
	// MaxSignals is the most services and interrupts of one partition: a
	// signal each, of the 32 bits of psa_signal_t, of which FF-M keeps 4.
	MaxSignals = 28
	// MaxStateless is the most stateless services of a secure world, and the
	// largest number of a stateless handle; the smallest is 1.
	MaxStateless = 32
	// MaxSize is the largest manifest that Parse reads, in bytes: room for
	// MaxSignals services with a kilobyte of comments each.
	MaxSize = 32 << 10
)

// The signals that a manifest's entries take: services from bit 4 up, which
// FF-M leaves to them, and interrupts from bit 31 down, as TF-M numbers them.
const (
	firstServiceBit = 4
	firstIRQBit     = 31
)

// FrameworkVersion is psa_framework_version, encoded as PSA_FRAMEWORK_VERSION
// is: major version in the second byte, minor in the first.
type FrameworkVersion uint16

// The versions of the framework that a manifest can be written for.
const (
	FrameworkVersion10 FrameworkVersion = 0x0100
	FrameworkVersion11 FrameworkVersion = 0x0101
)

// Type says which of the two secure protection domains a partition is part of.
type Type string

// The types of partitions.
const (
	PSARoT         Type = "PSA-ROT"
	ApplicationRoT Type = "APPLICATION-ROT"
)

// Priority is a partition's scheduling priority; here it decides only who
// starts first among partitions that do not depend on each other.
type Priority string

// The priorities of partitions.
const (
	High   Priority = "HIGH"
	Normal Priority = "NORMAL"
	Low    Priority = "LOW"
)

// Model is the programming model of a partition.
type Model string

// The models. A Dual partition (a TF-M extension) is written for both.
const (
	IPC  Model = "IPC"
	SFN  Model = "SFN"
	Dual Model = "dual"
)

// VersionPolicy says which requested versions of a service are served.
type VersionPolicy string

// The version policies: the same version only, or that and every older one.
const (
	Strict  VersionPolicy = "STRICT"
	Relaxed VersionPolicy = "RELAXED"
)

// Handling says how a partition takes an interrupt.
type Handling string

// The ways of handling an interrupt (FF-M 1.1). Partitions of FF-M 1.0 know
// second-level handling only.
const (
	FirstLevel  Handling = "FLIH"
	SecondLevel Handling = "SLIH"
)

// Size is a stack or heap size: a number of bytes, or the name of a build
// setting of TF-M that holds it. Go's partitions grow their stacks as they
// need; the figure is kept for those that are not written in Go.
type Size struct {
	Bytes uint32
	Macro string // empty where Bytes holds the size
}

// ClientIDs is a range of client IDs, both ends included, that a non-secure
// agent's partition gives to its clients. Both are negative.
type ClientIDs struct {
	Base, Limit int32
}

// Manifest is one partition's manifest, with the defaults filled in.
type Manifest struct {
	File             string // where it was read from, for messages
	FrameworkVersion FrameworkVersion
	Name             string
	Description      string
	Type             Type
	Priority         Priority
	Model            Model
	EntryPoint       string // IPC: the partition's thread
	EntryInit        string // SFN: may be empty
	StackSize        Size
	HeapSize         Size

	Services    []Service
	IRQs        []IRQ
	MMIORegions []MMIORegion

	// Dependencies are the names of the services that the partition calls;
	// the secure world does not start without them. WeakDependencies (a TF-M
	// extension) are those that it can do without.
	Dependencies     []string
	WeakDependencies []string

	// NSAgent marks a partition that calls on behalf of non-secure clients,
	// with client IDs of the range ClientIDs (TF-M extensions).
	NSAgent   bool
	ClientIDs ClientIDs

	// NonFFM names the attributes that the manifest uses and neither FF-M nor
	// TF-M defines. Those that this package knows are below; others are
	// tolerated and have no effect.
	NonFFM []string
	// ConcurrentMessages says that the partition takes several messages at a
	// time, each on its own goroutine. Without it, FF-M's rule holds: one.
	ConcurrentMessages bool
	// PID is the partition ID that the manifest asks for, 0 where it leaves
	// that to Link.
	PID int32

	src *source
}

// Service is one RoT Service of a partition.
type Service struct {
	Name             string
	Description      string
	SID              uint32
	NonSecureClients bool
	ConnectionBased  bool
	// StatelessHandle is 1..MaxStateless; 0 for a connection-based service,
	// and, before Link, for a stateless one whose manifest says "auto".
	StatelessHandle int
	Version         uint32
	VersionPolicy   VersionPolicy
	MMIOVec         bool
	// Signal is the bit of psa_signal_t: the first service has bit 4.
	Signal uint32
}

// IRQ is one interrupt of a partition.
type IRQ struct {
	Name        string // the name (FF-M 1.1) or the signal's name (1.0)
	Description string
	Source      string // a platform's name or number for the interrupt line
	Handling    Handling
	ClientIDs   ClientIDs
	// Signal is the bit of psa_signal_t: the first interrupt has bit 31.
	Signal uint32
}

// MMIORegion is a device that a partition may access: by a platform's name for
// it, or by address.
type MMIORegion struct {
	Name     string // empty where Base and Size say which
	Base     uint32
	Size     uint32
	Writable bool
}

// Parse reads the manifest in data. The name is the file's, for messages and
// for Manifest.File. Every error is an *Error.
func Parse(name string, data []byte) (*Manifest, error) {
	src, raw, err := read(name, data)
	if err != nil {
		return nil, err
	}
	m, err := raw.manifest(src)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Error is a mistake in a manifest or in a set of them.
type Error struct {
	File   string
	Line   int    // from 1; 0 where no single line is to blame
	Field  string // such as "services[0].sid"; may be empty
	Reason string
}

func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
	}
	if e.Field != "" {
		s += ": " + e.Field
	}
	return s + ": " + e.Reason
}
