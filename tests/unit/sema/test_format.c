/* Formats: what the parser makes of them, and what it refuses; settings. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake.h"

static struct fake *check_format(const char *format, const char *args)
{
	char text[512];

	snprintf(text, sizeof(text), "t:a:b { printf(\"%s\"%s); }", format, args);
	return fake_check(text, NULL);
}

static void test_parse(void **state)
{
	struct fake *f = check_format(
		"a%%b %-+ #08.3lldx%5c|%hhx %hu%rx%rh%r%gr%s\\n",
		", args.ret, pid, pid, pid, args.mac, args.mac, args.comm, pid, comm");
	const struct conv *c;

	if (!f->ok)
		fprintf(stderr, "%s", buf_cstr(&f->messages));
	assert_true(f->ok);
	c = f->plan->events[0]->format->convs;
	assert_int_equal(f->plan->events[0]->format->nargs, 9);
	assert_int_equal(f->plan->events[0]->format->n, 10);
	assert_true(str_is(c[0].literal, "a%b "));
	assert_true(c[0].minus && c[0].plus && c[0].space && c[0].alt && c[0].zero);
	assert_int_equal(c[0].width, 8);
	assert_int_equal(c[0].prec, 3);
	assert_int_equal(c[0].bytes, 8);
	assert_int_equal(c[0].spec, 'd');
	assert_true(str_is(c[1].literal, "x"));
	assert_int_equal(c[1].width, 5);
	assert_int_equal(c[2].bytes, 1);
	assert_int_equal(c[3].bytes, 2);
	assert_int_equal(c[3].width, -1);
	assert_int_equal(c[4].variant, 'x');
	assert_int_equal(c[5].variant, 'h');
	assert_int_equal(c[6].variant, 0);
	assert_int_equal(c[7].variant, 'g');
	assert_int_equal(c[8].spec, 's');
	assert_int_equal(c[9].spec, 0);
	assert_true(str_is(c[9].literal, "\n"));
	fake_free(f);
}

static void refused(const char *format, const char *args)
{
	struct fake *f = check_format(format, args);

	if (!fake_has(f, "E0404"))
		fprintf(stderr, "# %s: %s\n", format, buf_cstr(&f->messages));
	assert_true(fake_has(f, "E0404"));
	assert_false(f->ok);
	fake_free(f);
}

static void test_refused(void **state)
{
	refused("%d", "");
	refused("x", ", 1");
	refused("%d", ", 1, 2");
	refused("%q", ", 1");
	refused("%f", ", 1");
	refused("%*d", ", 1");
	refused("%", "");
	refused("%d", ", comm");
	refused("%x", ", args.mac");
	refused("%r", ", pid");
	refused("%s", ", args.filename");
	refused("%99999d", ", 1");
}

static void test_config(void **state)
{
	struct arena *a = arena_new();
	struct config c;
	const char *why;

	config_init(&c, a);
	assert_int_equal(c.max_strlen, 1024);
	assert_true(config_set(&c, a, STR("MAX_STRLEN"), STR("64"), &why));
	assert_int_equal(c.max_strlen, 64);
	assert_true(config_set(&c, a, STR("bpftrace_max_map_keys"), STR("0x10"), &why));
	assert_int_equal(c.max_map_keys, 16);
	assert_true(config_set(&c, a, STR("stack_mode"), STR("perf"), &why));
	assert_int_equal(c.stack_mode, STACK_PERF);
	assert_true(config_set(&c, a, STR("missing_probes"), STR("warn"), &why));
	assert_int_equal(c.missing_probes, MISSING_WARN);
	assert_true(config_set(&c, a, STR("print_maps_on_exit"), STR("0"), &why));
	assert_false(c.print_maps_on_exit);
	assert_true(config_set(&c, a, STR("str_trunc_trailer"), STR("…"), &why));
	assert_string_equal(c.str_trunc_trailer, "…");
	assert_true(config_set(&c, a, STR("cache_user_symbols"), STR("NONE"), &why));
	assert_false(config_set(&c, a, STR("strlen"), STR("64"), &why));
	assert_non_null(strstr(why, "max_strlen"));
	assert_false(config_set(&c, a, STR("nope"), STR("64"), &why));
	assert_false(config_set(&c, a, STR("max_strlen"), STR("many"), &why));
	assert_false(config_set(&c, a, STR("max_strlen"), STR("0"), &why));
	arena_free(a);
}

static void test_environment(void **state)
{
	struct fake *f;

	setenv("BPFTRACE_MAX_STRLEN", "100", 1);
	setenv("AWL_MAX_MAP_KEYS", "77", 1);
	f = fake_check("config = { max_strlen = 32; max_map_keys = 5; on_stack_limit = 64 } begin "
		       "{ @x[1] = 1 }",
		       NULL);
	assert_true(f->ok);
	assert_int_equal(f->config.max_strlen, 100);
	assert_int_equal(f->config.on_stack_limit, 64);
	assert_int_equal(fake_map(f, "x")->max_entries, 77);
	fake_free(f);
	unsetenv("BPFTRACE_MAX_STRLEN");
	unsetenv("AWL_MAX_MAP_KEYS");
	f = fake_check("config = { max_strln = 32 } begin { exit() }", NULL);
	assert_true(fake_has(f, "E0009"));
	assert_non_null(strstr(buf_cstr(&f->messages), "did you mean `max_strlen`"));
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_environment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
