/* Making types: interning, layout, equality, text, names that need no BTF, declared structs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "type/type.h"

static struct arena *arena;
static struct types *ts;

static int setup(void **state)
{
	arena = arena_new();
	ts = types_new(arena, NULL); /* no kernel: nothing here may need one */
	return 0;
}

static int teardown(void **state)
{
	arena_free(arena);
	return 0;
}

static void check_text(const struct type *t, const char *text)
{
	assert_non_null(t);
	assert_string_equal(type_text(arena, t), text);
}

static void test_interning(void **state)
{
	static const struct view view = {.name = "ksym_t", .size = 8, .align = 8};
	static const int64_t p[3] = {0, 100, 10}, q[3] = {0, 100, 20};
	const struct agg *agg = (const struct agg *)&view; /* only its address counts */
	const struct type *i32 = type_int(ts, 4, true), *u8 = type_int(ts, 1, false);
	const struct type *pair[] = {i32, u8};
	struct str names[] = {STR("a"), STR("b")}, others[] = {STR("ab"), STR("")};

	assert_ptr_equal(type_int(ts, 8, true), type_int(ts, 8, true));
	assert_ptr_equal(type_ptr(ts, i32, SPACE_USER), type_ptr(ts, i32, SPACE_USER));
	assert_ptr_not_equal(type_ptr(ts, i32, SPACE_USER), type_ptr(ts, i32, SPACE_KERNEL));
	assert_ptr_equal(type_array(ts, u8, 4), type_array(ts, u8, 4));
	assert_ptr_not_equal(type_array(ts, u8, 4), type_array(ts, u8, 5));
	assert_ptr_equal(type_string(ts, 16), type_string(ts, 16));
	assert_ptr_not_equal(type_string(ts, 16), type_buf(ts, 16));
	assert_ptr_equal(type_tuple(ts, pair, 2), type_tuple(ts, pair, 2));
	assert_ptr_not_equal(type_tuple(ts, pair, 2), type_tuple(ts, pair, 1));
	assert_ptr_equal(type_record(ts, names, pair, 2), type_record(ts, names, pair, 2));
	assert_ptr_not_equal(type_record(ts, names, pair, 2), type_record(ts, others, pair, 2));
	assert_ptr_not_equal(type_record(ts, names, pair, 2), type_tuple(ts, pair, 2));
	assert_ptr_equal(type_stack(ts, STACK_USER, STACK_PERF, 3),
			 type_stack(ts, STACK_USER, STACK_PERF, 3));
	assert_ptr_not_equal(type_stack(ts, STACK_USER, STACK_PERF, 3),
			     type_stack(ts, STACK_USER, STACK_PERF, 4));
	assert_ptr_equal(type_view(ts, &view, 1), type_view(ts, &view, 1));
	assert_ptr_not_equal(type_view(ts, &view, 1), type_view(ts, &view, 2));
	assert_ptr_equal(type_agg(ts, agg, 8, true, p), type_agg(ts, agg, 8, true, p));
	assert_ptr_not_equal(type_agg(ts, agg, 8, true, p), type_agg(ts, agg, 8, true, q));
	assert_ptr_equal(type_agg(ts, agg, 8, true, NULL), type_agg(ts, agg, 8, true, NULL));
}

static void check_literal(uint64_t v, bool u64, unsigned size, bool is_signed, bool flexible)
{
	const struct type *t = type_int_literal(ts, v, u64);

	assert_int_equal(t->kind, TYPE_INT);
	assert_int_equal(t->size, size);
	assert_int_equal(t->num.is_signed, is_signed);
	assert_int_equal(t->num.flexible, flexible);
}

static void test_literals(void **state)
{
	check_literal(0, false, 1, true, true);
	check_literal(127, false, 1, true, true);
	check_literal(128, false, 2, true, true);
	check_literal(40000, false, 4, true, true);
	check_literal(1ull << 31, false, 8, true, true);
	check_literal(-1, false, 1, true, false);
	check_literal(-129, false, 2, true, false);
	check_literal(INT64_MIN, false, 8, true, false);
	check_literal(UINT64_MAX, true, 8, false, false);
	assert_true(type_eq(type_int_literal(ts, 5, false), type_int(ts, 1, true)));
}

