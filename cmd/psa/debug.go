package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/nspe/debugport"
)

func newDebugCommand(e *env) *cobra.Command {
	d := debugDoor()
	cmd := newGroup("debug", "Do what a debug probe does, over the debug door",
		newDebugStatusCommand(e, d),
		newDebugReadCommand(e, d),
		newDebugWriteCommand(e, d),
		newDebugEraseAllCommand(e, d),
		newDebugResetCommand(e, d),
		newDebugUnlockCommand(e, d),
	)
	cmd.Long = `Do what a probe on the debug connector does: through the CTRL-AP, which is always
open, and through the memory access port, which AP-Protect may keep closed.

Addresses and values are numbers, decimal or 0x hexadecimal. An address is a
multiple of the width of the access.`
	cmd.Example = `  psa debug status
  psa debug read --hex 0x50000 64
  psa debug eraseall --yes`
	cmd.PersistentFlags().StringVar(&d.path, d.flag, "", d.usage())
	return cmd
}

type statusOutput struct {
	Board           string `json:"board"`
	IDR             uint32 `json:"idr"`
	EraseAll        string `json:"eraseall"`
	APProtect       bool   `json:"approtect"`
	SecureAPProtect bool   `json:"secureapprotect"`
	EraseProtect    bool   `json:"eraseprotect"`
	MemoryOpen      bool   `json:"memory_open"`
	MailboxFull     bool   `json:"mailbox_full"`
	MailboxPending  bool   `json:"mailbox_pending"`
}

func newDebugStatusCommand(e *env, d *door) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Write what the CTRL-AP says of the device",
		Long: `Write what the CTRL-AP says of the device: its identification, how far an
ERASEALL is, what the UICR protected at the last reset, whether the memory access
port answers now, and the mailbox.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			return d.withPort(e, func(p *debugport.Port) error { return debugStatus(e, p, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object")
	return cmd
}

func debugStatus(e *env, p *debugport.Port, asJSON bool) error {
	s, err := p.Status()
	if err != nil {
		return err
	}
	if asJSON {
		return e.printJSON(statusOutput{
			s.Board, s.IDR, string(s.EraseAll), s.APProtected, s.SecureAPProtected, s.EraseProtected,
			s.MemoryOpen, s.MailboxFull, s.MailboxPending,
		})
	}
	word := func(b bool, yes, no string) string {
		if b {
			return yes
		}
		return no
	}
	mailbox := word(s.MailboxFull, "sent and not read", "empty")
	if s.MailboxPending {
		mailbox += ", a word to be read"
	}
	for _, line := range [][2]string{
		{"board", s.Board},
		{"idr", fmt.Sprintf("0x%08x", s.IDR)},
		{"eraseall", string(s.EraseAll)},
		{"approtect", word(s.APProtected, "protected", "open")},
		{"secureapprotect", word(s.SecureAPProtected, "protected", "open")},
		{"eraseprotect", word(s.EraseProtected, "protected", "open")},
		{"memory", word(s.MemoryOpen, "open", "closed")},
		{"mailbox", mailbox},
	} {
		if _, err := fmt.Fprintf(e.stdout, "%-16s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

// port is the access port of --ap, the one to memory without.
type port struct{ number int }

func (a *port) addTo(cmd *cobra.Command) {
	cmd.Flags().IntVar(&a.number, "ap", -1, "`number` of the access port (default: the one to memory); in others addresses are registers' offsets")
	completeWords(cmd, "ap")
}

func (a *port) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("ap") && (a.number < 0 || a.number > 255) {
		return usagef("--ap %d: 0 to 255", a.number)
	}
	return nil
}

// with calls do with the access port of a device.
func (a *port) with(p *debugport.Port, do func(memory) error) error {
	b := p.Board()
	switch {
	case a.number < 0:
		return do(p.Memory())
	case a.number != int(b.MemoryAP) && a.number != int(b.CtrlAP):
		return usagef("the %s has no access port %d: %d is the memory's, %d the CTRL-AP", b.Name, a.number, b.MemoryAP, b.CtrlAP)
	}
	return do(p.AccessPort(uint8(a.number)))
}

func newDebugReadCommand(e *env, d *door) *cobra.Command {
	var o readOptions
	var a port
	cmd := &cobra.Command{
		Use:               "read ADDR [N]",
		Short:             "Read ADDR, or N bytes from there on, through an access port",
		Long:              "Read ADDR, or N bytes from there on, through an access port.\n\n" + readHelp,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := o.parse(cmd, args)
			if err == nil {
				err = a.check(cmd)
			}
			if err != nil {
				return err
			}
			return d.withPort(e, func(p *debugport.Port) error {
				return a.with(p, func(m memory) error { return o.run(e, m, r) })
			})
		},
	}
	o.addTo(cmd)
	a.addTo(cmd)
	return cmd
}

func newDebugWriteCommand(e *env, d *door) *cobra.Command {
	var bits int
	var a port
	cmd := &cobra.Command{
		Use:               "write ADDR VALUE",
		Short:             "Write VALUE to ADDR through an access port",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := parseStore(args, bits)
			if err == nil {
				err = a.check(cmd)
			}
			if err != nil {
				return err
			}
			return d.withPort(e, func(p *debugport.Port) error {
				return a.with(p, func(m memory) error { return w.to(m) })
			})
		},
	}
	addWidth(cmd, &bits)
	a.addTo(cmd)
	return cmd
}

func newDebugEraseAllCommand(e *env, d *door) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "eraseall",
		Short: "Erase everything on the device, and reset it",
		Long: `Erase flash, UICR, keys and RAM of the device for good, and reset it. After that
the memory access port is open until the next reset. The command returns when the
device is back. A device with ERASEPROTECT refuses.`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return usagef("this erases the device's flash, UICR and keys for good: pass --yes if that is meant")
			}
			return d.withPort(e, func(p *debugport.Port) error { return p.EraseAll(cmd.Context()) })
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

func newDebugResetCommand(e *env, d *door) *cobra.Command {
	return &cobra.Command{
		Use:               "reset",
		Short:             "Reset the device, and wait until it is back",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.withPort(e, func(p *debugport.Port) error { return p.Reset(cmd.Context()) })
		},
	}
}

func newDebugUnlockCommand(e *env, d *door) *cobra.Command {
	return &cobra.Command{
		Use:   "unlock KEY",
		Short: "Offer the key that opens the access port",
		Long: `Write KEY, a number that is not 0, to the debugger's side of APPROTECT.DISABLE and
SECUREAPPROTECT.DISABLE. The access port opens if the firmware has written the
same to its side, and the UICR leaves it open. The nRF9160 and the nRF54L15 have
no such registers.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			// The key is not repeated in the error.
			key, err := parseValue(args[0], 4)
			if err != nil || key == 0 {
				return &usageError{errors.New("the key is a number of 32 bits that is not 0")}
			}
			return d.withPort(e, func(p *debugport.Port) error { return p.Unlock(key) })
		},
	}
}
