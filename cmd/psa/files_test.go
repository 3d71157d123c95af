package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	e := &env{}
	entries := func() (names []string) {
		found, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			names = append(names, f.Name())
		}
		return names
	}

	path := filepath.Join(dir, "out")
	if err := e.write(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := e.write(path, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); string(got) != "two" || err != nil {
		t.Errorf("%q, %v", got, err)
	}

	// What cannot be replaced is not, and nothing else stays behind.
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := e.write(sub, []byte("three")); err == nil {
		t.Error("a directory was written to")
	}
	if err := e.write(filepath.Join(dir, "absent", "out"), []byte("four")); err == nil {
		t.Error("a file was made in a directory that does not exist")
	}
	if names := entries(); strings.Join(names, " ") != "out sub" {
		t.Errorf("the directory holds %q", names)
	}
	if err := e.write(os.DevNull, []byte("five")); err != nil {
		t.Errorf("a device: %v", err)
	}
}

func TestReadIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		input string
		ok    bool
	}{{"empty", "", true}, {"at the limit", "1234", true}, {"above", "12345", false}} {
		t.Run(tt.name, func(t *testing.T) {
			e := &env{stdin: strings.NewReader(tt.input)}
			data, err := e.read("-", "the asset", 4)
			if (err == nil) != tt.ok || tt.ok && string(data) != tt.input {
				t.Errorf("%q, %v", data, err)
			}
		})
	}
}
