// Functions that are inlined into others, several deep: each call of `deep` logs the stack as the runtime has it.
package main

import (
	"fmt"
	"runtime"
	"strings"
)

type counter struct{ n int }

//go:noinline
func deep(n int) int {
	pc := make([]uintptr, 40)
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc)])
	var names []string
	for {
		f, more := frames.Next()
		names = append(names, f.Function)
		if !more {
			break
		}
	}
	fmt.Println("stack", strings.Join(names, " "))
	return n + 1
}

func leaf(n int) int           { return deep(n) + 1 }
func middle(n int) int         { return leaf(n) + leaf(n+1) }
func (c *counter) add(n int)   { c.n += middle(n) }
func twice(f func(int), n int) { f(n); f(n + 1) }

//go:noinline
func outer(n int) int {
	c := counter{n}
	c.add(n)
	twice(func(n int) { c.n += leaf(n) }, n)
	return c.n
}

//go:noinline
func recursive(n int) int {
	if n == 0 {
		return middle(n)
	}
	return recursive(n-1) + 1
}

func main() {
	sum := outer(1)
	defer func() { fmt.Println("sum", sum) }()
	sum += recursive(3)
	done := make(chan int)
	go func() { done <- leaf(7) }()
	sum += <-done
}
