package debugport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/postern-spe/postern/ipc/buslink"
)

// patience is how long EraseAll and Reset take at most, whatever the context
// says.
const patience = time.Minute

// pause is how long lies between two looks at a device that is busy or away.
const pause = 20 * time.Millisecond

// softReset is what RESET takes on every board. On the nRF5340 and nRF9160 it
// holds the device in reset until noReset is written.
const (
	noReset   uint32 = 0
	softReset uint32 = 1
)

var (
	// ErrEraseProtected is a device whose ERASEALL does nothing.
	ErrEraseProtected = errors.New("the device is protected from ERASEALL")
	// ErrEraseFailed is an ERASEALL that did not come to its end.
	ErrEraseFailed = errors.New("the device could not erase everything")
)

// EraseAll wipes the device (flash, UICR, keys, RAM), resets it, and waits until
// it is back; after that its memory access port is open. It takes a minute at
// most, and less where ctx ends sooner; then the Port is closed, and how far the
// device got is not known.
func (p *Port) EraseAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.during(ctx, func() error {
		protected, err := p.ReadRegister(EraseProtectStatus)
		if err != nil {
			return err
		}
		if p.board.protects(protected, statusEraseProtect) {
			return ErrEraseProtected
		}
		if err := p.WriteRegister(EraseAll, 1); err != nil && !isGone(err) {
			return err
		}
		if err := p.awaitErase(ctx); err != nil {
			return err
		}
		return p.reset(ctx)
	})
}

// awaitErase waits until ERASEALLSTATUS is not busy, if need be across a reset.
func (p *Port) awaitErase(ctx context.Context) error {
	for {
		v, err := p.ReadRegister(EraseAllStatus)
		switch {
		case err != nil && !isGone(err):
			return err
		case err != nil:
			if err := p.redial(ctx); err != nil {
				return err
			}
			continue
		}
		switch p.board.eraseState(v) {
		case EraseReady, EraseDone:
			return nil
		case EraseFailed:
			return ErrEraseFailed
		}
		if err := wait(ctx); err != nil {
			return fmt.Errorf("the device is still erasing: %w", err)
		}
	}
}

// Reset resets the device and waits until it is back, for as long as EraseAll.
func (p *Port) Reset(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.during(ctx, func() error { return p.reset(ctx) })
}

func (p *Port) reset(ctx context.Context) error {
	for _, v := range []uint32{softReset, noReset} {
		// The first may already end the connection, with or without an answer.
		if err := p.WriteRegister(Reset, v); isGone(err) {
			break
		} else if err != nil {
			return err
		}
	}
	deadline, _ := ctx.Deadline()
	if !p.connection().Ended(time.Until(deadline)) {
		return fmt.Errorf("the device does not reset: %w", context.DeadlineExceeded)
	}
	return p.redial(ctx)
}

// during runs do, and closes the connection when ctx ends before it: an access
// that a device does not answer waits for nothing else.
func (p *Port) during(ctx context.Context, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { p.Close() })
	defer stop()
	err := do()
	if ctxErr := ctx.Err(); err != nil && ctxErr != nil && !errors.Is(err, ctxErr) {
		err = fmt.Errorf("%w: %v", ctxErr, err)
	}
	return err
}

// redial connects again, as soon as the device is back.
func (p *Port) redial(ctx context.Context) error {
	for {
		c, err := buslink.Dial(p.path)
		if err == nil {
			return p.replace(c)
		}
		if isOther(err) {
			return err
		}
		if ctxErr := wait(ctx); ctxErr != nil {
			return fmt.Errorf("the device does not come back: %w (%v)", ctxErr, err)
		}
	}
}

// replace puts a new connection in the place of one that has ended.
func (p *Port) replace(c *buslink.Client) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		c.Close()
		return fmt.Errorf("debug port: %w", net.ErrClosed)
	case c.Board() != p.board.Name:
		c.Close()
		return fmt.Errorf("debug port: a %s has come back as a %s", p.board.Name, c.Board())
	}
	p.client.Close()
	p.client = c
	return nil
}

// goneError is the end of the connection, and not an answer of the device.
type goneError struct{ error }

func (g goneError) Unwrap() error { return g.error }

func isGone(err error) bool {
	var gone goneError
	return errors.As(err, &gone)
}

// isOther reports whether err says that the peer is no device.
func isOther(err error) bool {
	var wire *buslink.ProtocolError
	return errors.As(err, &wire)
}

// wait waits for a moment, or for the end of ctx.
func wait(ctx context.Context) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
