/* Rows of a map, read and sorted; see mapread.c. Private to src/runtime. */
#ifndef AWL_RUNTIME_MAPREAD_H
#define AWL_RUNTIME_MAPREAD_H

#include "runtime/priv.h"

struct map_rows {
	uint8_t *keys, *values;
	uint32_t *order;
	size_t n, cap;
	uint32_t ksize, vsize;
};

static inline const uint8_t *map_row_key(const struct map_rows *r, size_t i)
{
	return r->keys + i * r->ksize;
}

static inline const uint8_t *map_row_value(const struct map_rows *r, size_t i)
{
	return r->values + i * r->vsize;
}

/* As below, in the order of the kernel. */
int map_rows_fetch(const struct program_map *m, int fd, struct map_rows *rows);
/* -errno when the map cannot be read; release in any case. */
int map_rows_read(struct types *ts, const struct program_map *m, int fd, struct map_rows *rows);
/* `o` may be NULL: the usual order. */
void map_rows_sort(struct types *ts, const struct program_map *m, struct map_rows *rows,
		   const struct print_opts *o);
void map_rows_release(struct map_rows *rows);

/* Removes one entry and returns its value, merged, to be freed; NULL when it is not there. */
uint8_t *map_take(const struct program_map *m, int fd, const uint8_t *key);

/* ---- mapdump.c ------------------------------------------------------------------------------ */

/* A value as print() shows it, divided. */
void map_add_value(struct run *r, const struct type *t, const uint8_t *v, int64_t div,
		   struct buf *out);
bool map_has_percentiles(const struct program_map *m, const struct print_opts *o);
void map_add_percentiles(const struct program_map *m, const uint8_t *v, const struct print_opts *o,
			 struct buf *out); /* {"p50": 7} */

/* ndjson.c: the rows as one record */
void ndjson_map(struct run *r, const struct program_map *m, const struct map_rows *rows,
		const struct print_opts *o, struct buf *out);

/* The entries by print()'s format, one after the other (maprow.c). */
void map_rows_format(struct run *r, const struct program_map *m, const struct map_rows *rows,
		     const struct print_opts *o, struct buf *out);

/* ---- baseline.c ----------------------------------------------------------------------------- */

struct baseline {                /* of one map; all zero: nothing was ever cleared */
	struct map_rows rows;    /* without an order */
	uint8_t *keep;           /* shown also when nothing was added since */
	uint32_t *slots, nslots; /* hash of the key to its index + 1 */
	struct map_rows printed; /* the values of the last print */
	bool has_printed;
};

void baseline_release(struct baseline *b);
void baseline_apply(const struct baseline *b, const struct program_map *m, struct map_rows *rows);
bool baseline_keeps(const struct baseline *b);
void baseline_printed(struct baseline *b, const struct map_rows *rows);
int baseline_clear(struct baseline *b, const struct program_map *m, int fd, bool keep,
		   bool printed);

#endif
