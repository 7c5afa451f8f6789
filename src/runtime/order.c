/* The order of values, which is the order in which maps are printed.
 *
 * Total for every type and the same from run to run: numbers by value, strings and buffers by their
 * bytes, tuples and records member by member, aggregations and views by their own rule, and
 * whatever has no rule by its bytes.
 *
 *   (1, "b") < (2, "a") < (2, "b")
 */
#include <string.h>

#include "runtime/priv.h"

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_i64(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_bytes(struct str a, struct str b)
{
	int c = memcmp(a.p, b.p, MIN(a.n, b.n));

	return c ? c : compare_u64(a.n, b.n);
}

static int compare_number(const struct type *t, const void *a, const void *b)
{
	bool is_signed;
	uint64_t x = 0, y = 0;

	value_int(t, a, &x, &is_signed);
	value_int(t, b, &y, &is_signed);
	return is_signed ? compare_i64((int64_t)x, (int64_t)y) : compare_u64(x, y);
}

static int compare_string(const struct type *t, const void *a, const void *b)
{
	bool cut;

	return compare_bytes(value_string(t, a, &cut), value_string(t, b, &cut));
}

static int compare_buf(const struct type *t, const void *a, const void *b)
{
	uint32_t n, m;

	memcpy(&n, a, 4);
	memcpy(&m, b, 4);
	return compare_bytes((struct str){(const char *)a + 4, MIN(n, t->str.cap)},
			     (struct str){(const char *)b + 4, MIN(m, t->str.cap)});
}

static int compare_view(const struct type *t, const void *a, const void *b)
{
	uint64_t x = 0, y = 0;

	if (t->view.view->compare)
		return t->view.view->compare(a, b);
	if (t->size > 8)
		return memcmp(a, b, t->size);
	memcpy(&x, a, t->size);
	memcpy(&y, b, t->size);
	return compare_u64(x, y);
}

static int compare_array(struct types *ts, const struct type *t, const uint8_t *a, const uint8_t *b)
{
	const struct type *of = t->array.of;
	int c = 0;

	for (uint32_t i = 0; i < t->array.count && c == 0; i++)
		c = value_compare(ts, of, a + (size_t)i * of->size, b + (size_t)i * of->size);
	return c;
}

static int compare_members(struct types *ts, const struct type *t, const uint8_t *a,
			   const uint8_t *b)
{
	int c = 0;

	for (uint32_t i = 0; i < t->tuple.n && c == 0; i++) {
		const struct member *m = &t->tuple.members[i];

		c = value_compare(ts, m->type, a + m->offset, b + m->offset);
	}
	return c;
}

int value_compare(struct types *ts, const struct type *t, const void *a, const void *b)
{
	switch (t->kind) {
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_ENUM:
	case TYPE_PTR:
		return compare_number(t, a, b);
	case TYPE_STRING:
		return compare_string(t, a, b);
	case TYPE_BUF:
		return compare_buf(t, a, b);
	case TYPE_TUPLE:
	case TYPE_RECORD:
		return compare_members(ts, t, a, b);
	case TYPE_ARRAY:
		return compare_array(ts, t, a, b);
	case TYPE_VIEW:
		return compare_view(t, a, b);
	case TYPE_AGG:
		return t->agg.agg->compare ? t->agg.agg->compare(t, a, b) : 0;
	default:
		return memcmp(a, b, t->size);
	}
}
