// goserver serve N: N requests to itself by four clients that keep their connections; goserver fresh N: one client, and a
// connection for each; goserver call N: N calls of main.target. Stops itself when it is ready, and tells
// how long each of the N took as JSON.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

//go:noinline
func target(n int, s string) int {
	sum := n
	for i := 0; i < 200; i++ {
		sum += sum>>3 ^ i
	}
	return deeper(sum, s)
}

//go:noinline
func deeper(n int, s string) int { return n + len(s) }

var sink int

func call(n int) {
	for i := 0; i < n; i++ {
		sink += target(i, "text")
	}
}

func serve(workers int, keep bool) func(int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello "+r.URL.Path) }))
	url := "http://" + l.Addr().String() + "/some/path"
	clients := make([]*http.Client, workers)
	for i := range clients {
		clients[i] = &http.Client{Transport: &http.Transport{DisableKeepAlives: !keep}}
	}
	return func(n int) {
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Add(1)
			go func(c *http.Client) {
				defer wg.Done()
				for i := 0; i < n/workers; i++ {
					if resp, err := c.Get(url); err == nil {
						io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
				}
			}(c)
		}
		wg.Wait()
	}
}

func main() {
	n, _ := strconv.Atoi(os.Args[2])
	work := call
	switch os.Args[1] {
	case "serve":
		work = serve(4, true)
	case "fresh":
		work = serve(1, false)
	}
	work(n / 10)
	syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	start := time.Now()
	work(n)
	fmt.Printf("{\"ns\": %.1f, \"done\": %d}\n", float64(time.Since(start).Nanoseconds())/float64(n), n)
}
