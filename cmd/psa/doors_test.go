package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// psaRun runs a command line as a program of its own would.
func psaRun(d *doorDevice, line string) (status int, stdout, stderr string) {
	var out, words bytes.Buffer
	e := newEnv()
	e.stdin, e.stdout, e.stderr = strings.NewReader(""), &out, &words
	e.getenv = func(string) string {
		if d == nil {
			return ""
		}
		return filepath.Join(d.dir, "ns.sock")
	}
	status = run(e, strings.Fields(line))
	return status, out.String(), words.String()
}

// row is a command line and what comes of it. stderr is a pattern; nothing may be
// there where it is empty.
type row struct {
	line           string
	status         int
	stdout, stderr string
}

func runRows(t *testing.T, d *doorDevice, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.line, func(t *testing.T) {
			t.Helper()
			status, stdout, stderr := psaRun(d, r.line)
			if status != r.status || stdout != r.stdout {
				t.Errorf("status %d, want %d; wrote\n%q, want\n%q", status, r.status, stdout, r.stdout)
			}
			if r.stderr == "" && stderr != "" || !regexp.MustCompile(r.stderr).MatchString(stderr) {
				t.Errorf("said\n%s, want %s", stderr, r.stderr)
			}
		})
	}
}

func TestBus(t *testing.T) {
	d := startDoors(t)
	runRows(t, d, []row{
		{"bus read 0x104", 0, "0x11223344\n", ""},
		{"bus read 0x104 --hex", 0, "0x11223344\n", ""},
		{"bus read 0x104 --raw", 0, "\x44\x33\x22\x11", ""},
		{"bus read 0x104 --json", 0, `{"addr":260,"width":32,"value":287454020}` + "\n", ""},
		{"bus read --width 16 0x106", 0, "0x1122\n", ""},
		{"bus read --width 8 262", 0, "0x22\n", ""},
		{"bus read 0x41 5", 0, "ABCDE", ""},
		{"bus read --raw 0x41 5", 0, "ABCDE", ""},
		{"bus read --width 8 0x41 5", 0, "ABCDE", ""},
		{"bus read --json 0x41 5", 0, `{"addr":65,"data":"4142434445"}` + "\n", ""},
		{"bus read --hex 0x1e 18", 0, "0x0000001e  1e 1f 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d\n0x0000002e  2e 2f\n", ""},
		{"bus write 0x200 0xdeadbeef", 0, "", ""},
		{"bus write --width 8 0x201 0xff", 0, "", ""},
		{"bus read 0x200", 0, "0xdeadffef\n", ""},
		{"bus exec 0x40", 0, "0x4140\n", ""},
		{"bus exec 0x100", 0, "0xf3bf8000\n", ""},
		{"bus exec --json 0x100", 0, `{"addr":256,"width":32,"value":4089413632}` + "\n", ""},
		{"bus map", 0, "0x00000000  0x00007fff      32\n", ""},
		{"bus map --json", 0, `{"board":"nrf5340","windows":[{"addr":0,"size":32768}]}` + "\n", ""},

		{"bus read 0x8000", 1, "", `^psa: error: SecureFault: non-secure read at 0x00008000\npsa: hint: .*secure world's.*\n$`},
		{"bus read 0x7ff0 32", 1, "", `^psa: error: SecureFault: non-secure read at 0x00008000\n`},
		{"bus read --hex --width 32 0x7ff0 32", 1, "", `^psa: error: SecureFault: non-secure read at 0x00008000\n`},
		{"bus write 0x8004 1", 1, "", `^psa: error: SecureFault: non-secure write at 0x00008004\n`},
		{"bus exec 0x8008", 1, "", `^psa: error: SecureFault: non-secure fetch at 0x00008008\n`},
		{"bus read 0x10000", 1, "", `^psa: error: BusFault: non-secure read at 0x00010000\n$`},
		{"bus read 0x102", 1, "", `^psa: error: BusFault: non-secure read at 0x00000102\n$`},
	})
}

func TestDebug(t *testing.T) {
	d := startDoors(t)
	const open = `board            nrf5340
idr              0x12880000
eraseall         ready
approtect        open
secureapprotect  open
eraseprotect     open
memory           open
mailbox          empty
`
	runRows(t, d, []row{
		{"debug status", 0, open, ""},
		{"debug read 0x104", 0, "0x11223344\n", ""},
		{"debug read 0x41 5", 0, "ABCDE", ""},
		{"debug write 0x8000 0x55", 0, "", ""},
		{"debug read --width 8 0x8000", 0, "0x55\n", ""},
		{"debug read --ap 2 0xfc", 0, "0x12880000\n", ""},
		{"debug read --ap 9 0", 2, "", `^psa: error: the nrf5340 has no access port 9: 0 is the memory's, 2 the CTRL-AP\n`},
		{"debug reset", 0, "", ""},
		{"debug read 0x104", 0, "0x11223344\n", ""},
	})
	d.mu.Lock()
	d.key = 0xABCD
	d.mu.Unlock()
	runRows(t, d, []row{
		{"debug read 0x104", 1, "", `^psa: error: the access port is closed by AP-Protect\npsa: hint: `},
		{"debug unlock 0xABCE", 1, "", `^psa: error: the access port is still closed`},
		{"debug unlock 0xABCD", 0, "", ""},
		{"debug write 0x104 5", 0, "", ""},
	})
	d.mu.Lock()
	d.protected = true
	d.mu.Unlock()
	runRows(t, d, []row{
		{"debug status --json", 0, `{"board":"nrf5340","idr":310902784,"eraseall":"ready","approtect":true,"secureapprotect":true,` +
			`"eraseprotect":false,"memory_open":false,"mailbox_full":false,"mailbox_pending":false}` + "\n", ""},
		{"debug write 0x104 5", 1, "", `^psa: error: the access port is closed by AP-Protect\n`},
		{"debug eraseall", 2, "", `pass --yes if that is meant`},
		{"debug eraseall --yes", 0, "", ""},
		{"debug status", 0, open, ""},
		{"debug read 0x104", 0, "0x00000000\n", ""},
	})
}

