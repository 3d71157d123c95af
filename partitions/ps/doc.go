// Package ps is the Protected Storage partition: all of psa/protected_storage.h of
// the PSA Secure Storage API 1.0.4 (SID 0x60), with TF-M 2.3's messages, and with
// messages of this project for psa_ps_create and psa_ps_set_extended, which TF-M
// lacks. The secure world boots it; non-secure programs and secure partitions call
// it through the SPM, with package veneer/ps or TF-M's own C sources.
//
// Two sides are hostile. The caller chooses everything in a message but the
// owner, which the SPM names. And the medium, which Internal Trusted Storage
// keeps for this partition, may be read and written by somebody with a probe or
// a soldering iron, and its power cut, at any time: what comes back from it is
// believed only after it authenticates. Whoever can write the medium can destroy
// an asset; he cannot read one, change one, put an earlier one back, take one
// away unseen, or pass one for another's, for another uid's or for one with other
// flags. Assets with NO_REPLAY_PROTECTION can be put back and taken away.
//
// # Objects
//
// An asset is one object of Internal Trusted Storage, so that one set there
// changes all of it:
//
//	0 format u32   4 owner i32   8 uid u64   16 flags u32   20 size u32
//	24 capacity u32   28 epoch u32   32 nonce, 12 bytes
//	44 contents, capacity bytes   tag, 16 bytes
//
// The cipher is AES-256-GCM in the Crypto partition. Each owner has a key,
// HKDF-SHA-256 of the hardware unique key with the owner as info, and so has this
// partition for objects that are nobody's asset; these keys never leave Crypto.
// (TF-M has a key for each asset: a program that works on many assets would
// derive one for every access.) The additional data is bytes 0..31 and the
// object's uid in Internal Trusted Storage. Contents are encrypted; those of an
// asset with NO_CONFIDENTIALITY are stored as they are, and are additional data
// too. Contents past the size are zeros.
//
// The nonce is random. With q uses of one key, two nonces are the same with a
// chance of less than q^2/2^97. The counter below ends the changes of protected
// assets, and with them the uses of the partition's own key, at 2^32, which makes
// 2^-33; flash ends all others, 16 MiB that endure 10,000 erases at less than
// 2^31 objects, which makes 2^-35. A counter for nonces would have to be stored,
// and could be rolled back.
//
// # Protection against rollback
//
// A protected object is one of an asset without NO_REPLAY_PROTECTION, or of the
// partition's own. Each has a fingerprint: a pseudorandom function, with a key of
// this device, of its place and its tag, which authenticates the rest of it. The
// root (root.go) is one more object. It holds a number and, encrypted, two sums of
// the fingerprints of all protected objects: before the change that it belongs to,
// and after. A counter of the device, which nobody can turn back, says which root
// counts. A change is
//
//  1. the root is written, with the counter's next number
//  2. the object is set or removed in Internal Trusted Storage
//  3. the counter is incremented
//  4. the call is answered
//
// and at a start the protected objects that are there, of which the first and the
// last bytes are enough, must have the sums
//
//	after            if the root has the counter's number
//	before or after  if it has the next: the power was cut in between
//
// Whatever is found besides is not what this partition has left. Then, before the
// first message is answered, settling makes that state the only one: the root is
// written and the counter incremented, twice, while nothing changes. For a copy
// of another root may be about, with the counter's next number: somebody can cut
// the power before step 3, copy the medium, and put the one before it back, from
// which the device goes on as if nothing had been. Without settling, the copy
// would count again after the next change, in its place. With it, no root that
// was written before a start is worth anything once the first call is answered.
// The same is done after a change that was refused in step 2, before the next.
//
// It follows: of what has been answered since the device started, by a get or a
// set, nothing can be undone; each protected object that is there was stored
// last at its place; and the one change that a power cut interrupts is wholly made
// or not at all. While the device runs it knows all fingerprints, and every get
// compares; an object that is put back is noticed then. The cost of a change is
// one root and one increment, however many assets there are.
//
// The second sum, of fingerprints times places (fingerprint.go), finds the place
// if one object is wrong: put back, taken away or damaged. All others are then as
// they should be, and go on. In the place comes a mark, by a change like any
// other, and every asset that may have been there answers
// PSA_ERROR_INVALID_SIGNATURE until it is set or removed, or for good if what was
// there was write-once. Objects wrong in two places or more, or no root, or one of
// another number, are more than can be mended: a new epoch begins, with the first
// change, so that the right medium can still take the place of a wrong one. Protected
// objects of epochs before it answer PSA_ERROR_INVALID_SIGNATURE until they are
// set or removed, write-once or not; nothing is known of an asset that the medium
// does not have, which answers PSA_ERROR_DOES_NOT_EXIST as if it had never been.
// The log has a line of either.
//
// Where settling fails, since somebody has filled the medium or since it or the
// counter cannot be written, assets can be read all the same. Then the one change
// that a power cut has interrupted, which was never answered, can be there at one
// start and not at another. Nothing is changed before settling has succeeded, so
// that what was answered stays.
//
// The key of the fingerprints is in this partition's memory while it runs, other
// than the keys of objects. Who has it can choose among objects that were once
// stored; he can still not read or make one.
//
// What this does not stop: somebody who can put the counter back as well. Here
// that takes the device's whole directory, on the chip the debug port or a flash
// controller of his own. And somebody who destroys the root destroys the trust in
// all protected assets, as he can by destroying the assets.
//
// # Assets that are created
//
// psa_ps_create stores the object with all of its capacity at once, and marks it
// for Internal Trusted Storage with its.KeepRoom, which keeps room for one more
// object of the largest such capacity. So psa_ps_set_extended, which writes the
// whole object anew, finds room however full the medium is. It costs as much flash
// as a set of the capacity does, for any number of bytes: one object means one
// commit, one nonce, one tag. psa_ps_set on such an asset makes it an ordinary one.
//
// # Where an object is
//
// An owner and a uid are 96 bits, a uid of Internal Trusted Storage has 64, of
// which this package takes 56 from a hash and 8 for a slot. An asset is in the
// first slot of its hash that is not another asset's. Two assets with the same
// hash thus cost a step more, and are never taken for each other: the object
// itself says whose it is. When an asset leaves a slot and the next slot is not
// empty, an authenticated hole stays behind, so that what lies beyond is still
// found. Every operation changes one object in one step. The lowest 256 uids are
// no slots; the root is there.
package ps
