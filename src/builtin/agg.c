/* Aggregations of one number: count, sum, min, max, avg, stats.
 *
 * A slot is one key's value on one CPU. It starts as zero bytes, which mean "nothing yet", and is
 * only ever changed by atomic operations: programs can be preempted by others of the same CPU.
 *
 *   count         u64 total
 *   sum           u64 total; u64 set
 *   avg, stats    u64 total; u64 count
 *   min, max      u64 rank; u64 set
 *
 * `rank` maps values to unsigned numbers so that the wanted extreme is the greatest and zero is the
 * least: signed values have their sign bit turned, and for min all bits are turned. Zero bytes are
 * then the identity, an update is one compare-and-swap that only ever raises the rank, and `set`,
 * written after it, tells a rank of zero from an empty slot:
 *
 *      max(int64)   rank = v ^ 1<<63        min(int64)   rank = ~(v ^ 1<<63)
 *      max(uint64)  rank = v                min(uint64)  rank = ~v
 *
 * Example: `@[comm] = max(args.ret)` shows `@[cat]: 4096`. */
#include <string.h>
#include "builtin/builtin_priv.h"

#define SIGN_BIT (UINT64_C(1) << 63)

/* ---- numbers in slots -------------------------------------------------------------------------
 */

static uint32_t size_8(const int64_t p[3])
{
	return 8;
}

static uint32_t size_16(const int64_t p[3])
{
	return 16;
}

static void merge_add(const struct type *t, void *into, const void *slot)
{
	for (uint32_t i = 0; i < t->size; i += 8) {
		uint64_t sum = builtin_u64((char *)into + i) + builtin_u64((const char *)slot + i);

		memcpy((char *)into + i, &sum, 8);
	}
}

static void merge_rank(const struct type *t, void *into, const void *slot)
{
	uint64_t set = builtin_u64((const char *)slot + 8);

	if (set == 0)
		return;
	if (builtin_u64(slot) > builtin_u64(into))
		memcpy(into, slot, 8);
	memcpy((char *)into + 8, &set, 8);
}

static bool empty_total(const struct type *t, const void *m)
{
	return builtin_u64(m) == 0;
}

static bool empty_second(const struct type *t, const void *m) /* count or set */
{
	return builtin_u64((const char *)m + 8) == 0;
}

/* A total of 0 is something when `set` says so. What is left of a cleared one has no `set`. */
static bool empty_sum(const struct type *t, const void *m)
{
	return empty_total(t, m) && empty_second(t, m);
}

static bool number_total(const struct type *t, const void *m, int64_t *out)
{
	*out = (int64_t)builtin_u64(m);
	return true;
}

static bool number_rank(const struct type *t, const void *m, bool min, int64_t *out)
{
	uint64_t v = builtin_u64(m);

	if (min)
		v = ~v;
	if (t->agg.is_signed)
		v ^= SIGN_BIT;
	*out = empty_second(t, m) ? 0 : (int64_t)v;
	return true;
}

static bool number_max(const struct type *t, const void *m, int64_t *out)
{
	return number_rank(t, m, false, out);
}

static bool number_min(const struct type *t, const void *m, int64_t *out)
{
	return number_rank(t, m, true, out);
}

static int64_t divided(const struct type *t, int64_t v, int64_t div)
{
	if (div == 0 || (div == -1 && v == INT64_MIN))
		return v;
	return t->agg.is_signed ? v / div : (int64_t)((uint64_t)v / (uint64_t)div);
}

static bool number_avg(const struct type *t, const void *m, int64_t *out)
{
	uint64_t n = builtin_u64((const char *)m + 8);

	*out = n ? divided(t, (int64_t)builtin_u64(m), (int64_t)n) : 0;
	return true;
}

static int compare_numbers(const struct type *t, int64_t x, int64_t y)
{
	if (t->agg.is_signed)
		return (x > y) - (x < y);
	return ((uint64_t)x > (uint64_t)y) - ((uint64_t)x < (uint64_t)y);
}

