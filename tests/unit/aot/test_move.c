/* Compiled on one kernel, loaded on another: what relocations can follow, they do, and the result
 * is the very code that a compiler makes there; what they cannot is compiled again, or says why
 * not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "made.h"

static const char fields[] =
	"begin { $t = (struct task_struct *)1234; @p[$t.pid] = count(); "
	"printf(\"%s %d %d %s\\n\", $t.comm, $t.flag, $t.pid, comm); @c[comm] = 1; }";

struct pair {
	struct kernel *there, *here;
	char dir_there[64], dir_here[64];
	struct buf file;
	struct made_load l;
};

static void pair_load(struct pair *p, const struct made *here, const char *script, bool unsafe)
{
	p->file = (struct buf)BUF_INIT;
	p->there = made_kernel(&made_usual, p->dir_there);
	p->here = made_kernel(here, p->dir_here);
	made_build(p->there, script, &p->file);
	made_load(p->here, (struct str){p->file.p, p->file.n}, unsafe, &p->l);
}

static void pair_free(struct pair *p)
{
	made_load_free(&p->l);
	buf_release(&p->file);
	made_free(p->there, p->dir_there);
	made_free(p->here, p->dir_here);
}

/* Each program is what a compiler makes here. */
static void expect_fresh_code(struct pair *p, const char *script)
{
	const struct compile_in in = {.kernel = p->here, .name = "-e", .text = str_of(script)};
	struct arena *a;
	struct diag *d;
	struct program *fresh = compile_script(&in, &d, &a);

	assert_non_null(fresh);
	assert_non_null(p->l.p);
	assert_int_equal(p->l.p->nprogs, fresh->nprogs);
	for (size_t i = 0; i < fresh->nprogs; i++) {
		const struct ir_code *got = &p->l.p->progs[i].code, *want = &fresh->progs[i].code;

		assert_int_equal(got->n, want->n);
		assert_memory_equal(got->insns, want->insns, want->n * sizeof(struct bpf_insn));
	}
	program_free(fresh);
}

static void expect_moved(const struct made *here, size_t moved)
{
	struct pair p;

	pair_load(&p, here, fields, false);
	assert_false(p.l.report.recompiled);
	assert_int_equal(p.l.report.moved, moved);
	expect_fresh_code(&p, fields);
	pair_free(&p);
}

static void test_offsets_move(void **state)
{
	struct made here = made_usual;

	expect_moved(&here, 0);
	here.pid_at = 72;
	expect_moved(&here, 1);
	here.comm_at = 4;
	expect_moved(&here, 2);
	here.pid_at = 200;
	here.comm_at = 130;
	expect_moved(&here, 2);
	here.flag_bit = 48 * 8 + 3; /* the same bit of another byte */
	expect_moved(&here, 3);
}

static void expect_recompiled(const struct made *here, const char *why)
{
	struct pair p;

	pair_load(&p, here, fields, false);
	assert_true(p.l.report.recompiled);
	if (!strstr(p.l.report.why, why))
		print_error("%s\n", p.l.report.why);
	assert_non_null(strstr(p.l.report.why, why));
	expect_fresh_code(&p, fields);
	pair_free(&p);
}

static void test_what_cannot_be_followed(void **state)
{
	struct made here = made_usual;

	here.flag_bit += 2; /* another shift */
	expect_recompiled(&here, "task_struct.flag");
	here = made_usual;
	here.pid_bytes = 8;
	expect_recompiled(&here, "\"int32\" there, \"int64\" here");
	here = made_usual;
	here.features = "BTF\nRINGBUF\nMMAPABLE\nATOMIC_FETCH\nLONG_KEYS\nPROBE_READ_KERNEL\n"
			"KTIME_BOOT\nTEST_RUN_RAW_TP\nRAW_TP\n";
	expect_recompiled(&here, "feature COMM_PADS: 1 there, 0 here");
}

/* What the code does not use may be there or not: another instruction set, may_goto. */
static void test_features_without_use(void **state)
{
	struct made here = made_usual;
	struct pair p;
	char features[512];

	snprintf(features, sizeof(features), "%sCPU_V4\nMAY_GOTO\nITER\n", made_usual.features);
	here.features = features;
	here.pid_at = 16;
	pair_load(&p, &here, fields, false);
	assert_false(p.l.report.recompiled);
	assert_int_equal(p.l.report.moved, 1);
	assert_non_null(p.l.p);
	pair_free(&p);
}

static void test_member_that_is_gone(void **state)
{
	struct made here = made_usual;
	struct buf text = BUF_INIT;
	struct pair p;

	here.pid_bytes = 0;
	pair_load(&p, &here, fields, false);
	assert_null(p.l.p);
	assert_int_equal(p.l.e.code, 0);
	diag_render(p.l.diag, &text, DIAG_TEXT);
	assert_non_null(strstr(buf_cstr(&text), "pid"));
	assert_non_null(strstr(buf_cstr(&text), "-e:1:"));
	buf_release(&text);
	pair_free(&p);
}

static void test_unsafe_is_asked_here(void **state)
{
	static const char unsafe[] = "begin { system(\"true\"); }";
	struct buf text = BUF_INIT;
	struct pair p;

	pair_load(&p, &made_usual, unsafe, true);
	assert_non_null(p.l.p);
	assert_false(p.l.report.recompiled);
	pair_free(&p);
	pair_load(&p, &made_usual, unsafe, false);
	assert_null(p.l.p);
	diag_render(p.l.diag, &text, DIAG_TEXT);
	assert_non_null(strstr(buf_cstr(&text), "--unsafe"));
	buf_release(&text);
	pair_free(&p);
}

