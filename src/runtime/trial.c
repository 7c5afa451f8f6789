/* Running the test: and bench: probes of a script.
 *
 *   test    once; failed when it returns another number than 0, calls exit() with one, or errorf()
 *   bench   many times, for a tenth of a second; the kernel counts runs and nanoseconds of each
 *           program while statistics are enabled. An empty program shows what the counting costs.
 *
 *   ok    arith  (1.2 us)                  {"type": "test_result", "data": {"arith":
 *   FAIL  broken (0.9 us): returned 3         {"duration": 1200, "passed": true, "output": ""}}}
 *         what it printed
 *   2 tests: 1 passed, 1 failed
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/priv.h"

#define BENCH_NS   100000000u
#define BENCH_MANY 1000 /* runs between two looks at the clock */
#define BENCH_MOST 10000000u

static void say(struct run *r, const char *type, struct buf *b)
{
	event_deliver(r, type, (struct str){b->p, b->n});
	buf_release(b);
}

/* ---- tests ---------------------------------------------------------------------------------- */

struct verdict {
	uint64_t ns;
	bool passed;
	char why[64];
};

static void judge(struct run *r, struct verdict *v, int32_t retval)
{
	v->passed = !retval && !r->exit_code && !r->nerrors;
	if (retval)
		snprintf(v->why, sizeof(v->why), "returned %d", retval);
	else if (r->nerrors)
		snprintf(v->why, sizeof(v->why), "reported an error");
	else if (r->exit_code)
		snprintf(v->why, sizeof(v->why), "left with exit(%d)", r->exit_code);
}

static void tell_json(struct run *r, const char *name, const struct verdict *v, struct str output)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "{\"type\": \"test_result\", \"data\": {");
	buf_add_json_str(&b, str_of(name));
	buf_printf(&b, ": {\"duration\": %" PRIu64 ", \"passed\": %s, \"output\": ", v->ns,
		   v->passed ? "true" : "false");
	buf_add_json_str(&b, output);
	buf_adds(&b, "}}}\n");
	say(r, "test_result", &b);
}

static void tell_text(struct run *r, const char *name, const struct verdict *v, struct str output)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%-5s %s (%.1f us)%s%s\n", v->passed ? "ok" : "FAIL", name,
		   (double)v->ns / 1000, v->passed ? "" : ": ", v->why);
	while (!v->passed && output.n) {
		struct str line = str_cut(&output, '\n');

		buf_printf(&b, "      %.*s\n", STR_ARG(line));
	}
	say(r, "test_result", &b);
}

static int run_test(struct run *r, const struct trial *t, bool *passed, struct err *e)
{
	struct buf output = BUF_INIT;
	struct verdict v = {.why = ""};
	uint64_t start = clock_ns(CLOCK_MONOTONIC);
	int ret;

	r->capture = &output;
	r->exit_code = 0;
	r->nerrors = 0;
	r->exit_called = r->done = false;
	run_gate(r, false);
	ret = attach_run_once(r, t->fd, e);
	v.ns = clock_ns(CLOCK_MONOTONIC) - start;
	event_drain(r, UINT64_MAX);
	r->capture = NULL;
	judge(r, &v, r->retval);
	if (ret >= 0 && run_ndjson(r))
		ndjson_test(r, t->name, v.passed, v.why, v.ns, (struct str){output.p, output.n});
	else if (ret >= 0 && run_json(r))
		tell_json(r, t->name, &v, (struct str){output.p, output.n});
	else if (ret >= 0)
		tell_text(r, t->name, &v, (struct str){output.p, output.n});
	buf_release(&output);
	*passed = v.passed;
	return ret;
}

static int run_tests(struct run *r, struct err *e)
{
	size_t failed = 0;
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < r->trials.n; i++) {
		bool passed;
		int ret = run_test(r, &r->trials.v[i], &passed, e);

		if (ret < 0)
			return ret;
		failed += !passed;
	}
	if (!run_json(r)) {
		buf_printf(&b, "%zu test%s: %zu passed, %zu failed\n", r->trials.n,
			   r->trials.n == 1 ? "" : "s", r->trials.n - failed, failed);
		say(r, "test_result", &b);
	}
	r->exit_code = failed ? 1 : 0;
	return 0;
}

