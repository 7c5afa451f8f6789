/* Debug information of a program: its functions, their arguments and where those are, and types.
 * The second face of src/elf.
 *
 * The answers are plain data, one question at a time, and name types by a number (`dwarf_ref`), so
 * that nobody else sees the library that reads DWARF: versions 2 to 5, split, compressed, with a
 * supplementary file (dwz) or in a separate debug file, found by build id or debug link.
 * What comes from a file is not trusted: depths and counts are limited, a type may refer to itself.
 *
 *   struct dwarf_func f;
 *   struct dwarf *d = dwarf_open("/usr/bin/redis-server", &e);
 *   dwarf_func_at(d, 0x4a210, arena, &f, &e);     f.params[0]: "name", type, location */
#ifndef AWL_ELF_DWARF_H
#define AWL_ELF_DWARF_H

#include "elf/elf.h"

struct dwarf;

/* The debug information of the file at `path`, its own or that of its debug file. NULL with `e` set
 * when there is none; the hint tells how to get it. */
struct dwarf *dwarf_open(const char *path, struct err *e);
void dwarf_close(struct dwarf *d);

struct dwarf_func;
/* In place of debug information: the types in the signature of a Go function, as its user writes
 * it,
 * "(name string, n int) (int, error)", and in *out its arguments and results, which live as long as
 * the result. A method has its receiver in front: a pointer, `recv`. NULL with *why set. */
struct dwarf *dwarf_made_from(struct str signature, bool method, struct arena *why_arena,
			      struct dwarf_func *out, const char **why);

/* ---- types --------------------------------------------------------------------------------- */

typedef uint32_t dwarf_ref; /* 0: void */

enum dwarf_kind {
	DWARF_VOID,
	DWARF_INT,
	DWARF_BOOL,
	DWARF_FLOAT, /* complex numbers, too */
	DWARF_ENUM,
	DWARF_PTR, /* and references, with `reference` */
	DWARF_STRUCT,
	DWARF_UNION,
	DWARF_ARRAY,
	DWARF_FUNC,
	DWARF_UNKNOWN,
};

struct dwarf_type { /* typedefs and qualifiers are peeled off */
	enum dwarf_kind kind;
	bool is_signed;    /* INT, ENUM */
	bool reference;    /* PTR: a C++ reference */
	bool by_reference; /* STRUCT: passed by address whatever its size (C++) */
	bool incomplete;   /* STRUCT, UNION: only declared here */
	uint8_t go_kind;   /* of Go: the number of reflect.Kind; 0: another language */
	const char *alias; /* the outermost typedef's name, "error"; or NULL */
	const char *name;  /* without struct; of a typedef when it has none of its own; or NULL */
	uint64_t size;
	dwarf_ref self;      /* of the peeled type */
	dwarf_ref to;        /* PTR, ARRAY: what it points to, its element */
	uint64_t count;      /* ARRAY; 0: unknown or flexible */
	dwarf_ref key, elem; /* of a map of Go: what it is of; 0: not told */
};

struct dwarf_member {
	const char *name; /* "" for anonymous structs, unions and base classes */
	dwarf_ref type;
	uint64_t bit_offset; /* from the start of the struct, in bits */
	uint32_t bit_size;   /* 0: no bit-field */
};

struct dwarf_value { /* an enumerator */
	const char *name;
	int64_t value;
};

/* False: the number is none of this debug information. */
bool dwarf_type_get(struct dwarf *d, dwarf_ref ref, struct dwarf_type *out);
/* Members of a struct or union, base classes first; static ones are left out. */
size_t dwarf_members(struct dwarf *d, dwarf_ref ref, struct arena *a,
		     const struct dwarf_member **out);
size_t dwarf_values(struct dwarf *d, dwarf_ref ref, struct arena *a,
		    const struct dwarf_value **out);

/* Types of Go that values of interfaces may have: the address of the type's descriptor, as an
 * offset from that of runtime.types, and the type. In no order. */
struct dwarf_go_type {
	uint64_t offset;
	dwarf_ref ref;
};
size_t dwarf_go_types(struct dwarf *d, struct arena *a, const struct dwarf_go_type **out);

/* ---- functions ----------------------------------------------------------------------------- */

struct dwarf_op {
	uint8_t op; /* DW_OP_* */
	uint64_t a, b;
};

