package flashlog_test

import (
	"bytes"
	"testing"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
)

func report(t *testing.T, f *flashtest.Flash) flashlog.Report {
	t.Helper()
	before := f.Image()
	c, err := flashlog.Check(f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Report()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.Image(), before) {
		t.Error("the report has changed the area")
	}
	if r.Live+r.Dead+r.Free != (r.Pages-1)*(r.PageSize-68) || r.Dead < 0 {
		t.Errorf("%+v", r)
	}
	return r
}

func TestReport(t *testing.T) {
	f := flashtest.New(4)
	if r := report(t, f); r.InUse != 0 || r.Live != 0 || r.Dead != 0 || r.Pages != 4 || len(r.Repairs) != 0 {
		t.Errorf("blank: %+v", r)
	}
	s := open(t, f)
	k := flashlog.Key{Owner: 1, UID: 1}
	for range 3 {
		if err := s.Set(k, workloadBytes(32), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set(flashlog.Key{Owner: 1, UID: 2}, workloadBytes(2000), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(k); err != nil {
		t.Fatal(err)
	}
	r := report(t, f)
	if r.Assets != 1 || r.Bytes != 2000 || r.Records != 7 || r.Removals != 1 || r.Corrupt != 0 || len(r.Damage)+len(r.Repairs) != 0 {
		t.Errorf("%+v", r)
	}
	if r.Dead != 3*68 || r.Live != 36+2*1004+36+64 {
		t.Errorf("%d bytes dead, %d live", r.Dead, r.Live)
	}

	for _, c := range []struct {
		name                     string
		harm                     func(f *flashtest.Flash)
		corrupt, damage, repairs int
	}{
		{"a flipped bit of a dead record", func(f *flashtest.Flash) { f.Flip(8 * (68 + 30)) }, 0, 1, 0},
		{"a flipped bit of a part", func(f *flashtest.Flash) { f.Flip(8 * (68 + 3*68 + 40)) }, 0, 1, 0},
		{"a flipped bit of a header", func(f *flashtest.Flash) { f.Flip(8 * (68 + 4)) }, 0, 0, 0},
		{"a header beyond repair", func(f *flashtest.Flash) { f.Flip(8 * (68 + 68)); f.Flip(8 * (68 + 69)); f.Flip(8 * (68 + 75)) }, 1, 1, 1},
		{"a torn record", func(f *flashtest.Flash) {
			f.CutAt(3, 1)
			if open(t, f).Set(k, nil, 0) == nil {
				t.Error("set")
			}
			f.PowerOn()
		}, 0, 0, 0},
		{"a record without seal", func(f *flashtest.Flash) {
			f.CutAt(8, 1) // header, CRC, seal
			s := open(t, f)
			for seed := uint64(0); ; seed++ {
				f.CutAt(8, seed)
				if s.Set(k, nil, 0) == nil {
					t.Error("set")
				}
				f.PowerOn()
				c, err := flashlog.Check(f)
				if err != nil {
					t.Fatal(err)
				}
				if r, err := c.Report(); err != nil || len(r.Repairs) > 0 || seed > 50 {
					break
				}
				s = open(t, f)
			}
		}, 0, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := f.Clone()
			c.harm(f)
			r := report(t, f)
			if torn := c.name == "a torn record"; torn != (r.Torn == 1) {
				t.Errorf("%d torn records", r.Torn)
			}
			if healed := c.name == "a flipped bit of a header"; healed != (r.Healed == 1) {
				t.Errorf("%d healed records", r.Healed)
			}
			if r.Corrupt != c.corrupt || len(r.Damage) != c.damage || len(r.Repairs) != c.repairs {
				t.Errorf("%+v", r)
			}
			open(t, f)
			if r := report(t, f); len(r.Repairs) != 0 {
				t.Errorf("after mounting: %+v", r.Repairs)
			}
		})
	}
}
