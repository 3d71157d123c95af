package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// storage is what the shell asks of either storage service. Their clients have
// the types in common.
type storage interface {
	Set(uid its.UID, data []byte, flags its.Flags) error
	ReadAll(uid its.UID) ([]byte, error)
	Info(uid its.UID) (its.Info, error)
	Remove(uid its.UID) error
}

var (
	_ storage = (*its.Client)(nil)
	_ storage = (*ps.Client)(nil)
)

// maxAsset is the most bytes that one call can set.
const maxAsset = veneer.MaxPayload - its.UIDSize - its.FlagsSize

// storageArea is one of the storages as the shell shows it.
type storageArea struct {
	name, short string
	room        string // how much there is, for help and hints
	free        string // what makes room
	open        func(veneer.Gate) storage
}

// The figures are those of the nRF5340's flash map, measured in an empty area;
// the live scripts hold the largest assets against the real partitions.
var (
	itsArea = storageArea{
		name:  "its",
		short: "Keep small assets in the device's internal storage (ITS)",
		room: `On the nRF5340, as on the nRF9160, ITS has 8 KiB of flash: about 4 KB of assets
and keys of all clients together, 36 bytes and more for each one's header included.
The largest asset is 3836 bytes, with nothing else there. Other boards and layouts
have other areas, and a device may limit each client: ` + "`spe inspect DIR`" + ` shows both.`,
		free: "`psa its remove` and `psa key destroy` free room",
		open: func(gate veneer.Gate) storage { return its.New(gate) },
	}
	psArea = storageArea{
		name:  "ps",
		short: "Keep assets encrypted in the device's protected storage (PS)",
		room: `On the nRF5340, as on the nRF9160, PS has 16 KiB of flash: about 12 KB of assets
of all clients together, 96 bytes and more for each one's header included. The
largest asset is 11032 bytes, with nothing else there; the largest made by
"psa ps create" is 4676, since room for changing it is kept besides. Other boards
and layouts have other areas: ` + "`spe inspect DIR`" + ` shows them.`,
		free: "`psa ps remove` frees room",
		open: func(gate veneer.Gate) storage { return ps.New(gate) },
	}
)

// full is the advice where there is no room.
func (a *storageArea) full() string { return a.free + ". " + a.line() }

// line is room as one line.
func (a *storageArea) line() string { return strings.ReplaceAll(a.room, "\n", " ") }

func newITSCommand(e *env) *cobra.Command { return newStorageCommand(e, &itsArea) }

func newPSCommand(e *env) *cobra.Command {
	cmd := newStorageCommand(e, &psArea)
	cmd.AddCommand(newStorageCreateCommand(e, &psArea), newStorageWriteCommand(e, &psArea))
	return cmd
}

func newStorageCommand(e *env, a *storageArea) *cobra.Command {
	cmd := newGroup(a.name, a.short,
		newStorageSetCommand(e, a),
		newStorageGetCommand(e, a),
		newStorageInfoCommand(e, a),
		newStorageRemoveCommand(e, a),
	)
	cmd.Long = a.short + `.

A UID is a number that the client chooses, 1 to 2^64-1, decimal or 0x hexadecimal;
other clients have UIDs of their own.

` + a.room + `
Replacing an asset takes room for the old and the new one.`
	return cmd
}

// storageFlags are the words of --flag.
var storageFlags = [...]struct {
	word string
	flag psa.StorageFlags
}{
	{"write-once", psa.StorageWriteOnce},
	{"no-confidentiality", psa.StorageNoConfidentiality},
	{"no-replay-protection", psa.StorageNoReplayProtection},
}

func parseStorageFlags(words []string) (flags psa.StorageFlags, err error) {
next:
	for _, w := range words {
		for _, f := range storageFlags {
			if f.word == w {
				flags |= f.flag
				continue next
			}
		}
		return 0, usagef("no storage flag %q", w)
	}
	return flags, nil
}

func storageWords(flags psa.StorageFlags) []string {
	words := []string{}
	for _, f := range storageFlags {
		if flags&f.flag != 0 {
			words = append(words, f.word)
		}
	}
	return words
}

func parseUID(word string) (its.UID, error) {
	uid, err := strconv.ParseUint(word, 0, 64)
	if err != nil || uid == 0 {
		return 0, usagef("%q is no UID: a number from 1 to 2^64-1", word)
	}
	return its.UID(uid), nil
}

