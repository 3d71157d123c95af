package its_test

import (
	"strings"
	"testing"

	"github.com/postern-spe/postern/partitions/its"
)

// TestManifest: only who may call is different.
func TestManifest(t *testing.T) {
	open, closed := string(its.Manifest()), string(its.Config{SecureClientsOnly: true}.Manifest())
	if !strings.Contains(open, `"non_secure_clients": true`) {
		t.Error("TF-M's manifest keeps non-secure clients out")
	}
	if strings.Replace(open, `"non_secure_clients": true`, `"non_secure_clients": false`, 1) != closed || open == closed {
		t.Errorf("the manifest for secure clients only:\n%s", closed)
	}
}
