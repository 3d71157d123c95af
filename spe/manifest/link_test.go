package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// world parses one manifest for each line of text:
// "NAME: SERVICE=handle … > DEPENDENCY … | extra attributes".
// A handle is a number, "auto", or "conn" for a connection-based service. SIDs
// count from 1.
func world(t *testing.T, text string) []*Manifest {
	t.Helper()
	var all []*Manifest
	sid := 0
	for line := range strings.Lines(text) {
		line, extra, _ := strings.Cut(strings.TrimSpace(line), "|")
		head, deps, _ := strings.Cut(line, ">")
		name, services, ok := strings.Cut(head, ":")
		if !ok {
			continue
		}
		var b strings.Builder
		fmt.Fprintf(&b, "{\"psa_framework_version\": 1.1, \"name\": %q, \"type\": \"PSA-ROT\", \"model\": \"SFN\",\n", name)
		if !strings.Contains(extra, "priority") {
			b.WriteString(`"priority": "NORMAL",`)
		}
		b.WriteString("\n\"services\": [\n")
		for _, s := range strings.Fields(services) {
			sid++
			svc, handle, _ := strings.Cut(s, "=")
			fmt.Fprintf(&b, `{"name": %q, "sid": %d, "non_secure_clients": true, "connection_based": %t`, svc, sid, handle == "conn")
			if handle != "conn" {
				fmt.Fprintf(&b, `, "stateless_handle": %s`, handle)
			}
			b.WriteString("},\n")
		}
		names, err := json.Marshal(append([]string{}, strings.Fields(deps)...))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "],\n\"dependencies\": %s,\n%s}", names, extra)
		m, err := Parse(strings.ToLower(name)+".yaml", []byte(b.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		all = append(all, m)
	}
	return all
}

func TestLink(t *testing.T) {
	in := world(t, `
		TFM_SP_PS: PS=2 > ITS CRYPTO
		MINE: A=auto B=conn C=auto > PS CRYPTO
		TFM_SP_CRYPTO: CRYPTO=1 > ITS
		TFM_SP_ITS: ITS=3
		OTHER: D=auto E=4
		FIRST: F=auto | "priority": "HIGH"
		WEAK: G=conn | "weak_dependencies": ["D", "NOBODY"], "non_ffm_attributes": ["pid"], "pid": 1001
	`)
	order, err := Link(in)
	if err != nil {
		t.Fatal(err)
	}
	type started struct {
		name    string
		id      int32
		handles []int
		uses    []uint32
	}
	var got []started
	for _, p := range order {
		s := started{name: p.Name, id: p.ID, uses: p.Uses}
		for _, svc := range p.Services {
			s.handles = append(s.handles, svc.StatelessHandle)
		}
		got = append(got, s)
	}
	want := []started{
		{"FIRST", 1003, []int{8}, nil},
		{"TFM_SP_ITS", 257, []int{3}, nil},
		{"TFM_SP_CRYPTO", 259, []int{1}, []uint32{6}},
		{"TFM_SP_PS", 256, []int{2}, []uint32{6, 5}},
		{"MINE", 1000, []int{5, 0, 6}, []uint32{1, 5}},
		{"OTHER", 1002, []int{7, 4}, nil},
		{"WEAK", 1001, []int{0}, []uint32{7}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	if h := in[1].Services[0].StatelessHandle; h != 0 {
		t.Errorf("Link changed its input: handle %d", h)
	}
}

func TestLinkRefuses(t *testing.T) {
	var many strings.Builder
	for i := range 2 {
		fmt.Fprintf(&many, "P%d:", i)
		for j := range 17 {
			fmt.Fprintf(&many, " S%d_%d=auto", i, j)
		}
		many.WriteString("\n")
	}
	for _, tt := range []struct{ name, in, file, field, reason string }{
		{"two partitions of one name", "A: X=1\nA: Y=2", "a.yaml", "name", "a.yaml"},
		{"two services of one name", "A: X=1\nB: X=2", "b.yaml", "services[0].name", "of A"},
		{"two services of one handle", "A: X=1\nB: Y=conn Z=1", "b.yaml", "services[1].stateless_handle", "1 is the handle of X"},
		{"34 stateless services", many.String(), "p1.yaml", "services[15].stateless_handle", "at most 32"},
		{"unknown dependency", "A: X=1 > X2", "a.yaml", "dependencies[0]", "X2"},
		{"circle of one", "A: X=1 > X", "a.yaml", "dependencies", "A -> A"},
		{"circle of three", "O: W=4 > X\nA: X=1 > Y\nB: Y=2 > Z\nC: Z=3 > X", "a.yaml", "dependencies", "A -> B -> C -> A"},
		{"circle through a weak dependency", "A: X=1 > Y\nB: Y=2 | \"weak_dependencies\": [\"X\"]", "a.yaml", "dependencies", "A -> B -> A"},
		{"taken ID", "TFM_SP_PS: X=1\nA: Y=2 | \"non_ffm_attributes\": [\"pid\"], \"pid\": 256", "a.yaml", "pid", "TFM_SP_PS"},
		{"overlapping client IDs", "A: X=1 | \"client_id_base\": -9, \"client_id_limit\": -5\nB: Y=2 | \"client_id_base\": -5, \"client_id_limit\": -1", "b.yaml", "client_id_base", "A"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Link(world(t, tt.in))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.File != tt.file || e.Line == 0 || e.Field != tt.field || !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("got %q, want %s, %s: …%s…", e, tt.file, tt.field, tt.reason)
			}
		})
	}
	t.Run("two services of one SID", func(t *testing.T) {
		in := world(t, "A: X=1\nB: Y=2")
		in[1].Services[0].SID = in[0].Services[0].SID
		if _, err := Link(in); err == nil || !strings.Contains(err.Error(), "SID of X") {
			t.Errorf("got %v", err)
		}
	})
}

func TestLinkWithoutSource(t *testing.T) {
	// A manifest that was built in code has no file to point at.
	m := &Manifest{Name: "A", Priority: Normal, Dependencies: []string{"NOBODY"}}
	_, err := Link([]*Manifest{m})
	var e *Error
	if !errors.As(err, &e) || e.Field != "dependencies[0]" {
		t.Errorf("got %v", err)
	}
	m = &Manifest{Name: "A", Priority: Normal, Services: []Service{{Name: "X", StatelessHandle: 33}}}
	if _, err := Link([]*Manifest{m}); !errors.As(err, &e) || e.Field != "services[0].stateless_handle" {
		t.Errorf("got %v", err)
	}
	if order, err := Link(nil); err != nil || !slices.Equal(names(order), nil) {
		t.Errorf("no manifests: %v, %v", order, err)
	}
}

func names(order []Partition) []string {
	var names []string
	for _, p := range order {
		names = append(names, p.Name)
	}
	return names
}

func ExampleParse() {
	_, err := Parse("led.yaml", []byte(`{
  "psa_framework_version": 1.1,
  "name": "LED",
  "type": "APPLICATION-ROT",
  "priority": "NORMAL",
  "model": "SFN",
  "services": [
    { "name": "LED_SET", "sid": "0x0000F200", "non_secure_clients": true }
  ],
}`))
	fmt.Println(err)
	// Output: led.yaml:8: services[0].connection_based: is missing: true or false, since FF-M 1.1
}
