package counter

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
)

func TestService(t *testing.T) {
	serve := New().Services["EXAMPLE_COUNTER"]
	var connect service.Message
	connect.Deliver(service.IPCConnect, veneer.Owner{ClientID: -1}, nil, false, nil, nil)
	if err := serve(&connect); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		typ  int32
		in   string
		room int
		want string
		err  error
	}{
		{"first", TypeNext, "", 4, "\x01\x00\x00\x00", nil},
		{"more room", TypeNext, "", 9, "\x02\x00\x00\x00", nil},
		{"less room", TypeNext, "", 3, "", veneer.ErrInvalidArgument},
		{"no output vector", TypeNext, "", 0, "", veneer.ErrInvalidArgument},
		{"an input vector", TypeNext, "a", 4, "", veneer.ErrInvalidArgument},
		{"refused requests do not count", TypeNext, "", 4, "\x03\x00\x00\x00", nil},
		{"unknown type", 2, "", 4, "", veneer.ErrNotSupported},
		{"disconnect", service.IPCDisconnect, "", 0, "", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			var m service.Message
			var written [veneer.MaxIOVec]int
			out := make(veneer.OutVec, row.room)
			m.Deliver(row.typ, veneer.Owner{ClientID: -1}, connect.RHandle, false, []veneer.InVec{[]byte(row.in)}, []veneer.OutVec{out})
			err := serve(&m)
			m.Answer(&written)
			if got := string(out[:written[0]]); err != row.err || got != row.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// The page that shows this partition shows its files.
func TestPageShowsTheFiles(t *testing.T) {
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	files := map[string][]byte{
		"yaml": read("counter.yaml"),
		"go":   append(read("counter.go"), read("../../spe/counter_test.go")...),
	}
	list := read("../../spe/partitions.go")
	blocks := strings.Split(string(read("../../docs/partitions.md")), "```")
	shown := map[string]int{}
	for i := 1; i < len(blocks); i += 2 {
		kind, block, _ := strings.Cut(blocks[i], "\n")
		shown[kind]++
		if kind != "diff" {
			if !bytes.Contains(files[kind], []byte(block)) {
				t.Errorf("no file has this block of the page:\n%s", block)
			}
			continue
		}
		// What the edit keeps is in the file, and what it adds is not.
		for line := range strings.Lines(block) {
			if strings.HasPrefix(line, "@@") {
				continue
			}
			if there := bytes.Contains(list, []byte("\n"+line[1:])); there != (line[0] == ' ') {
				t.Errorf("the edit does not fit spe/partitions.go: %s", line)
			}
		}
	}
	if shown["yaml"] != 1 || shown["go"] != 2 || shown["diff"] != 1 {
		t.Errorf("the page has the blocks %v", shown)
	}
}
