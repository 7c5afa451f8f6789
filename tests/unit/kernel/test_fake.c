/* A recorded kernel, read through kernel_paths: nothing of the running one may show through. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <bpf/btf.h>
#include <cmocka.h>

#include "kernel/kernel.h"

static struct kernel *open_mini(void)
{
	static const struct kernel_paths paths = {
		.btf = MINI "/no-such-file",
		.tracefs = MINI "/tracefs",
		.kallsyms = MINI "/kallsyms",
		.features = MINI "/features",
	};

	return kernel_new(&paths);
}

static void test_features(void **state)
{
	struct kernel *k = open_mini();

	kernel_force(k, FEATURE_UPROBE, false);
	assert_true(kernel_has(k, FEATURE_NONE));
	assert_true(kernel_has(k, FEATURE_RINGBUF));
	assert_true(kernel_has(k, FEATURE_RAW_TP));
	assert_false(kernel_has(k, FEATURE_RAW_TP_COOKIE));
	assert_false(kernel_has(k, FEATURE_UPROBE)); /* forced */
	kernel_force(k, FEATURE_LOOP, true);
	assert_true(kernel_has(k, FEATURE_LOOP));
	assert_string_equal(feature_name(FEATURE_LOOP), "LOOP");
	assert_string_equal(feature_text(FEATURE_LOOP), "bpf_loop");
	kernel_free(k);
}

static int collect(void *arg, const char *a, const char *b)
{
	buf_printf(arg, "%s:%s ", a ? a : "-", b);
	return 0;
}

static int stop_at_once(void *arg, const char *a, const char *b)
{
	++*(int *)arg;
	return 42;
}

static void test_events(void **state)
{
	struct kernel *k = open_mini();
	struct arena *a = arena_new();
	struct buf b = BUF_INIT;
	struct tp_format f;
	struct err e = {0};
	int calls = 0;

	assert_int_equal(kernel_tp_each(k, collect, &b, &e), 0);
	assert_string_equal(buf_cstr(&b),
			    "net:netif_rx sched:sched_switch syscalls:sys_enter_connect ");
	assert_int_equal(kernel_tp_each(k, stop_at_once, &calls, &e), 42);
	assert_int_equal(calls, 1);
	assert_true(kernel_tp_exists(k, "sched", "sched_switch"));
	assert_false(kernel_tp_exists(k, "sched", "nothing"));
	assert_false(kernel_tp_exists(k, "..", "events"));
	assert_false(kernel_tp_exists(k, "sched", "../sched/sched_switch"));
	assert_int_equal(kernel_tp_format(k, a, "sched", "sched_switch", &f, &e), 0);
	assert_string_equal(f.category, "sched");
	assert_string_equal(f.fields[4].name, "prev_comm");
	assert_int_equal(kernel_tp_format(k, a, "sched", "nothing", &f, &e), -ENOENT);
	assert_string_equal(e.what, "there is no tracepoint sched:nothing");
	assert_true(e.hint[0]);
	buf_release(&b);
	arena_free(a);
	kernel_free(k);
}

static void test_functions(void **state)
{
	static const struct kernel_paths only_syms = {.kallsyms = MINI "/kallsyms"};
	struct kernel *k = open_mini();
	struct buf b = BUF_INIT;
	struct err e = {0};

	assert_int_equal(kernel_func_each(k, collect, &b, &e), 0);
	assert_string_equal(buf_cstr(&b), "-:vfs_read -:vfs_write mod:mod_a mod:mod_b ");
	kernel_free(k);
	k = kernel_new(&only_syms);
	buf_reset(&b);
	assert_int_equal(kernel_func_each(k, collect, &b, &e), 0);
	assert_string_equal(buf_cstr(&b),
			    "-:do_one -:vfs_read -:vfs_read_alias -:vfs_write mod:mod_a "
			    "mod:mod_b ");
	kernel_free(k);
	buf_release(&b);
}

