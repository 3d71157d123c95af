package ipc

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pollSet is a set of channels that the kernel watches, edge-triggered.
type pollSet struct {
	epoll int
	bell  int // an eventfd that ends the set
}

// bellSlot is the bell's place in the table of channels: none.
const bellSlot = -1

func newPollSet() (*pollSet, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	p := &pollSet{epoll, bell}
	err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: bellSlot})
	if err != nil {
		p.close()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return p, nil
}

// add puts a channel into the set.
func (p *pollSet) add(ch *channel) error { return p.control(unix.EPOLL_CTL_ADD, ch, false) }

// watch watches a channel in the set anew, also for room to write where asked to.
func (p *pollSet) watch(ch *channel, write bool) error {
	return p.control(unix.EPOLL_CTL_MOD, ch, write)
}

func (p *pollSet) control(op int, ch *channel, write bool) error {
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET)
	if write {
		events |= unix.EPOLLOUT
	}
	return ch.carrier.poll(p.epoll, op, &unix.EpollEvent{Events: events, Fd: ch.slot, Pad: ch.turn})
}

// wait waits for events and returns how many there are, -1 when the set is closed.
func (p *pollSet) wait(events []unix.EpollEvent) int {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return -1
		}
		for _, e := range events[:n] {
			if e.Fd == bellSlot {
				return -1
			}
		}
		return int(n)
	}
}

// ring ends the waiting of everybody on the set, for good.
func (p *pollSet) ring() { unix.Write(p.bell, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (p *pollSet) close() {
	unix.Close(p.bell)
	unix.Close(p.epoll)
}
