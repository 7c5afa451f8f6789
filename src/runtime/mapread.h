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
void map_rows_sort(struct types *ts, const struct program_map *m, struct map_rows *rows);
void map_rows_release(struct map_rows *rows);

#endif
