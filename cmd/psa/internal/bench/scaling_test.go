package bench

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestTally(t *testing.T) {
	for _, tt := range []struct {
		name     string
		calls    []int64
		n        int64
		perSec   float64
		min, mid int64
		max      int64
	}{
		{"one client", []int64{7}, 7, 14, 7, 7, 7},
		{"median of two is the lower", []int64{9, 3}, 12, 24, 3, 3, 9},
		{"one that starved", []int64{5, 0, 8}, 13, 26, 0, 5, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, all := tally(tt.calls, 500*time.Millisecond)
			if want := (ScalingBaseline{tt.perSec, tt.min, tt.mid, tt.max}); n != tt.n || all != want {
				t.Errorf("got %d %+v, want %d %+v", n, all, tt.n, want)
			}
		})
	}
}

// scaled returns a result with so many calls a second, and so many of the plain
// server, 0 for none.
func scaled(op string, clients int, perSec, plain float64) *Scaling {
	s := &Scaling{Op: op, Kind: ClientC, Clients: clients, N: 1, OpsPerSec: perSec, Min: 1, Median: 2, Max: 3}
	if plain > 0 {
		s.ScalingBaseline = &ScalingBaseline{OpsPerSec: plain, Min: 4, Median: 5, Max: 6}
	}
	return s
}

func TestScalingTable(t *testing.T) {
	var b strings.Builder
	table, err := NewScalingTable(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		s    *Scaling
		want string
	}{
		{"before there is one to compare", scaled("a", 1, 50, 80), "a c 1 50 1 2 3 80 0.62 - -"},
		{"the one to compare", scaled("a", 2, 100, 200), "a c 2 100 1 2 3 200 0.50 - -"},
		{"as many as the target asks", scaled("a", 8, 80, 160), "a c 8 80 1 2 3 160 0.50 0.80 0.80 ≥ 0.80 of 2"},
		{"fewer", scaled("a", 64, 79, 50), "a c 64 79 1 2 3 50 1.58 0.25 0.79 ≥ 0.80 of 2, under"},
		{"no plain server", scaled("a", 512, 90, 0), "a c 512 90 1 2 3 - - - 0.90 ≥ 0.80 of 2"},
		{"another operation", scaled("b", 512, 90, 0), "b c 512 90 1 2 3 - - - -"},
	} {
		b.Reset()
		if err := table.Write(tt.s); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(b.String()), " "); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestScalingJSON(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    *Scaling
		want string
	}{
		{"with a plain server", scaled("a", 2, 100, 200), `{"op":"a","size":0,"pin":"","client_kind":"c","clients":2,"n":1,` +
			`"ops_per_s":100,"min":1,"median":2,"max":3,"baseline_ops_per_s":200,"baseline_min":4,"baseline_median":5,"baseline_max":6}`},
		{"without", scaled("a", 2, 100, 0), `{"op":"a","size":0,"pin":"","client_kind":"c","clients":2,"n":1,` +
			`"ops_per_s":100,"min":1,"median":2,"max":3}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := json.Marshal(tt.s); err != nil || string(got) != tt.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, tt.want)
			}
		})
	}
}
