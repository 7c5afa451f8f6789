// Maps of Go for the tests: each call gets one, and what Go itself makes of it is logged ("want NAME TEXT");
// where not all is shown, what is wanted is found by the test.
package main

import (
	"fmt"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

type point struct {
	X, y int
	name string
}

type large struct { // is kept behind a pointer
	Pad  [20]int
	Name string
}

type wide struct { // groups of these do not fit into a chunk
	A, B, C string
	D       [5]int
}

type pair struct {
	name string
	n    int8
}

type class int

type tree map[string]tree

type box struct {
	n    int
	tags map[string]bool
	any  interface{}
}

var sink int

//go:noinline
func texts(m map[string]int) { sink++ }

//go:noinline
func strs(m map[string]string) { sink++ }

//go:noinline
func ints(m map[int]string) { sink++ }

//go:noinline
func small(m map[int8]uint16) { sink++ }

//go:noinline
func floats(m map[float64]bool) { sink++ }

//go:noinline
func bools(m map[bool]int) { sink++ }

//go:noinline
func sets(m map[string]struct{}) { sink++ }

//go:noinline
func units(m map[struct{}]int) { sink++ }

//go:noinline
func points(m map[pair]point) { sink++ }

//go:noinline
func arrays(m map[[2]uint8][]string) { sink++ }

//go:noinline
func larges(m map[int]large) { sink++ }

//go:noinline
func largeKeys(m map[large]int) { sink++ }

//go:noinline
func wides(m map[string]wide) { sink++ }

//go:noinline
func pointers(m map[string]*point) { sink++ }

//go:noinline
func times(m map[time.Duration]time.Month) { sink++ }

//go:noinline
func classes(m map[class]class) { sink++ }

//go:noinline
func errs(m map[string]error) { sink++ }

//go:noinline
func nested(m map[string]map[int]string) { sink++ }

//go:noinline
func trees(m tree) { sink++ }

//go:noinline
func boxes(b box, p *box, s []map[string]int) { sink++ }

//go:noinline
func ifaces(a, b interface{}) { sink++ }

//go:noinline
func dicts(m map[string]interface{}) { sink++ }

//go:noinline
func keys(m map[interface{}]int) { sink++ }

//go:noinline
func headers(h http.Header) { sink++ }

//go:noinline
func handle(req *http.Request) { sink++ }

//go:noinline
func grown(m map[int]int) { sink++ }

//go:noinline
func broken(m map[int]int) { sink++ }

//go:noinline
func raced(m map[int]string) { sink++ }

func say(name string, values ...interface{}) {
	text := make([]string, len(values))
	for i, v := range values {
		text[i] = fmt.Sprintf("%v", v)
	}
	fmt.Println("want", name, strings.Join(text, "|"))
}

func callScalars() {
	for _, m := range []map[string]int{nil, {}, {"a": 1}, {"b": 2, "a": 1, "": 0, "longer than a word": -7},
		{"h": 8, "g": 7, "f": 6, "e": 5, "d": 4, "c": 3, "b": 2, "a": 1}} {
		texts(m)
		say("texts", m)
	}
	s := map[string]string{"name": "value", "k": "", "": "v"}
	strs(s)
	say("strs", s)
	i := map[int]string{-5: "m", 0: "z", math.MaxInt64: "max", 3: "three"}
	ints(i)
	say("ints", i)
	i8 := map[int8]uint16{-1: 65535, 1: 1, -128: 2}
	small(i8)
	say("small", i8)
	f := map[float64]bool{1.5: true, -2: false, math.Inf(1): true, 0: true}
	floats(f)
	say("floats", f)
	b := map[bool]int{true: 1, false: 0}
	bools(b)
	say("bools", b)
	set := map[string]struct{}{"x": {}, "y": {}}
	sets(set)
	say("sets", set)
	u := map[struct{}]int{{}: 9}
	units(u)
	say("units", u)
	d := map[time.Duration]time.Month{time.Second: time.May, 0: time.June}
	times(d)
	say("times", d)
	c := map[class]class{2: 1, 1: 2}
	classes(c)
	say("classes", c)
}

func callParts() {
	p := map[pair]point{{"b", 1}: {1, 2, "one"}, {"a", 2}: {3, 4, "two"}, {"a", -2}: {5, 6, ""}}
	points(p)
	say("points", p)
	a := map[[2]uint8][]string{{1, 2}: {"x", "y"}, {1, 1}: nil, {0, 9}: {"z"}}
	arrays(a)
	say("arrays", a)
	l := map[int]large{1: {Name: "first"}, 2: {Pad: [20]int{19: 7}, Name: "second"}}
	larges(l)
	say("larges", l)
	k := map[large]int{{Name: "b"}: 1, {Name: "a"}: 2}
	largeKeys(k)
	say("largeKeys", k)
	w := map[string]wide{}
	for n := 0; n < 8; n++ {
		w[string(rune('a'+n))] = wide{"x", "y", strconv.Itoa(n), [5]int{n, 4: n}}
	}
	wides(w)
	say("wides", w)
	pt := &point{1, 2, "pt"}
	ptr := map[string]*point{"p": pt, "nil": nil}
	pointers(ptr)
	say("pointers", ptr)
	e := map[string]error{"e": fmt.Errorf("bad %d", 1), "none": nil}
	errs(e)
	say("errs", e)
	n := map[string]map[int]string{"a": {1: "x", 2: "y"}, "b": {}, "c": nil}
	nested(n)
	say("nested", n)
	t := tree{"x": {"y": {"z": nil}}, "w": {}}
	trees(t)
	say("trees", t)
	in := box{1, map[string]bool{"on": true, "off": false}, map[int]int{1: 2}}
	boxes(in, &in, []map[string]int{{"a": 1}, nil, {"b": 2}})
	say("boxes", "{1 map[off:false on:true] map[int]int(map[1:2])}", "&{1 map[off:false on:true] map[int]int(map[1:2])}",
		"[map[a:1] map[] map[b:2]]")
	ifaces(map[string]interface{}{"a": 1, "b": "two", "c": nil}, &map[string]int{"a": 1})
	say("ifaces", "map[string]interface {}(map[a:int(1) b:string(two) c:<nil>])", "*map[string]int(&map[a:1])")
	dicts(map[string]interface{}{"list": []interface{}{1, "x"}, "more": map[string]interface{}{"k": 1.5}, "none": nil})
	say("dicts", "map[list:[]interface {}([int(1) string(x)]) more:map[string]interface {}(map[k:float64(1.5)]) none:<nil>]")
	keys(map[interface{}]int{3: 3, 1: 1, 2: 2})
	say("keys", "map[int(1):1 int(2):2 int(3):3]")
	h := http.Header{"Accept": {"*/*"}, "User-Agent": {"curl/8"}, "X-Two": {"1", "2"}}
	headers(h)
	say("headers", h)
	req, _ := http.NewRequest("GET", "http://localhost/x", nil)
	req.Header = h
	handle(req)
	say("handle", h)
}

// Maps of all sizes on their way up, with elements deleted: at each a number of elements is there, and
// those that are shown are some of them.
func callGrown() {
	m := map[int]int{}
	for n := 0; n < 5000; n++ {
		m[n] = n * n
		if n%7 == 3 {
			delete(m, n/2)
		}
		if n < 130 || n%500 == 0 {
			grown(m)
			fmt.Println("want grown", len(m))
		}
	}
	for n := 0; n < 5000; n++ {
		if n != 4321 {
			delete(m, n)
		}
	}
	grown(m)
	fmt.Println("want grown", len(m))
}

// The structure behind a map, overwritten word by word with what it never has.
func callBroken() {
	debug.SetGCPercent(-1) // which must not see this
	for _, v := range []uint64{1, 8, 0xff00, 0x3f00, 1 << 32, 1 << 47, 1 << 63, math.MaxUint64, uint64(uintptr(unsafe.Pointer(&sink)))} {
		for word := 0; word < 6; word++ {
			m := map[int]int{}
			for n := 0; n < 40*(word%2)+3; n++ {
				m[n] = n
			}
			head := *(*unsafe.Pointer)(unsafe.Pointer(&m))
			at := (*uint64)(unsafe.Pointer(uintptr(head) + uintptr(8*word)))
			old := *at
			*at = v
			broken(m)
			*at = old
		}
	}
}

// Overflow that leads back to itself, of a bucket; a directory that is itself the table.
func callEndless() {
	m := map[int]int{}
	for n := 0; n < 40; n++ {
		m[n] = n
	}
	head := *(*unsafe.Pointer)(unsafe.Pointer(&m))
	at := (*unsafe.Pointer)(unsafe.Pointer(uintptr(head) + 16))
	var fake [512]uint64
	old := *at
	*at = unsafe.Pointer(&fake)
	for n := range fake {
		fake[n] = uint64(uintptr(unsafe.Pointer(&fake)))
	}
	broken(m)
	*at = old
}

func callRaced() {
	m, stop, stopped := map[int]string{}, make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			m[n%1000] = strconv.Itoa(n % 1000)
			if n%3 == 0 {
				delete(m, n*7%1000)
			}
		}
	}()
	for n := 0; n < 2000; n++ {
		raced(m)
	}
	close(stop)
	<-stopped
}

func main() {
	callScalars()
	callParts()
	callGrown()
	callBroken()
	callEndless()
	callRaced()
	fmt.Println("done")
}
