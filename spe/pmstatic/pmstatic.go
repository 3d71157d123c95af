// Package pmstatic reads the static files of nRF Connect SDK's Partition Manager,
// pm_static.yml: where the partitions of a build are. spe provision takes from one
// where the areas are that a device of this project can have elsewhere than its
// board's table says; what else such a file names belongs to images and tools that
// are not emulated, and is passed over.
//
// A file is a mapping of partitions:
//
//	tfm_ps:
//	  address: 0xf0000
//	  end_address: 0xf4000     # or size, or both
//	  region: flash_primary    # or external_flash
//	  size: 0x4000
//
// Of a partition that is taken, those four keys count; the others, such as
// placement and span, are what Partition Manager has solved to get them. Files come
// from whoever provisions the device: they are trusted to say where things go, but
// not to be right. Whether an area fits its board, board.Place says.
//
// Source: nRF Connect SDK, "Partition Manager", static configuration; Partition
// Manager itself writes such files, with anchors for lists that come twice.
package pmstatic

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/postern-spe/postern/platform/board"
)

// MaxSize is the largest file that Parse reads, in bytes: those of real builds have
// about 5 KiB.
const MaxSize = 64 << 10

// entries are the partitions that are taken, and the area that each is.
var entries = [...]struct{ name, area string }{
	{"tfm_ps", board.PS},
	{"tfm_its", board.ITS},
	{"tfm_otp_nv_counters", board.NVCounters},
	{"nonsecure_storage", board.NonSecureStorage},
}

// Layout is what a file says.
type Layout struct {
	Placements []board.Placement // in the file's order; each area at most once
	Ignored    []string          // the other partitions' names, likewise
}

// Entry returns the name of the partition that is an area, "" if none is.
func Entry(area string) string {
	for _, e := range entries {
		if e.area == area {
			return e.name
		}
	}
	return ""
}

// Error is a mistake in a file.
type Error struct {
	File, Entry string // Entry: the partition, "" for the file as a whole
	Reason      string
}

func (e *Error) Error() string {
	if e.Entry == "" {
		return e.File + ": " + e.Reason
	}
	return e.File + ": " + e.Entry + ": " + e.Reason
}

// Parse reads a file; name is what errors call it. A mistake gives an *Error.
func Parse(name string, data []byte) (l *Layout, err error) {
	bad := func(format string, args ...any) (*Layout, error) {
		return nil, &Error{File: name, Reason: fmt.Sprintf(format, args...)}
	}
	if len(data) > MaxSize {
		return bad("%d bytes, of at most %d", len(data), MaxSize)
	}
	if nested(data) > maxDepth {
		return bad("nested more than %d deep", maxDepth)
	}
	if n := bytes.Count(data, []byte("[")) + bytes.Count(data, []byte("{")); n > maxBrackets {
		return bad("%d brackets, of at most %d", n, maxBrackets)
	}
	// A file that trips the YAML library is a bad file, not a reason to end the
	// process.
	defer func() {
		if p := recover(); p != nil {
			l, err = bad("not readable as YAML: %v", p)
		}
	}()
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return bad("%s", words(err))
	}
	if len(file.Docs) > 1 {
		return bad("more than one YAML document")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return bad("is empty")
	}
	partitions, ok := mapping(file.Docs[0].Body)
	if !ok {
		return bad("is not a mapping of partitions")
	}
	l = new(Layout)
	for _, p := range partitions { // the library has refused one that is there twice
		key, ok := p.Key.(*ast.StringNode)
		if !ok || strings.ContainsFunc(key.Value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return bad("the key %q is not a name", p.Key.String()) // it ends up on a terminal
		}
		if err := l.add(key.Value, p.Value); err != nil {
			return nil, &Error{name, key.Value, err.Error()}
		}
	}
	return l, nil
}

// maxDepth is how deep brackets nest: a list in a mapping in a partition makes 3.
// maxBrackets is how many are opened: which of those that close them are in quotes
// or comments, and close nothing, only the YAML library knows.
const (
	maxDepth    = 16
	maxBrackets = 1024
)

// nested returns how deep brackets nest, as far as none is in quotes or a comment,
// and dashes that begin lists on one line, on which the YAML library spends time and stack out of all
// proportion.
func nested(data []byte) int {
	deepest, depth := 0, 0
	for line := range bytes.Lines(data) {
		dashes := bytes.Count(line, []byte("- ")) + bytes.Count(line, []byte("? "))
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			deepest = max(deepest, depth)
		}
		deepest = max(deepest, dashes)
	}
	return deepest
}

// words is what the YAML library says, in one line.
func words(err error) string {
	var y yaml.Error
	if !errors.As(err, &y) {
		return "not readable as YAML: " + err.Error()
	}
	text := "not readable as YAML: " + y.GetMessage()
	if tk := y.GetToken(); tk != nil && tk.Position != nil {
		text = fmt.Sprintf("line %d: %s", tk.Position.Line, text)
	}
	return text
}

// mapping returns the entries of a mapping.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// add takes a partition, or notes that it is none of ours.
func (l *Layout) add(name string, n ast.Node) error {
	for _, e := range entries {
		if e.name != name {
			continue
		}
		p, err := placement(n)
		if err != nil {
			return err
		}
		p.Area = e.area
		l.Placements = append(l.Placements, p)
		return nil
	}
	l.Ignored = append(l.Ignored, name)
	return nil
}

// placement reads the keys of a partition that say where it is.
func placement(n ast.Node) (p board.Placement, err error) {
	keys, ok := mapping(n)
	if !ok {
		return p, fmt.Errorf("is not a mapping with address and size")
	}
	p.Region = board.FlashPrimary
	numbers := make(map[string]uint64)
	seen := make(map[string]bool)
	for _, k := range keys {
		key, ok := k.Key.(*ast.StringNode)
		if !ok {
			continue // whatever it is, it is not one of the four
		}
		seen[key.Value] = true
		switch key.Value {
		case "address", "end_address", "size":
			if numbers[key.Value], ok = number(k.Value); !ok {
				return p, fmt.Errorf("%s is not a number of at most 32 bits", key.Value)
			}
		case "region":
			s, ok := k.Value.(*ast.StringNode)
			if !ok || s.Value != string(board.FlashPrimary) && s.Value != string(board.ExternalFlash) {
				return p, fmt.Errorf("region is neither %s nor %s", board.FlashPrimary, board.ExternalFlash)
			}
			p.Region = board.Region(s.Value)
		}
	}
	address, size, end := numbers["address"], numbers["size"], numbers["end_address"]
	switch {
	case !seen["address"]:
		return p, fmt.Errorf("has no address")
	case !seen["size"] && !seen["end_address"]:
		return p, fmt.Errorf("has neither size nor end_address")
	case seen["end_address"] && end < address:
		return p, fmt.Errorf("ends at 0x%x, before its address 0x%x", end, address)
	case seen["end_address"] && seen["size"] && end-address != size:
		return p, fmt.Errorf("its size is 0x%x, and from address to end_address there are 0x%x bytes", size, end-address)
	case seen["end_address"]:
		size = end - address
	}
	p.Address, p.Size = uint32(address), uint32(size)
	return p, nil
}

// number returns an integer that fits 32 bits.
func number(n ast.Node) (uint64, bool) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		return 0, false
	}
	switch v := i.Value.(type) {
	case uint64:
		return v, v <= math.MaxUint32
	case int64:
		return uint64(v), v >= 0 && v <= math.MaxUint32
	}
	return 0, false
}
