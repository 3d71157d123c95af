package main

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/nspe/token"
)

func newTokenCommand(e *env) *cobra.Command {
	return newGroup("token", "Read and verify attestation tokens",
		newTokenShowCommand(e),
		newTokenVerifyCommand(e),
	)
}

func newTokenShowCommand(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Write what a token says, true or not",
		Long: `Write the claims of the token in FILE, or on standard input. Nothing is verified:
anybody can write a token that says anything. No secure world is needed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := e.readToken(optional(args, 0))
			if err != nil {
				return err
			}
			if asJSON {
				return e.printJSON(t)
			}
			return t.Describe(e.stdout)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object")
	return cmd
}

func (e *env) readToken(path string) (*token.Token, error) {
	data, err := e.read(path, "the token", token.MaxSize)
	if err != nil {
		return nil, err
	}
	return token.Parse(data)
}

type tokenVerifyOptions struct {
	key, challenge string
	json           bool
}

// tokenVerifyOutput is the verdict in JSON: which check failed, or the token.
type tokenVerifyOutput struct {
	Valid bool         `json:"valid"`
	Check token.Check  `json:"failed_check,omitempty"`
	Token *token.Token `json:"token,omitempty"`
}

func newTokenVerifyCommand(e *env) *cobra.Command {
	var o tokenVerifyOptions
	cmd := &cobra.Command{
		Use:   "verify --key PEM [--challenge HEX] [FILE]",
		Short: "Verify that a device made a token",
		Long: `Verify that the token in FILE, or on standard input, was made by the device whose
public attestation key PEM holds, and for the challenge. The exit status says
whether it was: 0 or 1. No secure world is needed.

Without --challenge an old token passes as well, and that is said.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var challenge []byte
			if o.challenge != "" {
				var err error
				if challenge, err = parseChallenge(o.challenge); err != nil {
					return err
				}
			}
			return o.run(e, challenge, optional(args, 0))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "`file` with the device's public attestation key in PEM")
	f.StringVar(&o.challenge, "challenge", "", "the challenge that was sent, `hex`")
	f.BoolVar(&o.json, "json", false, "write a JSON object")
	requireFlag(cmd, "key")
	completeWords(cmd, "challenge")
	return cmd
}

func (o *tokenVerifyOptions) run(e *env, challenge []byte, path string) error {
	key, err := e.readPublicKey(o.key)
	if err != nil {
		return err
	}
	t, err := e.readToken(path)
	if err == nil {
		unchecked := challenge == nil
		if unchecked {
			challenge = t.Nonce // which makes that check pass
		}
		if err = t.Verify(key, challenge); err == nil && unchecked {
			e.say("the challenge was not checked, so the token may be an old one; see --challenge")
		}
	}
	if !o.json {
		return err
	}
	out := tokenVerifyOutput{Valid: err == nil}
	var failed *token.Error
	switch {
	case err == nil:
		out.Token = t
	case errors.As(err, &failed):
		out.Check = failed.Check
	default:
		return err // no verdict: the token could not be read
	}
	if printErr := e.printJSON(out); printErr != nil {
		return printErr
	}
	return err
}

// maxPEM is the most bytes that a file with a public key may have.
const maxPEM = 64 << 10

// readPublicKey reads an ECC public key (RFC 7468, section 13).
func (e *env) readPublicKey(path string) (*ecdsa.PublicKey, error) {
	if path == "-" || path == "" {
		return nil, usagef("--key takes a file")
	}
	data, err := e.read(path, "the public key", maxPEM)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("%s holds no public key in PEM", path)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key that signs no tokens: %T", path, key)
	}
	return public, nil
}