// hint adds advice to the statuses that storage commonly answers.
func (a *storageArea) hint(err error, uid its.UID) error {
	err = hintOn(veneer.ErrInsufficientStorage, err, "%s", a.full())
	err = hintOn(veneer.ErrConnectionRefused, err, "this device has %s for its secure partitions alone", strings.ToUpper(a.name))
	err = hintOn(veneer.ErrDoesNotExist, err, "nothing is stored under UID %d by this client", uid)
	err = hintOn(veneer.ErrInvalidSignature, err, "what is stored under UID %d is not what was stored last: changed, put back, or another device's; it answers so until it is set or removed", uid)
	err = hintOn(veneer.ErrDataCorrupt, err, "bits of what is stored under UID %d have flipped; it answers so until it is set or removed, and `spe fsck DIR` says where", uid)
	return hintOn(veneer.ErrNotPermitted, err, "what is stored under UID %d is write-once: it stays as it is", uid)
}

// read reads what is to be stored.
func (a *storageArea) read(e *env, file, what string) ([]byte, error) {
	data, err := e.read(file, what, maxAsset)
	var large *sizeError
	if errors.As(err, &large) {
		return nil, hint(err, "one call carries no more. %s", a.line())
	}
	return data, err
}

func newStorageSetCommand(e *env, a *storageArea) *cobra.Command {
	var words []string
	cmd := &cobra.Command{
		Use:   "set UID [FILE]",
		Short: "Store FILE, or standard input, under a UID",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			uid, err := parseUID(args[0])
			if err != nil {
				return err
			}
			flags, err := parseStorageFlags(words)
			if err != nil {
				return err
			}
			data, err := a.read(e, optional(args, 1), "the asset")
			if err != nil {
				return err
			}
			defer clear(data)
			return e.withGate(func(gate veneer.Gate) error {
				return a.hint(a.open(gate).Set(uid, data, flags), uid)
			})
		},
	}
	addStorageFlags(cmd, &words, 0)
	return cmd
}

// addStorageFlags adds --flag, for all words but those of the flags in without.
func addStorageFlags(cmd *cobra.Command, words *[]string, without psa.StorageFlags) {
	choices := storageWords(psa.StorageAll &^ without)
	cmd.Flags().StringSliceVar(words, "flag", nil, "storage `flag`: "+strings.Join(choices, ", ")+"; may be repeated")
	completeWords(cmd, "flag", choices...)
}

func newStorageGetCommand(e *env, a *storageArea) *cobra.Command {
	return &cobra.Command{
		Use:   "get UID [FILE]",
		Short: "Write what is stored under a UID to FILE, or to standard output",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			uid, err := parseUID(args[0])
			if err != nil {
				return err
			}
			return e.withGate(func(gate veneer.Gate) error {
				data, err := a.open(gate).ReadAll(uid)
				if err != nil {
					return a.hint(err, uid)
				}
				defer clear(data)
				return e.write(optional(args, 1), data)
			})
		},
	}
}

type infoOutput struct {
	UID      uint64   `json:"uid"`
	Capacity uint32   `json:"capacity"`
	Size     uint32   `json:"size"`
	Flags    []string `json:"flags"`
}

func newStorageInfoCommand(e *env, a *storageArea) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "info UID",
		Short:             "Write the capacity, the size and the flags of what is stored under a UID",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			uid, err := parseUID(args[0])
			if err != nil {
				return err
			}
			return e.withGate(func(gate veneer.Gate) error {
				info, err := a.open(gate).Info(uid)
				if err != nil {
					return a.hint(err, uid)
				}
				words := storageWords(info.Flags)
				if asJSON {
					return e.printJSON(infoOutput{uint64(uid), info.Capacity, info.Size, words})
				}
				if len(words) == 0 {
					words = []string{"-"}
				}
				_, err = fmt.Fprintf(e.stdout, "capacity  %d\nsize      %d\nflags     %s\n", info.Capacity, info.Size, strings.Join(words, ","))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object")
	return cmd
}

func newStorageRemoveCommand(e *env, a *storageArea) *cobra.Command {
	return &cobra.Command{
		Use:               "remove UID",
		Short:             "Remove what is stored under a UID",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			uid, err := parseUID(args[0])
			if err != nil {
				return err
			}
			return e.withGate(func(gate veneer.Gate) error {
				return a.hint(a.open(gate).Remove(uid), uid)
			})
		},
	}
}
