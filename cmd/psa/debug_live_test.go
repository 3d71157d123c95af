package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/nspe/debugport"
)

// The key that provisioning prints, and no other, opens the debug port of a
// device that was made for it.
func TestUnlockARealDevice(t *testing.T) {
	spe := buildSPE(t)
	for _, board := range []string{"nrf5340", "nrf54l15"} {
		t.Run(board, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "psa-")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			device := filepath.Join(dir, "device")
			out, err := exec.Command(spe, "provision", device, "--board", board, "--debug", "unlock").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			found := regexp.MustCompile(`debug +(0x[0-9a-f]{8})\n`).FindSubmatch(out)
			if found == nil {
				t.Fatalf("no debug key in %s", out)
			}
			key, err := parseAddr(string(found[1]))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(spe, "run", device)
			stdout, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { cmd.Process.Signal(unix.SIGTERM); cmd.Wait() }()
			line := make([]byte, 256)
			if n, err := stdout.Read(line); err != nil || !strings.HasPrefix(string(line[:n]), "ready ") {
				t.Fatalf("%q, %v", line[:n], err)
			}
			p, err := debugport.Open(filepath.Join(device, "run", "debug.sock"))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if err := p.Unlock(key ^ 1); err == nil {
				t.Error("another key opens it")
			}
			if err := p.Unlock(key); err != nil {
				t.Errorf("its key: %v", err)
			}
			if v, err := p.Memory().Load(0x20000000, 4); err != nil || v != 0 {
				t.Errorf("secure RAM: 0x%x, %v", v, err)
			}
			for _, r := range []debugport.Register{debugport.APProtectDisable, debugport.SecureAPProtectDisable, debugport.MailboxTXData} {
				if v, err := p.ReadRegister(r); err == nil && v == key {
					t.Errorf("%v gives the key back", r)
				}
			}
		})
	}
}
