/* The face of src/type: types and their layout in memory.
 *
 * Types are interned in a `struct types` as far as they have no identity of their own: two calls of
 * type_int(ts, 8, true) give one pointer. Structs and enums have identity (one for each name or BTF
 * id) and are completed lazily: members are read from BTF when type_members() first asks.
 *
 * Layouts of the values that awl makes itself (as map keys and values, in event records):
 *
 *   TYPE_STRING   char[cap], NUL-terminated unless cut at cap
 *   TYPE_BUF      u32 len; u8 data[cap]                    size = 4 + cap, align 4
 *   TYPE_TUPLE    members in order at natural alignment, holes zero
 *   TYPE_RECORD   the same, with names
 *   TYPE_STACK    { u64 hash; u32 tgid; u16 frames; u16 kind }  16 bytes: a key of the stack map
 *   TYPE_VIEW     view->size bytes that only its view can print (kernel symbol, time, address …)
 *   TYPE_AGG      agg->size(t) bytes in each CPU's slot
 */
#ifndef AWL_TYPE_H
#define AWL_TYPE_H

#include "base/base.h"
#include "elf/dwarf.h"
#include "kernel/kernel.h"

enum type_kind {
	TYPE_POISON, /* an error was reported: silent from here on */
	TYPE_VOID,
	TYPE_BOOL,
	TYPE_INT,
	TYPE_FLOAT, /* in structs only; cannot be read */
	TYPE_ENUM,
	TYPE_PTR,
	TYPE_ARRAY,
	TYPE_STRUCT, /* and union */
	TYPE_FUNC,   /* behind pointers only */
	TYPE_STRING,
	TYPE_BUF,
	TYPE_TUPLE,
	TYPE_RECORD,
	TYPE_STACK,
	TYPE_VIEW,
	TYPE_AGG,
};

/* Where a pointer points to, that is, how it must be read. */
enum space {
	SPACE_NONE,   /* unknown: guessed with a warning when read */
	SPACE_KERNEL, /* bpf_probe_read_kernel */
	SPACE_USER,   /* bpf_probe_read_user */
	SPACE_BTF,    /* trusted by the verifier: plain loads */
	SPACE_CTX,    /* the program's context: plain loads at constant offsets */
	SPACE_BPF,    /* stack, map values, records: plain loads and stores */
};

enum stack_kind { STACK_KERNEL, STACK_USER };
enum stack_mode { STACK_BPFTRACE, STACK_PERF, STACK_RAW, STACK_BUILD_ID };

enum type_lookup { LOOKUP_PLAIN, LOOKUP_STRUCT, LOOKUP_UNION, LOOKUP_ENUM };

struct types;
struct sema;
struct render;
struct agg;

struct member {
	struct str name; /* empty for anonymous structs and unions */
	const struct type *type;
	uint32_t offset;   /* bytes; for bit-fields, of the first byte to load */
	uint8_t bit_off;   /* of a bit-field inside what is loaded (from the low bit) */
	uint8_t bit_size;  /* 0: no bit-field */
	uint8_t load_size; /* bytes to load for a bit-field: 1, 2, 4, 8 */
	enum tp_loc loc;   /* of tracepoint fields */
};

/* What prints values of TYPE_VIEW; rows live beside the builtins that make them. */
struct view {
	const char *name; /* "ksym_t" */
	uint32_t size, align;
	/* Appends the text. */
	void (*text)(struct render *r, const struct type *t, const void *value, struct buf *out);
	bool user_addr; /* { u64 address, u64 tgid }, named when it is printed: see remember.c */
	bool json_raw;  /* the text is a JSON value as it stands (a number) */
	int (*compare)(const void *a, const void *b);     /* NULL: as unsigned integer */
	bool (*to_int)(const void *value, uint64_t *out); /* for %d and %x; NULL: not possible */
	/* Comparing with a text at compile time: the number that has it, for a call of the builtin
	 * `maker`, whose lower() finds it by builtin_from_text(). NULL: not possible. */
	bool (*from_text)(struct sema *s, struct str text, uint64_t *out);
	const char *maker;
};

