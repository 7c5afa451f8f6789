/* Types of modules: two whose numbers collide, behind the kernel's; then damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "mini_btf.h"
#include "type/type.h"

static struct arena *arena;
static struct kernel *kernel;
static struct types *ts;
static char dir[] = "/tmp/awl-test-modules-XXXXXX";
static char base_path[64];

static void write_btf(const char *name, const struct btf *b)
{
	uint32_t size;
	const void *data = btf__raw_data(b, &size);
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
}

/* struct STRUCT { u64 MEMBER[2]; struct task_struct *task; }; enum of one; int FUNC(struct STRUCT
 * *it) */
static void write_module(struct btf *base, int task, const char *module, const char *name,
			 const char *member, const char *func)
{
	struct btf *b = btf__new_empty_split(base);
	int i32 = btf__find_by_name(base, "int"),
	    u64 = btf__find_by_name(base, "long unsigned int");
	int array = btf__add_array(b, i32, u64, 2), ptr = btf__add_ptr(b, task), st, proto, state;

	st = btf__add_struct(b, name, 32);
	btf__add_field(b, member, array, 0, 0);
	btf__add_field(b, "task", ptr, 128, 0);
	state = btf__add_enum(b, NULL, 4);
	btf__add_enum_value(b, member, 7);
	ptr = btf__add_ptr(b, st);
	proto = btf__add_func_proto(b, i32);
	btf__add_func_param(b, "it", ptr);
	btf__add_func_param(b, "how", state);
	btf__add_func(b, func, BTF_FUNC_STATIC, proto);
	write_btf(module, b);
	btf__free(b);
}

static void open_kernel(void)
{
	const struct kernel_paths paths = {
		base_path, MINI "/tracefs", MINI "/kallsyms", MINI "/features", NULL, dir};

	arena = arena_new();
	kernel = kernel_new(&paths);
	ts = types_new(arena, kernel);
}

static int setup(void **state)
{
	struct mini_ids ids;
	struct btf *base = mini_btf(&ids);

	write_btf("vmlinux", base);
	write_module(base, ids.task, "first", "one", "alpha", "first_func");
	write_module(base, ids.task, "second", "two", "beta", "second_func");
	btf__free(base);
	open_kernel();
	return 0;
}

static int teardown(void **state)
{
	kernel_free(kernel);
	arena_free(arena);
	return 0;
}

static void check_module(const char *module, const char *func, const char *name, const char *member)
{
	uint32_t id = kernel_btf_func(kernel, module, func);
	const struct type *ret, *args = type_from_func(ts, id, SPACE_BTF, &ret);
	struct member m;

	assert_non_null(args);
	assert_string_equal(type_text(arena, ret), "int32");
	assert_true(type_member(ts, args, STR("it"), &m));
	assert_string_equal(type_text(arena, m.type), arena_printf(arena, "struct %s *", name));
	assert_int_equal(m.type->ptr.space, SPACE_BTF);
	assert_true(type_member(ts, m.type->ptr.to, str_of(member), &m));
	assert_string_equal(type_text(arena, m.type), "uint64[2]");
	type_member(ts, type_lookup(ts, LOOKUP_STRUCT, str_of(name)), STR("task"), &m);
	assert_string_equal(type_text(arena, m.type), "struct task_struct *");
}

static void test_two(void **state)
{
	struct err e = {0};
	uint32_t first, second;

	assert_int_equal(kernel_btf_func(kernel, "first", "first_func"), 0);
	assert_int_equal(kernel_btf_module(kernel, "first", &e), 0);
	assert_int_equal(kernel_btf_module(kernel, "second", &e), 0);
	assert_int_equal(kernel_btf_module(kernel, "second", &e), 0);
	check_module("first", "first_func", "one", "alpha");
	check_module("second", "second_func", "two", "beta");
	first = kernel_btf_func(kernel, "first", "first_func");
	second = kernel_btf_func(kernel, "second", "second_func");
	assert_int_not_equal(first, second);
	assert_int_equal(kernel_btf_own_id(kernel, first), kernel_btf_own_id(kernel, second));
	assert_int_equal(kernel_btf_func(kernel, "first", "second_func"), 0);
	assert_int_not_equal(kernel_btf_func(kernel, NULL, "find_task"), 0);
}

static void test_missing(void **state)
{
	struct err e = {0};

	assert_true(kernel_btf_module(kernel, "third", &e) < 0);
	assert_non_null(strstr(e.what, "third"));
	assert_true(kernel_btf_module(kernel, "../first", NULL) < 0);
	assert_true(kernel_btf_module(kernel, "", NULL) < 0);
}

static void walk(void)
{
	struct btf *b;
	uint32_t n;

	if (kernel_btf_module(kernel, "first", NULL) < 0)
		return;
	b = kernel_btf(kernel, NULL);
	for (uint32_t id = 1; id < btf__type_cnt(b); id++)
		type_members(ts, type_from_btf(ts, id), &n);
	type_from_func(ts, kernel_btf_func(kernel, "first", "first_func"), SPACE_BTF, NULL);
}

static void test_damaged(void **state)
{
	struct buf good = BUF_INIT;
	char path[128];

	snprintf(path, sizeof(path), "%s/first", dir);
	assert_int_equal(buf_read_file(&good, path, 1 << 20), 0);
	for (size_t i = 0; i < good.n; i++) {
		FILE *f = fopen(path, "w");

		teardown(NULL);
		good.p[i] ^= 1 << (i % 8);
		assert_int_equal(fwrite(good.p, 1, good.n, f), good.n);
		good.p[i] ^= 1 << (i % 8);
		fclose(f);
		open_kernel();
		walk();
	}
	buf_release(&good);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_two), TEST(test_missing), TEST(test_damaged)};
	static const char *const files[] = {"vmlinux", "first", "second"};
	char path[128];
	int r;

	assert_non_null(mkdtemp(dir));
	snprintf(base_path, sizeof(base_path), "%s/vmlinux", dir);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
	return r;
}
