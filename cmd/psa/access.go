package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/nspe/flash"
)

// memory is what a door shows by addresses. Widths are in bytes.
type memory interface {
	Load(addr uint32, width int) (uint32, error)
	Store(addr uint32, width int, v uint32) error
	io.ReaderAt
}

// busMemory is the bus as a memory.
type busMemory struct{ *flash.Flash }

func (b busMemory) Load(addr uint32, width int) (uint32, error) {
	return b.Flash.Load(addr, flash.Width(width))
}

func (b busMemory) Store(addr uint32, width int, v uint32) error {
	return b.Flash.Store(addr, flash.Width(width), v)
}

// maxRead is the most bytes of one command: more than any board has flash.
const maxRead = 256 << 20

func parseAddr(word string) (uint32, error) {
	addr, err := strconv.ParseUint(word, 0, 32)
	if err != nil {
		return 0, usagef("%q is no address: a number below 2^32, such as 0x50000", word)
	}
	return uint32(addr), nil
}

// parseWidth returns the bytes of a width in bits.
func parseWidth(bits int) (int, error) {
	switch bits {
	case 8, 16, 32:
		return bits / 8, nil
	}
	return 0, usagef("--width %d: 8, 16 or 32", bits)
}

// parseValue returns a number that fits into width bytes.
func parseValue(word string, width int) (uint32, error) {
	v, err := strconv.ParseUint(word, 0, 8*width)
	if err != nil {
		return 0, usagef("%q is no value of %d bits", word, 8*width)
	}
	return uint32(v), nil
}

func addWidth(cmd *cobra.Command, bits *int) {
	cmd.Flags().IntVar(bits, "width", 32, "`bits` of an access: 8, 16 or 32")
	completeWords(cmd, "width", "8", "16", "32")
}

// readRange is what a read command reads.
type readRange struct {
	addr    uint32
	width   int  // of an access, in bytes
	n       int  // bytes in all; 0 is one access
	byWidth bool // in accesses of width, and not in blocks
}

type readOptions struct {
	bits           int
	hex, raw, json bool
}

// readHelp is the help that read commands have in common.
const readHelp = `Without N it is one access, and its value is written as a number. N bytes are
read in blocks, or, with --width, in accesses of that width, and written as they
are; --hex writes lines of address and bytes. When one address of them is
refused, nothing is written.`

func (o *readOptions) addTo(cmd *cobra.Command) {
	addWidth(cmd, &o.bits)
	cmd.Flags().BoolVar(&o.hex, "hex", false, "write hexadecimal digits")
	cmd.Flags().BoolVar(&o.raw, "raw", false, "write the bytes as they are")
	cmd.Flags().BoolVar(&o.json, "json", false, "write a JSON object")
	cmd.MarkFlagsMutuallyExclusive("hex", "raw", "json")
}

// parse reads the arguments ADDR [N].
func (o *readOptions) parse(cmd *cobra.Command, args []string) (r readRange, err error) {
	if r.addr, err = parseAddr(args[0]); err != nil {
		return r, err
	}
	if r.width, err = parseWidth(o.bits); err != nil || len(args) == 1 {
		return r, err
	}
	n, err := strconv.ParseUint(args[1], 0, 32)
	if err != nil || n == 0 || n > maxRead || n > 1<<32-uint64(r.addr) {
		return r, usagef("%q is no number of bytes to read at 0x%08x: 1 to %d, and in the address space", args[1], r.addr, maxRead)
	}
	r.n, r.byWidth = int(n), cmd.Flags().Changed("width")
	if r.byWidth && r.n%r.width != 0 {
		return r, usagef("%d bytes are not whole accesses of %d bits", r.n, o.bits)
	}
	return r, nil
}

// of reads a range, in the order of addresses.
func (r readRange) of(m memory) ([]byte, error) {
	p := make([]byte, max(r.n, r.width))
	if r.n > 0 && !r.byWidth {
		_, err := m.ReadAt(p, int64(r.addr))
		return p, err
	}
	for i := 0; i < len(p); i += r.width {
		v, err := m.Load(r.addr+uint32(i), r.width)
		if err != nil {
			return nil, err
		}
		var word [4]byte
		binary.LittleEndian.PutUint32(word[:], v)
		copy(p[i:i+r.width], word[:])
	}
	return p, nil
}

type valueOutput struct {
	Addr  uint32 `json:"addr"`
	Width int    `json:"width"` // in bits
	Value uint32 `json:"value"`
}

type dataOutput struct {
	Addr uint32 `json:"addr"`
	Data string `json:"data"` // hexadecimal, in the order of addresses
}

// run reads and writes what was read.
func (o *readOptions) run(e *env, m memory, r readRange) error {
	p, err := r.of(m)
	if err != nil {
		return err
	}
	defer clear(p)
	one := r.n == 0
	switch {
	case o.raw || !one && !o.hex && !o.json:
		return e.write("", p)
	case !one && o.json:
		return e.printJSON(dataOutput{r.addr, hex.EncodeToString(p)})
	case !one:
		return dump(e.stdout, r.addr, p)
	}
	v := valueOutput{r.addr, 8 * r.width, number(p)}
	if o.json {
		return e.printJSON(v)
	}
	_, err = fmt.Fprintf(e.stdout, "0x%0*x\n", 2*r.width, v.Value)
	return err
}

// number is the value of 1 to 4 bytes, the least significant first.
func number(p []byte) uint32 {
	var word [4]byte
	copy(word[:], p)
	return binary.LittleEndian.Uint32(word[:])
}

// dumpWidth is how many bytes a line of a dump has.
const dumpWidth = 16

// dump writes lines of an address and the bytes from there on.
func dump(w io.Writer, addr uint32, p []byte) error {
	for i := 0; i < len(p); i += dumpWidth {
		if _, err := fmt.Fprintf(w, "0x%08x  % x\n", addr+uint32(i), p[i:min(len(p), i+dumpWidth)]); err != nil {
			return err
		}
	}
	return nil
}
