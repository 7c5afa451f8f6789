/* See script.h. One kernel for all scripts: its features are tried once. */
#include <stdio.h>
#include <unistd.h>
#include "script.h"

static struct kernel *the_kernel(void)
{
	static struct kernel *k;

	if (!k)
		k = kernel_new(NULL);
	return k;
}

bool script_can_load(void)
{
	return geteuid() == 0 && kernel_has(the_kernel(), FEATURE_RINGBUF);
}

struct program *script_compile(const char *script, struct buf *text)
{
	struct diag *d;
	struct arena *a;
	struct compile_in in = {.kernel = the_kernel(), .name = "test", .text = str_of(script)};

	in.dump = text ? DUMP_IR : 0;
	in.dump_to = text;
	struct program *p = compile_script(&in, &d, &a);
	if (!p) {
		struct buf b = BUF_INIT;
		diag_render(d, &b, DIAG_TEXT);
		fprintf(stderr, "%s\n%s", script, buf_cstr(&b));
		buf_release(&b);
		arena_free(a);
	}
	return p;
}

size_t script_slots(const char *script)
{
	struct program *p = script_compile(script, NULL);
	size_t n = p ? p->progs[0].code.n : 0;

	program_free(p);
	return n;
}

/* ---- running
 * ---------------------------------------------------------------------------------------- */

static char output[4096];
static size_t used;

static void on_message(void *arg, enum run_level level, const char *text)
{
	if (level == RUN_ERROR)
		fprintf(stderr, "%s\n", text);
}

static void on_record(void *arg, const char *type, const char *text, size_t n)
{
	if (strcmp(type, "map") == 0 || strcmp(type, "hist") == 0 || strcmp(type, "stats") == 0)
		return;
	n = MIN(n, sizeof(output) - 1 - used);
	memcpy(output + used, text, n);
	used += n;
	output[used] = '\0';
}

static int run(struct run *r, bool only_load, struct err *e)
{
	int ret = run_load(r, e);

	if (ret < 0 || only_load)
		return ret;
	ret = run_attach(r, e);
	if (ret >= 0)
		ret = run_loop(r, e);
	if (ret >= 0)
		ret = run_finish(r, e);
	return ret;
}

static const char *execute(const char *script, bool only_load)
{
	static struct err e;
	struct program *p = script_compile(script, NULL);
	struct out out;
	int ret;

	if (!p)
		return "does not compile";
	used = 0;
	output[0] = '\0';
	err_clear(&e);
	out_init(&out, 2, OUT_TEXT, OUT_LINE);
	struct run_opts o = {.kernel = the_kernel(), .out = &out, .child_go = -1, .quiet = true};
	o.message = on_message;
	o.record = on_record;
	struct run *r = run_new(p, &o);
	ret = run(r, only_load, &e);
	run_free(r);
	out_release(&out);
	program_free(p);
	return ret < 0 ? e.what : only_load ? NULL : output;
}

const char *script_load(const char *script)
{
	return execute(script, true);
}

const char *script_run(const char *script)
{
	return execute(script, false);
}
