package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/postern-spe/postern/veneer"
	"golang.org/x/sys/unix"
)

// The words of a client, on a pipe that all clients share: a line is shorter
// than PIPE_BUF, so lines do not mix.
const (
	wordReady = "ready" // the client is connected and waits for the start
	wordDone  = "done"  // and the number of calls
	wordError = "error" // and why
)

// startSize is the size in bytes of a start: the instant at which the counting
// begins, in nanoseconds of the monotonic clock. The starts of all clients lie
// in one pipe, which holds more than MaxClients of them, and each client takes
// one.
const startSize = 8

// Work is the part of one client process. It says on out that it is ready, takes
// a start, performs op until d after that instant, and says how many it
// performed since. So all clients count in the same span of time, in which all
// of them are at work.
func Work(gate veneer.Gate, op Op, d time.Duration, start io.Reader, out io.Writer) error {
	n, err := work(gate, op, d, start, out)
	if err != nil {
		text := strings.ReplaceAll(err.Error(), "\n", " ")
		fmt.Fprintf(out, "%s %.200s\n", wordError, text)
		return err
	}
	_, err = fmt.Fprintln(out, wordDone, n)
	return err
}

func work(gate veneer.Gate, op Op, d time.Duration, start io.Reader, out io.Writer) (n int64, err error) {
	t, err := op.prepare(gate)
	if err != nil {
		return 0, fmt.Errorf("prepare: %w", err)
	}
	if t.end != nil {
		defer t.end()
	}
	step := func() error {
		if err := t.call(); err != nil || t.undo == nil {
			return err
		}
		return t.undo()
	}
	if err := step(); err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintln(out, wordReady); err != nil {
		return 0, err
	}
	var b [startSize]byte
	if _, err := io.ReadFull(start, b[:]); err != nil {
		return 0, fmt.Errorf("no start: %w", err)
	}
	begin := int64(binary.LittleEndian.Uint64(b[:]))
	for end := begin + int64(d); ; {
		if err := step(); err != nil {
			return 0, err
		}
		switch now := monotonic(); {
		case now >= end:
			return n, nil
		case now >= begin:
			n++
		}
	}
}

// monotonic reads the clock that all processes of the machine share.
func monotonic() int64 {
	var t unix.Timespec
	// It cannot fail: the clock exists and t is ours.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}

// ScaleGo starts n processes that each do Work for d, releases them together
// when all are ready, and adds their calls up. command returns a process to start,
// which passes its standard input and output to Work. Every process ends by
// itself: d after the start, or when this one is gone before that. ScaleGo ends
// those that do not.
func ScaleGo(ctx context.Context, n int, op Op, pin Pin, d time.Duration, command func(context.Context) *exec.Cmd) (s Scaling, err error) {
	if n < 1 || n > MaxClients {
		return s, fmt.Errorf("%d clients: 1 to %d", n, MaxClients)
	}
	ctx, cancel := context.WithTimeout(ctx, d+patience(n))
	var started []*exec.Cmd
	defer func() {
		cancel() // kills what still runs; otherwise without effect
		for _, cmd := range started {
			// A client that failed has said so in its own words; a client that
			// was killed says nothing, and its line is missed.
			_ = cmd.Wait()
		}
	}()

	startR, startW, err := os.Pipe()
	if err != nil {
		return s, err
	}
	defer startW.Close()
	reportR, reportW, err := os.Pipe()
	if err != nil {
		startR.Close()
		return s, err
	}
	defer reportR.Close()
	for range n {
		cmd := command(ctx)
		cmd.Stdin, cmd.Stdout = startR, reportW
		// As with the C program: an interrupt reaches it through ctx.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err = cmd.Start(); err != nil {
			break
		}
		started = append(started, cmd)
	}
	startR.Close()
	reportW.Close() // the pipe ends when the last client does
	if err != nil {
		return s, fmt.Errorf("client %d: %w", len(started)+1, err)
	}
	release := context.AfterFunc(ctx, func() { reportR.SetReadDeadline(time.Now()) })
	defer release()

	s = Scaling{Op: op.Name, Size: op.Size, Pin: pin, Kind: ClientGo, Clients: n}
	lines := bufio.NewScanner(reportR)
	for ready := 0; ready < n; ready++ {
		if _, err := next(ctx, lines, wordReady); err != nil {
			return s, err
		}
	}
	// Time to wake all of them up; until the instant they make calls that do not
	// count.
	begin := monotonic() + int64(50*time.Millisecond) + int64(n)*int64(time.Millisecond)
	start := binary.LittleEndian.AppendUint64(nil, uint64(begin))
	if _, err := startW.Write(bytes.Repeat(start, n)); err != nil {
		return s, err
	}
	counts := make([]int64, n)
	for i := range counts {
		rest, err := next(ctx, lines, wordDone)
		if err != nil {
			return s, err
		}
		if counts[i], err = strconv.ParseInt(rest, 10, 64); err != nil {
			return s, fmt.Errorf("answer of a client: %w", err)
		}
	}
	s.fill(counts, d)
	return s, nil
}

// patience is how long n client processes may take for all but counting:
// bounded, and yet enough where they start one after another, and with hundreds
// on few cores the last one is ready late.
func patience(n int) time.Duration {
	return 30*time.Second + time.Duration(n)*50*time.Millisecond
}

// next reads one client's line, which must start with the word.
func next(ctx context.Context, lines *bufio.Scanner, word string) (rest string, err error) {
	if !lines.Scan() {
		switch err := lines.Err(); {
		case context.Cause(ctx) != nil:
			return "", context.Cause(ctx)
		case err != nil:
			return "", err
		}
		return "", errors.New("a client process ended early")
	}
	got, rest, _ := strings.Cut(lines.Text(), " ")
	switch got {
	case word:
		return rest, nil
	case wordError:
		return "", errors.New("a client: " + rest)
	}
	return "", fmt.Errorf("a client said %q instead of %q", got, word)
}
