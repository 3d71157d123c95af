package keyfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// keySlot is an entry as it stands in the file.
type keySlot struct{ metadata, value string }

// version is the only one there is.
const version = "0"

// decode reads the JSON, token by token: encoding/json's own way into structs
// takes members twice, in any case of letters, and quotes what it does not like.
func decode(data []byte) ([]keySlot, error) {
	d := &decoder{json.NewDecoder(bytes.NewReader(data))}
	d.UseNumber()
	var slots []keySlot
	err := d.object("", map[string]func(path string) error{
		"version": func(path string) error {
			t, err := d.token(path)
			if n, ok := t.(json.Number); err == nil && (!ok || n.String() != version) {
				err = &Error{path, errors.New("not " + version)}
			}
			return err
		},
		"keyslots": func(path string) (err error) {
			slots, err = d.keySlots(path)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, &Error{"", fmt.Errorf("more after its end, at byte %d", d.InputOffset())}
	}
	return slots, nil
}

type decoder struct{ *json.Decoder }

// token returns the next token. The error says where in the text it is, not what
// it is.
func (d *decoder) token(path string) (json.Token, error) {
	t, err := d.Token()
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return nil, &Error{path, errors.New("the file ends too early")}
	case err != nil:
		return nil, &Error{path, fmt.Errorf("not JSON at byte %d", d.InputOffset())}
	}
	return t, nil
}

// delim takes the token that opens or closes an object or an array.
func (d *decoder) delim(path string, want json.Delim, name string) error {
	t, err := d.token(path)
	if err == nil && t != want {
		err = &Error{path, errors.New("not " + name)}
	}
	return err
}

// object reads an object that has each of members once, and nothing else.
func (d *decoder) object(path string, members map[string]func(path string) error) error {
	if err := d.delim(path, '{', "an object"); err != nil {
		return err
	}
	seen := make(map[string]bool, len(members))
	for d.More() {
		t, err := d.token(path)
		if err != nil {
			return err
		}
		name, _ := t.(string) // a member's name is one
		read := members[name]
		at := name
		if path != "" {
			at = path + "." + name
		}
		switch {
		case read == nil:
			// The name is not quoted: it may be a value that has lost its place.
			return &Error{path, errors.New("a member that does not belong there")}
		case seen[name]:
			return &Error{at, errors.New("given twice")}
		}
		seen[name] = true
		if err := read(at); err != nil {
			return err
		}
	}
	if err := d.delim(path, '}', "an object"); err != nil {
		return err
	}
	for _, name := range []string{"version", "keyslots", "metadata", "value"} {
		if members[name] != nil && !seen[name] {
			return &Error{path, errors.New("no " + name)}
		}
	}
	return nil
}

func (d *decoder) keySlots(path string) ([]keySlot, error) {
	if err := d.delim(path, '[', "an array"); err != nil {
		return nil, err
	}
	var slots []keySlot
	for d.More() {
		var s keySlot
		text := func(to *string) func(path string) error {
			return func(path string) error {
				t, err := d.token(path)
				if err != nil {
					return err
				}
				var ok bool
				if *to, ok = t.(string); !ok {
					return &Error{path, errors.New("not a string")}
				}
				return nil
			}
		}
		err := d.object(fmt.Sprintf("%s[%d]", path, len(slots)), map[string]func(path string) error{
			"metadata": text(&s.metadata), "value": text(&s.value),
		})
		if err != nil {
			return nil, err
		}
		slots = append(slots, s)
	}
	return slots, d.delim(path, ']', "an array")
}
