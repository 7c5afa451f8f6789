// SPDX-License-Identifier: BSD-2-Clause

// A program with one probe: what the tests trace.
package main

import (
	"fmt"
	"os"
	"time"

	"udst"
)

func main() {
	shop, err := udst.NewProvider("shop")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	query, _ := shop.Probe("query", udst.Str, udst.I32)
	if err := shop.Load(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	for i := int32(0); ; i++ {
		query.Fire("from go", -i)
		time.Sleep(time.Millisecond)
	}
}
