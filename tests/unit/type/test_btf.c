/* Types from BTF, tracepoint formats and prototypes of a recorded kernel; then damaged BTF. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "mini_btf.h"
#include "type/type.h"

static struct arena *arena;
static struct kernel *kernel;
static struct types *ts;
static struct mini_ids ids;

static void write_file(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
}

static void open_with(const char *btf)
{
	struct kernel_paths paths = {btf, MINI "/tracefs", MINI "/kallsyms", MINI "/features"};

	arena = arena_new();
	kernel = kernel_new(&paths);
	ts = types_new(arena, kernel);
}

static void close_all(void)
{
	kernel_free(kernel);
	arena_free(arena);
}

static char path[] = "/tmp/awl-test-btf-XXXXXX";

static int setup(void **state)
{
	struct btf *b = mini_btf(&ids);
	uint32_t size;
	const void *data = btf__raw_data(b, &size);

	write_file(path, data, size);
	btf__free(b);
	open_with(path);
	return 0;
}

static int teardown(void **state)
{
	close_all();
	return 0;
}

static struct member member_of(const struct type *t, const char *name)
{
	struct member m = {0};

	if (!type_member(ts, t, str_of(name), &m))
		fail_msg("no member %s in %s", name, type_text(arena, t));
	return m;
}

static void check(const struct type *t, const char *name, uint32_t offset, const char *text)
{
	struct member m = member_of(t, name);

	assert_int_equal(m.offset, offset);
	assert_string_equal(type_text(arena, m.type), text);
	assert_int_equal(m.bit_size, 0);
}

static void test_struct(void **state)
{
	const struct type *t = type_lookup(ts, LOOKUP_STRUCT, STR("task_struct"));
	struct member m;
	uint32_t n;

	assert_non_null(t);
	assert_int_equal(t->size, 72);
	check(t, "pid", 0, "int32");
	check(t, "comm", 4, "int8[16]");
	check(t, "on", 20, "bool");
	check(t, "inner", 24, "uint64");
	check(t, "state", 32, "enum state");
	check(t, "parent", 40, "struct task_struct *");
	check(t, "arg", 48, "int8 *");
	check(t, "flags", 56, "uint64");
	check(t, "tail", 64, "uint8[0]");
	type_members(ts, t, &n);
	assert_int_equal(n, 9);
	assert_int_equal(t->align, 8);
	m = member_of(t, "parent");
	assert_ptr_equal(m.type->ptr.to, t);
	assert_int_equal(m.type->ptr.space, SPACE_KERNEL);
	assert_int_equal(member_of(t, "arg").type->ptr.space, SPACE_USER);
	assert_true(type_is_signed(member_of(t, "state").type));
}

static void check_bits(const struct type *t, const char *name, uint32_t offset, int load,
		       int bit_off, int bits)
{
	struct member m = member_of(t, name);

	assert_int_equal(m.offset, offset);
	assert_int_equal(m.load_size, load);
	assert_int_equal(m.bit_off, bit_off);
	assert_int_equal(m.bit_size, bits);
}

static void test_bitfields(void **state)
{
	const struct type *t = type_from_btf(ts, ids.bits);

	check_bits(t, "a", 0, 1, 0, 3);
	check_bits(t, "b", 0, 2, 3, 10);
	check_bits(t, "z", 1, 1, 5, 1);
	check_bits(t, "c", 4, 4, 0, 32);
	t = type_from_btf(ts, ids.packed);
	assert_false(type_member(ts, t, STR("x"),
				 &(struct member){0})); /* no load of 1, 2 or 4 covers it inside */
}

static void test_identity(void **state)
{
	const struct type *by_id = type_from_btf(ts, ids.sock),
			  *other = type_from_btf(ts, ids.second_thing);

	assert_ptr_equal(by_id, type_lookup(ts, LOOKUP_STRUCT, STR("sockaddr")));
	assert_ptr_equal(by_id, type_lookup(ts, LOOKUP_PLAIN, STR("stack_t")));
	assert_ptr_not_equal(by_id, other);
	assert_false(type_eq(by_id, other));
	assert_null(type_lookup(ts, LOOKUP_UNION, STR("sockaddr")));
	assert_null(type_lookup(ts, LOOKUP_PLAIN, STR("sockaddr")));
	assert_null(type_lookup(ts, LOOKUP_PLAIN, STR("nothing_t")));
	assert_int_equal(type_from_btf(ts, 0)->kind, TYPE_VOID);
	assert_int_equal(type_from_btf(ts, 999999)->kind, TYPE_VOID);
}

