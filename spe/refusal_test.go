package spe_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/postern-spe/postern/spe"
	"github.com/postern-spe/postern/spe/spetest/oracle"
	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
	"github.com/postern-spe/postern/veneer/psa"
)

// refused is what a client must not do: the status that it gets.
type refused struct {
	name string
	do   func(oracle.Client) error
	want veneer.Status
}

// The assets of client -1 that the tables are about: uid 1 has 5 bytes, uid 2 as
// many and is write-once; in Protected Storage uid 3 has 5 bytes of 10.
var (
	itsRefusals = []refused{
		{"set of uid 0", func(c oracle.Client) error { return c.ITS.Set(0, nil, 0) }, veneer.ErrInvalidArgument},
		{"get of uid 0", func(c oracle.Client) error { _, err := c.ITS.Get(0, 0, nil); return err }, veneer.ErrInvalidArgument},
		{"get_info of uid 0", func(c oracle.Client) error { _, err := c.ITS.Info(0); return err }, veneer.ErrInvalidArgument},
		{"remove of uid 0", func(c oracle.Client) error { return c.ITS.Remove(0) }, veneer.ErrInvalidArgument},
		{"get of what is not there", func(c oracle.Client) error { _, err := c.ITS.Get(9, 0, nil); return err }, veneer.ErrDoesNotExist},
		{"get_info of what is not there", func(c oracle.Client) error { _, err := c.ITS.Info(9); return err }, veneer.ErrDoesNotExist},
		{"remove of what is not there", func(c oracle.Client) error { return c.ITS.Remove(9) }, veneer.ErrDoesNotExist},
		{"get past the end", func(c oracle.Client) error { _, err := c.ITS.Get(1, 6, make([]byte, 1)); return err }, veneer.ErrInvalidArgument},
		{"get of nothing past the end", func(c oracle.Client) error { _, err := c.ITS.Get(1, 1<<31, nil); return err }, veneer.ErrInvalidArgument},
		{"set with an unknown flag", func(c oracle.Client) error { return c.ITS.Set(1, nil, 8) }, veneer.ErrNotSupported},
		{"set with the flag that Protected Storage has", func(c oracle.Client) error { return c.ITS.Set(1, nil, its.KeepRoom) }, veneer.ErrNotSupported},
		{"set of a write-once asset", func(c oracle.Client) error { return c.ITS.Set(2, []byte("other"), 0) }, veneer.ErrNotPermitted},
		{"set of a write-once asset to the same", func(c oracle.Client) error { return c.ITS.Set(2, []byte("mine!"), 1) }, veneer.ErrNotPermitted},
		{"remove of a write-once asset", func(c oracle.Client) error { return c.ITS.Remove(2) }, veneer.ErrNotPermitted},
		{"set of more than the area has", func(c oracle.Client) error { return c.ITS.Set(1, make([]byte, oracle.MoreThanAnArea), 0) }, veneer.ErrInsufficientStorage},
		{"set of more than a call carries", func(c oracle.Client) error { return c.ITS.Set(1, make([]byte, veneer.MaxPayload), 0) }, veneer.ErrInsufficientMemory},
	}
	psRefusals = []refused{
		{"set of uid 0", func(c oracle.Client) error { return c.PS.Set(0, nil, 0) }, veneer.ErrInvalidArgument},
		{"get of uid 0", func(c oracle.Client) error { _, err := c.PS.Get(0, 0, nil); return err }, veneer.ErrInvalidArgument},
		{"get_info of uid 0", func(c oracle.Client) error { _, err := c.PS.Info(0); return err }, veneer.ErrInvalidArgument},
		{"remove of uid 0", func(c oracle.Client) error { return c.PS.Remove(0) }, veneer.ErrInvalidArgument},
		{"create of uid 0", func(c oracle.Client) error { return c.PS.Create(0, 1, 0) }, veneer.ErrInvalidArgument},
		{"set_extended of uid 0", func(c oracle.Client) error { return c.PS.SetExtended(0, 0, nil) }, veneer.ErrInvalidArgument},
		{"get of what is not there", func(c oracle.Client) error { _, err := c.PS.Get(9, 0, nil); return err }, veneer.ErrDoesNotExist},
		{"get_info of what is not there", func(c oracle.Client) error { _, err := c.PS.Info(9); return err }, veneer.ErrDoesNotExist},
		{"remove of what is not there", func(c oracle.Client) error { return c.PS.Remove(9) }, veneer.ErrDoesNotExist},
		{"set_extended of what is not there", func(c oracle.Client) error { return c.PS.SetExtended(9, 0, nil) }, veneer.ErrDoesNotExist},
		{"get past the end", func(c oracle.Client) error { _, err := c.PS.Get(3, 6, make([]byte, 1)); return err }, veneer.ErrInvalidArgument},
		{"set_extended with a gap", func(c oracle.Client) error { return c.PS.SetExtended(3, 6, []byte("x")) }, veneer.ErrInvalidArgument},
		{"set_extended past the capacity", func(c oracle.Client) error { return c.PS.SetExtended(3, 5, make([]byte, 6)) }, veneer.ErrInvalidArgument},
		{"set_extended of what was set, past its end", func(c oracle.Client) error { return c.PS.SetExtended(1, 5, []byte("x")) }, veneer.ErrInvalidArgument},
		{"set_extended at the end of numbers", func(c oracle.Client) error { return c.PS.SetExtended(3, 1<<32-1, []byte("xx")) }, veneer.ErrInvalidArgument},
		{"set with an unknown flag", func(c oracle.Client) error { return c.PS.Set(1, nil, 1<<31) }, veneer.ErrNotSupported},
		{"create with an unknown flag", func(c oracle.Client) error { return c.PS.Create(9, 1, 8) }, veneer.ErrNotSupported},
		{"create of a write-once asset", func(c oracle.Client) error { return c.PS.Create(9, 1, psa.StorageWriteOnce) }, veneer.ErrNotSupported},
		{"create of what is there", func(c oracle.Client) error { return c.PS.Create(1, 5, 0) }, veneer.ErrAlreadyExists},
		{"set of a write-once asset", func(c oracle.Client) error { return c.PS.Set(2, []byte("other"), 0) }, veneer.ErrNotPermitted},
		{"set_extended of a write-once asset", func(c oracle.Client) error { return c.PS.SetExtended(2, 0, []byte("o")) }, veneer.ErrNotPermitted},
		{"remove of a write-once asset", func(c oracle.Client) error { return c.PS.Remove(2) }, veneer.ErrNotPermitted},
		{"set of more than the area has", func(c oracle.Client) error { return c.PS.Set(1, make([]byte, oracle.MoreThanAnArea), 0) }, veneer.ErrInsufficientStorage},
		{"create of more than the area has", func(c oracle.Client) error { return c.PS.Create(9, oracle.MoreThanAnArea, 0) }, veneer.ErrInsufficientStorage},
		{"create of more than any asset has", func(c oracle.Client) error { return c.PS.Create(1, 1<<32-1, 0) }, veneer.ErrInsufficientStorage},
		{"set of more than any asset has", func(c oracle.Client) error { return c.PS.Set(1, make([]byte, veneer.MaxPayload-12), 0) }, veneer.ErrInsufficientStorage},
		{"set of more than a call carries", func(c oracle.Client) error { return c.PS.Set(1, make([]byte, veneer.MaxPayload), 0) }, veneer.ErrInsufficientMemory},
	}
	// By client -2, of what is client -1's.
	strangerRefusals = []refused{
		{"ITS get", func(c oracle.Client) error { _, err := c.ITS.Get(1, 0, make([]byte, 5)); return err }, veneer.ErrDoesNotExist},
		{"ITS get_info", func(c oracle.Client) error { _, err := c.ITS.Info(1); return err }, veneer.ErrDoesNotExist},
		{"ITS remove", func(c oracle.Client) error { return c.ITS.Remove(1) }, veneer.ErrDoesNotExist},
		{"ITS remove of a write-once asset", func(c oracle.Client) error { return c.ITS.Remove(2) }, veneer.ErrDoesNotExist},
		{"PS get", func(c oracle.Client) error { _, err := c.PS.Get(1, 0, make([]byte, 5)); return err }, veneer.ErrDoesNotExist},
		{"PS get_info", func(c oracle.Client) error { _, err := c.PS.Info(1); return err }, veneer.ErrDoesNotExist},
		{"PS set_extended", func(c oracle.Client) error { return c.PS.SetExtended(3, 0, []byte("yours")) }, veneer.ErrDoesNotExist},
		{"PS remove", func(c oracle.Client) error { return c.PS.Remove(3) }, veneer.ErrDoesNotExist},
	}
	// What no handler gets to see.
	malformed = []refused{
		{"ITS set without flags", raw(its.Handle, its.CallSet, u64(1), []byte("x")), veneer.ErrProgrammerError},
		{"ITS set of a short uid", raw(its.Handle, its.CallSet, u32(1), []byte("x"), u32(0)), veneer.ErrProgrammerError},
		{"ITS get without an offset", raw(its.Handle, its.CallGet, u64(1)), veneer.ErrProgrammerError},
		{"ITS version that there is not", raw(its.Handle+0x100, its.CallRemove, u64(1)), veneer.ErrProgrammerError},
		{"PS create without flags", raw(ps.Handle, ps.CallCreate, u64(9), u32(1)), veneer.ErrProgrammerError},
		{"PS set of a short uid", raw(ps.Handle, ps.CallSet, u32(1), []byte("x"), u32(0)), veneer.ErrProgrammerError},
		{"PS call that there is not", raw(ps.Handle, 0x4002), veneer.ErrProgrammerError},
	}
)

