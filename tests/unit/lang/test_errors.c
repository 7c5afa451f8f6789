/* Syntax errors: the exact text of their messages. Each script holds several mistakes, all of which
 * must be found, without any that follow from others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lang/lang.h"

static void check(const char *text, const char *want)
{
	struct arena *a = arena_new();
	struct diag *d = diag_new(a);
	struct buf b = BUF_INIT;

	lang_parse(a, d, diag_add_source(d, "x.bt", str_of(text)));
	diag_render(d, &b, DIAG_TEXT);
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
	arena_free(a);
}

static void equals_for_comparison(void **state)
{
	check("begin /$x = 1/ { if ($y = 2) { } }",
	      "error[E0001]: `=` assigns, which is a statement of its own\n"
	      "  --> x.bt:1:11\n"
	      "   |\n"
	      " 1 | begin /$x = 1/ { if ($y = 2) { } }\n"
	      "   |           ^\n"
	      "   = help: did you mean `==`?\n"
	      "error[E0001]: `=` assigns, which is a statement of its own\n"
	      "  --> x.bt:1:25\n"
	      "   |\n"
	      " 1 | begin /$x = 1/ { if ($y = 2) { } }\n"
	      "   |                         ^\n"
	      "   = help: did you mean `==`?\n");
}

static void single_quotes(void **state)
{
	check("begin { printf('a %d', 1); $x = \"b\" }",
	      "error[E0003]: strings are written in double quotes\n"
	      "  --> x.bt:1:16\n"
	      "   |\n"
	      " 1 | begin { printf('a %d', 1); $x = \"b\" }\n"
	      "   |                ^^^^^^\n"
	      "   = help: did you mean `\"a %d\"`?\n");
}

static void missing_semicolon(void **state)
{
	check("begin {\n\tf()\n\t$x = 1;\n\tg() h();\n}",
	      "error[E0001]: expected `;` at the end of the statement\n"
	      "  --> x.bt:2:5\n"
	      "   |\n"
	      " 2 |     f()\n"
	      "   |        ^\n"
	      "   = help: insert `;`\n"
	      "error[E0001]: expected `;` at the end of the statement\n"
	      "  --> x.bt:4:5\n"
	      "   |\n"
	      " 4 |     g() h();\n"
	      "   |        ^\n"
	      "   = help: insert `;`\n");
}

static void brace_not_closed(void **state)
{
	check("begin {\n\tif (1) {\n}\nkprobe:f { $x = ; }\n",
	      "error[E0001]: `{` is never closed\n"
	      "  --> x.bt:1:7\n"
	      "   |\n"
	      " 1 | begin {\n"
	      "   |       ^\n"
	      "...\n"
	      " 4 | kprobe:f { $x = ; }\n"
	      "   | ------ here a probe seems to begin\n"
	      "   = help: each `{` needs a `}` of its own\n"
	      "error[E0001]: expected an expression, found `;`\n"
	      "  --> x.bt:4:17\n"
	      "   |\n"
	      " 4 | kprobe:f { $x = ; }\n"
	      "   |                 ^ expected an expression\n");
}

static void paren_not_closed(void **state)
{
	check("begin { f(1, (2; g(; }", "error[E0001]: `(` is never closed\n"
					"  --> x.bt:1:14\n"
					"   |\n"
					" 1 | begin { f(1, (2; g(; }\n"
					"   |              ^ - `)` belongs here\n"
					"error[E0001]: expected an expression, found `;`\n"
					"  --> x.bt:1:20\n"
					"   |\n"
					" 1 | begin { f(1, (2; g(; }\n"
					"   |                    ^ expected an expression\n");
}

static void string_not_closed(void **state)
{
	check("begin {\n\tf(\"abc);\n\t$x = ;\n}",
	      "error[E0003]: string is not closed\n"
	      "  --> x.bt:2:4\n"
	      "   |\n"
	      " 2 |     f(\"abc);\n"
	      "   |       ^^^^^^ no `\"` follows on this line\n"
	      "error[E0001]: expected an expression, found `;`\n"
	      "  --> x.bt:3:7\n"
	      "   |\n"
	      " 3 |     $x = ;\n"
	      "   |          ^ expected an expression\n");
}

static void words_for_operators(void **state)
{
	check("begin { $x = $a and $b; if ($a or $b) { } }",
	      "error[E0001]: `and` is no operator\n"
	      "  --> x.bt:1:17\n"
	      "   |\n"
	      " 1 | begin { $x = $a and $b; if ($a or $b) { } }\n"
	      "   |                 ^^^\n"
	      "   = help: did you mean `&&`?\n"
	      "error[E0001]: `or` is no operator\n"
	      "  --> x.bt:1:32\n"
	      "   |\n"
	      " 1 | begin { $x = $a and $b; if ($a or $b) { } }\n"
	      "   |                                ^^\n"
	      "   = help: did you mean `||`?\n");
}

static void c_after_probe(void **state)
{
	check("begin { }\n#include <a.h>\nstruct a { int b; };\nconfig = { a = 1 }\n",
	      "error[E0006]: C definitions come before everything else\n"
	      "  --> x.bt:2:1\n"
	      "   |\n"
	      " 2 | #include <a.h>\n"
	      "   | ^^^^^^^^^^^^^^\n"
	      "   = help: move this to the top of the script\n"
	      "error[E0006]: C definitions come before everything else\n"
	      "  --> x.bt:3:1\n"
	      "   |\n"
	      " 3 | struct a { int b; };\n"
	      "   | ^^^^^^^^^^^^^^^^^^^^\n"
	      "   = help: move this to the top of the script\n"
	      "error[E0006]: config comes before probes, functions and maps\n"
	      "  --> x.bt:4:1\n"
	      "   |\n"
	      " 4 | config = { a = 1 }\n"
	      "   | ^^^^^^\n"
	      "   = help: move this to the top of the script, behind the C definitions\n");
}

static void map_brackets(void **state)
{
	check("begin { @x[1][2] = 3; pid = 1; 5 = 6; }",
	      "error[E0001]: only variables and maps can be assigned to\n"
	      "  --> x.bt:1:9\n"
	      "   |\n"
	      " 1 | begin { @x[1][2] = 3; pid = 1; 5 = 6; }\n"
	      "   |         ^^^^^^^^\n"
	      "   = help: a map has one pair of brackets: write @x[a, b] for several keys\n"
	      "error[E0001]: only variables and maps can be assigned to\n"
	      "  --> x.bt:1:23\n"
	      "   |\n"
	      " 1 | begin { @x[1][2] = 3; pid = 1; 5 = 6; }\n"
	      "   |                       ^^^\n"
	      "   = help: did you mean `$pid`?\n"
	      "error[E0001]: only variables and maps can be assigned to\n"
	      "  --> x.bt:1:32\n"
	      "   |\n"
	      " 1 | begin { @x[1][2] = 3; pid = 1; 5 = 6; }\n"
	      "   |                                ^ neither a $variable nor a @map\n");
}

static void c_declaration(void **state)
{
	check("begin { int x = 5; }", "error[E0001]: `int x` is not a statement\n"
				      "  --> x.bt:1:9\n"
				      "   |\n"
				      " 1 | begin { int x = 5; }\n"
				      "   |         ^^^^^\n"
				      "   = help: a variable is declared by `let $x : int = …;`\n");
}

static void elif (void **state)
{
	check("begin { if 1 { } elif 2 { $x = ; } else { } else { } }",
	      "error[E0001]: there is no `elif`\n"
	      "  --> x.bt:1:18\n"
	      "   |\n"
	      " 1 | begin { if 1 { } elif 2 { $x = ; } else { } else { } }\n"
	      "   |                  ^^^^\n"
	      "   = help: did you mean `else if`?\n"
	      "error[E0001]: expected an expression, found `;`\n"
	      "  --> x.bt:1:32\n"
	      "   |\n"
	      " 1 | begin { if 1 { } elif 2 { $x = ; } else { } else { } }\n"
	      "   |                                ^ expected an expression\n"
	      "error[E0001]: `else` without `if`\n"
	      "  --> x.bt:1:45\n"
	      "   |\n"
	      " 1 | begin { if 1 { } elif 2 { $x = ; } else { } else { } }\n"
	      "   |                                             ^^^^ no `if { … }` stands directly "
	      "before\n");
}

static void bad_numbers(void **state)
{
	check("begin { $x = 08; $y = 1.5; $z = 99999999999999999999; $w = 5kb; }",
	      "error[E0004]: malformed number `08`\n"
	      "  --> x.bt:1:14\n"
	      "   |\n"
	      " 1 | begin { $x = 08; $y = 1.5; $z = 99999999999999999999; $w = 5kb; }\n"
	      "   |              ^^ not a 64-bit integer (decimal, 0x hexadecimal or 0 octal)\n"
	      "error[E0004]: there are no floating-point numbers\n"
	      "  --> x.bt:1:23\n"
	      "   |\n"
	      " 1 | begin { $x = 08; $y = 1.5; $z = 99999999999999999999; $w = 5kb; }\n"
	      "   |                       ^^^\n"
	      "   = help: use smaller units, such as 1500ms for 1.5 seconds\n"
	      "error[E0004]: malformed number `99999999999999999999`\n"
	      "  --> x.bt:1:33\n"
	      "   |\n"
	      " 1 | begin { $x = 08; $y = 1.5; $z = 99999999999999999999; $w = 5kb; }\n"
	      "   |                                 ^^^^^^^^^^^^^^^^^^^^ not a 64-bit integer "
	      "(decimal, 0x hexadecimal or 0 octal)\n"
	      "error[E0004]: malformed number `5kb`\n"
	      "  --> x.bt:1:60\n"
	      "   |\n"
	      " 1 | begin { $x = 08; $y = 1.5; $z = 99999999999999999999; $w = 5kb; }\n"
	      "   |                                                            ^^^ an integer may "
	      "end in u, l, ll, ns, us, ms, s, m, h, d or an exponent such as e6\n");
}

static void every_statement(void **state)
{
	check("begin { $x = ; @ = ); for $i in 0..1 { } for $k : 5 { } let @m; }\nkprobe:f foo { "
	      "++1 }",
	      "error[E0001]: expected an expression, found `;`\n"
	      "  --> x.bt:1:14\n"
	      "   |\n"
	      " 1 | begin { $x = ; @ = ); for $i in 0..1 { } for $k : 5 { } let @m; }\n"
	      "   |              ^ expected an expression\n"
	      "error[E0001]: expected an expression, found `)`\n"
	      "  --> x.bt:1:20\n"
	      "   |\n"
	      " 1 | begin { $x = ; @ = ); for $i in 0..1 { } for $k : 5 { } let @m; }\n"
	      "   |                    ^ expected an expression\n"
	      "error[E0001]: `in` is not used in for\n"
	      "  --> x.bt:1:30\n"
	      "   |\n"
	      " 1 | begin { $x = ; @ = ); for $i in 0..1 { } for $k : 5 { } let @m; }\n"
	      "   |                              ^^\n"
	      "   = help: did you mean `:`?\n"
	      "error[E0001]: for runs over a map or a range\n"
	      "  --> x.bt:1:51\n"
	      "   |\n"
	      " 1 | begin { $x = ; @ = ); for $i in 0..1 { } for $k : 5 { } let @m; }\n"
	      "   |                                                   ^ neither `@map` nor "
	      "`from..to`\n"
	      "error[E0006]: maps are declared outside of probes\n"
	      "  --> x.bt:1:61\n"
	      "   |\n"
	      " 1 | begin { $x = ; @ = ); for $i in 0..1 { } for $k : 5 { } let @m; }\n"
	      "   |                                                             ^^\n"
	      "   = help: write `let @m = hash(1024);` before the probe\n"
	      "error[E0001]: expected `,`, a `/predicate/` or `{` after the name of a probe, found "
	      "`foo`\n"
	      "  --> x.bt:2:10\n"
	      "   |\n"
	      " 2 | kprobe:f foo { ++1 }\n"
	      "   |          ^^^\n"
	      "   = help: a condition is written between slashes: /pid == 1/ { … }\n"
	      "error[E0001]: `++` works on variables and maps only\n"
	      "  --> x.bt:2:18\n"
	      "   |\n"
	      " 2 | kprobe:f foo { ++1 }\n"
	      "   |                  ^ neither a $variable nor a @map\n");
}

static void comment_not_closed(void **state)
{
	check("begin { } /* abc", "error[E0005]: comment is not closed\n"
				  "  --> x.bt:1:11\n"
				  "   |\n"
				  " 1 | begin { } /* abc\n"
				  "   |           ^^ no `*/` follows\n");
}

static void config_entries(void **state)
{
	check("config = { a; b = ; c = 1 }\nbegin { }",
	      "error[E0001]: expected `=` and a value, found `;`\n"
	      "  --> x.bt:1:13\n"
	      "   |\n"
	      " 1 | config = { a; b = ; c = 1 }\n"
	      "   |             ^ expected `=` and a value\n"
	      "error[E0001]: expected an integer, a string, true, false or a word, found `;`\n"
	      "  --> x.bt:1:19\n"
	      "   |\n"
	      " 1 | config = { a; b = ; c = 1 }\n"
	      "   |                   ^ expected an integer, a string, true, false or a word\n");
}

static void loose_ends(void **state)
{
	check("}\n{ }\nbegin",
	      "error[E0001]: unexpected `}`\n"
	      "  --> x.bt:1:1\n"
	      "   |\n"
	      " 1 | }\n"
	      "   | ^ no block is open here\n"
	      "error[E0001]: expected a probe, found `{`\n"
	      "  --> x.bt:2:1\n"
	      "   |\n"
	      " 2 | { }\n"
	      "   | ^\n"
	      "   = help: a probe is written as in `tracepoint:sched:sched_switch { … }`\n"
	      "error[E0001]: expected `{` and the body of the probe\n"
	      "  --> x.bt:3:6\n"
	      "   |\n"
	      " 3 | begin\n"
	      "   |      ^\n"
	      "   = help: a probe is written as in `tracepoint:sched:sched_switch { … }`\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_for_comparison),
		cmocka_unit_test(single_quotes),
		cmocka_unit_test(missing_semicolon),
		cmocka_unit_test(brace_not_closed),
		cmocka_unit_test(paren_not_closed),
		cmocka_unit_test(string_not_closed),
		cmocka_unit_test(words_for_operators),
		cmocka_unit_test(c_after_probe),
		cmocka_unit_test(map_brackets),
		cmocka_unit_test(c_declaration),
		cmocka_unit_test(elif),
		cmocka_unit_test(bad_numbers),
		cmocka_unit_test(every_statement),
		cmocka_unit_test(comment_not_closed),
		cmocka_unit_test(config_entries),
		cmocka_unit_test(loose_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
