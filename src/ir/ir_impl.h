/* Private to src/ir: the representation behind ir.h, the machine form behind it, and the passes.
 *
 *   module ─ functions ─┬─ insns[]   every value of the function; an ir_val is an index, 0 is none
 *                       ├─ args[]    operands of variadic instructions
 *                       ├─ blocks[]  each a list of indices into insns[], and one terminator
 *                       └─ cells[]
 *
 * Floating instructions (constants, addresses of objects, maps) are in no block's list: equal ones
 * are one value, and they are made anew at each use or kept in a register, as the allocator likes.
 *
 * The machine form (struct mfn) has one minsn for about one BPF instruction, but with three
 * operands, registers without limit, and physical registers named where the calling convention
 * wants them. Positions: instruction i reads at 2i and writes at 2i + 1.
 */
#ifndef AWL_IR_IMPL_H
#define AWL_IR_IMPL_H

#include "ir/ir.h"

enum ir_op {
#define O(id, text, n, flags) OP_##id,
#include "ir/op.def"
#undef O
	OP_COUNT
};

enum { OPF_P = 1, OPF_F = 2, OPF_R = 4, OPF_C = 8, OPF_M = 16, OP_VARIADIC = 255 };

struct ir_op_info {
	const char *name;
	uint8_t nargs, flags;
};
extern const struct ir_op_info ir_ops[OP_COUNT];

/* flags of OP_LOAD above the IR_MEM_ ones, of OP_ATOMIC, OP_KFUNC */
enum { LOAD_SIGNED = 16, LOAD_PTR = 32, ATOMIC_FETCH = 16, KFUNC_PTR = 16 };

struct ir_insn {
	uint8_t op, bytes, flags, nargs;
	uint32_t block;  /* index of its block; BLOCK_NONE when floating or dropped */
	uint32_t arg[2]; /* operands; variadic: arg[0] is the first index into fn->args */
	int64_t imm;     /* constant, offset, helper, cell, map << 32 | offset, … by op */
	struct span span;
};
/* OBJ: imm is the offset from the frame pointer (negative), arg[0] the size, arg[1] the alignment.
 */

#define BLOCK_NONE UINT32_MAX

enum ir_term_kind { TERM_NONE, TERM_JMP, TERM_BR, TERM_RET, TERM_MAYGOTO };

struct ir_term {
	uint8_t kind, hint;
	ir_val v;               /* condition, result */
	struct ir_block *to[2]; /* BR: yes, no; MAYGOTO: out, next */
	struct span span;
};

struct ir_block {
	uint32_t id, rpo; /* rpo: position in fn->rpo, BLOCK_NONE when unreachable */
	const char *name;
	struct ir_fn *fn;
	VEC(uint32_t) insns;
	struct ir_term term;
	/* by cfg_analyse */
	uint32_t *pred, npred;
	struct ir_block *idom;
	uint32_t dom_depth, dom_in, dom_out; /* preorder interval in the tree of dominators */
	uint32_t loop;                       /* depth of loops around it */
	bool cold;
	uint32_t mark; /* scratch of passes */
};

struct ir_cell_info {
	const char *name;
	bool is_ptr;
};

struct ir_fn {
	struct ir_module *m;
	const char *name;
	enum ir_fn_kind kind;
	uint32_t index, nparams, ptr_params;
	VEC(struct ir_insn) insns;
	VEC(uint32_t) args;
	VEC(struct ir_block *) blocks;
	VEC(struct ir_cell_info) cells;
	uint32_t *float_slots, nfloat_slots, nfloats; /* hash of floating values */
	uint32_t stack_now, stack_max;
	struct ir_block **rpo;
	uint32_t nrpo;
	bool used; /* reachable from the entry function */
};

struct ir_module {
	struct arena *a;
	const char *name;
	VEC(struct ir_fn *) fns;
	uint32_t zero_map, zero_off; /* ir_module_zero() */
	uint32_t reserve;            /* bytes of stack that objects leave free */
};

static inline struct ir_insn *ir_insn(const struct ir_fn *fn, ir_val v)
{
	return &fn->insns.v[v];
}