static int compare_agg(const struct type *t, const void *a, const void *b)
{
	int64_t x = 0, y = 0;

	t->agg.agg->number(t, a, &x);
	t->agg.agg->number(t, b, &y);
	return compare_numbers(t, x, y);
}

static int compare_stats(const struct type *t, const void *a, const void *b)
{
	int64_t x, y;

	number_avg(t, a, &x);
	number_avg(t, b, &y);
	return compare_numbers(t, x, y);
}

/* ---- showing ----------------------------------------------------------------------------- */

static void add_number(const struct type *t, int64_t v, bool json, struct buf *out)
{
	if (json && t->agg.is_signed)
		buf_add_json_i64(out, v);
	else if (json)
		buf_add_json_u64(out, (uint64_t)v);
	else if (t->agg.is_signed)
		buf_addi64(out, v);
	else
		buf_addu64(out, (uint64_t)v);
}

static void text_number(struct render *r, const struct type *t, const void *m, int64_t div,
			struct buf *out)
{
	int64_t v = 0;

	t->agg.agg->number(t, m, &v);
	add_number(t, divided(t, v, div), false, out);
}

static void json_number(struct render *r, const struct type *t, const void *m, int64_t div,
			struct buf *out)
{
	int64_t v = 0;

	t->agg.agg->number(t, m, &v);
	add_number(t, divided(t, v, div), true, out);
}

/* The divisor of print() does not apply to stats: a count is not in the unit of the values. */
static void text_stats(struct render *r, const struct type *t, const void *m, int64_t div,
		       struct buf *out)
{
	int64_t avg;

	number_avg(t, m, &avg);
	buf_adds(out, "{ .count = ");
	buf_addu64(out, builtin_u64((const char *)m + 8));
	buf_adds(out, ", .average = ");
	add_number(t, avg, false, out);
	buf_adds(out, ", .total = ");
	add_number(t, (int64_t)builtin_u64(m), false, out);
	buf_adds(out, " }");
}

static void json_stats(struct render *r, const struct type *t, const void *m, int64_t div,
		       struct buf *out)
{
	int64_t avg;

	number_avg(t, m, &avg);
	buf_adds(out, "{\"count\": ");
	buf_add_json_u64(out, builtin_u64((const char *)m + 8));
	buf_adds(out, ", \"average\": ");
	add_number(t, avg, true, out);
	buf_adds(out, ", \"total\": ");
	add_number(t, (int64_t)builtin_u64(m), true, out);
	buf_addc(out, '}');
}

#define NUMBER_AGG(id, name_, type_, json_, fold_, size_, merge_, empty_, number_) \
	static const struct agg id = {.name = name_,                               \
				      .type_name = type_,                          \
				      .json_type = json_,                          \
				      .fold = fold_,                               \
				      .size = size_,                               \
				      .additive = merge_ == merge_add,             \
				      .merge = merge_,                             \
				      .empty = empty_,                             \
				      .compare = compare_agg,                      \
				      .text = text_number,                         \
				      .json = json_number,                         \
				      .number = number_}

NUMBER_AGG(agg_count, "count", "count_t", "map", AGG_FOLD_SUM, size_8, merge_add, empty_total,
	   number_total);
NUMBER_AGG(agg_sum, "sum", "sum_t", "map", AGG_FOLD_SUM, size_16, merge_add, empty_sum,
	   number_total);
NUMBER_AGG(agg_min, "min", "min_t", "map", AGG_FOLD_MIN, size_16, merge_rank, empty_second,
	   number_min);
NUMBER_AGG(agg_max, "max", "max_t", "map", AGG_FOLD_MAX, size_16, merge_rank, empty_second,
	   number_max);
NUMBER_AGG(agg_avg, "avg", "avg_t", "stats", AGG_FOLD_AVG, size_16, merge_add, empty_second,
	   number_avg);

/* Average, total, count; the divisor is of the unit, which a count has none of. */
static void numbers_stats(const void *m, int64_t div, int64_t out[3])
{
	int64_t total = (int64_t)builtin_u64(m), n = (int64_t)builtin_u64((const char *)m + 8);

	out[0] = n ? total / n / div : 0;
	out[1] = total / div;
	out[2] = n;
}

