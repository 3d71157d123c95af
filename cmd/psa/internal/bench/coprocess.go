package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// coprocess is a running C yardstick: a line on its standard input asks for
// samples, a line on its standard output has them.
type coprocess struct {
	name   string // for errors
	cmd    *exec.Cmd
	asks   io.WriteCloser
	answer *bufio.Reader
	words  bytes.Buffer // its standard error

	program *program
}

// start starts the program, which is the coprocess's from here on, also on an
// error. It ends when ctx does, or with stop.
func (p *program) start(ctx context.Context, name string, args ...string) (_ *coprocess, err error) {
	defer func() {
		if err != nil {
			p.remove()
		}
	}()
	c := &coprocess{name: name, cmd: exec.CommandContext(ctx, p.path, args...), program: p}
	c.cmd.Stderr = &c.words
	// A process group of its own, so that an interrupt from the terminal reaches
	// it through ctx and the measurement ends in order.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.asks, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.answer = bufio.NewReaderSize(stdout, 1<<20)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	return c, nil
}

// ask writes the words as a line and adds the samples of the answer to s: their
// number, and then each in nanoseconds. s may be nil where there are none.
func (c *coprocess) ask(s *samples, words ...any) error {
	if _, err := fmt.Fprintln(c.asks, words...); err != nil {
		return c.broken(err)
	}
	line, err := c.answer.ReadString('\n')
	if err != nil {
		return c.broken(err)
	}
	fields := strings.Fields(line)
	if len(fields) == 0 || fields[0] != strconv.Itoa(len(fields)-1) {
		return errors.New(c.name + ": answer cut short")
	}
	for _, f := range fields[1:] {
		ns, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		s.add(ns)
	}
	return nil
}

// broken ends the program and returns err with what it said last.
func (c *coprocess) broken(err error) error {
	c.asks.Close()
	c.cmd.Wait() // also waits until words is complete
	return fmt.Errorf("%s: %w %s", c.name, err, bytes.TrimSpace(c.words.Bytes()))
}

// stop ends the program and removes it.
func (c *coprocess) stop() {
	c.asks.Close()
	c.cmd.Wait()
	c.program.remove()
}
