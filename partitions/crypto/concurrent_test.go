package crypto

import (
	"errors"
	"sync"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/psa"
)

// TestConcurrentCallers lets callers of several sessions use keys while others
// destroy them, purge them, list them and end their sessions. The race detector
// looks on; every answer is right or that the key has gone.
func TestConcurrentCallers(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits.CachedKeys = 2 })
	gone := func(err error) {
		if err != nil && !errors.Is(err, veneer.ErrInvalidHandle) && !errors.Is(err, veneer.ErrAlreadyExists) &&
			!errors.Is(err, veneer.ErrBadState) {
			t.Errorf("%v", err)
		}
	}
	hmac := psa.HMAC(psa.SHA256)
	attrs := psa.KeyAttributes{Type: psa.KeyHMAC, Usage: psa.UsageSignMessage | psa.UsageCopy, Algorithm: hmac}
	var wg sync.WaitGroup
	for n := range 4 {
		owner := veneer.Owner{ClientID: -1, Session: veneer.SessionID(n/2 + 1)}
		c := w.client(owner)
		wg.Go(func() {
			mac := make([]byte, 32)
			for i := range 200 {
				id := psa.KeyID(i%5 + 1)
				stored := attrs
				stored.ID, stored.Lifetime = id, psa.LifetimePersistent
				_, err := c.Import(stored, secret)
				gone(err)
				_, err = c.ComputeMAC(mac, id, hmac, secret)
				gone(err)
				vol, err := c.Copy(id, attrs)
				gone(err)
				if err == nil {
					_, err = c.ComputeMAC(mac, vol, hmac, secret)
					gone(err)
					gone(c.Destroy(vol))
				}
				m, err := c.NewMAC(id, hmac)
				gone(err)
				switch i % 7 {
				case 0:
					gone(c.Destroy(id))
				case 1:
					gone(c.Purge(id))
				case 2:
					_, err := c.List()
					gone(err)
				case 3:
					w.part.EndSession(owner)
				}
				if m != nil {
					_, err = m.Finish()
					gone(err)
					gone(m.Abort())
				}
			}
		})
	}
	wg.Wait()
}
