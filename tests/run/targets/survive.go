// What kills Go programs whose return addresses are replaced, all at once and for as long as is asked:
//
//	survive 20          each worker does everything twenty times
//	survive 10m         for ten minutes
//
// At the end it tells how often each function was called, and how often it returned: "count NAME CALLS RETURNS".
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const workers = 6

var sink int64

//go:noinline
func deep(n int) int {
	var room [64]int

	if n <= 0 {
		return int(atomic.AddInt64(&sink, 1)) & 0
	}
	room[n%64] = n
	return deep(n-1) + room[n%64] - n
}

//go:noinline
func plain(n int) int { return n + 1 + deep(0) }

//go:noinline
func callers(n int) int {
	var pcs [32]uintptr

	if runtime.Callers(0, pcs[:]) < 3 {
		return -1
	}
	return n + 1
}

//go:noinline
func grow(n int) int { return n + 1 + deep(200) }

//go:noinline
func collect(n int) int {
	runtime.GC()
	return n + 1
}

//go:noinline
func traceback(n int) int {
	buf := make([]byte, 4096)

	if runtime.Stack(buf, false) < 10 {
		return -1
	}
	return n + 1
}

//go:noinline
func panicUp(n int) int {
	if n%2 == 0 {
		panic("up")
	}
	return n + 1
}

//go:noinline
func panicInside(n int) (r int) {
	defer func() {
		if recover() != nil {
			r = n + 1
		}
	}()
	return panicUp(n) + deep(10)
}

//go:noinline
func exits(n int) int {
	if n%2 == 0 {
		runtime.Goexit()
	}
	return n + 1
}

//go:noinline
func sleeps(n int) int {
	time.Sleep(time.Millisecond)
	return n + 1
}

//go:noinline
func migrates(n int) int {
	for tid, i := syscall.Gettid(), 0; i < 50 && syscall.Gettid() == tid; i++ {
		time.Sleep(20 * time.Microsecond)
	}
	return n + 1
}

type mode struct {
	name           string
	fn             func(int) int
	calls, returns int64
}

var modes = []mode{{name: "plain", fn: plain}, {name: "callers", fn: callers}, {name: "grow", fn: grow},
	{name: "collect", fn: collect}, {name: "traceback", fn: traceback}, {name: "panicUp", fn: panicUp},
	{name: "panicInside", fn: panicInside}, {name: "exits", fn: exits}, {name: "sleeps", fn: sleeps}, {name: "migrates", fn: migrates}}

// What is called with a stack that is as small as can be.
func (m *mode) call(n int, wg *sync.WaitGroup) {
	defer wg.Done()
	defer func() { recover() }()
	atomic.AddInt64(&m.calls, 1)
	if r := m.fn(n); r != n+1 {
		fmt.Println("wrong", m.name, n, r)
	}
	atomic.AddInt64(&m.returns, 1)
}

type rude struct{ n int }

func (r rude) String() string {
	if r.n%2 == 0 {
		panic("in String")
	}
	return strconv.Itoa(r.n)
}

type leaver struct{}

func (leaver) String() string {
	runtime.Goexit()
	return ""
}

func handle(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/panic":
		panic(http.ErrAbortHandler)
	case "/grow":
		deep(300)
	case "/gc":
		runtime.GC()
	}
	fmt.Fprintf(w, "%s %v %d\n", r.URL.Path, r.Header, deep(3))
}

func request(client *http.Client, url string) {
	resp, err := client.Get(url)
	if err != nil {
		return
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

func work(w int, more func(i int) bool, client *http.Client, base string) {
	var wg sync.WaitGroup

	for i := 0; more(i); i++ {
		for m := range modes {
			wg.Add(1)
			go modes[m].call(i*workers+w, &wg)
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			fmt.Fprintln(io.Discard, leaver{})
		}()
		fmt.Fprintln(io.Discard, rude{i}, fmt.Sprintf("%08.3f %+v", float64(i), modes[0].name), fmt.Errorf("wrapped: %w", io.EOF))
		for _, path := range []string{"/", "/panic", "/grow", "/gc"} {
			request(client, base+path)
		}
		wg.Wait()
	}
}

func until(arg string) func(i int) bool {
	if n, err := strconv.Atoi(arg); err == nil {
		return func(i int) bool { return i < n }
	}
	d, err := time.ParseDuration(arg)
	if err != nil {
		panic(err)
	}
	end := time.Now().Add(d)
	return func(int) bool { return time.Now().Before(end) }
}

func main() {
	var wg sync.WaitGroup

	more := until(os.Args[1])
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	runtime.GOMAXPROCS(4)
	server := &http.Server{Handler: http.HandlerFunc(handle), ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan bool)
	go func() {
		server.Serve(l)
		close(served)
	}()
	client := &http.Client{Transport: &http.Transport{}}
	for w := 0; w < workers; w++ {
		wg.Add(1)
		go func(w int) {
			defer wg.Done()
			work(w, more, client, "http://"+l.Addr().String())
		}(w)
	}
	wg.Wait()
	client.CloseIdleConnections()
	server.Close()
	<-served
	// Nothing is open any more when all other goroutines have ended.
	for i := 0; i < 3000 && runtime.NumGoroutine() > 1; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	for m := range modes {
		fmt.Println("count", modes[m].name, modes[m].calls, modes[m].returns)
	}
	fmt.Println("done", runtime.NumGoroutine())
}
