package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"
)

// MaxClients is the most client processes that one measurement starts: fewer
// than the 4096 channels of a secure world, of which psa's own session and any
// other client hold some.
const MaxClients = 4000

// ClientKind is what client processes are written in. A Go process brings
// threads of its runtime along, which hundreds of them on few cores feel; most
// non-secure programs are C.
type ClientKind string

const (
	ClientC  ClientKind = "c"
	ClientGo ClientKind = "go"
)

// ParseClientKind reads the argument of --client-kind.
func ParseClientKind(s string) (ClientKind, error) {
	switch k := ClientKind(s); k {
	case ClientC, ClientGo:
		return k, nil
	}
	return "", fmt.Errorf("no kind of client %q: c or go", s)
}

// Scaling is the calls of many client processes together, counted by all of
// them in the same span of time. As JSON it is one line of
// "psa bench --clients --json".
type Scaling struct {
	Op      string     `json:"op"`
	Size    int        `json:"size"`
	Pin     Pin        `json:"pin"`
	Kind    ClientKind `json:"client_kind"`
	Clients int        `json:"clients"`

	N         int64   `json:"n"` // calls of all clients
	OpsPerSec float64 `json:"ops_per_s"`

	// The calls of single clients. A Min of 0 would be starvation.
	Min    int64 `json:"min"`
	Median int64 `json:"median"`
	Max    int64 `json:"max"`

	// The same clients with a plain server in C; nil, and absent from JSON,
	// where it was not measured.
	*ScalingBaseline
}

// ScalingBaseline is what the clients of a Scaling get from a plain server: a
// thread for each client, which passes messages of the same bytes over a
// blocking Unix stream socket. Its fields are those of Scaling.
type ScalingBaseline struct {
	OpsPerSec float64 `json:"baseline_ops_per_s"`
	Min       int64   `json:"baseline_min"`
	Median    int64   `json:"baseline_median"`
	Max       int64   `json:"baseline_max"`
}

// tally adds up what each client counted in d. There is at least one client.
func tally(calls []int64, d time.Duration) (n int64, all ScalingBaseline) {
	sorted := slices.Sorted(slices.Values(calls))
	for _, c := range sorted {
		n += c
	}
	return n, ScalingBaseline{
		OpsPerSec: math.Round(float64(n) / d.Seconds()),
		Min:       sorted[0], Median: sorted[(len(sorted)-1)/2], Max: sorted[len(sorted)-1],
	}
}

func (s *Scaling) fill(calls []int64, d time.Duration) {
	n, all := tally(calls, d)
	s.N, s.OpsPerSec, s.Min, s.Median, s.Max = n, all.OpsPerSec, all.Min, all.Median, all.Max
}

// The target of the project: from scaleFrom clients on, more of them make no
// less than scaleLeast of the calls that those made.
const (
	scaleFrom  = 2
	scaleLeast = 0.80
)

// ScalingTable writes results as a table for people, and holds each of them
// against that of the same operation with two clients.
type ScalingTable struct {
	w    io.Writer
	from *Scaling // the last with scaleFrom clients
}

// NewScalingTable writes the heading.
func NewScalingTable(w io.Writer) (*ScalingTable, error) {
	_, err := fmt.Fprintf(w, scalingFormat+"\n", "operation", "lang", "clients", "calls/s",
		"min", "median", "max", "C calls/s", "of C", "C of 2", "of 2", "target")
	return &ScalingTable{w: w}, err
}

const scalingFormat = "%-18s %-4s %7s %9s %8s %8s %8s %9s %6s %6s %6s  %s"

// Write writes s as one line. Results of an operation come by rising numbers of
// clients: one of more than two is held against that of two if there was one.
func (t *ScalingTable) Write(s *Scaling) error {
	if s.Clients == scaleFrom {
		t.from = s
	}
	c, ofC, cOfTwo, ofTwo, target := "-", "-", "-", "-", ""
	if s.ScalingBaseline != nil {
		c, ofC = perSecond(s.ScalingBaseline.OpsPerSec), quotient(s.OpsPerSec, s.ScalingBaseline.OpsPerSec)
	}
	if t.from != nil && t.from.Op == s.Op && t.from.Size == s.Size && s.Clients > scaleFrom {
		ofTwo = quotient(s.OpsPerSec, t.from.OpsPerSec)
		if s.ScalingBaseline != nil && t.from.ScalingBaseline != nil {
			cOfTwo = quotient(s.ScalingBaseline.OpsPerSec, t.from.ScalingBaseline.OpsPerSec)
		}
		target = fmt.Sprintf("≥ %.2f of 2", scaleLeast)
		if s.OpsPerSec < scaleLeast*t.from.OpsPerSec {
			target += ", under"
		}
	}
	return writeTrimmed(t.w, scalingFormat, s.Op, string(s.Kind), strconv.Itoa(s.Clients), perSecond(s.OpsPerSec),
		strconv.FormatInt(s.Min, 10), strconv.FormatInt(s.Median, 10), strconv.FormatInt(s.Max, 10),
		c, ofC, cOfTwo, ofTwo, target)
}

func perSecond(x float64) string { return strconv.FormatFloat(x, 'f', 0, 64) }

func quotient(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return strconv.FormatFloat(a/b, 'f', 2, 64)
}
