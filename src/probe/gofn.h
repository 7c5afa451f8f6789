/* Private: what the files about probes of Go functions share.
 *
 *   go.c         which places a probe is attached to
 *   go_g.c       the goroutine that is running, and where its labels are
 *   go_calls.c   pairing a return with its call
 *   go_abi.c     where arguments and results are
 *   go_args.c    their names, types and values
 *   go_value.c   values with Go's own types, for showing them as Go does
 *   go_uprobe.c  what uprobes at Go functions have by name */
#ifndef AWL_PROBE_GOFN_H
#define AWL_PROBE_GOFN_H

#include <elf.h>
#include "elf/dwarf.h"
#include "elf/go.h"
#include "probe/location.h"
#include "probe/user.h"
#include "type/gotype.h"

/* attach_target.c: kinds of places. */
enum {
	GO_CHECKED = 1, /* the stack check's branch: no call when it will be taken */
	GO_RETURN = 2,
	GO_TAIL = 4,      /* with GO_RETURN: another function is jumped to */
	GO_END = 8,       /* runtime.goexit1: the end of a goroutine */
	GO_REPEATED = 32, /* GO_END once more: not attached */
	GO_ASSEMBLY = 16, /* g is not in its register, arguments are on the stack */
	GO_COPY = 64,     /* the first instruction of an inlined copy */
	GO_EMPTY = 128,   /* of goret: the first instruction is the return, too */
	GO_KINDS = 0xff,
	GO_DELTA = 8, /* the bits above: how far the place is from the function's first address */
};

/* Of one function; attach_target.data while compiling. */
struct go_place_info {
	const char *path;
	const char *func; /* with dots in place of %2e */
	uint64_t addr;
	int minor;
	bool regs;                /* arguments are in registers */
	struct dwarf *told_types; /* of the signature in the probe; NULL: there is none */
	const struct dwarf_func *told;
	bool copy;      /* inlined into another function: `addr` is where the copy begins */
	uint32_t moved; /* of a copy: the place is so far behind that */
	bool layout_known, tls_known;
	bool movable;   /* mapped at any address */
	uint64_t types; /* link-time address of runtime.types; 0: not known */
	struct go_layout layout;
	int64_t tls;
	struct go_word words[GO_WORDS];
	int nwords; /* -1: the table does not tell */
};

/* ---- go_abi.c ---- */

/* Registers of Go's convention: ax bx cx di si r8 to r11, and r0 to r15. */
#if defined(__aarch64__)
enum { GO_MACHINE = EM_AARCH64, GO_INTS = 16, GO_FLOATS = 16 };
#else
enum { GO_MACHINE = EM_X86_64, GO_INTS = 9, GO_FLOATS = 15 };
#endif

enum { GO_PIECES = 32 };

struct go_piece { /* a part of a value that is held by one register, or is one word of memory */
	uint32_t off, size;
	uint8_t reg;
	bool is_float, is_ptr;
};

struct go_value { /* an argument or a result */
	const char *name;
	dwarf_ref ref;
	uint32_t size, align;
	bool in_regs;
	bool captured; /* in the closure, `stack` bytes from its beginning */
	struct go_piece pieces[GO_PIECES];
	unsigned npieces;
	uint32_t stack;              /* not in_regs: offset behind the return address's word */
	const struct dwarf_expr *at; /* of a copy: where it is; NULL: by the convention */
	const char *why;             /* cannot be read; NULL: can */
};

struct go_signature {
	struct go_value *args, *results; /* behind the arguments, what a closure has captured */
	size_t nargs, nresults;
};

/* False with *why when the places cannot be known. */
bool go_signature(struct dwarf *d, const struct dwarf_func *fn, const struct go_place_info *info,
		  struct arena *a, struct go_signature *out, const char **why);
/* Of a copy that was inlined: no results. */
void go_copy_signature(struct dwarf *d, const struct dwarf_func *fn,
		       const struct location_frame *frame, struct arena *a,
		       struct go_signature *out);
/* The register with number `n` of Go's sequence, as an offset in the context. */
int go_reg(unsigned n);
/* The one that leads to the closure at a call of a function literal. */
int go_closure_reg(void);
const char *go_reg_name(unsigned n);

