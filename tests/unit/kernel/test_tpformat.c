/* The parser of tracepoint formats: what real kernels write, and what no kernel should. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/kernel.h"

#define HEAD "name: x\nID: 7\nformat:\n"

static struct arena *arena;

static int setup(void **state)
{
	arena = arena_new();
	return 0;
}

static int teardown(void **state)
{
	arena_free(arena);
	return 0;
}

static int parse(const char *text, struct tp_format *f)
{
	struct err e = {0};
	int r;

	*f = (struct tp_format){0};
	r = tp_format_parse(arena, str_of(text), f, &e);
	if (r < 0)
		assert_true(e.code == EBADMSG && e.what[0]);
	return r;
}

static void test_plain(void **state)
{
	struct tp_format f;

	assert_int_equal(
		parse(HEAD "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
			   "\n"
			   "\tfield:const char * name;\toffset:8;\tsize:8;\tsigned:0;\n"
			   "\tfield:long state;\toffset:16;\tsize:8;\tsigned:1;\n"
			   "\nprint fmt: \"field:int bad\", REC->x\n",
		      &f),
		0);
	assert_int_equal(f.id, 7);
	assert_int_equal(f.nfields, 3);
	assert_true(f.fields[0].is_common);
	assert_string_equal(f.fields[0].ctype, "unsigned short");
	assert_string_equal(f.fields[1].ctype, "const char *");
	assert_string_equal(f.fields[1].name, "name");
	assert_int_equal(f.fields[1].offset, 8);
	assert_false(f.fields[1].is_common);
	assert_true(f.fields[2].is_signed);
	assert_int_equal(f.fields[2].count, 0);
}

static void test_arrays(void **state)
{
	struct tp_format f;

	assert_int_equal(parse(HEAD "field:char comm[16]; offset:8; size:16; signed:0;\n"
				    "field:u32 v[N_OF_THEM]; offset:24; size:12; signed:0;\n"
				    "field:unsigned long args[]; offset:40; size:0; signed:0;\n"
				    "field:char *names[2]; offset:40; size:16; signed:0;\n",
			       &f),
			 0);
	assert_string_equal(f.fields[0].ctype, "char[16]");
	assert_string_equal(f.fields[0].name, "comm");
	assert_int_equal(f.fields[0].count, 16);
	assert_int_equal(f.fields[1].count, 3);
	assert_int_equal(f.fields[2].count, 0);
	assert_string_equal(f.fields[2].name, "args");
	assert_string_equal(f.fields[3].name, "names");
	assert_string_equal(f.fields[3].ctype, "char *[2]");
}

static void test_locations(void **state)
{
	struct tp_format f;

	assert_int_equal(parse(HEAD
			       "field:__data_loc char[] name; offset:8; size:4; signed:0;\n"
			       "field:__rel_loc u8[] data; offset:12; size:4; signed:0;\n"
			       "field:__data_loc cpumask_t cpus; offset:16; size:4; signed:0;\n",
			       &f),
			 0);
	assert_int_equal(f.fields[0].loc, TP_DATA_LOC);
	assert_string_equal(f.fields[0].ctype, "char[]");
	assert_string_equal(f.fields[0].name, "name");
	assert_int_equal(f.fields[1].loc, TP_REL_LOC);
	assert_string_equal(f.fields[2].ctype, "cpumask_t");
}

/* Old kernels write no "signed"; the last line may lack its end. */
static void test_lenient(void **state)
{
	struct tp_format f;

	assert_int_equal(parse("ID: 1\nfield:int x; offset:0; size:4;", &f), 0);
	assert_int_equal(f.nfields, 1);
	assert_false(f.fields[0].is_signed);
	assert_int_equal(parse("ID: 3", &f), 0);
	assert_int_equal(f.nfields, 0);
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"ID:",
		"ID: x\n",
		"ID: -1\n",
		"ID: 99999999999\n",
		HEAD "field:\n",
		HEAD "field:;\n",
		HEAD "field:int;\n",
		HEAD "field:int x;\n",
		HEAD "field:int x; offset:0;\n",
		HEAD "field:int x; size:4; offset:0;\n",
		HEAD "field:int x; offset:-1; size:4;\n",
		HEAD "field:int x; offset:0; size:4294967296;\n",
		HEAD "field:int x; offset:99999999; size:4; signed:0;\n",
		HEAD "field:x; offset:0; size:4; signed:0;\n",
		HEAD "field:int x]; offset:0; size:4; signed:0;\n",
		HEAD "field:[4]; offset:0; size:4; signed:0;\n",
		HEAD "field:\001 x; offset:0; size:4; signed:0;\n",
		HEAD "field:int (*x)(void); offset:0; size:8; signed:0;\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tp_format f;
		int r = parse(bad[i], &f);

		if (r != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
	}
}

/* Every cut of a real format is either parsed or refused, never misread out of bounds. */
static void test_cut(void **state)
{
	struct buf b = BUF_INIT;
	const char *path = MINI "/tracefs/events/sched/sched_switch/format";

	assert_int_equal(buf_read_file(&b, path, 1 << 16), 0);
	for (size_t n = 0; n <= b.n; n++) {
		char *copy = malloc(n + 1); /* exact size: for AddressSanitizer */
		struct tp_format f = {0};

		memcpy(copy, b.p, n);
		tp_format_parse(arena, (struct str){copy, n}, &f, NULL);
		free(copy);
	}
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arrays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lenient, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
