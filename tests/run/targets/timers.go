// Calls that time themselves while their goroutines go from thread to thread: timers CALLS. At the end a line for each call:
// "timer ID NANOSECONDS MOVED". MOVED is 1 when the call ended in another thread than it began in.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const workers = 20

// At least 5 ms, and as long as it takes to be moved (up to a limit: a call that stays counts as such).
//
//go:noinline
func timed(id int) (moved bool) {
	tid := syscall.Gettid()
	for i := 0; i < 5 || (i < 100 && syscall.Gettid() == tid); i++ {
		time.Sleep(time.Millisecond)
	}
	return syscall.Gettid() != tid
}

func main() {
	var wg sync.WaitGroup

	n, _ := strconv.Atoi(os.Args[1])
	runtime.GOMAXPROCS(4)
	took := make([]time.Duration, n)
	moved := make([]bool, n)
	for w := 0; w < workers; w++ {
		wg.Add(1)
		go func(w int) {
			defer wg.Done()
			for id := w; id < n; id += workers {
				start := time.Now()
				moved[id] = timed(id)
				took[id] = time.Since(start)
			}
		}(w)
	}
	wg.Wait()
	for id := range took {
		m := 0
		if moved[id] {
			m = 1
		}
		fmt.Println("timer", id, took[id].Nanoseconds(), m)
	}
}
