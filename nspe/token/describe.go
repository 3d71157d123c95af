package token

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Describe writes the claims as a table for people, a line for each claim that
// the token has. It says nothing about whether they are true. Text of the token
// that a terminal could take for commands is written in quotes, escaped.
func (t *Token) Describe(w io.Writer) error {
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(tw, "%s\t%s\n", name, value)
		}
	}
	line("signature", safe(t.Algorithm))
	line(nameProfile, safe(t.Profile))
	line(nameNonce, t.Nonce.String())
	line(nameInstanceID, t.InstanceID.String())
	line(nameImplementation, t.ImplementationID.String())
	line(nameBootSeed, t.BootSeed.String())
	if t.ClientID != nil {
		line(nameClientID, fmt.Sprintf("%d (%s)", *t.ClientID, world(*t.ClientID)))
	}
	if t.Lifecycle != nil {
		line(nameLifecycle, fmt.Sprintf("0x%04x (%s)", uint16(*t.Lifecycle), t.Lifecycle))
	}
	line(nameReference, safe(t.CertificationReference))
	line(nameVerification, safe(t.VerificationService))
	if t.NoSoftwareMeasurements {
		line(nameComponents, "not measured")
	}
	for i, c := range t.SoftwareComponents {
		title := strings.TrimSpace(safe(c.Type) + " " + safe(c.Version))
		if title == "" {
			title = "(unnamed)"
		}
		line(fmt.Sprintf("software %d", i+1), title)
		measured := c.Measurement.String()
		if c.Description != "" {
			measured += " (" + safe(c.Description) + ")"
		}
		line("  measurement", measured)
		line("  signer", c.SignerID.String())
	}
	for _, key := range t.Other {
		line("other claim", safe(key))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// world says in which of the two a caller is.
func world(clientID int32) string {
	if clientID < 0 {
		return "non-secure"
	}
	return "secure"
}

// safe returns s, in quotes if it holds anything but printable characters.
func safe(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
