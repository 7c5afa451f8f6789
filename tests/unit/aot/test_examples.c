/* Every example of every builtin and of every kind of probe, compiled ahead of time and loaded
 * where it was made: nothing is compiled again, without --unsafe where the script does without, and
 * what the runtime is given is what compiling the script gives. A new helper, view, kind of event
 * or field of a program that the file does not know fails here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aot/aot.h"
#include "sema/builtin.h"
#include "sema/provider.h"

static struct kernel *kernel;
static size_t built;

/* Code for every kernel: what --aot makes. */
static struct program *fresh_program(const struct compile_in *in)
{
	struct diag *d;
	struct arena *a;
	struct program *p = compile_script(in, &d, &a);

	if (!p)
		arena_free(a);
	return p;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void expect_same_maps(const struct program *a, const struct program *b)
{
	assert_int_equal(a->nmaps, b->nmaps);
	for (size_t i = 0; i < a->nmaps; i++) {
		const struct program_map *x = &a->maps[i], *y = &b->maps[i];

		assert_string_equal(x->name, y->name);
		assert_int_equal(x->spec.type, y->spec.type);
		assert_int_equal(x->spec.key_size, y->spec.key_size);
		assert_int_equal(x->spec.value_size, y->spec.value_size);
		assert_int_equal(x->spec.max_entries, y->spec.max_entries);
		assert_int_equal(x->spec.flags, y->spec.flags);
		assert_int_equal(x->nkeys, y->nkeys);
		assert_int_equal(x->scalar, y->scalar);
		assert_int_equal(x->percpu, y->percpu);
		assert_int_equal(x->subtract, y->subtract);
		assert_int_equal(x->lost_off, y->lost_off);
		assert_int_equal(x->set_off, y->set_off);
	}
}

static void expect_same_events(const struct program *a, const struct program *b)
{
	assert_int_equal(a->nevents, b->nevents);
	for (size_t i = 0; i < a->nevents; i++) {
		const struct event_def *x = a->events[i], *y = b->events[i];

		assert_ptr_equal(x->kind, y->kind);
		assert_int_equal(x->size, y->size);
		assert_int_equal(x->nfields, y->nfields);
		assert_int_equal(x->map, y->map);
		assert_memory_equal(x->num, y->num, sizeof(x->num));
		assert_int_equal(x->pending_off, y->pending_off);
		assert_true(same_text(x->text, y->text));
		assert_int_equal(!x->format, !y->format);
		assert_int_equal(!x->print, !y->print);
	}
}

static void expect_same_programs(const struct program *a, const struct program *b)
{
	assert_int_equal(a->nprogs, b->nprogs);
	for (size_t i = 0; i < a->nprogs; i++) {
		const struct program_prog *x = &a->progs[i], *y = &b->progs[i];

		assert_string_equal(x->title, y->title);
		assert_int_equal(x->type, y->type);
		assert_int_equal(x->attach_type, y->attach_type);
		assert_int_equal(x->attach_btf_id, y->attach_btf_id);
		assert_int_equal(x->attach_prog, y->attach_prog);
		assert_true(same_text(x->attach_module, y->attach_module));
		assert_int_equal(x->ntargets, y->ntargets);
		for (size_t k = 0; k < x->ntargets; k++)
			assert_string_equal(x->targets[k].name, y->targets[k].name);
		assert_int_equal(x->code.n, y->code.n);
		assert_memory_equal(x->code.insns, y->code.insns,
				    x->code.n * sizeof(struct bpf_insn));
	}
}

static void expect_same(const struct program *a, const struct program *b)
{
	expect_same_maps(a, b);
	expect_same_events(a, b);
	expect_same_programs(a, b);
	assert_int_equal(a->ring, b->ring);
	assert_int_equal(a->globals, b->globals);
	assert_int_equal(a->scratch, b->scratch);
	assert_int_equal(a->stacks, b->stacks);
	assert_int_equal(a->lost_off, b->lost_off);
	assert_int_equal(a->exit_off, b->exit_off);
	assert_int_equal(a->start_off, b->start_off);
	assert_int_equal(a->only_once, b->only_once);
	assert_int_equal(a->nstrings, b->nstrings);
	for (size_t i = 0; i < a->nstrings; i++)
		assert_string_equal(a->strings[i], b->strings[i]);
	assert_true(same_text(a->help, b->help));
}

static void load_again(const struct compile_in *in, struct str bytes, const struct program *fresh)
{
	const struct compile_in here = {.kernel = kernel, .unsafe = in->unsafe};
	struct aot_report report;
	struct err e = {0};
	struct diag *d;
	struct arena *a;
	struct program *p = aot_load(bytes, &here, &report, &d, &a, &e);

	if (!p || report.recompiled)
		fail_msg("%s\n%s%s", in->text.p, report.why, e.what);
	if (!strstr(in->text.p, "tai")) /* its offset is another one each time */
		expect_same(p, fresh);
	program_free(p);
}

/* False: it needs --unsafe, or something that this machine does not have. */
static bool try_with(const char *script, bool unsafe)
{
	const struct compile_in in = {
		.kernel = kernel, .name = "-e", .text = str_of(script), .unsafe = unsafe};
	struct program *fresh = fresh_program(&in);
	struct buf bytes = BUF_INIT;
	struct diag *d;
	struct arena *a;
	bool ok;

	if (!fresh)
		return false;
	ok = aot_build(&in, &bytes, &d, &a);
	arena_free(a);
	if (!ok)
		fail_msg("cannot be compiled ahead of time: %s", script);
	load_again(&in, (struct str){bytes.p, bytes.n}, fresh);
	program_free(fresh);
	buf_release(&bytes);
	built++;
	return true;
}

static void try_script(const char *script)
{
	if (!try_with(script, false))
		try_with(script, true);
}

/* The example lines of a doc: those that start with four spaces. */
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
	if (b.n && !strstr(buf_cstr(&b), "awl "))
		try_script(buf_cstr(&b));
	buf_release(&b);
}

static void family(void **state)
{
	for (const struct builtin *b = *state; b->name; b++) {
		try_doc(b->doc);
		for (const char *const *e = b->examples; e && *e; e++)
			try_script(*e);
	}
}

static void probes(void **state)
{
	for (const struct provider *const *p = providers; *p; p++)
		if ((*p)->doc)
			try_doc((*p)->doc);
}

static void enough(void **state)
{
	assert_true(built > 100);
}

int main(void)
{
	struct CMUnitTest tests[64];
	size_t n = 0;
	int failed;

	kernel = kernel_new(NULL);
	kernel_force(kernel, FEATURE_CPU_V4, false); /* as --aot does without */
	for (const struct builtin *const *f = builtin_families; *f && n < 60; f++)
		tests[n++] = (struct CMUnitTest){(*f)->name, family, NULL, NULL, (void *)*f};
	tests[n++] = (struct CMUnitTest){"probes", probes, NULL, NULL, NULL};
	tests[n++] = (struct CMUnitTest){"enough", enough, NULL, NULL, NULL};
	failed = _cmocka_run_group_tests("aot_examples", tests, n, NULL, NULL);
	kernel_free(kernel);
	return failed;
}
