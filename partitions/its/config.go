package its

import (
	_ "embed"
	"io"
	"strings"

	"github.com/postern-spe/postern/partitions/its/flashlog"
)

// Flash is an area of flash: see flashlog.Flash.
type Flash = flashlog.Flash

// Engine has the device's root key from which the keys of encrypted assets come,
// as TF-M's HAL does for ITS_ENCRYPTION. It is the crypto engine of the chip; the
// partition cannot ask Crypto, which keeps its own keys here.
type Engine interface {
	// DeriveMKEK fills out, 32 bytes, with a key derived from the master key
	// encryption key. label and context have less than 64 bytes.
	DeriveMKEK(label, context, out []byte) error
}

// Limits is what one client may have here at most. What is 0 has no limit but the
// area. A set past a limit answers PSA_ERROR_INSUFFICIENT_STORAGE; one that makes
// an asset no larger is let through, so that limits can be lowered over assets
// that are there.
type Limits struct {
	Bytes     int // contents of all assets together
	Assets    int // how many
	AssetSize int // contents of one
}

// Config is what the partition is made of.
type Config struct {
	// Internal is the area of every caller but Protected Storage: at least two
	// pages, inside the device.
	Internal Flash
	// Protected is the area of what Protected Storage stores here, which is
	// encrypted and may be where others can reach it. TF-M, too, keeps it apart.
	Protected Flash

	// SecureClientsOnly keeps the service from non-secure callers, as Nordic's
	// profiles do; TF-M's manifest lets them in. It is the manifest that says so,
	// so Manifest has to be that of the same Config.
	SecureClientsOnly bool

	// Limits is for each non-secure client that Clients does not name by its client
	// ID. A secure partition, which has no reason to fill the area, has limits only
	// by name: Crypto keeps everybody's keys here.
	Limits  Limits
	Clients map[int32]Limits

	// Engine, if not nil, has the contents of the assets in Internal encrypted
	// (TF-M's ITS_ENCRYPTION). What was stored without, or with another device's
	// key, answers PSA_ERROR_INVALID_SIGNATURE or PSA_ERROR_DATA_CORRUPT from
	// then on. Random is then needed, a source of random bytes.
	Engine Engine
	Random io.Reader
}

//go:embed tfm_internal_trusted_storage.yaml
var manifest string

// Manifest returns the partition's manifest as TF-M has it.
func Manifest() []byte { return Config{}.Manifest() }

// Manifest returns the partition's manifest in TF-M's format: TF-M's own, but for
// who may call.
//
// That non-secure clients are kept out is the manifest's and not this package's
// to enforce, since it is what the manifest is for: the SPM answers them
// PSA_ERROR_CONNECTION_REFUSED, as FF-M says for a caller that is not authorised,
// and psa_version answers that there is no such service. PSA_ERROR_NOT_PERMITTED
// would come from the service, and means something else there: a write-once
// asset.
func (c Config) Manifest() []byte {
	if c.SecureClientsOnly {
		return []byte(strings.Replace(manifest, `"non_secure_clients": true`, `"non_secure_clients": false`, 1))
	}
	return []byte(manifest)
}

// limits returns what a client may have.
func (c *Config) limits(client int32) Limits {
	if l, ok := c.Clients[client]; ok {
		return l
	}
	if client > 0 {
		return Limits{}
	}
	return c.Limits
}

// limited reports whether there is any limit to hold.
func (c *Config) limited() bool { return c.Limits != Limits{} || len(c.Clients) > 0 }
