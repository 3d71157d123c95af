package attestation

import (
	"errors"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/attestation"
)

func TestStatuses(t *testing.T) {
	type request struct {
		typ  int32
		in   [][]byte
		room []int
	}
	const full = contract.MaxTokenSize
	token := func(size int, room ...int) request {
		return request{contract.CallToken, [][]byte{challenge(size)}, room}
	}
	sizeOf := func(n int) request { return request{contract.CallTokenSize, [][]byte{le32(n)}, []int{4}} }
	for _, tt := range []struct {
		name    string
		request request
		want    veneer.Status
	}{
		{"no challenge", request{contract.CallToken, nil, []int{full}}, veneer.ErrInvalidArgument},
		{"empty challenge", token(0, full), veneer.ErrInvalidArgument},
		{"challenge of 31", token(31, full), veneer.ErrInvalidArgument},
		{"challenge of 33", token(33, full), veneer.ErrInvalidArgument},
		{"challenge of 65", token(65, full), veneer.ErrInvalidArgument},
		{"challenge of a MiB", token(1<<20, full), veneer.ErrInvalidArgument},
		{"wrong challenge, no room", token(31, 0), veneer.ErrInvalidArgument},
		{"no room", token(32, 0), veneer.ErrInvalidArgument},
		{"no output vector", token(32), veneer.ErrInvalidArgument},
		{"a second input vector", request{contract.CallToken, [][]byte{challenge(32), {1}}, []int{full}}, veneer.ErrInvalidArgument},
		{"a second output vector", token(32, full, 1), veneer.ErrInvalidArgument},
		{"room for one byte", token(32, 1), veneer.ErrBufferTooSmall},
		{"size of 31", sizeOf(31), veneer.ErrInvalidArgument},
		{"size of 0", sizeOf(0), veneer.ErrInvalidArgument},
		{"size of 2^32-1", sizeOf(-1), veneer.ErrInvalidArgument},
		{"size in 3 bytes", request{contract.CallTokenSize, [][]byte{{32, 0, 0}}, []int{4}}, veneer.ErrInvalidArgument},
		{"size in 8 bytes", request{contract.CallTokenSize, [][]byte{{32, 0, 0, 0, 0, 0, 0, 0}}, []int{4}}, veneer.ErrInvalidArgument},
		{"room of 3 for a size", request{contract.CallTokenSize, [][]byte{le32(32)}, []int{3}}, veneer.ErrInvalidArgument},
		{"room of 8 for a size", request{contract.CallTokenSize, [][]byte{le32(32)}, []int{8}}, veneer.ErrInvalidArgument},
		{"type 0", request{0, [][]byte{challenge(32)}, []int{full}}, veneer.ErrNotSupported},
		{"type 1003", request{1003, nil, nil}, veneer.ErrNotSupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKey(t)
			out, err := call(started(t, Config{Device: secured()}, k), nonSecure, tt.request.typ, tt.request.in, tt.request.room...)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			for i := range out {
				if len(out[i]) != 0 {
					t.Errorf("%d bytes written to vector %d", len(out[i]), i)
				}
			}
			if k.signed != 0 {
				t.Error("signed all the same")
			}
		})
	}
}

// What goes wrong inside is one status to the caller.
func TestInternalFailures(t *testing.T) {
	broken := func(spoil func(*Component)) device {
		d := secured()
		spoil(&d.components[1])
		return d
	}
	for _, tt := range []struct {
		name   string
		device device
		spoil  func(*key)
	}{
		{"no identity key", secured(), func(k *key) { k.err = veneer.ErrInvalidHandle }},
		{"short signature", secured(), func(k *key) { k.sign = func(sig []byte) []byte { return sig[:63] } }},
		{"no software component", device{lifecycle: 0x3000}, nil},
		{"lifecycle of 17 bits", device{0x10000, secured().components}, nil},
		{"no measurement", broken(func(c *Component) { c.Measurement = nil }), nil},
		{"signer ID that is no hash", broken(func(c *Component) { c.SignerID = c.SignerID[:20] }), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKey(t)
			if tt.spoil != nil {
				tt.spoil(k)
			}
			h := started(t, Config{Device: tt.device}, k)
			out, err := call(h, nonSecure, contract.CallToken, [][]byte{challenge(32)}, contract.MaxTokenSize)
			if !errors.Is(err, veneer.ErrGenericError) || errors.Is(err, veneer.ErrInvalidHandle) || len(out[0]) != 0 {
				t.Errorf("got %v, %d bytes", err, len(out[0]))
			}
		})
	}
	t.Run("key that comes later", func(t *testing.T) {
		k := newKey(t)
		k.err = veneer.ErrDoesNotExist
		h := started(t, Config{Device: secured()}, k)
		ask := func() error {
			_, err := call(h, nonSecure, contract.CallToken, [][]byte{challenge(32)}, contract.MaxTokenSize)
			return err
		}
		if err := ask(); !errors.Is(err, veneer.ErrGenericError) {
			t.Errorf("without: %v", err)
		}
		k.err = nil
		if err := ask(); err != nil {
			t.Errorf("with: %v", err)
		}
	})
	t.Run("before Init", func(t *testing.T) {
		h := New(Config{Device: secured()}).Services[serviceName]
		if _, err := call(h, nonSecure, contract.CallTokenSize, [][]byte{le32(32)}, 4); !errors.Is(err, veneer.ErrServiceFailure) {
			t.Errorf("got %v", err)
		}
	})
}

func TestInitRefuses(t *testing.T) {
	crowded := secured()
	crowded.components = append(crowded.components, component("NSPE"), component("RADIO"))
	for _, tt := range []struct {
		name   string
		cfg    Config
		reason string
	}{
		{"reference without hyphen", Config{Device: secured(), CertificationReference: "060456527282910010"}, "certification reference"},
		{"reference of EAN-13 alone", Config{Device: secured(), CertificationReference: "0604565272829"}, "certification reference"},
		{"reference with a letter", Config{Device: secured(), CertificationReference: "060456527282X-10010"}, "certification reference"},
		{"tokens that do not fit", Config{Device: crowded}, "programs reserve 592"},
		{"address that does not fit", Config{Device: secured(), VerificationService: strings.Repeat("x", 200)}, "programs reserve 592"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPartition(tt.cfg, func(veneer.Gate) signer { return newKey(t) })
			if err := p.init(nil); err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("got %v, want …%s…", err, tt.reason)
			}
		})
	}
}
