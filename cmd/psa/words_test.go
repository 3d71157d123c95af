package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-spe/postern/veneer/psa"
)

// TestWordsComeBack: what psa prints of a key is what made it.
func TestWordsComeBack(t *testing.T) {
	for _, word := range typeWords {
		typ, bits, err := psa.ParseKeyType(word)
		if err != nil {
			t.Fatal(err)
		}
		want := word
		if word == "aes" {
			want = "aes-256" // the two say the same
		}
		if got := typeWord(typ, bits); got != want {
			t.Errorf("type %s comes back as %s", word, got)
		}
	}
	for _, word := range slices.Concat(algorithmWords, hashWords, []string{"hmac-sha256:16", "gcm:12", "none", "ecdsa-any"}) {
		alg, err := psa.ParseAlgorithm(word)
		if err != nil {
			t.Fatal(err)
		}
		if got := algorithmWord(alg); got != word {
			t.Errorf("algorithm %s comes back as %s", word, got)
		}
	}
	for _, word := range usageFlagWords {
		usage, err := psa.ParseUsage(word)
		if err != nil {
			t.Fatal(err)
		}
		if got := usageWords(usage); !slices.Equal(got, []string{word}) {
			t.Errorf("usage %s comes back as %q", word, got)
		}
	}
}

func TestWordsElsePSANames(t *testing.T) {
	for _, tt := range []struct{ name, got, want string }{
		{"curve without a word", typeWord(psa.ECCPair(psa.SECPK1), 256), "ECC_KEY_PAIR(SECP_K1)"},
		{"size without a word", typeWord(psa.ECCPair(psa.SECPR1), 224), "ECC_KEY_PAIR(SECP_R1)"},
		{"type of any size", typeWord(psa.KeyHMAC, 512), "hmac"},
		{"odd size of a type with words for sizes", typeWord(psa.KeyAES, 64), "aes"},
		{"algorithm of policies", algorithmWord(psa.GCM.AtLeast(8)), "AEAD_WITH_AT_LEAST_THIS_LENGTH_TAG(GCM,8)"},
		{"algorithm without a name", algorithmWord(0x7f000000), "ALG(0x7f000000)"},
		{"several usages", strings.Join(usageWords(psa.UsageSignHash|psa.UsageVerifyDerivation), ","), "sign-hash,verify-derivation"},
		{"no usage", strings.Join(usageWords(0), ","), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, tt.got, tt.want)
		}
	}
}

func TestHelpListsFitTheScreen(t *testing.T) {
	for _, words := range [][]string{typeWords, algorithmWords, usageFlagWords} {
		text := list(words)
		if got := strings.Split(strings.Join(strings.Fields(text), ""), ","); !slices.Equal(got, words) {
			t.Errorf("%q", got)
		}
		for _, line := range strings.Split(text, "\n") {
			if len(line) > 80 {
				t.Errorf("%d columns: %s", len(line), line)
			}
		}
	}
}
