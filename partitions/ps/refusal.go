package ps

import (
	"errors"
	"fmt"

	"github.com/postern-spe/postern/veneer"
)

// refusal is a status with what the secure log says of it: which asset, and what
// was asked. It never has contents. The words are put together only if somebody
// reads them: a client can be refused as often as it likes.
type refusal struct {
	cause error
	asset Asset
	what  string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("ps: uid %#x: %s: %v", r.asset.UID, r.what, r.cause)
}

func (r *refusal) Unwrap() error { return r.cause }

// answer adds to an error what the log wants to know. Two things are no news: a
// secure partition that asks for what is not there, and a medium that is full.
func answer(err error, a Asset, what string) error {
	status, bare := err.(veneer.Status)
	switch {
	case err == nil:
		return nil
	case bare && status == veneer.ErrInsufficientStorage, bare && status == veneer.ErrDoesNotExist && a.Owner > 0:
		return err
	}
	for _, s := range [...]veneer.Status{
		veneer.ErrNotPermitted, veneer.ErrNotSupported, veneer.ErrInvalidArgument, veneer.ErrDoesNotExist,
		veneer.ErrAlreadyExists, veneer.ErrInsufficientStorage, veneer.ErrStorageFailure,
		veneer.ErrInvalidSignature, veneer.ErrDataCorrupt,
	} {
		if errors.Is(err, s) {
			return &refusal{err, a, what}
		}
	}
	return &refusal{&internalError{err}, a, what}
}

// internalError keeps to the statuses that the API names for its functions: an
// error of Crypto, or of the way to it, is none of the caller's doing, whatever
// its number would mean to him. It answers PSA_ERROR_GENERIC_ERROR; what it was is
// for the log.
type internalError struct{ cause error }

func (e *internalError) Error() string { return e.cause.Error() }
func (e *internalError) Unwrap() error { return veneer.ErrGenericError }
