/* The text form, and passes from text to text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>
#include "ir/ir_impl.h"
#include "programs.h"
#include "world.h"

static struct ir_module *parse(struct arena *a, const char *text)
{
	struct err e = {0};
	struct ir_module *m = ir_parse(a, str_of(text), &e);

	if (!m)
		fail_msg("%s", e.what);
	return m;
}

/* The text with its values numbered as reading and printing number them. */
static void settle(struct buf *text)
{
	struct arena *a = arena_new();

	for (int round = 0; round < 2; round++) {
		struct ir_module *m = parse(a, buf_cstr(text));
		buf_reset(text);
		ir_print(m, text);
	}
	arena_free(a);
}

/* What is printed is read back as the same; numbering settles after one round. */
static void round_trip(struct arena *a, const struct ir_module *m)
{
	struct buf one = BUF_INIT, two = BUF_INIT, three = BUF_INIT;

	ir_print(m, &one);
	ir_print(parse(a, buf_cstr(&one)), &two);
	ir_print(parse(a, buf_cstr(&two)), &three);
	assert_string_equal(buf_cstr(&two), buf_cstr(&three));
	assert_true(one.n > 0 && two.n > 0);
	buf_release(&one);
	buf_release(&two);
	buf_release(&three);
}

static void test_round_trip(void **state)
{
	struct arena *a = arena_new();

	for (size_t k = 0; k < test_nprograms; k++)
		round_trip(a, test_programs[k].build(a));
	for (uint64_t seed = 1; seed < 100; seed++)
		round_trip(a, random_module(a, seed));
	arena_free(a);
}

/* The text of a random module means the same as the module. */
static void test_same_meaning(void **state)
{
	for (uint64_t seed = 1; seed < 200; seed++) {
		struct arena *a = arena_new();
		struct world *w = arena_new_of(a, struct world), *x = arena_new_of(a, struct world);
		struct ir_module *m = random_module(a, seed);
		struct buf text = BUF_INIT;

		ir_print(m, &text);
		world_init(w, seed);
		world_init(x, seed);
		assert_int_equal(interp_run(m, w), interp_run(parse(a, buf_cstr(&text)), x));
		assert_int_equal(world_hash(w), world_hash(x));
		buf_release(&text);
		arena_free(a);
	}
}

static void expect_error(const char *text, const char *part)
{
	struct arena *a = arena_new();
	struct err e = {0};

	assert_null(ir_parse(a, str_of(text), &e));
	if (!strstr(e.what, part))
		fail_msg("'%s' is not in '%s'", part, e.what);
	arena_free(a);
}

static void test_errors(void **state)
{
	expect_error("", "no function");
	expect_error("fn main(%1) {\nb0:\n  %2 = frob %1\n", "line 3: an unknown operation");
	expect_error("fn main(%1) {\nb0:\n  ret %7\n", "an undefined value");
	expect_error("fn main(%1) {\nb0:\n  %2 = load3 %1, 0\n", "a width of");
	expect_error("fn main(%1) {\nb0:\n  %2 = call frobnicate\n", "an unknown helper");
	expect_error("fn main(%1) {\nb0:\n  jmp x\n", "a block is expected");
	expect_error("fn main(%1, %2, %3, %4, %5, %6) {\n", "at most five");
}

static void expect_pass(void (*pass)(struct ir_fn *), const char *in, const char *out)
{
	struct arena *a = arena_new();
	struct ir_module *m = parse(a, in);
	struct buf got = BUF_INIT, want = BUF_INIT;

	cfg_analyse(m->fns.v[0]);
	pass(m->fns.v[0]);
	ir_print(m, &got);
	buf_adds(&want, out);
	settle(&got);
	settle(&want);
	assert_string_equal(buf_cstr(&got), buf_cstr(&want));
	buf_release(&got);
	buf_release(&want);
	arena_free(a);
}

static void test_gvn_merges_lookups(void **state)
{
	expect_pass(ir_gvn,
		    "fn main(%1 ptr) {\n  %2 = obj 8 align 8 at -8\n  %3 = map 0\nb0:\n"
		    "  %4 = call get_current_pid_tgid\n  store8 %2, 0, %4\n"
		    "  %5 = call map_lookup_elem %3, %2\n  br %5, b1, b2\nb1:\n"
		    "  %6 = call get_current_pid_tgid\n  store8 %2, 0, %6\n"
		    "  %7 = call map_lookup_elem %3, %2\n  br %7, b3, b2\nb2:\n  ret %4\nb3:\n"
		    "  ret %7\n}\n",
		    "fn main(%1 ptr) {\n  %2 = obj 8 align 8 at -8\n  %3 = map 0\nb0:\n"
		    "  %4 = call get_current_pid_tgid\n  store8 %2, 0, %4\n"
		    "  %5 = call map_lookup_elem %3, %2\n  br %5, b1, b2\nb1:\n"
		    "  jmp b3\nb2:\n  ret %4\nb3:\n  ret %5\n}\n");
}

