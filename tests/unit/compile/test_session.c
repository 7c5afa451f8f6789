/* Programs of the entry and the return of the same functions, joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <linux/btf.h>
#include <cmocka.h>
#include "compile/session.h"

enum { MULTI = 1, BOTH = 2, PROLOGUE = 5 };

static const struct provider at_return = {.name = "at_return"};
static const struct session kind = {&at_return, MULTI, BOTH, FEATURE_KPROBE_SESSION};
static const struct provider at_entry = {.name = "at_entry", .session = &kind};

static struct attach_target names[] = {{.symbol = "a"}, {.symbol = "b"}, {.symbol = "c"}};
static struct kernel *kernel;

/* As many moves as asked for, and an exit. */
static struct ir_code code(struct arena *a, size_t moves)
{
	struct ir_code c = {.n = moves + 1, .nfuncs = 1, .stack = (uint32_t)moves * 8};

	c.insns = arena_array_of(a, struct bpf_insn, c.n);
	c.spans = arena_array_of(a, struct span, c.n);
	for (size_t i = 0; i < moves; i++)
		c.insns[i] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K,
					       .imm = (int)moves};
	c.insns[moves] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
	return c;
}

static struct program *program(size_t entry_at, size_t return_at, size_t n)
{
	struct arena *a = arena_new();
	struct program *p = arena_new_of(a, struct program);

	p->arena = a;
	p->nprogs = 2;
	p->progs = arena_array_of(a, struct program_prog, 2);
	p->progs[0] = (struct program_prog){.prov = &at_entry,
					    .attach_type = MULTI,
					    .targets = names + entry_at,
					    .ntargets = n,
					    .code = code(a, 3)};
	p->progs[1] = (struct program_prog){.prov = &at_return,
					    .attach_type = MULTI,
					    .targets = names + return_at,
					    .ntargets = n,
					    .code = code(a, 7)};
	return p;
}

static void join(struct program *p)
{
	if (!kernel_btf_find(kernel, "bpf_session_is_return", BTF_KIND_FUNC)) {
		arena_free(p->arena);
		skip();
	}
	session_pairs(p, kernel);
}

static void test_joined(void **state)
{
	struct program *p = program(0, 0, 2);
	const struct ir_code *c = &p->progs[0].code;
	const struct bpf_insn *branch;

	join(p);
	assert_int_equal(p->progs[0].attach_type, BOTH);
	assert_int_equal(p->progs[1].code.n, 0);
	assert_int_equal(c->n, PROLOGUE + 4 + 8);
	assert_int_equal(c->stack, 56);
	assert_int_equal(c->insns[1].src_reg, BPF_PSEUDO_KFUNC_CALL);
	/* The entry's first instruction follows, the branch leads to the return's. */
	branch = &c->insns[PROLOGUE - 1];
	assert_int_equal(branch[1].imm, 3);
	assert_int_equal(branch[1 + branch->off].imm, 7);
	assert_int_equal(branch[branch->off].code, BPF_JMP | BPF_EXIT);
	arena_free(p->arena);
}

static void stay_apart(struct program *p)
{
	join(p);
	assert_int_equal(p->progs[0].attach_type, MULTI);
	assert_int_equal(p->progs[0].code.n, 4);
	assert_int_equal(p->progs[1].code.n, 8);
	arena_free(p->arena);
}

static void test_other_functions(void **state)
{
	stay_apart(program(0, 1, 2));
}

static void test_fewer_functions(void **state)
{
	struct program *p = program(0, 0, 2);

	p->progs[1].ntargets = 1;
	stay_apart(p);
}

/* Which target fired is told by a cookie, and there is one for both. */
static void test_cookie(void **state)
{
	struct program *p = program(0, 0, 2);

	p->progs[1].code.insns[2] = (struct bpf_insn){.code = BPF_JMP | BPF_CALL,
						      .imm = BPF_FUNC_get_attach_cookie};
	stay_apart(p);
}

/* A constant that looks like the call is none. */
static void test_no_cookie(void **state)
{
	struct program *p = program(0, 0, 2);
	struct bpf_insn *in = p->progs[1].code.insns;

	in[0] = (struct bpf_insn){.code = BPF_LD | BPF_IMM | BPF_DW};
	in[1] = (struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_attach_cookie};
	join(p);
	assert_int_equal(p->progs[0].attach_type, BOTH);
	arena_free(p->arena);
}

static void test_functions_of_its_own(void **state)
{
	struct program *p = program(0, 0, 2);

	p->progs[0].code.nfuncs = 2;
	stay_apart(p);
}

static void test_no_feature(void **state)
{
	kernel_force(kernel, FEATURE_KPROBE_SESSION, false);
	stay_apart(program(0, 0, 2));
	kernel_force(kernel, FEATURE_KPROBE_SESSION, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joined),          cmocka_unit_test(test_other_functions),
		cmocka_unit_test(test_fewer_functions), cmocka_unit_test(test_cookie),
		cmocka_unit_test(test_no_cookie),       cmocka_unit_test(test_functions_of_its_own),
		cmocka_unit_test(test_no_feature),
	};
	int failed;

	kernel = kernel_new(NULL);
	kernel_force(kernel, FEATURE_KPROBE_SESSION, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	kernel_free(kernel);
	return failed;
}
