package platform

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// snapshot describes everything below a directory: names, modes, times,
// contents. Two that are equal are of an unchanged directory.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, st os.FileInfo, err error) error {
		if err != nil {
			if os.IsNotExist(err) && path == dir {
				return nil
			}
			return err
		}
		fmt.Fprintf(&b, "%s %v %d", path, st.Mode(), st.ModTime().UnixNano())
		if st.Mode().IsRegular() {
			p, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(p))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// clone copies a device, as its owner might: the copy is a device of its own.
func clone(t *testing.T, dir string) string {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "device")
	if err := os.CopyFS(dst, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	modes := func(path string, st os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(filepath.Join(dst, strings.TrimPrefix(path, dir)), st.Mode().Perm())
	}
	if err := filepath.Walk(dir, modes); err != nil {
		t.Fatal(err)
	}
	return dst
}

func TestCloneOpens(t *testing.T) {
	dir := provision(t, ProvisionOptions{}).Dir
	a, b := open(t, dir), open(t, clone(t, dir))
	if a.ID != b.ID || a.BootSeed() == b.BootSeed() {
		t.Error("the copy is not the same device in a boot of its own")
	}
}

func TestDamagedDevices(t *testing.T) {
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	edit := func(name, from, to string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			p, err := os.ReadFile(path)
			if err != nil || !bytes.Contains(p, []byte(from)) {
				t.Fatalf("no %q in %s (%v)", from, name, err)
			}
			if err := os.WriteFile(path, bytes.Replace(p, []byte(from), []byte(to), 1), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	layout := func(placement string) func(*testing.T, string) {
		return edit(deviceFile, `"debug"`, `"layout": [`+placement+`], "debug"`)
	}
	clearWord := func(name string, off int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(make([]byte, 2), int64(off)); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	do := func(f func(path string) error, name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := f(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	linked := func(path string) error {
		return errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path))
	}
	mode := func(m os.FileMode) func(string) error {
		return func(path string) error { return os.Chmod(path, m) }
	}
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string)
		file   string // that the error names; "" for the directory
	}{
		{"no device.json", remove(deviceFile), deviceFile},
		{"no flash", remove(flashFile), flashFile},
		{"no UICR", remove(uicrFile), uicrFile},
		{"no public key", remove(IAKFile), IAKFile},
		{"no lock and no flash", func(t *testing.T, dir string) { remove(lockFile)(t, dir); remove(flashFile)(t, dir) }, flashFile},
		{"device.json empty", write(deviceFile, ""), deviceFile},
		{"device.json random", write(deviceFile, "\x00\xff{"), deviceFile},
		{"device.json huge", write(deviceFile, strings.Repeat(" ", maxTextFile+1)), deviceFile},
		{"device.json with more", edit(deviceFile, "}", "} {}"), deviceFile},
		{"unknown field", edit(deviceFile, `"board"`, `"extra": 1, "board"`), deviceFile},
		{"another format", edit(deviceFile, `"format": 2`, `"format": 1`), deviceFile},
		{"unknown board", edit(deviceFile, "nrf5340", "nrf9999"), deviceFile},
		{"bad identifier", edit(deviceFile, `"device_id": "`, `"device_id": "0`), deviceFile},
		{"flash short", do(func(p string) error { return os.Truncate(p, 1<<20-1) }, flashFile), flashFile},
		{"flash long", do(func(p string) error { return os.Truncate(p, 1<<20+1) }, flashFile), flashFile},
		{"UICR empty", do(func(p string) error { return os.Truncate(p, 0) }, uicrFile), uicrFile},
		{"UICR erased", write(uicrFile, strings.Repeat("\xff", 4096)), uicrFile},
		{"UICR zero", write(uicrFile, strings.Repeat("\x00", 4096)), uicrFile},
		{"identity key changed", clearWord(keysFile, 6*16), keysFile},
		{"MKEK changed", clearWord(keysFile, 2*16), keysFile},
		{"MEXT revoked", clearWord(uicrFile, 0x400+4*8+6), keysFile},
		{"unknown debug policy", edit(deviceFile, `"locked"`, `"ajar"`), deviceFile},
		{"layout that is none", edit(deviceFile, `"debug"`, `"layout": 5, "debug"`), deviceFile},
		{"layout of an image", layout(`{"area": "bl2", "region": "flash_primary", "address": 0, "size": 65536}`), deviceFile},
		{"layout on an image", layout(`{"area": "ps", "region": "flash_primary", "address": 65536, "size": 8192}`), deviceFile},
		{"layout off a page", layout(`{"area": "ps", "region": "flash_primary", "address": 983041, "size": 8192}`), deviceFile},
		{"layout past 32 bits", layout(`{"area": "ps", "region": "flash_primary", "address": 4294963200, "size": 8192}`), deviceFile},
		{"layout of a negative size", layout(`{"area": "ps", "region": "flash_primary", "address": 983040, "size": -8192}`), deviceFile},
		{"layout outside of external flash", layout(`{"area": "ps", "region": "external_flash", "address": 8384512, "size": 8192}`), deviceFile},
		{"layout without a region", layout(`{"area": "ps", "address": 983040, "size": 8192}`), deviceFile},
		{"negative limit", edit(deviceFile, `"debug"`, `"its": {"limits": {"bytes": -1}}, "debug"`), deviceFile},
		{"limit for nobody", edit(deviceFile, `"debug"`, `"its": {"clients": {"0": {"bytes": 1}}}, "debug"`), deviceFile},
		{"limit for no client ID", edit(deviceFile, `"debug"`, `"its": {"clients": {"4294967296": {"bytes": 1}}}, "debug"`), deviceFile},
		{"unknown option", edit(deviceFile, `"debug"`, `"its": {"open": true}, "debug"`), deviceFile},
		{"no non-secure flash", remove(flashNSFile), flashNSFile},
		{"no keys", remove(keysFile), keysFile},
		{"keys short", do(func(p string) error { return os.Truncate(p, 2000) }, keysFile), keysFile},
		{"no external flash", remove(externalFile), externalFile},
		{"no wear", remove(flashWearFile), flashWearFile},
		{"wear short", do(func(p string) error { return os.Truncate(p, 4096) }, flashWearFile), flashWearFile},
		{"keys readable by the group", do(mode(0o640), keysFile), keysFile},
		{"UICR lifecycle out of order", func(t *testing.T, dir string) {
			// left_assembly back to not left
			f, err := os.OpenFile(filepath.Join(dir, uicrFile), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte{0xFF, 0xFF}, 0x108); err != nil {
				t.Fatal(err)
			}
		}, uicrFile},
		{"another device's public key", func(t *testing.T, dir string) {
			other := provision(t, ProvisionOptions{})
			p, err := os.ReadFile(other.IAKPath)
			if err != nil {
				t.Fatal(err)
			}
			write(IAKFile, string(p))(t, dir)
		}, IAKFile},
		{"public key random", write(IAKFile, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), IAKFile},
		{"flash a link", do(linked, flashFile), flashFile},
		{"device.json a link", do(linked, deviceFile), deviceFile},
		{"lock a link", do(linked, lockFile), lockFile},
		{"flash a directory", func(t *testing.T, dir string) {
			remove(flashFile)(t, dir)
			do(func(p string) error { return os.Mkdir(p, 0o700) }, flashFile)(t, dir)
		}, flashFile},
		{"UICR readable by the group", do(mode(0o640), uicrFile), uicrFile},
		{"flash writable by all", do(mode(0o606), flashFile), flashFile},
		{"device.json writable by the group", do(mode(0o664), deviceFile), deviceFile},
		{"directory writable by the group", do(mode(0o770), "."), ""},
	}
	sound := provision(t, ProvisionOptions{}).Dir
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := clone(t, sound)
			tt.damage(t, dir)
			before := snapshot(t, dir)
			s, err := Open(dir, OpenOptions{})
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			var de *DeviceError
			if !errors.As(err, &de) || de.Path != filepath.Join(dir, tt.file) || de.What == "" {
				t.Errorf("%v", err)
			}
			if after := snapshot(t, dir); after != before {
				t.Errorf("changed:\n%s\nto\n%s", before, after)
			}
			t.Log(strings.ReplaceAll(err.Error(), dir, "DIR"))
		})
	}
	for name, dir := range map[string]string{"nothing there": filepath.Join(t.TempDir(), "no"), "empty directory": t.TempDir()} {
		var de *DeviceError
		if _, err := Open(dir, OpenOptions{}); !errors.As(err, &de) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving a file to another user needs root")
	}
	dir := provision(t, ProvisionOptions{}).Dir
	if err := os.Chown(filepath.Join(dir, flashFile), 4711, -1); err != nil {
		t.Fatal(err)
	}
	var de *DeviceError
	if _, err := Open(dir, OpenOptions{}); !errors.As(err, &de) || !strings.Contains(de.What, "4711") {
		t.Errorf("%v", err)
	}
}
