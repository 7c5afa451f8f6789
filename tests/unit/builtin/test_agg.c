/* Aggregations on this side of the kernel: merging of slots, order, text and JSON, exactly; and the
 * arithmetic of buckets against counting. Rows are reached by name, as the compiler does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>
#include "sema/builtin.h"

#define SIGN (UINT64_C(1) << 63)

static const struct agg *agg_named(const char *name)
{
	for (const struct builtin *const *f = builtin_families; *f; f++)
		for (const struct builtin *b = *f; b->name; b++)
			if (b->agg && strcmp(b->name, name) == 0)
				return b->agg;
	fail_msg("no aggregation %s", name);
	return NULL;
}

static struct type agg_type(const char *name, bool is_signed, int64_t p0, int64_t p1, int64_t p2)
{
	struct type t = {.kind = TYPE_AGG, .align = 8};

	t.agg.agg = agg_named(name);
	t.agg.is_signed = is_signed;
	t.agg.p[0] = p0;
	t.agg.p[1] = p1;
	t.agg.p[2] = p2;
	t.size = t.agg.agg->size(t.agg.p);
	return t;
}

static void expect_text(const struct type *t, const void *v, int64_t div, const char *want)
{
	struct buf b = BUF_INIT;

	t->agg.agg->text(NULL, t, v, div, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
}

static void expect_json(const struct type *t, const void *v, int64_t div, const char *want)
{
	struct buf b = BUF_INIT;

	t->agg.agg->json(NULL, t, v, div, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
}

static void counts_add_up(void **state)
{
	struct type t = agg_type("count", false, 0, 0, 0);
	uint64_t into = 0, a = 3, b = 4;

	assert_true(t.agg.agg->empty(&t, &into));
	t.agg.agg->merge(&t, &into, &a);
	t.agg.agg->merge(&t, &into, &b);
	assert_false(t.agg.agg->empty(&t, &into));
	expect_text(&t, &into, 1, "7");
	expect_text(&t, &into, 2, "3");
	expect_json(&t, &into, 1, "7");
}

static void sums_have_a_sign(void **state)
{
	struct type t = agg_type("sum", true, 0, 0, 0), u = agg_type("sum", false, 0, 0, 0);
	uint64_t v[2] = {(uint64_t)-5, 1}, zero[2] = {0, 1}, none[2] = {0};

	expect_text(&t, v, 1, "-5");
	expect_text(&t, v, 2, "-2");
	expect_text(&u, v, 1, "18446744073709551611");
	expect_json(&t, v, 1, "-5");
	expect_json(&u, v, 1, "\"18446744073709551611\"");
	assert_false(t.agg.agg->empty(&t, zero)); /* sum(0) is something */
	assert_true(t.agg.agg->empty(&t, none));
}

static void check_extreme(const char *name, bool is_signed, uint64_t flip, int64_t a, int64_t b,
			  const char *want)
{
	struct type t = agg_type(name, is_signed, 0, 0, 0);
	uint64_t into[2] = {0}, none[2] = {0};
	uint64_t x[2] = {(uint64_t)a ^ flip, 1}, y[2] = {(uint64_t)b ^ flip, 1};

	t.agg.agg->merge(&t, into, none);
	assert_true(t.agg.agg->empty(&t, into));
	t.agg.agg->merge(&t, into, x);
	t.agg.agg->merge(&t, into, none);
	t.agg.agg->merge(&t, into, y);
	expect_text(&t, into, 1, want);
}

static void extremes_merge(void **state)
{
	check_extreme("max", true, SIGN, -3, -7, "-3");
	check_extreme("max", true, SIGN, -3, 7, "7");
	check_extreme("max", false, 0, 3, -1, "18446744073709551615");
	check_extreme("min", true, ~SIGN, -3, 7, "-3");
	check_extreme("min", true, ~SIGN, INT64_MIN, INT64_MAX, "-9223372036854775808");
	check_extreme("min", false, ~UINT64_C(0), 3, -1, "3");
	check_extreme("min", false, ~UINT64_C(0), -1, -1, "18446744073709551615");
}

