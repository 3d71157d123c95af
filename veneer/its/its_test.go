package its_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/internal/storage/storagetest"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/psa"
)

func TestHandle(t *testing.T) {
	if want := veneer.StatelessHandle(its.StatelessHandle, its.Version); its.Handle != want {
		t.Errorf("handle %#x, want %#x", its.Handle, want)
	}
}

func Example() {
	// A program gets its gate from package nspe, a partition from its runtime.
	var gate veneer.Gate = storagetest.NewGate(its.Handle)

	const serial its.UID = 1
	store := its.New(gate)
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
	store := its.New(storagetest.NewGate(its.Handle))
	if err := store.Set(7, []byte("header and contents"), psa.StorageNone); err != nil {
		fmt.Println(err)
		return
	}
	var buf [64]byte
	n, err := store.Get(7, 11, buf[:])
	fmt.Printf("%s %v\n", buf[:n], err)
	// Output: contents <nil>
}
