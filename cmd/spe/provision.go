package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/postern-spe/postern/platform"
	"github.com/postern-spe/postern/platform/board"
	"github.com/postern-spe/postern/platform/keyfile"
)

const provisionUsage = `Make a device.

Usage:
  spe provision DIR [flags]

DIR must not exist, be empty, or be a device that ERASEALL has wiped. It gets the
device's flash, its UICR, key slots with the root keys and the identity key, all
random, and the public identity key that attestation tokens are verified with.
The directory is as secret as the chip.

Flags:
  --board NAME    which board to emulate: %s
                  (default %s; a wiped device keeps its own)
  --debug POLICY  who may use the debug port: %s
                  (default %s). A locked one gives its status and takes an
                  ERASEALL; non-secure shows what non-secure code sees; open shows
                  all but the keys; so does unlock, to who has the key that is
                  printed now and never again (not on the nrf9160)
  --keys FILE     put the keys of nRF Util's key provisioning JSON into the KMU
                  (boards with CRACEN)
  --layout FILE   where areas are, as in a Partition Manager static file
                  (pm_static.yml): address, and size or end_address, of tfm_its,
                  tfm_ps, tfm_otp_nv_counters and nonsecure_storage, which stay
                  where the board has them otherwise. tfm_ps may be in the region
                  external_flash. What else is in the file is not used; the images
                  are where the board has them

Internal Trusted Storage, as the secure image is configured with it:
  --its-secure-only
                  keep non-secure clients out, as Nordic's profiles do: they get
                  PSA_ERROR_CONNECTION_REFUSED. Crypto's persistent keys and
                  Protected Storage, which are kept there, still work
  --its-encrypted
                  encrypt it in flash (CONFIG_TFM_ITS_ENCRYPTED)
  --its-max-asset-size N, --its-num-assets N, --its-max-bytes N
                  what each non-secure client may have: the size of an asset
                  (CONFIG_TFM_ITS_MAX_ASSET_SIZE), how many
                  (CONFIG_TFM_ITS_NUM_ASSETS), and the bytes of all together. More
                  answers PSA_ERROR_INSUFFICIENT_STORAGE (default: what the area
                  takes)
  --its-client ID:LIMIT=N,...
                  another client's limits, or a secure partition's, by client ID;
                  LIMIT is max-asset-size, num-assets or max-bytes. Once for each
                  client
`

func provisionCommand() command {
	return command{
		name: "provision",
		usage: fmt.Sprintf(provisionUsage, strings.Join(board.Names(), ", "), board.Default,
			strings.Join(platform.DebugPolicies(), ", "), platform.DebugLocked),
		run: provision,
	}
}

func provision(args []string, stdout, stderr io.Writer) (err error) {
	var opts platform.ProvisionOptions
	var keys, layout string
	flags := flag.NewFlagSet("provision", flag.ContinueOnError)
	flags.StringVar(&opts.Board, "board", "", "")
	flags.StringVar((*string)(&opts.Debug), "debug", string(platform.DebugLocked), "")
	flags.StringVar(&keys, "keys", "", "")
	flags.StringVar(&layout, "layout", "", "")
	itsFlags(flags, &opts.ITS)
	dir, err := parse(flags, args)
	if err != nil {
		return err
	}
	if _, ok := board.Lookup(opts.Board); !ok && opts.Board != "" {
		return &usageError{reason: fmt.Sprintf("no board %q", opts.Board)}
	}
	if !slices.Contains(platform.DebugPolicies(), string(opts.Debug)) {
		return &usageError{reason: fmt.Sprintf("no debug policy %q", opts.Debug)}
	}
	if err := opts.ITS.Check(); err != nil {
		return &usageError{reason: err.Error()}
	}
	if err := harden(); err != nil {
		return err
	}
	if keys != "" {
		if opts.Keys, err = readKeys(keys); err != nil {
			return err
		}
		defer func() {
			for _, k := range opts.Keys {
				k.Destroy()
			}
		}()
	}
	var ignored []string
	if layout != "" {
		if opts.Layout, ignored, err = readLayout(layout); err != nil {
			return err
		}
	}
	d, err := platform.Provision(dir, opts)
	if err != nil {
		return explainLayout(layout, err)
	}
	if len(ignored) > 0 {
		fmt.Fprintf(stderr, "spe: %s: not used: %s\n", layout, strings.Join(ignored, ", "))
	}
	fmt.Fprintf(stdout, "device    %s\nboard     %s\nid        %s\nidentity  %s\n", d.Dir, d.Board, d.DeviceID, d.IAKPath)
	if len(opts.Keys) > 0 {
		fmt.Fprintf(stdout, "keys      %d from %s\n", len(opts.Keys), keys)
	}
	if opts.Debug == platform.DebugUnlock {
		fmt.Fprintf(stdout, "debug     0x%08x\n", d.DebugKey)
	}
	return nil
}

// readKeys reads a key file.
func readKeys(name string) ([]keyfile.Key, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, keyfile.MaxSize+1))
	defer clear(text)
	if err != nil {
		return nil, err
	}
	keys, err := keyfile.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}
