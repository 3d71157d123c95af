package main

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest/oracle"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// A keeper is a client process that keeps a journal on its standard output: a line
// before each operation, which says what it is, and a line after it, which says
// how it went. It ends when the secure world is gone, or fails. Keepers are one
// client to the secure world, and have names of their own.
//
//	set ITS 101 32 7 0 0 0
//	is 0 0
//
// The fields are those of entry and of answer.

// entry is what a keeper does: an operation, or reading the place.
type entry struct {
	oracle.Op
	read bool
	seed byte // of the contents
}

// answer is how that went: the status, and the sum of what was read.
type answer struct {
	status veneer.Status
	sum    uint32
}

// step is an entry of a journal; answered is false when the keeper has not learnt
// how it went.
type step struct {
	entry
	answer
	answered bool
}

func (e entry) String() string {
	kind := string(e.Kind)
	if e.read {
		kind = "read"
	}
	return fmt.Sprintf("%s %s %d %d %d %d %d %d", kind, e.Service, e.UID, len(e.Data), e.seed, e.Offset, e.Capacity, e.Flags)
}

func parseEntry(s string) (e entry, err error) {
	var kind, service string
	var size int
	if _, err := fmt.Sscanf(s, "%s %s %d %d %d %d %d %d", &kind, &service, &e.UID, &size, &e.seed, &e.Offset, &e.Capacity, &e.Flags); err != nil {
		return e, fmt.Errorf("journal line %q: %w", s, err)
	}
	e.Kind, e.Service, e.Client = oracle.Kind(kind), oracle.Service(service), spe.DefaultClientID
	e.Data, e.read = oracle.Contents(size, e.seed), kind == "read"
	return e, nil
}

// checksum is what a journal says of what was read.
func checksum(h oracle.Held) uint32 { return crc32.ChecksumIEEE(fmt.Appendf(nil, "%+v", h.Seen())) }

// places of a keeper.
const (
	uidsOfKeeper = 4 // in each service
	firstUID     = 100
)

func placeOf(keeper int, s oracle.Service, n int) oracle.Place {
	return oracle.Place{Service: s, Client: spe.DefaultClientID, UID: uint64(firstUID*(keeper+1) + n)}
}

// draw returns what a keeper does next. It does not look at what it has.
func draw(rng *rand.Rand, keeper int) (e entry) {
	s := [...]oracle.Service{oracle.Internal, oracle.Internal, oracle.Protected, oracle.Protected, oracle.Keys}[rng.IntN(5)]
	e.Place = placeOf(keeper, s, rng.IntN(uidsOfKeeper))
	e.seed = byte(rng.Uint32())
	kinds := []oracle.Kind{oracle.Set, oracle.Set, oracle.Set, oracle.Remove, ""}
	if s == oracle.Protected {
		kinds = append(kinds, oracle.Create, oracle.Extend, oracle.Extend)
	}
	e.Kind = kinds[rng.IntN(len(kinds))]
	size := rng.IntN(100)
	if rng.IntN(10) == 0 {
		size = rng.IntN(1200) // of several records
	}
	switch {
	case e.Kind == "":
		e.read = true
	case s == oracle.Keys && e.Kind == oracle.Set:
		size = 16 + 16*rng.IntN(2)
		e.Data = oracle.Contents(size, e.seed)
	case e.Kind == oracle.Set:
		e.Data, e.Flags = oracle.Contents(size, e.seed), psa.StorageFlags(2*rng.IntN(4))
	case e.Kind == oracle.Extend:
		e.Data, e.Offset = oracle.Contents(size, e.seed), uint32(rng.IntN(50))
	case e.Kind == oracle.Create:
		e.Capacity = uint32(rng.IntN(300))
	}
	return e
}

// keep is the process: keeper SOCKET NUMBER SEED.
func keep() {
	number, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	seed, err := strconv.ParseUint(os.Args[3], 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	conn, err := ipc.Dial(os.Args[1])
	if err != nil {
		return // it is gone already
	}
	c, rng := oracle.NewClient(conn), rand.New(rand.NewPCG(seed, uint64(number)))
	for {
		e := draw(rng, number)
		fmt.Println(e)
		var a answer
		if e.read {
			h, err := e.Place.Read(c)
			a = answer{oracle.StatusOf(err), checksum(h)}
		} else {
			a.status = e.Op.Do(c)
		}
		fmt.Println("is", int32(a.status), a.sum)
		switch a.status {
		case veneer.ErrCommunicationFailure, veneer.ErrConnectionRefused, veneer.ErrStorageFailure, veneer.ErrGenericError,
			veneer.ErrServiceFailure, veneer.ErrHardwareFailure:
			return
		}
	}
}

// keeper is such a process, and its journal.
type keeper struct {
	cmd   *exec.Cmd
	steps []step
	err   error
	ended chan struct{} // the journal is complete
}

// startKeeper starts a keeper; answered is called for each answer.
func startKeeper(t *testing.T, socket string, number int, seed uint64, answered func()) *keeper {
	t.Helper()
	k := &keeper{
		cmd:   exec.Command("keeper", socket, strconv.Itoa(number), strconv.FormatUint(seed, 10)),
		ended: make(chan struct{}),
	}
	k.cmd.Stderr = os.Stderr
	out, err := k.cmd.StdoutPipe()
	if err == nil {
		err = k.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.cmd.Process.Kill(); k.cmd.Wait() })
	go func() {
		defer close(k.ended)
		k.err = k.follow(out, answered)
	}()
	return k
}

func (k *keeper) follow(out io.Reader, answered func()) error {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, "is ") {
			e, err := parseEntry(line)
			if err != nil {
				return err
			}
			k.steps = append(k.steps, step{entry: e})
			continue
		}
		s := &k.steps[len(k.steps)-1]
		if _, err := fmt.Sscanf(line, "is %d %d", &s.status, &s.sum); err != nil {
			return fmt.Errorf("journal line %q: %w", line, err)
		}
		s.answered = true
		answered()
	}
	return nil
}

// wait waits until the keeper has ended, and returns its journal.
func (k *keeper) wait(t *testing.T) []step {
	t.Helper()
	<-k.ended
	if err := k.cmd.Wait(); err != nil || k.err != nil {
		t.Fatalf("a keeper: %v, %v", err, k.err)
	}
	return k.steps
}
