package token

import "fmt"

// Check is one of the things that a token is checked for, in the order in which
// that happens.
type Check string

// The checks.
const (
	CheckEncoding  Check = "encoding"  // it is a token at all
	CheckAlgorithm Check = "algorithm" // signed with the algorithm of the key
	CheckSignature Check = "signature" // signed by the key
	CheckProfile   Check = "profile"   // of a profile that is understood
	CheckChallenge Check = "challenge" // made for this challenge
	CheckClaims    Check = "claims"    // with the claims of its profile
)

// Error says which check a token failed, and why.
type Error struct {
	Check  Check
	Claim  string // the claim to blame, as in Claims; may be empty
	Reason string
}

func (e *Error) Error() string {
	s := "token: " + string(e.Check) + ": "
	if e.Claim != "" {
		s += e.Claim + ": "
	}
	return s + e.Reason
}

func malformed(format string, args ...any) *Error {
	return &Error{Check: CheckEncoding, Reason: fmt.Sprintf(format, args...)}
}

func (c Check) failed(claim, format string, args ...any) *Error {
	return &Error{Check: c, Claim: claim, Reason: fmt.Sprintf(format, args...)}
}
