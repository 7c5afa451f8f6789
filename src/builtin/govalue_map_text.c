/* Text of a captured map of Go:  map[a:1 b:2 ...5 more]
 *
 * What was captured are parts of arrays of groups (gotype.h), all chunks of one slot together; the
 * state of an element tells whether there is one. Those whose key was not captured are among the
 * ones that are only counted. As fmt does, those that are shown are sorted by key: numbers, truth
 * values and texts by value, structs and arrays by their parts, what is left by the address.
 *
 * The program may have changed the map meanwhile, so that groups do not fit together: elements may
 * be missing, or there twice. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "builtin/govalue.h"

enum { EMPTY = 0x80, FIRST_HASH = 5, MAX_CHAIN = 64, MAX_COMPARED = 16 };

struct entry {
	struct gopart key, elem; /* without a type: not captured */
	uint32_t marks;          /* of the element's memory, where it is behind a pointer */
	uint32_t at;             /* those that were found before it */
};

struct found {
	struct goshow *s;
	const struct gotype_map *m;
	struct entry *v;
	uint32_t n, max;
	bool fault; /* something could not be read */
};

/* ---- which elements there are -----------------------------------------------------------------
 */

/* Where `n` bytes are in the record that are `off` bytes behind the beginning of an array. */
static bool in_array(const struct goshow *s, uint32_t slot, uint64_t off, uint32_t n, uint32_t *out)
{
	struct gochunk c;
	uint32_t at = 0;

	while (goshow_next(s, slot, &at, &c)) {
		if (off < c.skip || off + n > (uint64_t)c.skip + c.part.n)
			continue;
		*out = c.part.off + (uint32_t)(off - c.skip);
		return true;
	}
	return false;
}

/* A key or value at that place of an array; its type is NULL where it was not captured. */
static struct gopart kept_at(const struct found *f, uint32_t slot, uint64_t off, uint32_t type,
			     bool behind, uint32_t *marks)
{
	const struct gotype *t = gotype_get(f->s->gt, type);
	struct gopart p = {t, 0, t->size};

	*marks = 0;
	if (!in_array(f->s, slot, off, behind ? 8 : t->size, &p.off) ||
	    (behind && !goshow_find(f->s, p.off, &p, marks)))
		return (struct gopart){0};
	return p;
}

/* Is there enough of a key that it tells something? */
static bool is_told(const struct goshow *s, struct gopart key)
{
	struct gopart to;
	uint32_t marks;

	if (!key.t)
		return false;
	if (key.t->kind == GO_STRING)
		return !goshow_word(s, key.off + 8) || goshow_find(s, key.off, &to, &marks);
	return key.t->kind != GO_INTERFACE || !goshow_word(s, key.off) ||
	       goshow_find(s, key.off, &to, &marks);
}

static void add_element(struct found *f, uint32_t slot, uint64_t group, uint32_t i)
{
	const struct gotype_map *m = f->m;
	struct entry e = {.at = f->n};

	e.key = kept_at(f, slot, group + m->key_off + (uint64_t)i * m->key_step, m->key,
			m->key_behind, &e.marks);
	if (f->n >= f->max || (e.marks & GO_CHUNK_FAULT) || !is_told(f->s, e.key))
		return;
	e.elem = kept_at(f, slot, group + m->elem_off + (uint64_t)i * m->elem_step, m->elem,
			 m->elem_behind, &e.marks);
	f->v[f->n++] = e;
}

static bool is_used(const struct gotype_map *m, uint8_t state)
{
	return m->tables ? !(state & EMPTY) : state >= FIRST_HASH;
}

static void add_array(struct found *f, uint32_t slot, unsigned chain);

