package bench

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The program has a folder of its own because Go takes a C file beside its own
// for cgo.
//
//go:embed pingpong/pingpong.c
var pingpongSource []byte

// pingpong is the running C yardstick.
type pingpong struct {
	cmd    *exec.Cmd
	ask    io.WriteCloser
	answer *bufio.Reader
	words  bytes.Buffer // its standard error
	dir    string
}

// startPingpong compiles the C program into a directory of its own and starts
// it. It ends when ctx does, or with stop.
func startPingpong(ctx context.Context, where Placement) (_ *pingpong, err error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return nil, errors.New("no C compiler (cc) in PATH")
	}
	dir, err := os.MkdirTemp("", "psa-bench-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	source, program := filepath.Join(dir, "pingpong.c"), filepath.Join(dir, "pingpong")
	if err := os.WriteFile(source, pingpongSource, 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, cc, "-std=c99", "-O2", "-o", program, source).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile: %w: %s", err, bytes.TrimSpace(out))
	}
	client, server := where.cores()
	p := &pingpong{cmd: exec.CommandContext(ctx, program, client, server), dir: dir}
	p.cmd.Stderr = &p.words
	// A process group of its own, so that an interrupt from the terminal reaches
	// it through ctx and the measurement ends in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.ask, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answer = bufio.NewReaderSize(stdout, 1<<20)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// batch adds the round trips of about d, with the frames of x, to s.
func (p *pingpong) batch(x exchange, d time.Duration, s *samples) error {
	if _, err := fmt.Fprintln(p.ask, x.requestFrame(), x.replyFrame(), d.Nanoseconds()); err != nil {
		return p.broken(err)
	}
	line, err := p.answer.ReadString('\n')
	if err != nil {
		return p.broken(err)
	}
	fields := strings.Fields(line)
	if len(fields) < 2 || fields[0] != strconv.Itoa(len(fields)-1) {
		return errors.New("ping-pong in C: answer cut short")
	}
	for _, f := range fields[1:] {
		ns, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return fmt.Errorf("ping-pong in C: %w", err)
		}
		s.add(ns)
	}
	return nil
}

// broken ends the program and returns err with what it said last.
func (p *pingpong) broken(err error) error {
	p.ask.Close()
	p.cmd.Wait() // also waits until words is complete
	return fmt.Errorf("ping-pong in C: %w %s", err, bytes.TrimSpace(p.words.Bytes()))
}

// stop ends the program and removes it.
func (p *pingpong) stop() {
	p.ask.Close()
	p.cmd.Wait()
	os.RemoveAll(p.dir)
}
