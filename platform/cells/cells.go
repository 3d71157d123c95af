// Package cells emulates non-volatile memory cells as such, with no addresses
// and no security, only offsets: NOR flash (the internal flash of nRF53 and nRF91
// and the external flash of the boards: Product Specifications, chapter NVMC,
// and the MX25R6435F's data sheet) and the RRAM of nRF54L (datasheet, chapter
// RRAMC).
//
// An Image is the bytes, in mapped files or in memory. Flash and RRAM put the
// rules of their technology before them: what a write can change, how many of
// them a word or line has had, and what a power failure leaves. Each word
// programmed, page erased and line written is a point of the device's
// power.Supply, numbered over all its memories.
//
// What is in an Image has been written when an operation returns: it survives
// the death of this process at any instruction. What survives the death of the
// host is up to the host; Sync and SyncRange ask it to write and wait, and where it
// cannot, the memory answers nothing but that from then on (package disk).
//
// Not emulated: retention, read disturb, and cells that fail when their
// endurance is used up; the counts are there to see.
//
// The controllers (packages nvmc, rramc, qspi, uicr) call it, after the bus and
// the guard have decided. Offsets, lengths and values may still be an
// attacker's: each operation checks them.
package cells

// WordSize is the unit of programming flash in bytes.
const WordSize = 4

// Erased is the value of a byte after an erase.
const Erased = 0xFF
