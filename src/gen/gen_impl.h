/* Private to src/gen: the state of one program under construction and what the files share.
 *
 * Memory that generated code owns, by the name it has here:
 *
 *   temp     stack object or a piece of the scratch slot; ends with its statement
 *   home     place of a variable that is no scalar, or whose address is taken; ends with the
 * program frame    stack object that carries what the bodies of `for … : @map` share with the
 * program around them (they are functions of their own):
 *
 *              0         8       16       24       32
 *              +---------+-------+--------+--------+----------------------+
 *              | scratch | ctx   | leave  | result | arguments, captured variables … |
 *              +---------+-------+--------+--------+----------------------+
 *
 * `arguments` are those of the script's functions behind the fourth. The frame also has two words
 * for each map loop that has others inside: the places of its key and value, which are arguments of
 * a function that the inner body is not part of.
 *
 * Invariants: the base `v` of every VAL_MEM in SPACE_BPF is aligned to 8 bytes, or to the power of
 * two that is not less than its size; strings end at their first NUL and what follows it means
 * nothing, except in keys, where it is zero.
 */
#ifndef AWL_GEN_IMPL_H
#define AWL_GEN_IMPL_H

#include "gen/gen.h"

#define FRAME_SCRATCH 0
#define FRAME_CTX     8
#define FRAME_LEAVE   16
#define FRAME_RESULT  24
#define FRAME_ARGS    32 /* of functions with more than FN_REGS parameters; variables follow */
#define PAIR_SLOT     16
#define FN_REGS       4 /* parameters in registers; the fifth is the frame */

#define SCRATCH_LEVELS  4
#define SCRATCH_SLOT    (16u << 10)
#define SCRATCH_HEAD    8
#define SCRATCH_CLASSES 4

/* Above so many bytes memory is moved by a helper, and loops are loops. */
#define INLINE_BYTES 64

struct gen_loop {
	struct gen_loop *up;
	struct ir_block *brk, *cont;
};

/* The variable of a `for` over a map: its two halves where the kernel handed them over. */
struct gen_pair {
	struct gen_pair *up;
	const struct var_sym *var;
	struct val key, value;
	const struct map_sym *map;
	struct ir_fn *fn; /* that `key` and `value` belong to */
	uint32_t slot;    /* in the frame: where loops inside find the two; 0: there are none */
};

enum home_kind { HOME_NONE, HOME_OBJECT, HOME_FRAME, HOME_SCRATCH };

/* Kept in var_sym.home. */
struct home {
	enum home_kind kind;
	ir_val v;     /* HOME_OBJECT */
	uint32_t off; /* HOME_FRAME, HOME_SCRATCH */
	bool captured;
	unsigned loop;    /* the last one that made it unknown to the verifier */
	unsigned attempt; /* that the rest belongs to: the count in gen_in */
};
_Static_assert(sizeof(struct home) <= sizeof(((struct var_sym *)0)->home), "home");

struct shared_key {
	const struct builtin *builtin;
	const struct type *type;
	struct expr *expr; /* its first use */
	unsigned uses;
	bool early;    /* the predicate uses it */
	ir_val object; /* 0: not built */
};

struct gen {
	struct gen_in *in;
	struct probe *p;
	struct ir_module *m;
	struct ir b; /* where code goes */
	struct ir
		claim; /* an open block that dominates all of what follows: the claim goes there */
	ir_val ctx;    /* of the function being built */
	ir_val frame, main_frame; /* of the function being built, of the main one; 0: no map loop
				     anywhere */
	bool in_callback;         /* a function other than the main one is being built */
	bool in_loop_fn;          /* … and it is the body of a map loop */
	struct fn_inst *fn; /* the script's function that is being built, or around the loop */
	ir_val fn_frame;    /* the frame of its caller */
	bool fns_done;
	uint32_t scratch_high;  /* most bytes of the slot that were taken at a time */
	ir_val scratch;         /* the claimed slot, in the main function; 0: not claimed */
	uint32_t scratch_used;  /* bytes of the slot taken now */
	unsigned scratch_class; /* slots have SCRATCH_SLOT << class bytes */
	bool too_small;         /* they should have had more: once again with the next class */
	uint32_t frame_size;
	struct ir_block *leave; /* where gen_return goes now */
	ir_cell result;         /* code of the program, xored with the default one; 0: not used */
	struct gen_loop *loop;
	struct gen_pair *pair;
	unsigned ncallbacks, nloops;
	struct shared_key keys[4];
	unsigned nkeys;
	bool failed;
};

