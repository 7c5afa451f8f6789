/* The face of src/ir: the intermediate representation and the BPF back end. Knows neither the
 * language nor what maps mean.
 *
 * A module becomes one BPF program: its first function is the entry, the others are subprograms
 * (called) or callbacks (given to bpf_loop, bpf_for_each_map_elem). A function is a graph of basic
 * blocks; a block is a list of instructions that ends in one terminator. Every value is defined
 * once, by the instruction whose index it is, and is 64 bits wide. There are no phis: what changes
 * (script variables, results of ?: && ||) is a *cell*, read by ir_get and written by ir_set.
 *
 * Aggregates (strings, keys, records) are never values. They live in memory: stack objects
 * (ir_object), map values (ir_mapval, results of look-ups), ring-buffer records. Code builds them
 * in place through pointers.
 *
 * What the verifier must know is a value of its own: use the result of ir_nonnull / ir_bound /
 * ir_index from there on, never the unchecked operand. No pass moves a use above its fact.
 *
 * Text form (-d ir; ir_parse reads it back):
 *
 *   fn main(%ctx) {
 *   b0:
 *     %1 = obj 16 align 8
 *     %2 = const 16
 *     call get_current_comm %1, %2            ; opensnoop.bt:3:9
 *     %4 = map 0
 *     %5 = call map_lookup_elem %4, %1
 *     br %5, b2, b1 unlikely
 *   …
 */
#ifndef AWL_IR_H
#define AWL_IR_H

#include <linux/bpf.h>
#include "base/base.h"

typedef uint32_t ir_val;  /* 0: none */
typedef uint32_t ir_cell; /* 0: none */

struct ir_module;
struct ir_fn;
struct ir_block;

/* The place where the next instruction goes. Plain data; copy it freely. */
struct ir {
	struct ir_module *m;
	struct ir_fn *fn;
	struct ir_block
		*block;   /* NULL after a terminator: what follows is unreachable and dropped */
	struct span span; /* given to the instructions that are built */
};

/* ---- modules, functions, blocks ----------------------------------------------------------- */

struct ir_module *ir_module_new(struct arena *a, const char *name);

/* Eight bytes of a map's value that are always zero, for ir_hide. */
void ir_module_zero(struct ir_module *m, uint32_t map, uint32_t off);

/* Objects shall leave so many bytes of stack free above the usual (ir_stack_left). */
void ir_module_reserve(struct ir_module *m, uint32_t bytes);

enum ir_fn_kind { IR_ENTRY, IR_SUBPROG, IR_CALLBACK };

/* Parameters arrive in r1…r5. The entry has one, the context. Pointer parameters are named by a bit
 * in `ptr_params` (bit 0 is the first). */
struct ir_fn *ir_fn_new(struct ir_module *m, const char *name, enum ir_fn_kind kind,
			unsigned nparams, unsigned ptr_params);
struct ir ir_begin(struct ir_fn *fn); /* at the (empty) entry block */
ir_val ir_param(struct ir *b, unsigned n);

struct ir_block *ir_block_new(struct ir *b, const char *name);
void ir_at(struct ir *b, struct ir_block *block); /* continue building at its end */

/* ---- values ------------------------------------------------------------------------------- */

ir_val ir_const(struct ir *b, int64_t v);
bool ir_is_const(const struct ir *b, ir_val v, int64_t *out);

enum ir_binop {
	IR_ADD,
	IR_SUB,
	IR_MUL,
	IR_UDIV,
	IR_SDIV,
	IR_UMOD,
	IR_SMOD, /* x / 0 is 0, x % 0 is x; INT64_MIN / -1 wraps */
	IR_AND,
	IR_OR,
	IR_XOR,
	IR_SHL,
	IR_LSHR,
	IR_ASHR, /* the count is taken modulo 64 */
	/* comparisons give 0 or 1 */
	IR_EQ,
	IR_NE,
	IR_ULT,
	IR_ULE,
	IR_UGT,
	IR_UGE,
	IR_SLT,
	IR_SLE,
	IR_SGT,
	IR_SGE,
};

