package storage_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/internal/storage"
	"github.com/postern-spe/postern/veneer/internal/storage/storagetest"
	"github.com/postern-spe/postern/veneer/psa"
)

const handle veneer.Handle = 0x40000102

func newClient() (*storage.Client, *storagetest.Gate) {
	g := storagetest.NewGate(handle)
	return storage.NewClient(g, handle), g
}

// recorder keeps what a call carries, and answers it with fixed bytes.
type recorder struct {
	*storagetest.Gate
	typ    int32
	in     [][]byte
	caps   []int
	status veneer.Status
	answer []byte
}

func (r *recorder) Call(_ veneer.Handle, typ int32, in []veneer.InVec, out []veneer.OutVec) veneer.Status {
	r.typ, r.in, r.caps = typ, nil, nil
	for _, v := range in {
		r.in = append(r.in, bytes.Clone(v))
	}
	for i := range out {
		r.caps = append(r.caps, len(out[i]))
		out[i] = out[i][:copy(out[i], r.answer)]
	}
	return r.status
}

// TestWire compares what the client sends with the bytes of TF-M's own client,
// and with the layouts of this project where TF-M has no call.
func TestWire(t *testing.T) {
	uid := []byte{8, 7, 6, 5, 4, 3, 2, 1}
	for _, c := range []struct {
		name string
		call func(*storage.Client) error
		typ  int32
		in   [][]byte
		caps []int
	}{
		{"set", func(c *storage.Client) error { return c.Set(0x0102030405060708, []byte("data"), 3) },
			1001, [][]byte{uid, []byte("data"), {3, 0, 0, 0}}, nil},
		{"set nothing", func(c *storage.Client) error { return c.Set(0x0102030405060708, nil, 0) },
			1001, [][]byte{uid, nil, {0, 0, 0, 0}}, nil},
		{"get", func(c *storage.Client) error {
			_, err := c.Get(0x0102030405060708, 0x01020304, make([]byte, 9))
			return err
		}, 1002, [][]byte{uid, {4, 3, 2, 1}}, []int{9}},
		{"get_info", func(c *storage.Client) error { _, err := c.Info(0x0102030405060708); return err },
			1003, [][]byte{uid}, []int{12}},
		{"remove", func(c *storage.Client) error { return c.Remove(0x0102030405060708) },
			1004, [][]byte{uid}, nil},
		{"create", func(c *storage.Client) error { return c.Create(0x0102030405060708, 0x0a0b0c0d, 6) },
			0x4000, [][]byte{uid, {0x0d, 0x0c, 0x0b, 0x0a}, {6, 0, 0, 0}}, nil},
		{"set_extended", func(c *storage.Client) error {
			return c.SetExtended(0x0102030405060708, 0x01020304, []byte("data"))
		}, 0x4001, [][]byte{uid, []byte("data"), {4, 3, 2, 1}}, nil},
		{"set_extended nothing", func(c *storage.Client) error { return c.SetExtended(0x0102030405060708, 0, nil) },
			0x4001, [][]byte{uid, nil, {0, 0, 0, 0}}, nil},
		{"get_support", func(c *storage.Client) error { _, err := c.Support(); return err },
			1005, nil, []int{4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &recorder{answer: make([]byte, 12)}
			if err := c.call(storage.NewClient(r, handle)); err != nil {
				t.Fatal(err)
			}
			same := r.typ == c.typ && len(r.in) == len(c.in) && len(r.caps) == len(c.caps)
			for i := 0; same && i < len(c.in); i++ {
				same = bytes.Equal(r.in[i], c.in[i])
			}
			for i := 0; same && i < len(c.caps); i++ {
				same = r.caps[i] == c.caps[i]
			}
			if !same {
				t.Errorf("sent type %d, %x, room %v; want type %d, %x, room %v", r.typ, r.in, r.caps, c.typ, c.in, c.caps)
			}
		})
	}
}

