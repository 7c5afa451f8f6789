/* Values to text and JSON, and their order. */
#include <math.h>
#include "fixture.h"
#include "values.h"

static void check(const struct type *t, const void *v, const char *text, const char *json)
{
	struct buf b = BUF_INIT;

	render.json = false;
	render_value(&render, t, v, &b);
	assert_string_equal(buf_cstr(&b), text);
	buf_reset(&b);
	render.json = true;
	render_value(&render, t, v, &b);
	assert_string_equal(buf_cstr(&b), json);
	buf_release(&b);
}

static void check_text(const struct type *t, const void *v, const char *text)
{
	struct buf b = BUF_INIT;

	render.json = false;
	render_value(&render, t, v, &b);
	assert_string_equal(buf_cstr(&b), text);
	buf_release(&b);
}

static void scalars(void **state)
{
	check(type_int(types, 8, true), &(int64_t){-5}, "-5", "-5");
	check(type_int(types, 8, false), &(uint64_t){UINT64_MAX}, "18446744073709551615",
	      "\"18446744073709551615\"");
	check(type_int(types, 2, true), &(int16_t){-2}, "-2", "-2");
	check(type_int(types, 1, false), &(uint8_t){255}, "255", "255");
	check(&type_bool, &(uint8_t){0}, "false", "false");
	check(type_ptr(types, &type_void, SPACE_USER), &(uint64_t){0xdead}, "0xdead", "57005");
}

static void strings_and_buffers(void **state)
{
	const struct {
		uint32_t n;
		char d[8];
	} b = {3, "a\x01z"};

	check(type_string(types, 8), "ab\"c\0\0\0", "ab\"c", "\"ab\\\"c\"");
	check(type_string(types, 4), "abcd", "abcd..", "\"abcd..\"");
	check(type_string(types, 4), "\033[m", "\\x1b[m", "\"\\u001b[m\"");
	check(type_buf(types, 8), &b, "a\\x01z", "[97,1,122]");
	check(type_array(types, type_int(types, 4, true), 3), ((int32_t[]){1, -2, 3}), "[1,-2,3]",
	      "[1,-2,3]");
	check(type_array(types, type_int(types, 1, true), 4), "ab\0\0", "ab", "\"ab\"");
	check(type_array(types, type_int(types, 1, false), 2), "ab", "[97,98]", "[97,98]");
}

static void check_ndjson(const struct type *t, const void *v, const char *json)
{
	struct buf b = BUF_INIT;

	render.json = render.ndjson = true;
	render_value(&render, t, v, &b);
	render.json = render.ndjson = false;
	assert_string_equal(buf_cstr(&b), json);
	buf_release(&b);
}

static void ndjson_is_lossless(void **state)
{
	const struct type *s4 = type_string(types, 4);
	const struct type f4 = {.kind = TYPE_FLOAT, .size = 4, .align = 4};

	check_ndjson(s4, "ab", "\"ab\"");
	check_ndjson(s4, "abcd", "{\"$text\": \"abcd\", \"$truncated\": true}");
	check_ndjson(s4, "\xff\0\0", "{\"$text\": \"\xef\xbf\xbd\", \"$base64\": \"/w==\"}");
	check_ndjson(s4, "abc\xc3",
		     "{\"$text\": \"abc\xef\xbf\xbd\", \"$base64\": \"YWJjww==\", \"$truncated\": "
		     "true}");
	check_ndjson(type_array(types, type_int(types, 1, true), 2), "\xfe\xff",
		     "{\"$text\": \"\xef\xbf\xbd\xef\xbf\xbd\", \"$base64\": \"/v8=\"}");
	check_ndjson(type_ptr(types, &type_void, SPACE_KERNEL), &(uint64_t){0xffff888100000000},
		     "\"0xffff888100000000\"");
	check_ndjson(type_int(types, 8, true), &(int64_t){INT64_MIN}, "\"-9223372036854775808\"");
	check_ndjson(type_int(types, 8, true), &(int64_t){-(1ll << 53)}, "-9007199254740992");
	check_ndjson(&f4, &(float){1.5f}, "1.5");
	check_ndjson(&f4, &(float){INFINITY}, "null");
}

static void tuples_and_records(void **state)
{
	const struct type *i8 = type_int(types, 8, true), *s8 = type_string(types, 8);
	const struct type *inner = type_tuple(types, (const struct type *[]){i8, i8}, 2);
	const struct type *outer = type_tuple(types, (const struct type *[]){i8, s8, inner}, 3);
	const struct type *rec = type_record(types, (const struct str[]){STR("a"), STR("b")},
					     (const struct type *[]){i8, s8}, 2);
	const struct {
		int64_t a;
		char s[8];
		int64_t b, c;
	} v = {1, "abc", 2, 3};

	check(outer, &v, "(1, abc, (2, 3))", "[1,\"abc\",[2,3]]");
	check(rec, &v, "{ .a = 1, .b = abc }", "{\"a\": 1, \"b\": \"abc\"}");
}