// TestDoorUsage: a command line that makes no sense is found out without a device.
func TestDoorUsage(t *testing.T) {
	var rows []row
	for line, stderr := range map[string]string{
		"bus":                                 "psa bus needs a command",
		"bus read":                            "arg",
		"bus read here":                       `"here" is no address`,
		"bus read 0x100000000":                "is no address",
		"bus read 0 none":                     "is no number of bytes",
		"bus read 0 0":                        "is no number of bytes",
		"bus read 0xffffffff 2":               "is no number of bytes",
		"bus read 0 0x20000000":               "is no number of bytes",
		"bus read --width 24 0":               "--width 24: 8, 16 or 32",
		"bus read --width 32 0 6":             "not whole accesses of 32 bits",
		"bus read --hex --raw 0":              "hex raw",
		"bus write 0":                         "arg",
		"bus write 0 -1":                      "unknown shorthand flag",
		"bus write 0 0x100000000":             "is no value of 32 bits",
		"bus write --width 8 0 256":           "is no value of 8 bits",
		"bus exec":                            "arg",
		"bus map all":                         "unknown command|accepts 0|arg",
		"debug":                               "psa debug needs a command",
		"debug read --ap 256 0":               "--ap 256: 0 to 255",
		"debug read --ap -1 0":                "--ap -1: 0 to 255",
		"debug unlock 0":                      "a number of 32 bits that is not 0",
		"debug unlock secret":                 "a number of 32 bits that is not 0",
		"debug eraseall now":                  "unknown command|accepts 0|arg",
		"debug format":                        `unknown command "format"`,
		"debug write --width 64 0 1":          "--width 64",
		"debug status --bus /somewhere/else ": "unknown flag: --bus",
	} {
		rows = append(rows, row{line, exitUsage, "", stderr})
	}
	runRows(t, nil, rows)
	if _, _, words := psaRun(nil, "debug unlock 5ecret"); strings.Contains(words, "5ecret") {
		t.Errorf("the key is repeated: %s", words)
	}
}

// TestFindDoor: the doors are beside the veneer's, unless a flag says otherwise.
func TestFindDoor(t *testing.T) {
	runRows(t, nil, []row{
		{"bus read 0", 1, "", `^psa: error: no socket of a secure world given\npsa: hint: .*--bus DIR/run/bus.sock\n$`},
		{"debug status", 1, "", `--debug DIR/run/debug.sock\n$`},
		{"--socket /gone/ns.sock bus map", 1, "", `^psa: error: cannot reach the secure world at /gone/bus.sock: no such file or directory\npsa: hint: `},
		{"--socket /gone/ns.sock debug --debug /else/d status", 1, "", `at /else/d: no such file`},
		{"bus --bus /" + strings.Repeat("long/", 25) + "b read 0", 1, "", `^psa: error: the path of the socket has 127 bytes`},
	})
	d := startDoors(t)
	runRows(t, nil, []row{{"debug --debug " + filepath.Join(d.dir, "debug.sock") + " read 0x104", 0, "0x11223344\n", ""}})
	runRows(t, nil, []row{{"bus --bus " + d.dir + " read 0", 1, "", `cannot reach the secure world`}})
}

// TestEraseAllAsks: whoever erases a device has to say that it is meant.
func TestEraseAllAsks(t *testing.T) {
	d := startDoors(t)
	for _, tt := range []struct {
		line   string
		status int
		want   byte
	}{{"debug eraseall", exitUsage, 0x44}, {"debug eraseall --yes", 0, 0}} {
		var out, words bytes.Buffer
		e := newEnv()
		e.stdout, e.stderr = &out, &words
		e.getenv = func(string) string { return filepath.Join(d.dir, "ns.sock") }
		if status := run(e, strings.Fields(tt.line)); status != tt.status || out.Len() != 0 {
			t.Errorf("%s: status %d, %s", tt.line, status, words.String())
		}
		d.mu.Lock()
		if d.mem[0x104] != tt.want {
			t.Errorf("%s: 0x%x", tt.line, d.mem[0x104])
		}
		d.mu.Unlock()
	}
}

// FuzzReadArguments: whatever is asked for, what is read lies in the address
// space and is not more than there may be.
func FuzzReadArguments(f *testing.F) {
	f.Add("0x50000", "64", 32)
	f.Add("4294967295", "1", 8)
	f.Fuzz(func(t *testing.T, addr, n string, bits int) {
		o := readOptions{bits: bits}
		cmd := newBusReadCommand(newEnv(), busDoor())
		r, err := o.parse(cmd, []string{addr, n})
		if err == nil && (r.n < 1 || r.n > maxRead || uint64(r.addr)+uint64(r.n) > 1<<32 || r.width < 1 || r.width > 4) {
			t.Fatalf("%+v", r)
		}
	})
}
