// A function that gets its arguments by Go's convention.
package main

//go:noinline
func greet(name string, year int) int { return len(name) + year }

func main() { println(greet("answer", 1993)) }
