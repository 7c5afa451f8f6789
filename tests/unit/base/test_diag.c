/* Diagnostics as text and JSON, and the writer's escaping. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base.h"

struct fixture {
	struct arena *a;
	struct diag *d;
	struct buf out;
	const char *text;
};

static void start(struct fixture *f, const char *text)
{
	f->a = arena_new();
	f->d = diag_new(f->a);
	f->out = (struct buf)BUF_INIT;
	f->text = text;
	diag_add_source(f->d, "x.bt", str_of(text));
}

static struct span find(const struct fixture *f, const char *what)
{
	return (struct span){(uint32_t)(strstr(f->text, what) - f->text), (uint32_t)strlen(what),
			     0};
}

static void finish(struct fixture *f, enum diag_format format, const char *want)
{
	diag_render(f->d, &f->out, format);
	assert_string_equal(buf_cstr(&f->out), want);
	buf_release(&f->out);
	arena_free(f->a);
}

static void labels_hang(void **state)
{
	struct fixture f;
	struct diag_msg *m;

	start(&f, "begin {\n\tprintf(\"%s\", str(pid));\n}\n");
	m = diag_report(f.d, E_ARG_TYPE, find(&f, "pid"), "str() needs a pointer, got %s",
			"uint64");
	diag_primary(m, "this is uint64");
	diag_label(m, find(&f, "str"), "str(ptr p)");
	diag_help(m, "print a number with %%d");
	assert_null(diag_report(f.d, E_ARG_TYPE, find(&f, "pid"), "again"));
	assert_int_equal(diag_errors(f.d), 1);
	finish(&f, DIAG_TEXT,
	       "error[E0402]: str() needs a pointer, got uint64\n"
	       "  --> x.bt:2:19\n"
	       "   |\n"
	       " 2 |     printf(\"%s\", str(pid));\n"
	       "   |                  --- ^^^ this is uint64\n"
	       "   |                  |\n"
	       "   |                  str(ptr p)\n"
	       "   = help: print a number with %d\n");
}

static void several_lines(void **state)
{
	struct fixture f;
	struct diag_msg *m;

	start(&f, "a {\n b;\n c;\n\n d;\n}\n");
	m = diag_report(f.d, E_SYNTAX, find(&f, "b;\n c;"), "wrong");
	diag_primary(m, "all of it");
	diag_label(m, find(&f, "}"), "end");
	diag_note(m, "one\ntwo");
	finish(&f, DIAG_TEXT,
	       "error[E0001]: wrong\n"
	       "  --> x.bt:2:2\n"
	       "   |\n"
	       " 2 |  b;\n"
	       "   |  ^^\n"
	       " 3 |  c;\n"
	       "   |  ^^ all of it\n"
	       "...\n"
	       " 6 | }\n"
	       "   | - end\n"
	       "   = note: one\n"
	       "     two\n");
}

static void in_order_and_hostile(void **state)
{
	struct fixture f;

	start(&f, "\xc3\xa4 \033[2J x\ny");
	diag_report(f.d, W_UNUSED, find(&f, "y"), "second");
	diag_report(f.d, E_FEATURE, NO_SPAN, "nowhere");
	diag_suggest(diag_report(f.d, E_CHAR, find(&f, "x"), "first"), find(&f, "x"), "");
	finish(&f, DIAG_TEXT,
	       "error[E0002]: first\n"
	       "  --> x.bt:1:9\n"
	       "   |\n"
	       " 1 | \xc3\xa4 \xef\xbf\xbd[2J x\n"
	       "   |        ^\n"
	       "   = help: remove `x`\n"
	       "warning[W0001]: second\n"
	       "  --> x.bt:2:1\n"
	       "   |\n"
	       " 2 | y\n"
	       "   | ^\n"
	       "error[E0701]: nowhere\n");
}

static void long_lines_are_cut(void **state)
{
	struct fixture f;
	struct buf b = BUF_INIT;

	buf_fill(&b, 'a', 5000);
	buf_addc(&b, '!');
	buf_fill(&b, 'b', 5000);
	start(&f, b.p);
	diag_report(f.d, E_CHAR, find(&f, "!"), "here");
	diag_render(f.d, &f.out, DIAG_TEXT);
	assert_true(f.out.n < 500);
	assert_non_null(strstr(f.out.p, "aaa!bbb"));
	buf_release(&f.out);
	buf_release(&b);
	arena_free(f.a);
}

static void json(void **state)
{
	struct fixture f;
	struct diag_msg *m;

	start(&f, "a\nb c");
	m = diag_report(f.d, E_NAME, find(&f, "b"), "say \"%s\"", "b");
	diag_label(m, find(&f, "c"), "c");
	diag_suggest(m, find(&f, "b"), "d");
	finish(&f, DIAG_JSON,
	       "{\"severity\": \"error\", \"code\": \"E0201\", \"message\": \"say \\\"b\\\"\", "
	       "\"file\": \"x.bt\", \"line\": 2, \"column\": 1, \"end_line\": 2, \"end_column\": "
	       "2, \"start\": 2, \"end\": 3, "
	       "\"primary\": \"\", \"labels\": [{\"file\": \"x.bt\", \"line\": 2, \"column\": 3, "
	       "\"end_line\": 2, \"end_column\": 4, \"start\": 4, \"end\": 5, "
	       "\"message\": \"c\"}], \"notes\": [], "
	       "\"help\": [], \"suggestions\": [{\"file\": \"x.bt\", \"line\": 2, "
	       "\"column\": 1, \"end_line\": 2, "
	       "\"end_column\": 2, \"start\": 2, \"end\": 3, \"replacement\": \"d\"}]}\n");
}

static void did_you_mean(void **state)
{
	struct nearest n;

	nearest_init(&n, STR("vfs_raed"));
	nearest_try(&n, STR("vfs_write"));
	nearest_try(&n, STR("vfs_read"));
	assert_true(nearest_found(&n));
	assert_true(str_is(n.best, "vfs_read"));
	nearest_init(&n, STR("x"));
	nearest_try(&n, STR("y"));
	assert_false(nearest_found(&n));
}

static void text_is_escaped(void **state)
{
	struct buf b = BUF_INIT;

	buf_add_text(&b, STR("a\tb\n\033[2J\x7f caf\xc3\xa9 \xc3 \xc2\x9b \xed\xa0\x80"), false);
	assert_string_equal(b.p,
			    "a\tb\n\\x1b[2J\\x7f caf\xc3\xa9 \\xc3 \\xc2\\x9b \\xed\\xa0\\x80");
	buf_reset(&b);
	buf_add_text(&b, STR("\033"), true);
	assert_string_equal(b.p, "\033");
	buf_reset(&b);
	buf_add_json_str(&b, STR("\"\\\n\x01 \xff\xc3\xa9"));
	assert_string_equal(b.p, "\"\\\"\\\\\\n\\u0001 \xef\xbf\xbd\xc3\xa9\"");
	buf_reset(&b);
	buf_add_json_u64(&b, 1ull << 53);
	buf_add_json_u64(&b, UINT64_MAX);
	buf_add_json_i64(&b, -5);
	buf_add_json_i64(&b, INT64_MIN);
	assert_string_equal(b.p, "9007199254740992\"18446744073709551615\"-5"
				 "\"-9223372036854775808\"");
	buf_release(&b);
}

static void write_errors_are_kept(void **state)
{
	struct out o;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	out_init(&o, fd, OUT_TEXT, OUT_NONE);
	out_printf(&o, "x");
	out_commit(&o);
	assert_int_equal(o.error, ENOSPC);
	out_release(&o);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_hang),
		cmocka_unit_test(several_lines),
		cmocka_unit_test(in_order_and_hostile),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(json),
		cmocka_unit_test(did_you_mean),
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(write_errors_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
