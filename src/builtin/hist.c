/* Histograms: hist (powers of two) and lhist (linear). All buckets of a key lie in one value, u64
 * each, added to atomically.
 *
 * hist(n, k) has 2^k buckets for each power of two:
 *
 *      index 0        n < 0 (of signed values)
 *      1 … 2^k        n = 0 … 2^k - 1, one bucket each
 *      then           2^k buckets for [2^k, 2^(k+1)), 2^k for [2^(k+1), 2^(k+2)) … up to 2^64
 *
 * With s = log2(n >> k), log2(0) being 0, one formula gives them all: index = (s << k) + (n >> s)
 * + 1. There are ((65 - k) << k) + 1 buckets: 66 of them, 528 bytes, for k = 0, and 1921 for k = 5.
 *
 *      k = 0:  0  1 | 2-3 | 4-7 | 8-15 …        k = 1:  0 1  2 3 | 4-5 6-7 | 8-11 12-15 …
 *
 * lhist(n, min, max, step): index 0 is n < min, the last is n >= max; between them step-wide
 * buckets, the last of which is narrower when step does not divide the range. */
#include <string.h>
#include "builtin/builtin_priv.h"

#define HIST_MAX_BITS     5
#define LHIST_MAX_BUCKETS 1000
#define BAR_WIDTH         52

/* What a bucket holds: [lo, hi], closed at both ends; open_lo and open_hi: without that end. */
struct bucket {
	bool open_lo, open_hi;
	int64_t lo, hi; /* as unsigned numbers for all but lhist */
};

static const struct agg agg_hist, agg_lhist;

/* ---- arithmetic of buckets --------------------------------------------------------------- */

static uint32_t hist_count(int64_t bits)
{
	return ((uint32_t)(65 - bits) << bits) + 1;
}

static uint32_t lhist_count(const int64_t p[3])
{
	uint64_t range = (uint64_t)p[1] - (uint64_t)p[0];

	return (uint32_t)(range / (uint64_t)p[2] + (range % (uint64_t)p[2] != 0)) + 2;
}

static uint32_t bucket_count(const struct type *t)
{
	return t->size / 8;
}

static struct bucket hist_bucket(const struct type *t, uint32_t i)
{
	unsigned k = (unsigned)t->agg.p[0];
	uint64_t lo, size = 1;

	if (i == 0)
		return (struct bucket){.open_lo = true, .hi = -1};
	lo = i - 1;
	if (lo >> k > 1) {
		unsigned s = (unsigned)(lo >> k) - 1;

		lo = ((lo & ((1U << k) - 1)) + (1U << k)) << s;
		size = UINT64_C(1) << s;
	}
	return (struct bucket){.lo = (int64_t)lo, .hi = (int64_t)(lo + (size - 1))};
}

static struct bucket lhist_bucket(const struct type *t, uint32_t i)
{
	const int64_t *p = t->agg.p;
	struct bucket b = {.lo = p[0] + (int64_t)(i - 1) * p[2]};

	if (i == 0)
		return (struct bucket){.open_lo = true, .hi = p[0] - 1};
	if (i == bucket_count(t) - 1)
		return (struct bucket){.open_hi = true, .lo = p[1]};
	b.hi = MIN(b.lo + p[2], p[1]) - 1;
	return b;
}

static struct bucket bucket_of(const struct type *t, uint32_t i)
{
	return t->agg.agg == &agg_hist ? hist_bucket(t, i) : lhist_bucket(t, i);
}

/* ---- labels ------------------------------------------------------------------------------ */

/* The largest suffix that keeps the number exact: 1536, 2K, 3M. */
static void add_scaled(struct buf *out, uint64_t v)
{
	static const char suffix[] = {0, 'K', 'M', 'G', 'T', 'P', 'E'};
	unsigned i = 0;

	for (; v && v % 1024 == 0; v /= 1024)
		i++;
	buf_addu64(out, v);
	if (i)
		buf_addc(out, suffix[i]);
}