static void averages_round_to_zero(void **state)
{
	struct type t = agg_type("avg", true, 0, 0, 0);
	uint64_t v[2] = {(uint64_t)-5, 2}, none[2] = {0};

	expect_text(&t, v, 1, "-2");
	expect_text(&t, none, 1, "0");
	assert_string_equal(t.agg.agg->json_type, "stats");
}

static void stats_show_all(void **state)
{
	struct type t = agg_type("stats", true, 0, 0, 0);
	uint64_t v[2] = {5, 2}, more[2] = {100, 1};

	expect_text(&t, v, 1, "{ .count = 2, .average = 2, .total = 5 }");
	expect_json(&t, v, 1, "{\"count\": 2, \"average\": 2, \"total\": 5}");
	assert_true(t.agg.agg->compare(&t, v, more) < 0);
	assert_true(t.agg.agg->number == NULL);
}

static void order_follows_the_sign(void **state)
{
	struct type t = agg_type("sum", true, 0, 0, 0), u = agg_type("sum", false, 0, 0, 0);
	uint64_t minus = (uint64_t)-1, one = 1;

	assert_true(t.agg.agg->compare(&t, &minus, &one) < 0);
	assert_true(u.agg.agg->compare(&u, &minus, &one) > 0);
	assert_int_equal(t.agg.agg->compare(&t, &one, &one), 0);
}

/* ---- histograms ------------------------------------------------------------------------------ */

static void hist_looks_as_known(void **state)
{
	struct type t = agg_type("hist", true, 0, 0, 0);
	uint64_t v[66] = {0};

	expect_text(&t, v, 1, "");
	expect_json(&t, v, 1, "[]");
	v[0] = 1;
	v[2] = 4;
	v[3] = 2;
	expect_text(
		&t, v, 1,
		"(..., 0)               1 |@@@@@@@@@@@@@                                       |\n"
		"[0]                    0 |                                                    |\n"
		"[1]                    4 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n"
		"[2, 4)                 2 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          "
		"|\n");
	expect_json(
		&t, v, 1,
		"[{\"max\": -1, \"count\": 1}, {\"min\": 0, \"max\": 0, \"count\": 0}, "
		"{\"min\": 1, \"max\": 1, \"count\": 4}, {\"min\": 2, \"max\": 3, \"count\": 2}]");
	assert_true(t.agg.agg->multi_line);
}

static void hist_has_suffixes(void **state)
{
	struct type t = agg_type("hist", false, 0, 0, 0), fine = agg_type("hist", false, 2, 0, 0);
	uint64_t v[66] = {0}, w[512] = {0};

	v[12] = 4; /* [1K, 2K) */
	expect_text(&t, v, 2,
		    "[1K, 2K)               2 "
		    "|@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n");
	v[12] = 0;
	v[65] = 1;
	expect_text(&t, v, 1,
		    "[8E, 16E)              1 "
		    "|@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n");
	w[1 + 4 * 9 + 1] = 1; /* log2(n >> 2) is 8: 1024 to 2047 in quarters, the second of them */
	expect_text(&fine, w, 1,
		    "[1280, 1536)           1 "
		    "|@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n");
}

/* The bounds that the JSON of a single used bucket tells. */
static void bucket_bounds(const struct type *t, uint32_t i, uint64_t *lo, uint64_t *hi)
{
	uint64_t *v = calloc(t->size / 8, 8);
	struct buf b = BUF_INIT;
	const char *p;

	v[i] = 1;
	t->agg.agg->json(NULL, t, v, 1, &b);
	p = strstr(buf_cstr(&b), "\"min\": ");
	*lo = p ? strtoull(p[7] == '"' ? p + 8 : p + 7, NULL, 10) : 0;
	p = strstr(buf_cstr(&b), "\"max\": ");
	*hi = p ? strtoull(p[7] == '"' ? p + 8 : p + 7, NULL, 10) : UINT64_MAX;
	buf_release(&b);
	free(v);
}

