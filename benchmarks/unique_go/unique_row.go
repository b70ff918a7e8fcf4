// The row "intern" for Go's package unique: make the handle of one of 1,000 present strings of 16 bytes, in an order chosen
// beforehand as in caches_lido.c. Prints figures as the C programs do.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sort"
	"syscall"
	"time"
	"unique"
	"unsafe"
)

const (
	few   = 1000
	turns = 1 << 16
)

var (
	texts   [few]string
	order   [turns]uint32
	handles [few]unique.Handle[string]
	sink    unique.Handle[string]
)

func choose(seed uint64) {
	state := seed
	for i := range order {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		order[i] = uint32(state % few)
	}
}

func run(count int) {
	for i := 0; i < count; i++ {
		sink = unique.Make(texts[order[i%turns]])
	}
}

func timeOf(count int) float64 {
	start := time.Now()
	run(count)
	return float64(time.Since(start).Nanoseconds())
}

func calibrate(wanted float64) int {
	count := 64
	elapsed := timeOf(count)
	for elapsed < wanted/4 {
		count *= 2
		elapsed = timeOf(count)
	}
	return int(float64(count)*wanted/elapsed) + 1
}

// On the first processor, as the C programs' first thread.
func pin() {
	runtime.LockOSThread()
	var allowed, first [16]uint64
	size := unsafe.Sizeof(allowed)
	syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, size, uintptr(unsafe.Pointer(&allowed)))
	for i, word := range allowed {
		if word != 0 {
			first[i] = word & -word
			break
		}
	}
	syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, size, uintptr(unsafe.Pointer(&first)))
}

func main() {
	flag.String("rows", "intern", "rows; there is one")
	slices := flag.Int("slices", 5, "samples")
	sliceMs := flag.Float64("slice-ms", 20, "milliseconds for each")
	seed := flag.Uint64("seed", 20240229, "of the random choice")
	flag.Parse()
	pin()
	for i := range texts {
		texts[i] = fmt.Sprintf("key:%012d", i)
		handles[i] = unique.Make(texts[i])
	}
	choose(*seed)
	count := calibrate(*sliceMs*1e6)
	samples := make([]float64, *slices)
	for i := range samples {
		samples[i] = timeOf(count) / float64(count)
	}
	sorted := append([]float64(nil), samples...)
	sort.Float64s(sorted)
	line := map[string]any{"row": "intern", "subject": "go", "unit": "ns", "value": sorted[len(sorted)/2], "samples": samples}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		os.Exit(2)
	}
	runtime.KeepAlive(handles)
}