static void structs_with_bit_fields(void **state)
{
	const struct type *u4 = type_int(types, 4, false), *i4 = type_int(types, 4, true);
	static struct member inner_m[1], m[4];
	const struct type *inner, *t;
	const struct {
		uint32_t bits;
		int32_t x, y;
	} v = {0x5 | 7 << 3, -1, 9};

	inner_m[0] = (struct member){.name = STR("y"), .type = i4, .offset = 0};
	inner = type_struct_new(types, NULL, 4, inner_m, 1);
	m[0] = (struct member){.name = STR("lo"), .type = u4, .bit_size = 3, .load_size = 4};
	m[1] = (struct member){
		.name = STR("hi"), .type = i4, .bit_off = 3, .bit_size = 3, .load_size = 4};
	m[2] = (struct member){.name = STR("x"), .type = i4, .offset = 4};
	m[3] = (struct member){.name = STR(""), .type = inner, .offset = 8};
	t = type_struct_new(types, "s", 12, m, 4);
	check(t, &v, "{ .lo = 5, .hi = -1, .x = -1, .y = 9 }",
	      "{\"lo\": 5, \"hi\": -1, \"x\": -1, \"y\": 9}");
}

static int sign(int x)
{
	return x < 0 ? -1 : x > 0;
}

static int order(const struct type *t, const void *a, const void *b)
{
	int c = value_compare(types, t, a, b);

	assert_int_equal(sign(c), -sign(value_compare(types, t, b, a)));
	assert_int_equal(value_compare(types, t, a, a), 0);
	return sign(c);
}

static void order_of_values(void **state)
{
	const struct type *i8 = type_int(types, 8, true), *u8 = type_int(types, 8, false);
	const struct type *s8 = type_string(types, 8);
	const struct type *t = type_tuple(types, (const struct type *[]){i8, s8}, 2);
	const struct {
		int64_t n;
		char s[8];
	} a = {1, "b"}, b = {2, "a"}, c = {2, "b"};

	assert_int_equal(order(i8, &(int64_t){-1}, &(int64_t){1}), -1);
	assert_int_equal(order(u8, &(uint64_t){UINT64_MAX}, &(uint64_t){1}), 1);
	assert_int_equal(order(s8, "abc\0xyz", "abcd\0\0\0"), -1);
	assert_int_equal(order(s8, "abc\0xyz", "abc\0\0\0\0"), 0);
	assert_int_equal(order(t, &a, &b), -1);
	assert_int_equal(order(t, &b, &c), -1);
	assert_int_equal(order(&type_bool, &(uint8_t){0}, &(uint8_t){1}), -1);
	assert_int_equal(order(type_ptr(types, &type_void, SPACE_USER), &(uint64_t){1ull << 63},
			       &(uint64_t){1}),
			 1);
}

/* Frames out of the stack map, in the modes that need no names, and one known kernel function. */
static void stacks(void **state)
{
	struct {
		uint64_t hash;
		uint32_t tgid;
		uint16_t frames, kind;
	} key = {77, 0, 2, STACK_KERNEL};
	uint64_t frames[5] = {2, 0, 0x1234}, addr = 0;
	char want[128];
	struct fixture f;

	fixture_init(&f, OUT_TEXT);
	f.p.stacks = MAP_FIRST;
	fixture_map(&f, ".stacks", BPF_MAP_TYPE_HASH,
		    type_stack(f.p.types, STACK_KERNEL, STACK_RAW, 4),
		    type_array(f.p.types, type_int(f.p.types, 8, false), 4))
		->user = false;
	fixture_start(&f);
	assert_true(kernel_kaddr(f.kernel, "vfs_read", &addr));
	frames[1] = addr + 5;
	assert_int_equal(bpf_map_set(f.run->map_fds[MAP_FIRST], &key, frames, 0), 0);
	render = f.run->host.render;
	snprintf(want, sizeof(want), "\n        %" PRIx64 "\n        1234\n", addr + 5);
	check_text(type_stack(f.p.types, STACK_KERNEL, STACK_RAW, 4), &key, want);
	check_text(type_stack(f.p.types, STACK_KERNEL, STACK_BPFTRACE, 1), &key,
		   "\n        vfs_read+5\n");
	snprintf(want, sizeof(want), "\n\t%" PRIx64 " vfs_read+5\n", addr + 5);
	check_text(type_stack(f.p.types, STACK_KERNEL, STACK_PERF, 1), &key, want);
	key.hash = 78;
	check_text(type_stack(f.p.types, STACK_KERNEL, STACK_RAW, 4), &key,
		   "\n        <stack lost: the stack map was full>\n");
	key.frames = 0;
	check_text(type_stack(f.p.types, STACK_KERNEL, STACK_RAW, 4), &key, "\n");
	fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars),
		cmocka_unit_test(strings_and_buffers),
		cmocka_unit_test(ndjson_is_lossless),
		cmocka_unit_test(tuples_and_records),
		cmocka_unit_test(structs_with_bit_fields),
		cmocka_unit_test(order_of_values),
		cmocka_unit_test(stacks),
	};

	if (getuid() != 0)
		return 77;
	return cmocka_run_group_tests(tests, setup, teardown);
}
