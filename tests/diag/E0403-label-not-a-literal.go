// A function for the script to be at.
package main

//go:noinline
func handle(path string) int { return len(path) }

func main() { println(handle("/")) }