/* A group, `group` bytes behind the beginning of the array; its states are in the record. */
static void add_group(struct found *f, uint32_t slot, uint64_t group, uint32_t states,
		      unsigned chain)
{
	uint32_t over;

	for (uint32_t i = 0; i < GO_MAP_SLOTS; i++)
		if (is_used(f->m, f->s->rec[states + i]))
			add_element(f, slot, group, i);
	if (!f->m->tables && in_array(f->s, slot, group + f->m->over, 8, &over) &&
	    goshow_word(f->s, over))
		add_array(f, over, chain + 1);
}

/* All groups of it whose states were captured. */
static void add_array(struct found *f, uint32_t slot, unsigned chain)
{
	struct gochunk c;
	uint32_t at = 0;

	while (chain < MAX_CHAIN && f->n < f->max && goshow_next(f->s, slot, &at, &c)) {
		uint64_t group, end = (uint64_t)c.skip + c.part.n;

		f->fault |= c.marks & GO_CHUNK_FAULT;
		if (c.part.t->map != f->m || c.part.t->part != GO_PART_PIECE)
			continue;
		group = ((uint64_t)c.skip + f->m->group - 1) / f->m->group * f->m->group;
		for (; group + GO_MAP_SLOTS <= end && f->n < f->max; group += f->m->group)
			add_group(f, slot, group, c.part.off + (uint32_t)(group - c.skip), chain);
	}
}

/* What a slot leads to, by a chunk of that kind; 0: it was not captured. */
static uint32_t part_behind(struct found *f, uint32_t slot, enum gotype_part part)
{
	struct gopart to;
	uint32_t marks;

	if (!goshow_find(f->s, slot, &to, &marks))
		return 0;
	f->fault |= marks & GO_CHUNK_FAULT;
	return to.t->map == f->m && to.t->part == part && to.n == to.t->size ? to.off : 0;
}

static void find_elements(struct found *f, struct gopart head)
{
	uint32_t array = head.off + f->m->array;
	uint32_t dir, table;

	if (!f->m->tables || !goshow_word(f->s, array + 8)) {
		add_array(f, array, 0);
		return;
	}
	dir = part_behind(f, array, GO_PART_DIR);
	table = dir ? part_behind(f, dir, GO_PART_TABLE) : 0;
	if (table)
		add_array(f, table + f->m->groups, 0);
}

/* ---- their order ------------------------------------------------------------------------------
 */

static int order(const struct goshow *s, struct gopart a, struct gopart b, unsigned depth);

static int order_bytes(const struct goshow *s, struct gopart a, struct gopart b)
{
	struct gopart x = {0}, y = {0};
	uint32_t marks;
	int r;

	if (goshow_word(s, a.off + 8))
		goshow_find(s, a.off, &x, &marks);
	if (goshow_word(s, b.off + 8))
		goshow_find(s, b.off, &y, &marks);
	r = memcmp(s->rec + x.off, s->rec + y.off, MIN(x.n, y.n));
	return r ? r : (x.n > y.n) - (x.n < y.n);
}

/* NaN is less than all others. */
static int order_double(double x, double y)
{
	if (isnan(x) || isnan(y))
		return isnan(y) - isnan(x);
	return (x > y) - (x < y);
}

/* Of complex numbers the real part first. */
static int order_floats(const struct goshow *s, struct gopart a, struct gopart b, uint32_t each)
{
	int r = 0;

	for (uint32_t i = 0; i < a.t->size && !r; i += each)
		r = order_double(goshow_float(s, a.off + i, each == 4),
				 goshow_float(s, b.off + i, each == 4));
	return r;
}

static int order_numbers(const struct goshow *s, struct gopart a, struct gopart b)
{
	uint64_t x = goshow_unsigned(s, a), y = goshow_unsigned(s, b);

	if (a.t->kind >= GO_INT && a.t->kind <= GO_INT64) {
		int64_t i = goshow_signed(s, a), j = goshow_signed(s, b);

		return (i > j) - (i < j);
	}
	return (x > y) - (x < y);
}

static struct gopart part_at(struct gopart p, const struct gotype *t, uint32_t off)
{
	return (struct gopart){t, p.off + off, t->size};
}

