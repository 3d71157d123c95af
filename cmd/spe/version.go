package main

import (
	"flag"
	"fmt"
	"io"
	"runtime"

	"github.com/postern-spe/postern/spe"
)

const versionUsage = `Say which secure world this is.

Usage:
  spe version

Prints the version of the module, as the build stamped it, that of Go, and the
system: "(devel)" is a build without a stamp. Attestation tokens say it too.
`

func versionCommand() command {
	return command{name: "version", usage: versionUsage, run: printVersion}
}

func printVersion(args []string, stdout, _ io.Writer) error {
	flags := flag.NewFlagSet("version", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return &usageError{reason: err.Error(), asked: err == flag.ErrHelp}
	}
	if flags.NArg() > 0 {
		return &usageError{reason: fmt.Sprintf("no arguments, not %d", flags.NArg())}
	}
	_, err := fmt.Fprintln(stdout, "spe", spe.Version(), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	return err
}
