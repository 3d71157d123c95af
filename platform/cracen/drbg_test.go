package cracen

import (
	"bytes"
	"crypto/subtle"
	"testing"
)

// TestDRBGVector has the inputs and the output of the power-up self-test of Go's
// CTR_DRBG: bytes that count up.
func TestDRBGVector(t *testing.T) {
	count := func(from byte) []byte {
		p := make([]byte, drbgSeed)
		for i := range p {
			p[i] = from + byte(i)
		}
		return p
	}
	entropy, reseed, additional := count(0x01), count(0x31), count(0x61)
	subtle.XORBytes(reseed, reseed, additional)
	d := newDRBG(make([]byte, drbgSize), entropy)
	d.update(reseed)
	d.update(additional)
	got := make([]byte, 32)
	d.generate(got)
	if want := unhex(t, "6e6e479d24f86a3b7787a8f8186d985a53bebeeddeab9228f0f4ac6e10bf0193"); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	d.wipe()
	if !bytes.Equal(d.key, make([]byte, 32)) || !bytes.Equal(d.v, make([]byte, 16)) {
		t.Error("not wiped")
	}
}

// TestDRBGVectorACVP is a vector of NIST's ACVP server (ctrDRBG-1.0, AES-256, no
// derivation function), of whose output this has the beginning.
func TestDRBGVectorACVP(t *testing.T) {
	entropy := unhex(t, "9FCBB4CCC0135C484BDED061DA9FD70748682FE84166B97FF53F9AA1909B2E95D3D529C0F453B3AC575D12AA441CC5CD")
	perso := unhex(t, "2C9FED0B39556CDBE699EBCA2A0EC7EECB287E8744475050C572FA8AE9ED0A4A7D6F1CABF1C4278532FB20AF7D64BD32")
	reseed := unhex(t, "913C0DA19B010EDDD55A7A4F3F713EEF5B1534D34360A7EC376AE71A6B340043CC7726F762CB853453F399B3A645062A")
	reseedAdd := unhex(t, "2D9D4EC141A22E6CD2F6EE4F6719CF6BDF95CFE50B8D5EA6C87D38B4B872706FFF80B0380BB90E9C42D11D6526E56C29")
	add1 := unhex(t, "A642F06D327828F3E84564A3E37D60C157073B95864CA07981B0189668A0D978CD5DC68F06801CEFF0DC839A312B028E")
	add2 := unhex(t, "9DB14BABFA9107C88BA92073C0B4A65E89147EA06D74B894142979482F452915B35B5636F9B8A951759735ADE7C8D5D1")
	subtle.XORBytes(entropy, entropy, perso)
	subtle.XORBytes(reseed, reseed, reseedAdd)
	d := newDRBG(make([]byte, drbgSize), entropy)
	d.update(reseed)
	d.update(add1)
	d.fill(make([]byte, 512)) // as long as the vector's output
	d.update(add1)
	d.update(add2)
	got := make([]byte, 32)
	d.fill(got)
	if want := unhex(t, "F10C645683FF0131254052ED4C698122B46B563654C29D728AC191CA4AAEFE64"); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}
