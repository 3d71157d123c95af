package main

import (
	"crypto/x509"
	"encoding/pem"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

type keyMakeOptions struct {
	policy keyPolicy
	json   bool
}

func newKeyGenerateCommand(e *env) *cobra.Command {
	var o keyMakeOptions
	cmd := &cobra.Command{
		Use:               "generate --id ID --type TYPE",
		Short:             "Generate a key that never leaves the secure world",
		Long:              "Generate a key in the secure world." + aboutKeys(),
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			attrs, err := o.policy.attributes(false)
			if err != nil {
				return err
			}
			return e.withGate(func(gate veneer.Gate) error {
				c := crypto.New(gate)
				id, err := c.Generate(attrs)
				return o.report(e, c, id, attrs, err)
			})
		},
	}
	o.addFlags(cmd)
	return cmd
}

func newKeyImportCommand(e *env) *cobra.Command {
	var o keyMakeOptions
	cmd := &cobra.Command{
		Use:   "import --id ID --type TYPE [FILE]",
		Short: "Bring a key into the secure world",
		Long: `Import a key from FILE, or from standard input, in the PSA export format of its
type: the bytes of a symmetric key, the private value of an ECC pair, the
uncompressed point of an ECC public key. A key is never an argument, where other
processes could read it.` + aboutKeys(),
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			attrs, err := o.policy.attributes(true)
			if err != nil {
				return err
			}
			data, err := e.read(optional(args, 0), "the key", crypto.MaxExport)
			if err != nil {
				return err
			}
			defer clear(data)
			return e.withGate(func(gate veneer.Gate) error {
				c := crypto.New(gate)
				id, err := c.Import(attrs, data)
				err = hintOn(veneer.ErrInvalidArgument, err, "%d bytes are no key of type %s in its export format, or the flags contradict them", len(data), o.policy.typ)
				return o.report(e, c, id, attrs, err)
			})
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (o *keyMakeOptions) addFlags(cmd *cobra.Command) {
	o.policy.addFlags(cmd)
	cmd.Flags().BoolVar(&o.json, "json", false, "write the new key's attributes as a JSON object")
}

// report ends the making of a key: silence, unless its attributes were asked for.
func (o *keyMakeOptions) report(e *env, c *crypto.Client, id psa.KeyID, asked psa.KeyAttributes, err error) error {
	if err != nil && asked.Lifetime.Location() == psa.LocationKMU {
		return kmuHint(err, asked)
	}
	if err != nil {
		err = hintOn(veneer.ErrAlreadyExists, err, "key %s exists; destroy it first, or choose another --id", asked.ID)
		err = hintOn(veneer.ErrInsufficientStorage, err, "%s", itsArea.full())
		return hintOn(veneer.ErrNotSupported, err, "this secure world has no key of type %s with %d bits", typeWord(asked.Type, asked.Bits), asked.Bits)
	}
	if !o.json {
		return nil
	}
	attrs, err := c.Attributes(id)
	if err != nil {
		return err
	}
	return e.printJSON(newKeyOutput(attrs))
}

// kmuHint adds advice to what may be wrong with a new key in the KMU.
func kmuHint(err error, asked psa.KeyAttributes) error {
	_, slot, _ := asked.ID.KMUSlot()
	err = hintOn(veneer.ErrAlreadyExists, err, "a slot that the key needs, from %d on, holds another or has been revoked; choose another --id", slot)
	err = hintOn(veneer.ErrNotPermitted, err, "slot %d is not for programs; they have 0 to 179", slot)
	err = hintOn(veneer.ErrInvalidArgument, err, "the board has no CRACEN, or the key does not fit the slots from %d on, or the flags contradict each other", slot)
	return hintOn(veneer.ErrNotSupported, err, "the kmu has no key of type %s with %d bits, this algorithm and this usage", typeWord(asked.Type, asked.Bits), asked.Bits)
}

type keyExportOptions struct {
	public, pem bool
}

func newKeyExportCommand(e *env) *cobra.Command {
	var o keyExportOptions
	cmd := &cobra.Command{
		Use:   "export --id ID [FILE]",
		Short: "Write a key's public half, or a key that may be exported",
		Long: `Write a key to FILE, or to standard output, in the PSA export format of its type.
A public key can always be had; a secret one only if its usage says export.`,
		Args: cobra.MaximumNArgs(1),
	}
	word := keyFlag(cmd, "id")
	cmd.Flags().BoolVar(&o.public, "public", false, "the public half of a pair")
	cmd.Flags().BoolVar(&o.pem, "pem", false, "as PEM, for other programs; needs --public")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		id, err := parseKey(*word)
		if err != nil {
			return err
		}
		if o.pem && !o.public {
			return usagef("--pem is for public keys: add --public")
		}
		return e.withGate(func(gate veneer.Gate) error {
			data, err := o.export(crypto.New(gate), id)
			if err != nil {
				return keyHint(err, id)
			}
			defer clear(data)
			return e.write(optional(args, 0), data)
		})
	}
	return cmd
}

func (o *keyExportOptions) export(c *crypto.Client, id psa.KeyID) ([]byte, error) {
	switch {
	case o.pem:
		public, err := c.PublicKey(id)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
	case o.public:
		return c.ExportPublic(id)
	}
	return c.Export(id)
}
