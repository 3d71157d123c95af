package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

type hashOptions struct {
	alg  string
	raw  bool
	json bool
}

type hashOutput struct {
	Alg  string `json:"alg"`
	Hash string `json:"hash"`
}

func newHashCommand(e *env) *cobra.Command {
	var o hashOptions
	cmd := &cobra.Command{
		Use:   "hash [FILE]",
		Short: "Hash a file of any size in the secure world",
		Long:  "Hash FILE, or standard input, in the secure world, and write the hash in hexadecimal.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			alg, err := parseHash(o.alg)
			if err != nil {
				return err
			}
			return e.withMessage(optional(args, 0), func(gate veneer.Gate, m *message) error {
				return o.run(e, gate, alg, m)
			})
		},
	}
	cmd.Flags().StringVar(&o.alg, "alg", "sha256", "hash `algorithm`: "+strings.Join(hashWords, ", "))
	cmd.Flags().BoolVar(&o.raw, "raw", false, "write the bytes of the hash instead")
	cmd.Flags().BoolVar(&o.json, "json", false, "write a JSON object")
	cmd.MarkFlagsMutuallyExclusive("raw", "json")
	completeWords(cmd, "alg", hashWords...)
	return cmd
}

func parseHash(word string) (psa.Algorithm, error) {
	alg, err := psa.ParseAlgorithm(word)
	if err != nil {
		return 0, &usageError{err}
	}
	if !alg.IsHash() || alg.IsWildcard() {
		return 0, usagef("%s is no hash algorithm", algorithmWord(alg))
	}
	return alg, nil
}

func (o *hashOptions) run(e *env, gate veneer.Gate, alg psa.Algorithm, m *message) error {
	sum, err := m.hash(crypto.New(gate), alg)
	if err != nil {
		return hintOn(veneer.ErrNotSupported, err, "this secure world does not have %s", algorithmWord(alg))
	}
	switch {
	case o.json:
		return e.printJSON(hashOutput{algorithmWord(alg), hex.EncodeToString(sum)})
	case o.raw:
		return e.write("", sum)
	}
	_, err = fmt.Fprintln(e.stdout, hex.EncodeToString(sum))
	return err
}
