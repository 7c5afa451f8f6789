/* Copies of one function are looked for in the units that can have some: the same ones must be
 * found as by a search through everything, and where there are none the library is not begun. */
#include "elf_test.h"

#include "elf/dwarf_priv.h"

static struct dwarf_copies find(struct dwarf *d, const char *name, struct arena *a)
{
	const struct elf_pattern wanted = {str_of(name), false};
	struct dwarf_copies found;

	assert_int_equal(dwarf_copies_find(d, &wanted, a, &found, NULL), 0);
	return found;
}

static size_t count_of(const struct dwarf_copies *all, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		n += strcmp(all->v[i].func, name) == 0;
	return n;
}

static void same_as_in(const struct dwarf_copies *all, const char *path, const char *name,
		       struct arena *a)
{
	struct dwarf *d = dwarf_open(path, NULL);
	struct dwarf_copies found = find(d, name, a);

	if (found.n != count_of(all, name))
		fail_msg("%s: %zu copies of %s, not %zu", path, found.n, name, count_of(all, name));
	dwarf_close(d);
}

static void compare(const char *path)
{
	struct arena *a = arena_new();
	struct dwarf *d = dwarf_open(path, NULL);
	struct dwarf_copies all;
	const char *last = "";

	assert_non_null(d);
	all = find(d, "*", a);
	assert_true(all.n > 0);
	for (size_t i = 0; i < all.n && i < 2000; i++) {
		if (strcmp(all.v[i].func, last) != 0)
			same_as_in(&all, path, all.v[i].func, a);
		last = all.v[i].func;
	}
	dwarf_close(d);
	arena_free(a);
}

static void each_subject(void (*fn)(const char *path))
{
	struct str rest = str_of(getenv("DWARF_SUBJECTS"));
	struct arena *a = arena_new();

	while (rest.n) {
		struct str path = str_cut(&rest, ' ');

		fn(arena_strndup(a, path.p, path.n));
	}
	arena_free(a);
}

static void test_same_copies(void **state)
{
	each_subject(compare);
}

static void none(const char *path)
{
	static const char *const names[] = {"alone", "main", "twic", "wice", "no_such_function"};
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct dwarf *d = dwarf_open(path, NULL);

		assert_non_null(d);
		assert_int_equal(find(d, names[i], a).n, 0);
		assert_null(d->dw);
		dwarf_close(d);
	}
	arena_free(a);
}

static void test_library_is_not_begun(void **state)
{
	each_subject(none);
}

/* Copies of those are of each kind that the scan has to see. */
static void known(const char *path)
{
	struct arena *a = arena_new();
	struct dwarf *d = dwarf_open(path, NULL);

	assert_true(find(d, "twice", a).n > 0);
	assert_true(find(d, "outer", a).n > 0);
	assert_true(find(d, "f", a).n > 0);
	dwarf_close(d);
	arena_free(a);
}

static void test_known_copies(void **state)
{
	if (getenv("DWARF_OTHERS"))
		skip();
	each_subject(known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_copies),
		cmocka_unit_test(test_library_is_not_begun),
		cmocka_unit_test(test_known_copies),
	};

	elf_without_readers();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