// raw is a call with these input vectors and room for an answer.
func raw(h veneer.Handle, typ int32, in ...[]byte) func(oracle.Client) error {
	return func(c oracle.Client) error {
		var vecs []veneer.InVec
		for _, b := range in {
			vecs = append(vecs, b)
		}
		var out []veneer.OutVec
		if typ == its.CallGet {
			out = append(out, make([]byte, 8))
		}
		return c.Gate.Call(h, typ, vecs, out).Err()
	}
}

func u32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
func u64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// TestRefusals: what a client must not do gets the status that the API has for
// it, changes nothing, and leaves one line in the log, which says nothing of what
// assets hold.
func TestRefusals(t *testing.T) {
	log, seen := secureLog()
	m := newMachine(t, devices["nrf5340"])
	m.mustBoot(t, spe.Options{Log: log})
	defer m.off()
	h := make(map[oracle.Place]oracle.Held)
	for _, o := range []oracle.Op{
		{Kind: oracle.Set, Place: at(oracle.Internal, -1, 1), Data: "mine!"},
		{Kind: oracle.Set, Place: at(oracle.Internal, -1, 2), Data: "mine!", Flags: psa.StorageWriteOnce},
		{Kind: oracle.Set, Place: at(oracle.Protected, -1, 1), Data: "mine!"},
		{Kind: oracle.Set, Place: at(oracle.Protected, -1, 2), Data: "mine!", Flags: psa.StorageWriteOnce},
		{Kind: oracle.Create, Place: at(oracle.Protected, -1, 3), Capacity: 10},
		{Kind: oracle.Extend, Place: at(oracle.Protected, -1, 3), Data: "mine!"},
	} {
		want, next, _ := o.Expect(h[o.Place])
		if got := o.Do(m.clients[-1]); got != want {
			t.Fatalf("%v: %v", o, got)
		}
		h[o.Place] = next
	}
	before := m.file(t, "flash.bin")
	for _, table := range []struct {
		name   string
		client int32
		rows   []refused
	}{
		{"ITS", -1, itsRefusals}, {"PS", -1, psRefusals}, {"another client", -2, strangerRefusals}, {"malformed", -1, malformed},
	} {
		for _, row := range table.rows {
			seen.TakeAll()
			if got := oracle.StatusOf(row.do(m.clients[table.client])); got != row.want {
				t.Errorf("%s, %s: %v; want %v", table.name, row.name, got, row.want)
			}
			lines := seen.TakeAll()
			if len(lines) != 1 {
				t.Errorf("%s, %s: %d lines in the log", table.name, row.name, len(lines))
			}
			for _, l := range lines {
				text, err := zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "m"}).EncodeEntry(l.Entry, l.Context)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(text.Bytes(), []byte("mine!")) || bytes.Contains(text.Bytes(), []byte("other")) {
					t.Errorf("%s, %s: the log says %s", table.name, row.name, text)
				}
			}
			now := m.file(t, "flash.bin")
			if table.name == "PS" && row.want == veneer.ErrInsufficientStorage {
				before = now // the root was written before there was no room
			}
			if !bytes.Equal(now, before) {
				t.Fatalf("%s, %s: refused, and the flash has changed", table.name, row.name)
			}
		}
	}
	if bad := m.readAll(t, h); len(bad) > 0 {
		t.Errorf("damaged: %v", bad)
	}
}
