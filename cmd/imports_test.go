// Package cmd holds the commands, one folder each, and this test of how the
// whole tree may lean on itself.
package cmd

import (
	"debug/elf"
	"debug/gosym"
	"encoding/json"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/postern-spe/postern"

// rule says what the packages below a folder may import of this module, beside
// their own folder, and of the outside.
type rule struct {
	folder  string
	may     []string // folders of this module
	outside []string // modules; nil: any that go.mod names
	reason  string
}

// The folder table of docs/design.md. The longest folder that matches a package
// is its rule. A wanted new edge is a change of this table, and is argued there.
var rules = []rule{
	{"veneer", nil, []string{}, "both worlds import it, so it holds no code of either and brings no module with it"},
	{"ipc", []string{"veneer"}, []string{"golang.org/x/sys"}, "it stands on the wall and trusts neither side"},
	{"platform", nil, []string{"golang.org/x/sys"}, "hardware knows nothing of the software that runs on it"},
	{"spe/service", []string{"veneer"}, []string{}, "a partition must not learn where it runs"},
	{"spe/manifest", nil, nil, "reading a file needs nothing of the world it describes"},
	{"spe/spm", []string{"veneer", "spe/manifest", "spe/service"}, nil, "it knows partitions by their manifests only"},
	{"spe", []string{"veneer", "ipc", "platform", "spe", "partitions"}, nil, "the boot package puts the world together"},
	{"partitions", []string{"veneer", "spe/service"}, nil, "a partition reaches hardware through interfaces of its own, and other partitions through the gate"},
	{"nspe", []string{"veneer", "ipc"}, nil, "non-secure code must not contain the secure world"},
	{"cmd/psa", []string{"veneer", "ipc", "nspe"}, nil, "non-secure code must not contain the secure world"},
	{"cmd", []string{"veneer", "ipc", "platform", "spe", "partitions", "nspe"}, nil, ""},
}

// testsMay says what the tests of the packages below a folder may import of this
// module beside what the packages themselves may: single packages, not what lies
// below them. Of the outside they may import what go.mod names. The longest folder
// that matches counts; tests of a folder that is not here keep to the rule above.
//
// The non-secure side's tests boot a secure world and reach it through its doors,
// so its inside stays out of their sight too.
var testsMay = map[string][]string{
	"veneer": {"spe", "spe/spetest"},
	// The echo service has no typed client, whose constants would do.
	"veneer/c": {"spe", "spe/spetest", "partitions/echo"},
	"ipc":      {"spe", "spe/spetest"},
	"nspe":     {"spe", "spe/spetest"},
}

type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string // of the package's own test files
	XTestImports []string // of those in package x_test
}

func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")
	var words strings.Builder
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, words.String())
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		folder := strings.TrimPrefix(p.ImportPath, module+"/")
		r := ruleOf(folder)
		if r == nil {
			t.Errorf("%s is in no folder of the table", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if !r.allows(imp) {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, r.reason)
			}
		}
		tests := testPackagesOf(folder)
		for _, imp := range append(p.TestImports, p.XTestImports...) {
			own, ok := strings.CutPrefix(imp, module+"/")
			if ok && !r.allows(imp) && !slices.Contains(tests, own) {
				t.Errorf("a test of %s imports %s, which is not among %q: %s", p.ImportPath, imp, tests, r.reason)
			}
		}
	}
	if seen == 0 {
		t.Fatalf("go list names no package: the test looked at nothing\n%s", words.String())
	}
}

func ruleOf(folder string) *rule {
	var best *rule
	for i := range rules {
		r := &rules[i]
		if below(folder, r.folder) && (best == nil || len(r.folder) > len(best.folder)) {
			best = r
		}
	}
	return best
}

func testPackagesOf(folder string) []string {
	for ; folder != "."; folder = path.Dir(folder) {
		if may, ok := testsMay[folder]; ok {
			return may
		}
	}
	return nil
}

func (r *rule) allows(imp string) bool {
	if own, ok := strings.CutPrefix(imp, module+"/"); ok {
		for _, folder := range append(r.may, r.folder) {
			if below(own, folder) {
				return true
			}
		}
		return false
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") || r.outside == nil {
		return true // the standard library, or a folder that any module may serve
	}
	for _, m := range r.outside {
		if below(imp, m) {
			return true
		}
	}
	return false
}

func below(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// One package can carry an import across, so the program that non-secure people
// run is looked at too: it has no function of the secure world in it.
func TestNonSecureProgramHoldsNoSecureWorld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "psa")
	if out, err := exec.Command("go", "build", "-o", path, module+"/cmd/psa").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := f.Section(".gopclntab").Data()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(lines, f.Section(".text").Addr))
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, fn := range table.Funcs {
		own, ok := strings.CutPrefix(fn.Name, module+"/")
		seen = seen || ok
		for _, folder := range []string{"spe/", "partitions/", "platform/"} {
			if ok && strings.HasPrefix(own, folder) {
				t.Errorf("cmd/psa contains %s", fn.Name)
			}
		}
	}
	if !seen {
		t.Error("no function of this module found: the test looks in the wrong place")
	}
}
