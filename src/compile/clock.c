/* How long the passes take.
 *
 *   compile_script … pass_clock_lap(in->clock, PASS_SEMA) …     adds what has gone by since the
 * last lap compile_bench    compiles again and again, and makes a table of the means:
 *
 *   --------------------------------------------------
 *   Benchmark         Time             CPU   Iterations
 *   --------------------------------------------------
 *   parse          2103 ns         2101 ns        12807
 *   …
 *
 * The form is that of the library that bpftrace uses for it. The first turn is left out: what it
 * learns of the kernel is kept. */
#include "compile/clock.h"

#define BENCH_NS  500000000 /* of processor time, all turns together */
#define BENCH_MIN 3         /* turns at least */

static const char *const pass_names[PASS_COUNT] = {"parse", "sema", "gen", "ir", "all"};

void pass_clock_start(struct pass_clock *c)
{
	if (!c)
		return;
	c->wall_at = clock_ns(CLOCK_MONOTONIC);
	c->cpu_at = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void pass_clock_lap(struct pass_clock *c, enum pass pass)
{
	uint64_t wall, cpu;

	if (!c)
		return;
	wall = c->wall_at;
	cpu = c->cpu_at;
	pass_clock_start(c);
	c->wall[pass] += c->wall_at - wall;
	c->cpu[pass] += c->cpu_at - cpu;
	c->wall[PASS_ALL] += c->wall_at - wall;
	c->cpu[PASS_ALL] += c->cpu_at - cpu;
}

static void add_rule(struct buf *out, int width)
{
	buf_fill(out, '-', (size_t)width);
	buf_addc(out, '\n');
}

static void make_table(const struct pass_clock *c, uint64_t turns, struct buf *out)
{
	struct buf head = BUF_INIT;

	buf_printf(&head, "%-10s %13s %15s %12s\n", "Benchmark", "Time", "CPU", "Iterations");
	add_rule(out, (int)head.n - 1);
	buf_addstr(out, (struct str){buf_cstr(&head), head.n});
	add_rule(out, (int)head.n - 1);
	for (int i = 0; i < PASS_COUNT; i++)
		buf_printf(out, "%-10s %10" PRIu64 " ns %12" PRIu64 " ns %12" PRIu64 "\n",
			   pass_names[i], c->wall[i] / turns, c->cpu[i] / turns, turns);
	buf_release(&head);
}

bool compile_bench(const struct compile_in *in, struct buf *out, struct diag **diag,
		   struct arena **arena)
{
	struct pass_clock clock = {0};
	struct compile_in timed = *in;
	struct program *p = compile_script(in, diag, arena);
	uint64_t turns = 0;

	if (!p)
		return false;
	timed.clock = &clock;
	*arena = p->arena;
	while (turns < BENCH_MIN || clock.cpu[PASS_ALL] < BENCH_NS) {
		struct arena *a;
		struct diag *d;

		program_free(compile_script(&timed, &d, &a));
		turns++;
	}
	make_table(&clock, turns, out);
	return true;
}
