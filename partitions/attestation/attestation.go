// Package attestation is the Initial Attestation partition (PSA Attestation API
// 2.0): it answers a challenge with a token, an Entity Attestation Token of the
// profile tag:psacertified.org,2023:psa#tfm (RFC 9783), signed with the initial
// attestation key (IAK).
//
// The secure partition manager calls it, for clients of both worlds. Of what a
// request carries, the challenge and the sizes are the attacker's; the client ID
// in the token is the manager's word. The private key is in the Crypto
// partition, which signs for this partition and for no other; it never comes
// here.
//
// Statuses are those of TF-M's service: veneer.ErrInvalidArgument for a
// challenge of a wrong size or vectors of a wrong form,
// veneer.ErrBufferTooSmall, veneer.ErrNotSupported for another type of call,
// veneer.ErrGenericError when a claim or the signature cannot be had, and
// veneer.ErrServiceFailure before Init. A call that fails writes nothing.
package attestation

import (
	_ "embed" // for the manifest
	"encoding/binary"
	"fmt"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
	contract "github.com/postern-spe/postern/veneer/attestation"
)

// ManifestFile is the name of the partition's manifest file.
const ManifestFile = "tfm_initial_attestation.yaml"

//go:embed tfm_initial_attestation.yaml
var manifest string

// Manifest returns the text of the partition's manifest.
func Manifest() []byte { return []byte(manifest) }

// serviceName is the service's name in the manifest.
const serviceName = "TFM_ATTESTATION_SERVICE"

// Device is what the partition asks of the hardware and of the boot: facts that
// go into every token. The methods are called for each token.
type Device interface {
	// BootSeed is random, made once per boot: it tells two boots apart.
	BootSeed() [32]byte
	// ImplementationID names the kind of device: chip and immutable firmware.
	ImplementationID() [32]byte
	// Lifecycle is the security lifecycle (psa_rot_lifecycle_state).
	Lifecycle() uint32
	// SoftwareComponents are the measurements of the boot, at least one.
	SoftwareComponents() []Component
}

// Component is one measured piece of software (RFC 9783, section 4.4.1). The
// measurement and the signer's ID are hashes of 32, 48 or 64 bytes and
// mandatory; an empty text is left out of the token.
type Component struct {
	Type        string // such as "PRoT"
	Measurement []byte // of the code as it was loaded
	Version     string
	SignerID    []byte // hash of the public key that the code was signed with
	Description string // how it was measured, such as "sha-256"
}

// Config is what a board says about attestation.
type Config struct {
	Device Device
	// CertificationReference names the PSA certificate of the device:
	// 13 digits, a hyphen, 5 digits. Empty: the claim is left out.
	CertificationReference string
	// VerificationService is where a relying party can have tokens verified.
	// Empty: the claim is left out.
	VerificationService string
}

// New returns the partition, for the manifest that Manifest returns. Its Init
// refuses a configuration that RFC 9783 does not allow, and one whose tokens
// would not fit into contract.MaxTokenSize bytes.
func New(cfg Config) service.Partition {
	p := newPartition(cfg, newIdentity)
	return service.Partition{
		Init: p.init,
		Services: map[string]service.Handler{
			serviceName: p.handler(),
		},
	}
}

// signer is the identity key, wherever it is kept.
type signer interface {
	// SignIdentity returns the signature r||s, 64 bytes, of a SHA-256 hash.
	SignIdentity(hash []byte) ([]byte, error)
	// PublicKey returns the public key as an uncompressed point on P-256, 65
	// bytes.
	PublicKey() ([]byte, error)
}

// partition is the state behind the service. Messages come one at a time.
type partition struct {
	cfg       Config
	newSigner func(veneer.Gate) signer
	codec     codec

	key        signer // nil before init
	instanceID []byte // nil before the first token
}

func newPartition(cfg Config, newSigner func(veneer.Gate) signer) *partition {
	return &partition{cfg: cfg, newSigner: newSigner, codec: newCodec()}
}

func (p *partition) init(rt service.Runtime) error {
	if ref := p.cfg.CertificationReference; ref != "" && !validReference(ref) {
		return fmt.Errorf("attestation: the certification reference %q is not 13 digits, a hyphen and 5 digits", ref)
	}
	// A device that has no identity key yet starts all the same: it has to, to
	// be given one. So the key is not looked at here; its ID has a fixed size.
	claims := p.claims(make([]byte, contract.ChallengeSize64), -1<<31)
	claims.InstanceID = make([]byte, instanceIDSize)
	msg, err := p.codec.message(claims)
	if err != nil {
		return err
	}
	size, err := signedSize(msg)
	if err != nil {
		return err
	}
	if size > contract.MaxTokenSize {
		return fmt.Errorf("attestation: the configured claims make tokens of up to %d bytes; programs reserve %d", size, contract.MaxTokenSize)
	}
	p.key = p.newSigner(rt)
	return nil
}

func (p *partition) handler() service.Handler {
	routes := service.Routes(map[int32]service.Route{
		contract.CallToken: {
			In:  []service.Length{service.Any},
			Out: []service.Length{service.AtLeast(1)},
			Do:  p.token,
		},
		contract.CallTokenSize: {
			In:  []service.Length{service.Exactly(4)},
			Out: []service.Length{service.Exactly(4)},
			Do:  p.tokenSize,
		},
	}, veneer.ErrNotSupported, veneer.ErrInvalidArgument)
	return func(m *service.Message) error {
		if p.key == nil {
			return veneer.ErrServiceFailure
		}
		return routes(m)
	}
}

// token answers psa_initial_attest_get_token.
func (p *partition) token(m *service.Message) error {
	if !contract.ValidChallengeSize(m.InSize(0)) {
		return veneer.ErrInvalidArgument
	}
	challenge := make([]byte, m.InSize(0))
	m.Read(0, challenge)
	msg, err := p.message(challenge, m.Owner.ClientID)
	if err != nil {
		return generic(err)
	}
	size, err := signedSize(msg)
	if err != nil {
		return generic(err)
	}
	// Before the signature, which is what a token costs.
	if m.OutSize(0) < size {
		return veneer.ErrBufferTooSmall
	}
	token, err := sign(msg, p.key)
	if err != nil {
		return generic(err)
	}
	m.Write(0, token)
	return nil
}

// tokenSize answers psa_initial_attest_get_token_size: it encodes the very
// claims that the caller's token would hold, so that the size is exact.
func (p *partition) tokenSize(m *service.Message) error {
	var word [4]byte
	m.Read(0, word[:])
	challengeSize := binary.LittleEndian.Uint32(word[:])
	if challengeSize > contract.ChallengeSize64 || !contract.ValidChallengeSize(int(challengeSize)) {
		return veneer.ErrInvalidArgument
	}
	msg, err := p.message(make([]byte, challengeSize), m.Owner.ClientID)
	if err != nil {
		return generic(err)
	}
	size, err := signedSize(msg)
	if err != nil {
		return generic(err)
	}
	binary.LittleEndian.PutUint32(word[:], uint32(size))
	m.Write(0, word[:])
	return nil
}

// generic gives the caller the one status for what went wrong inside, and the
// log the reason. The reason's own status is text here, not a status: it says
// what Crypto answered to this partition, not what this one answers.
func generic(err error) error {
	return fmt.Errorf("attestation: %v: %w", err, veneer.ErrGenericError)
}
