/* Expressions, statements and items against the dump of their trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lang/lang.h"

/* The dump of `text` as the only statement of a probe, without the head and its indentation. */
static void check(const char *text, const char *want)
{
	struct arena *a = arena_new();
	struct diag *d = diag_new(a);
	struct buf b = BUF_INIT, got = BUF_INIT;
	struct script *s;

	s = lang_parse(a, d,
		       diag_add_source(d, "x.bt", str_of(arena_printf(a, "begin { %s }", text))));
	diag_render(d, &b, DIAG_TEXT);
	assert_string_equal(buf_cstr(&b), "");
	lang_dump(s, NULL, a, &b);
	for (char *line = strtok(b.p, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, "    ", 4) == 0)
			buf_printf(&got, "%s\n", line + 4);
	assert_string_equal(buf_cstr(&got), want);
	buf_release(&b);
	buf_release(&got);
	arena_free(a);
}

/* One expression, as an S-expression of its operators. */
static void shape(struct buf *b, const struct expr *e)
{
	switch (e->kind) {
	case EXPR_INT:
		buf_addu64(b, e->value);
		break;
	case EXPR_IDENT:
		buf_addstr(b, e->ident.name);
		break;
	case EXPR_UNARY:
		buf_printf(b, "(%s ", unary_op_text(e->un.op));
		shape(b, e->un.e);
		buf_addc(b, ')');
		break;
	case EXPR_BINARY:
		buf_printf(b, "(%s ", binary_op_text(e->bin.op));
		shape(b, e->bin.l);
		buf_addc(b, ' ');
		shape(b, e->bin.r);
		buf_addc(b, ')');
		break;
	case EXPR_TERNARY:
		buf_adds(b, "(? ");
		shape(b, e->tern.cond);
		buf_addc(b, ' ');
		if (e->tern.yes)
			shape(b, e->tern.yes);
		buf_addc(b, ' ');
		shape(b, e->tern.no);
		buf_addc(b, ')');
		break;
	case EXPR_CAST:
		buf_printf(b, "(cast %.*s ", STR_ARG(e->cast.to->name));
		shape(b, e->cast.e);
		buf_addc(b, ')');
		break;
	default:
		buf_printf(b, "<%d>", e->kind);
	}
}

static void check_shape(const char *text, const char *want)
{
	struct arena *a = arena_new();
	struct diag *d = diag_new(a);
	struct buf b = BUF_INIT;
	struct expr *e = lang_parse_expr(a, d, diag_add_source(d, "x", str_of(text)));

	assert_non_null(e);
	shape(&b, e);
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
	arena_free(a);
}

static void precedence(void **state)
{
	check_shape("1 || 2 && 3 | 4 ^ 5 & 6 == 7 < 8 << 9 + 10 * 11",
		    "(|| 1 (&& 2 (| 3 (^ 4 (& 5 (== 6 (< 7 (<< 8 (+ 9 (* 10 11))))))))))");
	check_shape("1 - 2 - 3", "(- (- 1 2) 3)");
	check_shape("1 ? 2 : 3 ? 4 : 5", "(? 1 2 (? 3 4 5))");
	check_shape("1 ?: 2", "(? 1  2)");
	check_shape("-1 * !2", "(* (- 1) (! 2))");
	check_shape("-(1 + 2)", "(- (+ 1 2))");
	check_shape("1 / 2 % 3", "(% (/ 1 2) 3)");
}

static void casts_and_parentheses(void **state)
{
	check_shape("(foo)1", "(cast foo 1)");
	check_shape("(foo)-1", "(cast foo (- 1))");
	check_shape("(pid)-1", "(- pid 1)");
	check_shape("(arg0)-1", "(- arg0 1)");
	check_shape("(MAX)-1", "(- MAX 1)");
	check_shape("(uint64)-1", "(cast uint64 (- 1))");
	check_shape("(x)&1", "(& x 1)");
	check_shape("(a) + 1", "(+ a 1)");
	check_shape("(struct s)a", "(cast s a)");
	check_shape("(s *)a * 2", "(* (cast s a) 2)");
}

static void numbers(void **state)
{
	check_shape("0x1f_ff", "8191");
	check_shape("1e6", "1000000");
	check_shape("100ms", "100000000");
	check_shape("1d", "86400000000000");
	check_shape("5us", "5000");
	check_shape("7ULL", "7");
	check_shape("18446744073709551615", "18446744073709551615");
}