/* Linear buckets have suffixes only when their step is a multiple of 1024, and none above M. */
static void add_linear(struct buf *out, int64_t v, int64_t step)
{
	if (step % 1024 || v == 0 || v % 1024)
		buf_addi64(out, v);
	else if (v % (1024 * 1024) == 0)
		buf_printf(out, "%" PRId64 "M", v / (1024 * 1024));
	else
		buf_printf(out, "%" PRId64 "K", v / 1024);
}

static void hist_label(struct buf *out, struct bucket b)
{
	if (b.open_lo) {
		buf_adds(out, "(..., 0)");
		return;
	}
	buf_addc(out, '[');
	if (b.lo == b.hi) { /* the bounds of single values are shown as they are */
		buf_addu64(out, (uint64_t)b.lo);
		buf_addc(out, ']');
		return;
	}
	add_scaled(out, (uint64_t)b.lo);
	buf_adds(out, ", ");
	if ((uint64_t)b.hi == UINT64_MAX)
		buf_adds(out, "16E");
	else
		add_scaled(out, (uint64_t)b.hi + 1);
	buf_addc(out, ')');
}

static void lhist_label(struct buf *out, struct bucket b, int64_t step)
{
	if (b.open_lo) {
		buf_adds(out, "(..., ");
		add_linear(out, b.hi + 1, step);
		buf_addc(out, ')');
		return;
	}
	buf_addc(out, '[');
	add_linear(out, b.lo, step);
	buf_adds(out, ", ");
	if (b.open_hi)
		buf_adds(out, "...");
	else
		add_linear(out, b.hi + 1, step);
	buf_addc(out, ')');
}

/* ---- merging and showing ----------------------------------------------------------------- */

static uint64_t bucket_value(const void *merged, uint32_t i)
{
	return builtin_u64((const char *)merged + 8 * (size_t)i);
}

static uint64_t total(const struct type *t, const void *merged)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bucket_count(t); i++)
		sum += bucket_value(merged, i);
	return sum;
}

static void merge_buckets(const struct type *t, void *into, const void *slot)
{
	for (uint32_t i = 0; i < bucket_count(t); i++) {
		uint64_t sum = bucket_value(into, i) + bucket_value(slot, i);

		memcpy((char *)into + 8 * (size_t)i, &sum, 8);
	}
}

static bool empty_buckets(const struct type *t, const void *merged)
{
	return total(t, merged) == 0;
}

static int compare_totals(const struct type *t, const void *a, const void *b)
{
	uint64_t x = total(t, a), y = total(t, b);

	return (x > y) - (x < y);
}

/* The buckets that are shown: from the first to the last that is not empty. False: there is none.
 */
static bool used_range(const struct type *t, const void *merged, uint32_t *first, uint32_t *last,
		       uint64_t *max)
{
	bool any = false;

	*max = 0;
	for (uint32_t i = 0; i < bucket_count(t); i++) {
		uint64_t v = bucket_value(merged, i);

		if (v == 0)
			continue;
		if (!any)
			*first = i;
		any = true;
		*last = i;
		*max = MAX(*max, v);
	}
	return any;
}

static void text_bucket(const struct type *t, uint32_t i, uint64_t v, uint64_t max, int64_t div,
			struct buf *out)
{
	size_t start = out->n;
	unsigned bar = (unsigned)((unsigned __int128)v * BAR_WIDTH / max);

	if (t->agg.agg == &agg_hist)
		hist_label(out, hist_bucket(t, i));
	else
		lhist_label(out, lhist_bucket(t, i), t->agg.p[2]);
	if (out->n - start < 16)
		buf_fill(out, ' ', 16 - (out->n - start));
	buf_printf(out, "%8" PRIu64 " |", div > 1 ? v / (uint64_t)div : v);
	buf_fill(out, '@', bar);
	buf_fill(out, ' ', BAR_WIDTH - bar);
	buf_adds(out, "|\n");
}

