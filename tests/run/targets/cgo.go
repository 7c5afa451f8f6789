// A Go program with a part in C, which has no frame pointers: cgo N calls inner N times, a millisecond apart.
package main

/*
#include <stdio.h>
__attribute__((noinline)) static int twice(int n) { char text[64]; return snprintf(text, sizeof(text), "%d", n) + 2 * n; }
*/
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

//go:noinline
func inner(n int) int { return int(C.twice(C.int(n))) }

//go:noinline
func outer(n int) int { return inner(n) + 1 }

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	sum := 0
	for i := 0; i < n; i++ {
		sum += outer(i)
		time.Sleep(time.Millisecond)
	}
	fmt.Println("done", n, sum > 0)
}
