/* System calls by the two raw tracepoints sys_enter and sys_exit.
 *
 * The events syscalls:sys_enter_X and sys_exit_X are made by the kernel from these two. Attaching
 * to the events costs 70 ms each when leaving and fires a perf event for each; one raw tracepoint
 * and a compare of the number serve all of them:
 *
 *   sys_enter  ctx: [0] struct pt_regs *  [1] number           arguments: in the registers
 *   sys_exit   ctx: [0] struct pt_regs *  [1] result           number: regs->orig_ax
 *
 * Several events in one program are told apart by a tree of compares over ranges of numbers. 32-bit
 * processes number their calls differently; the kernel's own events leave them out, and so does the
 * check of the code segment here (on kernels that run 32-bit programs at all). */
#include <stdlib.h>
#include <unistd.h>
#include "probe/location.h"
#include "probe/tracepoint.h"

enum { CTX_REGS = 0, CTX_SECOND = 8 };
enum {
	REC_NR = 8,
	REC_FIRST = 16,
	ARG_SIZE = 8
}; /* offsets in the event's record: see its format file */

#if defined(__x86_64__)
enum { RAW_POSSIBLE = 1, REGS_NR = 120, REGS_CS = 136, USER_CS = 0x33 };
#else
enum { RAW_POSSIBLE = 0, REGS_NR = 0, REGS_CS = 0, USER_CS = 0 };
#endif

bool syscall_target(struct attach_target *t)
{
	struct str name = str_of(t->symbol);
	bool enter = str_starts(name, STR("sys_enter_"));
	int nr;

	if (!RAW_POSSIBLE || (!enter && !str_starts(name, STR("sys_exit_"))))
		return false;
	nr = kernel_syscall_nr(t->symbol + (enter ? sizeof("sys_enter_") : sizeof("sys_exit_")) -
			       1);
	if (nr < 0)
		return false;
	t->a = enter ? TP_SYS_ENTER : TP_SYS_EXIT;
	t->b = (uint32_t)nr;
	return true;
}

const char *syscall_raw_name(const struct attach_target *t)
{
	if (t->a == TP_RAW_SYS)
		return t->symbol;
	return t->a == TP_SYS_ENTER ? "sys_enter" : "sys_exit";
}

/* ---- reading registers ----
 *
 * What a program needs of struct pt_regs is copied to its stack at once, by one helper call, when
 * the system call is known to be one of its own:
 *
 *   sys_enter   r10 r9 r8 … dx si di … cs     all that can be arguments, when args is used
 *   sys_exit    orig_ax ip cs
 *
 * The registers of the current task are always readable: no fault to look for. */

struct regs_copy {
	ir_val at;      /* stack object, 0: nothing was copied */
	int from;       /* offset in pt_regs of its first byte */
	ir_cell target; /* id of the target, when it is wanted */
};

static struct regs_copy *copy_of(struct probe *p)
{
	return p->data;
}

static void copy_regs(struct gen *g, struct regs_copy *c, int from, int to)
{
	struct ir *b = gen_ir(g);
	ir_val regs = ir_load(b, 8, gen_ctx(g), CTX_REGS, IR_MEM_INVARIANT);

	c->from = from;
	c->at = ir_object(b, (uint32_t)(to - from), 8);
	IR_CALL(b, BPF_FUNC_probe_read_kernel, c->at, ir_const(b, to - from),
		ir_bini(b, IR_ADD, regs, from));
}

/* One register by itself. */
static ir_val reg_load(struct gen *g, int off)
{
	struct regs_copy c;

	copy_regs(g, &c, off, off + 8);
	return ir_load(gen_ir(g), 8, c.at, 0, IR_MEM_NONE);
}

/* The copy belongs to the main function: others read the register again. */
static ir_val reg_copied(struct gen *g, const struct regs_copy *c, int off)
{
	if (!gen_in_main(g))
		return reg_load(g, off);
	return ir_load(gen_ir(g), 8, c->at, off - c->from, IR_MEM_NONE);
}

static ir_val call_number(struct gen *g, struct probe *p)
{
	if (p->targets[0].a == TP_SYS_ENTER)
		return ir_load(gen_ir(g), 8, gen_ctx(g), CTX_SECOND, IR_MEM_INVARIANT);
	return reg_copied(g, copy_of(p), REGS_NR);
}