static void strings(void **state)
{
	check("\"a\\n\\x41\\101\\\"\"", "expr\n  str \"a\\nAA\\\"\"\n");
	check("\"// no /* comment\"", "expr\n  str \"// no /* comment\"\n");
}

static void last_expression_is_a_statement(void **state)
{
	check("f()", "expr\n  call f\n");
	check("f();", "expr\n  call f\n");
	check("if a { b } else { c }",
	      "expr\n  if\n    ident a\n    do\n      expr\n        ident b\n"
	      "    block\n      do\n        expr\n          ident c\n");
}

static void assignments(void **state)
{
	check("$x <<= 1;", "assign <<=\n  var $x\n  int 1\n");
	check("@ = 1", "assign =\n  map @\n  int 1\n");
	check("@x[1, (2,)] = 1",
	      "assign =\n  map @x\n    int 1\n    tuple\n      int 2\n  int 1\n");
	check("_ = f", "discard\n  ident f\n");
	check("let $x : struct s*[4] = 1;", "let $x\n  type struct s*[4]\n  int 1\n");
	check("let $x", "let $x\n");
}

static void members(void **state)
{
	check("args->a.b.0[1]", "expr\n  index\n    elem .0\n      field .b\n        field ->a\n"
				"          ident args\n    int 1\n");
	check("sizeof(struct x); sizeof(pid); sizeof(x())",
	      "expr\n  sizeof\n    type struct x\nexpr\n  sizeof\n    ident pid\n"
	      "expr\n  sizeof\n    call x\n");
	check("$x = 0; for $i : 0..$x { }", "assign =\n  var $x\n  int 0\n"
					    "for $i\n  int 0\n  var $x\n  do\n");
	check("(a = 1, b = (2, 3)).b",
	      "expr\n  field .b\n    record\n      set a\n        int 1\n      set b\n"
	      "        tuple\n          int 2\n          int 3\n");
}

static struct script *parse_clean(struct arena *a, const char *text)
{
	struct diag *d = diag_new(a);
	struct script *s = lang_parse(a, d, diag_add_source(d, "x.bt", str_of(text)));

	assert_int_equal(diag_errors(d), 0);
	return s;
}

static void attach_points(void **state)
{
	struct arena *a = arena_new();
	struct script *s = parse_clean(a,
				       "n=uprobe:/bin/a:cpp:\"f(int, x::y)\",\nkprobe:f,\n/1/ {}\n"
				       "END/pid/2/{}\nhardware:x:{}");
	const struct attach_point *ap = &s->probes.v[0].aps[0];

	assert_int_equal(s->probes.n, 3);
	assert_int_equal(s->probes.v[0].naps, 2);
	assert_true(str_is(ap->label, "n"));
	assert_int_equal(ap->nparts, 4);
	assert_true(str_is(ap->parts[1], "/bin/a"));
	assert_true(str_is(ap->parts[3], "f(int, x::y)"));
	assert_true(ap->quoted[3]);
	assert_false(ap->quoted[1]);
	assert_int_equal(ap->part_spans[0].off, 2);
	assert_true(str_is(s->probes.v[1].aps[0].text, "END"));
	assert_int_equal(s->probes.v[1].pred->kind, EXPR_BINARY);
	assert_int_equal(s->probes.v[2].aps[0].nparts, 3);
	assert_int_equal(s->probes.v[2].aps[0].parts[2].n, 0);
	arena_free(a);
}

static void hostile_nesting(void **state)
{
	static const char *const open[] = {"(",    "{",         "[",      "-",
					   "!",    "f(",        "@x[",    "if 1 {",
					   "1?",   "1+",        "(x*)",   "if 1 {} else ",
					   "a.b[", "comptime ", "typeof("};

	for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
		struct arena *a = arena_new();
		struct diag *d = diag_new(a);
		struct buf b = BUF_INIT;

		buf_adds(&b, "begin { $x = ");
		for (int k = 0; k < 100000; k++)
			buf_adds(&b, open[i]);
		lang_parse(a, d, diag_add_source(d, "x", (struct str){b.p, b.n}));
		assert_in_range(diag_errors(d), 1, 3);
		buf_release(&b);
		arena_free(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(precedence),
		cmocka_unit_test(casts_and_parentheses),
		cmocka_unit_test(numbers),
		cmocka_unit_test(strings),
		cmocka_unit_test(last_expression_is_a_statement),
		cmocka_unit_test(assignments),
		cmocka_unit_test(members),
		cmocka_unit_test(attach_points),
		cmocka_unit_test(hostile_nesting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
