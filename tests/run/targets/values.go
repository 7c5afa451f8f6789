// Values of Go for the tests: each function gets some, and what Go itself makes of them is logged where
// the two are equal ("want NAME a|b"); where they differ on purpose, what is wanted is spelled out.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type point struct {
	X, y int
	name string
}

type shape interface{ Area() float64 }

type square struct{ side float64 }

func (s square) Area() float64 { return s.side * s.side }

type myErr struct {
	Code int
	Msg  string
}

func (e *myErr) Error() string { return "mine: " + e.Msg }

type valErr struct{ Code int }

func (e valErr) Error() string { return "val" }

type list struct {
	next *list
	v    int
}

type celsius float64

type mixed struct {
	c complex128
	k int
	t celsius
}

var sink int

//go:noinline
func texts(s string, b []byte, long string, none string) { sink++ }

//go:noinline
func scalars(t, f bool, i8 int8, u16 uint16, r rune, u uint64) { sink++ }

//go:noinline
func slices(a []int, b []string, c []point, d []*point, e [][]int, long []int, none []int) { sink++ }

//go:noinline
func arrays(a [3]int, b [2]string, one [1]point, long [20]int) { sink++ }

//go:noinline
func pointers(p *point, n *point, i *int, ps *[]int, l *list, pa *[2]int, f func()) { sink++ }

//go:noinline
func floats(f []float64, s []float32, m *mixed) { sink++ }

//go:noinline
func maps(m map[string]int, none map[string]int, empty map[int]point, c chan int, nochan chan int, s string, b []byte) {
	sink++
}

//go:noinline
func ifaces(a, b, c, d any, s shape, e fmt.Stringer) { sink++ }

//go:noinline
func errs(a, b, c, d, e, f error) { sink++ }

//go:noinline
func nested(a [2]error, p *struct{ err error }) { sink++ }

//go:noinline
func times(d, z, neg, small time.Duration, t time.Time, ip net.IP, ip6 net.IP) { sink++ }

//go:noinline
func half(f float64, n int, s string) { sink++ }

//go:noinline
func contexts(a, b, c, d context.Context) { sink++ }

//go:noinline
func dates(m time.Month, w time.Weekday, never time.Month) { sink++ }

//go:noinline
func both(p point, name string, e error, pad [3]int64, f func()) { sink++ }

type ctxKey struct{}

type ctxName string

func callContexts() {
	base := "context.Background"
	if strings.HasPrefix(fmt.Sprintf("%T", context.Background()), "*") { // up to Go 1.20
		base = "context.emptyCtx"
	}
	a := context.WithValue(context.Background(), ctxKey{}, "v1")
	b, cancel := context.WithCancel(a)
	defer cancel()
	c, cancel := context.WithDeadline(b, time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC))
	defer cancel()
	d := context.WithValue(context.WithValue(context.Background(), ctxName("k"), &point{}), http.ServerContextKey, time.Second)
	contexts(a, b, c, d)
	base += ".WithValue("
	say("want contexts", base+"main.ctxKey, v1)", base+"main.ctxKey, v1).WithCancel",
		base+"main.ctxKey, v1).WithCancel.WithDeadline(2100-01-02 03:04:05 +0000 UTC)",
		base+"main.ctxName, *main.point).WithValue(net/http context value http-server, 1s)")
	half(0.5, 7, "text")
	dates(time.February, time.Saturday, 0)
	say("want dates", time.February, time.Saturday, 0)
	both(point{1, 2, "pt"}, "text", errors.New("bad"), [3]int64{1, 2, 3}, nil)
	fmt.Printf("want both {p:%v name:%s e:%v pad:%v f:<nil>}\n", point{1, 2, "pt"}, "text", "bad", [3]int{1, 2, 3})
}

//go:noinline
func loads(path string) (int, error) {
	sink++
	if _, err := os.Open(path); err != nil {
		return -1, fmt.Errorf("load %s: %w", path, err)
	}
	return 1, nil
}

//go:noinline
func opens(path string) (*os.File, error) { sink++; return os.Open(path) }

func say(name string, values ...any) {
	text := make([]string, len(values))
	for i, v := range values {
		text[i] = fmt.Sprintf("%v", v)
	}
	fmt.Println(name, strings.Join(text, "|"))
}

