/* Reading aggregations in expressions: `if (@errors > 100)`. Each CPU has a slot of its own, so the
 * value is put together in a loop over all of them:
 *
 *   count, sum   u64 value              the total
 *   min, max     u64 rank, u64 set      the highest rank; a rank is the value with its sign bit
 * turned when it is signed, and all bits turned for min avg, stats   u64 total, u64 count   total
 * of totals / total of counts
 *
 * CPUs that do not exist (their number is rounded up) have no slot and are passed over by the
 * look-up.
 */
#include "gen/gen_impl.h"

struct fold {
	const struct map_sym *m;
	struct val key;
	bool is_signed;
	ir_cell a, b; /* value or total; set or count */
};

/* The slot of CPU `cpu`; control goes to `none` when there is no such CPU or key. */
static ir_val cpu_slot(struct gen *g, const struct fold *f, ir_val cpu, struct ir_block *none)
{
	struct ir *b = &g->b;
	struct ir_block *hit = ir_block_new(b, NULL);
	ir_val p = IR_CALL(b, BPF_FUNC_map_lookup_percpu_elem, ir_map(b, f->m->index),
			   gen_addr(g, f->key), cpu);

	ir_br(b, p, hit, none, IR_LIKELY_YES);
	ir_at(b, hit);
	return ir_nonnull(b, p);
}

static void add_to(struct gen *g, ir_cell c, ir_val slot, int32_t off)
{
	struct ir *b = &g->b;

	ir_set(b, c, ir_bin(b, IR_ADD, ir_get(b, c), ir_load(b, 8, slot, off, IR_MEM_NONE)));
}

static void fold_add(struct gen *g, ir_val cpu, struct ir_block *out, void *arg)
{
	struct fold *f = arg;
	struct ir_block *next = ir_block_new(&g->b, NULL);
	ir_val slot = cpu_slot(g, f, cpu, next);

	add_to(g, f->a, slot, 0);
	if (f->m->value->agg.agg->fold == AGG_FOLD_AVG)
		add_to(g, f->b, slot, 8);
	ir_jmp(&g->b, next);
	ir_at(&g->b, next);
}

/* The highest rank of all CPUs; zero is the lowest there is, and that of a slot nothing was put in.
 */
static void fold_best(struct gen *g, ir_val cpu, struct ir_block *out, void *arg)
{
	struct fold *f = arg;
	struct ir *b = &g->b;
	struct ir_block *next = ir_block_new(b, NULL), *take = ir_block_new(b, NULL);
	ir_val slot = cpu_slot(g, f, cpu, next);
	ir_val set = ir_load(b, 8, slot, 8, IR_MEM_NONE), rank;

	ir_set(b, f->b, ir_bin(b, IR_OR, ir_get(b, f->b), set));
	rank = ir_load(b, 8, slot, 0, IR_MEM_NONE);
	ir_br(b, ir_bin(b, IR_UGT, rank, ir_get(b, f->a)), take, next, IR_LIKELY_EVEN);
	ir_at(b, take);
	ir_set(b, f->a, rank);
	ir_jmp(b, next);
	ir_at(b, next);
}

static void zero_slot(struct gen *g, ir_val cpu, struct ir_block *out, void *arg)
{
	struct fold *f = arg;
	struct ir_block *next = ir_block_new(&g->b, NULL);
	ir_val slot = cpu_slot(g, f, cpu, next);

	gen_move(g, val_mem(&type_void, slot, 0, SPACE_BPF), VAL_VOID, f->m->value_size);
	ir_jmp(&g->b, next);
	ir_at(&g->b, next);
}

/* The value that a rank stands for; 0 when there is none. */
static ir_val from_rank(struct gen *g, const struct fold *f)
{
	struct ir *b = &g->b;
	struct ir_block *some = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_val v = ir_get(b, f->a);

	ir_set(b, f->a, ir_const(b, 0));
	ir_br(b, ir_get(b, f->b), some, done, IR_LIKELY_YES);
	ir_at(b, some);
	if (f->m->value->agg.agg->fold == AGG_FOLD_MIN)
		v = ir_bini(b, IR_XOR, v, -1);
	if (f->is_signed)
		v = ir_bin(b, IR_XOR, v, ir_const(b, INT64_MIN));
	ir_set(b, f->a, v);
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, f->a);
}

static ir_val result(struct gen *g, const struct fold *f)
{
	struct ir *b = &g->b;
	enum agg_fold fold = f->m->value->agg.agg->fold;
	ir_val a;

	if (fold == AGG_FOLD_MIN || fold == AGG_FOLD_MAX)
		return from_rank(g, f);
	a = ir_get(b, f->a);
	if (fold != AGG_FOLD_AVG)
		return a;
	return ir_bin(b, f->is_signed ? IR_SDIV : IR_UDIV, a, ir_get(b, f->b));
}

/* Older kernels let a program see its own CPU's slot only. */
static bool need_all_cpus(struct gen *g, const struct map_sym *m)
{
	struct diag_msg *msg;

	if (kernel_has(g->in->kernel, FEATURE_PERCPU_LOOKUP))
		return true;
	msg = diag_report(g->in->diag, E_FEATURE, g->b.span, "reading @%.*s in the script needs %s",
			  STR_ARG(m->name), feature_text(FEATURE_PERCPU_LOOKUP));
	diag_help(msg, "count in a number beside it, such as @n++, and ask for that");
	g->failed = true;
	return false;
}

struct val agg_read(struct gen *g, const struct map_sym *m, struct val key, const struct type *want)
{
	struct ir *b = &g->b;
	struct fold f = {m, key, m->value->agg.is_signed, ir_cell_new(b, "total", false),
			 ir_cell_new(b, "count", false)};
	enum agg_fold kind = m->value->agg.agg->fold;
	bool best = kind == AGG_FOLD_MIN || kind == AGG_FOLD_MAX;

	gen_map_looked_at(g, m);
	if (!need_all_cpus(g, m))
		return val_scalar(type_int(g->in->types, 8, f.is_signed), ir_const(b, 0));
	ir_set(b, f.a, ir_const(b, 0));
	ir_set(b, f.b, ir_const(b, 0));
	loop_count(g, g->in->ncpus, best ? fold_best : fold_add, &f);
	return val_scalar(type_is_scalar(want) ? want : type_int(g->in->types, 8, f.is_signed),
			  result(g, &f));
}

void agg_zero_all(struct gen *g, const struct map_sym *m, struct val key)
{
	struct fold f = {m, key};

	if (need_all_cpus(g, m))
		loop_count(g, g->in->ncpus, zero_slot, &f);
}
