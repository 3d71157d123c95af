package cells

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// childVar names the directory of the flash for the child of TestKill, which is
// this test binary.
const childVar = "POSTERN_TEST_FLASH"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		programForever(dir)
	}
	os.Exit(m.Run())
}

// openFlash maps flash.bin and wear.bin of dir.
func openFlash(dir string) (*Flash, error) {
	img, err := mapWhole(filepath.Join(dir, "flash.bin"))
	if err != nil {
		return nil, err
	}
	counts, err := mapWhole(filepath.Join(dir, "wear.bin"))
	if err != nil {
		return nil, err
	}
	w, err := NewWear(counts, testSize, testPage)
	if err != nil {
		return nil, err
	}
	return NewFlash(img, Options{Page: testPage, Wear: w, MaxWrites: 1}), nil
}

// programForever programs word after word, each with its own number, erasing
// when the flash is full, and reports each number once Program has returned.
func programForever(dir string) {
	f, err := openFlash(dir)
	if err != nil {
		panic(err)
	}
	for n := 0; ; n++ {
		off := n * WordSize % testSize
		if off%testPage == 0 {
			if err := f.Erase(off); err != nil {
				panic(err)
			}
		}
		if err := f.Program(off, binary.LittleEndian.AppendUint32(nil, uint32(n))); err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

// TestKill kills a process with SIGKILL while it programs: what Program has
// acknowledged is in the file, no word is torn, and the counts are those of
// what was done, less the one that was under way.
func TestKill(t *testing.T) {
	const perPage = testPage / WordSize
	for _, after := range []int{0, 1, 500, 3000} {
		dir := t.TempDir()
		for name, b := range map[string]byte{"flash.bin": Erased, "wear.bin": 0} {
			n := testSize
			if b == 0 {
				n = WearSize(testSize, testPage)
			}
			if err := os.Rename(file(t, name, n, b), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		last := kill(t, dir, after)
		f, err := openFlash(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		page := last / perPage
		for n := page * perPage; n <= last; n++ {
			off := n * WordSize % testSize
			got, err := f.Word(off)
			if err != nil {
				t.Fatal(err)
			}
			if got != uint32(n) || f.Wear().Writes(off) != 1 {
				t.Fatalf("word %d of %d acknowledged: 0x%x, written %d times", n, last, got, f.Wear().Writes(off))
			}
		}
		if got := f.Wear().Erases(page % (testSize / testPage)); got != uint32(1+page/(testSize/testPage)) {
			t.Errorf("page %d was erased %d times", page, got)
		}
	}
}

// kill runs a child until it has acknowledged after words, kills it, and returns
// the last word that it acknowledged.
func kill(t *testing.T, dir string, after int) (last int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last = -1
	for lines := bufio.NewReader(out); ; {
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
	return last
}
