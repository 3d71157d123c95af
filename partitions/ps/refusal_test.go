package ps

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/ps"
)

// TestAnotherClientsUID: a client does not learn that another has an asset, nor
// reach it, and the log has a line of each try. Secure partitions leave none: they
// look for things that way.
func TestAnotherClientsUID(t *testing.T) {
	for client, lines := range map[int32]int{-2: 1, 300: 0} {
		w := newWorld(t)
		if err := w.client(-1).Set(1, []byte("my secret"), 0); err != nil {
			t.Fatal(err)
		}
		before := w.save()
		c := w.client(client)
		for name, call := range map[string]func() error{
			"get":          func() error { _, err := c.Get(1, 0, make([]byte, 9)); return err },
			"get_info":     func() error { _, err := c.Info(1); return err },
			"set_extended": func() error { return c.SetExtended(1, 0, []byte("yours")) },
			"remove":       func() error { return c.Remove(1) },
		} {
			w.logged = nil
			if err := call(); !errors.Is(err, veneer.ErrDoesNotExist) || len(w.logged) != lines {
				t.Errorf("client %d, %s: %v, logged %q", client, name, err, w.logged)
			}
		}
		if string(before.mem) != string(w.protected.mem) {
			t.Errorf("client %d has changed the medium", client)
		}
		if data, err := w.client(-1).ReadAll(1); err != nil || string(data) != "my secret" {
			t.Errorf("%q, %v", data, err)
		}
	}
}

// TestDamageIsLogged: each call on a damaged asset leaves a line, which says where
// it is and nothing of what it holds.
func TestDamageIsLogged(t *testing.T) {
	for name, set := range kinds {
		w := newWorld(t)
		if err := set(w.client(-1)); err != nil {
			t.Fatal(err)
		}
		b := w.stored(t, Asset{-1, 1})
		b[len(b)-1] ^= 1
		if err := w.objects().Set(w.at(Asset{-1, 1}), b, 0); err != nil {
			t.Fatal(err)
		}
		before := w.save()
		for call, f := range map[string]func(*contract.Client) error{
			"get":          func(c *contract.Client) error { _, err := c.Get(1, 0, make([]byte, 9)); return err },
			"get_info":     func(c *contract.Client) error { _, err := c.Info(1); return err },
			"set_extended": func(c *contract.Client) error { return c.SetExtended(1, 0, []byte("new words")) },
		} {
			w.logged = nil
			if err := f(w.client(-1)); !errors.Is(err, veneer.ErrInvalidSignature) {
				t.Errorf("%s, %s: %v", name, call, err)
			}
			if len(w.logged) != 1 || !strings.Contains(w.logged[0], "uid 0x1: "+call) ||
				strings.Contains(w.logged[0], "some") || strings.Contains(w.logged[0], "new words") {
				t.Errorf("%s, %s: logged %q", name, call, w.logged)
			}
		}
		w.logged = nil
		if err := w.client(-1).Create(1, 5, 0); !errors.Is(err, veneer.ErrAlreadyExists) || len(w.logged) != 1 {
			t.Errorf("%s, create: %v, logged %q", name, err, w.logged)
		}
		if string(before.mem) != string(w.protected.mem) {
			t.Errorf("%s: refused, and the medium has changed", name)
		}
	}
}

// FuzzMessage delivers arbitrary messages: the service answers a status, keeps its
// assets apart and breaks no rule of the SPM.
func FuzzMessage(f *testing.F) {
	f.Add(int32(1001), u64(1), []byte("data"), u32(0), 0, 0)
	f.Add(int32(1002), u64(1), u32(0), []byte{}, 16, 0)
	f.Add(int32(1003), u64(1), []byte{}, []byte{}, 12, 0)
	f.Add(int32(1004), u64(1), []byte{}, []byte{}, 0, 0)
	f.Add(int32(1005), []byte{}, []byte{}, []byte{}, 4, 0)
	f.Add(int32(0x4000), u64(2), u32(100), u32(2), 0, 0)
	f.Add(int32(0x4001), u64(1), []byte("data"), u32(3), 0, 0)
	f.Fuzz(func(t *testing.T, typ int32, in0, in1, in2 []byte, cap0, cap1 int) {
		if typ < 0 || typ > veneer.MaxCallType || len(in0)+len(in1)+len(in2) > veneer.MaxPayload ||
			cap0 < 0 || cap1 < 0 || cap0 > 1<<16 || cap1 > 1<<16 {
			return
		}
		w := newWorld(t)
		if err := errors.Join(w.client(-1).Create(1, 20, 0), w.client(-1).SetExtended(1, 0, []byte("mine")),
			w.client(-2).Set(1, []byte("other's"), 0)); err != nil {
			t.Fatal(err)
		}
		out := []veneer.OutVec{make([]byte, cap0), make([]byte, cap1)}
		for range 3 {
			w.gate(-1).Call(contract.Handle, typ, []veneer.InVec{in0, in1, in2}, out)
			if strings.Contains(string(out[0]), "other's") {
				t.Error("another's asset")
			}
		}
		if data, err := w.client(-2).ReadAll(1); err != nil || string(data) != "other's" {
			t.Errorf("another's asset is %q, %v", data, err)
		}
	})
}
