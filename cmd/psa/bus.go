package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/nspe/flash"
)

func newBusCommand(e *env) *cobra.Command {
	d := busDoor()
	cmd := newGroup("bus", "Load, store and fetch as non-secure code does, over the bus door",
		newBusReadCommand(e, d),
		newBusWriteCommand(e, d),
		newBusExecCommand(e, d),
		newBusMapCommand(e, d),
	)
	cmd.Long = `Make accesses with the non-secure attribute, as the instructions of non-secure
code do. What the hardware refuses is a SecureFault, where the address is the
secure world's, or a BusFault, where nothing is there or it does not permit this
access; then the exit status is 1.

Addresses and values are numbers, decimal or 0x hexadecimal. An address is a
multiple of the width of the access.`
	cmd.Example = `  psa bus read 0x50000
  psa bus read --hex 0x50000 64
  psa bus write --width 8 0x20030000 0x5a`
	cmd.PersistentFlags().StringVar(&d.path, d.flag, "", d.usage())
	return cmd
}

func newBusReadCommand(e *env, d *door) *cobra.Command {
	var o readOptions
	cmd := &cobra.Command{
		Use:               "read ADDR [N]",
		Short:             "Load from ADDR, or N bytes from there on",
		Long:              "Load from ADDR, or N bytes from there on.\n\n" + readHelp,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := o.parse(cmd, args)
			if err != nil {
				return err
			}
			return d.withBus(e, func(f *flash.Flash) error { return o.run(e, busMemory{f}, r) })
		},
	}
	o.addTo(cmd)
	return cmd
}

func newBusWriteCommand(e *env, d *door) *cobra.Command {
	var bits int
	cmd := &cobra.Command{
		Use:   "write ADDR VALUE",
		Short: "Store VALUE at ADDR",
		Long: `Store VALUE at ADDR, once. RAM takes any width; registers and flash take words,
and flash only while its controller's CONFIGNS enables writing.`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			w, err := parseStore(args, bits)
			if err != nil {
				return err
			}
			return d.withBus(e, func(f *flash.Flash) error { return w.to(busMemory{f}) })
		},
	}
	addWidth(cmd, &bits)
	return cmd
}

// store is one store.
type store struct {
	addr, value uint32
	width       int
}

// parseStore reads the arguments ADDR VALUE.
func parseStore(args []string, bits int) (s store, err error) {
	if s.addr, err = parseAddr(args[0]); err != nil {
		return s, err
	}
	if s.width, err = parseWidth(bits); err != nil {
		return s, err
	}
	s.value, err = parseValue(args[1], s.width)
	return s, err
}

func (s store) to(m memory) error { return m.Store(s.addr, s.width, s.value) }

func newBusExecCommand(e *env, d *door) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "exec ADDR",
		Short: "Fetch the instruction at ADDR",
		Long: `Fetch the Thumb instruction at ADDR, of one or two halfwords, as a processor does
that jumps there, and write it as a number, the first halfword first. It is not
executed: there is no processor.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			addr, err := parseAddr(args[0])
			if err != nil {
				return err
			}
			return d.withBus(e, func(f *flash.Flash) error {
				v, err := fetch(f, addr)
				if err != nil {
					return err
				}
				if asJSON {
					return e.printJSON(v)
				}
				_, err = fmt.Fprintf(e.stdout, "0x%0*x\n", v.Width/4, v.Value)
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object")
	return cmd
}

// firstOfTwo is the least first halfword of an instruction of two (Armv8-M
// Architecture Reference Manual, T32 encoding: 0b11101, 0b11110 and 0b11111).
const firstOfTwo = 0b11101 << 11

// fetch fetches an instruction.
func fetch(f *flash.Flash, addr uint32) (valueOutput, error) {
	v, err := f.Fetch(addr, flash.Halfword)
	if err != nil || v < firstOfTwo {
		return valueOutput{addr, 16, v}, err
	}
	second, err := f.Fetch(addr+2, flash.Halfword)
	return valueOutput{addr, 32, v<<16 | second}, err
}

type windowOutput struct {
	Addr uint32 `json:"addr"`
	Size uint32 `json:"size"`
}

type mapOutput struct {
	Board   string         `json:"board"`
	Windows []windowOutput `json:"windows"`
}

func newBusMapCommand(e *env, d *door) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "map",
		Short: "Write which flash a program can map and read at memory speed",
		Long: `Map the flash that non-secure code may read, and write what the mapping has: the
first and last address of each piece, and its size in KiB. Nothing else of the
flash is in the mapping.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			return d.withBus(e, func(f *flash.Flash) error { return listWindows(e, f, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object")
	return cmd
}

func listWindows(e *env, f *flash.Flash, asJSON bool) error {
	w, err := f.Map()
	if err != nil {
		return err
	}
	defer w.Close()
	out := mapOutput{Board: f.Board().Name, Windows: []windowOutput{}}
	for _, p := range w.Pieces() {
		out.Windows = append(out.Windows, windowOutput{p.Base, p.Size})
	}
	if asJSON {
		return e.printJSON(out)
	}
	for _, p := range out.Windows {
		if _, err := fmt.Fprintf(e.stdout, "0x%08x  0x%08x  %6d\n", p.Addr, p.Addr+(p.Size-1), p.Size>>10); err != nil {
			return err
		}
	}
	return nil
}