static const struct agg agg_stats = {
	.name = "stats",
	.type_name = "stats_t",
	.json_type = "stats",
	.size = size_16,
	.additive = true,
	.merge = merge_add,
	.empty = empty_second,
	.compare = compare_stats,
	.text = text_stats,
	.json = json_stats,
	.numbers = numbers_stats,
};

/* ---- checking ---------------------------------------------------------------------------- */

static const struct agg *agg_of(struct expr *e)
{
	return ((struct call_sem *)e->sem)->builtin->agg;
}

static void check_count(struct sema *s, struct expr *e)
{
	e->type = type_agg(sema_types(s), &agg_count, 8, false, (int64_t[3]){0});
}

static void check_number(struct sema *s, struct expr *e)
{
	const struct agg *agg = agg_of(e);
	const int64_t p[3] = {0};

	if (!builtin_known(e, 0)) {
		e->type = &type_poison;
		return;
	}
	sema_arg_int(s, e, 0);
	e->type = type_agg(sema_types(s), agg, agg->size(p), type_is_signed(builtin_argtype(e, 0)),
			   p);
}

/* ---- generating -------------------------------------------------------------------------- */

static void lower_count(struct gen *g, struct expr *e, const struct type *t, struct val slot)
{
	struct ir *b = gen_ir(g);

	ir_atomic(b, IR_ATOMIC_ADD, 8, slot.v, slot.off, ir_const(b, 1), false);
}

static void lower_sum(struct gen *g, struct expr *e, const struct type *t, struct val slot)
{
	struct ir *b = gen_ir(g);
	ir_val v = gen_scalar(g, builtin_arg(e, 0));

	ir_atomic(b, IR_ATOMIC_ADD, 8, slot.v, slot.off, v, false);
	ir_store(b, 8, slot.v, slot.off + 8, ir_const(b, 1));
}

static void lower_avg(struct gen *g, struct expr *e, const struct type *t, struct val slot)
{
	struct ir *b = gen_ir(g);
	ir_val v = gen_scalar(g, builtin_arg(e, 0));

	ir_atomic(b, IR_ATOMIC_ADD, 8, slot.v, slot.off, v, false);
	ir_atomic(b, IR_ATOMIC_ADD, 8, slot.v, slot.off + 8, ir_const(b, 1), false);
}

#define CAS_TRIES 8

/* Raises the u64 at the slot to `rank`. Each failure of the compare-and-swap means that another
 * program raised it in between; after a few the loss is counted. */
void builtin_raise_rank(struct gen *g, struct val slot, ir_val rank)
{
	struct ir *b = gen_ir(g);
	ir_cell seen = ir_cell_new(b, "seen", false), tries = ir_cell_new(b, "tries", false);
	struct ir_block *head = ir_block_new(b, "raise"), *swap = ir_block_new(b, "swap");
	struct ir_block *again = ir_block_new(b, "again"), *lost = ir_block_new(b, "lost");
	struct ir_block *done = ir_block_new(b, "raised");
	ir_val cur, old, n;

	ir_set(b, seen, ir_load(b, 8, slot.v, slot.off, IR_MEM_VOLATILE));
	ir_set(b, tries, ir_const(b, 0));
	ir_jmp(b, head);

	ir_at(b, head);
	cur = ir_get(b, seen);
	ir_br(b, ir_bin(b, IR_UGT, rank, cur), swap, done, IR_LIKELY_EVEN);

	ir_at(b, swap);
	old = ir_cmpxchg(b, 8, slot.v, slot.off, cur, rank);
	ir_br(b, ir_bin(b, IR_EQ, old, cur), done, again, IR_LIKELY_YES);

	ir_at(b, again);
	ir_set(b, seen, old);
	n = ir_bini(b, IR_ADD, ir_get(b, tries), 1);
	ir_set(b, tries, n);
	ir_br(b, ir_bini(b, IR_ULT, n, CAS_TRIES), head, lost, IR_LIKELY_YES);

	ir_at(b, lost);
	gen_lost(g, LOST_CONTEND);
	ir_jmp(b, done);
	ir_at(b, done);
}

