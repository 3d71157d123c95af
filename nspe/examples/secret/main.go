// Command secret keeps a secret in Protected Storage.
//
//	POSTERN_SOCKET=DIR/run/ns.sock secret store UID <SECRET
//	POSTERN_SOCKET=DIR/run/ns.sock secret recall UID >SECRET
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"strconv"

	"github.com/postern-spe/postern/nspe"
	"github.com/postern-spe/postern/veneer/ps"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("secret: ")
	if len(os.Args) != 3 {
		log.Fatal("usage: secret store|recall UID")
	}
	uid, err := strconv.ParseUint(os.Args[2], 0, 64)
	if err == nil {
		err = run(os.Args[1], ps.UID(uid))
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(what string, uid ps.UID) error {
	conn, err := nspe.Connect("")
	if err != nil {
		return err
	}
	defer conn.Disconnect()
	storage := ps.New(conn)
	switch what {
	case "store":
		data, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		return storage.Set(uid, data, 0)
	case "recall":
		data, err := storage.ReadAll(uid)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(data)
		return err
	}
	return fmt.Errorf("no such thing as %q", what)
}
