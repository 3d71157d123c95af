package veneer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The handles of TF-M 2.3's psa_manifest/sid.h.
func TestStatelessHandles(t *testing.T) {
	for _, row := range []struct {
		service string
		number  int
		want    Handle
	}{
		{"crypto", 1, 0x40000100}, {"protected storage", 2, 0x40000101}, {"internal trusted storage", 3, 0x40000102},
		{"attestation", 4, 0x40000103}, {"firmware update", 5, 0x40000104}, {"platform", 6, 0x40000105}, {"mailbox agent", 30, 0x4000011d},
	} {
		h := StatelessHandle(row.number, 1)
		if n, v := h.StatelessIndex(); h != row.want || !h.IsStateless() || n != row.number || v != 1 {
			t.Errorf("%s: %#x, number %d, version %d", row.service, h, n, v)
		}
	}
	for _, h := range []Handle{0, 1, -1, 0x3fffffff, 0x40000120, 0x40010100, -0x40000000} {
		if h.IsStateless() {
			t.Errorf("%#x has the form of a stateless handle", h)
		}
	}
}

func TestStatusIsAnError(t *testing.T) {
	err := fmt.Errorf("store the key: %w", ErrInsufficientStorage)
	if !errors.Is(err, ErrInsufficientStorage) || errors.Is(err, ErrStorageFailure) {
		t.Error("errors.Is")
	}
	var st Status
	if !errors.As(err, &st) || st != -142 {
		t.Errorf("errors.As gives %d", st)
	}
	if Success.Err() != nil || SuccessReboot.Err() != nil || ErrNotPermitted.Err() != ErrNotPermitted {
		t.Error("Err")
	}
}

func TestStatusText(t *testing.T) {
	for st := Status(-161); st <= 2; st++ {
		if _, known := statusText[st]; known && !strings.HasPrefix(st.Name(), "PSA_") {
			t.Errorf("%d is called %q", int32(st), st.Name())
		}
	}
	if got := ErrDoesNotExist.Error(); got != "does not exist (PSA_ERROR_DOES_NOT_EXIST, -140)" {
		t.Errorf("%q", got)
	}
	if got := Status(-200).Error(); got != "PSA status -200" {
		t.Errorf("%q", got)
	}
}
