package main

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"

	"github.com/postern-spe/postern/platform"
)

const inspectUsage = `Look at a device, which may be running: nothing in it is changed.

Usage:
  spe inspect DIR [flags]

Prints the lifecycle and the debug port's protection; the memory map with the
rights that each world has after boot, and whether boot locks them; how full each
area is and how worn; the key slots in use and the counters. It says where things
are and how many, and nothing of what is in them.

Rights are r, w and x, for code of the secure world and of the non-secure one.
An area is as worn as its pages have been erased, or, with RRAM, its lines been
written. Written words are those since the erase of their page.

Flags:
  --json      the same as JSON
  --storage   look at Internal Trusted Storage, Protected Storage and the NV
              counters instead: assets and records, how full, how much still fits,
              wear of each page. Of contents, uids and owners it says nothing. A
              running device is seen at one moment, perhaps amid a write; spe fsck
              says of one that is not running what is damaged, and where
  --svg FILE  draw the memory map, with rights and a wear heat map, and print
              nothing; - is stdout. A file that exists is replaced
`

func inspectCommand() command {
	return command{name: "inspect", usage: inspectUsage, run: inspectDevice}
}

func inspectDevice(args []string, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("inspect", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "")
	svg := flags.String("svg", "", "")
	storage := flags.Bool("storage", false, "")
	dir, err := parse(flags, args)
	if err != nil {
		return err
	}
	if *asJSON && *svg != "" {
		return &usageError{reason: "--json or --svg, not both"}
	}
	if *storage && *svg != "" {
		return &usageError{reason: "--storage or --svg, not both"}
	}
	if *svg != "" && *svg != "-" && within(*svg, dir) {
		return &usageError{reason: "the picture does not go into the device"}
	}
	// The device's keys are in this process for a moment, and with --storage what
	// it has stored.
	if err := harden(); err != nil {
		return err
	}
	if *storage {
		r, err := examineStorage(dir, false)
		if err != nil {
			return err
		}
		return writeStorage(stdout, r, *asJSON, func() string { return storageTable(r, dir) })
	}
	r, err := platform.Inspect(dir)
	if err != nil {
		return err
	}
	switch {
	case *asJSON:
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case *svg == "-":
		_, err := stdout.Write(drawReport(r))
		return err
	case *svg != "":
		return replaceFile(*svg, drawReport(r))
	}
	_, err = io.WriteString(stdout, reportTable(r, dir))
	return err
}

// within reports whether a file is, or would be, one of a directory's.
func within(file, dir string) bool {
	parent, err := os.Stat(filepath.Dir(file))
	if err != nil {
		return false
	}
	st, err := os.Stat(dir)
	return err == nil && os.SameFile(parent, st)
}

// replaceFile writes a file that is there wholly or not at all. What is no
// regular file, as a device or a link, is written to. The picture has nothing to
// hide from those who may see the directory that it is in.
func replaceFile(name string, data []byte) error {
	if st, err := os.Lstat(name); err == nil && !st.Mode().IsRegular() {
		return os.WriteFile(name, data, 0o644)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