static inline bool ir_op_has(const struct ir_insn *i, unsigned flag)
{
	return ir_ops[i->op].flags & flag;
}

static inline uint32_t *ir_operands(const struct ir_fn *fn, struct ir_insn *i)
{
	return ir_ops[i->op].nargs == OP_VARIADIC ? &fn->args.v[i->arg[0]] : i->arg;
}

static inline bool ir_is_cmp(unsigned op)
{
	return op >= OP_EQ && op <= OP_SGE;
}

static inline unsigned ir_term_nsucc(const struct ir_term *t)
{
	return t->kind == TERM_JMP ? 1 : t->kind == TERM_BR || t->kind == TERM_MAYGOTO ? 2 : 0;
}

/* build.c, fold.c */
ir_val ir_emit(struct ir *b, struct ir_insn in);
ir_val ir_emit_args(struct ir *b, struct ir_insn in, unsigned nargs, const ir_val *args);
ir_val ir_float(struct ir_fn *fn, unsigned op, int64_t imm);
bool ir_const_of(const struct ir_fn *fn, ir_val v, int64_t *out);
int64_t fold_eval(unsigned op, int64_t l, int64_t r);
ir_val fold_bin(struct ir *b, unsigned op, ir_val l, ir_val r); /* 0: nothing to fold */
ir_val fold_ext(struct ir *b, unsigned op, ir_val v, unsigned bytes);
uint64_t fold_max(const struct ir_fn *fn, ir_val v); /* an upper bound, unsigned */
unsigned ir_cmp_swap(unsigned op);                   /* a op b  ==  b swap(op) a */
unsigned ir_cmp_invert(unsigned op);

/* cfg.c */
void cfg_clean(struct ir_fn *fn);   /* drops, threads and merges blocks */
void cfg_analyse(struct ir_fn *fn); /* rpo, preds, dominators, loops, cold */
bool cfg_dominates(const struct ir_block *a, const struct ir_block *b);
struct ir_block **cfg_layout(struct ir_fn *fn); /* the nrpo blocks in the order of emission */

/* The passes over the IR. */
void ir_check(struct ir_module *m); /* BUG() when a rule of ir.h is broken */
void ir_legal(struct ir_fn *fn, const struct ir_isa *isa);
void ir_gvn(struct ir_fn *fn);
void ir_dce(struct ir_fn *fn);
bool ir_thread(struct ir_fn *fn); /* thread.c; whether it changed the graph */

/* helper.c */
enum helper_effect {
	HELPER_ANY,       /* may read and write everything */
	HELPER_INVARIANT, /* same result all through the program, touches nothing */
	HELPER_FRESH,     /* touches nothing, but each call has its own result */
	HELPER_LOOKUP,    /* r1 map, r2 key; touches nothing */
	HELPER_MAPWRITE,  /* r1 map: changes its elements */
	HELPER_FILL,      /* writes memory at argument 1 of argument 2 bytes, only */
	HELPER_SEND,      /* reads memory, writes none the program sees */
};
enum helper_effect helper_effect(int helper);
int helper_by_name(struct str name); /* -1 */

/* ---- machine form ------------------------------------------------------------------------- */

typedef uint32_t mreg; /* 0…10 physical; MREG_NONE; from MREG_VIRT on virtual */
#define MREG_NONE 15u
#define MREG_VIRT 16u
#define MREG_FP   10u

enum mop {
	M_NOP,
	M_MOV,   /* d = a */
	M_REMAT, /* d = the floating value `imm` (an ir_val) */
	M_ALU,   /* d = a `sub` (b or imm); bytes 4: 32-bit form */
	M_NEG,
	M_MOV32, /* d = low half of a */
	M_SEXT,  /* d = sign-extended low `bytes` of a */
	M_BSWAP,
	M_INDEX, /* d = a, known to be at most imm by a branch; costs nothing, or becomes M_BOUND */
	M_SETCC, /* d = a `sub` (b or imm) ? 1 : 0 */
	M_BOUND, /* d = min(a, b or imm) */
	M_LD,    /* d = [a + off]; flags LOAD_SIGNED */
	M_ST,    /* [a + off] = b or imm */
	M_ATOMIC,  /* [a + off] `sub`= b; d is the old value when MF_FETCH */
	M_CMPXCHG, /* r0 = cmpxchg([a + off], r0, b) */
	M_CALL, /* imm: helper, btf id, function index; sub: enum mcall; bytes: number of arguments
		 */
	M_RELOAD, /* d = slot a */
	M_SPILL,  /* slot d = a */
	/* terminators */
	M_JMP,
	M_JCC,
	M_RET,
	M_MAYGOTO,
};

