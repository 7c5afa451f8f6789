/* Trees out of entries and returns, also when some of them are missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/base.h"
#include "bcc/gotree.h"

#define US UINT64_C(1000)
#define S  UINT64_C(1000000000)

enum { A, B, C };

static struct buf out;

static const char *name(void *arg, uint32_t fn)
{
	static const char *const names[] = {"a", "b", "c"};

	return names[fn];
}

static void values(void *arg, uint32_t fn, bool results, struct str text, struct buf *to)
{
	if (text.n)
		buf_printf(to, results ? "=%.*s" : "(%.*s)", STR_ARG(text));
}

static void take(void *arg, struct str text)
{
	buf_addstr(&out, text);
}

static struct gotree *tree(uint64_t least, unsigned depth)
{
	const struct gotree_opts o = {.least = least,
				      .least_text = "limit",
				      .depth = depth,
				      .name = name,
				      .values = values,
				      .write = take};

	buf_reset(&out);
	return gotree_new(&o);
}

static void enter_at(struct gotree *t, uint64_t goid, uint32_t fn, uint64_t at, uint64_t depth)
{
	gotree_enter(t,
		     &(struct gotree_event){
			     .goid = goid, .fn = fn, .at = at, .depth = depth, .text = STR("x")});
}

static void leave_at(struct gotree *t, uint64_t goid, uint32_t fn, uint64_t from, uint64_t to,
		     uint64_t depth)
{
	gotree_return(t, &(struct gotree_event){.goid = goid,
						.fn = fn,
						.at = to,
						.elapsed = to - from,
						.depth = depth,
						.text = STR("r")});
}

/* a calls b and c. */
static void enter(struct gotree *t, uint64_t goid, uint32_t fn, uint64_t at)
{
	enter_at(t, goid, fn, at, 100 + 100 * fn);
}

static void leave(struct gotree *t, uint64_t goid, uint32_t fn, uint64_t from, uint64_t to)
{
	leave_at(t, goid, fn, from, to, 100 + 100 * fn);
}

static void test_nesting(void **state)
{
	struct gotree *t = tree(0, 0);

	enter(t, 7, A, 10 * US);
	enter(t, 7, B, 11 * US);
	leave(t, 7, B, 11 * US, 13 * US);
	enter(t, 7, C, 14 * US);
	leave(t, 7, C, 14 * US, 15 * US);
	assert_int_equal(out.n, 0);
	leave(t, 7, A, 10 * US, 20 * US);
	assert_string_equal(buf_cstr(&out), "goroutine 7\n"
					    "    0.000000    10.000 us  a(x)=r\n"
					    "    0.000001     2.000 us    b(x)=r\n"
					    "    0.000004     1.000 us    c(x)=r\n");
	gotree_finish(t);
}

static void test_goroutines_are_apart(void **state)
{
	struct gotree *t = tree(0, 0);

	enter(t, 1, A, 1 * US);
	enter(t, 2, A, 2 * US);
	leave(t, 1, A, 1 * US, 3 * US);
	leave(t, 2, A, 2 * US, 4 * US);
	assert_string_equal(buf_cstr(&out), "goroutine 1\n"
					    "    0.000000     2.000 us  a(x)=r\n"
					    "\ngoroutine 2\n"
					    "    0.000001     2.000 us  a(x)=r\n");
	gotree_finish(t);
}

static void test_recursion_and_panic(void **state)
{
	struct gotree *t = tree(0, 0);

	enter_at(t, 1, A, 10 * US, 100);
	enter_at(t, 1, A, 20 * US, 200);
	enter_at(t, 1, B, 30 * US, 300);
	leave_at(t, 1, A, 10 * US, 50 * US, 100);
	assert_string_equal(buf_cstr(&out), "goroutine 1\n"
					    "    0.000000    40.000 us  a(x)=r\n"
					    "    0.000010      unwound    a(x)\n"
					    "    0.000020      unwound      b(x)\n");
	gotree_finish(t);
}

/* Goexit left b; the next call is at its depth. */
static void test_a_call_in_the_place_of_another(void **state)
{
	struct gotree *t = tree(0, 0);

	enter_at(t, 1, A, 10 * US, 100);
	enter_at(t, 1, B, 20 * US, 200);
	enter_at(t, 1, C, 30 * US, 200);
	leave_at(t, 1, C, 30 * US, 31 * US, 200);
	leave_at(t, 1, A, 10 * US, 40 * US, 100);
	assert_non_null(strstr(buf_cstr(&out), "unwound    b(x)\n"));
	assert_non_null(strstr(buf_cstr(&out), " us    c(x)=r\n"));
	gotree_finish(t);
}

