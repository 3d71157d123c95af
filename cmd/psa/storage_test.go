package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer"
)

// What storage answers of an asset that was put back or damaged tells a person
// what has happened, and what ends it.
func TestStorageHints(t *testing.T) {
	for status, want := range map[veneer.Status]string{
		veneer.ErrInvalidSignature: "put back",
		veneer.ErrDataCorrupt:      "spe fsck DIR",
		veneer.ErrDoesNotExist:     "nothing is stored under UID 7",
	} {
		var h *hintedError
		if err := psArea.hint(status, 7); !errors.Is(err, status) || !errors.As(err, &h) || !strings.Contains(h.hint, want) {
			t.Errorf("%v: %+v", status, err)
		}
	}
	if err := psArea.hint(veneer.ErrStorageFailure, 7); err != veneer.ErrStorageFailure {
		t.Errorf("%+v", err)
	}
}
