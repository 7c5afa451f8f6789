/* The verifier's refusals, from logs and from the kernel itself. */
#include <errno.h>
#include "fixture.h"

static const char source[] = "BEGIN\n{\n\t@a = $p->x;\n}\n";

static struct program_prog prog_with(struct bpf_insn *insns, struct span *spans, size_t n)
{
	return (struct program_prog){.name = "begin",
				     .title = "begin",
				     .type = BPF_PROG_TYPE_RAW_TRACEPOINT,
				     .code = {.insns = insns, .spans = spans, .n = n}};
}

static void log_is_mapped_to_the_line(void **state)
{
	static const char log[] = "0: R1=ctx() R10=fp0\n; @a = $p->x @ x.bt:3\n0: (b7) r2 = 1\n"
				  "2: (71) r1 = *(u8 *)(r2 +0)\nR2 invalid mem access 'scalar'\n"
				  "processed 2 insns (limit 1000000) max_states_per_insn 0\n";
	struct arena *a = arena_new();
	struct diag *d = diag_new(a);
	struct span spans[3] = {{0, 5, 0}, {0, 5, 0}, {14, 5, 0}};
	struct bpf_insn insns[3] = {{0}};
	struct program_prog p = prog_with(insns, spans, 3);
	struct buf text = BUF_INIT;
	struct err e = {0};

	diag_add_source(d, "x.bt", STR(source));
	assert_int_equal(reject_explain(d, &p, EACCES, log, &text, &e), -EACCES);
	assert_non_null(strstr(buf_cstr(&text), "refused begin: R2 invalid mem access 'scalar'\n"
						"  --> x.bt:3:7\n"
						"     |\n"
						"   3 | \t@a = $p->x;\n"
						"     | \t     ^^^^^\n"));
	assert_non_null(strstr(buf_cstr(&text), "this is a bug of awl"));
	assert_non_null(strstr(buf_cstr(&text), "2: (71) r1"));
	assert_string_equal(e.what, "load begin: refused by the kernel's verifier at x.bt:3:7: "
				    "R2 invalid mem access 'scalar'");
	buf_release(&text);
	arena_free(a);
}

static void environment_has_its_own_words(void **state)
{
	struct program_prog p = prog_with(NULL, NULL, 7);
	struct buf text = BUF_INIT;
	struct err e = {0};

	assert_int_equal(reject_explain(NULL, &p, EPERM, "", &text, &e), -EPERM);
	assert_non_null(strstr(e.hint, "CAP_BPF"));
	assert_int_equal(reject_explain(NULL, &p, ENOMEM, "", &text, &e), -ENOMEM);
	assert_non_null(strstr(e.hint, "memory"));
	assert_int_equal(reject_explain(NULL, &p, E2BIG, "", &text, &e), -E2BIG);
	assert_non_null(strstr(e.what, "7 instructions"));
	assert_int_equal(text.n, 0);
	buf_release(&text);
}

/* A program that dereferences a number. */
static void the_kernel_refuses(void **state)
{
	struct bpf_insn insns[] = {MOV_IMM(2, 1), MOV_IMM(0, 0), LOAD(BPF_DW, 0, 2, 0), EXIT};
	struct span spans[] = {{0, 5, 0}, {0, 5, 0}, {14, 5, 0}, {0, 5, 0}};
	struct fixture f;
	struct err e = {0};

	fixture_init(&f, OUT_TEXT);
	diag_add_source(f.p.diag, "x.bt", STR(source));
	f.progs[f.p.nprogs++] = prog_with(insns, spans, ARRAY_SIZE(insns));
	fixture_need_bpf(&f);
	f.run = run_new(&f.p, &f.opts);
	assert_true(run_load(f.run, &e) < 0);
	assert_non_null(strstr(e.what, "x.bt:3:7"));
	assert_non_null(strstr(buf_cstr(&f.messages), "  --> x.bt:3:7\n"));
	fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_is_mapped_to_the_line),
		cmocka_unit_test(environment_has_its_own_words),
		cmocka_unit_test(the_kernel_refuses),
	};

	if (getuid() != 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
