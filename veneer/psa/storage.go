package psa

// StorageFlags is psa_storage_create_flags_t (Secure Storage API 1.0).
type StorageFlags uint32

// Storage flags. Every other bit is refused.
const (
	StorageNone               StorageFlags = 0
	StorageWriteOnce          StorageFlags = 1
	StorageNoConfidentiality  StorageFlags = 2
	StorageNoReplayProtection StorageFlags = 4
	StorageAll                             = StorageWriteOnce | StorageNoConfidentiality | StorageNoReplayProtection
)
