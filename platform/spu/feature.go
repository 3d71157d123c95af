package spu

// The FEATURE block of an nRF54L SPU: the security of parts of split peripherals,
// a word each, with SECATTR in bit 4 and LOCK in bit 8. All words of the block
// exist in every instance, whether the bus has that many pins or channels or not.
const (
	RegFeature              = 0x600
	RegFeatureDPPICCh       = 0x680 // 24 channels
	RegFeatureDPPICChg      = 0x6E0 // 8 channel groups
	RegFeatureGPIOTE        = 0x700 // 2 of 8 channels and 8 interrupts, 0x40 apart
	RegFeatureGPIO          = 0x800 // 3 ports of 32 pins
	RegFeatureCRACENSeed    = 0x980
	RegFeatureGRTCCC        = 0xD00 // 24 compare channels
	RegFeatureGRTCPWMConfig = 0xD74
	RegFeatureGRTCClk       = 0xD78
	RegFeatureGRTCSyscount  = 0xD7C
	RegFeatureGRTCInterrupt = 0xD80 // 16

	featureWords     = (0xDC0 - RegFeature) / 4
	featureChannels  = 24
	featureGroups    = 8
	featurePorts     = 3
	featurePins      = 32
	featureSecure    = 0x00100010 // reset: secure; bit 20 has no name
	cracenSeedSecure = 0x00020010
)

// featureReset returns the reset value of the feature at an offset, 0 where there
// is none.
func featureReset(off uint32) uint32 {
	for _, f := range [...]struct{ from, to uint32 }{
		{RegFeatureDPPICCh, RegFeatureDPPICCh + 4*featureChannels},
		{RegFeatureDPPICChg, RegFeatureDPPICChg + 4*featureGroups},
		{RegFeatureGPIOTE, RegFeatureGPIOTE + 0x80},
		{RegFeatureGPIO, RegFeatureGPIO + 4*featurePorts*featurePins},
		{RegFeatureGRTCCC, RegFeatureGRTCCC + 4*24},
		{RegFeatureGRTCPWMConfig, RegFeatureGRTCInterrupt + 4*16},
	} {
		if off >= f.from && off < f.to {
			return featureSecure
		}
	}
	if off == RegFeatureCRACENSeed {
		return cracenSeedSecure
	}
	return 0
}

// SecurePins returns which pins of a GPIO port are secure, pin p in bit p; of a
// port that does not exist, all.
func (a *APB) SecurePins(port int) uint32 {
	if port < 0 || port >= featurePorts {
		return 0xFFFFFFFF
	}
	return a.secure(RegFeatureGPIO+4*featurePins*uint32(port), featurePins)
}

// SecureChannels returns which DPPI channels are secure, channel c in bit c.
func (a *APB) SecureChannels() uint32 { return a.secure(RegFeatureDPPICCh, featureChannels) }

// SecureGroups returns which DPPI channel groups are secure, group g in bit g.
func (a *APB) SecureGroups() uint32 { return a.secure(RegFeatureDPPICChg, featureGroups) }

func (a *APB) secure(from uint32, n int) (mask uint32) {
	for i := range n {
		if a.features[(from-RegFeature)/4+uint32(i)].Load()&PermSecure != 0 {
			mask |= 1 << i
		}
	}
	return mask
}
