/* Symbols: by name, with versions, all of them against readelf, by address. */
#include "elf_test.h"
#include "elf/sort.h"

#include <elf.h>
#include <unistd.h>

#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"

static void test_find(void **state)
{
	struct elf *f = subject_open();
	struct elf_func fn, at;
	uint64_t addr, size;

	fn = must_find(f, "subject_work");
	assert_true(fn.size > 0);
	assert_true(elf_func_at(f, fn.offset + fn.size - 1, &at));
	assert_string_equal(at.name, "subject_work");
	must_find(f, "subject_static");
	must_find(f, "subject_untyped");
	assert_false(elf_func_find(f, STR("subject_data"), &fn));
	assert_false(elf_func_find(f, STR("subject_wor"), &fn));
	assert_false(elf_func_find(f, STR(""), &fn));
	assert_true(elf_sym_find(f, STR("subject_data"), &addr, &size));
	assert_int_equal(size, 4);
	elf_close(f);
}

/* The scan and the sorted array that replaces it after some look-ups agree. */
static void test_find_twice(void **state)
{
	struct elf *scan = elf_open(LIBC, NULL), *sorted = elf_open(LIBC, NULL);
	const struct elf_func *funcs;
	struct elf_func a, b;
	size_t n;

	assert_non_null(scan);
	assert_int_equal(elf_funcs(sorted, &funcs, &n, NULL), 0);
	assert_true(n > 1000);
	for (size_t i = 0; i < 7; i++) {
		const char *name = funcs[i * (n / 7)].name;

		a = must_find(scan, name);
		b = must_find(sorted, name);
		assert_int_equal(a.addr, b.addr);
	}
	elf_close(scan);
	elf_close(sorted);
}

static uint64_t badness(const struct elf_func *fn)
{
	return (fn->size ? 0 : 1 << 20) + (strspn(fn->name, "_") << 10) + strlen(fn->name);
}

/* What is at an address is the best of the functions that begin there; names are read on demand,
 * and thousands of questions let the pages of the names go meanwhile. */
static void test_at_addresses(void **state)
{
	struct elf *all = elf_open(LIBC, NULL), *f = elf_open(LIBC, NULL);
	const struct elf_func *funcs;
	struct elf_func at;
	size_t n;

	assert_int_equal(elf_funcs(all, &funcs, &n, NULL), 0);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < n; i++) {
			assert_true(elf_func_at(f, funcs[i].offset, &at));
			assert_int_equal(at.addr, funcs[i].addr);
			assert_int_equal(at.offset, funcs[i].offset);
			assert_true(badness(&at) <= badness(&funcs[i]));
			assert_null(strchr(at.name, '@'));
		}
	assert_false(elf_func_at(f, 0, &at));
	elf_close(all);
	elf_close(f);
}

static void test_versions(void **state)
{
	struct elf *f = elf_open(LIBC, NULL);
	struct elf_func plain, older, newer;

	plain = must_find(f, "memcpy");
	older = must_find(f, "memcpy@GLIBC_2.2.5");
	newer = must_find(f, "memcpy@GLIBC_2.14");
	assert_int_equal(plain.addr, newer.addr);
	assert_int_not_equal(older.addr, newer.addr);
	assert_true(plain.ifunc);
	must_find(f, "memcpy@@GLIBC_2.14");
	assert_false(elf_func_find(f, STR("memcpy@@GLIBC_2.2.5"), &plain));
	assert_false(elf_func_find(f, STR("memcpy@GLIBC_9.9"), &plain));
	elf_close(f);
}

static void test_sorted(void **state)
{
	struct elf *f = elf_open(LIBC, NULL);
	const struct elf_func *v;
	size_t n;

	assert_int_equal(elf_funcs(f, &v, &n, NULL), 0);
	for (size_t i = 1; i < n; i++) {
		int c = strcmp(v[i - 1].name, v[i].name);

		assert_true(c <= 0);
		assert_true(c < 0 || v[i - 1].addr != v[i].addr);
	}
	elf_close(f);
}

