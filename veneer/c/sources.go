// Package c is the gate for C programs: the five PSA client calls (Arm Firmware
// Framework for M 1.1, section 3.2) as C source, in postern.c and psa/.
//
// In Go it has only those sources, for Go programs that build C programs where
// they run, such as "psa bench". A program of Go's own calls through
// nspe.Connect.
package c

import "embed"

// Sources holds postern.c and the headers psa/client.h and psa/error.h by these
// names. Written to a directory DIR as they are, they are compiled into a
// program by
//
//	cc -std=c99 -pthread -I DIR -o app app.c DIR/postern.c
//
//go:embed postern.c psa/client.h psa/error.h
var Sources embed.FS