static void test_gvn_keeps_what_changed(void **state)
{
	const char *text =
		"fn main(%1 ptr) {\n  cell $1 c\n  %2 = obj 8 align 8 at -8\n  %3 = map 0\nb0:\n"
		"  %4 = load8 %1, 0\n  store8 %2, 0, %4\n"
		"  %5 = call map_lookup_elem %3, %2\n  store1 %2, 3, %5\n"
		"  %6 = call map_lookup_elem %3, %2\n  %7 = load8 %2, 0\n"
		"  %8 = call ktime_get_ns\n  %9 = call ktime_get_ns\n"
		"  %10 = add %8, %9\n  %11 = add %10, %6\n  %12 = add %11, %7\n"
		"  ret %12\n}\n";

	expect_pass(ir_gvn, text, text);
}

static void test_dce(void **state)
{
	expect_pass(ir_dce,
		    "fn main(%1 ptr) {\n  cell $1 dead\n  %2 = const 0\nb0:\n"
		    "  %3 = load8 %1, 0\n  %4 = call ktime_get_ns\n  set $1, %4\n"
		    "  %5 = add %3, %3\n  %6 = load8 %1, 8 vol\n  ret %2\n}\n",
		    "fn main(%1 ptr) {\n  cell $1 dead\n  %2 = const 0\nb0:\n"
		    "  %6 = load8 %1, 8 vol\n  ret %2\n}\n");
}

static void test_clean(void **state)
{
	expect_pass(cfg_clean,
		    "fn main(%1 ptr) {\n  %2 = const 0\nb0:\n  %3 = load8 %1, 0\n  br %3, b1, b2\n"
		    "b1:\n  jmp b3\nb2:\n  store8 %1, 0, %3\n  ret %2\nb3:\n  ret %2\nb4:\n  jmp "
		    "b4\n}\n",
		    "fn main(%1 ptr) {\n  %2 = const 0\nb0:\n  %3 = load8 %1, 0\n  br %3, b3, b2\n"
		    "b2:\n  store8 %1, 0, %3\n  jmp b3\nb3:\n  ret %2\n}\n");
}

static void thread_all(struct ir_fn *fn)
{
	assert_true(ir_thread(fn));
}

static void test_thread(void **state)
{
	expect_pass(thread_all,
		    "fn main(%1 ptr) {\n  cell $1 c\n  %2 = const 0\n  %3 = const 1\nb0:\n"
		    "  %4 = load8 %1, 0\n  br %4, b1, b2\nb1:\n  set $1, %4\n  jmp b3\nb2:\n"
		    "  set $1, %2\n  jmp b3\nb3:\n  %5 = get $1\n  br %5, b4, b5\nb4:\n  ret %3\n"
		    "b5:\n  ret %2\n}\n",
		    "fn main(%1 ptr) {\n  cell $1 c\n  %2 = const 0\n  %3 = const 1\nb0:\n"
		    "  %4 = load8 %1, 0\n  br %4, b1, b2\nb1:\n  set $1, %4\n  jmp b3\nb2:\n"
		    "  set $1, %2\n  jmp b5\nb3:\n  %5 = get $1\n  br %5, b4, b5\nb4:\n  ret %3\n"
		    "b5:\n  ret %2\n}\n");
}

/* ---- large programs ----------------------------------------------------------------------- */

/* `n` statements, each with a branch over a call, and a loop around it all. */
static struct ir_module *large(struct arena *a, unsigned n)
{
	struct ir_module *m = ir_module_new(a, "large");
	struct ir b = ir_begin(ir_fn_new(m, "main", IR_ENTRY, 1, 1));
	struct ir_block *head = ir_block_new(&b, "head"), *out = ir_block_new(&b, "out");
	struct ir_block *body = ir_block_new(&b, "body");
	ir_cell i = ir_cell_new(&b, "i", false), sum = ir_cell_new(&b, "sum", false);
	ir_val obj = ir_object(&b, 16, 8);

	ir_jmp(&b, head);
	ir_at(&b, head);
	ir_br(&b, ir_bini(&b, IR_ULT, ir_get(&b, i), 2), body, out, IR_LIKELY_EVEN);
	ir_at(&b, body);
	for (unsigned k = 0; k < n; k++) {
		struct ir_block *yes = ir_block_new(&b, "yes"), *no = ir_block_new(&b, "no");
		ir_val v = ir_load(&b, 8, ir_param(&b, 0), 8 * (k % 21), IR_MEM_NONE);
		ir_br(&b, ir_bini(&b, IR_AND, v, 1 << k % 8), yes, no,
		      k % 3 ? IR_LIKELY_EVEN : IR_LIKELY_NO);
		ir_at(&b, yes);
		ir_store(&b, 8, obj, 0, ir_bini(&b, IR_ADD, v, k));
		IR_CALL(&b, BPF_FUNC_map_update_elem, ir_map(&b, 0), obj, obj, ir_const(&b, 0));
		ir_set(&b, sum, ir_bin(&b, IR_ADD, ir_get(&b, sum), ir_bini(&b, IR_XOR, v, k)));
		ir_jmp(&b, no);
		ir_at(&b, no);
	}
	ir_set(&b, i, ir_bini(&b, IR_ADD, ir_get(&b, i), 1));
	ir_jmp(&b, head);
	ir_at(&b, out);
	ir_ret(&b, ir_get(&b, sum));
	return m;
}

