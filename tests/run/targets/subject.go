// A Go program for the tests to look into. The first argument says what it does; every mode ends by
// itself and makes a known number of calls.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

type point struct {
	x, y int
	name string
}

type store struct {
	hits  int
	inner *point
	label string
}

var sink int

//go:noinline
func prepareAnswer(name string, year int, status int) string {
	sink++
	return name + "-" + strconv.Itoa(year+status)
}

//go:noinline
func small(a int8, b uint16, c bool, d byte) int16 {
	sink++
	return int16(a) - int16(b)
}

//go:noinline
func sliced(data []byte, m map[string]int, ch chan int, p *point) (int, bool) {
	sink++
	return len(data) + len(m) + cap(ch) + p.x, p.y > 0
}

//go:noinline
func structs(p point, n int) point {
	sink++
	return point{p.y, p.x, p.name + "!"}
}

//go:noinline
func floats(f float64, n int) float64 {
	sink++
	return f * float64(n)
}

//go:noinline
func blank(a int, _ string, c int) int {
	sink++
	return a + c
}

//go:noinline
func many(a, b, c, d, e, f, g, h, i, j, k int, s string) (int, int, int, int, int, int, int, int, int, int, int) {
	sink++
	return k, j, i, h, g, f, e, d, c, b, len(s)
}

//go:noinline
func padded(n int, pad [4]int, s string) int {
	sink++
	return n + pad[2] + len(s)
}

//go:noinline
func (s *store) Load(id string) (n int, err error) {
	s.hits++
	if id == "" {
		return 0, errors.New("no id")
	}
	return s.hits, nil
}

//go:noinline
func (s store) Value(add int) int {
	return s.hits + add
}

//go:noinline
func generic[T any](v T, n int) int {
	sink++
	return n
}

//go:noinline
func recurse(n int) int {
	var room [64]int

	if n == 0 {
		return 0
	}
	room[n%64] = n
	return recurse(n-1) + room[n%64] - n + 1
}

//go:noinline
func grower(n int, text string) int {
	var local [16]byte

	copy(local[:], "on the stack")
	return recurse(n) + len(text) + viaStack(local[:], n)
}

// The slice points into its caller's frame, which moves while it runs.
//
//go:noinline
func viaStack(b []byte, n int) int {
	if n == 0 {
		return len(b)
	}
	return recurse(n*4) * 0
}

//go:noinline
func panics(n int) int {
	if n%3 == 0 {
		panic("every third")
	}
	return n
}

//go:noinline
func through(n int) int { return panics(n) + 1 }

//go:noinline
func recovers(n int) (r int) {
	defer func() {
		if recover() != nil {
			r = -1
		}
	}()
	return through(n)
}

//go:noinline
func exits(n int) int {
	if n%2 == 0 {
		runtime.Goexit()
	}
	return n
}

//go:noinline
func sleeper(n int) int {
	time.Sleep(time.Millisecond)
	return n
}

//go:noinline
func spin(n int) int { return n + sink&1 }

//go:noinline
func empty(n int) {}

func inlined(n int) int { return n * 3 }

func each(n, workers int, fn func(i int)) {
	var wg sync.WaitGroup

	for w := 0; w < workers; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < n; i++ {
				fn(i)
			}
		}()
	}
	wg.Wait()
}

func values() {
	st := &store{0, &point{7, 8, "inner"}, "label"}

	for y := 1993; y < 1996; y++ {
		prepareAnswer("answer"+strconv.Itoa(y), y, 200)
	}
	prepareAnswer("", 0, -1)
	small(-5, 65535, true, 255)
	sliced([]byte("bytes\x00and"), map[string]int{"a": 1, "b": 2}, make(chan int, 4), st.inner)
	structs(point{1, 2, "pt"}, 9)
	floats(1.5, 4)
	blank(1, "hidden", 3)
	many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, "twelve")
	padded(5, [4]int{1, 2, 3, 4}, "pad")
	st.Load("first")
	st.Load("")
	st.Value(41)
	generic("text", 3)
	generic(12, 4)
	for i := 0; i < 7; i++ {
		empty(i)
	}
	sink += inlined(sink)
}

func main() {
	n, mode := 1000, "values"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	if len(os.Args) > 2 {
		n, _ = strconv.Atoi(os.Args[2])
	}
	switch mode {
	case "values":
		values()
	case "grow": // each call in a fresh goroutine, whose stack is small
		for i := 0; i < n; i++ {
			each(1, 1, func(int) { grower(40, "text") })
		}
	case "recurse":
		recurse(n)
	case "preempt":
		runtime.GOMAXPROCS(1)
		go func() {
			for {
				time.Sleep(50 * time.Microsecond)
			}
		}()
		for i := 0; i < n; i++ {
			spin(i)
		}
	case "panic":
		each(n, 4, func(i int) { recovers(i) })
	case "exit":
		for i := 0; i < n; i++ {
			each(1, 1, func(int) { exits(i) })
		}
	case "sleep":
		each(n, 20, func(i int) { sleeper(i) })
	case "gc":
		each(n, 4, func(i int) { runtime.GC(); recovers(i); runtime.Gosched() })
	}
	fmt.Println("done", mode, n)
}
