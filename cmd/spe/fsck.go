package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/postern-spe/postern/platform"
)

const fsckUsage = `Check the storage of a device that is not running: nothing in it is changed.

Usage:
  spe fsck DIR [flags]

Looks at Internal Trusted Storage, Protected Storage and the NV counters, and says
of each area what is there, what is damaged, and what the next boot will repair.
Repairs are no reason to worry: they are what a power cut, or a SIGKILL, makes
necessary, and lose nothing that was acknowledged. Damage is what neither leaves:
bits that flipped, or an area that something else has written to.

An area is blank, sound, interrupted (the next boot repairs it), damaged, or
unreadable: the device does not boot with it. Offsets are from the start of the
area. Corrupt are assets that answer DATA_CORRUPT, torn the records that power
cuts have interrupted; full is the share of assets that are there, and worn that
of the manual's guarantee. It prints no contents, uids or owners. That contents
are what their owner stored, Protected Storage finds out with its keys, and not
fsck.

A device that is in use is refused; spe inspect --storage looks at those.

Flags:
  --json  the same as JSON

Exit status: 0 if there is no damage, 1 if there is, or DIR is not a device or in
use, 2 for a wrong command line.
`

func fsckCommand() command {
	return command{name: "fsck", usage: fsckUsage, run: fsckDevice}
}

func fsckDevice(args []string, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("fsck", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "")
	dir, err := parse(flags, args)
	if err != nil {
		return err
	}
	// What is stored is in this process for a moment, and so are the device's keys.
	if err := harden(); err != nil {
		return err
	}
	r, err := examineStorage(dir, true)
	if err != nil {
		return err
	}
	if err := writeStorage(stdout, r, *asJSON, func() string { return fsckTable(r, dir) }); err != nil {
		return err
	}
	if r.Damaged {
		return fmt.Errorf("the storage of %s is damaged", dir)
	}
	return nil
}

// writeStorage writes a report of storage as JSON, or as the text that it is given.
func writeStorage(w io.Writer, r *storageReport, asJSON bool, text func() string) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	_, err := io.WriteString(w, text())
	return err
}

// fsckTable is a report for people, for a screen of 100 columns.
func fsckTable(r *storageReport, dir string) string {
	var b strings.Builder
	b.WriteString(storageHeading(r, dir))
	if len(r.Areas) == 0 {
		return b.String()
	}
	t := table{indent: "  ", align: "llrrlrrrrr"}
	t.row("area", "in", "base", "size", "state", "assets", "corrupt", "torn", "full", "worn")
	for i := range r.Areas {
		a := &r.Areas[i]
		row := []string{a.Name, a.Memory, a.address(), size(a.Size), string(a.State), "", "", "", "", a.worn()}
		if s := a.Store; s != nil {
			for i, n := range []int{s.Assets, s.Corrupt, s.Torn} {
				row[5+i] = fmt.Sprint(n)
			}
			row[8] = share(uint32(s.Live), uint32(s.Capacity))
		}
		if c := a.Counters; c != nil {
			row[8] = share(uint32(c.Records), uint32(c.Room))
		}
		t.row(row...)
	}
	b.WriteString("\n" + t.String())
	b.WriteString(findings(r, "DAMAGE", func(a *storageArea) []finding { return a.Damage }))
	b.WriteString(findings(r, "REPAIRS  by the next boot", func(a *storageArea) []finding { return a.Repairs }))
	return b.String()
}

// storageHeading says which device it is, and in a sentence how its storage is.
func storageHeading(r *storageReport, dir string) string {
	corrupt, repairs, damage := 0, 0, 0
	for i := range r.Areas {
		a := &r.Areas[i]
		if a.Store != nil {
			corrupt += a.Store.Corrupt
		}
		repairs += len(a.Repairs)
		damage += len(a.Damage)
	}
	words := []string{"sound"}
	switch {
	case r.Lifecycle == platform.LifecycleErasing:
		words[0] = "not looked at: it goes with the ERASEALL"
	case damage > 0:
		words[0] = "damaged in " + plural(damage, "place")
		if corrupt > 0 {
			words = append(words, plural(corrupt, "asset")+" DATA_CORRUPT")
		}
	}
	if repairs > 0 {
		words = append(words, "the next boot repairs "+plural(repairs, "thing"))
	}
	t := table{align: "ll"}
	t.row("device", dir)
	t.row("board", r.Board)
	t.row("state", stateWords(r.Lifecycle, r.UsedBy))
	t.row("storage", strings.Join(words, "; "))
	if r.Moving {
		t.row("", "somebody is writing: this is of no one moment, and damage in it may be none")
	} else if r.UsedBy != 0 {
		t.row("", "of one moment, perhaps in the middle of a write, which a power cut would interrupt")
	}
	return t.String()
}

// mostFindings is how many of them are printed of an area: a decayed one may have
// thousands, and JSON has them all.
const mostFindings = 20

// findings lists what one field of the areas has.
func findings(r *storageReport, title string, of func(*storageArea) []finding) string {
	var rows table
	rows.indent, rows.align = "  ", "lll"
	for i := range r.Areas {
		a := &r.Areas[i]
		for n, f := range of(a) {
			if n == mostFindings {
				rows.row(a.Name, "", fmt.Sprintf("and %d more, which --json has", len(of(a))-n))
				break
			}
			at := ""
			if f.Offset != nil {
				at = fmt.Sprintf("0x%08x", *f.Offset)
			}
			rows.row(a.Name, at, f.What)
			if f.Meaning != "" {
				rows.row("", "", f.Meaning)
			}
		}
	}
	if len(rows.rows) == 0 {
		return ""
	}
	return "\n" + title + "\n" + rows.String()
}

// worn is the share of the guarantee that the most worn page or line has used.
func (a *storageArea) worn() string {
	return share(min(a.Wear.Max, uint32(a.Wear.Endurance)), uint32(a.Wear.Endurance))
}

// plural is a number of things.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return count(n) + " " + thing
}