/* Lowest and highest argument registers in struct pt_regs. */
static void arg_range(int *from, int *to)
{
	*from = INT32_MAX;
	*to = 0;
	for (unsigned i = 0; regs_syscall_arg(i) >= 0; i++) {
		*from = MIN(*from, regs_syscall_arg(i));
		*to = MAX(*to, regs_syscall_arg(i) + 8);
	}
}

struct val syscall_field(struct gen *g, struct probe *p, const struct member *m)
{
	unsigned n = (m->offset - REC_FIRST) / ARG_SIZE;

	if (m->offset == REC_NR)
		return location_narrowed(g, m->type, call_number(g, p));
	if (p->targets[0].a == TP_SYS_EXIT)
		return location_narrowed(
			g, m->type,
			ir_load(gen_ir(g), 8, gen_ctx(g), CTX_SECOND, IR_MEM_INVARIANT));
	return location_narrowed(g, m->type, reg_copied(g, copy_of(p), regs_syscall_arg(n)));
}

/* raw_syscalls: sys_enter { long id; unsigned long args[6]; }  sys_exit { long id; long ret; } */
static bool is_raw_enter(const struct probe *p)
{
	return p->targets[0].a == TP_RAW_SYS && strcmp(p->targets[0].symbol, "sys_enter") == 0;
}

struct val raw_sys_field(struct gen *g, struct probe *p, const struct member *m)
{
	struct ir *b = gen_ir(g);
	struct regs_copy c;
	struct val array;
	int from, to;

	if (m->offset != REC_NR && !is_raw_enter(p))
		return location_narrowed(g, m->type,
					 ir_load(b, 8, gen_ctx(g), CTX_SECOND, IR_MEM_INVARIANT));
	if (m->offset == REC_NR && is_raw_enter(p))
		return location_narrowed(g, m->type,
					 ir_load(b, 8, gen_ctx(g), CTX_SECOND, IR_MEM_INVARIANT));
	if (m->offset == REC_NR)
		return location_narrowed(g, m->type, reg_load(g, REGS_NR));
	arg_range(&from, &to);
	copy_regs(g, &c, from, to);
	array = gen_temp(g, m->type, false);
	for (unsigned i = 0; i < m->type->array.count; i++)
		ir_store(b, 8, array.v, array.off + (int32_t)i * ARG_SIZE,
			 reg_copied(g, &c, regs_syscall_arg(i)));
	return array;
}

struct val raw_sys_elem(struct gen *g, struct probe *p, const struct member *m, uint64_t index)
{
	if (!is_raw_enter(p) || m->offset == REC_NR || index >= m->type->array.count)
		return VAL_VOID;
	return location_narrowed(g, m->type->array.of,
				 reg_load(g, regs_syscall_arg((unsigned)index)));
}

/* ---- which call is it ---- */

struct leaf {
	uint32_t from, to; /* numbers of this range */
	uint64_t id;       /* of its target */
};

struct leaves {
	struct leaf *v;
	size_t n;
};