/* Folds constants and identities on the way. Pointers: ADD and SUB of a scalar, and comparisons. */
ir_val ir_bin(struct ir *b, enum ir_binop op, ir_val l, ir_val r);
ir_val ir_bini(struct ir *b, enum ir_binop op, ir_val l, int64_t r); /* with a constant */
ir_val ir_neg(struct ir *b, ir_val v);
ir_val ir_not(struct ir *b, ir_val v);                  /* v == 0 */
ir_val ir_zext(struct ir *b, ir_val v, unsigned bytes); /* keep the low 1, 2 or 4 bytes */
ir_val ir_sext(struct ir *b, ir_val v, unsigned bytes);
ir_val ir_bswap(struct ir *b, ir_val v, unsigned bytes); /* 2, 4, 8; result zero-extended */

/* The same number, but the verifier knows nothing about it: ways through the program on which it
 * has different values are one to the verifier from there on. */
ir_val ir_hide(struct ir *b, ir_val v);

/* Facts. */
ir_val ir_nonnull(struct ir *b, ir_val p);               /* in the branch where p != 0 */
ir_val ir_bound(struct ir *b, ir_val v, uint64_t max);   /* min(v, max), unsigned; one compare */
ir_val ir_mask(struct ir *b, ir_val v, uint64_t mask);   /* v & mask, and the verifier knows */
ir_val ir_index(struct ir *b, ir_val v, uint64_t count); /* in the branch where v < count */

/* ---- memory ------------------------------------------------------------------------------- */

/* Stack objects. Space is reused by scope: what was made after ir_stack_mark is released by
 * ir_stack_release, and must not be used after. The whole function has 512 bytes with its spill
 * slots; ir_stack_left says how much objects may still take here (spill slots set apart). */
ir_val ir_object(struct ir *b, uint32_t size, uint32_t align);
bool ir_is_object(const struct ir *b, ir_val v);
uint32_t ir_stack_mark(const struct ir *b);
void ir_stack_release(struct ir *b, uint32_t mark);
uint32_t ir_stack_left(const struct ir *b);

enum ir_mem_flags {
	IR_MEM_NONE = 0,
	IR_MEM_INVARIANT = 1, /* same value all through the program: context, read-only data */
	IR_MEM_VOLATILE = 2,  /* never merged or dropped */
};

ir_val ir_load(struct ir *b, unsigned bytes, ir_val ptr, int32_t off,
	       enum ir_mem_flags flags); /* zero-extends */
ir_val ir_loads(struct ir *b, unsigned bytes, ir_val ptr, int32_t off,
		enum ir_mem_flags flags); /* sign-extends */
/* A load whose result is a pointer that the program may dereference directly (BTF-typed pointers of
 * tracing programs and iterators). */
ir_val ir_load_ptr(struct ir *b, ir_val ptr, int32_t off);
void ir_store(struct ir *b, unsigned bytes, ir_val ptr, int32_t off, ir_val v);
/* Zeroes / copies a constant number of bytes with the widest stores that `align` allows. */
void ir_zero(struct ir *b, ir_val ptr, int32_t off, uint32_t size, uint32_t align);
void ir_copy(struct ir *b, ir_val dst, int32_t doff, ir_val src, int32_t soff, uint32_t size,
	     uint32_t align);

enum ir_atomic_op { IR_ATOMIC_ADD, IR_ATOMIC_AND, IR_ATOMIC_OR, IR_ATOMIC_XOR, IR_ATOMIC_XCHG };
/* bytes is 4 or 8. `fetch`: the old value is returned, otherwise 0. XCHG always fetches. */
ir_val ir_atomic(struct ir *b, enum ir_atomic_op op, unsigned bytes, ir_val ptr, int32_t off,
		 ir_val v, bool fetch);
ir_val ir_cmpxchg(struct ir *b, unsigned bytes, ir_val ptr, int32_t off, ir_val expect, ir_val v);

/* References that the loader resolves: imm holds the index or id given here. */
ir_val ir_map(struct ir *b, uint32_t map); /* struct bpf_map *: argument of helpers */
ir_val ir_mapval(struct ir *b, uint32_t map,
		 uint32_t off);                  /* address inside the value of a one-entry array */
ir_val ir_fnptr(struct ir *b, struct ir_fn *fn); /* IR_CALLBACK, as argument of a helper */

/* ---- calls -------------------------------------------------------------------------------- */