struct type {
	enum type_kind kind;
	uint32_t size, align;
	union {
		struct {
			bool is_signed;
			bool flexible; /* type of a literal that fits either sign */
		} num;                 /* TYPE_INT */
		struct {
			const struct type *to;
			enum space space;
		} ptr;
		struct {
			const struct type *of;
			uint32_t count;
		} array;
		struct {                  /* TYPE_STRUCT; members via type_members() */
			const char *name; /* without struct/union; NULL: anonymous */
			bool is_union;
			bool go_string; /* { char *str; int len } of Go */
		} agr;
		struct {
			const char *name;
			bool is_signed;
		} enm; /* TYPE_ENUM */
		struct {
			uint32_t cap;
		} str; /* TYPE_STRING, TYPE_BUF */
		struct {
			const struct member *members;
			uint32_t n;
		} tuple; /* TYPE_TUPLE, TYPE_RECORD */
		struct {
			enum stack_kind kind;
			enum stack_mode mode;
			uint32_t limit;
		} stack;
		struct {
			const struct view *view;
			uint64_t arg; /* meaning belongs to the view: a format id, a resolution */
		} view;
		struct {
			const struct agg *agg;
			bool is_signed;
			int64_t p[3]; /* parameters: hist bits; lhist min, max, step */
		} agg;
	};
};

/* ---- making types -------------------------------------------------------------------------- */

struct types *types_new(struct arena *a, struct kernel *k);
struct kernel *types_kernel(struct types *ts);

extern const struct type type_poison, type_void, type_bool;
const struct type *type_int(struct types *ts, unsigned bytes, bool is_signed);
const struct type *type_int_literal(struct types *ts, uint64_t value, bool is_unsigned64);
/* 4, 8 or 16 bytes; of other sizes it is an array of bytes. */
const struct type *type_float(struct types *ts, uint64_t size);
const struct type *type_ptr(struct types *ts, const struct type *to, enum space space);
const struct type *type_array(struct types *ts, const struct type *of, uint32_t count);
const struct type *type_string(struct types *ts, uint32_t cap);
const struct type *type_buf(struct types *ts, uint32_t cap);
const struct type *type_tuple(struct types *ts, const struct type *const *items, uint32_t n);
const struct type *type_record(struct types *ts, const struct str *names,
			       const struct type *const *items, uint32_t n);
const struct type *type_stack(struct types *ts, enum stack_kind kind, enum stack_mode mode,
			      uint32_t limit);
const struct type *type_view(struct types *ts, const struct view *v, uint64_t arg);
/* The same, with values of `size` bytes instead of the view's. */
const struct type *type_view_sized(struct types *ts, const struct view *v, uint64_t arg,
				   uint32_t size);
const struct type *type_agg(struct types *ts, const struct agg *agg, uint32_t size, bool is_signed,
			    const int64_t p[3]);
/* A struct made by awl (context of a probe): members keep their offsets. */
const struct type *type_struct_new(struct types *ts, const char *name, uint32_t size,
				   const struct member *members, uint32_t n);

/* ---- declared by scripts and by debug information ------------------------------------------- */

struct enum_value {
	const char *name;
	uint64_t value; /* sign-extended when the enum is signed */
};

/* A struct or union (LOOKUP_STRUCT, LOOKUP_UNION) of this name that hides the kernel's: incomplete
 * until type_define; the same call gives the same type. */
const struct type *type_declare(struct types *ts, enum type_lookup tag, const char *name);
void type_define(struct types *ts, const struct type *t, uint32_t size, uint32_t align,
		 const struct member *members, uint32_t n);
/* Marks a struct as a Go string. */
void type_be_go_string(const struct type *t);
bool type_is_go_string(const struct type *t);
/* A struct that calls `complete` when its members are first asked for; that calls type_define and
 * returns true, or false when it cannot. Not found by type_lookup. `name` may be NULL. */
const struct type *
type_struct_lazy(struct types *ts, const char *name, bool is_union, uint32_t size,
		 bool (*complete)(struct types *ts, const struct type *t, void *arg), void *arg);
/* Fills in where to load a bit-field of `bits` bits at bit `at` of a struct of `size` bytes. */
void type_place_bits(struct member *m, uint32_t at, uint32_t bits, uint32_t size);
/* An enum; with a name it is found by type_lookup, and its enumerators by type_enumerator. */
const struct type *type_enum_new(struct types *ts, const char *name, uint32_t size, bool is_signed,
				 const struct enum_value *values, uint32_t n);
void type_typedef(struct types *ts, const char *name, const struct type *t);

/* ---- from the kernel ----------------------------------------------------------------------- */

