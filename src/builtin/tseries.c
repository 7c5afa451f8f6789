/* tseries(n, interval, count [, fold]): the last `count` intervals of time, one number for each.
 *
 * Each CPU has a ring of buckets of its own; an interval's bucket is its number modulo count:
 *
 *      epoch = nsecs / interval           bucket = epoch % count
 *      bucket   { u64 epoch + 1; u64 value; u64 weight }      24 bytes, zero: nothing yet
 *
 * A bucket that still has an older epoch is taken over by one compare-and-swap, and starts anew.
 * What is kept of the numbers of one interval is up to `fold`:
 *
 *      last (none)  the latest, weight is its time        avg   value: sum, weight: how many
 *      sum          their sum                             min, max  as rank (see agg.c), weight 1
 *
 * Example: `@ = tseries(args.ret, 1s, 10, "max")` shows the largest result of each of ten seconds.
 */
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "builtin/builtin_priv.h"

#define BUCKET       24
#define MAX_BUCKETS  (32768 / BUCKET) /* the kernel keeps 32 KiB for a value on each CPU */
#define GRAPH_WIDTH  53
#define NSEC_PER_SEC UINT64_C(1000000000)
#define SIGN_BIT     (UINT64_C(1) << 63)

enum fold { FOLD_LAST, FOLD_AVG, FOLD_SUM, FOLD_MIN, FOLD_MAX };

/* t->agg.p: interval, buckets, fold */
static uint64_t interval_of(const struct type *t)
{
	return (uint64_t)t->agg.p[0];
}

static uint32_t count_of(const struct type *t)
{
	return (uint32_t)t->agg.p[1];
}

static enum fold fold_of(const struct type *t)
{
	return (enum fold)t->agg.p[2];
}

static uint32_t size_tseries(const int64_t p[3])
{
	return (uint32_t)p[1] * BUCKET;
}

/* ---- merging ----------------------------------------------------------------------------- */

struct bucket {
	uint64_t epoch, value, weight; /* epoch 0: nothing */
};

static struct bucket bucket_at(const void *slot, uint32_t i)
{
	struct bucket b;

	memcpy(&b, (const char *)slot + (size_t)i * BUCKET, BUCKET);
	return b;
}

static struct bucket joined(enum fold fold, struct bucket a, struct bucket b)
{
	if (a.epoch != b.epoch)
		return a.epoch > b.epoch ? a : b;
	if (fold == FOLD_LAST)
		return a.weight >= b.weight ? a : b;
	if (fold == FOLD_MIN || fold == FOLD_MAX)
		return (b.weight && b.value > a.value) || !a.weight ? b : a;
	a.value += b.value;
	a.weight += b.weight;
	return a;
}

static void merge_tseries(const struct type *t, void *into, const void *slot)
{
	for (uint32_t i = 0; i < count_of(t); i++) {
		struct bucket b = joined(fold_of(t), bucket_at(into, i), bucket_at(slot, i));

		memcpy((char *)into + (size_t)i * BUCKET, &b, BUCKET);
	}
}

static bool empty_tseries(const struct type *t, const void *merged)
{
	for (uint32_t i = 0; i < count_of(t); i++)
		if (bucket_at(merged, i).epoch)
			return false;
	return true;
}

/* ---- showing ----------------------------------------------------------------------------- */

struct series {
	uint64_t first; /* epoch of the first point that is shown */
	uint32_t n;
	bool *has;
	int64_t *value, min, max;
};

static int64_t number_of(const struct type *t, struct bucket b)
{
	enum fold fold = fold_of(t);

	if (fold == FOLD_AVG && t->agg.is_signed)
		return b.weight ? (int64_t)b.value / (int64_t)b.weight : 0;
	if (fold == FOLD_AVG)
		return b.weight ? (int64_t)(b.value / b.weight) : 0;
	if (fold == FOLD_MIN)
		b.value = ~b.value;
	if ((fold == FOLD_MIN || fold == FOLD_MAX) && t->agg.is_signed)
		b.value ^= SIGN_BIT;
	return (int64_t)b.value;
}

static bool less(const struct type *t, int64_t a, int64_t b)
{
	return t->agg.is_signed ? a < b : (uint64_t)a < (uint64_t)b;
}

