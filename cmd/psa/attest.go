package main

import (
	"encoding/hex"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/attestation"
)

func newAttestCommand(e *env) *cobra.Command {
	var word string
	cmd := &cobra.Command{
		Use:   "attest --challenge HEX",
		Short: "Write an attestation token",
		Long: `Write an initial attestation token (COSE_Sign1, RFC 9783) to standard output. The
challenge is 32, 48 or 64 bytes that the verifier chose, in hexadecimal; the token
repeats them, so that it cannot be an old one.`,
		Example: `  psa attest --challenge $(psa random --hex 32) > token.cbor
  psa token show token.cbor`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			challenge, err := parseChallenge(word)
			if err != nil {
				return err
			}
			return e.withGate(func(gate veneer.Gate) error {
				token, err := attestation.New(gate).Token(challenge)
				if err != nil {
					return err
				}
				return e.write("", token)
			})
		},
	}
	cmd.Flags().StringVar(&word, "challenge", "", "the verifier's challenge, `hex`")
	requireFlag(cmd, "challenge")
	completeWords(cmd, "challenge")
	return cmd
}

func parseChallenge(word string) ([]byte, error) {
	challenge, err := hex.DecodeString(word)
	if err != nil {
		return nil, usagef("the challenge is not hexadecimal: %w", err)
	}
	if !attestation.ValidChallengeSize(len(challenge)) {
		return nil, usagef("the challenge has %d bytes, not 32, 48 or 64", len(challenge))
	}
	return challenge, nil
}