static void test_layout(void **state)
{
	const struct type *items[] = {type_int(ts, 1, false), type_int(ts, 8, true),
				      type_string(ts, 5), type_int(ts, 2, true)};
	const struct type *t = type_tuple(ts, items, 4);
	const struct type *nested[] = {type_int(ts, 4, true), t};
	uint32_t n;
	const struct member *m = type_members(ts, t, &n);

	assert_int_equal(n, 4);
	assert_int_equal(m[0].offset, 0);
	assert_int_equal(m[1].offset, 8);
	assert_int_equal(m[2].offset, 16);
	assert_int_equal(m[3].offset, 22);
	assert_int_equal(t->size, 24);
	assert_int_equal(t->align, 8);
	t = type_tuple(ts, nested, 2);
	assert_int_equal(t->size, 32);
	assert_int_equal(type_members(ts, t, &n)[1].offset, 8);
	assert_int_equal(type_buf(ts, 64)->size, 68);
	assert_int_equal(type_buf(ts, 64)->align, 4);
	assert_int_equal(type_stack(ts, STACK_KERNEL, STACK_BPFTRACE, 127)->size, 16);
	assert_int_equal(type_array(ts, type_int(ts, 8, true), UINT32_MAX)->size,
			 0); /* no overflow */
}

static void test_text(void **state)
{
	const struct type *i64 = type_int(ts, 8, true), *str16 = type_string(ts, 16);
	const struct type *items[] = {i64, str16};
	struct str names[] = {STR("x"), STR("y")};
	const struct type *st = type_declare(ts, LOOKUP_STRUCT, "task_struct");

	check_text(type_int(ts, 8, false), "uint64");
	check_text(&type_bool, "bool");
	check_text(&type_void, "void");
	check_text(str16, "string[16]");
	check_text(type_buf(ts, 8), "buffer[8]");
	check_text(st, "struct task_struct");
	check_text(type_ptr(ts, st, SPACE_KERNEL), "struct task_struct *");
	check_text(type_ptr(ts, type_ptr(ts, st, SPACE_KERNEL), SPACE_KERNEL),
		   "struct task_struct **");
	check_text(type_array(ts, type_array(ts, type_int(ts, 1, true), 3), 2), "int8[2][3]");
	check_text(type_tuple(ts, items, 2), "(int64,string[16])");
	check_text(type_record(ts, names, items, 2), "(x=int64,y=string[16])");
	check_text(type_stack(ts, STACK_USER, STACK_RAW, 1), "ustack_t");
	check_text(type_struct_new(ts, NULL, 0, NULL, 0), "struct (anonymous)");
}

static void test_classes(void **state)
{
	const struct type *i8 = type_int(ts, 1, true), *u64 = type_int(ts, 8, false);

	assert_true(type_is_char(i8) && type_is_char(type_int(ts, 1, false)));
	assert_false(type_is_char(&type_bool) || type_is_char(u64));
	assert_true(type_is_integer(&type_bool) && type_is_integer(u64));
	assert_false(type_is_integer(type_ptr(ts, i8, SPACE_NONE)));
	assert_true(type_is_scalar(type_ptr(ts, i8, SPACE_NONE)));
	assert_false(type_is_scalar(type_string(ts, 4)));
	assert_true(type_is_signed(i8));
	assert_false(type_is_signed(u64) || type_is_signed(&type_bool));
}

