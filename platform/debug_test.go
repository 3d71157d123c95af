package platform

import (
	"testing"

	"github.com/postern-spe/postern/platform/bus"
)

// What a debugger may do on a device that has booted, by board and policy.
func TestDebugPolicies(t *testing.T) {
	for _, name := range []string{"nrf5340", "nrf9160", "nrf54l15"} {
		for policy, want := range map[DebugPolicy]struct {
			open bool
			attr bus.Attribute
		}{
			DebugLocked:    {false, bus.NonSecure},
			DebugNonSecure: {true, bus.NonSecure},
			DebugOpen:      {true, bus.Secure},
			DebugUnlock:    {false, bus.NonSecure}, // without its key
		} {
			t.Run(name+" "+string(policy), func(t *testing.T) {
				if policy == DebugUnlock && name == "nrf9160" {
					if _, err := Provision(t.TempDir(), ProvisionOptions{Board: name, Debug: policy}); err == nil {
						t.Error("provisioned")
					}
					return
				}
				s := open(t, provision(t, ProvisionOptions{Board: name, Debug: policy}).Dir)
				if err := s.Boot(); err != nil {
					t.Fatal(err)
				}
				from, open := s.CtrlAP.MemoryAccess()
				if open != want.open || open && from.Attr != want.attr {
					t.Errorf("%v, %v", from, open)
				}
			})
		}
	}
}
