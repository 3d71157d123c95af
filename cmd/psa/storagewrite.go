package main

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// Assets that are made before they are filled, which Protected Storage has.

func newStorageCreateCommand(e *env, a *storageArea) *cobra.Command {
	var words []string
	var capacity uint32
	cmd := &cobra.Command{
		Use:   "create UID --capacity N",
		Short: "Reserve room for an asset, to be filled with `psa ps write`",
		Long: `Reserve room for an asset of up to N bytes, to be filled with ` + "`psa ps write`" + `.

The asset has no bytes at first. Its room stays its own, however full the storage
gets; it takes as much flash as an asset of N bytes, and so does each write.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			uid, err := parseUID(args[0])
			if err != nil {
				return err
			}
			flags, err := parseStorageFlags(words)
			if err != nil {
				return err
			}
			if flags&psa.StorageWriteOnce != 0 {
				return usagef("an asset that is created cannot be write-once")
			}
			return e.withGate(func(gate veneer.Gate) error {
				err := a.hint(ps.New(gate).Create(uid, capacity, flags), uid)
				return hintOn(veneer.ErrAlreadyExists, err,
					"what is stored under UID %d stays as it is; `psa ps remove %d` takes it away", uid, uid)
			})
		},
	}
	cmd.Flags().Uint32Var(&capacity, "capacity", 0, "how many bytes, `N`, the asset may get")
	if err := cmd.MarkFlagRequired("capacity"); err != nil {
		panic(err) // it is there
	}
	addStorageFlags(cmd, &words, psa.StorageWriteOnce)
	return cmd
}

func newStorageWriteCommand(e *env, a *storageArea) *cobra.Command {
	return &cobra.Command{
		Use:   "write UID OFFSET [FILE]",
		Short: "Write FILE, or standard input, into what is stored under a UID",
		Long: `Write FILE, or standard input, into what is stored under a UID, from OFFSET on.

What is there is written over; behind its end an asset made by ` + "`psa ps create`" + `
grows, up to its capacity. OFFSET is at most the asset's size.`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(_ *cobra.Command, args []string) error {
			uid, err := parseUID(args[0])
			if err != nil {
				return err
			}
			offset, err := strconv.ParseUint(args[1], 0, 32)
			if err != nil {
				return usagef("%q is no offset: a number from 0 to 2^32-1", args[1])
			}
			data, err := a.read(e, optional(args, 2), "what is to be written")
			if err != nil {
				return err
			}
			defer clear(data)
			return e.withGate(func(gate veneer.Gate) error {
				client := ps.New(gate)
				return writeHint(a, client, uid, client.SetExtended(uid, uint32(offset), data))
			})
		},
	}
}

// writeHint is the area's hint for a write, whose own errors it explains.
func writeHint(a *storageArea, client *ps.Client, uid its.UID, err error) error {
	switch {
	case errors.Is(err, veneer.ErrDoesNotExist):
		return hint(err, "nothing is stored under UID %d by this client; `psa ps create` makes room first", uid)
	case errors.Is(err, veneer.ErrInvalidArgument):
		info, infoErr := client.Info(uid)
		if infoErr != nil {
			return err
		}
		return hint(err, "what is stored under UID %d has %d bytes and room for %d: no write begins past the one or ends past the other",
			uid, info.Size, info.Capacity)
	}
	return a.hint(err, uid)
}
