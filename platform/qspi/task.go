package qspi

import (
	"errors"
	"time"

	"github.com/postern-spe/postern/platform/cells"
)

// task does what a write to a TASKS register starts, or to CINSTRCONF.
func (q *QSPI) task(off uint32) {
	q.mu.Lock()
	switch {
	case off == RegTasksDeactivate:
		q.active = false
		q.mu.Unlock()
		return
	case off == RegTasksActivate:
		q.active = q.enabled
	}
	if !q.active || q.busy {
		q.mu.Unlock()
		return
	}
	q.busy = true
	generation := q.generation
	// An operation has the registers as they are when it starts.
	read := newTransfer(q.value(RegReadSrc), q.value(RegReadDst), q.value(RegReadCnt))
	write := newTransfer(q.value(RegWriteDst), q.value(RegWriteSrc), q.value(RegWriteCnt))
	erase, length := q.value(RegErasePtr), q.value(RegEraseLen)
	if off == RegCInstrConf {
		q.instruction()
	}
	q.mu.Unlock()

	var took time.Duration
	var err error
	switch off {
	case RegTasksReadStart:
		took, err = q.read(read)
	case RegTasksWriteStart:
		took, err = q.program(write)
	case RegTasksEraseStart:
		took, err = q.erase(erase, length)
	}
	q.finish(took, generation, err)
}

// transfer is an EasyDMA transfer of n bytes between the flash and RAM.
type transfer struct {
	flash int
	ram   uint32
	n     int
}

func newTransfer(flash, ram, n uint32) transfer {
	return transfer{int(flash &^ 3), ram &^ 3, int(n &^ 3)}
}

// chunk returns the next part of the transfer, which ends with a page of the
// flash, and how much of it is in the flash.
func (t *transfer) chunk(size int) (flash int, ram uint32, n, inside int) {
	flash, ram = t.flash, t.ram
	n = min(t.n, programPage-flash%programPage)
	inside = max(0, min(n, size-flash))
	t.flash, t.ram, t.n = flash+n, ram+uint32(n), t.n-n
	return flash, ram, n, inside
}

func (q *QSPI) read(t transfer) (took time.Duration, err error) {
	var page [programPage]byte
	for t.n > 0 {
		at, ram, n, inside := t.chunk(q.env.Variant.Size)
		for i := range page {
			page[i] = cells.Erased
		}
		if inside > 0 {
			if err := q.flash.Read(at, page[:inside]); err != nil {
				return 0, err
			}
		}
		q.env.DMA.WriteBlock(ram, page[:n])
		took += q.env.Variant.Read
	}
	return took, nil
}

func (q *QSPI) program(t transfer) (took time.Duration, err error) {
	var page [programPage]byte
	for t.n > 0 {
		at, ram, n, inside := t.chunk(q.env.Variant.Size)
		q.env.DMA.ReadBlock(ram, page[:n])
		if inside > 0 {
			if err := q.programCells(at, page[:inside]); err != nil {
				return 0, err
			}
		}
		took += q.env.Variant.Program
	}
	return took, nil
}

// programCells programs without a word about bits that could not become 1, as
// the flash does.
func (q *QSPI) programCells(off int, p []byte) error {
	err := q.flash.Program(off, p)
	if err == nil {
		return nil
	}
	var zero *cells.ProgramError
	if errors.As(err, &zero) {
		return nil
	}
	return err
}

func (q *QSPI) erase(ptr, length uint32) (time.Duration, error) {
	switch length {
	case Erase4KB:
		return q.env.Variant.EraseSector, q.eraseCells(ptr, sector)
	case Erase64KB:
		return q.env.Variant.EraseBlock, q.eraseCells(ptr, block)
	case EraseAll:
		return q.env.Variant.EraseAll, q.flash.EraseAll()
	}
	return 0, nil
}

// eraseCells erases the unit that holds ptr, sector after sector, each a point of
// power failure.
func (q *QSPI) eraseCells(ptr, unit uint32) error {
	from := int(ptr &^ (unit - 1))
	if from >= q.env.Variant.Size {
		return nil
	}
	for off := from; off < from+int(unit); off += sector {
		if err := q.flash.Erase(off); err != nil {
			return err
		}
	}
	return nil
}
