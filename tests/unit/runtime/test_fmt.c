/* The printf engine against the C library's where both mean the same, and by itself elsewhere. */
#include "fixture.h"
#include "values.h"

/* Formats one value with one conversion. */
static const char *run_one(struct conv c, const struct type *t, const void *v)
{
	static struct buf out;
	struct conv convs[2] = {c, {.literal = STR("|"), .width = -1, .prec = -1}};
	struct format f = {.convs = convs, .n = 2, .nargs = 1};
	struct event_field field = {t, 0};
	struct fmt *fmt = fmt_new(arena, &f, &field, 1);

	buf_reset(&out);
	fmt_run(fmt, &render, false, v, &out);
	return buf_cstr(&out);
}

static void c_format(char *out, const struct conv *c)
{
	out += sprintf(out, "%%%s%s%s%s%s", c->minus ? "-" : "", c->plus ? "+" : "",
		       c->space ? " " : "", c->alt ? "#" : "", c->zero ? "0" : "");
	if (c->width >= 0)
		out += sprintf(out, "%d", c->width);
	if (c->prec >= 0)
		out += sprintf(out, ".%d", c->prec);
	sprintf(out, "%s%c|", c->spec == 's' || c->spec == 'c' ? "" : "ll", c->spec);
}

#pragma GCC diagnostic ignored "-Woverride-init"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

static const uint64_t numbers[] = {0,          1,
				   7,          8,
				   9,          10,
				   42,         255,
				   256,        65535,
				   1000000,    0x7fffffff,
				   0xffffffff, 0x100000000,
				   INT64_MAX,  (uint64_t)INT64_MIN,
				   UINT64_MAX, (uint64_t)-42};

static size_t compare_numbers(const struct conv *c)
{
	char fmt[64], want[256];

	c_format(fmt, c);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		snprintf(want, sizeof(want), fmt, (long long)numbers[i]);
		assert_string_equal(run_one(*c, type_int(types, 8, c->spec == 'd'), &numbers[i]),
				    want);
	}
	return ARRAY_SIZE(numbers);
}

/* All flags, many widths and precisions, all integer conversions. */
static void integers_are_as_in_c(void **state)
{
	static const int widths[] = {-1, 0, 1, 2, 5, 12, 30}, precs[] = {-1, 0, 1, 3, 10, 25};
	size_t n = 0;

	for (const char *spec = "diuxXo"; *spec; spec++)
		for (unsigned flags = 0; flags < 32; flags++)
			for (size_t w = 0; w < ARRAY_SIZE(widths); w++)
				for (size_t p = 0; p < ARRAY_SIZE(precs); p++) {
					struct conv c = {.spec = *spec,
							 .width = widths[w],
							 .prec = precs[p],
							 .minus = flags & 1,
							 .plus = flags & 2,
							 .space = flags & 4,
							 .alt = flags & 8,
							 .zero = flags & 16};

					if (c.alt && strchr("diu", c.spec))
						continue; /* undefined in C */
					n += compare_numbers(&c);
				}
	assert_true(n > 50000);
}

static void strings_are_as_in_c(void **state)
{
	static const char *const strings[] = {"", "a", "hello", "fifteen chars.."};
	const struct type *t = type_string(types, 16);

	for (size_t s = 0; s < ARRAY_SIZE(strings); s++)
		for (int w = -1; w < 20; w++)
			for (int p = -1; p < 18; p++)
				for (int minus = 0; minus < 2; minus++) {
					struct conv c = {
						.spec = 's', .width = w, .prec = p, .minus = minus};
					char fmt[64], want[64], value[16] = {0};

					memcpy(value, strings[s], strlen(strings[s]));
					c_format(fmt, &c);
					snprintf(want, sizeof(want), fmt, strings[s]);
					assert_string_equal(run_one(c, t, value), want);
				}
}

#define CONV(...) ((struct conv){.width = -1, .prec = -1, __VA_ARGS__})

static void widths_of_arguments(void **state)
{
	const int32_t minus = -1;
	const uint32_t max = UINT32_MAX;
	const uint64_t big = 0x123456789abcdef0;
	const struct type *i4 = type_int(types, 4, true), *u4 = type_int(types, 4, false);
	const struct type *u8 = type_int(types, 8, false);

	assert_string_equal(run_one(CONV(.spec = 'x'), i4, &minus), "ffffffff|");
	assert_string_equal(run_one(CONV(.spec = 'u'), i4, &minus), "4294967295|");
	assert_string_equal(run_one(CONV(.spec = 'x', .bytes = 8), i4, &minus),
			    "ffffffffffffffff|");
	assert_string_equal(run_one(CONV(.spec = 'd'), u4, &max), "4294967295|");
	assert_string_equal(run_one(CONV(.spec = 'd', .bytes = 4), u4, &max), "-1|");
	assert_string_equal(run_one(CONV(.spec = 'd'), u8, &big), "1311768467463790320|");
	assert_string_equal(run_one(CONV(.spec = 'x', .bytes = 2), u8, &big), "def0|");
	assert_string_equal(run_one(CONV(.spec = 'd', .bytes = 1), u8, &big), "-16|");
	assert_string_equal(run_one(CONV(.spec = 'p'), u8, &big), "0x123456789abcdef0|");
	assert_string_equal(run_one(CONV(.spec = 'p', .width = 6), u4, &(uint32_t){0}), "   0x0|");
}