static void lower_extreme(struct gen *g, struct expr *e, const struct type *t, struct val slot)
{
	struct ir *b = gen_ir(g);
	ir_val rank = gen_scalar(g, builtin_arg(e, 0));

	if (t->agg.is_signed)
		rank = ir_bin(b, IR_XOR, rank, ir_const(b, INT64_MIN));
	if (t->agg.agg == &agg_min)
		rank = ir_bini(b, IR_XOR, rank, -1);
	builtin_raise_rank(g, slot, rank);
	ir_store(b, 8, slot.v, slot.off + 8, ir_const(b, 1));
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_agg[] = {
	{
		.name = "count",
		.proto = "count_t count()",
		.doc = "Counts how often the statement is reached.\n\n"
		       "The count is exact: it is added to atomically, on each CPU, and the CPUs "
		       "are added up\n"
		       "when the map is printed or read.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }\n",
		.examples = EXAMPLES("tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }",
				     "begin { @ = count(); exit(); }"),
		.flags = BI_ADDS_ONE | BI_AGG,
		.check = check_count,
		.agg = &agg_count,
		.lower_agg = lower_count,
	},
	{
		.name = "sum",
		.proto = "sum_t sum(int n)",
		.doc = "Adds up n.\n\n"
		       "    tracepoint:raw_syscalls:sys_exit /args.ret > 0/ { @[comm] = "
		       "sum(args.ret); }\n",
		.examples = EXAMPLES("begin { @bytes[comm] = sum(5); exit(); }"),
		.flags = BI_AGG,
		.min_args = 1,
		.max_args = 1,
		.check = check_number,
		.agg = &agg_sum,
		.lower_agg = lower_sum,
	},
	{
		.name = "min",
		.proto = "min_t min(int n)",
		.doc = "Keeps the smallest n.\n\n"
		       "    tracepoint:raw_syscalls:sys_exit { @[comm] = min(args.ret); }\n",
		.examples = EXAMPLES("begin { @ = min(-3); @ = min(7); exit(); }"),
		.flags = BI_AGG,
		.min_args = 1,
		.max_args = 1,
		.check = check_number,
		.agg = &agg_min,
		.lower_agg = lower_extreme,
	},
	{
		.name = "max",
		.proto = "max_t max(int n)",
		.doc = "Keeps the largest n.\n\n"
		       "    tracepoint:raw_syscalls:sys_exit { @[comm] = max(args.ret); }\n",
		.examples = EXAMPLES("begin { @ = max(-3); @ = max(7); exit(); }"),
		.flags = BI_AGG,
		.min_args = 1,
		.max_args = 1,
		.check = check_number,
		.agg = &agg_max,
		.lower_agg = lower_extreme,
	},
	{
		.name = "avg",
		.proto = "avg_t avg(int n)",
		.doc = "Keeps the average of n, as an integer (rounded towards zero).\n\n"
		       "    tracepoint:raw_syscalls:sys_exit { @[comm] = avg(args.ret); }\n",
		.examples = EXAMPLES("begin { @[pid] = avg(3); exit(); }"),
		.flags = BI_AGG,
		.min_args = 1,
		.max_args = 1,
		.check = check_number,
		.agg = &agg_avg,
		.lower_agg = lower_avg,
	},
	{
		.name = "stats",
		.proto = "stats_t stats(int n)",
		.doc = "Keeps count, average and total of n.\n\n"
		       "The average is an integer, rounded towards zero.\n\n"
		       "    tracepoint:raw_syscalls:sys_exit { @[comm] = stats(args.ret); }\n",
		.examples = EXAMPLES("begin { @ = stats(3); @ = stats(10); exit(); }"),
		.flags = BI_AGG,
		.min_args = 1,
		.max_args = 1,
		.check = check_number,
		.agg = &agg_stats,
		.lower_agg = lower_avg,
	},
	BUILTIN_END,
};
