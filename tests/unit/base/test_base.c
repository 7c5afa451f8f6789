/* Strings, buffers, vectors, maps, the arena and errors. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

static void arena_is_zeroed_and_aligned(void **state)
{
	struct arena *a = arena_new();

	for (size_t size = 1; size < 300000; size = size * 2 + 1) {
		unsigned char *p = arena_alloc(a, size);

		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
	}
	assert_string_equal(arena_printf(a, "%d-%s", 7, "x"), "7-x");
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	arena_free(a);
	arena_free(NULL);
}

static void slices(void **state)
{
	struct str s = STR("a:b:");

	assert_true(str_is(str_cut(&s, ':'), "a"));
	assert_true(str_is(str_cut(&s, ':'), "b"));
	assert_non_null(s.p);
	assert_int_equal(str_cut(&s, ':').n, 0);
	assert_null(s.p);
	assert_true(str_is(str_trim(STR(" \t x y\n")), "x y"));
	assert_int_equal(str_trim(STR("  ")).n, 0);
	assert_true(str_ends(STR("libc.so"), STR(".so")));
	assert_false(str_ends(STR("so"), STR(".so")));
	assert_true(str_case_eq(STR("BEGIN"), STR("begin")));
	assert_int_equal(str_distance(STR("kitten"), STR("sitting")), 3);
	assert_int_equal(str_distance(STR(""), STR("abc")), 3);
	assert_int_equal(str_distance(STR("strat"), STR("start")), 1);
	assert_int_equal(str_distance(STR("cuont"), STR("count")), 1);
	assert_int_equal(str_distance(STR("ca"), STR("abc")), 3);
}

static void globs(void **state)
{
	assert_true(str_glob(STR("vfs_*e?"), STR("vfs_readex")));
	assert_true(str_glob(STR("*"), STR("")));
	assert_true(str_glob(STR("a*b*c"), STR("axxbxbxc")));
	assert_false(str_glob(STR("a*b*c"), STR("axxbxbx")));
	assert_false(str_glob(STR("?"), STR("")));
	assert_false(str_glob(STR(""), STR("x")));
}

static void numbers(void **state)
{
	unsigned long long v;

	assert_true(str_to_u64(STR("1_000"), &v) && v == 1000);
	assert_true(str_to_u64(STR("0xfF"), &v) && v == 255);
	assert_true(str_to_u64(STR("017"), &v) && v == 15);
	assert_true(str_to_u64(STR("18446744073709551615"), &v) && v == UINT64_MAX);
	assert_false(str_to_u64(STR("18446744073709551616"), &v));
	assert_false(str_to_u64(STR(""), &v));
	assert_false(str_to_u64(STR("0x"), &v));
	assert_false(str_to_u64(STR("08"), &v));
	assert_false(str_to_u64(STR("12a"), &v));
	assert_false(str_to_u64(STR("1_"), &v));
	assert_false(str_to_u64(STR("-1"), &v));
}

static void buffers(void **state)
{
	struct buf b = BUF_INIT;

	assert_string_equal(buf_cstr(&b), "");
	buf_addi64(&b, INT64_MIN);
	buf_addc(&b, ' ');
	buf_addu64(&b, UINT64_MAX);
	assert_string_equal(b.p, "-9223372036854775808 18446744073709551615");
	buf_reset(&b);
	buf_printf(&b, "%0500d", 1);
	assert_int_equal(b.n, 500);
	assert_int_equal(b.p[500], 0);
	buf_release(&b);
	assert_int_equal(buf_read_file(&b, "/proc/self/status", 1 << 20), 0);
	assert_non_null(strstr(b.p, "Pid:"));
	assert_int_equal(buf_read_file(&b, "/proc/self/status", 10), -EFBIG);
	assert_int_equal(buf_read_file(&b, "/nonexistent", 10), -ENOENT);
	buf_release(&b);
}

static void vectors(void **state)
{
	struct arena *a = arena_new();
	VEC(int) v = {NULL, 0, 0}, h = {NULL, 0, 0};
	int sum = 0;

	for (int i = 0; i < 1000; i++) {
		vec_push(a, &v, i);
		hvec_push(&h, i);
	}
	VEC_EACH (int, p, &v)
		sum += *p;
	assert_int_equal(sum, 499500);
	assert_int_equal(h.v[999], 999);
	hvec_release(&h);
	assert_int_equal(h.n, 0);
	arena_free(a);
}

static void maps(void **state)
{
	struct arena *a = arena_new();
	struct strmap m;
	size_t i = 0;

	strmap_init(&m, a);
	assert_null(strmap_get(&m, STR("x")));
	for (i = 0; i < 1000; i++)
		strmap_put(&m, str_of(arena_printf(a, "key%zu", i)), (void *)(i + 1));
	strmap_put(&m, STR("key7"), a);
	assert_ptr_equal(strmap_get(&m, STR("key7")), a);
	assert_ptr_equal(strmap_get(&m, STR("key999")), (void *)1000);
	assert_null(strmap_get(&m, STR("key1000")));
	assert_int_equal(m.n, 1000);
	i = 0;
	STRMAP_EACH (e, &m)
		assert_string_equal(e->key.p, arena_printf(a, "key%zu", i++));
	arena_free(a);
}

static void errors(void **state)
{
	struct err e;

	assert_int_equal(err_set(&e, ENOENT, "open %s", "/x"), -ENOENT);
	assert_int_equal(err_wrap(&e, "attach %s", "f"), -ENOENT);
	assert_string_equal(e.what, "attach f: open /x: No such file or directory");
	err_hint(&e, "try %d", 1);
	assert_string_equal(e.hint, "try 1");
	assert_int_equal(err_plain(&e, E2BIG, "too much"), -E2BIG);
	assert_string_equal(e.what, "too much");
	assert_string_equal(e.hint, "");
	for (int i = 0; i < 100; i++)
		err_wrap(&e, "a long context around it");
	assert_true(strlen(e.what) < sizeof(e.what));
	assert_string_equal(e.what + strlen(e.what) - 3, "...");
	err_clear(&e);
	assert_int_equal(e.code, 0);
	assert_int_equal(err_set(NULL, EPERM, "x"), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_is_zeroed_and_aligned),
		cmocka_unit_test(slices),
		cmocka_unit_test(globs),
		cmocka_unit_test(numbers),
		cmocka_unit_test(buffers),
		cmocka_unit_test(vectors),
		cmocka_unit_test(maps),
		cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