static int leaf_order(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

/* Ranges of the targets' numbers, neighbours joined unless their ids are wanted. */
static struct leaves leaves_of(struct gen *g, const struct probe *p, bool with_ids)
{
	struct leaves l = {arena_array_of(gen_arena(g), struct leaf, p->ntargets), 0};
	size_t n = 0;

	for (size_t i = 0; i < p->ntargets; i++)
		l.v[l.n++] = (struct leaf){p->targets[i].b, p->targets[i].b, p->targets[i].id};
	qsort(l.v, l.n, sizeof(*l.v), leaf_order);
	for (size_t i = 1; i < l.n; i++) {
		if (!with_ids && l.v[i].from <= l.v[n].to + 1)
			l.v[n].to = l.v[i].to;
		else if (l.v[i].from != l.v[n].from)
			l.v[++n] = l.v[i];
	}
	l.n = n + 1;
	return l;
}

static void leaf_test(struct ir *b, ir_val nr, const struct leaf *l, struct ir_block *yes,
		      struct ir_block *no)
{
	ir_val off = ir_bini(b, IR_SUB, nr, l->from);

	if (l->from == l->to)
		ir_br(b, ir_bini(b, IR_EQ, nr, l->from), yes, no, IR_LIKELY_NO);
	else
		ir_br(b, ir_bini(b, IR_ULE, off, (int64_t)l->to - l->from), yes, no,
		      IR_LIKELY_EVEN);
}

/* Binary search over sorted ranges; `hit` is called in a block of each leaf. */
static void search(struct ir *b, ir_val nr, const struct leaf *v, size_t n, ir_cell id,
		   struct ir_block *found, struct ir_block *missed)
{
	struct ir_block *low, *high, *here;

	if (n > 1) {
		low = ir_block_new(b, "low");
		high = ir_block_new(b, "high");
		ir_br(b, ir_bini(b, IR_ULT, nr, v[n / 2].from), low, high, IR_LIKELY_EVEN);
		ir_at(b, low);
		search(b, nr, v, n / 2, id, found, missed);
		ir_at(b, high);
		search(b, nr, v + n / 2, n - n / 2, id, found, missed);
		return;
	}
	if (!id) {
		leaf_test(b, nr, v, found, missed);
		return;
	}
	here = ir_block_new(b, "target");
	leaf_test(b, nr, v, here, missed);
	ir_at(b, here);
	ir_set(b, id, ir_const(b, (int64_t)v->id));
	ir_jmp(b, found);
}

static bool runs_compat(struct gen *g)
{
	return kernel_host(gen_kernel(g), FACT_COMPAT, "") != 0;
}

/* Leaves when the process is a 32-bit one. */
static void skip_compat(struct gen *g, struct probe *p, struct ir_block *missed)
{
	struct ir *b = gen_ir(g);
	struct ir_block *native = ir_block_new(b, "native");

	ir_br(b, ir_bini(b, IR_EQ, reg_copied(g, copy_of(p), REGS_CS), USER_CS), native, missed,
	      IR_LIKELY_YES);
	ir_at(b, native);
}

/* What sys_enter needs once the call is known to be ours. */
static void copy_enter(struct gen *g, struct probe *p)
{
	int from = REGS_CS, to = REGS_CS + 8;

	if (p->uses & USES_ARGS) {
		arg_range(&from, &to);
		to = runs_compat(g) ? MAX(to, REGS_CS + 8) : to;
	}
	if (runs_compat(g) || (p->uses & USES_ARGS))
		copy_regs(g, copy_of(p), from, to);
}

void syscall_enter(struct gen *g, struct probe *p)
{
	bool with_ids = (p->uses & USES_PROBE) && p->ntargets > 1;
	struct leaves l = leaves_of(g, p, with_ids);
	struct ir *b = gen_ir(g);
	struct ir_block *found = ir_block_new(b, "found"), *missed = ir_block_new(b, "other");
	struct regs_copy *c = arena_new_of(gen_arena(g), struct regs_copy);

	p->data = c;
	if (with_ids)
		c->target = ir_cell_new(b, "target", false);
	if (p->targets[0].a == TP_SYS_EXIT)
		copy_regs(g, c, REGS_NR, REGS_CS + 8);
	search(b, call_number(g, p), l.v, l.n, c->target, found, missed);
	ir_at(b, missed);
	gen_return(g, ir_const(b, 0));
	ir_at(b, found);
	if (p->targets[0].a == TP_SYS_ENTER)
		copy_enter(g, p);
	if (runs_compat(g))
		skip_compat(g, p, missed);
}

/* Outside of the main function the search is made again. */
static ir_val target_again(struct gen *g, struct probe *p)
{
	struct leaves l = leaves_of(g, p, true);
	struct ir *b = gen_ir(g);
	struct ir_block *found = ir_block_new(b, "found");
	ir_cell id = ir_cell_new(b, "target", false);

	search(b, call_number(g, p), l.v, l.n, id, found, found);
	ir_at(b, found);
	return ir_get(b, id);
}

ir_val_t syscall_target_id(struct gen *g, struct probe *p)
{
	return gen_in_main(g) ? ir_get(gen_ir(g), copy_of(p)->target) : target_again(g, p);
}