/* Every function that readelf lists is there, at its address and offset. */
static void check_against_readelf(const char *path)
{
	char cmd[512], line[4096], name[4096], type[32], ndx[32], *ver;
	struct elf *f = elf_open(path, NULL);
	const struct elf_func *v;
	unsigned long long addr;
	size_t n, checked = 0;
	uint64_t back;
	FILE *p;

	snprintf(cmd, sizeof(cmd), "readelf -sW %s", path);
	p = popen(cmd, "r");
	assert_non_null(p);
	assert_int_equal(elf_funcs(f, &v, &n, NULL), 0);
	while (fgets(line, sizeof(line), p)) {
		size_t lo = 0, hi = n;

		if (sscanf(line, " %*d: %llx %*s %31s %*s %*s %31s %4095s", &addr, type, ndx,
			   name) != 4 ||
		    (strcmp(type, "FUNC") && strcmp(type, "IFUNC")) || !strcmp(ndx, "UND"))
			continue;
		ver = strchr(name, '@');
		if (ver)
			*ver = 0;
		while (lo < hi) {
			size_t mid = (lo + hi) / 2;

			if (strcmp(v[mid].name, name) < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
		while (lo < n && !strcmp(v[lo].name, name) && v[lo].addr != addr)
			lo++;
		if (lo == n || strcmp(v[lo].name, name) || v[lo].addr != addr)
			fail_msg("%s: %s at %llx is missing", path, name, addr);
		assert_true(elf_offset_to_addr(f, v[lo].offset, &back));
		assert_int_equal(back, addr);
		checked++;
	}
	pclose(p);
	assert_true(checked > 10);
	elf_close(f);
}

static void test_against_readelf(void **state)
{
	check_against_readelf(LIBC);
	check_against_readelf("/bin/bash");
	check_against_readelf(subject_path());
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(((const struct sort_item *)a)->name, ((const struct sort_item *)b)->name);
}

static void test_sort_names(void **state)
{
	enum { N = 5000 };
	static char names[N][40];
	static struct sort_item a[N], b[N];
	unsigned rng = 1;

	for (int i = 0; i < N; i++) {
		rng = rng * 1103515245 + 12345;
		snprintf(names[i], sizeof(names[i]), "%.*s%u", (int)((rng >> 16) % 25),
			 "_ZN2v88internal\xff\x01zzzzzzzzz", (rng >> 20) % 300);
		a[i] = b[i] = (struct sort_item){.name = names[i], .idx = (uint32_t)i};
	}
	sort_by_name(a, N);
	qsort(b, N, sizeof(*b), name_cmp);
	for (int i = 0; i < N; i++)
		assert_string_equal(a[i].name, b[i].name);
	for (int i = 0; i < N; i++)
		a[i] = (struct sort_item){.key = (uint64_t)(i % 7) << (i % 60), .idx = (uint32_t)i};
	sort_by_key(a, N);
	for (int i = 1; i < N; i++)
		assert_true(a[i - 1].key < a[i].key ||
			    (a[i - 1].key == a[i].key && a[i - 1].idx < a[i].idx));
}

/* Symbols of a stripped program from its debug file by debuglink, and from .gnu_debugdata. */
static void test_debug_files(void **state)
{
	char dir[] = "/tmp/awl-elf-XXXXXX", cmd[2048], path[64];
	struct elf *f;

	assert_non_null(mkdtemp(dir));
	snprintf(cmd, sizeof(cmd),
		 "cd %s && cp %s p && objcopy --only-keep-debug p p.debug && strip p && cp p mini "
		 "&& "
		 "objcopy --add-gnu-debuglink=p.debug p && xz -k p.debug && "
		 "objcopy --add-section .gnu_debugdata=p.debug.xz mini && mkdir alone && cp p "
		 "alone/",
		 dir, subject_path());
	assert_int_equal(system(cmd), 0);
	snprintf(path, sizeof(path), "%s/p", dir);
	f = elf_open(path, NULL);
	must_find(f, "subject_static");
	elf_close(f);
	snprintf(path, sizeof(path), "%s/mini", dir);
	f = elf_open(path, NULL);
	must_find(f, "subject_static");
	elf_close(f);
	snprintf(path, sizeof(path), "%s/alone/p", dir);
	f = elf_open(path, NULL);
	assert_false(elf_func_find(f, STR("subject_static"), &(struct elf_func){0}));
	elf_close(f);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),         cmocka_unit_test(test_find_twice),
		cmocka_unit_test(test_versions),     cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_sort_names),   cmocka_unit_test(test_against_readelf),
		cmocka_unit_test(test_at_addresses), cmocka_unit_test(test_debug_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
