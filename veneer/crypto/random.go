package crypto

import (
	"io"

	"github.com/postern-spe/postern/veneer"
)

// Random fills p with random bytes of the secure world (psa_generate_random). A
// p larger than veneer.MaxPayload takes several calls. On an error p holds no
// random bytes that may be used.
// veneer.ErrInsufficientEntropy: the random number generator failed.
func (c *Client) Random(p []byte) error {
	for len(p) > 0 {
		part := p[:min(len(p), veneer.MaxPayload)]
		n, err := c.fill(c.begin(GenerateRandom), part)
		if err != nil {
			return err
		}
		if n != len(part) {
			return veneer.ErrCommunicationFailure
		}
		p = p[n:]
	}
	return nil
}

// Reader returns the secure world's random number generator as an io.Reader that
// always fills the whole buffer or fails.
func (c *Client) Reader() io.Reader { return randomReader{c} }

type randomReader struct{ c *Client }

func (r randomReader) Read(p []byte) (int, error) {
	if err := r.c.Random(p); err != nil {
		return 0, err
	}
	return len(p), nil
}
