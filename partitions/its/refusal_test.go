package its_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/its"
)

// TestAnotherClientsUID: a client does not learn that another has an asset, nor
// reach it, and the log has a line of each try. Secure partitions leave none: they
// look for things that way.
func TestAnotherClientsUID(t *testing.T) {
	for client, lines := range map[int32]int{-2: 1, 259: 0} {
		d := newDevice()
		g := &gate{client: -1, handler: d.boot(t)}
		if err := g.storage().Set(1, []byte("my secret"), 0); err != nil {
			t.Fatal(err)
		}
		before := d.internal.Image()
		for name, call := range map[string]func(*contract.Client) error{
			"get":      func(c *contract.Client) error { _, err := c.Get(1, 0, make([]byte, 9)); return err },
			"get_info": func(c *contract.Client) error { _, err := c.Info(1); return err },
			"remove":   func(c *contract.Client) error { return c.Remove(1) },
		} {
			other := g.as(client)
			if err := call(other.storage()); !errors.Is(err, veneer.ErrDoesNotExist) || len(other.logged) != lines {
				t.Errorf("client %d, %s: %v, logged %q", client, name, err, other.logged)
			}
		}
		if !bytes.Equal(before, d.internal.Image()) {
			t.Errorf("client %d has changed the area", client)
		}
		if data, err := g.storage().ReadAll(1); err != nil || string(data) != "my secret" {
			t.Errorf("%q, %v", data, err)
		}
	}
}

// TestDamageIsLogged: each call on a damaged asset leaves a line, which says
// nothing of what it holds.
func TestDamageIsLogged(t *testing.T) {
	d := newDevice()
	g := &gate{client: -1, handler: d.boot(t)}
	if err := g.storage().Set(1, []byte("my secret"), 0); err != nil {
		t.Fatal(err)
	}
	d.internal.Flip(8 * bytes.Index(d.internal.Image(), []byte("secret")))
	before := d.internal.Image()
	_, err := g.storage().Get(1, 0, make([]byte, 9))
	if !errors.Is(err, veneer.ErrDataCorrupt) || len(g.logged) != 1 || !strings.Contains(g.logged[0], "uid 0x1: get") ||
		strings.Contains(g.logged[0], "my ") {
		t.Errorf("%v, logged %q", err, g.logged)
	}
	if !bytes.Equal(before, d.internal.Image()) {
		t.Error("refused, and the area has changed")
	}
}
