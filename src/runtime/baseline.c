/* clear() and zero() without losing anything.
 *
 * Programs add to a map while user space prints and clears it. Deleting what was read a moment ago
 * would lose what was added in between. Maps whose slots are sums of 64-bit words (count, sum, avg,
 * stats, hist, lhist), and that no program looks at, are cleared by remembering instead:
 *
 *   print    shows  value - baseline        and keeps the values it read
 *   clear    baseline = values              those printed before it in the same probe, else those
 * of now
 *
 *        kernel        7 ───────── 9 ──── 12
 *        print: 7          clear           print: 12 - 7 = 5       2 of them came in before the
 * clear
 *
 * Entries whose difference is nothing are not shown, but after zero() they are. A map that is more
 * than a quarter full is emptied in earnest, so that the keys of the past do not crowd out new
 * ones; what was in the map then, less what had been printed, goes into the baseline with its sign
 * turned (arithmetic is modulo 2^64), and the key stays while that is not nothing. Only an addition
 * that is under way at the instant of the deletion is lost there.
 *
 *   struct baseline   keys │ k0 │ k1 │ …   values │ v0 │ v1 │ …   keep │ 0 │ 1 │ …   slots: hash →
 * index + 1
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/mapread.h"

static uint32_t hash_key(const uint8_t *key, uint32_t size)
{
	return str_hash((struct str){(const char *)key, size});
}

/* The slot that holds the key, or the free one where it belongs. */
static uint32_t *find_slot(const struct baseline *b, const uint8_t *key)
{
	uint32_t mask = b->nslots - 1, i = hash_key(key, b->rows.ksize) & mask;

	while (b->slots[i] && memcmp(map_row_key(&b->rows, b->slots[i] - 1), key, b->rows.ksize))
		i = (i + 1) & mask;
	return &b->slots[i];
}

/* Index of the key, or SIZE_MAX. */
static size_t find(const struct baseline *b, const uint8_t *key)
{
	uint32_t slot = b->nslots ? *find_slot(b, key) : 0;

	return slot ? slot - 1 : SIZE_MAX;
}

void baseline_release(struct baseline *b)
{
	map_rows_release(&b->rows);
	free(b->keep);
	free(b->slots);
	*b = (struct baseline){0};
}

/* Takes over the rows. */
static void baseline_make(struct baseline *b, struct map_rows *rows)
{
	*b = (struct baseline){.rows = *rows, .nslots = 16};
	*rows = (struct map_rows){0};
	while (b->nslots < 2 * b->rows.n)
		b->nslots *= 2;
	b->slots = calloc(b->nslots, sizeof(*b->slots));
	b->keep = calloc(b->rows.n + 1, 1);
	if (!b->slots || !b->keep)
		BUG("out of memory clearing a map");
	for (size_t i = 0; i < b->rows.n; i++)
		*find_slot(b, map_row_key(&b->rows, i)) = (uint32_t)i + 1;
}

static void subtract(uint8_t *from, const uint8_t *what, uint32_t size)
{
	for (uint32_t i = 0; i + 8 <= size; i += 8) {
		uint64_t x, y;

		memcpy(&x, from + i, 8);
		memcpy(&y, what + i, 8);
		x -= y;
		memcpy(from + i, &x, 8);
	}
}

static bool is_empty(const struct program_map *m, const uint8_t *value)
{
	return m->value->agg.agg->empty(m->value, value);
}

/* The rows become what is to be shown: differences, without those that are nothing. */
void baseline_apply(const struct baseline *b, const struct program_map *m, struct map_rows *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++) {
		uint8_t *key = rows->keys + i * rows->ksize, *v = rows->values + i * rows->vsize;
		size_t at = find(b, key);

		if (at != SIZE_MAX) {
			subtract(v, map_row_value(&b->rows, at), rows->vsize);
			if (is_empty(m, v) && !b->keep[at])
				continue;
		}
		memmove(rows->keys + n * rows->ksize, key, rows->ksize);
		memmove(rows->values + n++ * rows->vsize, v, rows->vsize);
	}
	rows->n = n;
}

/* Whether a scalar that is nothing is shown all the same. */
bool baseline_keeps(const struct baseline *b)
{
	return b->rows.n > 0 && b->keep[0];
}

static void copy_rows(struct map_rows *to, const struct map_rows *from)
{
	size_t keys = from->n * from->ksize, values = from->n * from->vsize;

	map_rows_release(to);
	*to = (struct map_rows){.n = from->n,
				.cap = from->n,
				.ksize = from->ksize,
				.vsize = from->vsize,
				.keys = malloc(keys + 1),
				.values = malloc(values + 1)};
	if (!to->keys || !to->values)
		BUG("out of memory printing a map");
	if (keys)
		memcpy(to->keys, from->keys, keys);
	if (values)
		memcpy(to->values, from->values, values);
}

void baseline_printed(struct baseline *b, const struct map_rows *rows)
{
	copy_rows(&b->printed, rows);
	b->has_printed = true;
}

/* Which keys zero() leaves on show: those that were. */
static void keep_shown(struct baseline *b, const struct baseline *old, const struct program_map *m)
{
	uint8_t *v = malloc(b->rows.vsize + 1);

	if (!v)
		BUG("out of memory clearing a map");
	for (size_t i = 0; i < b->rows.n; i++) {
		size_t at = find(old, map_row_key(&b->rows, i));

		memcpy(v, map_row_value(&b->rows, i), b->rows.vsize);
		if (at != SIZE_MAX)
			subtract(v, map_row_value(&old->rows, at), b->rows.vsize);
		b->keep[i] = (at != SIZE_MAX && old->keep[at]) || !is_empty(m, v);
	}
	free(v);
}

/* Takes the keys out of the kernel's map; what they had gained since goes into the baseline. */
static void empty_map(struct baseline *b, const struct program_map *m, int fd)
{
	uint8_t *zero = calloc((size_t)cpu_possible(), ALIGN_UP(m->spec.value_size, 8)), *final;

	for (size_t i = 0; i < b->rows.n && zero; i++) {
		const uint8_t *key = map_row_key(&b->rows, i);
		uint8_t *value = b->rows.values + i * b->rows.vsize;

		final = map_take(m, fd, key);
		if (!final)
			continue;
		subtract(value, final, b->rows.vsize);
		if (!is_empty(m, value))
			bpf_map_set(fd, key, zero, BPF_NOEXIST);
		free(final);
	}
	free(zero);
}

int baseline_clear(struct baseline *b, const struct program_map *m, int fd, bool keep, bool printed)
{
	struct baseline now = {0};
	struct map_rows rows = {0};
	int ret = 0;

	if (printed && b->has_printed) {
		rows = b->printed;
		b->printed = (struct map_rows){0};
	} else {
		ret = map_rows_fetch(m, fd, &rows);
	}
	baseline_make(&now, &rows);
	if (keep)
		keep_shown(&now, b, m);
	else if (!m->scalar && now.rows.n > m->spec.max_entries / 4)
		empty_map(&now, m, fd);
	map_rows_release(&b->printed);
	baseline_release(b);
	*b = now;
	return ret;
}
