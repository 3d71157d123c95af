package spe

import "runtime/debug"

// Version returns the version of this module in the program, as the build
// stamped it: what attestation says of the secure world, too.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
