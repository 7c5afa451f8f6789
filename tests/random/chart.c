/* Charts of the walked tree: hist, lhist, tseries, out of all the numbers that went in; and bytes.
 *
 *   hist(n, k)    a number of more than k + 1 bits loses its low bits until k + 1 are left: those
 *                 that are the same then share a bucket, and it is as wide as what was lost
 *   lhist         buckets of one width between two ends, one below and one above
 *   tseries       one interval, long enough for a whole run
 *
 * Buckets are shown from the first to the last that has numbers, with a bar of 52 at the fullest.
 */
#include <string.h>
#include "random.h"

typedef unsigned __int128 wide;

struct bucket {
	bool below, above; /* negative numbers; behind the end */
	wide lo, hi;       /* hi is outside */
};

static bool takes_signed(const struct tally *y)
{
	return type_is_signed(y->call->call.args[0]->type);
}

static int64_t number(const struct tally *y, size_t arg)
{
	return (int64_t)y->call->call.args[arg]->value;
}

static void scaled(wide v, struct buf *out)
{
	static const char units[] = " KMGTPE";
	unsigned i = 0;

	while (v && v % 1024 == 0) {
		v /= 1024;
		i++;
	}
	buf_printf(out, "%" PRIu64, (uint64_t)v);
	if (i)
		buf_addc(out, units[i]);
}

static void row(const char *label, uint64_t n, uint64_t most, struct buf *out)
{
	size_t bar = (size_t)((wide)n * 52 / most);

	buf_printf(out, "%-16s%8" PRIu64 " |", label, n);
	buf_fill(out, '@', bar);
	buf_fill(out, ' ', 52 - bar);
	buf_adds(out, "|\n");
}

/* ---- hist ------------------------------------------------------------------------------------ */

static struct bucket hist_bucket(wide n, unsigned bits)
{
	wide width = 1;

	while (n / width >= (wide)2 << bits)
		width *= 2;
	return (struct bucket){.lo = n / width * width, .hi = n / width * width + width};
}

static bool in_bucket(const struct tally *y, int64_t n, struct bucket b)
{
	bool negative = takes_signed(y) && n < 0;

	return b.below || negative ? b.below && negative
				   : (uint64_t)n >= b.lo && (uint64_t)n < b.hi;
}

static uint64_t count_in(const struct tally *y, struct bucket b)
{
	uint64_t n = 0;

	for (size_t i = 0; i < y->seen.n; i++)
		n += in_bucket(y, y->seen.v[i], b);
	return n;
}

static struct bucket bucket_behind(struct bucket b, unsigned bits)
{
	return hist_bucket(b.below ? 0 : b.hi, bits);
}

static struct bucket first_bucket(const struct tally *y, unsigned bits)
{
	struct bucket b = {.below = true};

	while (!count_in(y, b))
		b = bucket_behind(b, bits);
	return b;
}

static void hist_label(struct bucket b, struct buf *out)
{
	if (b.below) {
		buf_adds(out, "(..., 0)");
	} else if (b.hi - b.lo == 1) {
		buf_printf(out, "[%" PRIu64 "]", (uint64_t)b.lo);
	} else {
		buf_addc(out, '[');
		scaled(b.lo, out);
		buf_adds(out, ", ");
		scaled(b.hi, out);
		buf_addc(out, ')');
	}
}

static uint64_t fullest(const struct tally *y, struct bucket b, unsigned bits)
{
	uint64_t most = 0, left = y->seen.n;

	for (; left; b = bucket_behind(b, bits)) {
		uint64_t n = count_in(y, b);

		most = MAX(most, n);
		left -= n;
	}
	return most;
}

static void hist_text(const struct tally *y, struct buf *out)
{
	unsigned bits = y->call->call.nargs > 1 ? (unsigned)number(y, 1) : 0;
	struct bucket b = first_bucket(y, bits);
	uint64_t most = fullest(y, b, bits), left = y->seen.n;

	for (; left; b = bucket_behind(b, bits)) {
		struct buf label = BUF_INIT;
		uint64_t n = count_in(y, b);

		hist_label(b, &label);
		row(buf_cstr(&label), n, most, out);
		buf_release(&label);
		left -= n;
	}
}

/* ---- lhist ----------------------------------------------------------------------------------- */

#define LINEAR_MAX 64 /* buckets of the widest that is made here */

static size_t linear_bucket(const struct tally *y, int64_t n, size_t count)
{
	int64_t min = number(y, 1), max = number(y, 2), step = number(y, 3);
	bool huge = !takes_signed(y) && n < 0; /* 2^63 and more */

	if (huge || n >= max)
		return count - 1;
	return n < min ? 0 : 1 + (size_t)((n - min) / step);
}

static void linear_number(int64_t v, int64_t step, struct buf *out)
{
	const char *unit = "";

	if (step % 1024 == 0 && v && v % 1024 == 0) {
		unit = v % (1024 * 1024) ? "K" : "M";
		v /= v % (1024 * 1024) ? 1024 : 1024 * 1024;
	}
	buf_printf(out, "%" PRId64 "%s", v, unit);
}

static void linear_label(const struct tally *y, size_t i, size_t count, struct buf *out)
{
	int64_t min = number(y, 1), max = number(y, 2), step = number(y, 3);
	int64_t lo = min + (int64_t)(i - 1) * step;

	buf_adds(out, i ? "[" : "(..., ");
	linear_number(i == 0 ? min : i == count - 1 ? max : lo, step, out);
	if (i == count - 1) {
		buf_adds(out, ", ...");
	} else if (i) {
		buf_adds(out, ", ");
		linear_number(MIN(lo + step, max), step, out);
	}
	buf_addc(out, ')');
}

static void lhist_text(const struct tally *y, struct buf *out)
{
	int64_t range = number(y, 2) - number(y, 1), step = number(y, 3);
	size_t count = (size_t)((range + step - 1) / step) + 2, first = count, last = 0;
	uint64_t n[LINEAR_MAX] = {0}, most = 0;

	for (size_t i = 0; i < y->seen.n; i++) {
		size_t at = linear_bucket(y, y->seen.v[i], count);

		n[at]++;
		most = MAX(most, n[at]);
		first = MIN(first, at);
		last = MAX(last, at);
	}
	for (size_t i = first; i <= last; i++) {
		struct buf label = BUF_INIT;

		linear_label(y, i, count, &label);
		row(buf_cstr(&label), n[i], most, out);
		buf_release(&label);
	}
}

/* ---- tseries --------------------------------------------------------------------------------- */

static int64_t folded(const struct tally *y, bool is_signed)
{
	struct str fold = y->call->call.nargs > 3 ? y->call->call.args[3]->str : STR("last");

	if (str_is(fold, "min"))
		return y->min;
	if (str_is(fold, "max"))
		return y->max;
	if (str_is(fold, "sum"))
		return (int64_t)y->total;
	if (str_is(fold, "avg"))
		return is_signed ? (int64_t)y->total / (int64_t)y->count
				 : (int64_t)(y->total / y->count);
	return y->seen.v[y->seen.n - 1];
}

static void tseries_text(const struct type *t, const struct tally *y, struct buf *out)
{
	int64_t v = folded(y, t->agg.is_signed);
	struct buf n = BUF_INIT, rule = BUF_INIT;

	buf_printf(&n, t->agg.is_signed ? "%" PRId64 : "%" PRIu64, v);
	buf_adds(&rule, "         v");
	buf_fill(&rule, '_', 53);
	buf_adds(&rule, "v\n");
	buf_printf(out, "         %s%*s\n%shh:mm:ss |*%52s| %s\n%s", buf_cstr(&n), 55 - (int)n.n,
		   buf_cstr(&n), buf_cstr(&rule), "", buf_cstr(&n), buf_cstr(&rule));
	buf_release(&n);
	buf_release(&rule);
}

bool chart_text(const struct type *t, const struct tally *y, struct buf *out)
{
	const char *name = t->agg.agg->name;

	if (strcmp(name, "hist") == 0)
		hist_text(y, out);
	else if (strcmp(name, "lhist") == 0)
		lhist_text(y, out);
	else if (strcmp(name, "tseries") == 0)
		tseries_text(t, y, out);
	else
		return false;
	buf_addc(out, '\n');
	return true;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

void buffer_text(struct str bytes, char variant, struct buf *out)
{
	for (size_t i = 0; i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];

		if (variant == 'h')
			buf_printf(out, "%s%02x", i ? " " : "", c);
		else if (variant == 'x' || c < 0x20 || c > 0x7e)
			buf_printf(out, "\\x%02x", c);
		else
			buf_addc(out, (char)c);
	}
}
