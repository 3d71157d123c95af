package debugport

import "fmt"

// Register is a register of the CTRL-AP as the debugger sees it, by the name
// that the Product Specification gives it. Where it is depends on the board, and
// not every board has every one.
type Register uint8

const (
	Reset Register = iota
	EraseAll
	EraseAllStatus
	APProtectStatus
	APProtectDisable
	SecureAPProtectDisable
	EraseProtectStatus
	EraseProtectDisable
	MailboxTXData
	MailboxTXStatus
	MailboxRXData
	MailboxRXStatus
	InfoPartNo
	InfoHWRevision
	IDR
)

var registerNames = [...]string{
	"RESET", "ERASEALL", "ERASEALLSTATUS", "APPROTECT.STATUS", "APPROTECT.DISABLE", "SECUREAPPROTECT.DISABLE",
	"ERASEPROTECT.STATUS", "ERASEPROTECT.DISABLE", "MAILBOX.TXDATA", "MAILBOX.TXSTATUS", "MAILBOX.RXDATA",
	"MAILBOX.RXSTATUS", "INFO.PARTNO", "INFO.HWREVISION", "IDR",
}

func (r Register) String() string {
	if int(r) < len(registerNames) {
		return registerNames[r]
	}
	return fmt.Sprintf("register %d", uint8(r))
}

// Bits of the status registers.
const (
	statusAPProtect       uint32 = 1 << 0 // APPROTECT.STATUS
	statusSecureAPProtect uint32 = 1 << 1
	statusEraseProtect    uint32 = 1 << 0 // ERASEPROTECT.STATUS
)

// Board is what a debugger has to know of a board.
type Board struct {
	Name string
	// MemoryAP and CtrlAP are the numbers of the access ports.
	MemoryAP, CtrlAP uint8
	// Registers are the CTRL-AP's by their offsets.
	Registers map[Register]uint32
	// EraseStates is what the values of ERASEALLSTATUS mean; others are busy.
	EraseStates map[uint32]EraseState
	// OnesProtect: a 1 in a protection status means protected, and not open.
	OnesProtect bool

	unlock []Register // where a debugger offers a key
}

// EraseState is how far an ERASEALL is.
type EraseState string

const (
	EraseReady  EraseState = "ready"
	EraseBusy   EraseState = "busy"
	EraseDone   EraseState = "done" // and the device waits for a reset
	EraseFailed EraseState = "failed"
)

// Boards are the boards that this package knows. Offsets and values: Product
// Specifications of the nRF5340 and nRF9160 and datasheet of the nRF54L15,
// chapter CTRL-AP. APPROTECT.STATUS of the nRF5340 is missing from the
// register overview, and is where the nRF9160 has it. The polarity of the
// nRF54L15's is documented for ERASEPROTECT.STATUS alone, and taken to be that
// of APPROTECT.STATUS too.
func Boards() []Board {
	nvmc := map[uint32]EraseState{0: EraseReady, 1: EraseBusy}
	keys := []Register{APProtectDisable, SecureAPProtectDisable}
	nrf5340 := map[Register]uint32{
		Reset: 0x000, EraseAll: 0x004, EraseAllStatus: 0x008,
		APProtectStatus: 0x00C, APProtectDisable: 0x010, SecureAPProtectDisable: 0x014,
		EraseProtectStatus: 0x018, EraseProtectDisable: 0x01C,
		MailboxTXData: 0x020, MailboxTXStatus: 0x024, MailboxRXData: 0x028, MailboxRXStatus: 0x02C,
		IDR: 0x0FC,
	}
	return []Board{
		{Name: "nrf5340", MemoryAP: 0, CtrlAP: 2, Registers: nrf5340, EraseStates: nvmc, unlock: keys},
		{
			Name: "nrf9160", MemoryAP: 0, CtrlAP: 4, EraseStates: nvmc, unlock: keys, // which it has not
			Registers: map[Register]uint32{
				Reset: 0x000, EraseAll: 0x004, EraseAllStatus: 0x008, APProtectStatus: 0x00C,
				EraseProtectStatus: 0x018, EraseProtectDisable: 0x01C,
				MailboxTXData: 0x020, MailboxTXStatus: 0x024, MailboxRXData: 0x028, MailboxRXStatus: 0x02C,
				IDR: 0x0FC,
			},
		},
		{
			Name: "nrf54l15", MemoryAP: 0, CtrlAP: 2, OnesProtect: true, unlock: []Register{MailboxTXData},
			EraseStates: map[uint32]EraseState{0: EraseReady, 1: EraseDone, 2: EraseBusy, 3: EraseFailed},
			Registers: map[Register]uint32{
				Reset: 0x000, EraseAll: 0x004, EraseAllStatus: 0x008,
				EraseProtectStatus: 0x00C, EraseProtectDisable: 0x010, APProtectStatus: 0x014,
				MailboxTXData: 0x020, MailboxTXStatus: 0x024, MailboxRXData: 0x028, MailboxRXStatus: 0x02C,
				InfoPartNo: 0x030, InfoHWRevision: 0x034, IDR: 0x0FC,
			},
		},
		{Name: "virt", MemoryAP: 0, CtrlAP: 2, Registers: nrf5340, EraseStates: nvmc, unlock: keys},
	}
}

func boardOf(name string) *Board {
	for _, b := range Boards() {
		if b.Name == name {
			return &b
		}
	}
	return nil
}

// UnknownBoardError is a device whose board this package does not know.
type UnknownBoardError struct{ Name string }

func (e *UnknownBoardError) Error() string {
	return fmt.Sprintf("debug port: nothing is known of the board %q", e.Name)
}

// NoRegisterError is a register that the board's CTRL-AP does not have.
type NoRegisterError struct {
	Board    string
	Register Register
}

func (e *NoRegisterError) Error() string {
	return fmt.Sprintf("the CTRL-AP of %s has no %v", e.Board, e.Register)
}
