package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

func newKeyCommand(e *env) *cobra.Command {
	return newGroup("key", "Make, list and end keys that live in the secure world",
		newKeyGenerateCommand(e),
		newKeyImportCommand(e),
		newKeyExportCommand(e),
		newKeyListCommand(e),
		newKeyDestroyCommand(e),
	)
}

// keyOutput is a key in JSON.
type keyOutput struct {
	ID       uint32   `json:"id"`
	Type     string   `json:"type"`
	Bits     uint16   `json:"bits"`
	Lifetime string   `json:"lifetime"`
	Alg      string   `json:"alg"`
	Usage    []string `json:"usage"`
}

func newKeyOutput(a psa.KeyAttributes) keyOutput {
	return keyOutput{
		uint32(a.ID), typeWord(a.Type, a.Bits), a.Bits, a.Lifetime.String(), algorithmWord(a.Algorithm), usageWords(a.Usage),
	}
}

// keyFlag adds the flag that names an existing key.
func keyFlag(cmd *cobra.Command, flag string) *string {
	id := cmd.Flags().String(flag, "", "key `identifier`, decimal or 0x hexadecimal")
	requireFlag(cmd, flag)
	completeWords(cmd, flag)
	return id
}

func requireFlag(cmd *cobra.Command, flag string) {
	// It fails only for a flag that the command does not have.
	if err := cmd.MarkFlagRequired(flag); err != nil {
		panic(err)
	}
}

func parseKey(word string) (psa.KeyID, error) {
	id, err := psa.ParseKeyID(word)
	if err != nil {
		return 0, &usageError{err}
	}
	if id == psa.NullKey {
		return 0, usagef("0 is no key identifier")
	}
	return id, nil
}

// keyHint adds advice to the statuses that a key's use commonly meets.
func keyHint(err error, id psa.KeyID) error {
	err = hintOn(veneer.ErrInvalidHandle, err, "there is no key %s of this client; see `psa key list`", id)
	err = hintOn(veneer.ErrDoesNotExist, err, "there is no key %s of this client; see `psa key list`", id)
	if _, slot, ok := id.KMUSlot(); ok {
		return hintOn(veneer.ErrNotPermitted, err, "the usage or the algorithm of key %s does not allow this, or the key is locked or revoked, or slot %d is not for programs; see `psa key list`", id, slot)
	}
	return hintOn(veneer.ErrNotPermitted, err, "the usage or the algorithm that key %s was made with does not allow this; see `psa key list`", id)
}

func newKeyListCommand(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "list",
		Short:             "List this client's keys",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			return e.withGate(func(gate veneer.Gate) error { return listKeys(e, gate, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object for each key, a line each")
	return cmd
}

func listKeys(e *env, gate veneer.Gate, asJSON bool) error {
	keys, err := crypto.New(gate).List()
	if err != nil {
		return err
	}
	if asJSON {
		for _, k := range keys {
			if err := e.printJSON(newKeyOutput(k)); err != nil {
				return err
			}
		}
		return nil
	}
	if len(keys) == 0 {
		return nil
	}
	const row = "%-10s  %-24s  %5v  %-14s  %-20s  %s\n"
	if _, err := fmt.Fprintf(e.stdout, row, "ID", "TYPE", "BITS", "LIFETIME", "ALGORITHM", "USAGE"); err != nil {
		return err
	}
	for _, k := range keys {
		o := newKeyOutput(k)
		usage := strings.Join(o.Usage, ",")
		if usage == "" {
			usage = "-"
		}
		if _, err := fmt.Fprintf(e.stdout, row, k.ID, o.Type, o.Bits, o.Lifetime, o.Alg, usage); err != nil {
			return err
		}
	}
	return nil
}

func newKeyDestroyCommand(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "destroy --id ID",
		Short:             "End a key for good",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	word := keyFlag(cmd, "id")
	cmd.RunE = func(*cobra.Command, []string) error {
		id, err := parseKey(*word)
		if err != nil {
			return err
		}
		return e.withGate(func(gate veneer.Gate) error {
			return keyHint(crypto.New(gate).Destroy(id), id)
		})
	}
	return cmd
}
