/* Reading maps: all entries at once, per-CPU slots merged, sorted.
 *
 *   rows.keys    │ key 0 │ key 1 │ …          ksize bytes each
 *   rows.values  │ value │ value │ …          vsize bytes each, merged
 *   rows.order   │ 3 │ 0 │ …                  indices in the order of printing
 *
 * Batched look-ups read thousands of entries per system call; where the kernel or the kind of map
 * has none, entries are read one at a time. A map of per-CPU values gives one slot for each
 * possible CPU, each rounded up to 8 bytes:
 *
 *   │ slot of cpu 0 │ slot of cpu 1 │ …   ─ agg->merge →  one value
 *
 * Order: integers and aggregations by value, everything else by key; equal values by key. It is
 * total, so two runs over the same data print the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/mapread.h"

#define CHUNK 1024u /* entries asked for at once, at first */

static void *must_realloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		BUG("out of memory reading a map (%zu bytes)", n);
	return p;
}

static void rows_grow(struct map_rows *rows, size_t more, size_t raw)
{
	if (rows->n + more <= rows->cap)
		return;
	rows->cap = MAX(rows->n + more, rows->cap * 2);
	rows->keys = must_realloc(rows->keys, rows->cap * rows->ksize);
	rows->values = must_realloc(rows->values, rows->cap * raw);
}

void map_rows_release(struct map_rows *rows)
{
	free(rows->keys);
	free(rows->values);
	free(rows->order);
	*rows = (struct map_rows){0};
}

/* ---- reading
 * -------------------------------------------------------------------------------------- */

/* -errno when the first call is refused: the caller reads singly then. */
static int read_batched(int fd, struct map_rows *rows, size_t raw)
{
	uint8_t *token = calloc(2, rows->ksize + 8);
	uint32_t chunk = CHUNK;
	int ret = token ? 0 : -ENOMEM;
	bool first = true;

	while (ret == 0) {
		uint32_t count = chunk;

		rows_grow(rows, count, raw);
		ret = bpf_map_batch(fd, first ? NULL : token, token + rows->ksize + 8,
				    rows->keys + rows->n * rows->ksize,
				    rows->values + rows->n * raw, &count, false);
		if (ret == -ENOSPC && chunk < 1u << 24) { /* one bucket has more than that */
			chunk *= 2;
			ret = 0;
			continue;
		}
		if (ret == 0 || ret == -ENOENT) {
			rows->n += count;
			first = false;
			memcpy(token, token + rows->ksize + 8, rows->ksize + 8);
		}
	}
	free(token);
	return ret == -ENOENT ? 0 : ret;
}

static void read_singly(int fd, struct map_rows *rows, size_t raw, uint32_t max)
{
	uint8_t *key = calloc(2, rows->ksize), *next = key ? key + rows->ksize : NULL;
	const uint8_t *prev = NULL;

	rows->n = 0;
	/* Deletions under our feet restart the walk at the beginning: the bound keeps it finite. */
	while (key && rows->n < (size_t)max * 2 && bpf_map_next(fd, prev, next) == 0) {
		rows_grow(rows, 1, raw);
		memcpy(rows->keys + rows->n * rows->ksize, next, rows->ksize);
		if (bpf_map_get(fd, next, rows->values + rows->n * raw) == 0)
			rows->n++;
		memcpy(key, next, rows->ksize);
		prev = key;
	}
	free(key);
}

static bool is_set(const struct program_map *m, const uint8_t *value)
{
	uint64_t set = 1;

	if (!m->percpu && m->set_off && m->set_off + 8 <= m->spec.value_size)
		memcpy(&set, value + m->set_off, 8);
	return set != 0;
}

static int read_scalar(const struct program_map *m, int fd, struct map_rows *rows, size_t raw)
{
	static const uint32_t zero;
	int ret;

	rows_grow(rows, 1, raw);
	memset(rows->keys, 0, rows->ksize);
	ret = bpf_map_get(fd, &zero, rows->values);
	rows->n = ret == 0 && is_set(m, rows->values);
	return ret;
}

/* ---- merging
 * -------------------------------------------------------------------------------------- */

/* Per-CPU values without an aggregation add up when they are integers; of others the last that is
 * not all zero stands. */
static void merge_plain(const struct type *t, uint8_t *into, const uint8_t *slot, uint32_t size)
{
	uint64_t a = 0, b = 0;

	if (t->kind == TYPE_INT) {
		memcpy(&a, into, MIN(size, 8u));
		memcpy(&b, slot, MIN(size, 8u));
		a += b;
		memcpy(into, &a, MIN(size, 8u));
		return;
	}
	for (uint32_t i = 0; i < size; i++) {
		if (slot[i]) {
			memcpy(into, slot, size);
			return;
		}
	}
}

