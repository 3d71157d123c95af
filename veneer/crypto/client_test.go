package crypto_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/psa"
)

// answerGate is a gate that writes fill to every output vector, as much as fits.
type answerGate struct {
	veneer.Gate
	status veneer.Status
	fill   []byte
	check  func(in []veneer.InVec)
}

func (g *answerGate) Call(h veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	if g.check != nil {
		g.check(in)
	}
	for i := range out {
		out[i] = out[i][:copy(out[i], g.fill)]
	}
	return g.status
}

func TestRequestLayout(t *testing.T) {
	r := crypto.Request{
		Key: 0x01020304, Alg: 0x05060708, Operation: 0x090a0b0c, ADLength: 0x0d0e0f10,
		PlaintextLength: 0x11121314, Nonce: [16]byte{0xaa, 0xbb}, NonceLength: 2,
		Function: 0x0600, Step: 0x0101, Value: 0x2122232425262728,
	}
	want := []byte{
		4, 3, 2, 1, 8, 7, 6, 5, 0xc, 0xb, 0xa, 9, 0x10, 0xf, 0xe, 0xd, 0x14, 0x13, 0x12, 0x11,
		0xaa, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 6, 1, 1, 0, 0, 0, 0,
		0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21,
	}
	if got := r.AppendTo(nil); !bytes.Equal(got, want) {
		t.Errorf("AppendTo = %x\nwant %x", got, want)
	}
	var back crypto.Request
	if err := back.Parse(want); err != nil || back != r {
		t.Errorf("Parse = %+v, %v", back, err)
	}
	for _, n := range []int{0, 52, 55, 57} {
		if err := back.Parse(make([]byte, n)); !errors.Is(err, veneer.ErrProgrammerError) {
			t.Errorf("Parse of %d bytes: %v", n, err)
		}
	}
}

func TestHandle(t *testing.T) {
	if want := veneer.StatelessHandle(1, crypto.Version); crypto.Handle != want {
		t.Errorf("Handle = %#x, want %#x", crypto.Handle, want)
	}
}

// FuzzRequest checks that a request is read as it is written, the padding apart.
func FuzzRequest(f *testing.F) {
	f.Add(make([]byte, crypto.RequestSize))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r crypto.Request
		if r.Parse(b) != nil {
			return
		}
		want := bytes.Clone(b)
		clear(want[44:48])
		if got := r.AppendTo(nil); !bytes.Equal(got, want) {
			t.Errorf("%x is written as %x", b, got)
		}
	})
}

func TestSteadyStateAllocations(t *testing.T) {
	if underRace {
		t.Skip("under the race detector a sync.Pool drops some of what it is given")
	}
	g := &answerGate{fill: make([]byte, veneer.MaxPayload)}
	c := crypto.New(g)
	buf, data, nonce := make([]byte, 128), make([]byte, 64), make([]byte, 12)
	for _, r := range []struct {
		name string
		do   func() error
	}{
		{"Random", func() error { return c.Random(buf) }},
		{"HashInto", func() error { _, err := c.HashInto(buf, psa.SHA256, data); return err }},
		{"CompareHash", func() error { return c.CompareHash(psa.SHA256, data, buf) }},
		{"ComputeMAC", func() error { _, err := c.ComputeMAC(buf, 1, psa.HMAC(psa.SHA256), data); return err }},
		{"VerifyMAC", func() error { return c.VerifyMAC(1, psa.HMAC(psa.SHA256), data, buf) }},
		{"Seal", func() error { _, err := c.Seal(buf[:0], 1, psa.GCM, nonce, data, nil); return err }},
		{"Open", func() error { _, err := c.Open(buf[:0], 1, psa.GCM, nonce, data, nil); return err }},
		{"SignHash", func() error { _, err := c.SignHash(buf, 1, psa.ECDSAAny, data); return err }},
		{"VerifyHash", func() error { return c.VerifyHash(1, psa.ECDSAAny, data, buf) }},
		{"Attributes", func() error { _, err := c.Attributes(1); return err }},
		{"Generate", func() error { _, err := c.Generate(psa.KeyAttributes{}); return err }},
	} {
		if err := r.do(); err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = r.do() }); n > 0 {
			t.Errorf("%s allocates %v times", r.name, n)
		}
	}
}

func TestErrorsAreStatuses(t *testing.T) {
	c := crypto.New(&answerGate{status: veneer.ErrNotPermitted})
	_, attributes := c.Attributes(1)
	_, hash := c.Hash(psa.SHA256, nil)
	_, signer := c.Signer(1)
	_, list := c.List()
	for name, err := range map[string]error{
		"Random": c.Random(make([]byte, 1)), "Attributes": attributes, "Hash": hash, "Signer": signer, "List": list,
	} {
		if !errors.Is(err, veneer.ErrNotPermitted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A gate or service that answers out of form is not believed.
func TestAnswersOutOfForm(t *testing.T) {
	c := crypto.New(&answerGate{fill: []byte{1, 2, 3}})
	_, attributes := c.Attributes(1)
	_, generate := c.Generate(psa.KeyAttributes{})
	_, list := c.List()
	for name, err := range map[string]error{
		"too few random bytes": c.Random(make([]byte, 8)), "attributes of 3 bytes": attributes,
		"a key identifier of 3 bytes": generate, "a list of 3 bytes": list,
	} {
		if !errors.Is(err, veneer.ErrCommunicationFailure) {
			t.Errorf("%s: %v", name, err)
		}
	}
	page := bytes.Repeat((&psa.KeyAttributes{ID: 1}).AppendTo(nil), 64)
	if _, err := crypto.New(&answerGate{fill: page}).List(); !errors.Is(err, veneer.ErrCommunicationFailure) {
		t.Errorf("a list that does not ascend: %v", err)
	}
}

func TestSplitting(t *testing.T) {
	var calls int
	g := &answerGate{fill: make([]byte, veneer.MaxPayload)}
	g.check = func(in []veneer.InVec) {
		calls++
		total := 0
		for _, v := range in {
			total += len(v)
		}
		if total > veneer.MaxPayload {
			t.Errorf("a call of %d bytes", total)
		}
	}
	c := crypto.New(g)
	if err := c.Random(make([]byte, 2*veneer.MaxPayload+1)); err != nil || calls != 3 {
		t.Errorf("Random: %v after %d calls, want 3", err, calls)
	}
	calls = 0
	// Setup, three updates, finish; the gate answers handle 0, so no abort.
	if _, err := c.Hash(psa.SHA256, make([]byte, 2*veneer.MaxPayload+1)); err != nil || calls != 5 {
		t.Errorf("Hash: %v after %d calls, want 5", err, calls)
	}
}
