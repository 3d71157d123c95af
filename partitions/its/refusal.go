package its

import (
	"errors"
	"fmt"

	"github.com/postern-spe/postern/partitions/its/flashlog"
	"github.com/postern-spe/postern/veneer"
)

// refusal is a status with what the secure log says of it: which asset, and what
// was asked. It never has contents. The words are put together only if somebody
// reads them: a client can be refused as often as it likes.
type refusal struct {
	cause error
	uid   uint64
	what  string
}

func (r *refusal) Error() string { return fmt.Sprintf("its: uid %#x: %s: %v", r.uid, r.what, r.cause) }
func (r *refusal) Unwrap() error { return r.cause }

func refuse(status veneer.Status, k flashlog.Key, what string) error {
	return &refusal{status, k.UID, what}
}

// reason adds to an error what the log wants to know. Two things are no news: a
// secure partition that asks for what is not there, which is how Crypto and
// Protected Storage look for things, and an area that is full.
func reason(err error, k flashlog.Key, what string) error {
	status, bare := err.(veneer.Status)
	switch {
	case err == nil:
		return nil
	case bare && status == veneer.ErrInsufficientStorage, bare && status == veneer.ErrDoesNotExist && k.Owner > 0:
		return err
	}
	var r *refusal
	if errors.As(err, &r) {
		return err
	}
	return &refusal{err, k.UID, what}
}
