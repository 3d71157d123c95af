// Command demo is the tour behind `make run`: it makes a device, boots it, lets
// non-secure programs use it, kills the secure world, and attacks it. Every
// program in it is a process of its own, and any step that does not go as it
// should ends the tour with status 1.
//
// However it ends, it leaves nothing behind: an interrupt, a termination, a
// terminal or a reader of its output that goes away end the secure world the
// orderly way, and remove the device. After SIGKILL, which it cannot answer, no
// process is left, but the device is, in the directory for temporary files.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const usage = `Take the tour.

Usage:
  demo --bin BIN [FILE]   provision, boot, sign FILE, store, kill, recall, attest, attack
  demo --bin BIN --bench  boot with the echo service and run psa bench
  demo --bin BIN --bench-storage
                          the same on the largest board with assets by the 100,000

BIN is where make build puts the programs.
`

func main() {
	flag.Usage = func() { fmt.Fprint(flag.CommandLine.Output(), usage) }
	bin := flag.String("bin", "bin", "")
	bench := flag.Bool("bench", false, "")
	benchStorage := flag.Bool("bench-storage", false, "")
	flag.Parse()
	file := "README.md"
	if flag.NArg() > 0 {
		file = flag.Arg(0)
	}
	// The kernel sends a child its parent-death signal when the thread that
	// started it ends. The main goroutine starts all of them, and keeps its thread.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()

	take := func(t *tour) error { return t.take(file) }
	if *bench {
		take = func(t *tour) error { return t.bench(flag.Args()) }
	} else if *benchStorage {
		take = func(t *tour) error { return t.benchStorage(flag.Args()) }
	} else if err := checkReadable(file); err != nil {
		fail(err)
	}
	if err := inTemporaryDevice(ctx, *bin, take); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // the step only says how it was cut short
		}
		fail(err)
	}
}

// fail ends the program; nothing deferred runs.
func fail(err error) {
	fmt.Fprintln(os.Stderr, "demo: error:", err)
	os.Exit(1)
}

// endings returns the signals that end the tour. SIGPIPE is one because, when
// nobody asks for it, it ends a program that writes to a closed standard output
// on the spot. SIGHUP stays ignored under nohup(1).
func endings() []os.Signal {
	all := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

// checkReadable finds out before anything is made that the file to sign cannot
// be signed.
func checkReadable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err == nil && fi.IsDir() {
		err = fmt.Errorf("%s is a directory, and not a file to sign", path)
	}
	return err
}

// inTemporaryDevice runs f with a place for a device that is gone afterwards.
func inTemporaryDevice(ctx context.Context, bin string, f func(*tour) error) error {
	dir, err := os.MkdirTemp("", "postern-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &tour{ctx: ctx, bin: bin, dir: dir, device: filepath.Join(dir, "device")}
	defer t.halt()
	return f(t)
}

// take is the tour.
func (t *tour) take(file string) error {
	began := time.Now()
	sig, pub, secret := filepath.Join(t.dir, "sig"), filepath.Join(t.dir, "pub.pem"), "the well is under the old oak"
	psArea, err := t.areaOfSecrets()
	if err != nil {
		return err
	}
	if _, err := fmt.Print("Postern: a secure world, the programs that use it, and some that should not.\n\n"); err != nil {
		return err
	}
	for i, s := range []step{
		{"provision", func() (string, error) {
			return "a new nRF5340: root keys and identity key in its KMU", t.provision()
		}},
		{"boot", t.boot},
		{"sign", func() (string, error) { return t.program("examples/signer", "", file, sig, pub) }},
		{"verify", func() (string, error) { return t.program("examples/verifier", "", file, sig, pub) }},
		{"tamper", func() (string, error) {
			return t.refused("signature is bad", "examples/verifier", os.Args[0], sig, pub)
		}},
		{"store", func() (string, error) {
			_, err := t.program("examples/secret", secret, "store", "7")
			return fmt.Sprintf("%d bytes into Protected Storage", len(secret)), err
		}},
		{"search", func() (string, error) { return t.nowhereInFlash(secret) }},
		{"kill", t.kill},
		{"boot", t.boot},
		{"recall", func() (string, error) {
			got, err := t.program("examples/secret", "", "recall", "7")
			if err == nil && got != secret {
				err = fmt.Errorf("stored %q, got back %q", secret, got)
			}
			return "the secret is there, byte for byte", err
		}},
		{"attest", func() (string, error) {
			return t.program("examples/witness", "", filepath.Join(t.device, "iak.pub.pem"))
		}},
		{"attack", func() (string, error) {
			return t.refused("SecureFault", "examples/intruder", filepath.Join(t.device, "run", "bus.sock"), fmt.Sprintf("%#x", psArea))
		}},
		{"from C", func() (string, error) { return t.program("examples/its_asset", "") }},
		{"probe", func() (string, error) {
			return t.refused("closed by AP-Protect", "psa", "debug", "read", fmt.Sprintf("%#x", psArea))
		}},
		{"wipe", t.wipe},
	} {
		at := time.Now()
		text, err := s.run()
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, s.name, err)
		}
		text = strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", 24))
		if _, err := fmt.Printf("%2d  %-9s  %4d ms  %s\n", i+1, s.name, time.Since(at).Milliseconds(), text); err != nil {
			return err // nobody reads on
		}
	}
	_, err = fmt.Printf("\nAll of it in %.2f s. To try it yourself: bin/spe help, bin/psa help.\n", time.Since(began).Seconds())
	return err
}

// step is one line of the tour.
type step struct {
	name string
	run  func() (string, error)
}
