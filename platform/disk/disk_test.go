package disk

import (
	"errors"
	"sync"
	"syscall"
	"testing"
)

var errIO = errors.New("input/output error")

func TestFailsForGood(t *testing.T) {
	var b Barrier
	ok := func() error { return nil }
	if err := b.Sync(ok); err != nil || b.Err() != nil {
		t.Fatalf("%v, %v", err, b.Err())
	}
	first := b.Sync(func() error { return errIO })
	if e := (*SyncError)(nil); !errors.As(first, &e) || !errors.Is(first, errIO) {
		t.Fatalf("%v", first)
	}
	called := false
	again := b.Sync(func() error { called = true; return nil })
	if again != first || b.Err() != first || called {
		t.Errorf("after the failure: %v, %v, asked again: %v", again, b.Err(), called)
	}
}

func TestInterruptionIsNoFailure(t *testing.T) {
	var b Barrier
	results := []error{syscall.EINTR, syscall.EINTR, nil}
	err := b.Sync(func() error {
		r := results[0]
		results = results[1:]
		return r
	})
	if err != nil || b.Err() != nil || len(results) != 0 {
		t.Errorf("%v, %v, %d results left", err, b.Err(), len(results))
	}
}

// Of syncs at the same time, the host tells one of the failure: none that began
// before the failure was known may pass for done.
func TestOneAfterTheOther(t *testing.T) {
	var b Barrier
	const n = 50
	pending := errIO // what the host has yet to report, to whoever asks first
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			errs[i] = b.Sync(func() error {
				err := pending // the race detector sees two at the same time
				pending = nil
				return err
			})
		})
	}
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, errIO) {
			t.Errorf("sync %d: %v", i, err)
		}
	}
}
