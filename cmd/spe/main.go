// Command spe is the secure process: it makes devices, boots them and looks at
// them.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

const usage = `Postern's secure world.

Usage:
  spe provision DIR [--board nrf5340]   make a device: a directory with its flash and keys
  spe run DIR                           boot it, and serve its doors until SIGTERM
  spe inspect DIR                       show its memory map, rights, wear and slots
  spe fsck DIR                          check its storage, and say what a boot would repair
  spe version                           say which one this is
  spe help [COMMAND]

A device is a directory. Copying it clones the device, deleting it scraps it.
Non-secure programs find the running device's veneer by POSTERN_SOCKET.

  $ spe provision dev
  $ spe run dev &
  $ export POSTERN_SOCKET=dev/run/ns.sock
  $ psa random --hex 16
`

// command is one subcommand. run gets the arguments after its name.
type command struct {
	name  string
	usage string
	run   func(args []string, stdout, stderr io.Writer) error
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run runs the command that args names. The exit status is 0, 1 when what was
// asked for failed, 2 when it was asked for wrongly.
func run(args []string, stdout, stderr io.Writer) int {
	commands := []command{provisionCommand(), runCommand(), inspectCommand(), fsckCommand(), versionCommand()}
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	name, rest := args[0], args[1:]
	help := false
	switch name {
	case "help", "-h", "-help", "--help":
		if len(rest) == 0 {
			fmt.Fprint(stdout, usage)
			return 0
		}
		help, name = true, rest[0]
	case "--version":
		name = "version"
	}
	for _, c := range commands {
		if c.name != name {
			continue
		}
		if help {
			fmt.Fprint(stdout, c.usage)
			return 0
		}
		err := c.run(rest, stdout, stderr)
		switch e := err.(type) {
		case nil:
			return 0
		case *usageError:
			if e.asked {
				fmt.Fprint(stdout, c.usage)
				return 0
			}
			fmt.Fprintf(stderr, "spe: error: %v\nspe: hint: `spe help %s` has the flags\n", e, c.name)
			return 2
		}
		fmt.Fprintf(stderr, "spe: error: %v\n", err)
		return 1
	}
	fmt.Fprintf(stderr, "spe: error: no command %q\n\n%s", name, usage)
	return 2
}

// usageError is a command line that is not one of the command's; asked says that
// it asks for help.
type usageError struct {
	reason string
	asked  bool
}

func (e *usageError) Error() string { return e.reason }

// parse parses flags before and after the one argument, the device's directory.
func parse(flags *flag.FlagSet, args []string) (dir string, err error) {
	flags.SetOutput(io.Discard)
	var operands []string
	for {
		if err := flags.Parse(args); err != nil {
			return "", &usageError{reason: err.Error(), asked: err == flag.ErrHelp}
		}
		args = flags.Args()
		if len(args) == 0 {
			break
		}
		operands, args = append(operands, args[0]), args[1:]
	}
	switch len(operands) {
	case 0:
		return "", &usageError{reason: "which device? the directory is missing"}
	case 1:
		return operands[0], nil
	}
	return "", &usageError{reason: fmt.Sprintf("one directory, not %d", len(operands))}
}
