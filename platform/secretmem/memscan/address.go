package memscan

import "unsafe"

// address returns where p lies.
func address(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }
