/* When it is told how far attaching has come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "runtime/priv.h"

#define SECOND 1000000000ull

static void test_nothing_at_once(void **state)
{
	struct progress p = {0};

	assert_false(progress_due(&p, 100));
	assert_false(progress_due(&p, 100 + 2 * SECOND - 1));
}

static void test_every_two_seconds(void **state)
{
	struct progress p = {0};
	unsigned said = 0;

	for (uint64_t now = SECOND; now <= 21 * SECOND; now += SECOND / 10)
		said += progress_due(&p, now);
	assert_int_equal(said, 10);
}

/* A place that took long is not made up for. */
static void test_after_a_pause(void **state)
{
	struct progress p = {0};

	assert_false(progress_due(&p, SECOND));
	assert_true(progress_due(&p, 50 * SECOND));
	assert_false(progress_due(&p, 51 * SECOND));
	assert_true(progress_due(&p, 52 * SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_at_once),
		cmocka_unit_test(test_every_two_seconds),
		cmocka_unit_test(test_after_a_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
