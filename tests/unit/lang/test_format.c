/* The formatter over the samples, and over the scripts named by AWL_SCRIPTS (a glob): the tree of
 * the result is the tree of the source, and formatting twice changes nothing. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lang/lang.h"

struct result {
	struct buf dump, text;
};

static struct result run(const char *name, struct str source)
{
	struct arena *a = arena_new();
	struct diag *d = diag_new(a);
	struct result r = {BUF_INIT, BUF_INIT};
	struct buf messages = BUF_INIT;
	struct script *s = lang_parse(a, d, diag_add_source(d, name, source));

	diag_render(d, &messages, DIAG_TEXT);
	assert_string_equal(buf_cstr(&messages), "");
	lang_dump(s, NULL, a, &r.dump);
	lang_format(s, d, &r.text);
	buf_release(&messages);
	arena_free(a);
	return r;
}

static void check_source(const char *name, struct str source)
{
	struct result first = run(name, source);
	struct result second = run(name, (struct str){buf_cstr(&first.text), first.text.n});

	assert_string_equal(buf_cstr(&second.dump), buf_cstr(&first.dump));
	assert_string_equal(buf_cstr(&second.text), buf_cstr(&first.text));
	buf_release(&first.dump);
	buf_release(&first.text);
	buf_release(&second.dump);
	buf_release(&second.text);
}

static size_t check_glob(const char *pattern)
{
	struct buf b = BUF_INIT;
	glob_t g;
	size_t n;

	if (glob(pattern, 0, NULL, &g) != 0)
		return 0;
	n = g.gl_pathc;
	for (size_t i = 0; i < n; i++) {
		buf_reset(&b);
		assert_int_equal(buf_read_file(&b, g.gl_pathv[i], 1 << 20), 0);
		check_source(g.gl_pathv[i], (struct str){buf_cstr(&b), b.n});
	}
	buf_release(&b);
	globfree(&g);
	return n;
}

static void samples(void **state)
{
	assert_true(check_glob(getenv("AWL_SAMPLES")) >= 6);
}

static void other_scripts(void **state)
{
	check_glob("/usr/sbin/*.bt");
}

static void exact(const char *source, const char *want)
{
	struct result r = run("x.bt", str_of(source));

	assert_string_equal(buf_cstr(&r.text), want);
	buf_release(&r.dump);
	buf_release(&r.text);
}

static void house_style(void **state)
{
	exact("begin{print(@)}", "begin {\n\tprint(@);\n}\n");
	exact("BEGIN{}END{}", "BEGIN {}\n\nEND {}\n");
	exact("k:a,k:b /pid==1/{exit()}", "k:a,\nk:b\n/pid == 1/\n{\n\texit();\n}\n");
	exact("begin{$x=- -1;$y=(1,);if($x){}else if 1{}}",
	      "begin {\n\t$x = - -1;\n\t$y = (1,);\n\tif ($x) {} else if 1 {}\n}\n");
	exact("begin/ *(int8*)arg0/{}", "begin\n/ *(int8*)arg0/\n{}\n");
	exact("", "");
	exact("// only\n", "// only\n");
}

static void comments(void **state)
{
	exact("begin { // a\n\n\n  $x = /* b */ 1; // c\n\n\n\n // d\n  f(); }\n// e",
	      "begin { // a\n\t/* b */\n\t$x = 1; // c\n\n\t// d\n\tf();\n}\n// e\n");
}

static void long_lines(void **state)
{
	exact("begin { printf(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa %d %d\", "
	      "aaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbb) }",
	      "begin {\n\tprintf(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa %d %d\", "
	      "aaaaaaaaaaaaaaaaaaaaaaaaaaaa,\n\t\t\tbbbbbbbbbbbbbbbbbbbbbb);\n}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples),     cmocka_unit_test(other_scripts),
		cmocka_unit_test(house_style), cmocka_unit_test(comments),
		cmocka_unit_test(long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