static void test_system_stacks_are_apart(void **state)
{
	struct gotree *t = tree(0, 0);

	enter_at(t, 1, A, 10 * US, 500);
	enter_at(t, 1, B, 20 * US, GOTREE_SYSTEM | 100);
	leave_at(t, 1, B, 20 * US, 21 * US, GOTREE_SYSTEM | 100);
	leave_at(t, 1, A, 10 * US, 30 * US, 500);
	assert_string_equal(buf_cstr(&out), "goroutine 1, on a system stack\n"
					    "    0.000010     1.000 us  b(x)=r\n"
					    "\ngoroutine 1\n"
					    "    0.000000    20.000 us  a(x)=r\n");
	gotree_finish(t);
}

static void test_an_entry_that_was_lost(void **state)
{
	struct gotree *t = tree(0, 0);

	enter(t, 1, A, 10 * US);
	enter(t, 1, C, 30 * US);
	leave(t, 1, C, 30 * US, 31 * US);
	leave(t, 1, B, 20 * US, 40 * US); /* only its return came */
	leave(t, 1, A, 10 * US, 50 * US);
	assert_non_null(strstr(buf_cstr(&out), "20.000 us    b=r\n"));
	assert_non_null(strstr(buf_cstr(&out), "a(x)=r\n"));
	gotree_finish(t);
}

static void test_short_calls_are_counted(void **state)
{
	struct gotree *t = tree(5 * US, 0);

	enter(t, 1, A, 10 * US);
	for (uint64_t i = 0; i < 4; i++) {
		enter(t, 1, B, (20 + i) * US);
		enter(t, 1, C, (20 + i) * US + 100);
		leave(t, 1, C, (20 + i) * US + 100, (20 + i) * US + 200);
		leave(t, 1, B, (20 + i) * US, (20 + i) * US + 500);
	}
	leave(t, 1, A, 10 * US, 50 * US);
	assert_string_equal(buf_cstr(&out), "goroutine 1\n"
					    "    0.000000    40.000 us  a(x)=r\n"
					    "                             (8 calls below limit)\n");
	gotree_finish(t);
}

static void test_what_stays_open_holds_nothing_back(void **state)
{
	struct gotree *t = tree(0, 0);

	enter(t, 1, A, 0);
	enter(t, 1, B, 10 * US);
	leave(t, 1, B, 10 * US, 20 * US);
	assert_int_equal(out.n, 0);
	enter(t, 1, C, 2 * S);
	leave(t, 1, C, 2 * S, 2 * S + US);
	assert_string_equal(buf_cstr(&out), "goroutine 1\n"
					    "    0.000000      running  a(x)\n"
					    "    0.000010    10.000 us    b(x)=r\n"
					    "    2.000000     1.000 us    c(x)=r\n");
	leave(t, 1, A, 0, 3 * S);
	assert_non_null(strstr(buf_cstr(&out), "returned  a(x)=r\n"));
	gotree_finish(t);
}

static void test_the_end_shows_what_is_open(void **state)
{
	struct gotree *t = tree(0, 0);

	enter(t, 1, A, 0);
	enter(t, 1, B, 10 * US);
	leave(t, 1, B, 10 * US, 20 * US);
	gotree_finish(t);
	assert_string_equal(buf_cstr(&out), "goroutine 1\n"
					    "    0.000000      running  a(x)\n"
					    "    0.000010    10.000 us    b(x)=r\n");
}

static void test_depth(void **state)
{
	struct gotree *t = tree(0, 1);

	enter(t, 1, A, 1 * US);
	enter(t, 1, B, 2 * US);
	leave(t, 1, B, 2 * US, 3 * US);
	leave(t, 1, A, 1 * US, 4 * US);
	assert_string_equal(buf_cstr(&out), "goroutine 1\n    0.000000     3.000 us  a(x)=r\n");
	gotree_finish(t);
}

/* What is kept of one goroutine is limited. */
static void test_a_call_with_very_many(void **state)
{
	struct gotree *t = tree(0, 0);

	enter(t, 1, A, 0);
	for (uint64_t i = 1; i < 150000; i++) {
		enter(t, 1, B, i * 100);
		leave(t, 1, B, i * 100, i * 100 + 50);
	}
	assert_true(out.n > 100000);
	gotree_finish(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_goroutines_are_apart),
		cmocka_unit_test(test_recursion_and_panic),
		cmocka_unit_test(test_a_call_in_the_place_of_another),
		cmocka_unit_test(test_system_stacks_are_apart),
		cmocka_unit_test(test_an_entry_that_was_lost),
		cmocka_unit_test(test_short_calls_are_counted),
		cmocka_unit_test(test_what_stays_open_holds_nothing_back),
		cmocka_unit_test(test_the_end_shows_what_is_open),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_a_call_with_very_many),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	buf_release(&out);
	return r;
}
