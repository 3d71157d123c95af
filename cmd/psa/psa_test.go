package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"psa": main,
	})
}

// TestScripts runs what needs no secure world.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Cmds:                scriptCommands,
		RequireExplicitExec: true,
	})
}

// scriptCommands are what the scripts use beside testscript's own commands.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"exits": exits,
	"size":  size,
	"sha":   sha,
	"ecdsa": verifyECDSA,
	"flip":  flip,
	"trim":  trim,
	"stop":  stop,
}

// exits STATUS PROGRAM ARG...: the program ends with that status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// size FILE N: the file has N bytes.
func size(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: size FILE BYTES")
	}
	if got := strconv.Itoa(len(ts.ReadFile(args[0]))); got != args[1] {
		ts.Fatalf("%s has %s bytes, want %s", args[0], got, args[1])
	}
}

// flip FILE: the file's last bit changes.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	data := []byte(ts.ReadFile(args[0]))
	if len(data) == 0 {
		ts.Fatalf("%s is empty", args[0])
	}
	data[len(data)-1] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}

// trim FILE: the newline at the file's end goes, which a script cannot leave out.
func trim(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: trim FILE")
	}
	data := strings.TrimSuffix(ts.ReadFile(args[0]), "\n")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(data), 0o600))
}

// stopValue is where a live script's way to end its secure world is kept.
type stopValue struct{}

// stop: the secure world ends.
func stop(ts *testscript.TestScript, neg bool, args []string) {
	end, ok := ts.Value(stopValue{}).(func())
	if neg || len(args) != 0 || !ok {
		ts.Fatalf("usage, with a secure world: stop")
	}
	end()
}
