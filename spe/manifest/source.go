package manifest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// source is the file behind a manifest: what a message needs to point at it.
type source struct {
	file  string
	lines map[string]int // line of each field, by its path
}

// at returns an error about a field of the file.
func (s *source) at(field, format string, args ...any) *Error {
	e := &Error{Field: field, Reason: fmt.Sprintf(format, args...)}
	if s != nil { // a Manifest that did not come from Parse has no source
		e.File, e.Line = s.file, s.line(field)
	}
	return e
}

// line returns the line of a field or, where it is absent, of the object that
// lacks it.
func (s *source) line(field string) int {
	for {
		if n, ok := s.lines[field]; ok || field == "" {
			return n
		}
		field = field[:max(strings.LastIndexByte(field, '.'), 0)]
	}
}

// maxDepth is how deep a manifest nests: the partition, a list, its entry and a
// value make 4. The rest is for attributes that are only tolerated.
const maxDepth = 16

// read parses the YAML of a manifest into its fields, without judging them.
func read(name string, data []byte) (src *source, raw *rawManifest, err error) {
	src = &source{file: name, lines: map[string]int{}}
	if len(data) > MaxSize {
		return nil, nil, src.at("", "%d bytes, of at most %d", len(data), MaxSize)
	}
	// A manifest that trips the YAML library is a bad manifest, not a reason
	// to end the process.
	defer func() {
		if p := recover(); p != nil {
			src, raw, err = nil, nil, src.at("", "not readable as YAML: %v", p)
		}
	}()
	text, tooDeep := hashComments(data)
	if tooDeep > 0 {
		return nil, nil, &Error{File: name, Line: tooDeep, Reason: fmt.Sprintf("nested more than %d deep", maxDepth)}
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, nil, src.yamlError(err)
	}
	top, err := src.document(file)
	if err != nil {
		return nil, nil, err
	}
	if err := src.walk(top, "", 0); err != nil {
		return nil, nil, err
	}
	if err := src.dropTolerated(top); err != nil {
		return nil, nil, err
	}
	raw = new(rawManifest)
	if err := yaml.NodeToValue(top, raw, yaml.Strict()); err != nil {
		return nil, nil, src.yamlError(err)
	}
	return src, raw, nil
}

// document returns the one mapping that a manifest is.
func (s *source) document(file *ast.File) (*ast.MappingNode, error) {
	if len(file.Docs) > 1 {
		return nil, s.at("", "more than one YAML document")
	}
	if len(file.Docs) == 1 {
		switch n := file.Docs[0].Body.(type) {
		case *ast.MappingNode:
			return n, nil
		case *ast.MappingValueNode:
			return ast.Mapping(n.Start, false, n), nil
		}
	}
	return nil, s.at("", "a manifest is an object, with a key for each attribute")
}

// walk notes the line of every field below n and refuses what YAML has beyond
// JSON's objects, lists and values: a manifest needs none of it, and aliases
// would let a small file grow large.
func (s *source) walk(n ast.Node, path string, depth int) error {
	if n == nil {
		return nil
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		if _, ok := s.lines[path]; !ok {
			s.lines[path] = tk.Position.Line
		}
	}
	if depth > maxDepth {
		return s.at(path, "nested more than %d deep", maxDepth)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := s.walk(v, path, depth); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		key, ok := keyOf(n)
		if !ok {
			return s.at(path, "the key %s is not a name", n.Key)
		}
		if path != "" {
			key = path + "." + key
		}
		if tk := n.Key.GetToken(); tk != nil && tk.Position != nil {
			s.lines[key] = tk.Position.Line
		}
		return s.walk(n.Value, key, depth+1)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			if err := s.walk(v, path+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
				return err
			}
		}
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode, *ast.DirectiveNode:
		return s.at(path, "YAML's %s has no place in a manifest", n.Type())
	}
	return nil
}

// keyOf returns the name of a mapping's entry.
func keyOf(n *ast.MappingValueNode) (string, bool) {
	k, ok := n.Key.(*ast.StringNode)
	if !ok {
		return "", false
	}
	return k.Value, true
}

// dropTolerated takes the attributes out of the mapping that the manifest names
// in non_ffm_attributes and that nobody here knows, so that only mistakes are
// left for strict decoding to refuse.
func (s *source) dropTolerated(top *ast.MappingNode) error {
	var list struct {
		NonFFM []string `yaml:"non_ffm_attributes"`
	}
	if err := yaml.NodeToValue(top, &list); err != nil {
		return s.yamlError(err)
	}
	named := map[string]bool{}
	for _, name := range list.NonFFM {
		named[name] = true
	}
	kept := top.Values[:0]
	for _, v := range top.Values {
		key, _ := keyOf(v)
		switch kind := attributes[key]; {
		case kind == extension && !named[key]:
			return s.at(key, "is not an attribute of FF-M: name it in non_ffm_attributes")
		case kind == unknown && !named[key]:
			return s.at(key, "unknown attribute; one that is meant for another tool is named in non_ffm_attributes")
		case kind != unknown:
			kept = append(kept, v)
		}
	}
	top.Values = kept
	return nil
}

// yamlError makes an *Error of what the YAML library says.
func (s *source) yamlError(err error) *Error {
	var (
		own     *Error
		unknown *yaml.UnknownFieldError
		y       yaml.Error
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &unknown):
		e := s.at("", "unknown attribute")
		if tk := unknown.Token; tk != nil {
			e.Field = tk.Value
			if tk.Position != nil {
				e.Line = tk.Position.Line
				e.Field = s.fieldNamed(tk.Value, e.Line)
			}
		}
		return e
	case errors.As(err, &y):
		e := s.at("", "%s", y.GetMessage())
		if tk := y.GetToken(); tk != nil && tk.Position != nil {
			e.Line = tk.Position.Line
			e.Field = s.fieldAt(e.Line)
		}
		return e
	}
	return s.at("", "%v", err)
}

// fieldAt returns the field of a line where there is exactly one.
func (s *source) fieldAt(line int) string {
	var found string
	for field, n := range s.lines {
		if n != line || field == "" {
			continue
		}
		// A list's line is also its first entry's: the longer path is the
		// closer one, as long as it continues the shorter.
		switch {
		case found == "" || within(field, found):
			found = field
		case !within(found, field):
			return ""
		}
	}
	return found
}

// fieldNamed returns the path of the attribute of that name on a line.
func (s *source) fieldNamed(name string, line int) string {
	for field, n := range s.lines {
		if n == line && strings.HasSuffix(field, "."+name) {
			return field
		}
	}
	return name
}

// within reports whether a field is part of another.
func within(field, whole string) bool {
	rest, ok := strings.CutPrefix(field, whole)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}
