package bench

import (
	"bufio"
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The program has a folder of its own because Go takes a C file beside its own
// for cgo.
//
//go:embed pingpong/pingpong.c
var pingpongSource embed.FS

// pingpong is the running C yardstick.
type pingpong struct {
	cmd    *exec.Cmd
	ask    io.WriteCloser
	answer *bufio.Reader
	words  bytes.Buffer // its standard error

	program *program
}

// startPingpong compiles the C program and starts it. It ends when ctx does, or
// with stop.
func startPingpong(ctx context.Context, where Placement) (_ *pingpong, err error) {
	program, err := compile(ctx, pingpongSource, "pingpong/pingpong.c")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			program.remove()
		}
	}()
	client, server := where.cores()
	p := &pingpong{cmd: exec.CommandContext(ctx, program.path, client, server), program: program}
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

// batch adds the round trips of about d, with the frames of x, to s. The server
// is busy for work, in nanoseconds, before it answers.
func (p *pingpong) batch(x exchange, work int64, d time.Duration, s *samples) error {
	if _, err := fmt.Fprintln(p.ask, x.requestFrame(), x.replyFrame(), d.Nanoseconds(), work); err != nil {
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
	p.program.remove()
}
