package main

import (
	"encoding/hex"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
)

// randomPart is how many bytes are asked for at once.
const randomPart = 64 << 10

type randomOptions struct {
	hex bool
}

func newRandomCommand(e *env) *cobra.Command {
	var o randomOptions
	cmd := &cobra.Command{
		Use:               "random N",
		Short:             "Write N random bytes of the secure world's generator",
		Example:           "  psa random 32 > seed\n  psa random --hex 32",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			n, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || n < 0 {
				return usagef("%q is no number of bytes", args[0])
			}
			return e.withGate(func(gate veneer.Gate) error { return o.run(e, gate, n) })
		},
	}
	cmd.Flags().BoolVar(&o.hex, "hex", false, "write hexadecimal digits and a newline")
	return cmd
}

func (o *randomOptions) run(e *env, gate veneer.Gate, n int64) error {
	var out io.Writer = e.stdout
	if o.hex {
		out = hex.NewEncoder(e.stdout)
	}
	buf := make([]byte, min(n, randomPart))
	defer clear(buf)
	source := crypto.New(gate)
	for n > 0 {
		part := buf[:min(n, randomPart)]
		if err := source.Random(part); err != nil {
			return err
		}
		if _, err := out.Write(part); err != nil {
			return err
		}
		n -= int64(len(part))
	}
	if o.hex {
		_, err := io.WriteString(e.stdout, "\n")
		return err
	}
	return nil
}