static void merge_one(const struct program_map *m, uint8_t *into, const uint8_t *slots, int ncpus)
{
	uint32_t size = m->spec.value_size, step = ALIGN_UP(size, 8);

	for (int cpu = 0; cpu < ncpus; cpu++, slots += step) {
		if (m->value->kind == TYPE_AGG)
			m->value->agg.agg->merge(m->value, into, slots);
		else
			merge_plain(m->value, into, slots, size);
	}
}

static void merge_rows(const struct program_map *m, struct map_rows *rows, size_t raw, int ncpus)
{
	uint8_t *merged;

	rows->vsize = ALIGN_UP(m->spec.value_size, 8);
	if (!m->percpu && rows->vsize == raw)
		return;
	merged = calloc(rows->n ? rows->n : 1, rows->vsize);
	if (!merged)
		BUG("out of memory merging a map");
	for (size_t i = 0; i < rows->n; i++) {
		if (m->percpu)
			merge_one(m, merged + i * rows->vsize, rows->values + i * raw, ncpus);
		else
			memcpy(merged + i * rows->vsize, rows->values + i * raw,
			       m->spec.value_size);
	}
	free(rows->values);
	rows->values = merged;
}

uint8_t *map_take(const struct program_map *m, int fd, const uint8_t *key)
{
	int ncpus = m->percpu ? cpu_possible() : 1;
	size_t step = ALIGN_UP(m->spec.value_size, 8);
	uint8_t *raw = calloc((size_t)ncpus, step), *merged = calloc(1, step);
	bool there = raw && merged && bpf_map_take(fd, key, raw) == 0;

	if (there)
		merge_one(m, merged, raw, ncpus);
	free(raw);
	if (there)
		return merged;
	free(merged);
	return NULL;
}

/* ---- sorting
 * -------------------------------------------------------------------------------------- */

struct sort_ctx {
	struct types *ts;
	const struct program_map *m;
	const struct map_rows *rows;
	const struct print_opts *o; /* or NULL */
	bool by_value;
};

static bool sorts_by_value(const struct type *t)
{
	return t->kind == TYPE_INT || (t->kind == TYPE_AGG && t->agg.agg->compare);
}

static int compare_keys(const struct sort_ctx *c, uint32_t a, uint32_t b)
{
	const uint8_t *x = map_row_key(c->rows, a), *y = map_row_key(c->rows, b);
	const struct member *part = c->o && c->o->part && c->m->key->kind == TYPE_TUPLE
					    ? &c->m->key->tuple.members[c->o->key]
					    : NULL;
	int cmp = part ? value_compare(c->ts, part->type, x + part->offset, y + part->offset) : 0;

	if (cmp)
		return cmp;
	cmp = c->m->key ? value_compare(c->ts, c->m->key, x, y) : 0;

	return cmp ? cmp : memcmp(x, y, c->rows->ksize);
}

static int compare_rows(const void *pa, const void *pb, void *arg)
{
	const struct sort_ctx *c = arg;
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
	int cmp = 0;

	if (c->by_value)
		cmp = value_compare(c->ts, c->m->value, map_row_value(c->rows, a),
				    map_row_value(c->rows, b));
	cmp = cmp ? cmp : compare_keys(c, a, b);
	return c->o && c->o->desc ? -cmp : cmp;
}

void map_rows_sort(struct types *ts, const struct program_map *m, struct map_rows *rows,
		   const struct print_opts *o)
{
	struct sort_ctx c = {.ts = ts, .m = m, .rows = rows, .o = o};

	c.by_value = o && o->by != PRINT_USUAL ? o->by == PRINT_BY_VALUE : sorts_by_value(m->value);

	rows->order = must_realloc(rows->order, rows->n * sizeof(uint32_t));
	for (size_t i = 0; i < rows->n; i++)
		rows->order[i] = (uint32_t)i;
	if (rows->n > 1)
		qsort_r(rows->order, rows->n, sizeof(uint32_t), compare_rows, &c);
}

/* ---- all of it
 * ------------------------------------------------------------------------------------ */

int map_rows_fetch(const struct program_map *m, int fd, struct map_rows *rows)
{
	int ncpus = m->percpu ? cpu_possible() : 1, ret = 0;
	size_t raw = m->percpu ? (size_t)ALIGN_UP(m->spec.value_size, 8) * (size_t)ncpus
			       : m->spec.value_size;

	*rows = (struct map_rows){.ksize = m->spec.key_size};
	if (m->scalar)
		ret = read_scalar(m, fd, rows, raw);
	else if (read_batched(fd, rows, raw) < 0)
		read_singly(fd, rows, raw, m->spec.max_entries);
	merge_rows(m, rows, raw, ncpus);
	return ret;
}

int map_rows_read(struct types *ts, const struct program_map *m, int fd, struct map_rows *rows)
{
	int ret = map_rows_fetch(m, fd, rows);

	map_rows_sort(ts, m, rows, NULL);
	return ret;
}
