package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postern-spe/postern/veneer/psa"
)

// The words that flags take and that the shell offers. What psa prints is said
// in the same words.
var (
	typeWords = []string{
		"ecc-p256", "ecc-p384", "ecc-p521", "ecc-p256-public", "ecc-p384-public", "ecc-p521-public",
		"aes-128", "aes-192", "aes-256", "aes", "hmac", "derive", "raw",
	}
	algorithmWords = []string{
		"ecdsa-sha256", "ecdsa-sha384", "ecdsa-sha512", "deterministic-ecdsa-sha256", "ecdh",
		"gcm", "hmac-sha256", "hmac-sha384", "hmac-sha512", "hkdf-sha256",
	}
	usageFlagWords = []string{
		"sign-hash", "verify-hash", "sign-message", "verify-message", "encrypt", "decrypt",
		"derive", "export", "copy",
	}
	hashWords = []string{"sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"}
)

// typeWord returns the word of --type for keys of a type and size, without the
// size where the type has no words for sizes, and the PSA name where it has no
// word.
func typeWord(t psa.KeyType, bits uint16) string {
	general := ""
	for _, w := range typeWords {
		typ, n, err := psa.ParseKeyType(w)
		switch {
		case err != nil || typ != t:
		case n == bits:
			return w
		case !strings.ContainsAny(w, "123456789"):
			general = w
		}
	}
	if general != "" {
		return general
	}
	return t.String()
}

// algorithmWord returns the word of --alg for an algorithm, the PSA name where
// there is none.
func algorithmWord(a psa.Algorithm) string {
	base, length := a, ""
	if full := a.FullLength(); a != full && (a.IsMAC() || a.IsAEAD()) {
		base, length = full, ":"+strconv.Itoa(a.LengthField())
	}
	word := dashed(strings.NewReplacer("SHA_", "SHA", "(", "-", ")", "").Replace(base.String())) + length
	if same, err := psa.ParseAlgorithm(word); err != nil || same != a {
		return a.String()
	}
	return word
}

// usageWords returns the words of --usage, none for no usage at all.
func usageWords(u psa.Usage) []string {
	words := []string{}
	if u == 0 {
		return words
	}
	for _, name := range strings.Split(u.String(), "|") {
		words = append(words, dashed(name))
	}
	return words
}

// dashed returns a PSA name in the form of a word.
func dashed(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "-")) }

// completeWords makes the shell offer words for a flag.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	// It fails only for a flag that the command does not have.
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

// list returns words as lines of help, indented and no wider than the rest.
func list(words []string) string {
	const indent, width = "  ", 80
	var b strings.Builder
	column := 0
	for i, w := range words {
		if i < len(words)-1 {
			w += ","
		}
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+len(w) > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(w)
		column += len(w)
	}
	return b.String()
}
