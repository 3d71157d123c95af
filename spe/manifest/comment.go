package manifest

import "bytes"

// hashComments returns data with every comment that begins with two slashes
// made one that begins with '#', which YAML knows. Lengths and lines stay as
// they were, so that positions in messages are the file's.
//
// Two slashes begin a comment where '#' would: at the start of a line, after a
// blank, or after a punctuation mark of JSON; not inside quotes, and not in
// "http://…" written without them.
//
// On the way it counts brackets, and returns the line of the first that is
// nested deeper than maxDepth, or 0: the YAML library takes seconds over a few
// thousand of them.
func hashComments(data []byte) (out []byte, tooDeep int) {
	out = bytes.Clone(data)
	depth := 0
	var (
		quote byte        // the quote that is open, or 0
		prev  byte = '\n' // the byte before, '\n' at the start
		last  byte = '\n' // the last byte before that is not a blank
	)
	for i := 0; i < len(out); i++ {
		c := out[i]
		switch {
		case quote == '"' && c == '\\':
			i++ // the escaped byte cannot close the quotes
			prev, last = 0, 0
			continue
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '#' && beginsToken(prev), c == '/' && beginsToken(prev) && i+1 < len(out) && out[i+1] == '/':
			if c == '/' {
				// YAML wants a blank before '#'; the first slash makes one.
				out[i], out[i+1] = ' ', '#'
			}
			for i+1 < len(out) && out[i+1] != '\n' {
				i++
			}
			prev = ' '
			continue
		case (c == '"' || c == '\'') && opensQuote(last):
			quote = c
		case c == '{' || c == '[':
			depth++
			if depth > maxDepth && tooDeep == 0 {
				tooDeep = 1 + bytes.Count(data[:i], []byte("\n"))
			}
		case c == '}' || c == ']':
			depth = max(depth-1, 0)
		}
		prev = c
		if c != ' ' && c != '\t' && c != '\r' {
			last = c
		}
	}
	return out, tooDeep
}

// beginsToken reports whether a comment may begin after the byte prev.
func beginsToken(prev byte) bool {
	switch prev {
	case ' ', '\t', '\r', '\n', ',', '{', '}', '[', ']', '"', '\'':
		return true
	}
	return false
}

// opensQuote reports whether a quotation mark opens a string when last is the
// last byte before it that is not a blank: only where a value can begin, so
// that the apostrophe of a word in a plain string opens nothing.
func opensQuote(last byte) bool {
	switch last {
	case '\n', ':', ',', '{', '[', '-', '?':
		return true
	}
	return false
}