static int order_parts(const struct goshow *s, struct gopart a, struct gopart b, unsigned depth)
{
	const struct gotype *t = gotype_get(s->gt, a.t->elem);
	uint32_t n = a.t->kind == GO_ARRAY ? a.t->count : a.t->nmembers;
	uint32_t off = 0;
	int r = 0;

	for (uint32_t i = 0; i < n && !r; i++) {
		if (a.t->kind == GO_STRUCT) {
			t = gotype_get(s->gt, a.t->members[i].type);
			off = a.t->members[i].offset;
		} else if (i) {
			off += t->size;
		}
		if (!t->size || off + t->size > a.n || off + t->size > b.n)
			break;
		r = order(s, part_at(a, t, off), part_at(b, t, off), depth + 1);
	}
	return r;
}

/* By the address of their types, and of one type by value. */
static int order_interfaces(const struct goshow *s, struct gopart a, struct gopart b,
			    unsigned depth)
{
	struct gopart x, y;
	uint32_t mx, my;
	int r = order_numbers(s, a, b);

	if (r || !goshow_find(s, a.off, &x, &mx) || !goshow_find(s, b.off, &y, &my) || x.t != y.t)
		return r;
	return order(s, x, y, depth + 1);
}

/* Two values of one type, whose bytes are there. */
static int order(const struct goshow *s, struct gopart a, struct gopart b, unsigned depth)
{
	if (depth > MAX_COMPARED || a.n < a.t->size || b.n < b.t->size)
		return 0;
	switch (a.t->kind) {
	case GO_STRING:
		return order_bytes(s, a, b);
	case GO_FLOAT32:
	case GO_COMPLEX64:
		return order_floats(s, a, b, 4);
	case GO_FLOAT64:
	case GO_COMPLEX128:
		return order_floats(s, a, b, 8);
	case GO_INTERFACE:
		return order_interfaces(s, a, b, depth);
	case GO_STRUCT:
	case GO_ARRAY:
		return order_parts(s, a, b, depth);
	default:
		return order_numbers(s, a, b);
	}
}

static int order_entries(const void *x, const void *y, void *arg)
{
	const struct entry *a = x, *b = y;
	int r = order(arg, a->key, b->key, 0);

	return r ? r : (a->at > b->at) - (a->at < b->at);
}

/* ---- text ---------------------------------------------------------------------------------------
 */

static void show_entry(struct goshow *s, const struct entry *e)
{
	goshow_value(s, e->key);
	buf_addc(s->out, ':');
	if (e->marks & GO_CHUNK_FAULT)
		buf_adds(s->out, "(unreadable)");
	else if (!e->elem.t)
		buf_adds(s->out, "...");
	else
		goshow_value(s, e->elem);
}

static void show_found(const struct found *f, uint64_t n)
{
	buf_adds(f->s->out, "map[");
	for (uint32_t i = 0; i < f->n; i++) {
		buf_adds(f->s->out, i ? " " : "");
		show_entry(f->s, &f->v[i]);
	}
	if (!f->n && f->fault)
		buf_adds(f->s->out, "(unreadable)");
	else if (f->n < n)
		buf_printf(f->s->out, "%s...%" PRIu64 " more", f->n ? " " : "", n - f->n);
	buf_addc(f->s->out, ']');
}

void goshow_map(struct goshow *s, const struct gotype_map *m, struct gopart head, uint64_t n)
{
	uint32_t limit = gotypes_limits(s->gt).map_elems;
	struct found f = {.s = s, .m = m, .max = (uint32_t)MIN(MIN(n, limit), GO_MAP_ELEMS_MAX)};

	f.v = calloc(f.max + 1, sizeof(*f.v));
	if (!f.v)
		return;
	find_elements(&f, head);
	qsort_r(f.v, f.n, sizeof(*f.v), order_entries, s);
	show_found(&f, n);
	free(f.v);
}