static void test_script_hides_kernel(void **state)
{
	const struct type *mine = type_declare(ts, LOOKUP_STRUCT, "sockaddr");
	struct member m = {.name = STR("mine"), .type = type_int(ts, 4, true)};

	type_define(ts, mine, 4, 4, &m, 1);
	assert_ptr_equal(type_lookup(ts, LOOKUP_STRUCT, STR("sockaddr")), mine);
	assert_ptr_not_equal(type_from_btf(ts, ids.sock), mine);
	check(type_from_btf(ts, ids.sock), "sa_family", 0, "uint8");
	check(mine, "mine", 0, "int32");
}

static void test_enums(void **state)
{
	const struct type *t;
	uint64_t v;

	assert_true(type_enumerator(ts, STR("DEAD"), &v, &t));
	assert_int_equal((int64_t)v, -1);
	assert_string_equal(type_text(arena, t), "enum state");
	assert_string_equal(type_enum_text(ts, t, 0xffffffff), "DEAD");
	assert_string_equal(type_enum_text(ts, t, 0), "RUNNING");
	assert_true(type_enumerator(ts, STR("HUGE_ONE"), &v, &t));
	assert_int_equal(v, 1ull << 40);
	assert_int_equal(t->size, 8);
	assert_string_equal(type_enum_text(ts, t, 1ull << 40), "HUGE_ONE");
	assert_null(type_enum_text(ts, t, 3));
}

static void test_raw_tracepoint(void **state)
{
	const struct type *t = type_from_rawtp(ts, "sched_switch");
	uint32_t n;

	assert_non_null(t);
	check(t, "preempt", 0, "bool");
	check(t, "prev", 8, "struct task_struct *");
	check(t, "addr", 16, "struct sockaddr");
	check(t, "prev_state", 32, "uint32");
	assert_int_equal(t->size, 40);
	assert_int_equal(member_of(t, "prev").type->ptr.space, SPACE_BTF);
	type_members(ts, t, &n);
	assert_int_equal(n, 4);
	assert_ptr_equal(type_from_rawtp(ts, "sched_switch"), t);
	check(type_from_rawtp(ts, "unnamed"), "arg1", 8, "struct task_struct *");
	assert_null(type_from_rawtp(ts, "nothing"));
}

static void test_function(void **state)
{
	const struct type *ret, *t;
	uint32_t id = kernel_btf_func(kernel, NULL, "find_task"), n;

	t = type_from_func(ts, id, SPACE_BTF, &ret);
	assert_non_null(t);
	check(t, "task", 0, "struct task_struct *");
	check(t, "arg1", 8, "uint64");
	type_members(ts, t, &n);
	assert_int_equal(n, 2);
	assert_string_equal(type_text(arena, ret), "struct task_struct *");
	assert_int_equal(kernel_btf_own_id(kernel, id), id);
	assert_int_equal(kernel_btf_func(kernel, NULL, "nothing"), 0);
	assert_null(type_from_func(ts, 0, SPACE_BTF, &ret));
}

static void test_iterator(void **state)
{
	const struct type *t = type_from_iter(ts, "task");

	assert_non_null(t);
	check(t, "task", 0, "struct task_struct *");
	check(t, "fd", 8, "uint32");
	assert_int_equal(member_of(t, "task").type->ptr.space, SPACE_BTF);
	assert_null(type_from_iter(ts, "nothing"));
}

static const struct type *tracepoint(const char *category, const char *name)
{
	struct tp_format f;
	struct err e = {0};

	assert_int_equal(kernel_tp_format(kernel, arena, category, name, &f, &e), 0);
	return type_from_tracepoint(ts, &f);
}

static void test_tracepoints(void **state)
{
	const struct type *t = tracepoint("sched", "sched_switch");
	struct member m;

	check(t, "prev_comm", 8, "int8[16]");
	check(t, "prev_pid", 24, "int32");
	check(t, "prev_state", 32, "int64");
	assert_false(type_member(ts, t, STR("common_pid"), &m));
	t = tracepoint("net", "netif_rx");
	check(t, "skbaddr", 8, "void *");
	check(t, "name", 20, "int8[0]");
	assert_int_equal(member_of(t, "name").loc, TP_DATA_LOC);
	assert_int_equal(member_of(t, "skbaddr").type->ptr.space, SPACE_KERNEL);
}

/* A struct named by a format is looked up when a member is asked for, not before. */
static void test_lazy_pointer(void **state)
{
	const struct type *t = tracepoint("syscalls", "sys_enter_connect");
	struct member m = member_of(t, "uservaddr");

	check(t, "fd", 16, "int32"); /* a register holds it */
	assert_int_equal(m.type->ptr.space, SPACE_USER);
	assert_int_equal(m.type->ptr.to->size, 0);
	check(m.type->ptr.to, "sa_family", 0, "uint8");
	assert_int_equal(m.type->ptr.to->size, 16);
	assert_ptr_equal(m.type->ptr.to, type_from_btf(ts, ids.sock));
}

