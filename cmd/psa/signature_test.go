package main

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The signature of RFC 6979, A.2.5, P-256 with SHA-256, message "sample", in
// both forms; the second pair has a leading byte of zeros in r.
const (
	rawSample = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
		"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
	derSample = "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
		"022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
)

func TestSignatureForms(t *testing.T) {
	der, err := derFromRaw(unhex(t, rawSample))
	if err != nil || !bytes.Equal(der, unhex(t, derSample)) {
		t.Errorf("DER %x, %v", der, err)
	}
	raw, err := rawFromDER(unhex(t, derSample), 256)
	if err != nil || !bytes.Equal(raw, unhex(t, rawSample)) {
		t.Errorf("raw %x, %v", raw, err)
	}
}

func TestRawFromDERPads(t *testing.T) {
	raw, err := rawFromDER(unhex(t, "3006020101020102"), 521)
	if err != nil || len(raw) != 132 || raw[65] != 1 || raw[131] != 2 {
		t.Errorf("raw %x, %v", raw, err)
	}
}

func TestRawFromDERRefuses(t *testing.T) {
	for _, tt := range []struct{ name, der string }{
		{"nothing", ""},
		{"cut short", derSample[:len(derSample)-2]},
		{"bytes after it", derSample + "00"},
		{"a number too many", "3009020101020101020101"},
		{"zero r", "3006020100020101"},
		{"negative s", "30060201010201ff"},
		{"r larger than the curve", "302702210100000000000000000000000000000000000000000000000000000000000000000201" + "01"},
		{"not a sequence", "0201010201"},
		{"a length of two forms", "308106020101020101"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if raw, err := rawFromDER(unhex(t, tt.der), 256); err == nil {
				t.Errorf("accepted as %x", raw)
			}
		})
	}
}

func TestDERFromRawRefusesOddLengths(t *testing.T) {
	for _, n := range []int{0, 1, 63} {
		if _, err := derFromRaw(make([]byte, n)); err == nil {
			t.Errorf("%d bytes were taken for two numbers", n)
		}
	}
}

// FuzzRawFromDER: what is accepted has one form only, the one that derFromRaw
// writes.
func FuzzRawFromDER(f *testing.F) {
	f.Add(unhex(f, derSample))
	f.Add(unhex(f, "3006020101020102"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, der []byte) {
		raw, err := rawFromDER(der, 256)
		if err != nil {
			return
		}
		if len(raw) != 64 {
			t.Fatalf("%d bytes", len(raw))
		}
		again, err := derFromRaw(raw)
		if err != nil || !bytes.Equal(again, der) {
			t.Errorf("%x accepted, %x written", der, again)
		}
	})
}
