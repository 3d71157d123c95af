package cells

// SyncRange returns when the cells from..to are on the host's disk, and the
// memory can be used meanwhile. It leaves the counts to the host, which writes
// them in its own time. An error of the host is a *disk.SyncError, and the answer
// of every operation from then on, reads too: nothing is told to anybody that the
// host may lose.
func (f *Flash) SyncRange(from, to int) error {
	f.mu.Lock()
	err := f.usable("sync", from, to-from, 1)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.img.syncRange(from, to)
}

// Sync asks the host to write cells and counts to its disk, and waits.
func (f *Flash) Sync() error {
	if err := f.img.Sync(); err != nil || f.wear == nil {
		return err
	}
	return f.wear.img.Sync()
}

// written is the end of each operation that has changed n bytes at off.
func (f *Flash) written(off, n int) error {
	if !f.durable {
		return nil
	}
	return f.img.syncRange(off, off+n)
}

// SyncRange is Flash.SyncRange.
func (r *RRAM) SyncRange(from, to int) error {
	r.mu.Lock()
	err := r.usable("sync", from, to-from, 1)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.img.syncRange(from, to)
}

// Sync asks the host to write cells and counts to its disk, and waits.
func (r *RRAM) Sync() error {
	if err := r.img.Sync(); err != nil || r.lines == nil {
		return err
	}
	return r.lines.img.Sync()
}
