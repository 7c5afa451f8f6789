/* The C section: constant expressions, the preprocessor, declarations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "fake.h"

/* The value of `expr` behind the definitions; fails when it is no constant. */
static uint64_t value_of(const char *defs, const char *expr)
{
	char text[4096];
	struct fake *f;
	struct expr *e;
	uint64_t v;

	snprintf(text, sizeof(text), "%s\nk:x { @x = %s; }", defs, expr);
	f = fake_check(text, NULL);
	if (!f->ok)
		print_message("%s\n%s", text, buf_cstr(&f->messages));
	assert_true(f->ok);
	e = f->plan->probes[0]->body->stmts[0]->assign.value;
	assert_true(e->folded);
	v = e->value;
	fake_free(f);
	return v;
}

static int64_t define(const char *body)
{
	char text[512];

	snprintf(text, sizeof(text), "#define X %s", body);
	return (int64_t)value_of(text, "X");
}

static void test_expressions(void **state)
{
	assert_int_equal(define("1 + 2 * 3"), 7);
	assert_int_equal(define("(1 + 2) * 3"), 9);
	assert_int_equal(define("-7 / 2"), -3);
	assert_int_equal(define("-7 % 2"), -1);
	assert_int_equal(define("~0"), -1);
	assert_int_equal(define("!3 + !0"), 1);
	assert_int_equal(define("1 << 4 | 1"), 17);
	assert_int_equal(define("0x10UL"), 16);
	assert_int_equal(define("017"), 15);
	assert_int_equal(define("-8 >> 1"), -4);
	assert_int_equal(define("1 < 2 ? 10 : 20"), 10);
	assert_int_equal(define("3 == 3 && 4 != 4 || 5 >= 5"), 1);
	assert_int_equal(define("(unsigned char)300"), 44);
	assert_int_equal(define("(int)0xffffffff"), -1);
	assert_int_equal(define("sizeof(int) + sizeof(char *)"), 12);
	assert_int_equal(define("'A' + '\\n'"), 75);
	assert_int_equal(define("-1 < 1u"), 0);
}

static void test_no_constants(void **state)
{
	static const char *const bodies[] = {"1 +", "(1",  "1 / 0",
					     "foo", "1 2", "sizeof(struct none)"};

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		char text[256];
		struct fake *f;

		snprintf(text, sizeof(text), "#define X %s\nk:x { @x = X; }", bodies[i]);
		f = fake_check(text, NULL);
		assert_false(f->ok);
		fake_free(f);
	}
}

static void test_macros(void **state)
{
	assert_int_equal(value_of("#define A B\n#define B C\n#define C 3", "A"), 3);
	assert_int_equal(value_of("#define F(x, y) ((x) - (y))\n#define X F(7, F(3, 1))", "X"), 5);
	assert_int_equal(value_of("#define G(a, b) a ## b\n#define X G(1, 2)", "X"), 12);
	assert_int_equal(value_of("#define A 1 + \\\n 2", "A"), 3);
	assert_int_equal(value_of("#define A 1 /* one */\n#define B 2 // two", "A + B"), 3);
	assert_int_equal(value_of("#define A 1\n#undef A\n#define A 2", "A"), 2);
}

static void test_recursion_ends(void **state)
{
	struct fake *f = fake_check("#define A B\n#define B A\n#define F(x) F(x)\nk:x { @x = A; }",
				    NULL);

	assert_true(fake_has(f, "E0407")); /* the macro calls itself */
	fake_free(f);
}

static void test_conditions(void **state)
{
	static const char head[] = "#define N 5\n";
	static const struct {
		const char *cond;
		int64_t value;
	} rows[] = {
		{"#if N > 4", 1},           {"#if N > 5", 2},   {"#if defined(N)", 1},
		{"#if !defined N", 2},      {"#ifdef N", 1},    {"#ifndef N", 2},
		{"#if 0\n#elif N == 5", 1}, {"#if UNKNOWN", 2}, {"#if defined(N) && (N & 1)", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text), "%s%s\n#define X 1\n#else\n#define X 2\n#endif", head,
			 rows[i].cond);
		assert_int_equal(value_of(text, "X"), rows[i].value);
	}
}

static void test_layout(void **state)
{
	static const char defs[] =
		"typedef unsigned long word;\n"
		"struct a { char c; word w[2 * 2]; int (*cb[3])(int); };\n"
		"struct b { char c; int i; } __attribute__((packed, aligned(4)));\n"
		"struct c { char c __attribute__((aligned(8))); char d; };\n"
		"enum { FIRST = 1 << 3, SECOND, THIRD = SECOND + 5 };";

	assert_int_equal(value_of(defs, "sizeof(struct a)"), 64);
	assert_int_equal(value_of(defs, "offsetof(struct a, cb)"), 40);
	assert_int_equal(value_of(defs, "sizeof(struct b)"), 8);
	assert_int_equal(value_of(defs, "offsetof(struct b, i)"), 1);
	assert_int_equal(value_of(defs, "sizeof(struct c)"), 8);
	assert_int_equal(value_of(defs, "THIRD"), 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expressions), cmocka_unit_test(test_no_constants),
		cmocka_unit_test(test_macros),      cmocka_unit_test(test_recursion_ends),
		cmocka_unit_test(test_conditions),  cmocka_unit_test(test_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
