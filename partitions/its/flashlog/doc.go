// Package flashlog is the store of Internal Trusted Storage: assets of any
// length, each under an owner and a uid, in an area of NOR flash or RRAM. It
// stands where TF-M has its ITS flash file system, and gives the atomicity that
// the PSA Secure Storage API 1.0 asks of psa_its_set. The ITS partition alone
// calls it, for its own assets and for those of Protected Storage. Lengths, uids
// and contents of assets come from untrusted clients; what the memory holds is
// not trusted to be undamaged, but is not taken for the work of somebody who can
// write it: the checks are against power cuts and decay. (Such a one can make a
// store that holds anything; he cannot make it run for ever, or out of memory.)
//
// # Memory
//
// The memory programs words of four bytes, clearing bits only, and erases pages,
// which sets them all. Power may fail at every word and at every erase. A word
// that was being programmed then has any subset of its bits cleared, a page that
// was being erased any subset of its bits set (nRF5340 Product Specification,
// NVMC). Words of one call of Program may be torn in any order within a line of
// 16 bytes, as RRAM does (nRF54L15 datasheet, RRAMC); only what one call has
// programmed is there before what the next one does. The store programs no word
// that it does not find erased, so it needs one write of a word where nRF5340
// has two, and never overwrites what shares a line with another record.
//
// # Layout
//
// The area is N pages, N >= 2, of which N-1 at most are in use. A page in use is
// a header and then records, one behind the other, none across pages:
//
//	page   0 copy of the header   32 another   64 mark   68 records ... erased
//
//	header 0 seq u32      4 ^seq          8 version u48   14 format u16
//	       16 erases u32  20 victim u32   24 the victim's erases u32
//	       28 CRC-32C of the page's number and bytes 0..27
//
//	record 0 kind u8   1 create flags u8   2 version, high u16
//	       4 owner i32                     8 uid u64
//	       16 version, low u32             20 size of the asset, or index of the part
//	       24 CRC-32C of bytes 0..23
//	       28 payload, to a word with 0xFF
//	       then CRC-32C of bytes 0..27 and the payload; then the seal, 0
//
// All is little endian. Pages are opened in the order of their sequence numbers
// seq, from 1; records go to the newest page only. The version counts sets and
// removals, of the whole store: of two records of an asset the one with the
// higher version is right, wherever they are. A page's header has the highest
// version that was there when it was opened.
//
// An asset is one record of kind asset, preceded by as many records of kind part
// as its length takes, each with a quarter of a page; all have one version. What
// an asset's own record has is the rest, so that its length follows from the
// size. A record of kind removed takes an asset away. A record of kind lost says
// that an asset is there but was damaged, one of kind scar that everything up to
// its version may have had a later one.
//
// # The commit rule
//
// A record is programmed in four steps: header, payload, CRC, seal. It counts
// when the CRC matches. That word is never 0xFFFFFFFF, so a power cut before it
// leaves it blank, or with bits yet to be cleared, and it does not match; a cut
// in the seal leaves it matching. So it is that word alone that commits a
// record; an asset's own record is the last of its records, and a reader finds
// the old asset until then and the new one from then on. It does not rest on a
// CRC being lucky with half a record.
//
// The seal tells a torn record from a damaged one. It is programmed only after
// the CRC is complete, so a record whose seal is not blank was complete once,
// and one that no longer matches its CRC then is reported as corrupt instead of
// being passed over, which would bring back the value before it. A record that
// a cut left complete but without seal is sealed when the store is mounted.
// After a torn record nothing more is written to its page.
//
// # Collection
//
// At first pages are taken in the order in which they lie. Once N-1 of them are
// in use, the one that is left is the reserve, and room is made by collecting a
// page, the victim: the reserve is opened with the next sequence number, its
// header naming the victim; the live records of the victim are copied to it; its
// mark is programmed; the victim is erased, and is the reserve. The copies
// always fit, since they come from one page.
//
//	           victim          reserve             after a cut here
//	at rest    in use          blank
//	open       in use          header              newest has no mark: it is erased,
//	copy       in use          header, copies      and nothing has happened
//	mark       in use          ... and mark        either of these
//	erase      torn            ... and mark        the victim named by the newest page
//	at rest    blank           in use, newest      is erased; its records do not count
//
// A mark that a cut has torn is read as one or the other by the majority of its
// bits; both are right, and what is done then only makes it more so. A header
// cannot be mistaken: seq and ^seq have 32 bits set between them, and neither a
// torn program nor a torn erase changes bits in both directions. So in an area
// with N-1 pages in use each of the N is accounted for, and before that the
// pages in use are the first ones and the others are blank, but for a header
// torn in the first of them and one flipped bit in each. Anything else is refused.
//
// The victim is the page with the fewest live bytes. A page's work is thus at
// most what its garbage is worth: with a share u of the room taken by live
// records, a collected page yields at least a share 1-u of itself. Bookkeeping
// is by lists of the pages with the same number of live bytes, and does not grow
// with the area.
//
// A record of kind removed is live as long as there is a record of that asset
// that it hides, anywhere: each entry of the index counts these. It is dropped
// once the last is erased.
//
// # Wear
//
// Each page counts its erases; the reserve's count is with the page that
// replaced it. Of pages with as many live bytes the one that has been so for
// longest is collected. Before the reserve, which is about to be filled, is used
// while it has been erased 16 times more often than pages have on average, the
// page that has been in use for longest is collected into it: what never changes
// comes to lie on a worn page, and a fresh one is the reserve. So all pages stay
// within a few dozen erases of each other, whatever is written (TestWearIsLevel).
//
// # Room
//
// A record of r bytes fits if a page has, live records apart, room for r bytes,
// since collecting that page makes it so; an asset of n parts, if the pages so
// have room for n parts between them and then for its own record. Room for one
// record of kind removed stays besides, so that an asset can always be removed:
// removal makes dead at least as much as it writes. What an asset replaces stays
// until it is committed.
//
// If records of kind removed are in the way, what they hide is collected, and
// they go: first what the latest removals have hidden, and if these records are
// many, or the area is small, or it is certain to help, all pages in turn. It is
// certain to help where the live records L of assets leave (N-1)(P-r) bytes in
// N-1 pages of P: one of them has at most P-r live bytes then. By this rule,
// which depends on nothing but the assets, room that was asked for with Reserve
// is kept as well.
//
// # Damage
//
// Any one flipped bit is corrected (record headers, by their CRC, whose Hamming
// distance at this length is 6), does not matter (one of two page headers,
// marks, seals, unused space), or is reported (payloads). A record header that
// is beyond repair hides what follows in its page, so every asset whose version
// may be older than what is hidden is reported as corrupt: it may have had a
// newer value; one that has no record elsewhere is not there. When the store is
// mounted a scar takes that down, before the page can be collected. Page headers
// that no power cut can have left keep the store from being opened, and nothing
// is changed: Check finds them, and every page in use that cannot be read,
// before Checked.Mount writes anything.
//
// # Cost
//
// Set, Read, Stat and Remove take a look or two into the index, and as many
// accesses to the memory as the asset has records. A set collects one page, or
// two, where a page is full; none of it grows with the area or with the number
// of assets. The index has 32 bytes for each asset in a Go map, which makes 37
// to 75, and 4 for each part besides; 28 bytes go for each page. Mount reads the
// headers, and then the pages in use once, from the front to the end.
package flashlog
