package spe

import (
	"github.com/postern-spe/postern/partitions/its"
	"github.com/postern-spe/postern/platform"
)

// itsConfig returns the configuration of the ITS partition that a device was
// provisioned with, without the areas.
func itsConfig(soc *platform.SoC) its.Config {
	o := &soc.ITS
	cfg := its.Config{SecureClientsOnly: o.SecureClientsOnly, Limits: its.Limits(o.Limits)}
	if len(o.Clients) > 0 {
		cfg.Clients = make(map[int32]its.Limits)
		for id, l := range o.Clients {
			cfg.Clients[id] = its.Limits(l)
		}
	}
	if o.Encrypted {
		cfg.Engine, cfg.Random = soc.Keys, soc.TRNG
	}
	return cfg
}
