package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// program is a C program that was built for one measurement, in a directory of
// its own.
type program struct {
	dir  string
	path string // of the program
}

// compile builds a C program from main, a file of sources, and whatever
// libraries hold: their files lie beside each other in the include path, and
// their .c files are compiled with it. link is what it is linked with besides,
// such as -lm. Sources are embedded, so that an installed psa has them.
func compile(ctx context.Context, sources fs.FS, main string, link []string, libraries ...fs.FS) (p *program, err error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return nil, errors.New("no C compiler (cc) in PATH")
	}
	dir, err := os.MkdirTemp("", "psa-bench-")
	if err != nil {
		return nil, err
	}
	p = &program{dir: dir, path: filepath.Join(dir, "program")}
	defer func() {
		if err != nil {
			p.remove()
		}
	}()
	include := filepath.Join(dir, "include")
	args := []string{"-std=c99", "-O2", "-pthread", "-I", include, "-o", p.path, filepath.Join(dir, main)}
	if err := os.CopyFS(dir, sources); err != nil {
		return nil, err
	}
	for _, library := range libraries {
		if err := os.CopyFS(include, library); err != nil {
			return nil, err
		}
		files, err := fs.Glob(library, "*.c")
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			args = append(args, filepath.Join(include, f))
		}
	}
	args = append(args, link...)
	if out, err := exec.CommandContext(ctx, cc, args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile %s: %w: %s", filepath.Base(main), err, bytes.TrimSpace(out))
	}
	return p, nil
}

// remove removes the program with its directory. What cannot be removed is left
// to whoever clears the directory for temporary files.
func (p *program) remove() { os.RemoveAll(p.dir) }