static void check_sym(struct kernel *k, uint64_t addr, const char *name, const char *module,
		      uint64_t offset)
{
	const char *n, *m;
	uint64_t o;

	assert_true(kernel_ksym(k, addr, &n, &m, &o));
	assert_string_equal(n, name);
	assert_string_equal(m, module);
	assert_int_equal(o, offset);
}

static void test_symbols(void **state)
{
	struct kernel *k = open_mini();
	const char *n, *m;
	uint64_t at;

	check_sym(k, 0xffffffff81000000, "_stext", "", 0);
	check_sym(k, 0xffffffff81000205, "vfs_read", "", 5); /* the first of two names */
	check_sym(k, 0xffffffffc0000080, "mod_a", "mod", 0x80);
	check_sym(k, 0xffffffffc0000100, "mod_b", "mod", 0);
	assert_false(kernel_ksym(k, 0, &n, &m, &at));
	assert_false(kernel_ksym(k, 0x20, &n, &m, &at)); /* behind an absolute symbol */
	assert_false(kernel_ksym(k, 0xffffffff81000400, &n, &m, &at)); /* behind _etext */
	assert_true(kernel_kaddr(k, "mod_b", &at));
	assert_int_equal(at, 0xffffffffc0000100);
	assert_true(kernel_kaddr(k, "some_data", &at));
	assert_false(kernel_kaddr(k, "nothing", &at));
	kernel_free(k);
}