/* All buckets of all resolutions: they follow each other without gap or overlap from 0 to
 * UINT64_MAX, each power of two starts one, and both ends of each have the index that the programs
 * compute. */
static void hist_buckets_tile(void **state)
{
	for (unsigned k = 0; k <= 5; k++) {
		struct type t = agg_type("hist", false, (int64_t)k, 0, 0);
		uint64_t next = 0, lo, hi;

		for (uint32_t i = 1; i < t.size / 8; i++) {
			bucket_bounds(&t, i, &lo, &hi);
			assert_true(lo == next && hi >= lo);
			for (unsigned end = 0; end < 2; end++) {
				uint64_t n = end ? hi : lo;
				unsigned s = n >> k ? 63 - (unsigned)__builtin_clzll(n >> k) : 0;

				assert_int_equal(((uint64_t)s << k) + (n >> s) + 1, i);
			}
			next = hi + 1;
		}
		assert_true(hi == UINT64_MAX);
	}
}

static void lhist_looks_as_known(void **state)
{
	struct type t = agg_type("lhist", true, 0, 100, 50);
	uint64_t v[4] = {1, 2, 0, 4};

	assert_int_equal(t.size, 32);
	expect_text(
		&t, v, 1,
		"(..., 0)               1 |@@@@@@@@@@@@@                                       |\n"
		"[0, 50)                2 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |\n"
		"[50, 100)              0 |                                                    |\n"
		"[100, ...)             4 "
		"|@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n");
	expect_json(&t, v, 1,
		    "[{\"max\": -1, \"count\": 1}, {\"min\": 0, \"max\": 49, \"count\": 2}, "
		    "{\"min\": 50, \"max\": 99, \"count\": 0}, {\"min\": 100, \"count\": 4}]");
}

static void lhist_last_bucket_is_narrow(void **state)
{
	struct type t = agg_type("lhist", true, -5, 5, 4);
	uint64_t v[5] = {0, 0, 0, 1, 0};

	assert_int_equal(t.size, 8 * 5);
	expect_json(&t, v, 1, "[{\"min\": 3, \"max\": 4, \"count\": 1}]");
}

static void lhist_scales_steps_of_1024(void **state)
{
	struct type t = agg_type("lhist", true, 0, 2048, 1024);
	uint64_t v[4] = {0, 1, 1, 1};

	expect_text(
		&t, v, 1,
		"[0, 1K)                1 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n"
		"[1K, 2K)               1 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n"
		"[2K, ...)              1 "
		"|@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n");
}

static void hist_merges_and_orders(void **state)
{
	struct type t = agg_type("hist", true, 0, 0, 0);
	uint64_t a[66] = {0, 1}, b[66] = {0, 1, 1}, into[66] = {0};

	t.agg.agg->merge(&t, into, a);
	t.agg.agg->merge(&t, into, b);
	assert_int_equal(into[1], 2);
	assert_int_equal(into[2], 1);
	assert_true(t.agg.agg->compare(&t, a, b) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_add_up),
		cmocka_unit_test(sums_have_a_sign),
		cmocka_unit_test(extremes_merge),
		cmocka_unit_test(averages_round_to_zero),
		cmocka_unit_test(stats_show_all),
		cmocka_unit_test(order_follows_the_sign),
		cmocka_unit_test(hist_looks_as_known),
		cmocka_unit_test(hist_has_suffixes),
		cmocka_unit_test(hist_buckets_tile),
		cmocka_unit_test(lhist_looks_as_known),
		cmocka_unit_test(lhist_last_bucket_is_narrow),
		cmocka_unit_test(lhist_scales_steps_of_1024),
		cmocka_unit_test(hist_merges_and_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
