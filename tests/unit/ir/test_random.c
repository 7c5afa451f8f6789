/* Random modules: what the emitted code does must be what the IR means, whatever registers are
 * chosen, on both levels of the instruction set. IR_RANDOM_COUNT runs more, IR_RANDOM_SEED one and
 * prints it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "load.h"
#include "world.h"

static unsigned long env_number(const char *name, unsigned long otherwise)
{
	const char *v = getenv(name);

	return v ? strtoul(v, NULL, 0) : otherwise;
}

static void show(uint64_t seed, const struct ir_isa *isa)
{
	struct arena *a = arena_new();
	struct ir_code code;
	struct buf trace = BUF_INIT;

	ir_compile(random_module(a, seed), isa, &code, &trace);
	ir_disasm(&code, NULL, NULL, NULL, &trace);
	fputs(buf_cstr(&trace), stderr);
	buf_release(&trace);
	arena_free(a);
}

static void compare_one(uint64_t seed, unsigned cpu, uint64_t ra)
{
	struct arena *a = arena_new();
	struct ir_isa isa = {.cpu = cpu, .random_ra = ra};
	struct world *want = arena_new_of(a, struct world), *got = arena_new_of(a, struct world);
	struct ir_code code;

	world_init(want, seed);
	world_init(got, seed);
	uint64_t w = interp_run(random_module(a, seed), want);
	uint32_t stack = ir_compile(random_module(a, seed), &isa, &code, NULL);
	uint64_t g = stack ? w : vm_run(&code, got);
	if (!stack &&
	    (w != g || world_hash(want) != world_hash(got) || want->fault || got->fault)) {
		if (getenv("IR_RANDOM_SEED"))
			show(seed, &isa);
		fail_msg("seed %llu, cpu %u, random_ra %llu: %llx is %llx, faults %s %s",
			 (unsigned long long)seed, cpu, (unsigned long long)ra,
			 (unsigned long long)w, (unsigned long long)g,
			 want->fault ? want->fault : "-", got->fault ? got->fault : "-");
	}
	arena_free(a);
}

static void test_meaning(void **state)
{
	unsigned long first = env_number("IR_RANDOM_SEED", 1);
	unsigned long n = getenv("IR_RANDOM_SEED") ? 1 : env_number("IR_RANDOM_COUNT", 3000);

	for (unsigned long seed = first; seed < first + n; seed++) {
		compare_one(seed, 3, 0);
		compare_one(seed, 4, 0);
		compare_one(seed, 3 + (seed & 1), seed * 77 + 1);
	}
}

/* The end of the verifier's log says why. */
static void refused(uint64_t seed, unsigned cpu, int error, const struct buf *log)
{
	fputs(log->n > 3000 ? log->p + log->n - 3000 : buf_cstr(log), stderr);
	fail_msg("seed %llu, cpu %u: %d", (unsigned long long)seed, cpu, error);
}

static void load_one(uint64_t seed, unsigned cpu, uint64_t ra, unsigned *big)
{
	static const struct test_map maps[4] = {{BPF_MAP_TYPE_HASH, 8, 16, 8},
						{BPF_MAP_TYPE_HASH, 8, 16, 8},
						{BPF_MAP_TYPE_ARRAY, 4, 64, 1}};
	struct arena *a = arena_new();
	struct ir_isa isa = {.cpu = cpu, .random_ra = ra};
	struct ir_code code;
	struct buf log = BUF_INIT;

	if (ir_compile(random_module(a, seed), &isa, &code, NULL) == 0) {
		int fd = load_code(&code, maps, &log);
		if (fd < 0 && strstr(buf_cstr(&log), "BPF program is too large"))
			++*big;
		else if (fd < 0)
			refused(seed, cpu, fd, &log);
		if (fd >= 0)
			close(fd);
	}
	buf_release(&log);
	arena_free(a);
}

static void test_load(void **state)
{
	unsigned long n = env_number("IR_LOAD_COUNT", 150), first = env_number("IR_LOAD_SEED", 1);
	unsigned big = 0;

	if (!load_permitted()) {
		print_message("# bpf(2) is not permitted here\n");
		skip();
	}
	for (unsigned long seed = first; seed < first + n; seed++)
		load_one(seed, 3 + (seed & 1), seed % 3 ? seed : 0, &big);
	print_message("# %lu loaded, %u of them too large for the verifier\n", n, big);
	assert_true(big < n / 10 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meaning),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
