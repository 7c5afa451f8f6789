// Goroutines with labels for the tests to look into. Each call of at() tells by its argument what
// awl has to find.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
)

var sink int

//go:noinline
func at(where string) int {
	sink++
	return len(where)
}

func with(ctx context.Context, where string, labels ...string) {
	pprof.Do(ctx, pprof.Labels(labels...), func(context.Context) { at(where) })
}

// Label I of N has the key kI.
func counted(n int) (all []string) {
	for i := 0; i < n; i++ {
		all = append(all, "k"+strconv.Itoa(i), "value "+strconv.Itoa(i))
	}
	return all
}

func routes() {
	ctx := context.Background()

	at("none")
	with(ctx, "one", "route", "/one")
	at("none")
	with(ctx, "other", "rout", "prefix", "routes", "longer", "Route", "case", "etuor", "reversed")
	with(ctx, "among", "rout", "prefix", "routes", "longer", "a", "b", "route", "/among", "z", "y")
	with(ctx, "empty", "route", "")
	with(ctx, "long", "route", strings.Repeat("0123456789", 30))
	with(ctx, "key", strings.Repeat("long key ", 20), "of a long key", "", "of no key")
}

func nested() {
	ctx := context.Background()

	pprof.Do(ctx, pprof.Labels("route", "outer", "kept", "kept"), func(ctx context.Context) {
		at("outer")
		pprof.Do(ctx, pprof.Labels("route", "inner"), func(ctx context.Context) { at("inner") })
		at("outer")
	})
	at("none")
}

func inherited() {
	var wg sync.WaitGroup

	plain := make(chan func())
	go func() {
		for f := range plain {
			f()
		}
	}()
	pprof.Do(context.Background(), pprof.Labels("route", "parent"), func(ctx context.Context) {
		wg.Add(3)
		go func() {
			defer wg.Done()
			at("inherited")
		}()
		go func() {
			defer wg.Done()
			pprof.SetGoroutineLabels(context.Background())
			at("taken away")
		}()
		plain <- func() {
			defer wg.Done()
			at("plain")
		}
		wg.Wait()
	})
	close(plain)
}

// Do inside of Do, each with one label more.
func deeper(ctx context.Context, i, n int) {
	if i == n {
		at("deep " + strconv.Itoa(n))
		return
	}
	pprof.Do(ctx, pprof.Labels("k"+strconv.Itoa(i), "value "+strconv.Itoa(i)), func(ctx context.Context) {
		deeper(ctx, i+1, n)
	})
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])

	routes()
	nested()
	inherited()
	for i := 1; i <= n; i++ {
		with(context.Background(), "many "+strconv.Itoa(i), counted(i)...)
		deeper(context.Background(), 0, i)
	}
	fmt.Println("done", n)
}