/* ---- benchmarks ----------------------------------------------------------------------------- */

/* While it is open, the kernel counts. */
static int enable_counting(struct err *e)
{
	union bpf_attr a = {.enable_stats.type = BPF_STATS_RUN_TIME};
	int fd = sys_bpf(BPF_ENABLE_STATS, &a, sizeof(a));

	if (fd < 0) {
		err_set(e, -fd, "have the kernel measure programs");
		err_hint(e, "bench: probes need Linux 5.8, and CAP_SYS_ADMIN");
	}
	return fd;
}

struct measure {
	uint64_t runs, ns;
};

static int measured(int fd, struct measure *m, struct err *e)
{
	struct bpf_prog_info info = {0};
	union bpf_attr a = {.info.bpf_fd = (uint32_t)fd,
			    .info.info_len = sizeof(info),
			    .info.info = (uintptr_t)&info};
	int ret = sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &a, sizeof(a));

	if (ret < 0)
		return err_set(e, -ret, "ask the kernel what a program took");
	*m = (struct measure){info.run_cnt, info.run_time_ns};
	return 0;
}

static int measure(struct run *r, int fd, struct measure *m, struct err *e)
{
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + BENCH_NS;
	int ret = 0;

	for (uint64_t n = 0;
	     ret >= 0 && n < BENCH_MOST && clock_ns(CLOCK_MONOTONIC) < end && !r->stop;) {
		for (unsigned i = 0; i < BENCH_MANY && ret >= 0; i++, n++) {
			run_gate(r, false);
			ret = attach_test_run(fd, &r->retval, e);
		}
		event_drain(r, UINT64_MAX);
	}
	return ret < 0 ? ret : measured(fd, m, e);
}

/* What a program that does nothing takes. */
static int measure_nothing(struct run *r, double *ns, struct err *e)
{
	static const struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K},
						{.code = BPF_JMP | BPF_EXIT}};
	const struct prog_load l = {.name = "awl_nothing",
				    .type = BPF_PROG_TYPE_RAW_TRACEPOINT,
				    .insns = insns,
				    .ninsns = ARRAY_SIZE(insns),
				    .license = "GPL"};
	struct measure m = {0};
	int fd = bpf_prog_load_raw(&l), ret;

	if (fd < 0)
		return err_set(e, -fd, "load a program that does nothing");
	ret = measure(r, fd, &m, e);
	close(fd);
	*ns = m.runs ? (double)m.ns / (double)m.runs : 0;
	return ret;
}

static void tell_bench(struct run *r, const char *name, const struct measure *m, double nothing)
{
	double ns = m->runs ? (double)m->ns / (double)m->runs - nothing : 0;
	struct buf b = BUF_INIT;

	if (run_ndjson(r)) {
		ndjson_benchmark(r, name, MAX(ns, 0.0), m->runs);
		return;
	}
	if (run_json(r)) {
		buf_adds(&b, "{\"type\": \"benchmark_result\", \"data\": {");
		buf_add_json_str(&b, str_of(name));
		buf_printf(&b, ": {\"average\": %.0f, \"iters\": %" PRIu64 "}}}\n", MAX(ns, 0.0),
			   m->runs);
	} else {
		buf_printf(&b, "%-32s %10.1f ns  (%" PRIu64 " runs)\n", name, MAX(ns, 0.0),
			   m->runs);
	}
	say(r, "benchmark_result", &b);
}

static int run_benches(struct run *r, struct err *e)
{
	int stats = enable_counting(e), ret = stats;
	double nothing = 0;

	if (stats < 0)
		return stats;
	ret = measure_nothing(r, &nothing, e);
	for (size_t i = 0; i < r->trials.n && ret >= 0; i++) {
		struct buf ignored = BUF_INIT;
		struct measure m = {0};

		r->capture = &ignored;
		ret = measure(r, r->trials.v[i].fd, &m, e);
		r->capture = NULL;
		buf_release(&ignored);
		if (ret >= 0)
			tell_bench(r, r->trials.v[i].name, &m, nothing);
	}
	close(stats);
	r->exit_code = 0;
	return ret;
}

int trials_run(struct run *r, struct err *e)
{
	if (!r->trials.n)
		return 0;
	return r->trials.v[0].bench ? run_benches(r, e) : run_tests(r, e);
}
