// Functions that exist as copies in others only: add is in two, one of which needs nothing but the length
// of its text; area and outer are in one.
package main

import (
	"fmt"
	"os"
)

type box struct{ w, h int }

var sink int

func add(a int, s string) int { return a + len(s) + sink }

func (b *box) area(k int) int { sink++; return b.w * b.h * k }

func outer(n int) int { return add(n, "abc") * 2 }

//go:noinline
func viaOne(x int, name string) int { return add(x, name) }

//go:noinline
func viaTwo(b *box, n int) int { return b.area(n) + outer(n) }

func main() {
	for i := 0; i < 5; i++ {
		viaOne(i, os.Args[0])
		viaTwo(&box{2, 3}, i+1)
	}
	fmt.Println("sum", sink)
	fmt.Println("done")
}
