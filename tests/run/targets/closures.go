// Function literals and what they have captured. Each is called five times.
package main

import "fmt"

type point struct{ x, y int }

var sink int

//go:noinline
func use(p any) { sink++ }

//go:noinline
func call(f func(int) int, n int) int { return f(n) }

// By value: what is not assigned to after it was captured. By reference: the rest.
//
//go:noinline
func counter(name string, k int, p point, q *point) func(int) int {
	total := 0
	return func(n int) int {
		total += n
		use(name)
		use(p)
		use(q)
		use(k)
		return total + k + len(name) + p.y + q.x + n*k
	}
}

func main() {
	f := counter("label", 7, point{1, 2}, &point{3, 4})
	for i := 0; i < 5; i++ {
		call(f, i)
	}
	fmt.Println("done")
}
