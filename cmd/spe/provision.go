package main

import (
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
)

const provisionUsage = `Make a device.

Usage:
  spe provision DIR [--board nrf5340]

DIR must not exist, or be empty. It gets the device's flash, its UICR with the
root keys and the identity key, all random, and the public identity key that
attestation tokens are verified with. The directory is as secret as the chip.

Flags:
  --board NAME   which board to emulate: %s (default %s)
`

func provisionCommand() command {
	return command{
		name:  "provision",
		usage: fmt.Sprintf(provisionUsage, strings.Join(board.Names(), ", "), board.Default),
		run: func(args []string, stdout, _ io.Writer) error {
			var opts platform.ProvisionOptions
			flags := flag.NewFlagSet("provision", flag.ContinueOnError)
			flags.StringVar(&opts.Board, "board", board.Default, "")
			dir, err := parse(flags, args)
			if err != nil {
				return err
			}
			if _, ok := board.Lookup(opts.Board); !ok {
				return &usageError{reason: fmt.Sprintf("no board %q", opts.Board)}
			}
			d, err := platform.Provision(dir, opts)
			if err != nil {
				return err
			}
			fmt.Fprintf(stdout, "device    %s\nboard     %s\nid        %s\nidentity  %s\n", d.Dir, d.Board, d.DeviceID, d.IAKPath)
			return nil
		},
	}
}
