// Command psa is the non-secure shell: everything that an application can ask
// of the secure world, as a command line. It knows the secure world by the
// veneer alone; nothing of it is linked in.
package main

import "os"

func main() {
	os.Exit(run(newEnv(), os.Args[1:]))
}
