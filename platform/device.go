package platform

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/power"
)

// The files of a device directory that hold no cells; images.go has those.
const (
	deviceFile = "device.json"
	// IAKFile is the public attestation key: a PEM SubjectPublicKeyInfo.
	IAKFile  = "iak.pub.pem"
	lockFile = "lock"
)

// formatVersion is the version of the directory's layout.
const formatVersion = 2

// maxTextFile bounds what is read of device.json and iak.pub.pem.
const maxTextFile = 16 << 10

const deviceIDBytes = 16

// description is device.json.
type description struct {
	Format   int         `json:"format"`
	Board    string      `json:"board"`
	DeviceID string      `json:"device_id"`
	Created  time.Time   `json:"created"`
	Debug    DebugPolicy `json:"debug"`
	// Layout and ITS are not there in an older device, which has all as its board's
	// table says, and no options.
	Layout []board.Placement `json:"layout,omitempty"`
	ITS    ITSOptions        `json:"its,omitzero"`
}

// directory is a device directory, held open, so that what is checked is what
// is used.
type directory struct {
	name string
	f    *os.File
}

func openDirectory(name string) (*directory, error) {
	f, err := os.OpenFile(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, &DeviceError{name, "does not exist"}
	case errors.Is(err, unix.ENOTDIR):
		return nil, &DeviceError{name, "is not a directory"}
	case err != nil:
		return nil, fmt.Errorf("platform: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		f.Close()
		return nil, fmt.Errorf("platform: %s: %w", name, err)
	}
	if what := foreign(&st, false); what != "" {
		f.Close()
		return nil, &DeviceError{name, what}
	}
	return &directory{name: name, f: f}, nil
}

func (d *directory) close() { d.f.Close() }

func (d *directory) path(name string) string { return filepath.Join(d.name, name) }

// open opens a file of the directory itself: not what a link points to, and
// without waiting for the other end of a pipe.
func (d *directory) open(name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(d.f.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.path(name)), nil
}

// explain turns the failure to open a file into a sentence about it.
func (d *directory) explain(name string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return &DeviceError{d.path(name), "is missing"}
	case errors.Is(err, unix.ELOOP):
		return &DeviceError{d.path(name), "is a symbolic link"}
	}
	return &DeviceError{d.path(name), "cannot be opened: " + err.Error()}
}

// check: a regular file, of this user, that nobody else can change; a private
// one that nobody else can read.
func (d *directory) check(f *os.File, name string, private bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("platform: %s: %w", d.path(name), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return &DeviceError{d.path(name), "is not a regular file"}
	}
	if what := foreign(&st, private); what != "" {
		return &DeviceError{d.path(name), what}
	}
	return nil
}

func foreign(st *unix.Stat_t, private bool) string {
	mode := st.Mode & 0o777
	switch {
	case int(st.Uid) != os.Geteuid():
		return fmt.Sprintf("belongs to user %d, not to user %d", st.Uid, os.Geteuid())
	case mode&0o022 != 0:
		return fmt.Sprintf("can be written by others than its owner (mode %04o)", mode)
	case private && mode&0o077 != 0:
		return fmt.Sprintf("can be read by others than its owner (mode %04o)", mode)
	}
	return ""
}

// load checks every file of the directory and puts the SoC together. It changes
// nothing.
func (d *directory) load(o OpenOptions) (*SoC, error) {
	desc, b, err := d.description()
	if err != nil {
		return nil, err
	}
	pub, err := d.publicKey()
	if err != nil {
		return nil, err
	}
	s, err := d.power(desc, b, o)
	if err != nil {
		return nil, err
	}
	if s.Blank {
		return s, nil
	}
	if err := d.plausible(s, pub); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// power puts the SoC together over the device's own memories.
func (d *directory) power(desc description, b *board.Board, o OpenOptions) (*SoC, error) {
	supply := new(power.Supply)
	im, err := d.openImages(b, supply)
	if err != nil {
		return nil, err
	}
	return assemble(b, desc, im, supply, o)
}

func (d *directory) text(name string) ([]byte, error) {
	f, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return nil, d.explain(name, err)
	}
	defer f.Close()
	if err := d.check(f, name, false); err != nil {
		return nil, err
	}
	p, err := io.ReadAll(io.LimitReader(f, maxTextFile+1))
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	if len(p) > maxTextFile {
		return nil, &DeviceError{d.path(name), fmt.Sprintf("is larger than %d bytes", maxTextFile)}
	}
	return p, nil
}