static const char functions[] = "fentry:vfs_read { @[args.count, args.by.pid] = count(); } "
				"fexit:vfs_read { @r[retval] = count(); } "
				"fentry:disk:disk_write { @q = hist(args.to.queue); }";

static struct made with_fentry(char *features, size_t size)
{
	struct made m = made_usual;

	snprintf(features, size, "%sFENTRY\n", made_usual.features);
	m.features = features;
	m.queue_at = 8;
	return m;
}

static void load_functions(struct pair *p, const struct made *there, const struct made *here)
{
	memset(p, 0, sizeof(*p));
	p->there = made_kernel(there, p->dir_there);
	p->here = made_kernel(here, p->dir_here);
	made_build(p->there, functions, &p->file);
	made_load(p->here, (struct str){p->file.p, p->file.n}, false, &p->l);
}

/* The ids of functions, of the kernel and of modules, are those of the kernel where it is loaded.
 */
static void test_functions_by_id(void **state)
{
	static const char *const names[] = {"vfs_read", "vfs_read", "disk_write"};
	char features[512];
	struct made there = with_fentry(features, sizeof(features)), here = there;
	struct pair p;

	here.types_before = 7;
	here.queue_at = 40;
	here.pid_at = 8;
	load_functions(&p, &there, &here);
	if (p.l.report.recompiled)
		print_error("%s\n", p.l.report.why);
	assert_false(p.l.report.recompiled);
	assert_int_equal(p.l.report.moved, 4); /* two ids, two members */
	assert_int_equal(p.l.p->nprogs, 3);
	expect_fresh_code(&p, functions);
	for (size_t i = 0; i < 3; i++) {
		const char *module = i == 2 ? "disk" : NULL, *of = p.l.p->progs[i].attach_module;
		uint32_t id = kernel_btf_own_id(p.here, kernel_btf_func(p.here, module, names[i]));

		assert_int_not_equal(id, 0);
		assert_int_equal(p.l.p->progs[i].attach_btf_id, id);
		assert_true(module ? of && strcmp(of, module) == 0 : !of);
	}
	pair_free(&p);
}

static void expect_again(const struct made *there, const struct made *here, const char *why)
{
	struct pair p;

	load_functions(&p, there, here);
	assert_true(p.l.report.recompiled);
	if (!strstr(p.l.report.why, why))
		print_error("%s\n", p.l.report.why);
	assert_non_null(strstr(p.l.report.why, why));
	pair_free(&p);
}

static void test_functions_that_are_others(void **state)
{
	char features[512], kprobes[512];
	struct made there = with_fentry(features, sizeof(features)), here = there;

	here.read_returns_long = true;
	expect_again(&there, &here, "vfs_read(): \"int32\" there, \"int64\" here");
	here = there;
	here.no_module = true;
	expect_again(&there, &here, "module disk: there is none here");
	here = there;
	snprintf(kprobes, sizeof(kprobes), "%sKPROBE\n", made_usual.features);
	here.features = kprobes; /* which stand in for the trampolines */
	expect_again(&there, &here, "FENTRY: 1 there, 0 here");
}

/* What a run asks for that changes what is made: tests instead of probes, telling of helpers. */
static void test_other_ways_to_run(void **state)
{
	static const char script[] =
		"begin { print(1); } test:one { return 0; } test:two { return 1; }";
	struct compile_in in = {.mode = MODE_TEST};
	struct made_load l;
	struct pair p;

	pair_load(&p, &made_usual, script, false);
	assert_false(p.l.report.recompiled);
	assert_int_equal(p.l.p->nprogs, 1);
	in.kernel = p.here;
	l.p = aot_load((struct str){p.file.p, p.file.n}, &in, &l.report, &l.diag, &l.arena, &l.e);
	assert_non_null(l.p);
	assert_int_equal(l.p->nprogs, 2);
	assert_string_equal(l.report.why, "its tests are to be run, not its probes");
	made_load_free(&l);
	in.mode = MODE_TRACE;
	in.helper_warnings = true;
	l.p = aot_load((struct str){p.file.p, p.file.n}, &in, &l.report, &l.diag, &l.arena, &l.e);
	assert_non_null(l.p);
	assert_true(l.p->config.helper_warnings);
	assert_string_equal(l.report.why, "helpers that fail are to be told of");
	made_load_free(&l);
	pair_free(&p);
}

static void test_parameters(void **state)
{
	const char *const five[] = {"5", NULL};
	struct compile_in in = {.params = {five, 1}};
	struct made_load l;
	struct pair p;

	pair_load(&p, &made_usual, "begin { print($1); }", false);
	assert_false(p.l.report.recompiled);
	in.kernel = p.here;
	l.p = aot_load((struct str){p.file.p, p.file.n}, &in, &l.report, &l.diag, &l.arena, &l.e);
	assert_non_null(l.p);
	assert_true(l.report.recompiled);
	assert_string_equal(l.report.why, "other parameters are given");
	made_load_free(&l);
	pair_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offsets_move),
		cmocka_unit_test(test_what_cannot_be_followed),
		cmocka_unit_test(test_features_without_use),
		cmocka_unit_test(test_member_that_is_gone),
		cmocka_unit_test(test_unsafe_is_asked_here),
		cmocka_unit_test(test_functions_by_id),
		cmocka_unit_test(test_functions_that_are_others),
		cmocka_unit_test(test_other_ways_to_run),
		cmocka_unit_test(test_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
