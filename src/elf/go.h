/* Programs built by the Go toolchain: their release, their functions, and the places in them where
 * a probe sees each call once and each return once. The third face of src/elf.
 *
 * Functions come from the pclntab, which the Go runtime itself needs: it is there in stripped
 * programs, too, and has the names of all functions as Go writes them.
 *
 * A Go function looks at its stack first, and is entered again when there was too little of it or
 * when it was told to yield:
 *
 *   f:       cmp  0x10(%r14),%rsp
 *            jbe  more                ← entry: the call goes on here unless the branch is taken
 *            …                          (a `push %rbp` behind it is better still: Go 1.21)
 *            ret                      ← exit: each of them
 *   more:    call runtime.morestack
 *            jmp  f                     a probe at f counts such a call twice
 *
 * On arm64 the check is `cmp sp, x16; b.ls more`, and the entry always that branch: LS is "C clear
 * or Z set" there. Constants and addresses are made in x27 there, by several instructions; a
 * goroutine that is preempted among them goes back to the first of them. The last is passed once:
 *
 *   f:       adrp x27, …
 *            add  x27, x27, …
 *            ldr  x1, [x27]           ← entry of a function without a check
 *
 * Everything read is checked against the file's bounds: it may come from a hostile process. */
#ifndef AWL_ELF_GO_H
#define AWL_ELF_GO_H

#include "elf/elf.h"

struct go;

/* NULL with `e` set when `f` is no Go program, or one whose tables are not understood. `f` must
 * outlive the result. */
struct go *go_open(struct elf *f, struct err *e);
void go_close(struct go *go);

const char *go_version(const struct go *go); /* "go1.22.5"; "" when it is not told */
int go_minor(const struct go *go);           /* 22; -1: not told, or no release */
/* Is this release one whose calling convention and structures are known? */
bool go_is_known(const struct go *go);
const char *go_known_text(void);            /* "1.13 to 1.27" */
bool go_has_registers(const struct go *go); /* arguments in registers: amd64 from 1.17,
					     * arm64 from 1.18 on */

struct go_func {
	const char *name; /* as in the table: dots of the last path element are %2e */
	uint64_t addr;    /* link-time address */
	uint64_t offset;  /* in the file */
	uint64_t size;    /* up to the next function: with the padding */
	uint64_t record;  /* place of its record in the table, for go_arg_info */
	bool assembly;    /* hand-written: arguments on the stack, g not in its register */
};

/* All functions, by address. Belongs to `go`. */
size_t go_funcs(struct go *go, const struct go_func **out);
/* Is it only the way to another function of the same name? Those with both conventions, and those
 * of assembly that Go code calls, have such. */
bool go_is_wrapper(struct go *go, const struct go_func *fn);
/* Does the function's name match? `%2e` in it is a dot; with `glob` `*` and `?` are wildcards (and
 * nothing else: [ ] and * are parts of Go's names). */
bool go_name_is(const char *name, struct str wanted, bool glob);

/* The functions whose bodies the compiler has put into the code at link-time address `addr`, an
 * instruction's, innermost first: how many there are in out[cap]. As tracebacks of the runtime have
 * them; none before Go 1.18. The names lie in the file. (go_inline.c) */
size_t go_inlined_at(struct go *go, uint64_t addr, const char **out, size_t cap);

/* ---- places -------------------------------------------------------------------------------- */

enum go_entry {
	GO_ENTRY_FIRST,  /* the first instruction, or what makes one of it: there is no stack check
			  */
	GO_ENTRY_BRANCH, /* the stack check's branch: a call unless it will be taken */
	GO_ENTRY_BEHIND, /* the `push %rbp` behind it */
};

struct go_site {
	uint64_t offset; /* in the file */
	enum probe_cost cost;
	bool tail; /* jumps on to another function, which returns to the caller */
};

struct go_places {
	enum go_entry kind;
	struct go_site entry;
	const char *no_entry; /* why there is none; NULL: there is */
	struct go_site *exits;
	size_t nexits;
	const char *no_exits; /* why the returns cannot be probed; NULL: they can */
};

/* `calls`: the kernel makes calls of nop5, which is what it costs less by. */
void go_place(struct go *go, const struct go_func *fn, bool calls, struct arena *a,
	      struct go_places *out);

/* Where a place at that offset in the file has to be for each pass to be seen once: behind what a
 * preempted goroutine would do again. */
uint64_t go_place_once(struct go *go, uint64_t offset);

/* The part that looks at code alone; for go_place and its tests. `code` are the function's bytes,
 * at link-time address `addr`; `more` tells the entries of runtime.morestack. Offsets in *out are
 * from the function's start. */
struct go_code {
	const uint8_t *code;
	size_t n;
	uint64_t addr;
	const uint64_t *more;
	size_t nmore;
	uint16_t machine; /* EM_X86_64, EM_AARCH64 */
	bool calls;       /* as of go_place */
};
void go_place_code(const struct go_code *c, struct arena *a, struct go_places *out);

/* ---- structures of the runtime ------------------------------------------------------------- */

/* Offsets in runtime.g and runtime.m. */
struct go_layout {
	uint16_t goid, m, curg, gopc, startpc, parent, labels; /* parent 0: not kept */
};

bool go_layout(const struct go *go, struct go_layout *out);
/* x86_64: where the pointer to g is, from the thread's segment base: a negative offset. */
bool go_tls_offset(struct go *go, int64_t *out);

/* The address of runtime.types, which the debug information tells types' descriptors from. */
bool go_types_address(struct go *go, uint64_t *out);
bool go_is_movable(const struct go *go); /* mapped at any address */
/* The name of the type whose descriptor is at link-time address `addr`, as reflection writes it:
 * *http.Server. It lies in the file. */
bool go_type_name(struct go *go, uint64_t addr, struct str *out);

/* ---- words of arguments --------------------------------------------------------------------- */

/* What the runtime prints in tracebacks: the words of the arguments as they lie in the caller's
 * frame (spilled ones behind those of the stack). */
struct go_word {
	uint32_t offset, size;
};

enum { GO_WORDS = 16 };
/* How many there are in out[GO_WORDS]; -1 when the table does not tell. `*all` false: the list was
 * cut short. */
int go_arg_words(struct go *go, const struct go_func *fn, struct go_word *out, bool *all);

#endif
