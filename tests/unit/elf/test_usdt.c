/* USDT notes of a real program and operands of every form. */
#include "elf_test.h"

#include <elf.h>

static void test_sites(void **state)
{
	struct elf *f = subject_open();
	const struct usdt_site *s;
	struct elf_func fn;
	uint64_t addr, size;
	uint8_t nop;
	size_t n;

	assert_int_equal(elf_usdt(f, &s, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(s[0].provider, "subject");
	assert_string_equal(s[0].name, "plain");
	assert_int_equal(s[0].nargs, 0);
	assert_null(s[0].bad);
	assert_int_equal(s[0].sem_addr, 0);
	assert_string_equal(s[1].name, "work");
	assert_true(elf_func_at(f, s[1].offset, &fn));
	assert_string_equal(fn.name, "subject_work");
	assert_int_equal(elf_read(f, s[1].offset, &nop, 1), 1);
	assert_int_equal(nop, 0x90);
	assert_true(elf_sym_find(f, STR("subject_semaphore"), &addr, &size));
	assert_int_equal(s[1].sem_addr, addr);
	assert_true(elf_addr_to_offset(f, addr, &addr));
	assert_int_equal(s[1].sem_offset, addr);
	assert_int_equal(s[1].nargs, 4);
	assert_int_equal(s[1].args[2].kind, USDT_ADDR);
	assert_true(elf_sym_find(f, STR("subject_data"), &addr, &size));
	assert_int_equal(s[1].args[2].value, addr);
	elf_close(f);
}

static void test_distribution(void **state)
{
	struct elf *f = elf_open("/usr/bin/python3.11", NULL);
	const struct usdt_site *s;
	size_t n;

	if (!f)
		skip();
	assert_int_equal(elf_usdt(f, &s, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(s[i].provider, "python");
		assert_null(s[i].bad);
		assert_true(s[i].sem_offset > 0);
	}
	elf_close(f);
}

struct arg_case {
	uint16_t machine;
	const char *text;
	enum usdt_arg_kind kind;
	int size, reg, index, scale, reg_off;
	int64_t value;
};

static const struct arg_case good[] = {
	{EM_X86_64, "-4@%eax", USDT_REG, -4, 80, -1, 1, 0, 0},
	{EM_X86_64, "8@%rdi", USDT_REG, 8, 112, -1, 1, 0, 0},
	{EM_X86_64, "1@%ah", USDT_REG, 1, 80, -1, 1, 1, 0},
	{EM_X86_64, "1@%sil", USDT_REG, 1, 104, -1, 1, 0, 0},
	{EM_X86_64, "2@%r10w", USDT_REG, 2, 56, -1, 1, 0, 0},
	{EM_X86_64, "4@%r8d", USDT_REG, 4, 72, -1, 1, 0, 0},
	{EM_X86_64, "1@%r15b", USDT_REG, 1, 0, -1, 1, 0, 0},
	{EM_X86_64, "8@%rsp", USDT_REG, 8, 152, -1, 1, 0, 0},
	{EM_X86_64, "4@$5", USDT_CONST, 4, -1, -1, 1, 0, 5},
	{EM_X86_64, "-4@$-9", USDT_CONST, -4, -1, -1, 1, 0, -9},
	{EM_X86_64, "8@$0x7fffffffffffffff", USDT_CONST, 8, -1, -1, 1, 0, INT64_MAX},
	{EM_X86_64, "8@$18446744073709551615", USDT_CONST, 8, -1, -1, 1, 0, -1},
	{EM_X86_64, "-4@-20(%rbp)", USDT_MEM, -4, 32, -1, 1, 0, -20},
	{EM_X86_64, "8@(%rax)", USDT_MEM, 8, 80, -1, 1, 0, 0},
	{EM_X86_64, "8@8(%rax,%rbx,4)", USDT_MEM, 8, 80, 40, 4, 0, 8},
	{EM_X86_64, "8@(%rax,%rbx)", USDT_MEM, 8, 80, 40, 1, 0, 0},
	{EM_X86_64, "8@-16(,%rbx,8)", USDT_MEM, 8, -1, 40, 8, 0, -16},
	{EM_X86_64, "8@(%rax, %rbx, 2)", USDT_MEM, 8, 80, 40, 2, 0, 0},
	{EM_X86_64, "4@8+4(%rsp)", USDT_MEM, 4, 152, -1, 1, 0, 12},
	{EM_X86_64, "4@8-12(%rsp)", USDT_MEM, 4, 152, -1, 1, 0, -4},
	{EM_X86_64, "%rax", USDT_REG, 8, 80, -1, 1, 0, 0},
	{EM_AARCH64, "8@x0", USDT_REG, 8, 0, -1, 1, 0, 0},
	{EM_AARCH64, "-4@w30", USDT_REG, -4, 240, -1, 1, 0, 0},
	{EM_AARCH64, "8@sp", USDT_REG, 8, 248, -1, 1, 0, 0},
	{EM_AARCH64, "-4@5", USDT_CONST, -4, -1, -1, 1, 0, 5},
	{EM_AARCH64, "-4@-5", USDT_CONST, -4, -1, -1, 1, 0, -5},
	{EM_AARCH64, "8@xzr", USDT_CONST, 8, -1, -1, 1, 0, 0},
	{EM_AARCH64, "8@[x0]", USDT_MEM, 8, 0, -1, 1, 0, 0},
	{EM_AARCH64, "8@[sp, 16]", USDT_MEM, 8, 248, -1, 1, 0, 16},
	{EM_AARCH64, "-4@[x29, -20]", USDT_MEM, -4, 232, -1, 1, 0, -20},
	{EM_AARCH64, "4@[x1,#8]", USDT_MEM, 4, 8, -1, 1, 0, 8},
	{EM_AARCH64, "8@[x1, x2]", USDT_MEM, 8, 8, 16, 1, 0, 0},
	{EM_AARCH64, "8@[x1, x2, lsl 3]", USDT_MEM, 8, 8, 16, 8, 0, 0},
};

static void test_good_args(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct arg_case *c = &good[i];
		struct usdt_arg *v;
		struct err e = {0};
		size_t n;

		if (usdt_parse_args(a, NULL, c->machine, c->text, &v, &n, &e) < 0)
			fail_msg("%s: %s", c->text, e.what);
		assert_int_equal(n, 1);
		if (v->kind != c->kind || v->size != c->size || v->reg != c->reg ||
		    v->index != c->index || v->scale != c->scale || v->reg_off != c->reg_off ||
		    v->value != c->value || v->is_float)
			fail_msg("%s: kind %d size %d reg %d index %d scale %d byte %d value %lld",
				 c->text, v->kind, v->size, v->reg, v->index, v->scale, v->reg_off,
				 (long long)v->value);
		assert_string_equal(v->text, c->text);
	}
	arena_free(a);
}

static void test_several(void **state)
{
	static const char text[] = " 8@%rdi  -4@[x] 4@$1 ";
	struct arena *a = arena_new();
	struct usdt_arg *v;
	struct err e = {0};
	size_t n;

	assert_int_equal(
		usdt_parse_args(a, NULL, EM_X86_64, "8@%rdi -4@-8(%rbp) 8f@%xmm0", &v, &n, NULL),
		0);
	assert_int_equal(n, 3);
	assert_true(v[2].is_float);
	assert_int_equal(usdt_parse_args(a, NULL, EM_AARCH64, "8@[x0, 8] -4@w1", &v, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_true(usdt_parse_args(a, NULL, EM_X86_64, text, &v, &n, &e) < 0);
	assert_non_null(strstr(e.what, "argument 1, `-4@[x]`"));
	assert_int_equal(n, 0);
	assert_int_equal(usdt_parse_args(a, NULL, EM_X86_64, "", &v, &n, NULL), 0);
	assert_int_equal(n, 0);
	arena_free(a);
}

static void test_bad_args(void **state)
{
	static const char *const bad[] = {
		"3@%rax",     "8@%foo",        "8@",
		"8@%",        "8@%r16",        "8@%r7",
		"4@%ah",      "8@(%rax",       "8@(%rax,%rbx,3)",
		"8@()",       "8@8(%rip)",     "8@nosuch(%rip)",
		"8@%fs:0x28", "8@%rax)",       "8@$",
		"8@$1x",      "8@-",           "8@$99999999999999999999",
		"16@%xmm0",   "8@(%rip,%rax)", "8@8(",
		"@@@",        "8@(,)",         "\x01",
	};
	struct arena *a = arena_new();
	struct usdt_arg *v;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (usdt_parse_args(a, NULL, EM_X86_64, bad[i], &v, &n, NULL) == 0)
			fail_msg("`%s` is taken", bad[i]);
	assert_true(usdt_parse_args(a, NULL, EM_AARCH64, "8@[x0, w1, sxtw 3]", &v, &n, NULL) < 0);
	assert_true(usdt_parse_args(a, NULL, EM_AARCH64, "8@x31", &v, &n, NULL) < 0);
	assert_true(usdt_parse_args(a, NULL, EM_S390, "8@%r2", &v, &n, NULL) < 0);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sites),     cmocka_unit_test(test_distribution),
		cmocka_unit_test(test_good_args), cmocka_unit_test(test_several),
		cmocka_unit_test(test_bad_args),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
