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

func ExampleClient_SetExtended() {
	store := ps.New(storagetest.NewGate(ps.Handle))
	if support, err := store.Support(); err != nil || support&ps.SupportSetExtended == 0 {
		fmt.Println("this secure world has no assets that grow")
		return
	}
	const journal ps.UID = 9
	if err := store.Create(journal, 64, psa.StorageNone); err != nil {
		fmt.Println(err)
		return
	}
	for _, entry := range []string{"boot;", "update;", "boot;"} {
		info, err := store.Info(journal)
		if err == nil {
			err = store.SetExtended(journal, info.Size, []byte(entry))
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	data, err := store.ReadAll(journal)
	fmt.Printf("%s %v\n", data, err)
	// Output: boot;update;boot; <nil>
}

func TestSupport(t *testing.T) {
	c := ps.New(storagetest.NewGate(ps.Handle))
	if s, err := c.Support(); s != ps.SupportSetExtended || err != nil {
		t.Errorf("support %d, %v", s, err)
	}
}
