package bench

import (
	"fmt"
	"io"
	"strconv"
	"time"
)

// StorageResult is the figures of one storage operation with a number of assets
// there. As JSON it is one line of "psa bench --storage --json"; a yardstick that
// was not measured is absent there. Times are in nanoseconds, medians but for P99.
type StorageResult struct {
	Op     string `json:"op"`
	Size   int    `json:"size"`   // of the asset in bytes
	Assets int    `json:"assets"` // fewer than asked for where no more fit
	Pin    Pin    `json:"pin"`

	N   int   `json:"n"`
	P50 int64 `json:"p50_ns"`
	P99 int64 `json:"p99_ns"`

	Bare    int64 `json:"bare_p50_ns"`                // psa_framework_version
	Echo    int64 `json:"echo_p50_ns,omitempty"`      // the same bytes through the gate
	Files   int64 `json:"files_p50_ns"`               // in this process, on a file for each asset
	MbedTLS int64 `json:"mbedtls_p50_ns,omitempty"`   // the same with Mbed TLS's file-backed storage
	Most    int64 `json:"target_over_bare,omitempty"` // that P50 should be above Bare; 0: no target
}

// Over returns by how much the operation takes longer than a bare call.
func (r *StorageResult) Over() time.Duration { return time.Duration(r.P50 - r.Bare) }

// spreadMost is how many times as long as with the fewest assets an operation
// should take at most with more: a target of the project.
const spreadMost = 1.3

// StorageTable writes results as a table for people, and holds those of an
// operation against each other.
type StorageTable struct {
	w      io.Writer
	assets int                 // of the last row
	least  map[string][2]int64 // of an operation, the shortest and the longest median so far
}

// NewStorageTable writes the heading.
func NewStorageTable(w io.Writer) (*StorageTable, error) {
	_, err := fmt.Fprintf(w, storageFormat+"\n", "assets", "operation", "bytes", "n", "p50", "p99",
		"bare", "echo", "over bare", "spread", "files", "Mbed TLS", "target")
	return &StorageTable{w: w, least: make(map[string][2]int64)}, err
}

const storageFormat = "%-7s %-10s %5s %7s %9s %9s %9s %9s %9s %6s %9s %9s  %s"

// Write writes r as one line. The spread is the longest by the shortest median
// of the operation's rows so far.
func (t *StorageTable) Write(r *StorageResult) error {
	assets := ""
	if r.Assets != t.assets {
		if t.assets != 0 {
			if _, err := fmt.Fprintln(t.w); err != nil {
				return err
			}
		}
		t.assets, assets = r.Assets, strconv.Itoa(r.Assets)
	}
	spread, target := "-", ""
	span2, ok := t.least[r.Op]
	if !ok {
		span2 = [2]int64{r.P50, r.P50}
	}
	span2 = [2]int64{min(span2[0], r.P50), max(span2[1], r.P50)}
	t.least[r.Op] = span2
	if r.Most > 0 {
		target = "≤ +" + span(r.Most)
		if int64(r.Over()) > r.Most {
			target += ", over"
		}
	}
	if ok {
		x := float64(span2[1]) / float64(span2[0])
		spread = strconv.FormatFloat(x, 'f', 2, 64)
		if target != "" {
			target += ", "
		}
		target += fmt.Sprintf("spread ≤ %.2f", spreadMost)
		if x > spreadMost {
			target += ", over"
		}
	}
	return writeTrimmed(t.w, storageFormat, assets, r.Op, strconv.Itoa(r.Size), strconv.Itoa(r.N), span(r.P50), span(r.P99),
		span(r.Bare), span(r.Echo), more(r.Over()), spread, span(r.Files), span(r.MbedTLS), target)
}

// more is a difference, with its sign.
func more(d time.Duration) string {
	if d < 0 {
		return "-" + span(int64(-d))
	}
	return "+" + span(int64(d))
}
