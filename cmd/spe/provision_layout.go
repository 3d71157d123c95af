package main

import (
	"errors"
	"io"
	"os"

	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/spe/pmstatic"
)

// readLayout reads a layout file: where areas are, and the names of what else it
// has.
func readLayout(name string) (placements []board.Placement, ignored []string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, pmstatic.MaxSize+1))
	if err != nil {
		return nil, nil, err
	}
	l, err := pmstatic.Parse(name, text)
	if err != nil {
		return nil, nil, err
	}
	return l.Placements, l.Ignored, nil
}

// explainLayout says of an area that cannot be where a layout file has it what the
// file calls it.
func explainLayout(file string, err error) error {
	var bad *board.PlacementError
	if file != "" && errors.As(err, &bad) {
		return &pmstatic.Error{File: file, Entry: pmstatic.Entry(bad.Area), Reason: bad.What}
	}
	return err
}
