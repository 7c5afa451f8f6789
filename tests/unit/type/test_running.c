/* Every type and every tracepoint of the running kernel; skipped where it has no BTF or tracefs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <bpf/btf.h>
#include <cmocka.h>

#include "type/type.h"

static struct arena *arena;
static struct kernel *kernel;
static struct types *ts;

static int setup(void **state)
{
	arena = arena_new();
	kernel = kernel_new(NULL);
	ts = types_new(arena, kernel);
	return 0;
}

static int teardown(void **state)
{
	kernel_free(kernel);
	arena_free(arena);
	return 0;
}

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	print_message("# skipped: no %s here\n", what);
	skip();
}

static bool check_member(const struct btf *b, const struct btf_type *bt, uint32_t i,
			 const struct member *m)
{
	uint32_t at = btf_member_bit_offset(bt, i), bits = btf_member_bitfield_size(bt, i);
	int64_t size = btf__resolve_size(b, btf_members(bt)[i].type);

	if (bits)
		return m->offset * 8 + m->bit_off == at && m->bit_size == bits &&
		       m->bit_off + bits <= m->load_size * 8 &&
		       m->offset + m->load_size <= bt->size;
	return m->offset * 8 == at && (size < 0 || m->type->size == size);
}

static int check_struct(const struct btf *b, uint32_t id, const struct btf_type *bt)
{
	const struct type *t = type_from_btf(ts, id);
	uint32_t n;
	const struct member *m = type_members(ts, t, &n);
	int bad = n != btf_vlen(bt) || t->size != bt->size;

	for (uint32_t i = 0; i < n && !bad; i++)
		bad += !check_member(b, bt, i, &m[i]);
	if (bad)
		print_message("# [%u] %s\n", id, type_text(arena, t));
	return bad;
}

static void test_every_struct(void **state)
{
	struct btf *b = kernel_btf(kernel, NULL);
	int bad = 0, structs = 0;

	need(b, "BTF");
	for (uint32_t id = 1; id < btf__type_cnt(b); id++) {
		const struct btf_type *bt = btf__type_by_id(b, id);

		if (!btf_is_composite(bt))
			continue;
		structs++;
		bad += check_struct(b, id, bt);
	}
	print_message("# %d structs and unions\n", structs);
	assert_int_equal(bad, 0);
}

static int see_rawtp(void *arg, const char *name)
{
	int *count = arg;
	const struct type *t = type_from_rawtp(ts, name);

	count[0]++;
	if (!t)
		print_message("# raw tracepoint %s has no type\n", name);
	count[1] += !t;
	return 0;
}

static void test_every_raw_tracepoint(void **state)
{
	int count[2] = {0};

	need(kernel_btf(kernel, NULL), "BTF");
	assert_int_equal(kernel_rawtp_each(kernel, see_rawtp, count, NULL), 0);
	print_message("# %d raw tracepoints\n", count[0]);
	assert_true(count[0] > 100);
	assert_int_equal(count[1], 0);
}

/* Of the record's size, except for a narrower argument of a system call in its register. */
static bool check_field(const char *category, const struct tp_field *f, const struct member *m)
{
	if (m->offset != f->offset || m->loc != f->loc)
		return false;
	if (f->loc != TP_PLAIN)
		return m->type->kind == TYPE_ARRAY;
	return m->type->size == f->size ||
	       (strcmp(category, "syscalls") == 0 && f->size == 8 && type_is_integer(m->type));
}

static int see_event(void *arg, const char *category, const char *name)
{
	struct tp_format f;
	int *count = arg;
	uint32_t n, at = 0;
	const struct member *m;

	if (kernel_tp_format(kernel, arena, category, name, &f, NULL) < 0)
		return 0; /* a directory that is no event */
	m = type_members(ts, type_from_tracepoint(ts, &f), &n);
	for (size_t i = 0; i < f.nfields; i++) {
		if (f.fields[i].is_common)
			continue;
		count[0]++;
		if (at < n && check_field(category, &f.fields[i], &m[at++]))
			continue;
		count[1]++;
		print_message("# %s:%s %s\n", category, name, f.fields[i].name);
	}
	return 0;
}

static void test_every_tracepoint(void **state)
{
	int count[2] = {0};

	need(kernel_tracefs(kernel, NULL) >= 0, "tracefs");
	assert_int_equal(kernel_tp_each(kernel, see_event, count, NULL), 0);
	print_message("# %d fields\n", count[0]);
	assert_true(count[0] > 1000);
	assert_int_equal(count[1], 0);
}

static void test_known_kernel_types(void **state)
{
	const struct type *task, *ret;
	struct member m;
	uint64_t v;

	need(kernel_btf(kernel, NULL), "BTF");
	task = type_lookup(ts, LOOKUP_STRUCT, STR("task_struct"));
	assert_true(type_member(ts, task, STR("comm"), &m));
	assert_string_equal(type_text(arena, m.type), "int8[16]");
	assert_true(
		type_member(ts, type_lookup(ts, LOOKUP_STRUCT, STR("file")), STR("f_path"), &m));
	assert_true(type_enumerator(ts, STR("PERF_COUNT_HW_CPU_CYCLES"), &v, &ret));
	assert_int_equal(v, 0);
	assert_string_equal(type_text(arena, type_lookup(ts, LOOKUP_PLAIN, STR("gfp_t"))),
			    "uint32");
	assert_non_null(
		type_from_func(ts, kernel_btf_func(kernel, NULL, "vfs_read"), SPACE_BTF, &ret));
	assert_string_equal(type_text(arena, ret), "int64");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_struct),
		TEST(test_every_raw_tracepoint),
		TEST(test_every_tracepoint),
		TEST(test_known_kernel_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
