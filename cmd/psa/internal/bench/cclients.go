package bench

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/postern-spe/postern/nspe"
	"github.com/postern-spe/postern/veneer/c"
)

// In a folder of its own, as the ping-pong.
//
//go:embed clients/clients.c
var clientsSource embed.FS

// FrameworkVersion is the name of the call that C clients make: the one that
// does nothing but pass the gate.
const FrameworkVersion = "framework_version"

// clientTurns is how many times C clients turn to the gate, and as many times to
// the plain server. Few, because each turn begins with a span in which all
// clients get to it and nothing counts.
const clientTurns = 4

// CClients is the C program whose processes are clients of the gate.
type CClients struct{ program *program }

// BuildCClients compiles the program, with the gate for C programs as it is in
// package c. An error says why there are no C clients, such as that the machine
// has no compiler.
func BuildCClients(ctx context.Context) (*CClients, error) {
	p, err := compile(ctx, clientsSource, "clients/clients.c", nil, c.Sources)
	if err != nil {
		return nil, err
	}
	return &CClients{p}, nil
}

// Remove removes the program.
func (c *CClients) Remove() { c.program.remove() }

// Scale has n processes call psa_framework_version over the socket, counting for
// d in all, and, if baseline is set, in turns with that pass the same bytes
// with a plain server, counting for d as well. It ends all of them.
func (c *CClients) Scale(ctx context.Context, n int, socket string, where Placement, d time.Duration, baseline bool) (s Scaling, err error) {
	if n < 1 || n > MaxClients {
		return s, fmt.Errorf("%d clients: 1 to %d", n, MaxClients)
	}
	var x exchange
	request, reply := x.requestFrame(), x.replyFrame()
	if !baseline {
		request, reply = 0, 0
	}
	counted := max(d/clientTurns, 1)
	// A call that waits for its turn among n lasts n times as long as one, some
	// 10 µs; the rest is for waking up.
	settle := 10*time.Millisecond + time.Duration(n)*50*time.Microsecond
	client, server := where.cores()

	// Patient and yet bounded, as with Go clients.
	limit := 2*clientTurns*(settle+counted) + patience(n)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program.path, strconv.Itoa(n), strconv.Itoa(clientTurns),
		strconv.FormatInt(counted.Nanoseconds(), 10), strconv.FormatInt(settle.Nanoseconds(), 10),
		strconv.Itoa(request), strconv.Itoa(reply), client, server)
	cmd.Env = append(os.Environ(), nspe.SocketVariable+"="+socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as the ping-pong
	cmd.WaitDelay = 5 * time.Second                       // its processes die with it, and hold its output until then
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return s, ctx.Err()
		}
		first, _, _ := strings.Cut(words.String(), "\n") // hundreds may say the same
		return s, fmt.Errorf("%w: %s", err, first)
	}
	gate, plain, err := parseCounts(out.String(), n)
	if err != nil {
		return s, err
	}
	s = Scaling{Op: FrameworkVersion, Pin: where.Pin, Kind: ClientC, Clients: n}
	s.fill(gate, clientTurns*counted)
	if baseline {
		_, all := tally(plain, clientTurns*counted)
		s.ScalingBaseline = &all
	}
	return s, nil
}

// parseCounts reads the C program's answer: for each client, its calls through
// the gate and its calls of the plain server.
func parseCounts(out string, n int) (gate, plain []int64, err error) {
	for line := range strings.Lines(out) {
		g, p, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		through, gErr := strconv.ParseInt(g, 10, 64)
		past, pErr := strconv.ParseInt(p, 10, 64)
		if err := errors.Join(gErr, pErr); err != nil || !ok {
			return nil, nil, fmt.Errorf("clients in C: line %q: %w", line, err)
		}
		gate, plain = append(gate, through), append(plain, past)
	}
	if len(gate) != n {
		return nil, nil, fmt.Errorf("clients in C: %d of %d said what they counted", len(gate), n)
	}
	return gate, plain, nil
}