func callKinds() {
	p, i, c := &point{1, 2, "pt"}, 7, make(chan int, 7)
	c <- 1
	texts("hello", []byte("abc"), strings.Repeat("x", 300), "")
	say("want texts", "hello", []byte("abc"), strings.Repeat("x", 256)+"...", "")
	scalars(true, false, -5, 65535, 'x', 1<<63)
	say("want scalars", true, false, int8(-5), uint16(65535), 'x', uint64(1<<63))
	a, b := []int{1, 2, 3}, []string{"a", "", "b"}
	pts := []point{{1, 2, "x"}, {3, 4, "y"}}
	slices(a, b, pts, []*point{nil}, [][]int{{1}, {2, 3}, nil}, make([]int, 20), nil)
	say("want slices", a, b, pts, []*point{nil}, [][]int{{1}, {2, 3}, nil}, "[0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 ...4 more]", []int(nil))
	arrays([3]int{1, 2, 3}, [2]string{"q", "w"}, [1]point{{5, 6, "z"}}, [20]int{19: 9})
	say("want arrays", [3]int{1, 2, 3}, [2]string{"q", "w"}, [1]point{{5, 6, "z"}}, "[0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 ...4 more]")
	pointers(p, nil, &i, &[]int{4, 5}, &list{nil, 3}, &[2]int{8, 9}, nil)
	say("want pointers", p, (*point)(nil), &i, &[]int{4, 5}, &list{nil, 3}, &[2]int{8, 9}, nil)
	f64 := []float64{0, 1, -1.5, 1e21, 1e20, 1e-5, 0.0001, 123456789.125, 3.0e-7, 1 / 3.0}
	m := &mixed{complex(1, -2.5), 3, 36.6}
	floats(f64, []float32{0.1, 16777216, 1e-10}, m)
	say("want floats", f64, []float32{0.1, 16777216, 1e-10}, m)
	maps(map[string]int{"a": 1, "b": 2}, nil, map[int]point{}, c, nil, "four", []byte("five5"))
	say("want maps", "map[len=2]", map[string]int(nil), map[int]point{}, "chan[len=1 cap=7]", nil, 2, 0, 1, 4, 5)
}

func callErrors() {
	_, e := os.Open("/none")
	_, num := strconv.Atoi("12x")
	op := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80},
		Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	dns := &net.DNSError{Err: "no such host", Name: "h", Server: "192.0.2.2:53"}
	errs(errors.New("plain"), e, num, &myErr{3, "boom"}, valErr{4}, nil)
	say("want errs", "plain", e, num, "*main.myErr(&{3 boom})", "main.valErr({4})", nil)
	errs(fmt.Errorf("wrapped: %w", e), syscall.EAGAIN, context.DeadlineExceeded, fs.ErrNotExist, op, dns)
	say("want errs", fmt.Errorf("wrapped: %w", e), syscall.EAGAIN, context.DeadlineExceeded, fs.ErrNotExist, op, dns)
	nested([2]error{e, nil}, &struct{ err error }{num})
	say("want nested", [2]error{e, nil}, "&{"+num.Error()+"}")
	for _, path := range []string{"/none", "/dev/null", "/etc/passwd/x"} {
		n, err := loads(path)
		say("want loads", n, err)
		_, err = opens(path)
		say("want opens", err)
	}
}

func main() {
	callKinds()
	callErrors()
	callContexts()
	p := &point{1, 2, "pt"}
	ifaces(5, "text", nil, p, square{1.5}, time.Second)
	say("want ifaces", "int(5)", "string(text)", nil, "*main.point(&{1 2 pt})", "main.square({1.5})", "1s")
	t := time.Unix(1700000000, 5000000).UTC()
	times(1500*time.Millisecond, 0, -90*time.Minute, 1500, t, net.IPv4(192, 0, 2, 1), net.ParseIP("2001:db8::1"))
	say("want times", 1500*time.Millisecond, time.Duration(0), -90*time.Minute, time.Duration(1500), t,
		net.IPv4(192, 0, 2, 1), net.ParseIP("2001:db8::1"))
	fmt.Println("done")
}
