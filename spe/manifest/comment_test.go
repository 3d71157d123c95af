package manifest

import (
	"strings"
	"testing"
)

func TestHashComments(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"line", "// a\nb", " # a\nb"},
		{"after a value", `"a", // b`, `"a",  # b`},
		{"directly after a comma", `1,//b`, `1, #b`},
		{"in double quotes", `"a // b"`, `"a // b"`},
		{"in single quotes", `'a // b'`, `'a // b'`},
		{"after an escaped quote", `"\" // b"`, `"\" // b"`},
		{"in a plain address", `http://a`, `http://a`},
		{"after an apostrophe", `it's // b`, `it's  # b`},
		{"inside a comment", "# // a \"\n// b", "# // a \"\n # b"},
		{"one slash", `a / b`, `a / b`},
		{"at the end", `/`, `/`},
		{"a backslash at the end", `"\`, `"\`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, tooDeep := hashComments([]byte(tt.in))
			if string(got) != tt.want || tooDeep != 0 {
				t.Errorf("got %q, want %q; too deep on line %d", got, tt.want, tooDeep)
			}
		})
	}
}

func TestHashCommentsDepth(t *testing.T) {
	open := strings.Repeat("[", maxDepth)
	for _, tt := range []struct {
		name, in string
		line     int
	}{
		{"as deep as may be", open, 0},
		{"one deeper", "\n" + open + "\n{", 3},
		{"in quotes", open + `"["`, 0},
		{"in a comment", open + " // [", 0},
		{"closed before", open + "][", 0},
		{"closed too often", "]]" + open, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, line := hashComments([]byte(tt.in)); line != tt.line {
				t.Errorf("too deep on line %d, want %d", line, tt.line)
			}
		})
	}
}
