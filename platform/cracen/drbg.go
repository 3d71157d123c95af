package cracen

import (
	"crypto/aes"
	"crypto/subtle"

	"github.com/postern-spe/postern/platform/aescmac"
)

// drbg is CTR_DRBG (SP 800-90A, 10.2.1) with AES-256 and no derivation function,
// without reseeding: it makes a few keys of one seed. It works in memory that it
// is given, drbgSize bytes of secret memory.
type drbg struct{ key, v, temp []byte }

const (
	drbgSeed = 32 + aes.BlockSize // seedlen
	drbgSize = 2 * drbgSeed
)

func newDRBG(mem, seed []byte) *drbg {
	clear(mem)
	d := &drbg{key: mem[:32], v: mem[32:drbgSeed], temp: mem[drbgSeed:drbgSize]}
	d.update(seed)
	return d
}

// fill puts the next blocks into p, which is whole blocks.
func (d *drbg) fill(p []byte) {
	block, err := aes.NewCipher(d.key)
	if err != nil {
		panic("cracen: " + err.Error()) // 32 bytes are a key
	}
	defer aescmac.Wipe(block)
	for ; len(p) > 0; p = p[aes.BlockSize:] {
		for i := len(d.v) - 1; i >= 0; i-- {
			if d.v[i]++; d.v[i] != 0 {
				break
			}
		}
		block.Encrypt(p[:aes.BlockSize], d.v)
	}
}

// update is CTR_DRBG_Update; no data is zeros.
func (d *drbg) update(data []byte) {
	d.fill(d.temp)
	subtle.XORBytes(d.temp, d.temp, data)
	copy(d.key, d.temp)
	copy(d.v, d.temp[len(d.key):])
	clear(d.temp)
}

// generate is CTR_DRBG_Generate into out, whole blocks, without additional input.
func (d *drbg) generate(out []byte) {
	d.fill(out)
	d.update(nil)
}

func (d *drbg) wipe() {
	clear(d.key)
	clear(d.v)
	clear(d.temp)
}