/* ---- go_args.c ---- */

struct go_named; /* what is known of a function by name */
struct go_probe;

const struct type *go_args_type(struct sema *s, struct probe *p);
const struct type *go_results_type(struct sema *s, struct probe *p);
const char *go_missing(struct probe *p, struct str name);
struct val go_arg_field(struct gen *g, struct probe *p, const struct member *m);
struct val go_args_load(struct gen *g, struct probe *p); /* all of them in one copy */
struct val go_results(struct gen *g, struct probe *p);
/* Bytes that the arguments which a body uses take when they are kept from call to return. */
uint32_t go_kept_size(struct probe *p);
/* Writes them to `dst` at the call. */
void go_keep(struct gen *g, struct probe *p, struct val dst);
/* At the return: pointers into the stack, which has moved by d->delta. */
void go_move_kept(struct gen *g, struct probe *p);
/* For lists: "(name string, year int) string". */
void go_describe(struct types *ts, struct arena *a, const struct go_place_info *info,
		 struct buf *out);

/* The signature and its debug information; NULL with `e` set. */
const struct go_signature *go_names(struct sema *s, struct probe *p, struct dwarf **d,
				    struct err *e);
const struct go_signature *go_signature_of(const struct go_probe *d); /* once it was found */
/* Why a probe's results cannot be had; NULL: they can. */
const char *go_no_results(struct sema *s, struct probe *p);
/* Why an argument cannot be had in this probe; NULL: it can. */
const char *go_arg_lost(const struct probe *p, unsigned index);
/* The bytes of an argument or result, in memory. */
struct val go_bytes_of(struct gen *g, struct probe *p, bool result, unsigned index);

/* ---- go_value.c ---- */

bool go_value_place(struct sema *s, struct probe *p, struct expr *e, struct go_place *out);
struct val go_value_load(struct gen *g, struct probe *p, const struct go_place *pl);
ir_val_t go_value_bias(struct gen *g, struct probe *p);

/* ---- go_g.c ---- */

/* The g of the running goroutine (or of the system stack). `kind`: the place's GO_*, or 0 and it is
 * the same for all. */
ir_val go_g(struct gen *g, struct probe *p);
/* The goroutine's number; on the system stack that of the goroutine it works for, 0: none. */
ir_val go_goid(struct gen *g, struct probe *p, ir_val gptr);
ir_val go_name_value(struct gen *g, struct probe *p, enum go_name name);
/* The address of the goroutine's labels (0: none), and what is there. */
ir_val_t go_labels_of(struct gen *g, struct probe *p, enum go_labels *how);

/* ---- go_uprobe.c ---- */

/* Of a uprobe's function when the Go compiler made it; NULL: it did not. */
const struct go_place_info *go_uprobe_info(struct sema *s, struct probe *p);
bool go_uprobe_is(const struct probe *p); /* once that has been asked */
const struct type *go_uprobe_args(struct sema *s, struct probe *p);
/* argN was used. */
void go_uprobe_warn(struct sema *s, struct probe *p, unsigned index);

/* ---- go.c ---- */

/* The function of a Go program that begins at a place in the file; NULL: there is none. */
struct go_place_info *go_info_at(struct arena *a, const char *path, uint64_t offset);

/* ---- go_calls.c ---- */

/* State of a probe while its program is generated, and before. */
struct go_probe {
	uint32_t calls; /* number of the own map */
	struct own_map *map;
	ir_val kept; /* at the return: address of what was kept; and of the time */
	ir_val elapsed;
	ir_val delta, old_lo, old_size; /* the stack has moved by that much */
	struct go_named *named;
	bool warned; /* of a uprobe: that argN is none of Go's */
};

struct go_probe *go_probe(struct sema *s, struct probe *p);
void go_enter(struct gen *g, struct probe *p);    /* go: leaves when it is no call */
void goret_enter(struct gen *g, struct probe *p); /* leaves unless it is a return */
void goret_plan(struct sema *s, struct probe *p);
ir_val_t goret_elapsed(struct gen *g, struct probe *p);
ir_val_t go_target_id(struct gen *g, struct probe *p);

#endif
