/* The examples in the rows of all builtins, and those in their documentation, compile; on a kernel
 * that lets this process load programs they pass the verifier too. One test for each builtin, so
 * that a failure names it. A row must have a prototype, documentation and an example. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "compile/compile.h"
#include "runtime/runtime.h"

static struct kernel *kernel;
static bool can_load;

static void fail_with(const char *script, const struct diag *d)
{
	struct buf b = BUF_INIT;

	diag_render(d, &b, DIAG_TEXT);
	fail_msg("%s\n%s", script, buf_cstr(&b));
}

static void ignore_message(void *arg, enum run_level level, const char *text)
{
}

static void load(struct program *p, const char *script)
{
	struct out out;
	struct err e = {0};
	struct run_opts o = {.kernel = kernel,
			     .out = &out,
			     .child_go = -1,
			     .quiet = true,
			     .message = ignore_message};
	struct run *r;
	int ret;

	out_init(&out, STDOUT_FILENO, OUT_TEXT, OUT_NONE);
	r = run_new(p, &o);
	assert_non_null(r);
	ret = run_load(r, &e);
	run_free(r);
	if (ret < 0)
		fail_msg("%s\n%s", script, e.what);
}

static void try_script(const char *script)
{
	struct compile_in in = {
		.kernel = kernel, .name = "-e", .text = str_of(script), .unsafe = true};
	struct arena *a = NULL;
	struct diag *d;
	struct program *p = compile_script(&in, &d, &a);

	if (!p) {
		struct buf b = BUF_INIT;

		/* a probe, feature or cgroup that this machine does not have is no fault of the
		 * example */
		diag_render(d, &b, DIAG_TEXT);
		if (!strstr(buf_cstr(&b), "E01") && !strstr(buf_cstr(&b), "E07") &&
		    !strstr(buf_cstr(&b), "cgroup v2"))
			fail_with(script, d);
		buf_release(&b);
		arena_free(a);
		return;
	}
	if (can_load)
		load(p, script);
	program_free(p);
}

/* The example lines of a doc: those that start with four spaces, as one script for each probe. */
static void try_doc(const char *doc)
{
	struct buf b = BUF_INIT;
	struct str rest = str_of(doc);

	while (rest.n) {
		struct str line = str_cut(&rest, '\n');

		if (str_starts(line, STR("    "))) {
			buf_addstr(&b, line);
			buf_addc(&b, '\n');
		}
	}
	assert_true(b.n > 0);
	if (!strstr(b.p, "cpid"))
		try_script(b.p);
	buf_release(&b);
}

static void row(void **state)
{
	const struct builtin *b = *state;

	assert_non_null(b->proto);
	assert_non_null(b->doc);
	assert_non_null(b->check);
	assert_true(b->lower || b->lower_agg || (b->flags & BI_CONST));
	assert_non_null(strstr(b->proto, b->name));
	try_doc(b->doc);
	for (const char *const *e = b->examples; e && *e; e++)
		try_script(*e);
}

int main(void)
{
	struct CMUnitTest tests[256];
	size_t n = 0;
	int failed;

	kernel = kernel_new(NULL);
	can_load = kernel_has(kernel, FEATURE_RINGBUF) && !getenv("AWL_TEST_NO_KERNEL");
	for (const struct builtin *const *f = builtin_families; *f; f++)
		for (const struct builtin *b = *f; b->name && n < ARRAY_SIZE(tests); b++)
			tests[n++] = (struct CMUnitTest){b->name, row, NULL, NULL, (void *)b};
	failed = _cmocka_run_group_tests("builtin_examples", tests, n, NULL, NULL);
	kernel_free(kernel);
	return failed;
}