static void text_buckets(struct render *r, const struct type *t, const void *merged, int64_t div,
			 struct buf *out)
{
	uint32_t first, last;
	uint64_t max;

	if (!used_range(t, merged, &first, &last, &max))
		return;
	for (uint32_t i = first; i <= last; i++)
		text_bucket(t, i, bucket_value(merged, i), max, div, out);
}

static void json_bound(const struct type *t, const char *name, int64_t v, struct buf *out)
{
	buf_printf(out, "\"%s\": ", name);
	if (t->agg.agg == &agg_hist && v != -1)
		buf_add_json_u64(out, (uint64_t)v);
	else
		buf_add_json_i64(out, v);
	buf_adds(out, ", ");
}

static void json_buckets(struct render *r, const struct type *t, const void *merged, int64_t div,
			 struct buf *out)
{
	uint32_t first = 1, last = 0;
	uint64_t max;

	used_range(t, merged, &first, &last, &max);
	buf_addc(out, '[');
	for (uint32_t i = first; i <= last; i++) {
		struct bucket b = bucket_of(t, i);
		uint64_t v = bucket_value(merged, i);
		/* the last bucket of hist ends at UINT64_MAX, which must not look like -1 */
		bool top = t->agg.agg == &agg_hist && !b.open_lo && b.hi == -1;

		buf_adds(out, i > first ? ", {" : "{");
		if (!b.open_lo)
			json_bound(t, "min", b.lo, out);
		if (!b.open_hi && !top)
			json_bound(t, "max", b.hi, out);
		buf_adds(out, "\"count\": ");
		buf_add_json_u64(out, div > 1 ? v / (uint64_t)div : v);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static bool percentile(const struct type *t, const void *merged, unsigned p, int64_t *out)
{
	uint64_t all = total(t, merged), seen = 0;
	/* rounded up: the number of values that must not exceed it */
	uint64_t need = (uint64_t)(((unsigned __int128)all * p + 99) / 100);

	for (uint32_t i = 0; i < bucket_count(t) && all; i++) {
		struct bucket b = bucket_of(t, i);

		seen += bucket_value(merged, i);
		if (seen < need || seen == 0)
			continue;
		*out = b.hi;
		return !b.open_hi;
	}
	return false;
}

/* ---- the other form ------------------------------------------------------------------------ */

#define STARS 40

/* bcc's columns: narrow ones up to 2^32, wider ones with a shorter bar above. All buckets from zero
 * on are shown. */
static void table_row(uint64_t lo, uint64_t hi, uint64_t v, uint64_t max, bool wide,
		      struct buf *out)
{
	unsigned width = wide ? STARS / 2 : STARS;
	unsigned bar = (unsigned)((unsigned __int128)v * width / max);

	if (wide)
		buf_printf(out, "%20" PRIu64 " -> %-20" PRIu64, lo, hi);
	else
		buf_printf(out, "%10" PRIu64 " -> %-10" PRIu64, lo, hi);
	buf_printf(out, " : %-8" PRIu64 " |", v);
	buf_fill(out, '*', bar);
	buf_fill(out, ' ', width - bar);
	buf_adds(out, "|\n");
}

static void table_negative(uint64_t v, uint64_t max, bool wide, struct buf *out)
{
	unsigned width = wide ? STARS / 2 : STARS;
	unsigned bar = (unsigned)((unsigned __int128)v * width / max);

	buf_printf(out, "%*s -> %-*d : %-8" PRIu64 " |", wide ? 20 : 10, "...", wide ? 20 : 10, -1,
		   v);
	buf_fill(out, '*', bar);
	buf_fill(out, ' ', width - bar);
	buf_adds(out, "|\n");
}

/* 0 and 1 are one row, as bcc has it. Of hist(n, bits) with bits the buckets are as they are. */
static void table_hist(const struct type *t, const void *merged, const char *unit, struct buf *out)
{
	bool whole = t->agg.p[0] == 0, wide;
	uint32_t first, last;
	uint64_t max, v;

	if (!used_range(t, merged, &first, &last, &max))
		return;
	v = whole ? bucket_value(merged, 1) + bucket_value(merged, 2) : 0;
	max = MAX(max, v);
	wide = (uint64_t)hist_bucket(t, last).hi > UINT32_MAX && last;
	buf_printf(out, "%*s%-*s : count     distribution\n", wide ? 15 : 5, "", wide ? 29 : 19,
		   unit);
	if (bucket_value(merged, 0))
		table_negative(bucket_value(merged, 0), max, wide, out);
	if (whole && last)
		table_row(0, 1, v, max, wide, out);
	for (uint32_t i = whole ? 3 : 1; i <= last; i++) {
		struct bucket b = hist_bucket(t, i);

		table_row((uint64_t)b.lo, (uint64_t)b.hi, bucket_value(merged, i), max, wide, out);
	}
}

static uint32_t size_hist(const int64_t p[3])
{
	return 8 * hist_count(p[0]);
}

static uint32_t size_lhist(const int64_t p[3])
{
	return 8 * lhist_count(p);
}

static bool valid_hist(const int64_t p[3])
{
	return p[0] >= 0 && p[0] <= HIST_MAX_BITS;
}

static bool valid_lhist(const int64_t p[3])
{
	return p[2] > 0 && p[0] < p[1] &&
	       ((uint64_t)p[1] - (uint64_t)p[0] - 1) / (uint64_t)p[2] < LHIST_MAX_BUCKETS;
}

#define BUCKET_AGG(id, name_, size_, valid_, table_)             \
	static const struct agg id = {.name = name_,             \
				      .type_name = name_ "_t",   \
				      .json_type = "hist",       \
				      .multi_line = true,        \
				      .additive = true,          \
				      .size = size_,             \
				      .valid = valid_,           \
				      .merge = merge_buckets,    \
				      .empty = empty_buckets,    \
				      .compare = compare_totals, \
				      .percentile = percentile,  \
				      .table = table_,           \
				      .text = text_buckets,      \
				      .json = json_buckets}

BUCKET_AGG(agg_hist, "hist", size_hist, valid_hist, table_hist);
BUCKET_AGG(agg_lhist, "lhist", size_lhist, valid_lhist, NULL);

/* ---- checking ---------------------------------------------------------------------------- */

static void set_agg(struct sema *s, struct expr *e, const struct agg *agg, const int64_t p[3])
{
	if (!builtin_known(e, 0)) {
		e->type = &type_poison;
		return;
	}
	sema_arg_int(s, e, 0);
	/* buckets are the same whatever the sign of what goes in */
	e->type = type_agg(sema_types(s), agg, agg->size(p), false, p);
}

static void check_hist(struct sema *s, struct expr *e)
{
	int64_t p[3] = {0};

	if (builtin_nargs(e) > 1 && sema_literal_int(s, e, 1, &p[0]) &&
	    (p[0] < 0 || p[0] > HIST_MAX_BITS)) {
		struct diag_msg *m = sema_report(s, E_RANGE, builtin_arg(e, 1)->span,
						 "hist() takes 0 to %d bits, got %" PRId64,
						 HIST_MAX_BITS, p[0]);

		diag_help(m, "with n bits each power of two is split into 2^n buckets");
		p[0] = 0;
	}
	set_agg(s, e, &agg_hist, p);
}

/* False after a report. */
static bool lhist_range(struct sema *s, struct expr *e, const int64_t p[3])
{
	struct diag_msg *m = NULL;

	if (p[2] <= 0)
		m = sema_report(s, E_RANGE, builtin_arg(e, 3)->span,
				"the step of lhist() must be positive, got %" PRId64, p[2]);
	else if (p[0] >= p[1])
		m = sema_report(s, E_RANGE, builtin_arg(e, 2)->span,
				"the end of lhist() must be above its start %" PRId64
				", got %" PRId64,
				p[0], p[1]);
	else if (((uint64_t)p[1] - (uint64_t)p[0] - 1) / (uint64_t)p[2] >= LHIST_MAX_BUCKETS)
		m = sema_report(s, E_RANGE, e->span, "lhist() has more than %d buckets",
				LHIST_MAX_BUCKETS);
	else
		return true;
	diag_help(m, "lhist(n, start, end, step), for example lhist(n, 0, 100, 10)");
	return false;
}

static void check_lhist(struct sema *s, struct expr *e)
{
	int64_t p[3] = {0, 1, 1};
	bool ok = true;

	for (unsigned i = 0; i < 3; i++)
		ok &= sema_literal_int(s, e, i + 1, &p[i]);
	if (!ok || !lhist_range(s, e, p))
		e->type = &type_poison;
	else
		set_agg(s, e, &agg_lhist, p);
}

/* ---- generating -------------------------------------------------------------------------- */

/* Binary logarithm, log2(0) = 0, by halving the range: is anything left above the low `step` bits?
 * Three instructions a step; without branches it would be seven, and the verifier would look at as
 * many paths all the same. */
static ir_val log2_of(struct ir *b, ir_val n, unsigned bits)
{
	ir_cell log = ir_cell_new(b, "log", false), x = ir_cell_new(b, "x", false);

	ir_set(b, log, ir_const(b, 0));
	ir_set(b, x, n);
	for (unsigned step = bits / 2; step > 1; step /= 2) {
		struct ir_block *above = ir_block_new(b, NULL), *next = ir_block_new(b, NULL);
		ir_val high = ir_bini(b, IR_LSHR, ir_get(b, x), step);

		if (step == 32) /* does not fit a compare with a constant */
			ir_br(b, high, above, next, IR_LIKELY_EVEN);
		else
			ir_br(b, ir_bini(b, IR_UGE, ir_get(b, x), 1ll << step), above, next,
			      IR_LIKELY_EVEN);
		ir_at(b, above);
		ir_set(b, x, ir_bini(b, IR_LSHR, ir_get(b, x), step));
		ir_set(b, log, ir_bini(b, IR_ADD, ir_get(b, log), step));
		ir_jmp(b, next);
		ir_at(b, next);
	}
	return ir_bin(b, IR_ADD, ir_get(b, log),
		      ir_bini(b, IR_LSHR, ir_get(b, x), 1)); /* x is below 4 */
}

static void add_to_bucket(struct gen *g, struct val slot, ir_val index, uint32_t count)
{
	struct ir *b = gen_ir(g);
	ir_val off = ir_bini(b, IR_SHL, ir_bound(b, index, count - 1), 3);

	ir_atomic(b, IR_ATOMIC_ADD, 8, ir_bin(b, IR_ADD, slot.v, off), slot.off, ir_const(b, 1),
		  false);
}

static void lower_hist(struct gen *g, struct expr *e, const struct type *t, struct val slot)
{
	struct ir *b = gen_ir(g);
	const struct expr *arg = builtin_arg(e, 0);
	int64_t k = t->agg.p[0];
	bool is_signed = type_is_signed(arg->type);
	unsigned bits = arg->type->size <= 4 && !is_signed ? 32 : 64;
	ir_val n = gen_scalar(g, builtin_arg(e, 0));
	ir_val s = log2_of(b, ir_bini(b, IR_LSHR, n, k), bits);
	ir_val index = ir_bini(b, IR_SHL, s, k);

	index = ir_bini(b, IR_ADD, ir_bin(b, IR_ADD, index, ir_bin(b, IR_LSHR, n, s)), 1);
	if (is_signed) { /* sign 1 gives a mask of 0, sign 0 one of all ones */
		ir_val sign = ir_bini(b, IR_LSHR, n, 63);

		index = ir_bin(b, IR_AND, index, ir_bini(b, IR_SUB, sign, 1));
	}
	add_to_bucket(g, slot, index, bucket_count(t));
}

/* Sets the index in `cell` and goes to `done` when `cond` holds. */
static void lhist_edge(struct ir *b, ir_val cond, ir_cell cell, uint32_t index,
		       struct ir_block *done)
{
	struct ir_block *yes = ir_block_new(b, "edge"), *no = ir_block_new(b, "inside");

	ir_br(b, cond, yes, no, IR_LIKELY_NO);
	ir_at(b, yes);
	ir_set(b, cell, ir_const(b, index));
	ir_jmp(b, done);
	ir_at(b, no);
}

static void lower_lhist(struct gen *g, struct expr *e, const struct type *t, struct val slot)
{
	struct ir *b = gen_ir(g);
	const int64_t *p = t->agg.p;
	uint32_t count = bucket_count(t);
	bool is_signed = type_is_signed(builtin_arg(e, 0)->type);
	ir_val n = gen_scalar(g, builtin_arg(e, 0));
	ir_cell index = ir_cell_new(b, "bucket", false);
	struct ir_block *done = ir_block_new(b, "bucket");
	ir_val below, above;

	/* an unsigned value is never below a negative start, and always above a negative end */
	below = is_signed  ? ir_bin(b, IR_SLT, n, ir_const(b, p[0]))
		: p[0] > 0 ? ir_bin(b, IR_ULT, n, ir_const(b, p[0]))
			   : ir_const(b, 0);
	lhist_edge(b, below, index, 0, done);
	above = is_signed  ? ir_bin(b, IR_SGE, n, ir_const(b, p[1]))
		: p[1] > 0 ? ir_bin(b, IR_UGE, n, ir_const(b, p[1]))
			   : ir_const(b, 1);
	lhist_edge(b, above, index, count - 1, done);
	n = ir_bin(b, IR_UDIV, ir_bin(b, IR_SUB, n, ir_const(b, p[0])), ir_const(b, p[2]));
	ir_set(b, index, ir_bini(b, IR_ADD, n, 1));
	ir_jmp(b, done);
	ir_at(b, done);
	add_to_bucket(g, slot, ir_get(b, index), count);
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_hist[] = {
	{
		.name = "hist",
		.proto = "hist_t hist(int n [, int bits])",
		.doc = "Makes a histogram of n by powers of two.\n\n"
		       "With `bits` (0 to 5) each power of two is split into 2^bits buckets. "
		       "Negative values share\n"
		       "one bucket. Each key takes 528 bytes on each CPU, up to 15 KiB with 5 "
		       "bits.\n\n"
		       "    tracepoint:raw_syscalls:sys_exit { @[comm] = hist(args.ret); }\n"
		       "    tracepoint:raw_syscalls:sys_exit { @fine[comm] = hist(args.ret, 2); "
		       "}\n",
		.examples = EXAMPLES("begin { @ = hist(70000); exit(); }",
				     "begin { @[comm] = hist(-5, 3); exit(); }"),
		.flags = BI_AGG,
		.min_args = 1,
		.max_args = 2,
		.check = check_hist,
		.agg = &agg_hist,
		.lower_agg = lower_hist,
	},
	{
		.name = "lhist",
		.proto = "lhist_t lhist(int n, int start, int end, int step)",
		.doc = "Makes a histogram of n in steps of equal width.\n\n"
		       "Values below start and from end on have buckets of their own. start, end "
		       "and step are\n"
		       "literals; at most 1000 buckets.\n\n"
		       "    tracepoint:raw_syscalls:sys_exit { @ = lhist(args.ret, 0, 100, 10); "
		       "}\n",
		.examples = EXAMPLES("begin { @ = lhist(55, 0, 100, 10); exit(); }"),
		.flags = BI_AGG,
		.min_args = 4,
		.max_args = 4,
		.check = check_lhist,
		.agg = &agg_lhist,
		.lower_agg = lower_lhist,
	},
	BUILTIN_END,
};