/* By BTF id of vmlinux; pointers found inside get SPACE_KERNEL (SPACE_USER with the tag "user"). */
const struct type *type_from_btf(struct types *ts, uint32_t id);
/* "struct task_struct", typedef names, enums; NULL when unknown. tag: struct, union, enum or plain.
 */
const struct type *type_lookup(struct types *ts, enum type_lookup tag, struct str name);
/* int8 … uint64, u8 … , char, int, long, size_t, pid_t, void, bool and their like; NULL: unknown.
 */
const struct type *type_builtin(struct types *ts, struct str name);
/* The value of an enumerator anywhere in the kernel's BTF. */
bool type_enumerator(struct types *ts, struct str name, uint64_t *value, const struct type **type);
const char *type_enum_text(struct types *ts, const struct type *t, uint64_t value); /* NULL */
const struct enum_value *type_enum_values(struct types *ts, const struct type *t, uint32_t *n);
/* The arguments of a tracepoint event as a struct (common_* left out), members at their offsets in
 * the record; pointers are SPACE_USER for syscalls, else SPACE_KERNEL; data_loc members are marked.
 */
const struct type *type_from_tracepoint(struct types *ts, const struct tp_format *f);
/* Arguments of a raw tracepoint from BTF (btf_trace_NAME), as a struct of 8-byte slots; pointers to
 * structs are SPACE_BTF. NULL when unknown. Members are named as in BTF's prototype. */
const struct type *type_from_rawtp(struct types *ts, const char *name);
/* Context of a BTF iterator (struct bpf_iter__NAME): the struct, to be put behind a SPACE_CTX
 * pointer; its pointers are SPACE_BTF, its anonymous unions are flattened. */
const struct type *type_from_iter(struct types *ts, const char *name);
/* Prototype of the kernel's function with this id (kernel_btf_func): arguments as a struct of
 * 8-byte slots, result in *ret (may be NULL). Pointers to structs are of `space`: SPACE_BTF where
 * the verifier trusts them, else SPACE_KERNEL. NULL: it is no function. */
const struct type *type_from_func(struct types *ts, uint32_t id, enum space space,
				  const struct type **ret);

/* ---- from debug information ------------------------------------------------------------------ */

/* The debug information of a program, opened once for these types and closed with their arena. NULL
 * with `e` set when there is none. */
struct dwarf *types_dwarf(struct types *ts, const char *path, struct err *e);
/* Takes over debug information that was made (dwarf_made_from), to be closed with the arena. */
void types_take_dwarf(struct types *ts, struct dwarf *d);
/* A type of it; pointers lead to user space. What cannot be said in the language (a class's virtual
 * base …) is bytes. */
const struct type *type_from_dwarf(struct types *ts, struct dwarf *d, dwarf_ref ref);

/* A struct that a tracepoint's format names is known by name only: its size is 0 until this (or
 * type_members, type_member) looks it up in BTF. False: there is no definition. */
bool type_complete(struct types *ts, const struct type *t);

/* ---- facts (fact.c of src/kernel) ------------------------------------------------------------ */

/* Asks this kernel again what a fact of a type is about (FACT_MEMBER, FACT_SIZE, FACT_TYPE,
 * FACT_LAYOUT, FACT_ENUMERATOR), so that the answer is noted when there is one. */
void type_fact(struct types *ts, enum fact_kind kind, const char *key);

/* ---- asking --------------------------------------------------------------------------------- */

const struct member *type_members(struct types *ts, const struct type *t,
				  uint32_t *n); /* TYPE_STRUCT/TUPLE/RECORD */
/* The id in the kernel's BTF of a struct, union or enum; 0 of everything else. */
uint32_t type_btf_id(const struct type *t);
/* Finds a member by name, through anonymous members; `out` has the offset from the outer struct. */
bool type_member(struct types *ts, const struct type *t, struct str name, struct member *out);
bool type_eq(const struct type *a, const struct type *b);
/* int, bool, enum, pointer: fits a register and can be computed with. */
bool type_is_scalar(const struct type *t);
bool type_is_integer(const struct type *t); /* int, bool, enum */
bool type_is_signed(const struct type *t);
/* char, int8, uint8 element: can stand for a string. */
bool type_is_char(const struct type *t);
/* "uint64", "struct task_struct *", "string[64]", "(int64,string[16])". */
const char *type_text(struct arena *a, const struct type *t);

#endif
