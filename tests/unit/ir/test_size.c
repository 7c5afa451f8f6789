/* Sizes of the five programs against budgets, on both levels of the instruction set, and whether
 * this kernel accepts them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "load.h"

static void compile_one(const struct test_program *t, unsigned cpu, struct arena *a,
			struct ir_code *code)
{
	struct ir_isa isa = {.cpu = cpu};
	struct buf trace = BUF_INIT;
	const char *want = getenv("IR_TRACE");

	assert_int_equal(0, ir_compile(t->build(a), &isa, code, want ? &trace : NULL));
	if (want && !strcmp(want, t->name)) {
		ir_disasm(code, NULL, NULL, NULL, &trace);
		fputs(buf_cstr(&trace), stdout);
	}
	buf_release(&trace);
}

static void test_budgets(void **state)
{
	bool failed = false;

	for (size_t k = 0; k < test_nprograms; k++)
		for (unsigned cpu = 3; cpu <= 4; cpu++) {
			struct arena *a = arena_new();
			struct ir_code code;
			compile_one(&test_programs[k], cpu, a, &code);
			print_message("# %s: %zu slots, %zu allowed\n", test_programs[k].name,
				      code.n, test_programs[k].budget);
			failed |= code.n > test_programs[k].budget;
			arena_free(a);
		}
	assert_false(failed);
}

static void load_one(const struct test_program *t, unsigned cpu, uint64_t seed)
{
	struct arena *a = arena_new();
	struct ir_isa isa = {.cpu = cpu, .random_ra = seed};
	struct ir_code code;
	struct buf log = BUF_INIT;

	assert_int_equal(0, ir_compile(t->build(a), &isa, &code, NULL));
	int fd = load_code(&code, t->maps, &log);
	if (fd < 0)
		fail_msg("%s, cpu %u, seed %llu: %d\n%s", t->name, cpu, (unsigned long long)seed,
			 fd, buf_cstr(&log));
	close(fd);
	buf_release(&log);
	arena_free(a);
}

static void test_load(void **state)
{
	if (!load_permitted()) {
		print_message("# bpf(2) is not permitted here\n");
		skip();
	}
	for (size_t k = 0; k < test_nprograms; k++)
		for (uint64_t seed = 0; seed < 40; seed++)
			load_one(&test_programs[k], 3 + (seed & 1), seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budgets),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
