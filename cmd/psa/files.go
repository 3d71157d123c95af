package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// optional returns argument i, "" when there are fewer.
func optional(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// open returns the file to read: standard input for "" and "-".
func (e *env) open(path string) (io.ReadCloser, error) {
	if path == "" || path == "-" {
		return io.NopCloser(e.stdin), nil
	}
	return os.Open(path)
}

// read returns a whole file of at most limit bytes, or a *sizeError; what names
// it in errors.
func (e *env) read(path, what string, limit int) ([]byte, error) {
	f, err := e.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readUpTo(f, limit+1)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	if len(data) > limit {
		clear(data)
		return nil, &sizeError{what, limit}
	}
	return data, nil
}

// sizeError is a file that is too large for what it is meant for.
type sizeError struct {
	what  string
	limit int
}

func (s *sizeError) Error() string {
	return fmt.Sprintf("%s is larger than %d bytes", s.what, s.limit)
}

// readUpTo returns the next n bytes of r, fewer where it ends before.
func readUpTo(r io.Reader, n int) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r, int64(n)))
}

// write puts data to standard output for "" and "-", and else to a file, which
// is there afterwards wholly or not at all. A new file is for its owner's eyes
// only: what comes out of the secure world may be a secret.
func (e *env) write(path string, data []byte) error {
	if path == "" || path == "-" {
		_, err := e.stdout.Write(data)
		return err
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return &os.PathError{Op: "write", Path: path, Err: errors.New("is a directory")}
		}
		return os.WriteFile(path, data, 0o600) // a device or a pipe cannot be replaced
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".psa-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
