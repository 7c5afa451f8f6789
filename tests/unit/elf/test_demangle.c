/* Readable names, and names made to be expensive. */
#include "elf_test.h"

static void test_names(void **state)
{
	static const char *const pairs[][2] = {
		{"_ZN3foo3barEi", "foo::bar(int)"},
		{"_ZNSt6vectorIiSaIiEE9push_backEOi",
		 "std::vector<int, std::allocator<int> >::push_back(int&&)"},
		{"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"},
		{"_RNvC7mycrate3foo", "mycrate::foo"},
		{"_D8demangle4testFiZv", "demangle.test(int)"},
		{"_Z3foov.cold", "foo() [clone .cold]"},
		{"main", "main"},
		{"_Z", "_Z"},
		{"_Znonsense", "_Znonsense"},
		{"", ""},
		{"_", "_"},
	};
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		const char *got = elf_demangle(a, pairs[i][0]);

		/* The hash of an old Rust name is shown by some versions of the library. */
		if (strncmp(got, pairs[i][1], strlen(pairs[i][1])) != 0)
			fail_msg("%s: %s, not %s", pairs[i][0], got, pairs[i][1]);
	}
	arena_free(a);
}

/* Whole, without parameters, of templates without the result; brackets may be of the name. */
static void test_patterns(void **state)
{
	static const struct {
		const char *text, *name;
		bool matches;
	} rows[] = {
		{"foo::bar", "_ZN3foo3barEi", true},
		{"foo::bar(int)", "_ZN3foo3barEi", true},
		{"foo::bar(long)", "_ZN3foo3barEi", false},
		{"foo::*", "_ZN3foo3barEi", true},
		{"bar", "_ZN3foo3barEi", false},
		{"ns::(anonymous namespace)::f", "_ZN2ns12_GLOBAL__N_11fEi", true},
		{"ns::", "_ZN2ns12_GLOBAL__N_11fEi", false},
		{"ns::C::operator()", "_ZN2ns1CclEi", true},
		{"ns::C::operator", "_ZN2ns1CclEi", false},
		{"ns::twice<int>", "_ZN2ns5twiceIiEElT_", true},
		{"long ns::twice<int>", "_ZN2ns5twiceIiEElT_", true},
		{"ns::C::f", "_ZThn8_N2ns1C1fEv", false}, /* a thunk */
		{"main", "main", true},
	};
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct elf_pattern p = {.text = str_of(rows[i].text), .demangled = true};

		if (elf_pattern_matches(&p, a, rows[i].name) != rows[i].matches)
			fail_msg("%s %s %s", rows[i].text,
				 rows[i].matches ? "does not match" : "matches", rows[i].name);
	}
	arena_free(a);
}

static void test_literals(void **state)
{
	static const struct elf_func funcs[] = {{.name = "_Z1fPc"}, {.name = "_Z1fPKc"}};
	struct elf_pattern p = {.text = STR("f(char*)"), .demangled = true};
	struct arena *a = arena_new();

	p.literal = elf_pattern_is_literal(&p, funcs, 2);
	assert_true(p.literal);
	assert_true(elf_pattern_matches(&p, a, "_Z1fPc"));
	assert_false(elf_pattern_matches(&p, a, "_Z1fPKc"));
	assert_false(elf_pattern_is_literal(&p, funcs + 1, 1));
	p = (struct elf_pattern){.text = STR("f(*"), .demangled = true};
	assert_false(elf_pattern_is_literal(&p, funcs, 2));
	arena_free(a);
}

/* Each substitution doubles the text: 2^60 without a limit. */
static void test_expensive(void **state)
{
	struct arena *a = arena_new();
	struct buf b = BUF_INIT;

	buf_adds(&b, "_Z1fSt4pairI1XS0_ES_IS1_S1_E");
	for (int i = 2; i < 60; i++) {
		char seq = (char)(i - 1 < 10 ? '0' + i - 1 : 'A' + i - 11);

		if (i - 1 < 36)
			buf_printf(&b, "St4pairIS%c_S%c_E", seq, seq);
	}
	assert_true(strlen(elf_demangle(a, buf_cstr(&b))) < 20000);
	buf_reset(&b);
	buf_adds(&b, "_Z1f");
	buf_fill(&b, 'P', 3000);
	buf_adds(&b, "i");
	elf_demangle(a, buf_cstr(&b));
	buf_reset(&b);
	buf_adds(&b, "_RNv");
	for (int i = 0; i < 900; i++)
		buf_adds(&b, "NtB_");
	elf_demangle(a, buf_cstr(&b));
	buf_release(&b);
	arena_free(a);
}

static void test_random(void **state)
{
	static const char letters[] = "_ZNSKIELRDBQvijtT0123456789abcst";
	struct arena *a = arena_new();
	unsigned rng = 7;

	for (int i = 0; i < 20000; i++) {
		char name[64] = "_";

		name[1] = "ZRD"[i % 3];
		for (int k = 2; k < 4 + i % 56; k++)
			name[k] = letters[((rng = rng * 1103515245 + 12345) >> 16) % 32];
		assert_non_null(elf_demangle(a, name));
	}
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),    cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_literals), cmocka_unit_test(test_expensive),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
