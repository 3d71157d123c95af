package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/nspe"
)

// run executes one command line and returns the exit status.
func run(e *env, args []string) int {
	root, reached := newRootCommand(e)
	root.SetArgs(args)
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)

	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	e.say("error: %v", err)
	if advice := adviceOn(err); advice != "" {
		e.say("hint: %s", advice)
	}
	// An error from before the command's own function is the command line's.
	var usage *usageError
	if errors.As(err, &usage) || !*reached {
		e.say("hint: see `%s --help`", cmd.CommandPath())
		return exitUsage
	}
	return exitFailure
}

// newRootCommand returns the whole command tree. What reached points to becomes
// true when a command's own function is entered.
func newRootCommand(e *env) (root *cobra.Command, reached *bool) {
	root = newGroup("psa", "Talk to the secure world as a non-secure program",
		newVersionCommand(e),
		newRandomCommand(e),
		newHashCommand(e),
		newKeyCommand(e),
		newSignCommand(e),
		newVerifyCommand(e),
		newITSCommand(e),
		newPSCommand(e),
		newAttestCommand(e),
		newTokenCommand(e),
		newBusCommand(e),
		newDebugCommand(e),
		newBenchCommand(e),
		newBenchClientCommand(e),
	)
	root.Long = `psa does from the command line what a non-secure application does through the
PSA APIs: it reaches the secure world by the veneer socket, and by nothing else.
"psa bus" does what the application's loads and stores do, and "psa debug" what a
debug probe does; the device has a socket for each beside the veneer's.

Data alone goes to standard output, words to standard error. The exit status is
0 for success, 1 when an operation failed, 2 when the command line made no sense.`
	root.Example = `  spe run DIR &
  export POSTERN_SOCKET=DIR/run/ns.sock
  psa key generate --id 1 --type ecc-p256
  psa sign --key 1 letter.txt > letter.sig
  psa verify --key 1 --signature letter.sig letter.txt`
	// A command that only holds others cannot be called alone, so its help does
	// not offer that.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}",
		"{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.PersistentFlags().StringVar(&e.socket, "socket", "", "veneer socket of the secure world (default $"+nspe.SocketVariable+")")

	reached = new(bool)
	mark(root, reached)
	return root, reached
}

// newGroup returns a command that only holds others.
func newGroup(use, short string, subcommands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return usagef("%s needs a command", cmd.CommandPath())
		},
	}
	cmd.AddCommand(subcommands...)
	return cmd
}

// mark makes every command of the tree note that its function was entered.
func mark(cmd *cobra.Command, reached *bool) {
	if inner := cmd.RunE; inner != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*reached = true
			return inner(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		mark(sub, reached)
	}
}
