// Package ipc carries the veneer between the two worlds' processes: one frame
// for each direction of a call, over Unix sockets.
//
// # Who is trusted
//
// The server belongs to the secure world and trusts nothing that arrives: it
// takes the client's identity from the kernel (SO_PEERCRED and a pidfd, never
// from a message), copies a request in once and looks at no byte of it twice
// from the client's memory, checks every size before it allocates, and drops the
// channel of a client that breaks the layout. The client trusts the server with
// its data, not with its memory.
//
// # Channels and sessions
//
// A channel is one connected socket with at most one call on it at a time. It
// opens with a greeting from either side that settles the version of the
// frames. A session is one process on one socket: all channels that the kernel
// says belong to the same process are the same session. A client uses as many
// channels as it has threads calling at once. The session ends when the process
// does, or with its last channel; handles and whatever services keep for it end
// with it.
//
// # Frames
//
// Fixed headers, little-endian, drawn at the types request and reply (frame.go),
// hello and welcome (greeting.go). They hold lengths and no pointers, so that
// another carrier, such as a window of shared memory, can move the same bytes.
//
// # Locks
//
// Server.mu guards the table of sessions and each session's channels. It is held
// for bookkeeping only, never across a system call that can block or a call into
// the secure world.
package ipc
