// Serves requests, and makes them itself: web N. The numbers are known.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func handle(w http.ResponseWriter, r *http.Request) {
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
	case "/file":
		http.ServeContent(w, r, "f.txt", time.Time{}, strings.NewReader(strings.Repeat("x", 100000)))
	case "/panic":
		panic(http.ErrAbortHandler)
	default:
		io.WriteString(w, "hello")
	}
}

func request(base, method, path string) {
	req, _ := http.NewRequest(method, base+path, nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	base := "http://" + l.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(handle)}
	go server.Serve(l)
	for i := 0; i < n; i++ {
		request(base, "GET", "/item/"+strconv.Itoa(i))
		request(base, "POST", "/none")
		request(base, "PUT", "/silent")
		request(base, "GET", "/twice")
		request(base, "GET", "/file")
		request(base, "GET", "/slow")
		request(base, "DELETE", "/panic")
	}
	request("http://127.0.0.1:1", "GET", "/refused")
	/* Shutdown waits until every answer is finished. */
	server.Close()
	time.Sleep(100 * time.Millisecond)
	fmt.Println("done", n)
}