static void test_builtin_names(void **state)
{
	static const struct {
		const char *name, *text;
	} cases[] = {
		{"int", "int32"},
		{"char", "int8"},
		{"unsigned char", "uint8"},
		{"signed char", "int8"},
		{"unsigned", "uint32"},
		{"long unsigned int", "uint64"},
		{"unsigned  long  long", "uint64"},
		{"short int", "int16"},
		{"const int", "int32"},
		{"size_t", "uint64"},
		{"pid_t", "int32"},
		{"u8", "uint8"},
		{"uint8_t", "uint8"},
		{"__be16", "uint16"},
		{"bool", "bool"},
		{"void", "void"},
		{" int64 ", "int64"},
	};
	static const char *const unknown[] = {
		"",      "foo",        "long char",      "int int",  "signed unsigned",
		"const", "short long", "long long long", "struct x", "char int"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_text(type_builtin(ts, str_of(cases[i].name)), cases[i].text);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_null(type_builtin(ts, str_of(unknown[i])));
}

static void test_declared_struct(void **state)
{
	const struct type *node = type_declare(ts, LOOKUP_STRUCT, "node");
	struct member members[] = {
		{.name = STR("value"), .type = type_int(ts, 4, true), .offset = 0},
		{.name = STR("next"), .type = type_ptr(ts, node, SPACE_USER), .offset = 8}};
	struct member m;
	uint32_t n;

	assert_ptr_equal(type_declare(ts, LOOKUP_STRUCT, "node"), node);
	assert_ptr_not_equal(type_declare(ts, LOOKUP_UNION, "node"), node);
	assert_false(type_complete(ts, node));
	assert_null(type_members(ts, node, &n));
	type_define(ts, node, 16, 8, members, 2);
	assert_true(type_complete(ts, node));
	assert_int_equal(node->size, 16);
	assert_ptr_equal(type_lookup(ts, LOOKUP_STRUCT, STR("node")), node);
	assert_null(type_lookup(ts, LOOKUP_STRUCT, STR("other")));
	assert_true(type_member(ts, node, STR("next"), &m));
	assert_ptr_equal(m.type->ptr.to, node);
	assert_false(type_member(ts, node, STR("prev"), &m));
	assert_false(type_member(ts, node, STR(""), &m));
	type_typedef(ts, "node_t", node);
	assert_ptr_equal(type_lookup(ts, LOOKUP_PLAIN, STR("node_t")), node);
}

static void test_anonymous_members(void **state)
{
	struct member inner[] = {{.name = STR("x"), .type = type_int(ts, 4, true), .offset = 4}};
	const struct type *in = type_struct_new(ts, NULL, 8, inner, 1);
	struct member middle[] = {{.type = in, .offset = 8}};
	const struct type *mid = type_struct_new(ts, NULL, 16, middle, 1);
	struct member outer[] = {{.name = STR("a"), .type = in, .offset = 0},
				 {.type = mid, .offset = 16}};
	const struct type *out = type_struct_new(ts, "outer", 32, outer, 2);
	struct member m;

	assert_true(type_member(ts, out, STR("x"), &m));
	assert_int_equal(m.offset, 16 + 8 + 4);
	assert_true(type_member(ts, out, STR("a"), &m));
	assert_int_equal(m.offset, 0);
}

static int completions;

static bool complete(struct types *types, const struct type *t, void *arg)
{
	struct member m = {
		.name = STR("self"), .type = type_ptr(types, t, SPACE_USER), .offset = 0};

	completions++;
	if (!arg)
		return false;
	type_define(types, t, 8, 8, &m, 1);
	return true;
}

static void test_lazy_struct(void **state)
{
	const struct type *good = type_struct_lazy(ts, "dwarf", false, 8, complete, &completions);
	const struct type *bad = type_struct_lazy(ts, NULL, true, 24, complete, NULL);
	struct member m;
	uint32_t n;

	completions = 0;
	assert_int_equal(bad->size, 24);
	assert_true(type_member(ts, good, STR("self"), &m));
	assert_true(type_member(ts, good, STR("self"), &m));
	assert_int_equal(completions, 1);
	assert_null(type_members(ts, bad, &n));
	assert_null(type_members(ts, bad, &n));
	assert_int_equal(completions, 2);
}

static void test_enum(void **state)
{
	struct enum_value values[] = {{"RED", 1}, {"BLUE", (uint64_t)-2}};
	const struct type *t = type_enum_new(ts, "color", 4, true, values, 2), *found;
	uint64_t v;

	check_text(t, "enum color");
	assert_true(type_is_signed(t));
	assert_true(type_enumerator(ts, STR("BLUE"), &v, &found));
	assert_int_equal((int64_t)v, -2);
	assert_ptr_equal(found, t);
	assert_string_equal(type_enum_text(ts, t, 1), "RED");
	assert_string_equal(type_enum_text(ts, t, 0xfffffffe), "BLUE");
	assert_null(type_enum_text(ts, t, 7));
	assert_false(type_enumerator(ts, STR("GREEN"), &v, &found));
	assert_ptr_equal(type_lookup(ts, LOOKUP_ENUM, STR("color")), t);
}

/* A struct that holds itself cannot exist, but damaged information can say so. */
static void test_endless_nesting(void **state)
{
	const struct type *t = type_declare(ts, LOOKUP_STRUCT, "loop");
	struct member m[3] = {{.type = t}, {.type = t}, {.type = t}}, out;

	type_define(ts, t, 8, 8, m, 3);
	assert_false(type_member(ts, t, STR("x"), &out));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_interning),       TEST(test_literals),
		TEST(test_layout),          TEST(test_text),
		TEST(test_classes),         TEST(test_builtin_names),
		TEST(test_declared_struct), TEST(test_anonymous_members),
		TEST(test_lazy_struct),     TEST(test_enum),
		TEST(test_endless_nesting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
