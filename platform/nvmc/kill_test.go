package nvmc

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// childVar names the flash file for the child of TestKill, which is this test
// binary.
const childVar = "POSTERN_TEST_FLASH"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVar); path != "" {
		programForever(path)
	}
	os.Exit(m.Run())
}

// programForever programs word after word, each with its own number, erasing
// when the flash is full, and reports each number once Program has returned.
func programForever(path string) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	a, err := MapArray(f, testSize, testPage)
	if err != nil {
		panic(err)
	}
	for n := 0; ; n++ {
		off := n * WordSize % testSize
		if off%testPage == 0 {
			if err := a.Erase(off); err != nil {
				panic(err)
			}
		}
		if err := a.Program(off, binary.LittleEndian.AppendUint32(nil, uint32(n))); err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

// TestKill kills a process with SIGKILL while it programs: what Program has
// acknowledged is in the file, and no word is torn.
func TestKill(t *testing.T) {
	for _, after := range []int{0, 1, 500, 3000} {
		path := erasedFile(t)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVar+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, last := bufio.NewReader(out), -1
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // an unfinished line acknowledges nothing
			}
			if last, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
				t.Fatal(err)
			}
			if last == after {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd.Wait()
		if last < after {
			t.Fatalf("the child ended after word %d", last)
		}
		a := mapFile(t, path)
		for n := max(0, last-testPage/WordSize); n <= last; n++ {
			if n/(testPage/WordSize) != last/(testPage/WordSize) {
				continue // another page: it may have been erased again since
			}
			got, err := a.Word(n * WordSize % testSize)
			if err != nil {
				t.Fatal(err)
			}
			if got != uint32(n) {
				t.Fatalf("word %d of %d acknowledged: 0x%x", n, last, got)
			}
		}
	}
}