static struct tp_field field(const char *ctype, uint32_t size, bool is_signed, enum tp_loc loc)
{
	return (struct tp_field){
		.name = "f", .ctype = ctype, .size = size, .is_signed = is_signed, .loc = loc};
}

static void test_field_types(void **state)
{
	const struct {
		struct tp_field f;
		const char *text;
	} cases[] = {
		{field("unsigned long", 8, false, TP_PLAIN), "uint64"},
		{field("xfs_ino_t", 8, false, TP_PLAIN), "uint64"},
		{field("xfs_ino_t", 4, true, TP_PLAIN), "int32"},
		{field("pid_t", 4, true, TP_PLAIN), "int32"},
		{field("bool", 1, false, TP_PLAIN), "bool"},
		{field("char", 1, false, TP_PLAIN), "int8"},
		{field("enum state", 4, false, TP_PLAIN), "enum state"},
		{field("enum no_such", 8, false, TP_PLAIN), "uint64"},
		{field("struct in6_addr", 16, false, TP_PLAIN), "uint8[16]"},
		{field("const char *const *", 8, false, TP_PLAIN), "int8 **"},
		{field("const void*", 8, false, TP_PLAIN), "void *"},
		{field("void __seg_gs *", 8, false, TP_PLAIN), "void *"},
		{field("char *", 4, false, TP_PLAIN),
		 "uint32"}, /* no pointer has four bytes here */
		{field("unsigned long[6]", 48, false, TP_PLAIN), "uint64[6]"},
		{field("unsigned long[]", 0, false, TP_PLAIN), "uint64[0]"},
		{field("u8[28]", 28, false, TP_PLAIN), "uint8[28]"},
		{field("foo_t[3]", 13, false, TP_PLAIN), "uint8[13]"},
		{field("char[]", 4, false, TP_DATA_LOC), "int8[0]"},
		{field("unsigned int[]", 4, false, TP_REL_LOC), "uint32[0]"},
		{field("cpumask_t", 4, false, TP_DATA_LOC), "uint8[0]"},
		{field("", 4, false, TP_PLAIN), "uint32"},
		{field("struct ", 7, false, TP_PLAIN), "uint8[7]"},
		{field("*", 8, false, TP_PLAIN), "void *"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tp_field f = cases[i].f;
		struct tp_format format = {
			.category = "c", .name = "n", .fields = &f, .nfields = 1};
		struct member m = member_of(type_from_tracepoint(ts, &format), "f");

		assert_string_equal(type_text(arena, m.type), cases[i].text);
		assert_int_equal(m.loc, f.loc);
	}
}

/* ---- damaged -------------------------------------------------------------------------- */

/* Follows everything that can be followed. */
static void walk_all(void)
{
	struct btf *b = kernel_btf(kernel, NULL);

	for (uint32_t id = 0; b && id < btf__type_cnt(b) + 2; id++) {
		const struct type *t = type_from_btf(ts, id);
		struct member m;
		uint32_t n;

		type_members(ts, t, &n);
		type_member(ts, t, STR("no_such_member"), &m);
		type_enum_text(ts, t, 12345);
		type_text(arena, t);
	}
	type_from_rawtp(ts, "sched_switch");
	type_from_iter(ts, "task");
	type_from_func(ts, kernel_btf_func(kernel, NULL, "find_task"), SPACE_BTF, NULL);
}

static void test_damaged(void **state)
{
	struct buf good = BUF_INIT;

	close_all();
	assert_int_equal(buf_read_file(&good, path, 1 << 20), 0);
	for (size_t i = 0; i < good.n; i++) {
		const char masks[] = {1 << (i % 8), (char)0xff};

		for (size_t j = 0; j < ARRAY_SIZE(masks); j++) {
			good.p[i] ^= masks[j];
			write_file(path, good.p, good.n);
			good.p[i] ^= masks[j];
			open_with(path);
			walk_all();
			close_all();
		}
	}
	buf_release(&good);
	open_with(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_struct),      TEST(test_bitfields),
		TEST(test_identity),    TEST(test_script_hides_kernel),
		TEST(test_enums),       TEST(test_raw_tracepoint),
		TEST(test_function),    TEST(test_iterator),
		TEST(test_tracepoints), TEST(test_lazy_pointer),
		TEST(test_field_types), TEST(test_damaged),
	};
	int r;

	close(mkstemp(path));
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return r;
}