/* `helper` is BPF_FUNC_…; helper.def knows arguments, result and purity: INVARIANT helpers
 * (get_current_pid_tgid …) are called once per activation, look-ups with the same key are merged
 * until a write to that map. Returns the result (of void helpers too: ignore it). */
ir_val ir_call(struct ir *b, int helper, unsigned nargs, const ir_val *args);
#define IR_CALL(b, helper, ...)                                                  \
	ir_call((b), (helper), sizeof((ir_val[]){__VA_ARGS__}) / sizeof(ir_val), \
		(ir_val[]){__VA_ARGS__})
#define IR_CALL0(b, helper) ir_call((b), (helper), 0, NULL)
ir_val ir_kfunc(struct ir *b, uint32_t btf_id, unsigned nargs, const ir_val *args,
		bool returns_ptr);
ir_val ir_call_fn(struct ir *b, struct ir_fn *fn, unsigned nargs, const ir_val *args);

/* ---- cells -------------------------------------------------------------------------------- */

/* A cell reads as 0 before it is written (an ir_set of 0 in the entry block is implied when
 * needed). A cell that ever holds a pointer must be made with is_ptr. */
ir_cell ir_cell_new(struct ir *b, const char *name, bool is_ptr);
ir_val ir_get(struct ir *b, ir_cell c);
void ir_set(struct ir *b, ir_cell c, ir_val v);

/* ---- terminators -------------------------------------------------------------------------- */

enum ir_hint { IR_LIKELY_EVEN, IR_LIKELY_YES, IR_LIKELY_NO };

void ir_jmp(struct ir *b, struct ir_block *to);
void ir_br(struct ir *b, ir_val cond, struct ir_block *yes, struct ir_block *no, enum ir_hint hint);
void ir_ret(struct ir *b, ir_val v);
/* At the head of a loop whose bound the verifier cannot see (kernels with may_goto, isa.may_goto):
 * leaves to `out` when the kernel's own budget of iterations is used up. */
void ir_may_goto(struct ir *b, struct ir_block *out, struct ir_block *next);

/* ---- from module to instructions ---------------------------------------------------------- */

struct ir_isa {
	unsigned cpu; /* 3 or 4 (4: sdiv, movsx, ldsx, bswap, gotol) */
	bool may_goto;
	bool plain_atomics; /* the only atomic operation is an add that does not tell what was there
			     */
	uint64_t random_ra; /* not 0: registers are chosen at random from this seed (tests) */
};

struct ir_func_info { /* one per function, in order of instruction offset */
	const char *name;
	uint32_t insn_off;
	enum ir_fn_kind kind;
	unsigned nparams;
};

struct ir_code {
	struct bpf_insn
		*insns; /* relocations: ld_imm64 with src_reg BPF_PSEUDO_MAP_FD / _MAP_VALUE and imm
			 * = map index (next insn's imm = offset), BPF_PSEUDO_FUNC already resolved,
			 * calls with BPF_PSEUDO_KFUNC_CALL and imm = btf id */
	size_t n;       /* in 8-byte slots */
	struct span *spans; /* of each slot */
	struct ir_func_info *funcs;
	size_t nfuncs;
	uint32_t stack; /* deepest frame, bytes */
};

/* Checks, optimises, allocates registers and emits. Never fails for lack of registers. Returns 0,
 * or the number of bytes of stack needed when a frame exceeds 512 (nothing else can go wrong: a
 * module that breaks the rules above is a BUG). `trace` (NULL or a buffer) receives the text form
 * after each pass. Everything is allocated in the module's arena. */
uint32_t ir_compile(struct ir_module *m, const struct ir_isa *isa, struct ir_code *out,
		    struct buf *trace);

/* Text. */
void ir_print(const struct ir_module *m, struct buf *out);
struct ir_module *ir_parse(struct arena *a, struct str text, struct err *e);

/* Disassembles in the kernel's notation, one instruction a line, `  12: (85) call
 * get_current_comm#16`. `map_name` (may be NULL) names map indices; `source` (may be NULL) is
 * called to print a line of the script above the first instruction of each new span. */
void ir_disasm(const struct ir_code *code, const char *(*map_name)(void *arg, uint32_t map),
	       void (*source)(void *arg, struct span s, struct buf *out), void *arg,
	       struct buf *out);
const char *ir_helper_name(int helper); /* "map_lookup_elem", or NULL */

#endif
