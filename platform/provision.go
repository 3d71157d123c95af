package platform

import (
	"bytes"
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
	"github.com/postern-spe/postern/platform/cryptocell"
	"github.com/postern-spe/postern/platform/kmu"
	"github.com/postern-spe/postern/platform/nvmc"
	"github.com/postern-spe/postern/platform/uicr"
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
}

// Provision makes a device in dir, which does not exist, or is an empty
// directory, in a directory that does exist. It goes the way of a device in the
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
	p, b, err := opts.resolve()
	if err != nil {
		return nil, err
	}
	if err := vacant(dir); err != nil {
		return nil, err
	}
	p.Dir, p.IAKPath = dir, filepath.Join(dir, IAKFile)

	parent, base := filepath.Split(dir)
	tmp, err := os.MkdirTemp(parent, "."+base+".new-")
	if err != nil {
		return nil, fmt.Errorf("platform: %w", err)
	}
	if err := p.build(tmp, b, opts.IAK); err != nil {
		return nil, errors.Join(err, os.RemoveAll(tmp))
	}
	// rename(2), not os.Rename: it replaces an empty directory, and fails on
	// one that has been filled meanwhile.
	if err := unix.Rename(tmp, dir); err != nil {
		err = &os.LinkError{Op: "rename", Old: tmp, New: dir, Err: err}
		return nil, errors.Join(fmt.Errorf("platform: %w", err), os.RemoveAll(tmp))
	}
	return p, syncDirectory(parent)
}

// vacant: dir is not there, or is an empty directory.
func vacant(dir string) error {
	st, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	if !st.IsDir() {
		return &DeviceError{dir, "exists and is not a directory"}
	}
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	defer f.Close()
	if _, err := f.Readdirnames(1); err == nil {
		return &DeviceError{dir, "exists and is not empty"}
	} else if err != io.EOF {
		return fmt.Errorf("platform: %w", err)
	}
	return nil
}

// build makes the whole device in tmp.
func (p *Provisioned) build(tmp string, b *board.Board, iak cryptocell.Scalar) error {
	desc, err := json.MarshalIndent(description{
		Format: formatVersion, Board: p.Board, DeviceID: p.DeviceID, Created: time.Now().UTC().Truncate(time.Second),
	}, "", "  ")
	if err != nil {
		return err
	}
	// Written out, not sparse: the blocks exist, so a full disk shows here.
	erased := bytes.Repeat([]byte{nvmc.Erased}, int(b.Memory.FlashSize))
	for _, f := range []struct {
		name string
		data []byte
	}{
		{deviceFile, append(desc, '\n')},
		{flashFile, erased},
		{uicrFile, erased[:uicr.Size]},
		{lockFile, nil},
	} {
		if err := writeFile(filepath.Join(tmp, f.name), f.data, 0o600); err != nil {
			return err
		}
	}
	if err := p.fillUICR(tmp, b, iak); err != nil {
		return err
	}
	if err := p.writeIAK(tmp); err != nil {
		return err
	}
	// What cannot be opened must not be delivered.
	d, err := openDirectory(tmp)
	if err != nil {
		return err
	}
	defer d.close()
	s, err := d.load()
	if err != nil {
		return err
	}
	return errors.Join(s.Close(), syncDirectory(tmp))
}

// fillUICR is the provisioning image's work.
func (p *Provisioned) fillUICR(tmp string, b *board.Board, iak cryptocell.Scalar) error {
	f, err := os.OpenFile(filepath.Join(tmp, uicrFile), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("platform: %w", err)
	}
	defer f.Close()
	cells, err := nvmc.MapArray(f, uicr.Size, uicr.Size)
	if err != nil {
		return err
	}
	defer cells.Close()
	// The flash takes no part: any cells will do.
	s, err := assemble(b, nvmc.NewArray(int(b.Memory.FlashSize), b.PageSize), cells)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := advanceLifecycle(s.UICR); err != nil { // assembly -> provisioning
		return err
	}
	for _, slot := range []int{kmu.SlotMKEK, kmu.SlotMEXT} {
		if err := randomRootKey(s, slot); err != nil {
			return err
		}
	}
	if err := s.CryptoCell.WriteIdentity(iak); err != nil {
		return err
	}
	if p.IAKPublicKey, err = s.CryptoCell.IdentityPublicKey(); err != nil {
		return err
	}
	image, _ := b.Area(board.SecureImage)
	secondary, _ := b.Area(board.Secondary)
	if err := writeBLStorage(s.UICR, image.Base, secondary.Base, p.ImplementationID, p.SignerID); err != nil {
		return err
	}
	// The erased value protects on this chip as well; TF-M asks for the
	// written one before it lets a device become secured.
	for _, off := range []int{uicr.RegAPProtect, uicr.RegSecureAPProtect} {
		if err := s.UICR.ProgramWord(off, uicr.Protected); err != nil {
			return err
		}
	}
	return advanceLifecycle(s.UICR) // provisioning -> secured
}

func randomRootKey(s *SoC, slot int) error {
	var key [cryptocell.HUKSize]byte
	defer clear(key[:])
	if _, err := s.TRNG.Read(key[:]); err != nil {
		return err
	}
	return s.CryptoCell.WriteRootKey(slot, key[:])
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