// TestSetExtendedTooMuch writes more than a call carries: past the capacity of any
// asset, and not a matter of the caller's memory.
func TestSetExtendedTooMuch(t *testing.T) {
	r := &recorder{}
	c := storage.NewClient(r, handle)
	data := make([]byte, veneer.MaxPayload-12)
	if err := c.SetExtended(1, 0, data); err != nil || r.typ != storage.CallSetExtended {
		t.Errorf("%d bytes: %v, call %d", len(data), err, r.typ)
	}
	r.typ = 0
	if err := c.SetExtended(1, 0, append(data, 0)); !errors.Is(err, veneer.ErrInvalidArgument) || r.typ != 0 {
		t.Errorf("%d bytes: %v, call %d", len(data)+1, err, r.typ)
	}
}

// TestShortAnswers covers a service that breaks its contract.
func TestShortAnswers(t *testing.T) {
	for n := range 12 {
		r := &recorder{answer: make([]byte, n)}
		c := storage.NewClient(r, handle)
		if _, err := c.Info(1); !errors.Is(err, veneer.ErrCommunicationFailure) {
			t.Errorf("info of %d bytes: %v", n, err)
		}
		if _, err := c.Support(); n < 4 && !errors.Is(err, veneer.ErrCommunicationFailure) {
			t.Errorf("support of %d bytes: %v", n, err)
		}
	}
	r := &recorder{answer: bytes.Repeat([]byte{0xff}, 12)}
	if _, err := storage.NewClient(r, handle).ReadAll(1); !errors.Is(err, veneer.ErrInsufficientMemory) {
		t.Errorf("an asset of 4 GiB: %v", err)
	}
	r.status = veneer.ErrDataCorrupt
	if n, err := storage.NewClient(r, handle).Get(1, 0, make([]byte, 4)); n != 0 || !errors.Is(err, veneer.ErrDataCorrupt) {
		t.Errorf("bytes with an error: %d, %v", n, err)
	}
}

// TestReadAllMeetsWriter changes the asset between the calls that ReadAll makes.
func TestReadAllMeetsWriter(t *testing.T) {
	for name, sizes := range map[string][]int{"grows": {10, 500, 900}, "shrinks": {900, 10, 3}} {
		t.Run(name, func(t *testing.T) {
			c, g := newClient()
			writer := storage.NewClient(g, handle)
			if err := writer.Set(1, make([]byte, 1), 0); err != nil {
				t.Fatal(err)
			}
			g.Before = func(typ int32) {
				if typ != storage.CallSet && len(sizes) > 0 {
					data := bytes.Repeat([]byte{byte(sizes[0])}, sizes[0])
					sizes = sizes[1:]
					if err := writer.Set(1, data, 0); err != nil {
						t.Error(err)
					}
				}
			}
			data, err := c.ReadAll(1)
			if err != nil {
				t.Fatal(err)
			}
			if len(data) == 0 || !bytes.Equal(data, bytes.Repeat(data[:1], len(data))) || data[0] != byte(len(data)) {
				t.Errorf("read %d bytes that no set wrote together", len(data))
			}
		})
	}
}

func TestCallsAllocateNothing(t *testing.T) {
	c, _ := newClient()
	data, buf := make([]byte, 512), make([]byte, 512)
	if err := c.Set(1, data, psa.StorageNone); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(2, 512, psa.StorageNone); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"set":          func() error { return c.Set(1, data, psa.StorageNone) },
		"set_extended": func() error { return c.SetExtended(2, 0, data) },
		"get":          func() error { _, err := c.Get(1, 0, buf); return err },
		"info":         func() error { _, err := c.Info(1); return err },
	} {
		if n := testing.AllocsPerRun(200, func() {
			if err := call(); err != nil {
				t.Error(err)
			}
		}); n >= 1 { // a collection may empty the pool under a run
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkSet(b *testing.B) {
	c, _ := newClient()
	data := make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Set(1, data, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	c, _ := newClient()
	buf := make([]byte, 512)
	if err := c.Set(1, buf, 0); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Get(1, 0, buf); err != nil {
			b.Fatal(err)
		}
	}
}