/* The intervals from the oldest that has a number and is not out of date to the newest. */
static bool series_make(const struct type *t, const void *merged, int64_t div, struct series *s)
{
	uint32_t count = count_of(t);
	uint64_t last = 0, first = UINT64_MAX;
	bool any = false;

	for (uint32_t i = 0; i < count; i++)
		last = MAX(last, bucket_at(merged, i).epoch);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t epoch = bucket_at(merged, i).epoch;

		if (epoch && epoch + count > last)
			first = MIN(first, epoch);
	}
	if (!last)
		return false;
	*s = (struct series){.first = first - 1, .n = (uint32_t)(last - first) + 1};
	s->has = calloc(s->n, sizeof(*s->has));
	s->value = calloc(s->n, sizeof(*s->value));
	for (uint32_t i = 0; i < count && s->has && s->value; i++) {
		struct bucket b = bucket_at(merged, i);
		int64_t v = number_of(t, b);

		if (b.epoch < first)
			continue;
		if (div > 1)
			v = t->agg.is_signed ? v / div : (int64_t)((uint64_t)v / (uint64_t)div);
		s->has[b.epoch - first] = true;
		s->value[b.epoch - first] = v;
		s->min = !any || less(t, v, s->min) ? v : s->min;
		s->max = !any || less(t, s->max, v) ? v : s->max;
		any = true;
	}
	return any;
}

static void series_release(struct series *s)
{
	free(s->has);
	free(s->value);
}

static void add_number(const struct type *t, int64_t v, struct buf *out)
{
	if (t->agg.is_signed)
		buf_addi64(out, v);
	else
		buf_addu64(out, (uint64_t)v);
}

/* With as many digits of the second as the interval needs. */
static void add_time(const struct type *t, const char *format, unsigned digits, uint64_t epoch,
		     struct buf *out)
{
	uint64_t wall = epoch * interval_of(t) + clock_offset_boot();
	time_t sec = (time_t)(wall / NSEC_PER_SEC);
	unsigned long ns = (unsigned long)(wall % NSEC_PER_SEC);
	char text[64];
	struct tm tm;

	localtime_r(&sec, &tm);
	strftime(text, sizeof(text), format, &tm);
	buf_adds(out, text);
	for (unsigned i = digits; i < 9; i++)
		ns /= 10;
	if (digits)
		buf_printf(out, ".%0*lu", (int)digits, ns);
}

static unsigned digits_of(const struct type *t)
{
	uint64_t i = interval_of(t);

	return i % NSEC_PER_SEC == 0 ? 0 : i % 1000000 == 0 ? 3 : i % 1000 == 0 ? 6 : 9;
}

static unsigned column_of(const struct type *t, const struct series *s, int64_t v)
{
	unsigned __int128 range = (uint64_t)s->max - (uint64_t)s->min;

	if (range == 0)
		return 0;
	return (unsigned)((unsigned __int128)((uint64_t)v - (uint64_t)s->min) * (GRAPH_WIDTH - 1) /
			  range);
}

static void text_point(const struct type *t, const struct series *s, uint32_t i, struct buf *out)
{
	unsigned at = s->has[i] ? column_of(t, s, s->value[i]) : 0;

	add_time(t, "%H:%M:%S", digits_of(t), s->first + i, out);
	buf_adds(out, " |");
	buf_fill(out, ' ', at);
	buf_addc(out, s->has[i] ? '*' : ' ');
	buf_fill(out, ' ', GRAPH_WIDTH - 1 - at);
	buf_adds(out, "| ");
	if (s->has[i])
		add_number(t, s->value[i], out);
	else
		buf_addc(out, '-');
	buf_addc(out, '\n');
}

/* The smallest and the largest number above the two ends of the graph. */
static void text_header(const struct type *t, const struct series *s, struct buf *out)
{
	struct buf min = BUF_INIT, max = BUF_INIT;
	unsigned left = 9 + (digits_of(t) ? digits_of(t) + 1 : 0);
	size_t gap;

	add_number(t, s->min, &min);
	add_number(t, s->max, &max);
	gap = min.n + max.n < GRAPH_WIDTH + 2 ? GRAPH_WIDTH + 2 - min.n - max.n : 1;
	buf_fill(out, ' ', left);
	buf_addstr(out, (struct str){min.p, min.n});
	buf_fill(out, ' ', gap);
	buf_addstr(out, (struct str){max.p, max.n});
	buf_addc(out, '\n');
	buf_fill(out, ' ', left);
	buf_addc(out, 'v');
	buf_fill(out, '_', GRAPH_WIDTH);
	buf_adds(out, "v\n");
	buf_release(&min);
	buf_release(&max);
}

static void text_tseries(struct render *r, const struct type *t, const void *merged, int64_t div,
			 struct buf *out)
{
	struct series s = {0};

