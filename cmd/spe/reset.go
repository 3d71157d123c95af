package main

import (
	"fmt"
	"os"

	"github.com/postern-spe/postern/platform"
)

// resetVariable tells the program after a reset why there was one.
const resetVariable = "POSTERN_RESET"

// restart resets the chip's processor: the program begins anew, in this process
// and with nothing of its memory. Clients see their connections end. It returns
// only on failure.
func restart(program *os.File, why platform.ResetReason) error {
	err := begin(int(program.Fd()), []string{resetVariable + "=" + why.String()})
	return fmt.Errorf("reset (%v): %w", why, err)
}

// resetReason returns why the program began: PowerOn but after restart.
func resetReason() platform.ResetReason {
	why, _ := platform.ParseResetReason(os.Getenv(resetVariable))
	return why
}