enum mcall { MCALL_HELPER, MCALL_KFUNC, MCALL_FN };
enum {
	MF_IMM = 1,
	MF_FETCH = 2,
	MF_SIGNED = 4,
	MF_JSET = 8,
	MF_FRAME = 16, /* M_ALU: a is an address on the stack, and d must not be b */
};

struct minsn {
	uint8_t op, sub, bytes, flags;
	mreg d, a, b;
	int32_t off;
	int64_t imm;
	struct span span;
};

struct mblock {
	VEC(struct minsn) in; /* the last one is the terminator */
	uint32_t to[2], nto;  /* JCC: taken, not taken; indices of mblocks */
	uint32_t loop;
	bool cold;
	uint32_t *pred, npred;
	uint32_t first;    /* number of its first instruction */
	uint32_t live_out; /* head of the list in struct live; by live.c */
	uint32_t addr;     /* by emit.c */
};

enum vreg_kind { VREG_NORMAL, VREG_TINY, VREG_SLOT, VREG_REMAT };

struct vreg {
	uint8_t kind;
	mreg at;        /* assigned: register, or slot number of a VREG_SLOT */
	uint32_t remat; /* VREG_REMAT: the floating value */
	/* by live.c */
	uint32_t range;  /* first of its ranges */
	uint32_t length; /* positions covered */
	float weight;    /* uses and definitions, by loop */
	uint16_t hints;  /* bits of physical registers it is moved from and to */
};

struct mrange {
	uint32_t from, to; /* positions, both inclusive */
	uint32_t next;     /* 0: last */
};

struct mfn {
	struct arena *a;
	struct ir_fn *fn;
	const struct ir_isa *isa;
	VEC(struct mblock) blocks; /* in order of emission */
	VEC(struct vreg) vregs;    /* register MREG_VIRT + i */
	VEC(struct mrange) ranges; /* [0] unused */
	VEC(struct mrange) fixed;  /* busy ranges of physical registers; next: the register */
	uint32_t npos;
	uint32_t nslots; /* spill slots of 8 bytes */
	uint32_t frame;  /* bytes */
	bool may_goto;
	uint64_t seed;
};

static inline bool mreg_is_virt(mreg r)
{
	return r >= MREG_VIRT;
}

static inline struct vreg *mreg_info(struct mfn *f, mreg r)
{
	return &f->vregs.v[r - MREG_VIRT];
}

mreg mfn_vreg(struct mfn *f, enum vreg_kind kind);
uint64_t mfn_random(struct mfn *f);

/* What an instruction reads and writes, for live.c, assign.c and spill.c. */
struct mops {
	mreg *use[2];
	bool late[2]; /* still needed when the result is written */
	unsigned nuse;
	mreg *def;
};
void minsn_operands(struct minsn *i, struct mops *o);

struct mfn *isel_fn(struct ir_fn *fn, const struct ir_isa *isa);
void live_compute(struct mfn *f);
void mfn_hold(struct mfn *f);     /* hold.c: addresses that are wanted often stay in registers */
void mfn_allocate(struct mfn *f); /* assign.c: until every vreg has its place */
void spill_rewrite(struct mfn *f, const uint8_t *spill, uint32_t n);
void mfn_finish(struct mfn *f); /* finish.c: physical registers, no empty blocks */

struct emit;
uint32_t emit_module(struct ir_module *m, struct mfn **fns, uint32_t nfns, const struct ir_isa *isa,
		     struct ir_code *out);
void mfn_print(struct mfn *f, struct buf *out);

#endif
