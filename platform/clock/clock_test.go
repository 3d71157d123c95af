package clock

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestManual(t *testing.T) {
	c := Manual()
	if c.Now() != 0 {
		t.Fatalf("begins at %v", c.Now())
	}
	var fired []string
	at := func(name string, d time.Duration) *Timer {
		return c.AfterFunc(d, func() { fired = append(fired, name) })
	}
	at("late", 30*time.Microsecond)
	at("early", 10*time.Microsecond)
	stopped := at("stopped", 20*time.Microsecond)
	at("now", 0)
	if len(fired) != 0 {
		t.Fatalf("%v fired from inside AfterFunc", fired)
	}
	if !stopped.Stop() || stopped.Stop() {
		t.Error("Stop takes a call back once")
	}
	c.Advance(10*time.Microsecond - 1)
	if want := []string{"now"}; !slices.Equal(fired, want) {
		t.Fatalf("%v fired, want %v", fired, want)
	}
	c.Advance(time.Second)
	if want := []string{"now", "early", "late"}; !slices.Equal(fired, want) {
		t.Errorf("%v fired, want %v", fired, want)
	}
	if c.Now() != time.Second+10*time.Microsecond-1 {
		t.Errorf("it is %v", c.Now())
	}
	done := at("done", 0)
	c.Advance(0)
	if done.Stop() {
		t.Error("took back a call that has been made")
	}
}

// TestFromTimer: a call may use the clock, and a timer that it sets counts from
// the time after the Advance.
func TestFromTimer(t *testing.T) {
	c := Manual()
	var second time.Duration
	c.AfterFunc(time.Second, func() {
		c.AfterFunc(time.Second, func() { second = c.Now() })
	})
	c.Advance(5 * time.Second)
	if second != 0 {
		t.Fatalf("the second timer fired at %v", second)
	}
	c.Advance(time.Second)
	if second != 6*time.Second {
		t.Errorf("the second timer fired at %v, want 6s", second)
	}
}

// TestLockedAfterFunc: a block sets a timer with the lock held that its calls
// take, while an older timer of its own is due.
func TestLockedAfterFunc(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		var mu sync.Mutex
		n := 0
		call := func() { mu.Lock(); n++; mu.Unlock() }
		c.AfterFunc(0, call)
		c.AfterFunc(time.Second, call)
		mu.Lock()
		c.Advance(slack / 2)
		c.AfterFunc(0, call)
		mu.Unlock()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
	})
}

func TestRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		var at atomic.Int64 // nanoseconds
		c.AfterFunc(10*time.Second, func() { at.Store(int64(c.Now())) })
		time.Sleep(4 * time.Second)
		// Flash operations that take no time on the host: 5 s of them, in
		// steps too small to look at the timers each.
		for range 50000 {
			c.Advance(100 * time.Microsecond)
		}
		if at.Load() != 0 {
			t.Fatalf("fired at %v", time.Duration(at.Load()))
		}
		time.Sleep(time.Second + time.Nanosecond)
		synctest.Wait()
		if at := time.Duration(at.Load()); at < 10*time.Second || at > 10*time.Second+slack {
			t.Errorf("fired at %v, want 10s", at)
		}
		stopped := c.AfterFunc(time.Second, func() { t.Error("a stopped timer fired") })
		stopped.Stop()
		time.Sleep(2 * time.Second)
	})
}

func TestConcurrent(t *testing.T) {
	c := New()
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 4 {
		wg.Go(func() {
			for range 200 {
				c.AfterFunc(time.Millisecond, func() { mu.Lock(); n++; mu.Unlock() })
				c.Advance(time.Millisecond)
				c.AfterFunc(time.Hour, func() {}).Stop()
				c.Now()
			}
		})
	}
	wg.Wait()
	c.Advance(time.Second)
	mu.Lock()
	defer mu.Unlock()
	if n > 800 {
		t.Errorf("%d calls of 800 timers", n)
	}
}

// BenchmarkAdvance is what a programmed word pays, with and without a watchdog.
func BenchmarkAdvance(b *testing.B) {
	for _, timers := range []int{0, 2} {
		b.Run(map[int]string{0: "idle", 2: "two timers"}[timers], func(b *testing.B) {
			c := New()
			for range timers {
				c.AfterFunc(1000*time.Hour, func() {})
			}
			b.ReportAllocs()
			for b.Loop() {
				c.Advance(43 * time.Microsecond)
			}
		})
	}
}