static inline ir_val gen_addr(struct gen *g, struct val m)
{
	return ir_bini(&g->b, IR_ADD, m.v, m.off);
}

/* The part of `m` at `off`, seen as `t`. */
static inline struct val gen_part(struct val m, const struct type *t, int32_t off)
{
	return val_mem(t, m.v, m.off + off, m.space);
}

/* gen.c */
void gen_leave(struct gen *g, ir_val code); /* 0: with the default code */
void gen_error_size(struct gen *g, struct span sp, const char *what, uint32_t size, uint32_t limit);

/* var.c */
void vars_plan(struct gen *g, struct block *body);
struct val pair_half(struct gen *g, const struct gen_pair *p, bool value);
void vars_plan_predicate(struct gen *g, struct expr *pred);
struct val var_read(struct gen *g, struct expr *e);
void var_write(struct gen *g, struct var_sym *v, struct expr *value);
void var_set(struct gen *g, struct var_sym *v, ir_val value); /* scalars */
struct val var_place(struct gen *g, const struct var_sym *v); /* with a home */
static inline struct home *var_home(const struct var_sym *v)
{
	return (struct home *)(uintptr_t)v->home;
}

/* keys.c */
void keys_plan(struct gen *g);
void keys_build(struct gen *g, bool early);
bool keys_find(struct gen *g, const struct expr *map, struct val *out);

/* scratch.c */
uint32_t scratch_reserve(struct gen *g, uint32_t size); /* offset in the slot */
struct val scratch_take(struct gen *g, const struct type *t, uint32_t size);
struct val scratch_at(struct gen *g, const struct type *t, uint32_t off);
ir_val scratch_base(struct gen *g); /* the slot's address, in the function being built */
void scratch_release(struct gen *g);
struct gen_mark {
	uint32_t stack, scratch;
};
struct gen_mark gen_mark(struct gen *g);
void gen_release(struct gen *g, struct gen_mark m);
ir_val gen_zeroes(struct gen *g, uint32_t size); /* bytes that are zero, for reading only */

/* access.c */
struct val gen_rvalue(struct gen *g,
		      struct val v); /* a scalar out of memory, with what is known of it */
ir_val gen_plain(struct gen *g,
		 struct val v); /* a number to compute with, whatever the verifier thinks */
struct val gen_deref(struct gen *g, struct val p, const struct type *to);
struct val access_field(struct gen *g, struct expr *e);
struct val access_index(struct gen *g, struct expr *e);
enum space gen_space(struct gen *g, enum space s); /* none is guessed */

/* convert.c */
ir_val gen_convert(struct gen *g, ir_val v, const struct type *from, const struct type *to);
void store_scalar(struct gen *g, struct val dst, ir_val v);
void gen_zero(struct gen *g, struct val m);
void gen_move(struct gen *g, struct val dst, struct val src, uint32_t size);
void zero_holes(struct gen *g, struct val tuple);

/* str.c */
void str_end(struct gen *g, struct val dst, uint32_t at); /* the NUL behind `at` bytes */
void str_literal(struct gen *g, struct val dst, struct str s, bool pad);
void str_store(struct gen *g, struct val dst, struct val src, bool pad);
ir_val str_eq_literal(struct gen *g, struct val m, struct str s);
ir_val str_equal(struct gen *g, struct val a, struct val b);

