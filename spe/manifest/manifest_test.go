package manifest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// everything uses each key and each way of writing that manifests in the field
// use: both kinds of comments, trailing commas, three styles of strings, sizes
// that are build settings, numbers as hexadecimal strings.
const everything = `#-----------------------------------------------------------
# A partition with all there is; it's not a real one.
#-----------------------------------------------------------
// A second style of comment, with a "quote and it's apostrophe.
{
  "psa_framework_version": 1.1,
  "name": "VAULT_SP",
  "type": 'APPLICATION-ROT', // single quotes
  "priority": "LOW",# no blank before
  "model": "IPC",
  "description": "keeps // things, see http://vault.example/#top \" {",
  "entry_point": vault_main,
  "stack_size": "VAULT_STACK_SIZE",
  "heap_size": "0x1000",
  "mmio_regions": [
    { "name": "VAULT_TIMER", "permission": "READ-WRITE" },
    { "base": "0x40001000", "size": 4096, "permission": "READ-ONLY", },
  ],
  "services" : [{
      "name": "VAULT_OPEN",
      "sid": "0x0000F101",
      "non_secure_clients": true,
      "connection_based": true,
      "version": 3,
      "version_policy": "RELAXED",
      "mm_iovec": "disable",
    },
    {
      "name": "VAULT_PEEK",
      "description": "looks inside",
      "sid": 0xF102,
      "non_secure_clients": false,
      "connection_based": false,
      "stateless_handle": "auto",
      "mm_iovec": "enable",
    },
    {
      "name": "VAULT_COUNT",
      "sid": "61699",
      "non_secure_clients": true,
      "connection_based": false,
      "stateless_handle": 32
    }
  ],
  "irqs": [
    {
      "source": "VAULT_TIMER_IRQ",
      "name": "VAULT_TICK",
      "handling": "FLIH",
      "description": "every second",
      "client_id_base": "-0x0400ffff",
      "client_id_limit": "-0x04000000",
    },
    { "source": 12, "name": "VAULT_DOOR", "handling": "SLIH" }
  ],
  "dependencies": [
    "STORE", // where it is
  ],
  "weak_dependencies": [
    # works without
    "CLOCK",
  ],
  "ns_agent": true,
  "client_id_base": "-0x0400ffff",
  "client_id_limit": -67108864,
  "non_ffm_attributes": ["concurrent_messages", 'pid', "place_in_dtcm"],
  "concurrent_messages": true,
  "pid": 4000,
  "place_in_dtcm": { "why": ["not", "for", "us"] },
}
`