	if (series_make(t, merged, div, &s)) {
		text_header(t, &s, out);
		for (uint32_t i = 0; i < s.n; i++)
			text_point(t, &s, i, out);
		buf_fill(out, ' ', 9 + (digits_of(t) ? digits_of(t) + 1 : 0));
		buf_addc(out, 'v');
		buf_fill(out, '_', GRAPH_WIDTH);
		buf_adds(out, "v\n");
	}
	series_release(&s);
}

/* 2026-01-31T12:00:00.000000000Z */
static void add_utc(const struct type *t, uint64_t epoch, struct buf *out)
{
	uint64_t wall = epoch * interval_of(t) + clock_offset_boot();
	time_t sec = (time_t)(wall / NSEC_PER_SEC);
	char text[64];
	struct tm tm;

	gmtime_r(&sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(out, "%s.%09" PRIu64 "Z", text, wall % NSEC_PER_SEC);
}

static void json_interval(struct render *r, const struct type *t, uint64_t epoch, struct buf *out)
{
	if (!r->ndjson) {
		buf_adds(out, "\"interval_start\": \"");
		add_time(t, "%Y-%m-%d %H:%M:%S", 9, epoch, out);
	} else {
		buf_adds(out, "\"start\": \"");
		add_utc(t, epoch, out);
		buf_adds(out, "\", \"end\": \"");
		add_utc(t, epoch + 1, out);
	}
	buf_adds(out, "\", \"value\": ");
}

static void json_tseries(struct render *r, const struct type *t, const void *merged, int64_t div,
			 struct buf *out)
{
	struct series s = {0};

	buf_addc(out, '[');
	for (uint32_t i = 0, any = series_make(t, merged, div, &s); any && i < s.n; i++) {
		buf_adds(out, i ? ", {" : "{");
		json_interval(r, t, s.first + i, out);
		if (!s.has[i])
			buf_adds(out, "null");
		else if (t->agg.is_signed)
			buf_add_json_i64(out, s.value[i]);
		else
			buf_add_json_u64(out, (uint64_t)s.value[i]);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
	series_release(&s);
}

static bool valid_tseries(const int64_t p[3])
{
	return p[0] >= 1 && p[1] >= 1 && p[1] <= MAX_BUCKETS && p[2] >= FOLD_LAST &&
	       p[2] <= FOLD_MAX;
}

static const struct agg agg_tseries = {
	.name = "tseries",
	.type_name = "tseries_t",
	.json_type = "tseries",
	.multi_line = true,
	.size = size_tseries,
	.valid = valid_tseries,
	.merge = merge_tseries,
	.empty = empty_tseries,
	.text = text_tseries,
	.json = json_tseries,
};

/* ---- checking ---------------------------------------------------------------------------- */

static int64_t check_fold(struct sema *s, struct expr *e)
{
	static const char *const names[] = {"", "avg", "sum", "min", "max"};
	struct str word;

	if (builtin_nargs(e) < 4 || !sema_literal_str(s, e, 3, &word))
		return FOLD_LAST;
	for (int64_t i = FOLD_AVG; i <= FOLD_MAX; i++)
		if (str_is(word, names[i]))
			return i;
	diag_help(sema_report(s, E_ARG_TYPE, builtin_arg(e, 3)->span,
			      "tseries() does not know how to put numbers together by \"%.*s\"",
			      STR_ARG(word)),
		  "\"avg\", \"sum\", \"min\", \"max\", or nothing: the last one stands");
	return FOLD_LAST;
}

static void check_range(struct sema *s, struct expr *e, unsigned i, int64_t max, const char *what,
			int64_t *v)
{
	if (!sema_literal_int(s, e, i, v) || (*v >= 1 && *v <= max))
		return;
	sema_report(s, E_RANGE, builtin_arg(e, i)->span,
		    "tseries() takes %s from 1 to %" PRId64 ", got %" PRId64, what, max, *v);
	*v = 1;
}

static void check_tseries(struct sema *s, struct expr *e)
{
	int64_t p[3] = {1, 1, 0};

	check_range(s, e, 1, INT64_MAX, "an interval in nanoseconds", &p[0]);
	check_range(s, e, 2, MAX_BUCKETS, "a number of intervals", &p[1]);
	p[2] = check_fold(s, e);
	if (!builtin_known(e, 0)) {
		e->type = &type_poison;
		return;
	}
	sema_arg_int(s, e, 0);
	e->type = type_agg(sema_types(s), &agg_tseries, size_tseries(p),
			   type_is_signed(builtin_argtype(e, 0)), p);
}

/* ---- generating -------------------------------------------------------------------------- */

/* Takes the bucket over from an older epoch; who does so sets it to nothing. */
static void claim(struct gen *g, struct val at, ir_val epoch)
{
	struct ir *b = gen_ir(g);
	struct ir_block *old = ir_block_new(b, "old"), *mine = ir_block_new(b, "mine");
	struct ir_block *done = ir_block_new(b, "claimed");
	ir_val is = ir_load(b, 8, at.v, at.off, IR_MEM_VOLATILE), was;

	ir_br(b, ir_bin(b, IR_EQ, is, epoch), done, old, IR_LIKELY_YES);
	ir_at(b, old);
	was = ir_cmpxchg(b, 8, at.v, at.off, is, epoch);
	ir_br(b, ir_bin(b, IR_EQ, was, is), mine, done, IR_LIKELY_YES);
	ir_at(b, mine);
	ir_store(b, 8, at.v, at.off + 8, ir_const(b, 0));
	ir_store(b, 8, at.v, at.off + 16, ir_const(b, 0));
	ir_jmp(b, done);
	ir_at(b, done);
}

static void put(struct gen *g, const struct type *t, struct val at, ir_val v, ir_val now)
{
	struct ir *b = gen_ir(g);
	enum fold fold = fold_of(t);
	struct val value = at;

	value.off += 8;
	switch (fold) {
	case FOLD_LAST:
		ir_store(b, 8, at.v, at.off + 8, v);
		ir_store(b, 8, at.v, at.off + 16, now);
		break;
	case FOLD_AVG:
	case FOLD_SUM:
		ir_atomic(b, IR_ATOMIC_ADD, 8, at.v, at.off + 8, v, false);
		ir_atomic(b, IR_ATOMIC_ADD, 8, at.v, at.off + 16, ir_const(b, 1), false);
		break;
	default:
		if (t->agg.is_signed)
			v = ir_bin(b, IR_XOR, v, ir_const(b, INT64_MIN));
		if (fold == FOLD_MIN)
			v = ir_bini(b, IR_XOR, v, -1);
		builtin_raise_rank(g, value, v);
		ir_store(b, 8, at.v, at.off + 16, ir_const(b, 1));
	}
}

static void lower_tseries(struct gen *g, struct expr *e, const struct type *t, struct val slot)
{
	struct ir *b = gen_ir(g);
	bool boot = kernel_has(gen_kernel(g), FEATURE_KTIME_BOOT);
	ir_val v = gen_scalar(g, builtin_arg(e, 0));
	ir_val now = IR_CALL0(b, boot ? BPF_FUNC_ktime_get_boot_ns : BPF_FUNC_ktime_get_ns);
	ir_val epoch = ir_bin(b, IR_UDIV, now, ir_const(b, t->agg.p[0]));
	ir_val i = ir_bin(b, IR_UMOD, epoch, ir_const(b, t->agg.p[1]));
	struct val at = slot;

	i = ir_bound(b, i, count_of(t) - 1);
	at.v = ir_bin(b, IR_ADD, slot.v, ir_bini(b, IR_MUL, i, BUCKET));
	claim(g, at, ir_bini(b, IR_ADD, epoch, 1));
	put(g, t, at, v, now);
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_tseries[] = {
	{
		.name = "tseries",
		.proto =
			"tseries_t tseries(int n, const uint64 interval_ns, const int intervals [, "
			"const string fold])",
		.doc = "Keeps one number for each of the last intervals of time, as a graph.\n\n"
		       "What stands for an interval is the last n of it, or, by `fold`, the "
		       "\"avg\", \"sum\", \"min\" or\n"
		       "\"max\" of them. Up to 1365 intervals: the kernel keeps 32 KiB for a key "
		       "on each CPU.\n\n"
		       "    tracepoint:syscalls:sys_exit_read { @bytes = tseries(args.ret, 1s, 10, "
		       "\"sum\"); }\n",
		.examples = EXAMPLES("begin { @ = tseries(5, 1s, 10); exit(); }",
				     "begin { @[comm] = tseries(5, 100ms, 20, \"avg\"); exit(); }",
				     "begin { @ = tseries(-5, 100ms, 20, \"min\"); exit(); }"),
		.flags = BI_AGG,
		.min_args = 3,
		.max_args = 4,
		.check = check_tseries,
		.agg = &agg_tseries,
		.lower_agg = lower_tseries,
	},
	BUILTIN_END,
};