// description reads device.json, and returns the board with its areas where the
// device has them.
func (d *directory) description() (description, *board.Board, error) {
	p, err := d.text(deviceFile)
	if err != nil {
		return description{}, nil, err
	}
	desc, b, what := parseDescription(p)
	if what != "" {
		return description{}, nil, &DeviceError{d.path(deviceFile), what}
	}
	return desc, b, nil
}

// parseDescription is description for the bytes of the file; what says what is
// wrong with them.
func parseDescription(p []byte) (desc description, b *board.Board, what string) {
	bad := func(what string, args ...any) (description, *board.Board, string) {
		return description{}, nil, fmt.Sprintf(what, args...)
	}
	// The version is looked at first: another one may have other fields.
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(p, &version); err != nil {
		return bad("is not valid JSON: %v", err)
	}
	if version.Format != formatVersion {
		return bad("is of format %d; this is for format %d", version.Format, formatVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(p))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&desc); err != nil {
		return bad("is not a device description: %v", err)
	}
	b, ok := board.Lookup(desc.Board)
	if !ok {
		return bad("names the board %q, which is not known", desc.Board)
	}
	if id, err := hex.DecodeString(desc.DeviceID); err != nil || len(id) != deviceIDBytes {
		return bad("has no valid device identifier")
	}
	if !slices.Contains(DebugPolicies(), string(desc.Debug)) {
		return bad("names the debug policy %q, which is not known", desc.Debug)
	}
	if err := desc.ITS.Check(); err != nil {
		return bad("has impossible options of Internal Trusted Storage: %v", err)
	}
	if err := b.Place(desc.Layout); err != nil {
		return bad("has an impossible layout: %v", err)
	}
	return desc, b, ""
}

// publicKey returns the public key in iak.pub.pem as an uncompressed point.
func (d *directory) publicKey() ([]byte, error) {
	p, err := d.text(IAKFile)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(p); block != nil {
		if key, err := x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			if ec, ok := key.(*ecdsa.PublicKey); ok && ec.Curve == elliptic.P256() {
				return ec.Bytes()
			}
		}
	}
	return nil, &DeviceError{d.path(IAKFile), "is not a P-256 public key in PEM"}
}

// plausible checks that the UICR is a provisioned device's: its lifecycle and
// bootloader storage, that the root keys are there, and that the identity key is
// the one in iak.pub.pem.
func (d *directory) plausible(s *SoC, pub []byte) (err error) {
	bad := func(what string) error { return &DeviceError{d.path(uicrFile), what} }
	if s.storage, err = readBLStorage(s.uicr); err != nil {
		return err
	}
	if what := s.storage.fault(); what != "" {
		return bad(what)
	}
	for _, derive := range []func(label, context, out []byte) error{s.Keys.DeriveHUK, s.Keys.DeriveMKEK} {
		var probe [1]byte
		if err := derive([]byte("probe"), nil, probe[:]); err != nil {
			return &DeviceError{d.path(keysFile), "has no usable root keys: " + err.Error()}
		}
	}
	got, err := s.Keys.IdentityPublicKey()
	if err != nil {
		return &DeviceError{d.path(keysFile), "holds an identity key that does not decrypt"}
	}
	if !bytes.Equal(got, pub) {
		return &DeviceError{d.path(IAKFile), "is not this device's key"}
	}
	return nil
}
