package cmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-spe/postern/platform/keyfile"
)

// What README and docs link to in the project is there.
func TestLinks(t *testing.T) {
	texts, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#]+)`)
	for _, name := range append(texts, "../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			to := string(m[1])
			if strings.Contains(to, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), to)); err != nil {
				t.Errorf("%s links to %s: %v", name, to, err)
			}
		}
	}
}

// The key file in docs/hardware.md is one.
func TestKeyFileInDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/hardware.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```json\n")
	example, _, found := strings.Cut(rest, "```")
	if !found || !json.Valid([]byte(example)) {
		t.Fatalf("no JSON in docs/hardware.md: %q", example)
	}
	keys, err := keyfile.Parse([]byte(example))
	if err != nil || len(keys) != 1 || keys[0].Placement.First != 16 {
		t.Errorf("%+v, %v", keys, err)
	}
}
