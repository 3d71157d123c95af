package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/postern-spe/postern/platform"
)

// resetVariable tells the program after a reset why there was one.
const resetVariable = "POSTERN_RESET"

// restart resets the chip's processor: the program begins anew, in this process
// and with nothing of its memory. Clients see their connections end. It returns
// only on failure.
func restart(why platform.ResetReason) error {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, resetVariable+"=") })
	err := unix.Exec(self, os.Args, append(env, resetVariable+"="+why.String()))
	return fmt.Errorf("reset (%v): %w", why, err)
}

// resetReason returns why the program began, once: PowerOn but after restart.
func resetReason() platform.ResetReason {
	defer os.Unsetenv(resetVariable)
	why, _ := platform.ParseResetReason(os.Getenv(resetVariable))
	return why
}