static void characters(void **state)
{
	assert_string_equal(run_one(CONV(.spec = 'c'), type_int(types, 8, true), &(uint64_t){'A'}),
			    "A|");
	assert_string_equal(
		run_one(CONV(.spec = 'c', .width = 3), type_int(types, 1, true), &(char){'z'}),
		"  z|");
	assert_string_equal(run_one(CONV(.spec = 'c'), type_int(types, 1, true), &(char){27}),
			    "\\x1b|");
}

static void buffers(void **state)
{
	const struct {
		uint32_t n;
		uint8_t data[8];
	} v = {5, {'a', 'b', 1, 0xfe, ' '}};
	const struct type *t = type_buf(types, 8);

	assert_string_equal(run_one(CONV(.spec = 'r'), t, &v), "ab\\x01\\xfe |");
	assert_string_equal(run_one(CONV(.spec = 'r', .variant = 'x'), t, &v),
			    "\\x61\\x62\\x01\\xfe\\x20|");
	assert_string_equal(run_one(CONV(.spec = 'r', .variant = 'h'), t, &v), "61 62 01 fe 20|");
	assert_string_equal(run_one(CONV(.spec = 'r', .width = 12), t, &v), " ab\\x01\\xfe |");
}

static void page_flags(void **state)
{
	const struct type *t = type_int(types, 4, false);

	assert_string_equal(run_one(CONV(.spec = 'r', .variant = 'g'), t, &(uint32_t){0xcc0}),
			    "GFP_KERNEL|");
	assert_string_equal(run_one(CONV(.spec = 'r', .variant = 'g'), t, &(uint32_t){0xdc0}),
			    "GFP_KERNEL|__GFP_ZERO|");
	assert_string_equal(run_one(CONV(.spec = 'r', .variant = 'g'), t, &(uint32_t){0}), "0|");
}

/* Bytes of the traced program cannot steer the terminal; cut strings say so. */
static void hostile_and_cut_strings(void **state)
{
	const struct type *t = type_string(types, 8);

	assert_string_equal(run_one(CONV(.spec = 's'), t, "\033[2Jx\0\0\0"), "\\x1b[2Jx|");
	assert_string_equal(run_one(CONV(.spec = 's'), t, "caf\xc3\0\0\0\0"), "caf\\xc3|");
	assert_string_equal(run_one(CONV(.spec = 's'), t, "caf\xc3\xa9\0\0\0"), "caf\xc3\xa9|");
	assert_string_equal(run_one(CONV(.spec = 's'), t, "a\tb\nc\0\0\0"), "a\tb\nc|");
	assert_string_equal(run_one(CONV(.spec = 's'), t, "12345678"), "12345678..|");
	assert_string_equal(run_one(CONV(.spec = 's'), t, "1234567"), "1234567|");
	assert_string_equal(run_one(CONV(.spec = 's', .width = -1, .prec = 3), t, "12345678"),
			    "123|");
}

static void any_type_as_string(void **state)
{
	const struct type *items[2] = {type_int(types, 8, true), type_string(types, 8)};
	const struct type *t = type_tuple(types, items, 2);
	const struct {
		int64_t n;
		char s[8];
	} v = {-5, "abc"};

	assert_string_equal(run_one(CONV(.spec = 's'), t, &v), "(-5, abc)|");
	assert_string_equal(run_one(CONV(.spec = 's', .width = 12), t, &v), "   (-5, abc)|");
	assert_string_equal(run_one(CONV(.spec = 's'), &type_bool, &(uint8_t){1}), "true|");
	assert_string_equal(run_one(CONV(.spec = 's'), items[0], &v), "-5|");
	assert_string_equal(run_one(CONV(.spec = 'd'), items[1], v.s), "abc|");
	render.json = true; /* the text of printf is text in JSON, too */
	assert_string_equal(run_one(CONV(.spec = 's'), t, &v), "(-5, abc)|");
	render.json = false;
}

static void several_arguments_and_literals(void **state)
{
	const struct type *u4 = type_int(types, 4, false);
	struct conv convs[] = {CONV(.literal = STR("pid "), .spec = 'd'),
			       CONV(.literal = STR(" 100% "), .spec = 's'),
			       CONV(.literal = STR("\033[0m\n"))};
	struct format f = {.convs = convs, .n = 3, .nargs = 2};
	struct event_field fields[] = {{u4, 4}, {type_string(types, 8), 8}};
	const struct {
		uint32_t id, pid;
		char comm[8];
	} rec = {0, 42, "bash"};
	struct buf out = BUF_INIT;

	fmt_run(fmt_new(arena, &f, fields, 2), &render, false, &rec, &out);
	assert_string_equal(buf_cstr(&out), "pid 42 100% bash\033[0m\n");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_as_in_c),
		cmocka_unit_test(strings_are_as_in_c),
		cmocka_unit_test(widths_of_arguments),
		cmocka_unit_test(characters),
		cmocka_unit_test(buffers),
		cmocka_unit_test(page_flags),
		cmocka_unit_test(hostile_and_cut_strings),
		cmocka_unit_test(any_type_as_string),
		cmocka_unit_test(several_arguments_and_literals),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
