package cryptocell

import "github.com/postern-spe/postern/platform/keycells"

// Variant is what differs between the CryptoCells. It is not changed after
// NewEngine has been given it.
type Variant struct {
	Name string
	// HUKSize is the size of MKEK and MEXT in bytes: 16 or 32, one slot of the
	// KMU for each 16.
	HUKSize int
	// AESKey and ChaChaKey are the addresses of the key registers on the KMU's
	// private bus: the destinations of the one or two slots of a key.
	AESKey, ChaChaKey []uint32
	// KDR is the address of the device root key's register, 128 bits; 0 where
	// the KMU cannot push one.
	KDR uint32
}

// CC310 is the CryptoCell-310 of the nRF9160, at 0x50840000.
func CC310() *Variant {
	return &Variant{
		Name: "CryptoCell-310", HUKSize: 16,
		AESKey:    []uint32{0x50841400},
		ChaChaKey: []uint32{0x50841388, 0x50841398},
		KDR:       0x50841A50,
	}
}

// CC312 is the CryptoCell-312 of the nRF5340, at 0x50844000.
func CC312() *Variant {
	return &Variant{
		Name: "CryptoCell-312", HUKSize: 32,
		AESKey:    []uint32{0x50845400, 0x50845410},
		ChaChaKey: []uint32{0x50845388, 0x50845398},
	}
}

// slots is how many slots a root key takes.
func (v *Variant) slots() int { return v.HUKSize / keycells.ValueSize }
