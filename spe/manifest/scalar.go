package manifest

import (
	"math"
	"strconv"
)

// integer reads a whole number in min..max that is written as a YAML number or
// as a string of one, in any base that C knows. An absent value is not ok
// without an error.
func (s *source) integer(field string, v any, min, max int64) (n int64, ok bool, err error) {
	switch v := v.(type) {
	case nil:
		return 0, false, nil
	case int:
		n = int64(v)
	case int64:
		n = v
	case uint64:
		if v > math.MaxInt64 {
			return 0, false, s.at(field, "%d is not in %d..%d", v, min, max)
		}
		n = int64(v)
	case string:
		n, err = strconv.ParseInt(v, 0, 64)
		if err != nil {
			return 0, false, s.at(field, "%q is not a number", v)
		}
	default:
		return 0, false, s.at(field, "%v is not a number", v)
	}
	if n < min || n > max {
		return 0, false, s.at(field, "%d is not in %d..%d", n, min, max)
	}
	return n, true, nil
}

// size reads a stack or heap size.
func (s *source) size(field string, v any) (Size, error) {
	if name, ok := v.(string); ok && isName(name) {
		return Size{Macro: name}, nil
	}
	n, _, err := s.integer(field, v, 0, math.MaxUint32)
	return Size{Bytes: uint32(n)}, err
}

// clientIDs reads a range of client IDs. It is absent, or whole and negative.
func (s *source) clientIDs(prefix string, base, limit any) (ClientIDs, error) {
	b, hasBase, err := s.integer(prefix+"client_id_base", base, math.MinInt32, -1)
	if err != nil {
		return ClientIDs{}, err
	}
	l, hasLimit, err := s.integer(prefix+"client_id_limit", limit, math.MinInt32, -1)
	switch {
	case err != nil:
		return ClientIDs{}, err
	case hasBase && !hasLimit:
		return ClientIDs{}, s.at(prefix+"client_id_limit", "is missing: client_id_base begins a range")
	case hasLimit && !hasBase:
		return ClientIDs{}, s.at(prefix+"client_id_base", "is missing: client_id_limit ends a range")
	case b > l:
		return ClientIDs{}, s.at(prefix+"client_id_limit", "%d is below client_id_base, %d", l, b)
	}
	return ClientIDs{Base: int32(b), Limit: int32(l)}, nil
}

// frameworkVersion reads psa_framework_version: 1.0 or 1.1, with or without
// quotes.
func (s *source) frameworkVersion(v any) (FrameworkVersion, error) {
	const field = "psa_framework_version"
	switch v {
	case nil:
		return 0, s.at(field, "is missing")
	case 1.0, "1.0", uint64(1), "1":
		return FrameworkVersion10, nil
	case 1.1, "1.1":
		return FrameworkVersion11, nil
	}
	return 0, s.at(field, "%v is neither 1.0 nor 1.1", v)
}

// isName reports whether v can name something in C, as every partition,
// service, interrupt and macro does.
func isName(v string) bool {
	for i := range len(v) {
		c := v[i]
		switch {
		case c == '_', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
		case c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return v != ""
}

// oneOf returns v as one of the values that a field may have.
func oneOf[T ~string](s *source, field, v string, allowed ...T) (T, error) {
	var list string
	for i, a := range allowed {
		if v == string(a) {
			return a, nil
		}
		switch {
		case i == len(allowed)-1:
			list += " or "
		case i > 0:
			list += ", "
		}
		list += string(a)
	}
	if v == "" {
		return "", s.at(field, "is missing: %s", list)
	}
	return "", s.at(field, "%q is not %s", v, list)
}

// name returns v if it is a name in the sense of isName.
func (s *source) name(field, v string) (string, error) {
	switch {
	case v == "":
		return "", s.at(field, "is missing")
	case !isName(v):
		return "", s.at(field, "%q is not a name: letters, digits and underscores", v)
	}
	return v, nil
}