/* compare.c */
ir_val gen_equal(struct gen *g, struct expr *l, struct expr *r);

/* expr.c */
void gen_build(struct gen *g, struct expr *e, struct val dst, bool pad);
/* The same for the value of a variable or map `sym`, which the expression may read. */
void gen_assign(struct gen *g, struct expr *e, struct val dst, const void *sym, bool is_map);
struct val gen_block_value(struct gen *g, struct block *b, const struct val *dst, bool pad);
void gen_effect(struct gen *g, struct expr *e); /* for its effect only */

/* effect.c */
bool effect_any(struct expr *e); /* must it happen even where the value is not needed? */
bool effect_may_leave(struct expr *e);
bool effect_mentions(struct expr *e, const void *sym, bool is_map);
bool effect_touches(struct expr *later, struct expr *e); /* does `later` change what `e` reads? */

/* binary.c */
struct val gen_binary(struct gen *g, struct expr *e);
ir_val gen_arith(struct gen *g, enum binary_op op, ir_val l, ir_val r, const struct type *lt,
		 const struct type *rt);
void gen_branch(struct gen *g, struct expr *e, struct ir_block *yes, struct ir_block *no,
		enum ir_hint hint);

/* map.c, mapset.c, aggread.c */
struct val map_key_zero(struct gen *g);
struct val map_read(struct gen *g, struct expr *e);
void map_read_to(struct gen *g, struct expr *e, struct val dst, bool pad);
struct val map_slot(struct gen *g, const struct map_sym *m, struct val key, struct ir_block *fail);
struct val map_place(struct gen *g, struct expr *e, struct ir_block *fail);
void map_lost(struct gen *g, const struct map_sym *m);
void map_mark_set(struct gen *g, const struct map_sym *m);
void map_branch(struct gen *g, struct expr *e, struct ir_block *yes,
		struct ir_block *no); /* hashes of scalars */
void map_assign(struct gen *g, struct expr *map, struct expr *value);
void map_compound(struct gen *g, struct expr *map, enum binary_op op, struct expr *value);
struct val map_incdec(struct gen *g, struct expr *e, bool used);
struct val agg_read(struct gen *g, const struct map_sym *m, struct val key,
		    const struct type *want);
void agg_zero_all(struct gen *g, const struct map_sym *m, struct val key);

/* follow.c: leaves to `early` when the current process is not traced */
void follow_check(struct gen *g, struct ir_block *early);

/* fn.c */
void fns_emit(struct gen *g);
uint32_t fn_frame_vars(const struct gen *g);
struct val fn_call(struct gen *g, struct expr *e);
void fn_return(struct gen *g, struct expr *value);
void fn_leave(struct gen *g);
void fn_left_loop(struct gen *g);

/* guard.c */
void guard_count(struct gen *g);
void guard_check(struct gen *g, enum guard_gate which,
		 struct ir_block *out); /* goes on below the limit */

/* unlearn.c: `v`, which has type `t`. What the verifier knows of it is forgotten, where that is
 * wanted. */
ir_val gen_unlearn(struct gen *g, const struct type *t, ir_val v);

/* stmt.c, loop.c, formap.c */
void gen_stmts(struct gen *g, struct block *b);
void gen_stmt(struct gen *g, struct stmt *s);
void loop_while(struct gen *g, struct stmt *s);
void loop_range(struct gen *g, struct stmt *s);
void loop_unroll(struct gen *g, struct stmt *s);
void loop_map(struct gen *g, struct stmt *s);
void loop_forget(struct gen *g, struct block *body);
/* A loop of generated code over 0 … n-1 (n constant): body(g, i, arg) may leave to `out`. */
void loop_count(struct gen *g, uint32_t n,
		void (*body)(struct gen *, ir_val i, struct ir_block *out, void *arg), void *arg);

#endif