func TestParseEverything(t *testing.T) {
	got, err := Parse("vault.yaml", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	mailbox := ClientIDs{-0x0400ffff, -0x04000000}
	want := &Manifest{
		File:             "vault.yaml",
		FrameworkVersion: FrameworkVersion11,
		Name:             "VAULT_SP",
		Description:      `keeps // things, see http://vault.example/#top " {`,
		Type:             ApplicationRoT,
		Priority:         Low,
		Model:            IPC,
		EntryPoint:       "vault_main",
		StackSize:        Size{Macro: "VAULT_STACK_SIZE"},
		HeapSize:         Size{Bytes: 0x1000},
		Services: []Service{
			{Name: "VAULT_OPEN", SID: 0xf101, NonSecureClients: true, ConnectionBased: true, Version: 3, VersionPolicy: Relaxed, Signal: 0x10},
			{Name: "VAULT_PEEK", Description: "looks inside", SID: 0xf102, Version: 1, VersionPolicy: Strict, MMIOVec: true, Signal: 0x20},
			{Name: "VAULT_COUNT", SID: 0xf103, NonSecureClients: true, StatelessHandle: 32, Version: 1, VersionPolicy: Strict, Signal: 0x40},
		},
		IRQs: []IRQ{
			{Name: "VAULT_TICK", Description: "every second", Source: "VAULT_TIMER_IRQ", Handling: FirstLevel, ClientIDs: mailbox, Signal: 1 << 31},
			{Name: "VAULT_DOOR", Source: "12", Handling: SecondLevel, Signal: 1 << 30},
		},
		MMIORegions: []MMIORegion{
			{Name: "VAULT_TIMER", Writable: true},
			{Base: 0x40001000, Size: 4096},
		},
		Dependencies:       []string{"STORE"},
		WeakDependencies:   []string{"CLOCK"},
		NSAgent:            true,
		ClientIDs:          mailbox,
		NonFFM:             []string{"concurrent_messages", "pid", "place_in_dtcm"},
		ConcurrentMessages: true,
		PID:                4000,
	}
	got.src = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// In FF-M 1.0 there are connections and the IPC model only, and an interrupt
// has a signal.
func TestParseFramework10(t *testing.T) {
	for _, version := range []string{`1.0`, `"1.0"`} {
		m, err := Parse("old.json", []byte(`{
  "psa_framework_version": `+version+`,
  "name": "OLD", "type": "PSA-ROT", "priority": "HIGH", "entry_point": "main", "stack_size": "0x400",
  "services": [{ "name": "OLD_SERVICE", "sid": "0x0000FB04", "non_secure_clients": true }],
  "irqs": [{ "signal": "OLD_SIG", "source": "OLD_IRQ" }]
}`))
		if err != nil {
			t.Fatal(err)
		}
		svc := Service{Name: "OLD_SERVICE", SID: 0xfb04, NonSecureClients: true, ConnectionBased: true, Version: 1, VersionPolicy: Strict, Signal: 0x10}
		if m.FrameworkVersion != FrameworkVersion10 || m.Model != IPC || m.Services[0] != svc {
			t.Errorf("%s: got %+v", version, m)
		}
		if irq := (IRQ{Name: "OLD_SIG", Source: "OLD_IRQ", Handling: SecondLevel, Signal: 1 << 31}); m.IRQs[0] != irq {
			t.Errorf("%s: got interrupt %+v, want %+v", version, m.IRQs[0], irq)
		}
	}
}

// Block style, without a bracket, is YAML too.
func TestParseBlockStyle(t *testing.T) {
	m, err := Parse("block.yaml", []byte(`psa_framework_version: "1.1"
name: BLOCK # it's plain
type: PSA-ROT
priority: NORMAL
model: SFN
description: it's a plain string // and a comment
services:
  - name: BLOCK_SERVICE
    sid: 0x00000123
    non_secure_clients: true
    connection_based: false
`))
	if err != nil {
		t.Fatal(err)
	}
	if m.Description != "it's a plain string" || m.Services[0].SID != 0x123 || m.Services[0].StatelessHandle != 0 {
		t.Errorf("got %+v", m)
	}
}

// small is a manifest with a line for each attribute, for tests that spoil one.
const small = `{
  "psa_framework_version": 1.1,
  "name": "SMALL",
  "type": "PSA-ROT",
  "priority": "NORMAL",
  "model": "SFN",
  "services": [
    {
      "name": "SMALL_SERVICE",
      "sid": "0x00000123",
      "non_secure_clients": true,
      "connection_based": false,
      "stateless_handle": 7
    }
  ]
}
`

func TestParseRefuses(t *testing.T) {
	service := func(i int) string {
		return fmt.Sprintf(`{"name": "S%d", "sid": %d, "non_secure_clients": true, "connection_based": true},`, i, i+0x1000)
	}
	var many strings.Builder
	for i := range MaxSignals {
		many.WriteString(service(i))
	}
	for _, tt := range []struct {
		name     string
		old, new string // what in small to replace, with what
		line     int
		field    string
		reason   string // part of the reason
	}{
		{"unknown attribute", `"name": "SMALL"`, `"nmae": "SMALL"`, 3, "nmae", "unknown attribute"},
		{"unknown attribute of a service", `"sid"`, `"sids"`, 10, "services[0].sids", "unknown attribute"},
		{"duplicate attribute", `"type"`, `"name"`, 4, "", "already defined"},
		{"extension that is not named", `"model": "SFN"`, `"model": "SFN", "concurrent_messages": true`, 6, "concurrent_messages", "non_ffm_attributes"},
		{"framework version 2", `1.1`, `2.0`, 2, "psa_framework_version", "neither 1.0 nor 1.1"},
		{"no framework version", `"psa_framework_version": 1.1,`, ``, 1, "psa_framework_version", "is missing"},
		{"no name", `"name": "SMALL",`, ``, 1, "name", "is missing"},
		{"name with a blank", `"SMALL"`, `"SM ALL"`, 3, "name", "is not a name"},
		{"type", `PSA-ROT`, `ROOT`, 4, "type", "PSA-ROT or APPLICATION-ROT"},
		{"internal priority", `NORMAL`, `HIGHEST`, 5, "priority", "HIGH, NORMAL or LOW"},
		{"no model in 1.1", `"model": "SFN",`, ``, 1, "model", "is missing"},
		{"SFN in 1.0", `1.1`, `1.0`, 6, "model", "FF-M 1.0"},
		{"IPC without entry point", `"SFN"`, `"IPC"`, 1, "entry_point", "is missing"},
		{"SFN with entry point", `"model": "SFN"`, `"model": "SFN", "entry_point": "main"`, 6, "entry_point", "SFN model"},
		{"stack size", `"model"`, `"stack_size": "4 KiB", "model"`, 6, "stack_size", "not a number"},
		{"negative heap", `"model"`, `"heap_size": -1, "model"`, 6, "heap_size", "not in 0.."},
		{"wrong kind of value", `"name": "SMALL"`, `"name": ["SMALL"]`, 3, "", ""},
		{"services is not a list", `"model": "SFN"`, `"model": "SFN", "irqs": 5`, 6, "", ""},
		{"no SID", `"sid": "0x00000123",`, ``, 8, "services[0].sid", "is missing"},
		{"SID of 33 bits", `0x00000123`, `0x100000000`, 10, "services[0].sid", "not in 0..4294967295"},
		{"SID that is a word", `0x00000123`, `SMALL_SID`, 10, "services[0].sid", "not a number"},
		{"no non_secure_clients", `"non_secure_clients": true,`, ``, 8, "services[0].non_secure_clients", "is missing"},
		{"no connection_based in 1.1", `"connection_based": false,`, ``, 8, "services[0].connection_based", "is missing"},
		{"handle 0", `: 7`, `: 0`, 13, "services[0].stateless_handle", "not in 1..32"},
		{"handle 33", `: 7`, `: 33`, 13, "services[0].stateless_handle", "not in 1..32"},
		{"handle that is a word", `: 7`, `: any`, 13, "services[0].stateless_handle", "not a number"},
		{"handle of a connection-based service", `"connection_based": false`, `"connection_based": true`, 13, "services[0].stateless_handle", "connection-based"},
		{"version 0", `: 7`, `: 7, "version": 0`, 13, "services[0].version", "not in 1..255"},
		{"version too large for a handle", `: 7`, `: 7, "version": 256`, 13, "services[0].version", "not in 1..255"},
		{"version policy", `: 7`, `: 7, "version_policy": "LOOSE"`, 13, "services[0].version_policy", "STRICT or RELAXED"},
		{"mm_iovec", `: 7`, `: 7, "mm_iovec": "true"`, 13, "services[0].mm_iovec", "enable or disable"},
		{"no services", `"services": [`, `"non_ffm_attributes": ["x"], "x": [`, 1, "services", "at least one"},
		{"29 signals", `"services": [`, `"services": [` + many.String(), 7, "services", "29 services and interrupts, of at most 28"},
		{"two services of one name", `"services": [`, `"services": [{"name": "SMALL_SERVICE", "sid": 1, "non_secure_clients": true, "connection_based": true},`, 9, "services[1].name", "services[0]"},
		{"two services of one SID", `"services": [`, `"services": [{"name": "TWIN", "sid": 291, "non_secure_clients": true, "connection_based": true},`, 10, "services[1].sid", "TWIN"},
		{"interrupt without source", `"model"`, `"irqs": [{"name": "A", "handling": "FLIH"}], "model"`, 6, "irqs[0].source", "is missing"},
		{"interrupt without handling", `"model"`, `"irqs": [{"name": "A", "source": "B"}], "model"`, 6, "irqs[0].handling", "is missing"},
		{"region without name", `"model"`, `"mmio_regions": [{"permission": "READ-ONLY"}], "model"`, 6, "mmio_regions[0].name", "a base and a size"},
		{"region with both", `"model"`, `"mmio_regions": [{"name": "A", "base": 0, "size": 1, "permission": "READ-ONLY"}], "model"`, 6, "mmio_regions[0].name", "not both"},
		{"region past the end", `"model"`, `"mmio_regions": [{"base": 0xffffffff, "size": 2, "permission": "READ-ONLY"}], "model"`, 6, "mmio_regions[0].size", "beyond"},
		{"region's permission", `"model"`, `"mmio_regions": [{"name": "A", "permission": "EXECUTE"}], "model"`, 6, "mmio_regions[0].permission", "READ-ONLY or READ-WRITE"},
		{"dependency named twice", `"model"`, `"dependencies": ["A"], "weak_dependencies": ["A"], "model"`, 6, "weak_dependencies[0]", "named twice"},
		{"half a range of client IDs", `"model"`, `"client_id_base": -5, "model"`, 1, "client_id_limit", "is missing"},
		{"range of client IDs backwards", `"model"`, `"client_id_base": -5, "client_id_limit": -6, "model"`, 6, "client_id_limit", "below"},
		{"secure client IDs", `"model"`, `"client_id_base": 5, "client_id_limit": 6, "model"`, 6, "client_id_base", "not in"},
		{"partition ID of the SPM", `"model"`, `"non_ffm_attributes": ["pid"], "pid": 3, "model"`, 6, "pid", "not in 256.."},
		{"anchor", `"SMALL"`, `&a "SMALL"`, 3, "name", "no place in a manifest"},
		{"tag", `"SMALL"`, `!!str "SMALL"`, 3, "name", "no place in a manifest"},
		{"second document", "  ]\n}\n", "  ]\n}\n---\n{}\n", 0, "", "more than one"},
		{"missing bracket", "  ]\n}\n", "  ]\n", 0, "", ""},
		{"deep nesting", `"model"`, `"non_ffm_attributes": ["x"], "x": ` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `, "model"`, 6, "", "nested"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(small, tt.old, tt.new, 1)
			if text == small {
				t.Fatalf("nothing replaced: %q", tt.old)
			}
			_, err := Parse("small.yaml", []byte(text))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.File != "small.yaml" || (tt.line != 0 && e.Line != tt.line) || (tt.field != "" && e.Field != tt.field) || !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("got %q (line %d, field %q)\nwant line %d, field %q, …%s…", e, e.Line, e.Field, tt.line, tt.field, tt.reason)
			}
		})
	}
	t.Run("not an object", func(t *testing.T) {
		for _, text := range []string{"", "[]", "5", "# only a comment"} {
			if _, err := Parse("x", []byte(text)); err == nil {
				t.Errorf("%q was accepted", text)
			}
		}
	})
	t.Run("too large", func(t *testing.T) {
		if _, err := Parse("x", []byte(small+strings.Repeat("\n", MaxSize))); err == nil {
			t.Error("accepted")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(small))
	f.Add([]byte(strings.Replace(small, "1.1", "1.0", 1)))
	f.Add([]byte("a: *b"))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("fuzz", data)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Reason == "" {
				t.Errorf("not an *Error with a reason: %#v", err)
			}
			return
		}
		if n := len(m.Services) + len(m.IRQs); n == 0 || n > MaxSignals {
			t.Errorf("%d signals", n)
		}
		order, err := Link([]*Manifest{m})
		if err == nil && (len(order) != 1 || order[0].ID <= 0) {
			t.Errorf("linked to %+v", order)
		}
	})
}
