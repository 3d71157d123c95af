package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-spe/postern/platform"
)

// itsFlags are the flags of Internal Trusted Storage.
func itsFlags(flags *flag.FlagSet, o *platform.ITSOptions) {
	flags.BoolVar(&o.SecureClientsOnly, "its-secure-only", false, "")
	flags.BoolVar(&o.Encrypted, "its-encrypted", false, "")
	for _, name := range slices.Sorted(maps.Keys(itsLimits(&o.Limits))) {
		flags.Var(limit{itsLimits(&o.Limits)[name]}, "its-"+name, "")
	}
	flags.Var(clientLimits{o}, "its-client", "")
}

// itsLimits names the limits of a client, as TF-M's Kconfig options do.
func itsLimits(l *platform.ITSLimits) map[string]*int {
	return map[string]*int{"max-asset-size": &l.AssetSize, "num-assets": &l.Assets, "max-bytes": &l.Bytes}
}

// limit is the value of one: a number from 1 on.
type limit struct{ n *int }

func (l limit) String() string { return "" }

func (l limit) Set(s string) error {
	n, err := strconv.ParseInt(s, 0, 32)
	if err != nil || n < 1 {
		return fmt.Errorf("not a number from 1 to %d", math.MaxInt32)
	}
	*l.n = int(n)
	return nil
}

// clientLimits is --its-client ID:NAME=N,NAME=N, once for each client.
type clientLimits struct{ o *platform.ITSOptions }

func (c clientLimits) String() string { return "" }

func (c clientLimits) Set(s string) error {
	id, list, _ := strings.Cut(s, ":")
	client, err := strconv.ParseInt(id, 0, 32)
	if err != nil {
		return fmt.Errorf("%q is not a client ID", id)
	}
	if _, twice := c.o.Clients[int32(client)]; twice {
		return fmt.Errorf("client %s is there twice", id)
	}
	var l platform.ITSLimits
	set := itsLimits(&l)
	for one := range strings.SplitSeq(list, ",") {
		name, n, _ := strings.Cut(one, "=")
		p, ok := set[name]
		if !ok {
			return errors.New("not ID:LIMIT=N,..., LIMIT being max-asset-size, num-assets or max-bytes, each once")
		}
		delete(set, name)
		if err := (limit{p}).Set(n); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if c.o.Clients == nil {
		c.o.Clients = make(map[int32]platform.ITSLimits)
	}
	c.o.Clients[int32(client)] = l
	return nil
}
