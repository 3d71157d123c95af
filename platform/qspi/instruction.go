package qspi

// The opcodes that the flash answers as a custom instruction. What it takes
// besides them, as WREN and RST, changes nothing that is emulated; erasing and
// writing are the tasks' business.
const (
	opWRSR = 0x01 // write status register
	opRDSR = 0x05 // read status register
	opRDID = 0x9F // read identification
)

// The bits of the flash's status register.
const (
	statusQE = 1 << 6 // four lines: the only one that can be written here
)

// instruction does what CINSTRCONF says: LENGTH counts the opcode and the data
// bytes, which are sent from CINSTRDAT0 and CINSTRDAT1, and what comes back is
// put there. mu is locked.
func (q *QSPI) instruction() {
	conf := q.value(RegCInstrConf)
	n := int(conf>>8&0xF) - 1
	data, _ := q.reg(RegCInstrDat0)
	switch byte(conf) {
	case opWRSR:
		if n >= 1 {
			q.status = byte(*data) & statusQE
		}
	case opRDSR:
		q.answer(n, q.status)
	case opRDID:
		q.answer(n, q.env.Variant.JEDEC[:]...)
	}
}

// answer puts the first n bytes of p into CINSTRDAT0; the rest of it stays.
func (q *QSPI) answer(n int, p ...byte) {
	data, _ := q.reg(RegCInstrDat0)
	for i := range min(max(n, 0), len(p), 4) {
		*data = *data&^(0xFF<<(8*i)) | uint32(p[i])<<(8*i)
	}
}
