/* The face of src/gen: the checked tree to IR. Destination-driven: strings, keys and records are
 * built where they are needed (stack, scratch, reserved ring record, map value), not copied
 * through.
 *
 *   @[comm] = count()      key object on the stack ← get_current_comm; look up; insert zero on a
 * miss; atomic add in the slot printf("%s", str(p))   reserve record; id; probe_read_user_str
 * straight into the record; submit
 */
#ifndef AWL_GEN_H
#define AWL_GEN_H

#include "ir/ir.h"
#include "sema/sema.h"

enum val_kind { VAL_NONE, VAL_SCALAR, VAL_MEM };

/* The value of an expression. Scalars are 64 bits wide, extended by the sign of their type.
 * Everything else is a place in memory: at v + off, to be read as `space` says. */
struct val {
	enum val_kind kind;
	const struct type *type;
	ir_val v;
	int32_t off;
	enum space space; /* VAL_MEM; of a pointer in VAL_SCALAR: where it leads, when better known
			     than by type */
	uint8_t bit_off, bit_size, load_size; /* VAL_MEM of a bit-field */
	bool nullable; /* in SPACE_BTF: the verifier wants the pointer checked before use */
	bool tracked;  /* a pointer to the verifier: not to be computed with as it is */
};

#define VAL_VOID ((struct val){VAL_NONE, &type_void, 0, 0, SPACE_NONE, 0, 0, 0})

static inline struct val val_scalar(const struct type *t, ir_val v)
{
	return (struct val){VAL_SCALAR, t, v, 0, SPACE_NONE, 0, 0, 0};
}

static inline struct val val_mem(const struct type *t, ir_val base, int32_t off, enum space space)
{
	return (struct val){VAL_MEM, t, base, off, space, 0, 0, 0};
}

struct gen;

/* ---- the driver's side
 * ----------------------------------------------------------------------------- */

/* Indices of the maps that awl needs for itself; the user's maps come first, by map_sym.index. */
struct gen_maps {
	uint32_t ring, globals, scratch, stacks, packets;
	uint32_t unwind_procs, unwind_images;
	uint32_t followed, cgroups; /* see follow.c */
	uint32_t own;               /* the first of plan.own_maps */
};

struct gen_in {
	struct arena *arena;
	struct diag *diag;
	struct plan *plan;
	struct kernel *kernel;
	struct types *types;
	struct gen_maps maps;
	const struct whom *whom;
	uint32_t ncpus;        /* possible CPUs, rounded up to a power of two */
	uint32_t scratch_slot; /* bytes of the largest scratch slot in use (0: none); see
				  gen_scratch_bytes */
	uint32_t ring_size;
	uint32_t zero_off,
		zero_size; /* gen: bytes of the globals that stay zero (start with 0, 0) */
	uint32_t attempts; /* gen: how many times a program was generated (starts with 0) */
	bool thrifty;      /* spare the verifier, at the price of speed: see unlearn.c */
	uint32_t reserve;  /* bytes of stack that are left to registers above the usual: what lies
			      there otherwise goes to scratch memory */
};

/* Bytes of the scratch map's one value, once all programs are generated (8 when none needs it). */
uint32_t gen_scratch_bytes(const struct gen_in *in);

/* One program to a module. NULL after a reported error (E_STORAGE …). */
struct ir_module *gen_probe(struct gen_in *in, struct probe *p);

/* ---- which processes (follow.c)
 * -------------------------------------------------------------------- */

/* One byte for each number that a process can have: not 0 when it is traced. */
enum { FOLLOWED_SIZE = 4 << 20 };

/* What keeps the bytes right, each a program on a tracepoint. */
enum follow_event {
	FOLLOW_FORK, /* sched_process_fork: a child is what its parent is */
	FOLLOW_EXEC, /* sched_process_exec: a process has another name */
	FOLLOW_FREE, /* sched_process_free: the number may be used again */
	FOLLOW_EVENTS
};

bool gen_follow_needs(const struct whom *w, enum follow_event ev);
/* `pid_off`: of the field with the process's number in the tracepoint's record. */
struct ir_module *gen_follow(struct gen_in *in, enum follow_event ev, uint32_t pid_off);

/* ---- for builtins and providers
 * ---------------------------------------------------------------------- */

struct ir *gen_ir(struct gen *g); /* where code goes now */
struct arena *gen_arena(struct gen *g);
struct plan *gen_plan(struct gen *g);
struct kernel *gen_kernel(struct gen *g);
struct types *gen_types(struct gen *g);
struct probe *gen_probe_of(struct gen *g);
struct gen_in *gen_input(struct gen *g);
ir_val gen_ctx(struct gen *g); /* the context pointer */
/* Values and cells made at the start of the program may be used: not in the bodies of map loops and
 * of functions, which are functions of their own. */
bool gen_in_main(struct gen *g);

