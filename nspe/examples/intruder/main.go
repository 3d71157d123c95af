// Command intruder is non-secure code that does not ask: it reads memory over the
// bus, as a pointer would. It succeeds, with status 0, where the hardware lets it.
//
//	intruder DIR/run/bus.sock ADDRESS
package main

import (
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/postern-spe/postern/nspe/flash"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("intruder: ")
	if len(os.Args) != 3 {
		log.Fatal("usage: intruder BUS-SOCKET ADDRESS")
	}
	addr, err := strconv.ParseUint(os.Args[2], 0, 32)
	if err != nil {
		log.Fatal(err)
	}
	f, err := flash.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	word, err := f.Load(uint32(addr), flash.Word)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("0x%08x holds 0x%08x\n", addr, word)
}