static char *temp_file(const void *data, size_t size)
{
	char *path = strdup("/tmp/awl-test-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
	return path;
}

static void test_hidden_symbols(void **state)
{
	static const char text[] = "0000000000000000 T _stext\n0000000000000000 T vfs_read\n";
	char *path = temp_file(text, sizeof(text) - 1);
	struct kernel_paths paths = {.kallsyms = path};
	struct kernel *k = kernel_new(&paths);
	const char *n, *m;
	struct buf b = BUF_INIT;
	uint64_t at;

	assert_false(kernel_has(k, FEATURE_KALLSYMS));
	assert_false(kernel_ksym(k, 0xffffffff81000000, &n, &m, &at));
	assert_false(kernel_kaddr(k, "vfs_read", &at));
	assert_int_equal(kernel_func_each(k, collect, &b, NULL), 0); /* names are still there */
	assert_string_equal(buf_cstr(&b), "-:vfs_read ");
	buf_release(&b);
	kernel_free(k);
	unlink(path);
	free(path);
}

static void test_missing_files(void **state)
{
	static const struct kernel_paths paths = {"/no/btf", "/no/tracefs", "/no/kallsyms",
						  "/no/features"};
	struct kernel *k = kernel_new(&paths);
	struct err e = {0};
	const char *n, *m;
	uint64_t at;

	assert_null(kernel_btf(k, &e));
	assert_string_equal(e.what, "read BTF from /no/btf: No such file or directory");
	assert_non_null(strstr(e.hint, "CONFIG_DEBUG_INFO_BTF"));
	assert_int_equal(kernel_btf_find(k, "x", BTF_KIND_STRUCT), 0);
	assert_int_equal(kernel_btf_enumerator(k, STR("x"), &at), 0);
	assert_int_equal(kernel_tracefs(k, &e), -ENOENT);
	assert_string_equal(e.what, "open /no/tracefs: No such file or directory");
	assert_true(kernel_tp_each(k, collect, NULL, &e) < 0);
	assert_true(kernel_func_each(k, collect, NULL, &e) < 0);
	assert_false(kernel_ksym(k, 1, &n, &m, &at));
	for (int f = 1; f < FEATURE_COUNT; f++)
		assert_false(kernel_has(k, f));
	kernel_free(k);
}

/* ---- BTF ------------------------------------------------------------------------------ */

static int add_name(void *arg, const char *name)
{
	buf_printf(arg, "%s ", name);
	return 0;
}

static struct btf *make_btf(void)
{
	struct btf *b = btf__new_empty();
	int i = btf__add_int(b, "int", 4, BTF_INT_SIGNED);
	int proto = btf__add_func_proto(b, i);

	btf__add_struct(b, "thing", 4);
	btf__add_field(b, "a", i, 0, 0);
	btf__add_typedef(b, "thing", i); /* the same name, another kind */
	btf__add_typedef(b, "btf_trace_zeta", proto);
	btf__add_typedef(b, "btf_trace_alpha", proto);
	btf__add_func(b, "bpf_iter_task", BTF_FUNC_STATIC, proto);
	btf__add_func(b, "bpf_iter_num_new", BTF_FUNC_STATIC, proto);
	btf__add_struct(b, "bpf_iter__task", 0);
	btf__add_struct(b, "bpf_iter__task__safe_trusted", 0);
	btf__add_enum(b, "color", 4);
	btf__add_enum_value(b, "RED", 3);
	btf__add_enum_value(b, "BLUE", 4);
	btf__add_enum64(b, "wide", 8, false);
	btf__add_enum64_value(b, "HUGE_ONE", 1ull << 40);
	return b;
}

static void check_btf(struct kernel *k)
{
	struct buf b = BUF_INIT;
	uint64_t v;

	assert_int_equal(kernel_btf_find(k, "thing", BTF_KIND_STRUCT), 3);
	assert_int_equal(kernel_btf_find(k, "thing", BTF_KIND_TYPEDEF), 4);
	assert_int_equal(kernel_btf_find(k, "thing", BTF_KIND_UNION), 0);
	assert_int_equal(kernel_btf_find(k, "", BTF_KIND_STRUCT), 0);
	assert_true(kernel_btf_enumerator(k, STR("BLUE"), &v) != 0);
	assert_int_equal(v, 4);
	assert_true(kernel_btf_enumerator(k, STR("HUGE_ONE"), &v) != 0);
	assert_int_equal(v, 1ull << 40);
	assert_int_equal(kernel_btf_enumerator(k, STR("GREEN"), &v), 0);
	assert_int_equal(kernel_rawtp_each(k, add_name, &b, NULL), 0);
	assert_string_equal(buf_cstr(&b), "alpha zeta ");
	buf_reset(&b);
	assert_int_equal(kernel_iter_each(k, add_name, &b, NULL), 0);
	assert_string_equal(buf_cstr(&b), "task ");
	buf_release(&b);
}

static void test_btf(void **state)
{
	struct btf *b = make_btf();
	uint32_t size;
	const void *data = btf__raw_data(b, &size);
	char *path = temp_file(data, size);
	struct kernel_paths paths = {.btf = path};
	struct kernel *k = kernel_new(&paths);

	assert_true(kernel_has(k, FEATURE_BTF));
	check_btf(k);
	kernel_free(k);
	unlink(path);
	free(path);
	btf__free(b);
}

/* Every cut, and every byte damaged: BTF that libbpf takes must not break the indexes. */
static void try_btf(const unsigned char *data, size_t size)
{
	char *path = temp_file(data, size);
	struct kernel_paths paths = {.btf = path};
	struct kernel *k = kernel_new(&paths);
	struct err e = {0};
	struct buf b = BUF_INIT;
	uint64_t v;

	if (!kernel_btf(k, &e))
		assert_true(e.code && strstr(e.what, "read BTF from "));
	kernel_btf_find(k, "thing", BTF_KIND_STRUCT);
	kernel_btf_enumerator(k, STR("BLUE"), &v);
	kernel_rawtp_each(k, add_name, &b, NULL);
	kernel_iter_each(k, add_name, &b, NULL);
	buf_release(&b);
	kernel_free(k);
	unlink(path);
	free(path);
}

static void test_damaged_btf(void **state)
{
	struct btf *b = make_btf();
	uint32_t size;
	const void *data = btf__raw_data(b, &size);
	unsigned char *copy = malloc(size);

	memcpy(copy, data, size);
	for (uint32_t n = 0; n < size; n += 3)
		try_btf(copy, n);
	for (uint32_t i = 0; i < size; i++) {
		copy[i] ^= 0xff;
		try_btf(copy, size);
		copy[i] ^= 0xff;
	}
	free(copy);
	btf__free(b);
}

static void test_fates(void **state)
{
	static const struct kernel_paths paths = {.btf = MINI "/no-such-file",
						  .tracefs = MINI "/tracefs",
						  .kallsyms = MINI "/kallsyms.fates",
						  .features = MINI "/features"};
	static const struct {
		const char *name, *copy, *part;
		unsigned symbols;
		bool cold;
	} rows[] = {
		{"copied", "copied.isra.0", NULL, 0, false},
		{"partly", NULL, "partly.part.0", 0, false},
		{"seldom", NULL, NULL, 0, true},
		{"closed", NULL, NULL, 1, false},
		{"twice", NULL, NULL, 2, false},
		{"nowhere", NULL, NULL, 0, false},
		{"cop", NULL, NULL, 0, false}, /* the beginning of a name is another */
	};
	struct kernel *k = kernel_new(&paths);
	struct func_fate f;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		kernel_func_fate(k, str_of(rows[i].name), &f);
		assert_int_equal(f.symbols, rows[i].symbols);
		assert_int_equal(f.cold, rows[i].cold);
		assert_true(!f.copy == !rows[i].copy && !f.part == !rows[i].part);
		if (f.copy)
			assert_string_equal(f.copy, rows[i].copy);
		if (f.part)
			assert_string_equal(f.part, rows[i].part);
	}
	kernel_free(k);
}

