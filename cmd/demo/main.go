// Command demo is the tour behind `make run`: it makes a device, boots it, lets
// non-secure programs use it, kills the secure world, and attacks it. Every
// program in it is a process of its own, and any step that does not go as it
// should ends the tour with status 1.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const usage = `Take the tour.

Usage:
  demo --bin BIN [FILE]   provision, boot, sign FILE, store, kill, recall, attest, attack
  demo --bin BIN --bench  boot with the echo service and run psa bench

BIN is where make build puts the programs.
`

func main() {
	flag.Usage = func() { fmt.Fprint(flag.CommandLine.Output(), usage) }
	bin := flag.String("bin", "bin", "")
	bench := flag.Bool("bench", false, "")
	flag.Parse()
	file := "README.md"
	if flag.NArg() > 0 {
		file = flag.Arg(0)
	}
	err := inTemporaryDevice(*bin, func(t *tour) error {
		if *bench {
			return t.bench(flag.Args())
		}
		return t.take(file)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo: error:", err)
		os.Exit(1)
	}
}

// inTemporaryDevice runs f with a place for a device that is gone afterwards.
func inTemporaryDevice(bin string, f func(*tour) error) error {
	dir, err := os.MkdirTemp("", "postern-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &tour{bin: bin, dir: dir, device: filepath.Join(dir, "device")}
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
	fmt.Println("Postern: a secure world, the programs that use it, and some that should not.")
	fmt.Println()
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
	} {
		at := time.Now()
		text, err := s.run()
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, s.name, err)
		}
		for j, line := range strings.Split(text, "\n") {
			if j == 0 {
				fmt.Printf("%2d  %-9s  %4d ms  %s\n", i+1, s.name, time.Since(at).Milliseconds(), line)
			} else {
				fmt.Printf("%24s%s\n", "", line)
			}
		}
	}
	fmt.Printf("\nAll of it in %.2f s. To try it yourself: bin/spe help, bin/psa help.\n", time.Since(began).Seconds())
	return nil
}

// step is one line of the tour.
type step struct {
	name string
	run  func() (string, error)
}
