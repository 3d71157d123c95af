package its_test

import (
	"errors"
	"testing"

	"github.com/postern-spe/postern/partitions/its"
	"github.com/postern-spe/postern/partitions/its/internal/flashtest"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/its"
)

// TestLimits holds clients to what they may have, with and without encryption,
// whose bytes are not the client's, and over restarts.
func TestLimits(t *testing.T) {
	for name, cfg := range map[string]its.Config{"plain": {}, "sealed": sealed} {
		t.Run(name, func(t *testing.T) {
			cfg.Limits = its.Limits{Bytes: 100, Assets: 3, AssetSize: 60}
			cfg.Clients = map[int32]its.Limits{259: {}, -5: {AssetSize: 1}}
			d := newDevice()
			g := &gate{client: -1, handler: d.bootWith(t, cfg)}
			set := func(client int32, uid contract.UID, size int, ok bool) {
				t.Helper()
				before := d.internal.Image()
				err := g.as(client).storage().Set(uid, make([]byte, size), 0)
				if ok && err != nil || !ok && !errors.Is(err, veneer.ErrInsufficientStorage) {
					t.Errorf("client %d sets %d bytes of %d: %v", client, size, uid, err)
				}
				if !ok && string(before) != string(d.internal.Image()) {
					t.Error("refused, and the area has changed")
				}
			}
			set(-1, 1, 61, false)
			set(-1, 1, 60, true)
			set(-1, 2, 41, false)
			set(-1, 2, 40, true)
			set(-1, 3, 1, false)
			set(-1, 3, 0, true)
			set(-1, 4, 0, false)
			set(-1, 1, 60, true) // the same again takes no more
			set(-1, 2, 41, false)
			set(-2, 1, 60, true) // others have their own
			set(-5, 1, 2, false)
			set(-5, 1, 1, true)
			set(258, 1, 500, true) // a secure partition that nobody names
			set(259, 1, 500, true)
			set(256, 1, 500, true) // Protected Storage has an area of its own
			g.handler = d.bootWith(t, cfg)
			set(-1, 2, 41, false)
			set(-1, 4, 0, false)
			set(-1, 1, 59, true)
			set(-1, 2, 41, true)
			if err := g.storage().Remove(1); err != nil {
				t.Fatal(err)
			}
			set(-1, 4, 59, true)
			set(-1, 5, 0, false)

			// Limits that are lowered over what is there.
			cfg.Limits = its.Limits{Bytes: 10, Assets: 1, AssetSize: 5}
			g.handler = d.bootWith(t, cfg)
			set(-1, 4, 60, false)
			set(-1, 4, 58, true)
			set(-1, 6, 0, false)
			if len(g.as(-1).logged) != 0 {
				t.Error("a new gate has logged")
			}
		})
	}
}

// TestLimitsAreLogged: past its limit, and past what the area could ever take, a
// client leaves a line, in a full area not.
func TestLimitsAreLogged(t *testing.T) {
	cfg := its.Config{Limits: its.Limits{Assets: 1}}
	d := newDevice()
	for _, row := range []struct {
		name        string
		client      int32
		uid         contract.UID
		size, lines int
	}{
		{"more than the area", -1, 1, 8192, 1},
		{"past the limit", -1, 2, 0, 1},
		{"full", -2, 1, 3500, 0},
	} {
		g := &gate{client: row.client, handler: d.bootWith(t, cfg)}
		if row.client == -1 && row.uid == 2 {
			if err := g.storage().Set(1, make([]byte, 600), 0); err != nil {
				t.Fatal(err)
			}
		}
		err := g.storage().Set(row.uid, make([]byte, row.size), 0)
		if !errors.Is(err, veneer.ErrInsufficientStorage) || len(g.logged) != row.lines {
			t.Errorf("%s: %v, logged %q", row.name, err, g.logged)
		}
	}
}

// TestLimitsAfterFailure counts anew what a failing flash has left.
func TestLimitsAfterFailure(t *testing.T) {
	d := newDevice()
	g := &gate{client: -1, handler: d.bootWith(t, its.Config{Limits: its.Limits{Bytes: 100}})}
	c := g.storage()
	if err := c.Set(1, make([]byte, 60), 0); err != nil {
		t.Fatal(err)
	}
	for n := range 30 {
		fail := n
		d.internal.Fail = func(op string, _ int) bool {
			if op == "program" {
				fail--
			}
			return fail < 0
		}
		err := c.Set(2, make([]byte, 40), 0)
		d.internal.Fail = nil
		if err == nil {
			break
		}
		used := 0
		for uid := contract.UID(1); uid <= 2; uid++ {
			if info, err := c.Info(uid); err == nil {
				used += int(info.Size)
			}
		}
		if err := c.Set(3, make([]byte, 101-used), 0); !errors.Is(err, veneer.ErrInsufficientStorage) {
			t.Fatalf("failure %d: past the limit: %v", n, err)
		}
		if err := c.Set(3, make([]byte, 100-used), 0); err != nil {
			t.Fatalf("failure %d: up to the limit: %v", n, err)
		}
		if err := c.Remove(3); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeepRoom fills the area of Protected Storage around an asset with KeepRoom.
func TestKeepRoom(t *testing.T) {
	for _, pages := range []int{2, 4, 11} {
		d := newDevice()
		d.protected = flashtest.New(pages)
		g := &gate{client: 256, handler: d.boot(t)}
		c := g.storage()
		for uid, size := range map[contract.UID]int{1: 700, 2: 1000, 3: 0} {
			if err := c.Set(uid, make([]byte, size), contract.KeepRoom); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for _, size := range []int{1000, 100, 0} {
			for c.Set(contract.UID(100+n), make([]byte, size), 0) == nil {
				n++
			}
		}
		for round := range 20 {
			if round%5 == 4 {
				g.handler = d.boot(t)
			}
			for uid, size := range map[contract.UID]int{1: 700, 2: 1000, 3: 0} {
				if err := c.Set(uid, make([]byte, size), contract.KeepRoom); err != nil {
					t.Fatalf("%d pages, round %d, %d bytes among %d others: %v", pages, round, size, n, err)
				}
			}
		}
		if info, err := c.Info(2); err != nil || info.Flags != 0 {
			t.Errorf("info %+v, %v", info, err)
		}
		if err := c.Set(4, make([]byte, 1001), contract.KeepRoom); !errors.Is(err, veneer.ErrInsufficientStorage) {
			t.Errorf("another: %v", err)
		}
		if err := errors.Join(c.Remove(2), c.Remove(1)); err != nil {
			t.Fatal(err)
		}
		if err := c.Set(4, make([]byte, 1000), 0); err != nil {
			t.Errorf("%d pages: what was kept is not given back: %v", pages, err)
		}
	}
}
