package aescmac

import (
	"reflect"
	"unsafe"
)

// Wipe clears the key schedule of a cipher.Block of crypto/aes, or of a
// cipher.AEAD that crypto/cipher made of one and that holds a copy. Nothing may
// use either afterwards.
//
// Those packages offer no way to do it, and the first round key is the key
// itself, which would stay on the heap for as long as the collector likes. What
// they return is a pointer to a struct of numbers; Wipe zeroes that struct. Where
// it is not one (a build with another AES, as boringcrypto's or s390x's, which
// keeps pointers), Wipe does nothing, and the schedule stays until it is
// collected and its memory used again. The tests tell which.
func Wipe(state any) {
	v := reflect.ValueOf(state)
	if v.Kind() != reflect.Pointer || v.IsNil() || !plain(v.Type().Elem()) {
		return
	}
	clear(unsafe.Slice((*byte)(v.UnsafePointer()), v.Type().Elem().Size()))
}

// plain reports whether values of t are numbers and nothing else, so that zeros
// are a value that the collector need not hear of.
func plain(t reflect.Type) bool {
	switch k := t.Kind(); k {
	case reflect.Array:
		return plain(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !plain(t.Field(i).Type) {
				return false
			}
		}
		return true
	default:
		return k >= reflect.Bool && k <= reflect.Complex128 && k != reflect.Uintptr
	}
}
