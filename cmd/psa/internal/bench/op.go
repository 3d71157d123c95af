package bench

import (
	"strconv"

	"github.com/postern-spe/postern/veneer"
)

// Op is one operation that can be measured.
type Op struct {
	// Name is the operation's, Size its payload in bytes, 0 where it has none.
	Name string
	Size int

	service veneer.SID // that it calls; 0 for a call that reaches none
	bound   bound
	prepare func(veneer.Gate) (*trial, error)
}

// Key is the operation's name with its size, as --op takes it.
func (op Op) Key() string {
	if op.Size == 0 {
		return op.Name
	}
	return op.Name + "/" + strconv.Itoa(op.Size)
}

// bare reports whether the operation reaches no service, so that an echo
// service is no yardstick for it.
func (op Op) bare() bool { return op.service == 0 }

// trial is an operation made ready on one gate.
type trial struct {
	// call performs it once: one call through the gate.
	call func() error
	// undo takes back what call did, unmeasured. May be nil.
	undo func() error
	// local is the same computation in this process. Nil where there is none.
	local func()
	// end removes what prepare made in the secure world. May be nil.
	end func() error
}
