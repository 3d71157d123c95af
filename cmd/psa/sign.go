package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// maxSignature is the most bytes that a file with a signature may have.
const maxSignature = 4096

type signOptions struct {
	alg string
	der bool
}

func newSignCommand(e *env) *cobra.Command {
	var o signOptions
	cmd := &cobra.Command{
		Use:   "sign --key ID [FILE]",
		Short: "Sign a file with a key in the secure world",
		Long: `Sign FILE, or standard input, and write the signature to standard output. With a
key for MACs that is the MAC.

An ECDSA signature is the two numbers r and s, each as long as the curve's order;
--der writes them in ASN.1, as OpenSSL and X.509 have them. A file larger than
1 MiB is hashed in parts and its hash is signed, which needs the usage sign-hash.`,
		Args: cobra.MaximumNArgs(1),
	}
	word := keyFlag(cmd, "key")
	cmd.Flags().StringVar(&o.alg, "alg", "", "`algorithm` (default: the key's)")
	cmd.Flags().BoolVar(&o.der, "der", false, "write an ECDSA signature in ASN.1 DER")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		id, err := parseKey(*word)
		if err != nil {
			return err
		}
		return e.withMessage(optional(args, 0), func(gate veneer.Gate, m *message) error {
			c := crypto.New(gate)
			k, err := openKey(c, id, o.alg)
			if err != nil {
				return err
			}
			if o.der && !k.alg.IsECDSA() {
				return usagef("--der is for ECDSA, and this is %s", algorithmWord(k.alg))
			}
			signature, err := k.sign(m)
			if err != nil {
				return keyHint(err, id)
			}
			if o.der {
				if signature, err = derFromRaw(signature); err != nil {
					return err
				}
			}
			return e.write("", signature)
		})
	}
	return cmd
}

type verifyOptions struct {
	signOptions
	signature string
	json      bool
}

type verifyOutput struct {
	Valid bool `json:"valid"`
}

func newVerifyCommand(e *env) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify --key ID --signature SIG [FILE]",
		Short: "Verify a file's signature with a key in the secure world",
		Long: `Verify that the file SIG is a signature of FILE, or of standard input, by the key.
The exit status says whether it is: 0 or 1.`,
		Args: cobra.MaximumNArgs(1),
	}
	word := keyFlag(cmd, "key")
	f := cmd.Flags()
	f.StringVar(&o.signature, "signature", "", "`file` with the signature")
	f.StringVar(&o.alg, "alg", "", "`algorithm` (default: the key's)")
	f.BoolVar(&o.der, "der", false, "the signature is in ASN.1 DER")
	f.BoolVar(&o.json, "json", false, "write a JSON object")
	requireFlag(cmd, "signature")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		id, err := parseKey(*word)
		if err != nil {
			return err
		}
		if o.signature == "-" || o.signature == "" {
			return usagef("--signature takes a file")
		}
		signature, err := e.read(o.signature, "the signature", maxSignature)
		if err != nil {
			return err
		}
		return e.withMessage(optional(args, 0), func(gate veneer.Gate, m *message) error {
			return o.run(e, crypto.New(gate), id, m, signature)
		})
	}
	return cmd
}

func (o *verifyOptions) run(e *env, c *crypto.Client, id psa.KeyID, m *message, signature []byte) error {
	k, err := openKey(c, id, o.alg)
	if err != nil {
		return err
	}
	if o.der {
		if signature, err = rawFromDER(signature, int(k.bits)); err != nil {
			return o.verdict(e, veneer.ErrInvalidSignature)
		}
	}
	return keyHint(o.verdict(e, k.verify(m, signature)), id)
}

// verdict reports the outcome: a signature that does not hold is a result for
// those who asked for JSON, and a failure in any case.
func (o *verifyOptions) verdict(e *env, err error) error {
	valid := err == nil
	if o.json && (valid || errors.Is(err, veneer.ErrInvalidSignature)) {
		if printErr := e.printJSON(verifyOutput{valid}); printErr != nil {
			return printErr
		}
	}
	return err
}
