package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Result is one operation's figures. As JSON it is one line of
// "psa bench --json"; a yardstick that was not measured is absent there.
type Result struct {
	Op   string `json:"op"`
	Size int    `json:"size"` // payload in bytes, 0 where there is none
	Pin  Pin    `json:"pin"`

	N         int     `json:"n"`
	P50       int64   `json:"p50_ns"`
	P99       int64   `json:"p99_ns"`
	OpsPerSec float64 `json:"ops_per_s"`
	MBPerSec  float64 `json:"mb_per_s"` // 10^6 bytes of payload

	RequestBytes int `json:"request_bytes"` // the frames, headers included
	ReplyBytes   int `json:"reply_bytes"`

	Baseline  int64 `json:"baseline_p50_ns,omitempty"`   // C ping-pong of the same frames
	InProcess int64 `json:"in_process_p50_ns,omitempty"` // the computation alone, in Go
	Echo      int64 `json:"echo_p50_ns,omitempty"`       // the same bytes through the gate
	CWork     int64 `json:"c_work_p50_ns,omitempty"`     // C ping-pong whose server is busy for InProcess

	bound bound
}

func (r *Result) fill(gate *samples) {
	r.N, r.P50, r.P99 = len(gate.ns), gate.p50(), gate.quantile(99)
	if gate.sum > 0 {
		r.OpsPerSec = math.Round(float64(len(gate.ns)) * 1e9 / float64(gate.sum))
	}
	r.MBPerSec = math.Round(r.OpsPerSec*float64(r.Size)/1e4) / 100
}

// bound is what an operation's median is held against.
type bound int

const (
	noBound   bound = iota
	byCarrier       // at most carrierFactor times the C ping-pong
	byWork          // at most workFactor times (in process + echo)
)

// The targets of the project.
const (
	carrierFactor = 1.5
	workFactor    = 1.15
)

// Ratio returns the median against what it is held against, and the most that
// the ratio should be. ok is false where there is no target, or no yardstick
// was measured.
func (r *Result) Ratio() (ratio, target float64, ok bool) {
	switch {
	case r.bound == byCarrier && r.Baseline > 0:
		return float64(r.P50) / float64(r.Baseline), carrierFactor, true
	case r.bound == byWork && r.InProcess > 0 && r.Echo > 0:
		return float64(r.P50) / float64(r.InProcess+r.Echo), workFactor, true
	}
	return 0, 0, false
}

// WorkRatio returns the median against the C ping-pong whose server is busy for
// as long as the operation takes in process. Unlike Go and echo together that
// one pays what the kernel asks of any server that works before it replies:
// preemption by the client that it wakes, and a core that went to sleep
// meanwhile. There is no target for it. ok is false where it was not measured.
func (r *Result) WorkRatio() (ratio float64, ok bool) {
	if r.CWork == 0 {
		return 0, false
	}
	return float64(r.P50) / float64(r.CWork), true
}

// WriteHeader writes the heading of the table whose rows WriteRow writes.
func WriteHeader(w io.Writer) error {
	_, err := fmt.Fprintf(w, rowFormat+"\n", "operation", "bytes", "n", "p50", "p99", "ops/s", "MB/s",
		"C p50", "Go p50", "echo p50", "C+work p50", "of C+work", "ratio", "target")
	return err
}

const rowFormat = "%-18s %6s %8s %9s %9s %9s %8s %9s %9s %9s %10s %9s %6s  %s"

// WriteRow writes r as one line for people. The ratio is the median against the
// C ping-pong or against Go and echo together, whichever the target names.
func (r *Result) WriteRow(w io.Writer) error {
	ratio, ofWork, target := "-", "-", ""
	if x, ok := r.WorkRatio(); ok {
		ofWork = fmt.Sprintf("%.2f", x)
	}
	if x, most, ok := r.Ratio(); ok {
		ratio = fmt.Sprintf("%.2f", x)
		target = fmt.Sprintf("≤ %.2f of C", most)
		if r.bound == byWork {
			target = fmt.Sprintf("≤ %.2f of Go + echo", most)
		}
		if x > most {
			target += ", over"
		}
	}
	return writeTrimmed(w, rowFormat, r.Op, count(r.Size), strconv.Itoa(r.N), span(r.P50), span(r.P99),
		strconv.FormatFloat(r.OpsPerSec, 'f', 0, 64), rate(r.MBPerSec),
		span(r.Baseline), span(r.InProcess), span(r.Echo), span(r.CWork), ofWork, ratio, target)
}

// writeTrimmed writes one line of a table, without the blanks of an empty last
// column.
func writeTrimmed(w io.Writer, format string, columns ...any) error {
	_, err := fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf(format, columns...), " "))
	return err
}

func count(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func rate(mb float64) string {
	if mb == 0 {
		return "-"
	}
	return strconv.FormatFloat(mb, 'f', 1, 64)
}

func span(ns int64) string {
	d := time.Duration(ns)
	switch {
	case ns == 0:
		return "-"
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", ns)
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f µs", float64(ns)/1e3)
	}
	return fmt.Sprintf("%.2f ms", float64(ns)/1e6)
}
