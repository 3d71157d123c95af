package bench

import (
	"context"
	"embed"
	"time"
)

//go:embed filebacked/filebacked.c
var fileBackedSource embed.FS

// fileBacked is the C program with the file-backed storage of Mbed TLS.
type fileBacked struct{ *coprocess }

// buildFileBacked compiles the program. An error says why there is none, such
// as that the machine does not have the library.
func buildFileBacked(ctx context.Context) (*program, error) {
	return compile(ctx, fileBackedSource, "filebacked/filebacked.c", []string{"-lmbedcrypto"})
}

// startFileBacked starts a program that keeps its files in the directory dir. It
// removes the program in the end.
func startFileBacked(ctx context.Context, p *program, where Placement, dir string) (*fileBacked, error) {
	core, _ := where.cores()
	c, err := p.start(ctx, "file-backed storage in C", core, dir)
	if err != nil {
		return nil, err
	}
	return &fileBacked{c}, nil
}

// fill adds the assets from..to-1, of size bytes.
func (f *fileBacked) fill(ctx context.Context, from, to, size int) error {
	// Few at a time, so that an interrupt is noticed in between.
	for ; from < to; from += 1000 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.ask(nil, "fill", from, min(to, from+1000), size); err != nil {
			return err
		}
	}
	return nil
}

// batch adds the samples of an operation on the first n assets of size bytes, of
// about d, to s.
func (f *fileBacked) batch(verb string, n, size int, d time.Duration, s *samples) error {
	return f.ask(s, verb, n, size, d.Nanoseconds())
}
