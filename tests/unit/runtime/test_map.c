/* Maps read from the kernel: batches, per-CPU merging, order, text and JSON, clear and zero. */
#include "fixture.h"

/* An aggregation that adds up, and one that shows itself on several lines. */
static uint32_t sum_size(const int64_t p[3])
{
	return 8;
}

static void sum_merge(const struct type *t, void *into, const void *slot)
{
	*(int64_t *)into += *(const int64_t *)slot;
}

static bool sum_empty(const struct type *t, const void *v)
{
	return *(const int64_t *)v == 0;
}

static int sum_compare(const struct type *t, const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void sum_text(struct render *r, const struct type *t, const void *v, int64_t div,
		     struct buf *out)
{
	buf_addi64(out, *(const int64_t *)v / div);
}

static void bars_text(struct render *r, const struct type *t, const void *v, int64_t div,
		      struct buf *out)
{
	buf_printf(out, "[1]  %" PRId64 " |@@|\n", *(const int64_t *)v);
}

static void bars_json(struct render *r, const struct type *t, const void *v, int64_t div,
		      struct buf *out)
{
	buf_printf(out, "[{\"min\": 1, \"count\": %" PRId64 "}]", *(const int64_t *)v);
}

static const struct agg sum_agg = {.name = "sum",
				   .type_name = "sum_t",
				   .json_type = "map",
				   .size = sum_size,
				   .merge = sum_merge,
				   .empty = sum_empty,
				   .compare = sum_compare,
				   .text = sum_text,
				   .json = sum_text};
static const struct agg bars_agg = {.name = "hist",
				    .type_name = "hist_t",
				    .json_type = "hist",
				    .multi_line = true,
				    .size = sum_size,
				    .merge = sum_merge,
				    .empty = sum_empty,
				    .compare = sum_compare,
				    .text = bars_text,
				    .json = bars_json};

static const struct type *agg_type(struct fixture *f, const struct agg *a)
{
	static const int64_t p[3];

	return type_agg(f->p.types, a, 8, true, p);
}

static void put(struct fixture *f, uint32_t map, const void *key, int64_t value)
{
	assert_int_equal(bpf_map_set(f->run->map_fds[map], key, &value, 0), 0);
}

/* The same value on every CPU. */
static void put_percpu(struct fixture *f, uint32_t map, const void *key, int64_t value)
{
	int n = cpu_possible();
	int64_t *v = calloc((size_t)n, 8);

	for (int i = 0; i < n; i++)
		v[i] = value;
	assert_int_equal(bpf_map_set(f->run->map_fds[map], key, v, 0), 0);
	free(v);
}

static void expect_print(struct fixture *f, uint32_t map, int64_t top, int64_t div,
			 const char *want)
{
	buf_reset(&f->out.b);
	map_print(f->run, map, &(struct print_opts){.top = top, .div = div});
	assert_string_equal(f->out.b.n ? fixture_text(f) : "", want);
}

static void integers_are_sorted_by_value(void **state)
{
	struct fixture f;
	const struct type *i8;

	fixture_init(&f, OUT_TEXT);
	i8 = type_int(f.p.types, 8, true);
	fixture_map(&f, "@m", BPF_MAP_TYPE_HASH, i8, i8);
	fixture_start(&f);
	put(&f, MAP_FIRST, &(int64_t){1}, 30);
	put(&f, MAP_FIRST, &(int64_t){2}, -10);
	put(&f, MAP_FIRST, &(int64_t){-3}, 20);
	put(&f, MAP_FIRST, &(int64_t){-4}, 20);
	expect_print(&f, MAP_FIRST, 0, 0, "@m[2]: -10\n@m[-4]: 20\n@m[-3]: 20\n@m[1]: 30\n");
	expect_print(&f, MAP_FIRST, 2, 0, "@m[-3]: 20\n@m[1]: 30\n");
	expect_print(&f, MAP_FIRST, 100, 10, "@m[2]: -1\n@m[-4]: 2\n@m[-3]: 2\n@m[1]: 3\n");
	fixture_release(&f);
}

static void others_are_sorted_by_key(void **state)
{
	struct fixture f;
	const struct type *key, *s8;
	struct {
		int64_t n;
		char s[8];
	} k[] = {{2, "a"}, {1, "b"}, {1, "a"}};

	fixture_init(&f, OUT_JSON);
	s8 = type_string(f.p.types, 8);
	key = type_tuple(f.p.types, (const struct type *[]){type_int(f.p.types, 8, true), s8}, 2);
	fixture_map(&f, "@m", BPF_MAP_TYPE_HASH, key, s8)->nkeys = 2;
	fixture_start(&f);
	for (size_t i = 0; i < ARRAY_SIZE(k); i++)
		assert_int_equal(bpf_map_set(f.run->map_fds[MAP_FIRST], &k[i], "x y\0\0\0\0", 0),
				 0);
	expect_print(&f, MAP_FIRST, 0, 0,
		     "{\"type\": \"map\", \"data\": {\"@m\": {\"1,a\": \"x y\", \"1,b\": \"x y\", "
		     "\"2,a\": \"x y\"}}}\n");
	f.out.format = OUT_TEXT;
	f.run->host.render.json = false;
	expect_print(&f, MAP_FIRST, 0, 0, "@m[1, a]: x y\n@m[1, b]: x y\n@m[2, a]: x y\n");
	fixture_release(&f);
}

static void percpu_values_are_merged(void **state)
{
	struct fixture f;
	const struct type *i8;
	char want[64];

	fixture_init(&f, OUT_TEXT);
	i8 = type_int(f.p.types, 8, true);
	fixture_map(&f, "@s", BPF_MAP_TYPE_PERCPU_HASH, i8, agg_type(&f, &sum_agg));
	fixture_map(&f, "@one", BPF_MAP_TYPE_PERCPU_ARRAY, NULL, agg_type(&f, &sum_agg));
	fixture_start(&f);
	expect_print(&f, MAP_FIRST + 1, 0, 0, "");
	put_percpu(&f, MAP_FIRST, &(int64_t){7}, 3);
	put_percpu(&f, MAP_FIRST + 1, &(uint32_t){0}, 5);
	snprintf(want, sizeof(want), "@s[7]: %d\n", 3 * cpu_possible());
	expect_print(&f, MAP_FIRST, 0, 0, want);
	snprintf(want, sizeof(want), "@one: %d\n", 5 * cpu_possible());
	expect_print(&f, MAP_FIRST + 1, 0, 0, want);
	fixture_release(&f);
}

static void values_of_several_lines(void **state)
{
	struct fixture f;
	const struct type *i8;

	fixture_init(&f, OUT_TEXT);
	i8 = type_int(f.p.types, 8, true);
	fixture_map(&f, "@h", BPF_MAP_TYPE_HASH, i8, agg_type(&f, &bars_agg));
	fixture_start(&f);
	put(&f, MAP_FIRST, &(int64_t){1}, 4);
	put(&f, MAP_FIRST, &(int64_t){2}, 3);
	expect_print(&f, MAP_FIRST, 0, 0, "@h[2]:\n[1]  3 |@@|\n\n@h[1]:\n[1]  4 |@@|\n\n");
	f.out.format = OUT_JSON;
	f.run->host.render.json = true;
	expect_print(&f, MAP_FIRST, 1, 0,
		     "{\"type\": \"hist\", \"data\": {\"@h\": {\"1\": [{\"min\": 1, \"count\": "
		     "4}]}}}\n");
	fixture_release(&f);
}

static void scalars_show_once_assigned(void **state)
{
	struct fixture f;
	struct program_map *m;
	const uint64_t value[2] = {42, 1};
	const uint32_t zero = 0;

	fixture_init(&f, OUT_TEXT);
	m = fixture_map(&f, "@x", BPF_MAP_TYPE_ARRAY, NULL, type_int(f.p.types, 8, true));
	m->spec.value_size = 16;
	m->set_off = 8;
	fixture_start(&f);
	expect_print(&f, MAP_FIRST, 0, 0, "");
	bpf_map_set(f.run->map_fds[MAP_FIRST], &zero, value, 0);
	expect_print(&f, MAP_FIRST, 0, 0, "@x: 42\n");
	map_clear(f.run, MAP_FIRST, true, false);
	expect_print(&f, MAP_FIRST, 0, 0, "@x: 0\n");
	map_clear(f.run, MAP_FIRST, false, false);
	expect_print(&f, MAP_FIRST, 0, 0, "");
	fixture_release(&f);
}

static void clear_and_zero(void **state)
{
	struct fixture f;
	const struct type *i8;

	fixture_init(&f, OUT_TEXT);
	i8 = type_int(f.p.types, 8, true);
	fixture_map(&f, "@m", BPF_MAP_TYPE_HASH, i8, i8);
	fixture_map(&f, "@p", BPF_MAP_TYPE_PERCPU_HASH, i8, agg_type(&f, &sum_agg));
	fixture_start(&f);
	put(&f, MAP_FIRST, &(int64_t){1}, 4);
	put(&f, MAP_FIRST, &(int64_t){2}, 3);
	put_percpu(&f, MAP_FIRST + 1, &(int64_t){1}, 4);
	map_clear(f.run, MAP_FIRST, true, false);
	map_clear(f.run, MAP_FIRST + 1, true, false);
	expect_print(&f, MAP_FIRST, 0, 0, "@m[1]: 0\n@m[2]: 0\n");
	expect_print(&f, MAP_FIRST + 1, 0, 0, "@p[1]: 0\n");
	map_clear(f.run, MAP_FIRST, false, false);
	map_clear(f.run, MAP_FIRST + 1, false, false);
	expect_print(&f, MAP_FIRST, 0, 0, "");
	expect_print(&f, MAP_FIRST + 1, 0, 0, "");
	fixture_release(&f);
}

static int count_row(void *arg, const char *key, const char *value, const void *kb, size_t kn,
		     const void *vb, size_t vn)
{
	int64_t *sum = arg;

	assert_int_equal(kn, 8);
	assert_int_equal(vn, 8);
	assert_int_equal(atoll(key) * 2, atoll(value));
	sum[0]++;
	sum[1] += *(const int64_t *)kb;
	return 0;
}

/* More entries than one batch, of a map without preallocation. */
static void many_entries(void **state)
{
	struct fixture f;
	struct err e = {0};
	const struct type *i8;
	struct program_map *m;
	int64_t sum[2] = {0, 0};

	fixture_init(&f, OUT_TEXT);
	i8 = type_int(f.p.types, 8, true);
	m = fixture_map(&f, "@m", BPF_MAP_TYPE_HASH, i8, i8);
	m->spec.max_entries = 20000;
	m->spec.flags = BPF_F_NO_PREALLOC;
	fixture_start(&f);
	for (int64_t i = 0; i < 10000; i++)
		put(&f, MAP_FIRST, &i, i * 2);
	assert_int_equal(run_map_each(f.run, "@m", count_row, sum, &e), 0);
	assert_int_equal(sum[0], 10000);
	assert_int_equal(sum[1], 9999 * 10000 / 2);
	assert_true(run_map_each(f.run, "@none", count_row, sum, &e) < 0);
	assert_non_null(strstr(e.what, "@none"));
	map_clear(f.run, MAP_FIRST, false, false);
	expect_print(&f, MAP_FIRST, 0, 0, "");
	fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_sorted_by_value),
		cmocka_unit_test(others_are_sorted_by_key),
		cmocka_unit_test(percpu_values_are_merged),
		cmocka_unit_test(values_of_several_lines),
		cmocka_unit_test(scalars_show_once_assigned),
		cmocka_unit_test(clear_and_zero),
		cmocka_unit_test(many_entries),
	};

	if (getuid() != 0)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
