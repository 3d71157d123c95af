package ps_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/internal/storage/storagetest"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

func TestHandle(t *testing.T) {
	if want := veneer.StatelessHandle(ps.StatelessHandle, ps.Version); ps.Handle != want {
		t.Errorf("handle %#x, want %#x", ps.Handle, want)
	}
}

func Example() {
	// A program gets its gate from package nspe, a partition from its runtime.
	var gate veneer.Gate = storagetest.NewGate(ps.Handle)

	const serial ps.UID = 1
	store := ps.New(gate)
	if err := store.Set(serial, []byte("SN 0042"), psa.StorageWriteOnce); err != nil {
		fmt.Println(err)
		return
	}
	data, err := store.ReadAll(serial)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", data)

	err = store.Set(serial, []byte("SN 0043"), psa.StorageNone)
	fmt.Println(err, errors.Is(err, veneer.ErrNotPermitted))
	// Output:
	// SN 0042
	// not permitted (PSA_ERROR_NOT_PERMITTED, -133) true
}

func ExampleClient_Get() {
	store := ps.New(storagetest.NewGate(ps.Handle))
	if err := store.Set(7, []byte("header and contents"), psa.StorageNone); err != nil {
		fmt.Println(err)
		return
	}
	var buf [64]byte
	n, err := store.Get(7, 11, buf[:])
	fmt.Printf("%s %v\n", buf[:n], err)
	// Output: contents <nil>
}

func TestSupport(t *testing.T) {
	c := ps.New(storagetest.NewGate(ps.Handle))
	if s, err := c.Support(); s != 0 || err != nil {
		t.Errorf("support %d, %v", s, err)
	}
	if err := c.Create(1, 10, 0); !errors.Is(err, veneer.ErrNotSupported) {
		t.Errorf("create: %v", err)
	}
	if err := c.SetExtended(1, 0, nil); !errors.Is(err, veneer.ErrNotSupported) {
		t.Errorf("set_extended: %v", err)
	}
}