struct dwarf_expr {
	const struct dwarf_op *ops;
	size_t n; /* 0: nowhere (optimized out) */
};

struct dwarf_param {
	const char *name; /* "" when it has none */
	dwarf_ref type;
	struct dwarf_expr at; /* where it is at the address that was asked for */
	bool always; /* `at` is one place in the frame for the whole function: empty at the entry */
	bool by_reference; /* passed by address, as the expression tells (C++) */
	bool constant;
	uint64_t value; /* `constant`: what it is */
	bool result;    /* Go: a result; they follow the arguments */
	/* Go, at the entry: a variable that the closure has captured; its offset in the closure. 0:
	 * none, there is the address of the code. A name with & in front is captured by reference.
	 */
	uint32_t captured;
};

struct dwarf_func {
	const char *name; /* as linked when known */
	dwarf_ref ret;    /* 0: void, or not told */
	struct dwarf_param *params;
	size_t nparams;
	bool entry;                   /* the address is the function's first */
	bool external;                /* can be called from other files: by the convention */
	struct dwarf_expr frame_base; /* for DW_OP_fbreg */
	struct dwarf_expr cfa;        /* for DW_OP_call_frame_cfa */
};

/* The function that covers a link-time address, with the places of its arguments there; behind the
 * entry also those of its variables that are in scope, the innermost of equal names. In a copy that
 * was inlined it is the inlined function's. `copy_of` (or NULL): the copy of the function of this
 * name, as linked, where copies are nested or the function around them begins at the address.
 * -ENOENT with `e` set when no function is known there. */
int dwarf_func_at(struct dwarf *d, uint64_t addr, const char *copy_of, struct arena *a,
		  struct dwarf_func *out, struct err *e);

/* ---- lines of the source -------------------------------------------------------------------- */

struct dwarf_line {
	uint64_t addr;    /* link-time: the first instruction of the line in its function */
	const char *file; /* as the debug information has it */
	const char *func; /* the function that the line is of, as linked; or NULL */
	bool inlined;     /* this is a copy in another function */
};

struct dwarf_lines {
	struct dwarf_line *v; /* sorted by address */
	size_t n;
	unsigned next;   /* n == 0: the next line that has code, 0: none */
	bool known_file; /* n == 0: the debug information has such a source file */
};

/* Where the code of a line is: one place for each function it is part of, and one for each inlined
 * copy. `file` is a path or the end of one ("server.c", "src/server.c"). column 0: any.
 * Returns 0 or -errno with `e` set. */
int dwarf_line_find(struct dwarf *d, struct str file, unsigned line, unsigned column,
		    struct arena *a, struct dwarf_lines *out, struct err *e);
/* Tells the names of the source files that have code; stops when fn returns other than 0. */
int dwarf_file_each(struct dwarf *d, int (*fn)(void *arg, const char *file), void *arg);

/* ---- functions that were inlined ---------------------------------------------------------------
 */

struct dwarf_copy {
	uint64_t addr;    /* link-time: where the copy begins */
	const char *func; /* the function that it is of, as linked */
};

struct dwarf_copies {
	struct dwarf_copy *v; /* by address and name, each pair once */
	size_t n;
};

/* Where functions were copied into their callers. Reads all functions of the file. */
int dwarf_copies_find(struct dwarf *d, const struct elf_pattern *wanted, struct arena *a,
		      struct dwarf_copies *out, struct err *e);
/* Bytes of debug information, which tell how long that takes: a second for some 200 MB. */
uint64_t dwarf_size(const struct dwarf *d);

/* ---- the calling convention ------------------------------------------------------------------ */

enum abi_kind {
	ABI_NONE,   /* not known */
	ABI_REGS,   /* in one or two argument registers */
	ABI_STACK,  /* in memory at the stack pointer before the call, plus `offset` */
	ABI_VECTOR, /* in registers that probes do not see */
};

struct abi_place {
	enum abi_kind kind;
	unsigned reg, nregs; /* ABI_REGS: numbers of argument registers */
	uint32_t offset;
	bool indirect; /* the place holds the address */
};

/* Where the arguments of a C or C++ function are at its entry: n of them. System V ABI for x86_64
 * (3.2.3), AAPCS64. */
void abi_params(struct dwarf *d, uint16_t machine, const struct dwarf_func *f,
		struct abi_place *out);

#endif
