package psa

// DerivationStep is psa_key_derivation_step_t. The Crypto API leaves the values
// open; these are Mbed TLS's and TF-M's.
type DerivationStep uint16

// Derivation steps.
const (
	StepSecret      DerivationStep = 0x0101
	StepPassword    DerivationStep = 0x0102
	StepOtherSecret DerivationStep = 0x0103
	StepLabel       DerivationStep = 0x0201
	StepSalt        DerivationStep = 0x0202
	StepInfo        DerivationStep = 0x0203
	StepSeed        DerivationStep = 0x0204
	StepCost        DerivationStep = 0x0205
	StepContext     DerivationStep = 0x0206
)

// UnlimitedCapacity is PSA_KEY_DERIVATION_UNLIMITED_CAPACITY on the 32-bit wire.
const UnlimitedCapacity uint32 = 0xffffffff
