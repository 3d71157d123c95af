package spe_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/postern-spe/postern/ipc"
	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/veneer/its"
)

// One call on its whole way: from the typed client through the veneer's socket
// into the secure world, to the flash and back.
func Example() {
	dir, err := os.MkdirTemp("", "postern-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	device := filepath.Join(dir, "device")
	if _, err := platform.Provision(device, platform.ProvisionOptions{}); err != nil {
		log.Fatal(err)
	}
	world, err := spe.Boot(device, spe.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer world.Close()

	gate, err := ipc.Dial(world.Socket()) // a program would say nspe.Connect("")
	if err != nil {
		log.Fatal(err)
	}
	defer gate.Disconnect()
	storage := its.New(gate)
	if err := storage.Set(7, []byte("under the old oak"), 0); err != nil {
		log.Fatal(err)
	}
	asset, err := storage.ReadAll(7)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", asset)
	// Output: under the old oak
}
