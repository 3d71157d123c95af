package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/postern-spe/postern/platform"
)

// itsWords is how a device has Internal Trusted Storage, a line for who may use it
// and how it lies in flash, and one for each client's limits.
func itsWords(o *platform.ITSOptions) []string {
	who, how := "non-secure clients too", "in the clear"
	if o.SecureClientsOnly {
		who = "secure clients only"
	}
	if o.Encrypted {
		how = "encrypted"
	}
	lines := []string{who + "; " + how}
	if o.Limits != (platform.ITSLimits{}) {
		lines = append(lines, "a non-secure client: "+limitWords(o.Limits))
	}
	for _, id := range slices.Sorted(maps.Keys(o.Clients)) {
		lines = append(lines, fmt.Sprintf("client %d: %s", id, limitWords(o.Clients[id])))
	}
	return lines
}

func limitWords(l platform.ITSLimits) string {
	var words []string
	for _, one := range []struct {
		n    int
		what string
	}{{l.Assets, "assets"}, {l.AssetSize, "B in one"}, {l.Bytes, "B in all"}} {
		if one.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	if words == nil {
		return "no limit"
	}
	return "at most " + strings.Join(words, ", ")
}
