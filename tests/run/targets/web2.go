// Serves requests by HTTP/2 over TLS, and makes them itself, by several goroutines on one connection: web2 N. The numbers are
// known.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const clients = 4

func handle(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 2 {
		fmt.Println("not HTTP/2")
		os.Exit(1)
	}
	switch r.URL.Path {
	case "/slow":
		time.Sleep(20 * time.Millisecond)
		fmt.Fprintf(w, "slow")
	case "/none":
		http.Error(w, "nothing here", 404)
	case "/silent":
	case "/twice":
		w.WriteHeader(201)
		w.WriteHeader(500)
	case "/parts":
		for i := 0; i < 10; i++ {
			io.WriteString(w, strings.Repeat("x", 10000))
		}
	case "/panic":
		panic(http.ErrAbortHandler)
	default:
		io.WriteString(w, "hello")
	}
}

func request(client *http.Client, base, method, path string) {
	req, _ := http.NewRequest(method, base+path, nil)
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	server := httptest.NewUnstartedServer(http.HandlerFunc(handle))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	client := server.Client()
	var wg sync.WaitGroup
	request(client, server.URL, "GET", "/first")
	for c := 0; c < clients; c++ {
		wg.Add(1)
		go func(c int) {
			defer wg.Done()
			for i := 0; i < n; i++ {
				request(client, server.URL, "GET", "/item/"+strconv.Itoa(c)+"/"+strconv.Itoa(i))
				request(client, server.URL, "POST", "/none")
				request(client, server.URL, "PUT", "/silent")
				request(client, server.URL, "GET", "/twice")
				request(client, server.URL, "GET", "/parts")
				request(client, server.URL, "GET", "/slow")
				request(client, server.URL, "DELETE", "/panic")
			}
		}(c)
	}
	wg.Wait()
	/* Waits until every answer is finished. */
	server.Close()
	fmt.Println("done", n)
}
