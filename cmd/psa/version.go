package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer"
	"github.com/postern-spe/postern/veneer/attestation"
	"github.com/postern-spe/postern/veneer/crypto"
	"github.com/postern-spe/postern/veneer/its"
	"github.com/postern-spe/postern/veneer/ps"
)

// services are those that the shell can call.
var services = [...]struct {
	name string
	sid  veneer.SID
}{
	{"crypto", crypto.SID},
	{"its", its.SID},
	{"ps", ps.SID},
	{"attestation", attestation.SID},
}

type versionOutput struct {
	Framework string          `json:"framework"`
	Services  []serviceOutput `json:"services"`
}

type serviceOutput struct {
	Name    string `json:"name"`
	SID     uint32 `json:"sid"`
	Version uint32 `json:"version"` // 0: absent, or not for this client
}

func newVersionCommand(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Write the versions of the framework and of each service",
		Long:              "Write the version of the firmware framework, and of each service that the shell\ncan call, as this client sees them; a service that is not there has none.",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			return e.withGate(func(gate veneer.Gate) error { return version(e, gate, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object")
	return cmd
}

func version(e *env, gate veneer.Gate, asJSON bool) error {
	framework := gate.FrameworkVersion()
	if framework == 0 {
		return veneer.ErrCommunicationFailure
	}
	out := versionOutput{Framework: fmt.Sprintf("%d.%d", framework>>8, framework&0xff)}
	for _, s := range services {
		out.Services = append(out.Services, serviceOutput{s.name, uint32(s.sid), gate.Version(s.sid)})
	}
	if asJSON {
		return e.printJSON(out)
	}
	if _, err := fmt.Fprintf(e.stdout, "%-12s %s\n", "framework", out.Framework); err != nil {
		return err
	}
	for _, s := range out.Services {
		v := fmt.Sprint(s.Version)
		if s.Version == veneer.VersionNone {
			v = "-"
		}
		if _, err := fmt.Fprintf(e.stdout, "%-12s %s\n", s.Name, v); err != nil {
			return err
		}
	}
	return nil
}