/* A file with all of make_btf() but its last `cut` bytes. */
static char *btf_file(size_t cut)
{
	struct btf *b = make_btf();
	uint32_t n;
	const void *data = btf__raw_data(b, &n);
	char *path = temp_file(data, n - cut);

	btf__free(b);
	return path;
}

static struct kernel *open_given(const char *own, const char *given)
{
	return kernel_new(&(struct kernel_paths){.btf = own,
						 .tracefs = MINI "/tracefs",
						 .kallsyms = MINI "/kallsyms",
						 .modules = MINI,
						 .given_btf = given});
}

static void remove_file(char *path)
{
	unlink(path);
	free(path);
}

static void test_given_btf(void **state)
{
	char *given = btf_file(0);
	struct kernel *k = open_given(MINI "/no-such-file", given);
	struct err e = {0};

	assert_true(kernel_has(k, FEATURE_BTF));
	assert_true(kernel_btf_is_given(k));
	assert_int_not_equal(kernel_btf_find(k, "thing", BTF_KIND_STRUCT), 0);
	assert_int_not_equal(kernel_btf_func(k, NULL, "bpf_iter_task"), 0); /* its type */
	/* Its number is nothing that the kernel could be told. */
	assert_int_equal(kernel_btf_find(k, "bpf_iter_task", BTF_KIND_FUNC), 0);
	assert_false(kernel_has(k, FEATURE_ITER));
	assert_true(kernel_btf_module(k, "kallsyms", &e) < 0);
	assert_non_null(strstr(e.what, "module kallsyms"));
	kernel_free(k);
	remove_file(given);
}

static void test_given_btf_that_is_not_needed(void **state)
{
	char *own = btf_file(0), *given = btf_file(3);
	struct kernel *k = open_given(own, given);

	assert_false(kernel_btf_is_given(k));
	assert_int_not_equal(kernel_btf_find(k, "bpf_iter_task", BTF_KIND_FUNC), 0);
	kernel_free(k);
	remove_file(own);
	remove_file(given);
}

static void test_given_btf_that_is_damaged(void **state)
{
	char *given = btf_file(3);
	struct kernel *k = open_given(MINI "/no-such-file", given);
	struct err e = {0};

	assert_false(kernel_has(k, FEATURE_BTF));
	assert_null(kernel_btf(k, &e));
	assert_non_null(strstr(e.what, given));
	assert_false(kernel_btf_is_given(k));
	kernel_free(k);
	remove_file(given);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_symbols),
		cmocka_unit_test(test_hidden_symbols),
		cmocka_unit_test(test_missing_files),
		cmocka_unit_test(test_btf),
		cmocka_unit_test(test_damaged_btf),
		cmocka_unit_test(test_fates),
		cmocka_unit_test(test_given_btf),
		cmocka_unit_test(test_given_btf_that_is_not_needed),
		cmocka_unit_test(test_given_btf_that_is_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
