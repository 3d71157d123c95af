package echo

import (
	"testing"

	"github.com/postern-spe/postern/spe/service"
	"github.com/postern-spe/postern/veneer"
)

func TestEcho(t *testing.T) {
	h := New().Services["POSTERN_ECHO"]
	for _, row := range []struct {
		name string
		typ  int32
		in   string
		room int
		want string
		err  error
	}{
		{"fits", TypeEcho, "abc", 3, "abc", nil},
		{"more room", TypeEcho, "abc", 9, "abc", nil},
		{"less room", TypeEcho, "abc", 2, "ab", nil},
		{"nothing", TypeEcho, "", 4, "", nil},
		{"discard", TypeDiscard, "abc", 3, "", nil},
		{"unknown type", 2, "abc", 3, "", veneer.ErrNotSupported},
	} {
		t.Run(row.name, func(t *testing.T) {
			var m service.Message
			var written [veneer.MaxIOVec]int
			out := make(veneer.OutVec, row.room)
			m.Deliver(row.typ, veneer.Owner{ClientID: -1}, nil, true, []veneer.InVec{[]byte(row.in)}, []veneer.OutVec{out})
			err := h(&m)
			m.Answer(&written)
			if got := string(out[:written[0]]); err != row.err || got != row.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