static void test_far_jumps(void **state)
{
	for (unsigned cpu = 3; cpu <= 4; cpu++) {
		struct arena *a = arena_new();
		struct ir_isa isa = {.cpu = cpu};
		struct world *w = arena_new_of(a, struct world), *x = arena_new_of(a, struct world);
		struct ir_code code;
		clock_t t;

		world_init(w, 1);
		world_init(x, 1);
		struct ir_module *m = large(a, 9000);
		uint64_t want = interp_run(m, w);
		t = clock();
		assert_int_equal(0, ir_compile(m, &isa, &code, NULL));
		print_message("# cpu %u: %zu slots in %.0f ms\n", cpu, code.n,
			      (double)(clock() - t) * 1000 / CLOCKS_PER_SEC);
		assert_true(code.n > 80000);
		assert_int_equal(want, vm_run(&code, x));
		assert_int_equal(world_hash(w), world_hash(x));
		assert_null(x->fault);
		arena_free(a);
	}
}

/* Functions: unused ones go, calls and addresses of callbacks are relative, stacks add up. */
static void test_functions(void **state)
{
	struct arena *a = arena_new();
	struct ir_isa isa = {.cpu = 3};
	struct ir_code code;
	struct ir_module *m = parse(
		a, "fn main(%1 ptr) {\n  %2 = fnptr each\n  %3 = obj 200 align 8 at -200\n  %4 = "
		   "const 0\n"
		   "b0:\n  store8 %3, 0, %4\n  %5 = callfn add %4, %4\n"
		   "  %6 = call loop %5, %2, %3, %4\n  ret %4\n}\n"
		   "subprog unused() {\n  %1 = const 1\nb0:\n  ret %1\n}\n"
		   "subprog add(%1, %2) {\nb0:\n  %3 = add %1, %2\n  ret %3\n}\n"
		   "callback each(%1, %2 ptr) {\n  %3 = obj 320 align 8 at -320\nb0:\n"
		   "  store8 %3, 0, %1\n  %4 = load8 %3, 0 vol\n  ret %4\n}\n");

	assert_int_equal(224 + 320, ir_compile(m, &isa, &code, NULL));
	assert_int_equal(3, code.nfuncs);
	assert_string_equal("main", code.funcs[0].name);
	assert_string_equal("add", code.funcs[1].name);
	assert_string_equal("each", code.funcs[2].name);
	assert_int_equal(IR_CALLBACK, code.funcs[2].kind);
	assert_int_equal(320, code.stack);
	for (size_t k = 0; k < code.n; k++) {
		const struct bpf_insn *i = &code.insns[k];
		if (i->code == (BPF_JMP | BPF_CALL) && i->src_reg == BPF_PSEUDO_CALL)
			assert_int_equal(code.funcs[1].insn_off, k + 1 + i->imm);
		if (i->code == (BPF_LD | BPF_IMM | BPF_DW) && i->src_reg == BPF_PSEUDO_FUNC)
			assert_int_equal(code.funcs[2].insn_off, k + 1 + i->imm);
	}
	arena_free(a);
}

static void test_disasm(void **state)
{
	struct arena *a = arena_new();
	struct ir_isa isa = {.cpu = 4};
	struct ir_code code;
	struct buf out = BUF_INIT;

	ir_compile(parse(a, "fn main(%1 ptr) {\n  %2 = mapval 3, 8\n  %3 = const 7\nb0:\n"
			    "  %4 = load4 %1, 16\n  %5 = sdiv %4, %3\n  %6 = sext1 %5\n"
			    "  atomic_add8 %2, 0, %6\n  ret %6\n}\n"),
		   &isa, &code, NULL);
	ir_disasm(&code, NULL, NULL, NULL, &out);
	assert_string_equal(buf_cstr(&out), "main:\n"
					    "   0: (61) r0 = *(u32 *)(r1 +16)\n"
					    "   1: (37) r0 s/= 7\n"
					    "   2: (bf) r0 = (s8)r0\n"
					    "   3: (18) r5 = map[3][0]+0\n"
					    "   5: (db) lock *(u64 *)(r5 +8) += r0\n"
					    "   6: (95) exit\n");
	buf_release(&out);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_same_meaning),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_gvn_merges_lookups),
		cmocka_unit_test(test_gvn_keeps_what_changed),
		cmocka_unit_test(test_dce),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_disasm),
		cmocka_unit_test(test_far_jumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
