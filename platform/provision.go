package platform

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/counters"
	"github.com/postern-spe/postern/platform/cracen"
	"github.com/postern-spe/postern/platform/cryptocell"
	"github.com/postern-spe/postern/platform/keyfile"
)

// Provisioned is what there is to know about a new device.
type Provisioned struct {
	Dir              string
	Board            string
	DeviceID         string
	ImplementationID [ImplementationIDSize]byte
	SignerID         [SignerIDSize]byte
	IAKPublicKey     []byte // uncompressed point, 65 bytes
	IAKPath          string // of the same key as PEM
	// DebugKey unlocks the debug port, where the policy is DebugUnlock.
	DebugKey uint32
}

// Provision makes a device in dir, which does not exist, is an empty directory,
// or a device that has been wiped, in a directory that does exist. It goes the way of a device in the
// factory: lifecycle to provisioning; root keys MKEK and MEXT, identity key,
// bootloader storage; debug port closed; lifecycle to secured. It works in a
// temporary directory beside dir and renames it at the end, so that a failure
// leaves dir as it was and nothing beside it. Wrong options, and a dir that is
// in the way (a *DeviceError), are found before anything is written.
func Provision(dir string, opts ProvisionOptions) (*Provisioned, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	wiped, vacancy := vacant(dir)
	if wiped != nil {
		defer wiped.Close() // and its lock: nobody else may take it meanwhile
		switch opts.Board {
		case "":
			opts.Board = wiped.Board.Name
		case wiped.Board.Name:
		default:
			return nil, &DeviceError{dir, "is a wiped " + wiped.Board.Name + ": another board needs another directory"}
		}
	}
	p, b, err := opts.resolve()
	if err != nil {
		return nil, err
	}
	if vacancy != nil {
		return nil, vacancy
	}
	p.Dir, p.IAKPath = dir, filepath.Join(dir, IAKFile)

	parent, base := filepath.Split(dir)
	tmp, err := os.MkdirTemp(parent, "."+base+".new-")
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	if err := p.build(tmp, b, opts); err != nil {
		return nil, errors.Join(err, os.RemoveAll(tmp))
	}
	if wiped != nil {
		// The two change places, so that there is a whole device at any time.
		if err := unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE); err != nil {
			err = &os.LinkError{Op: "rename", Old: tmp, New: dir, Err: err}
			return nil, errors.Join(fmt.Errorf("platform: %w", err), os.RemoveAll(tmp))
		}
		return p, errors.Join(syncDirectory(parent), os.RemoveAll(tmp))
	}
	// rename(2), not os.Rename: it replaces an empty directory, and fails on
	// one that has been filled meanwhile.
	if err := unix.Rename(tmp, dir); err != nil {
		err = &os.LinkError{Op: "rename", Old: tmp, New: dir, Err: err}
		return nil, errors.Join(fmt.Errorf("platform: %w", err), os.RemoveAll(tmp))
	}
	return p, syncDirectory(parent)
}

// vacant: dir is not there, is an empty directory, or a device that has been
// wiped, which it returns, open.
func vacant(dir string) (wiped *SoC, err error) {
	st, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	if !st.IsDir() {
		return nil, &DeviceError{dir, "exists and is not a directory"}
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	defer f.Close()
	if _, err := f.Readdirnames(1); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	s, err := Open(dir, OpenOptions{})
	var used *InUseError
	if errors.As(err, &used) {
		return nil, err
	}
	if err != nil {
		return nil, &DeviceError{dir, "exists and is not empty"}
	}
	if !s.Blank {
		return nil, errors.Join(&DeviceError{dir, "exists and is a device: name another directory, or remove this one"}, s.Close())
	}
	return s, nil
}

// build makes the whole device in tmp.
func (p *Provisioned) build(tmp string, b *board.Board, opts ProvisionOptions) error {
	desc := description{
		Format: formatVersion, Board: p.Board, DeviceID: p.DeviceID, Created: time.Now().UTC().Truncate(time.Second), Debug: opts.Debug,
		ITS: opts.ITS,
	}
	if len(opts.Layout) > 0 {
		desc.Layout = b.Placements() // all, so that the board's table has no say any more
	}
	text, err := json.MarshalIndent(desc, "", "  ")
	if err != nil {
		return err
	}
	for _, c := range cellFiles(b) {
		if err := c.create(tmp); err != nil {
			return err
		}
	}
	if err := errors.Join(
		writeFile(filepath.Join(tmp, deviceFile), append(text, '\n'), 0o600),
		writeFile(filepath.Join(tmp, lockFile), nil, 0o600),
	); err != nil {
		return err
	}
	d, err := openDirectory(tmp)
	if err != nil {
		return err
	}
	defer d.close()
	if err := p.fill(d, opts); err != nil {
		return err
	}
	if err := p.writeIAK(tmp); err != nil {
		return err
	}
	// What cannot be opened must not be delivered.
	s, err := d.load(OpenOptions{})
	if err != nil {
		return err
	}
	return errors.Join(s.Close(), syncDirectory(tmp))
}

// fill is the provisioning image's work.
func (p *Provisioned) fill(d *directory, opts ProvisionOptions) (err error) {
	desc, b, err := d.description()
	if err != nil {
		return err
	}
	s, err := d.power(desc, b, OpenOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := advanceLifecycle(s.uicr); err != nil { // assembly -> provisioning
		return err
	}
	if err := s.writeKeys(opts); err != nil {
		return err
	}
	if p.IAKPublicKey, err = s.Keys.IdentityPublicKey(); err != nil {
		return err
	}
	if opts.Debug == DebugUnlock {
		if p.DebugKey, err = debugKey(s.Keys); err != nil {
			return err
		}
	}
	image, _ := b.Area(board.SecureImage)
	secondary, _ := b.Area(board.Secondary)
	if err := writeBLStorage(s.uicr, image.Base, secondary.Base, p.ImplementationID, p.SignerID); err != nil {
		return err
	}
	area, err := s.Area(board.NVCounters)
	if err != nil {
		return err
	}
	if err := counters.Format(area); err != nil {
		return err
	}
	if err := protectDebug(s.uicr, opts.Debug); err != nil {
		return err
	}
	return advanceLifecycle(s.uicr) // provisioning -> secured
}

// writeKeys puts the device's own keys into the key slots, and those of a key
// file.
func (s *SoC) writeKeys(opts ProvisionOptions) error {
	switch keys := s.Keys.(type) {
	case *cryptocell.CryptoCell:
		if err := keys.WriteRandomRootKeys(s.TRNG); err != nil {
			return err
		}
		return keys.WriteIdentity(opts.IAK)
	case *cracen.CRACEN:
		return writeFileKeys(keys, opts.Keys)
	}
	return nil
}

// writeFileKeys writes the seed, which may be in the key file, and then the
// file's other keys, some of which are encrypted under what comes of the seed.
func writeFileKeys(to *cracen.CRACEN, keys []keyfile.Key) error {
	for _, seeds := range []bool{true, false} {
		for _, k := range keys {
			if k.Attributes.ID == cracen.KeyID(cracen.Seed, cracen.SlotSeed) == seeds {
				if err := k.Provision(to); err != nil {
					return err
				}
			}
		}
		if seeds && !to.HasRootKeys() {
			if err := to.WriteSeedRandom(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Provisioned) writeIAK(tmp string) error {
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), p.IAKPublicKey)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return writeFile(filepath.Join(tmp, IAKFile), text, 0o644)
}

// writeFile makes a new file, on the disk when it returns, with exactly this
// mode whatever the umask.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	return nil
}

func syncDirectory(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	return nil
}