/* Evaluate. gen_expr never copies an aggregate; gen_scalar is for integers, bools, pointers. */
struct val gen_expr(struct gen *g, struct expr *e);
ir_val gen_scalar(struct gen *g, struct expr *e);
/* An operand that others follow: a value in memory is copied when evaluating one of them may change
 * it. */
struct val gen_held(struct gen *g, struct expr *e, struct expr *const *later, size_t n);
/* Build the value in `dst` (VAL_MEM in SPACE_BPF, of type dst.type: converted to it). */
void gen_expr_to(struct gen *g, struct expr *e, struct val dst);
/* $x = value, for builtins that set a variable. */
void gen_set_var(struct gen *g, struct expr *var, struct val v);
/* Copy / convert a value into memory: strings are cut or zero-filled to the capacity when `pad`. */
void gen_store(struct gen *g, struct val dst, struct val src, bool pad);
/* Load a scalar out of memory of any space (faults count as LOST_FAULT and give 0). */
ir_val gen_load(struct gen *g, struct val m);
/* Memory as BPF memory: itself when it already is, otherwise read into a temporary. */
struct val gen_to_bpf(struct gen *g, struct val m);
/* Branch on truth: value != 0; pointers != NULL. */
ir_val gen_truth(struct gen *g, struct expr *e);

/* Temporary memory, zeroed or not: on the stack up to config.on_stack_limit (while there is room),
 * else scratch. Lives to the end of the statement. */
struct val gen_temp(struct gen *g, const struct type *t, bool zero);
struct val gen_temp_bytes(struct gen *g, uint32_t size, uint32_t align, bool zero);

/* probe_read_{kernel,user}: `space` chooses; SPACE_NONE is guessed from the provider. dst is BPF
 * memory. Returns the helper's result for _str (length with NUL or negative), 0 otherwise. */
ir_val gen_read(struct gen *g, ir_val dst, uint32_t size, ir_val src, enum space space);
ir_val gen_read_str(struct gen *g, ir_val dst, ir_val size, ir_val src, enum space space);

/* The text of a Go string, whose header is at `header` (any space), as a string of type `t`. */
struct val gen_go_string(struct gen *g, struct val header, const struct type *t);

/* Events: reserve, fill the fields, submit. When there is no room the loss is counted and what is
 * between begin and submit is skipped (so evaluate side effects before). Fields are in SPACE_BPF.
 */
struct event_build {
	const struct event_def *def;
	ir_val rec;
	struct ir_block *done;
	uint32_t mark;
};
struct event_build gen_event_begin(struct gen *g, const struct event_def *def);
struct val gen_event_field(struct gen *g, const struct event_build *ev, uint32_t i);
void gen_event_submit(struct gen *g, struct event_build *ev);
/* Evaluates those of the call's arguments from `first` on that have side effects beforehand, then
 * begins the event, stores all arguments in its fields in order, and submits: what printf and its
 * like need. */
void gen_event_call(struct gen *g, struct expr *call, unsigned first);
/* An event without fields that is never lost. */
void gen_control(struct gen *g, const struct event_def *def);

/* Globals and losses. */
ir_val gen_global(struct gen *g, uint32_t off); /* address */
void gen_lost(struct gen *g, enum lost cause);
/* At the head of a loop whose number of turns the verifier shall not count, on kernels that have
 * may_goto: when the kernel cuts the loop off, that is counted (LOST_LOOP) and `out` comes next.
 * False: this kernel has none, nothing is generated. */
bool gen_may_goto(struct gen *g, struct ir_block *out);
/* A zero that the verifier does not know. What it is added to, it knows nothing of either. */
ir_val gen_unknown_zero(struct gen *g);
/* -k: tells at run time that `helper` failed with `code`, here. Nothing without it. */
void gen_warn(struct gen *g, const char *helper, ir_val code);
bool gen_warns(const struct gen *g);

/* Maps. The key of `@m[…]` in memory (built once for each evaluation). */
struct val gen_map_key(struct gen *g, struct expr *map);
ir_val gen_map_lookup(struct gen *g, const struct map_sym *m, struct val key); /* pointer or 0 */
/* The value of an element that a look-up has found at `p`; aggregations as numbers of type `want`.
 */
struct val gen_map_value(struct gen *g, const struct map_sym *m, struct val key, ir_val p,
			 const struct type *want);
/* The slot of a key, inserted as zero bytes when missing: a valid pointer always (a full map gives
 * a dummy after counting the loss). */
struct val gen_map_slot(struct gen *g, struct expr *map);
ir_val gen_map_delete(struct gen *g, const struct map_sym *m,
		      struct val key); /* 1 deleted, 0 was not there */
ir_val gen_map_ref(struct gen *g, uint32_t map);
ir_val gen_own_map(struct gen *g, uint32_t index); /* of sema_own_map() */
/* Programs see what is in the map: user space must not leave in it what clear() removed. */
void gen_map_looked_at(struct gen *g, const struct map_sym *m);

/* Leave the program now (exit(), return). */
void gen_return(struct gen *g, ir_val code);

#endif
