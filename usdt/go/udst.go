// SPDX-License-Identifier: BSD-2-Clause

// Package udst gives Go programs USDT probes that they declare while they run.
//
//	shop, _ := udst.NewProvider("shop")
//	query, _ := shop.Probe("query", udst.Str, udst.I32)
//	shop.Load()
//	if query.Enabled() {
//		query.Fire("select 1", int32(7))
//	}
//
//	awl -p PID -e 'usdt:shop:query { printf("%s %d\n", str(arg0), arg1); }'
//
// A probe that nobody traces costs no call into C.
package udst

/*
#cgo CFLAGS: -O2 -D_GNU_SOURCE -I${SRCDIR}/..
#cgo LDFLAGS: -lpthread
#include <stdlib.h>
#include "udst.c"
*/
import "C"

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Type is the type of an argument.
type Type int8

// Types of arguments; Str is a pointer to text that ends with a NUL.
const (
	I8  Type = -1
	U8  Type = 1
	I16 Type = -2
	U16 Type = 2
	I32 Type = -4
	U32 Type = 4
	I64 Type = -8
	U64 Type = 8
	Str Type = 100
)

// Provider is a set of probes that appear and go together.
type Provider struct{ p *C.udst_provider }

// Probe is one probe.
type Probe struct {
	p     *C.udst_probe
	word  *uint32 // the counter's aligned word
	shift uint
	argc  int
}

func check(r C.int) error {
	if r < 0 {
		return errors.New(C.GoString(C.udst_strerror(r)))
	}
	return nil
}

// NewProvider makes a provider without probes.
func NewProvider(name string) (*Provider, error) {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	var p Provider
	return &p, check(C.udst_provider_create(s, 0, &p.p))
}

// Probe adds a probe. It is visible from the next Load on.
func (p *Provider) Probe(name string, types ...Type) (*Probe, error) {
	var codes [C.UDST_MAX_ARGS]C.schar
	if len(types) > len(codes) {
		return nil, errors.New("udst: too many arguments")
	}
	for i, t := range types {
		if t == Str {
			t = U64
		}
		codes[i] = C.schar(t)
	}
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	q := Probe{argc: len(types)}
	if err := check(C.udst_probe_add(p.p, s, C.uint(len(types)), &codes[0], &q.p)); err != nil {
		return nil, err
	}
	at := uintptr(unsafe.Pointer(q.p.semaphore))
	q.shift = uint(at&2) * 8
	q.word = (*uint32)(unsafe.Pointer(uintptr(unsafe.Pointer(q.p.semaphore)) &^ 2))
	return &q, nil
}

// Load makes the probes visible to tracers.
func (p *Provider) Load() error { return check(C.udst_provider_load(p.p)) }

// Unload takes them away.
func (p *Provider) Unload() error { return check(C.udst_provider_unload(p.p)) }

// Close frees the provider; its probes must not be used any more.
func (p *Provider) Close() { C.udst_provider_destroy(p.p) }

// Enabled tells whether somebody traces the probe.
func (q *Probe) Enabled() bool { return uint16(atomic.LoadUint32(q.word)>>q.shift) != 0 }

// Fire fires the probe: integers, bool and string.
func (q *Probe) Fire(args ...interface{}) error {
	if !q.Enabled() {
		return nil
	}
	if len(args) != q.argc {
		return fmt.Errorf("udst: the probe has %d arguments, not %d", q.argc, len(args))
	}
	var raw [C.UDST_MAX_ARGS]C.uint64_t
	for i, a := range args {
		switch v := a.(type) {
		case string:
			s := C.CString(v)
			defer C.free(unsafe.Pointer(s))
			raw[i] = C.uint64_t(uintptr(unsafe.Pointer(s)))
		case int:
			raw[i] = C.uint64_t(v)
		case int32:
			raw[i] = C.uint64_t(v)
		case int64:
			raw[i] = C.uint64_t(v)
		case uint32:
			raw[i] = C.uint64_t(v)
		case uint64:
			raw[i] = C.uint64_t(v)
		case bool:
			if v {
				raw[i] = 1
			}
		default:
			return fmt.Errorf("udst: argument %d is a %T", i, a)
		}
	}
	C.udst_fire(q.p, &raw[0])
	return nil
}
