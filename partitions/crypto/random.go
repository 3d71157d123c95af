package crypto

// generateRandom is psa_generate_random: it fills the output vector. The bytes
// are those of the random number generator itself; when it fails, so does the
// call, with ErrInsufficientEntropy and no bytes.
func (p *partition) generateRandom(r *request) error {
	out := r.room(0)
	if err := p.fillRandom(out); err != nil {
		r.wrote(0, 0)
		return err
	}
	r.wrote(0, len(out))
	return nil
}
