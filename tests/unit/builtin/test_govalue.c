/* Records of Go's maps, made by hand: what is shown of them, and that nothing is read beside them
 * whatever they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>
#include "builtin/govalue.h"
#include "type/gotype_plan.h"

enum { SHOWN = 8, STRING = 16, RECORD = 4096 };

static struct arena *arena;
static struct types *ts;
static struct gotypes *gt;

/* map[string]int in both layouts, with all types of its parts. */
struct kept {
	struct gotype_map m;
	uint32_t map, head;
} tables, buckets, wide;

static uint32_t string_type, int_type, wide_type;

static uint32_t part(struct kept *k, enum gotype_part p, uint32_t size, uint32_t from)
{
	uint32_t id = gotype_new(gt, "map", GO_STRUCT, size);
	struct gotype *t = gotype_edit(gt, id);

	t->map = &k->m;
	t->part = p;
	t->from = from;
	return id;
}

static void finish(struct kept *k)
{
	k->map = gotype_new(gt, "map[string]int", GO_MAP, 8);
	k->head = part(k, GO_PART_HEAD, k->m.head, 0);
	gotype_edit(gt, k->map)->map = &k->m;
	gotype_edit(gt, k->map)->header = k->head;
}

static int setup(void **state)
{
	arena = arena_new();
	ts = types_new(arena, NULL);
	gt = gotypes_of(ts, (struct gotype_limits){64, 16, SHOWN, RECORD});
	string_type = gotype_new(gt, "string", GO_STRING, STRING);
	int_type = gotype_new(gt, "int", GO_INT, 8);
	wide_type = gotype_new(gt, "wide", GO_STRUCT, 128);
	tables.m = (struct gotype_map){.tables = true,
				       .key = string_type,
				       .elem = int_type,
				       .group = 200,
				       .key_off = 8,
				       .key_step = 24,
				       .elem_off = 24,
				       .elem_step = 24,
				       .head = 32,
				       .array = 16,
				       .table = 32,
				       .groups = 16,
				       .npieces = 1};
	finish(&tables);
	tables.m.pieces[0] = part(&tables, GO_PART_PIECE, 200, 0);
	tables.m.dir_type = part(&tables, GO_PART_DIR, 8, 0);
	tables.m.table_type = part(&tables, GO_PART_TABLE, 32, 0);
	buckets.m = (struct gotype_map){.key = string_type,
					.elem = int_type,
					.group = 208,
					.key_off = 8,
					.key_step = 16,
					.elem_off = 136,
					.elem_step = 8,
					.over = 200,
					.head = 24,
					.array = 8,
					.npieces = 1};
	finish(&buckets);
	buckets.m.pieces[0] = part(&buckets, GO_PART_PIECE, 208, 0);
	/* Keys in one piece of the group, values in others. */
	wide.m = (struct gotype_map){.key = int_type,
				     .elem = wide_type,
				     .group = 1104,
				     .key_off = 8,
				     .key_step = 8,
				     .elem_off = 72,
				     .elem_step = 128,
				     .over = 1096,
				     .head = 24,
				     .array = 8,
				     .npieces = 3};
	finish(&wide);
	wide.m.pieces[0] = part(&wide, GO_PART_PIECE, 72 + 3 * 128, 0);
	wide.m.pieces[1] = part(&wide, GO_PART_PIECE, 4 * 128, 72 + 3 * 128);
	wide.m.pieces[2] = part(&wide, GO_PART_PIECE, 128 + 8, 72 + 7 * 128);
	return 0;
}

static int teardown(void **state)
{
	arena_free(arena);
	return 0;
}

/* ---- records ----------------------------------------------------------------------------------
 */

struct record {
	uint8_t b[RECORD];
	uint32_t used;
};

static void put4(struct record *r, uint32_t at, uint32_t v)
{
	memcpy(r->b + at, &v, 4);
}

static void put8(struct record *r, uint32_t at, uint64_t v)
{
	memcpy(r->b + at, &v, 8);
}

/* A chunk of zeros; where its bytes begin. */
static uint32_t chunk(struct record *r, uint32_t slot, uint32_t type, uint32_t n, uint32_t skip)
{
	uint32_t at = r->used;

	assert_true(at + GO_CHUNK_HEAD + ALIGN_UP(n, 8u) <= RECORD);
	put4(r, at, slot);
	put4(r, at + 4, type);
	put4(r, at + 8, n);
	put4(r, at + 12, skip);
	r->used += GO_CHUNK_HEAD + ALIGN_UP(n, 8u);
	put4(r, 0, r->used);
	return at + GO_CHUNK_HEAD;
}

/* The map itself, with `n` elements; where its structure is. */
static uint32_t start(struct record *r, const struct kept *k, uint64_t n)
{
	uint32_t root, head;

	memset(r, 0, sizeof(*r));
	r->used = GO_REC_HEAD;
	root = chunk(r, 0, k->map, 8, 0);
	put8(r, root, 0xc000);
	head = chunk(r, root, k->head, k->m.head, 0);
	put8(r, head, n);
	return head;
}

static void text(struct record *r, uint32_t slot, const char *s)
{
	uint32_t at = chunk(r, slot, 1, (uint32_t)strlen(s), 0);

	put8(r, slot, 0xc100);
	put8(r, slot + 8, strlen(s));
	memcpy(r->b + at, s, strlen(s));
}

/* Element `i` of the group at `group`: its key's text comes later. */
static void element(struct record *r, const struct kept *k, uint32_t group, uint32_t i,
		    const char *key, int64_t value)
{
	uint32_t slot = group + k->m.key_off + i * k->m.key_step;

	r->b[group + i] = k->m.tables ? 0x11 : 0x77;
	put8(r, group + k->m.elem_off + i * k->m.elem_step, (uint64_t)value);
	text(r, slot, key);
}

static void show(const struct record *r, struct buf *out)
{
	struct render render = {.types = ts};
	struct type t = {.kind = TYPE_VIEW, .size = RECORD};
	uint8_t *exact = malloc(RECORD); /* so that what is beside it is noticed */

	memcpy(exact, r->b, RECORD);
	view_govalue.text(&render, &t, exact, out);
	free(exact);
}

static void expect(const struct record *r, const char *want)
{
	struct buf b = BUF_INIT;

	show(r, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
}

static void states(struct record *r, uint32_t group, uint8_t state)
{
	memset(r->b + group, state, GO_MAP_SLOTS);
}

/* ---- the layouts --------------------------------------------------------------------------------
 */

static uint32_t make_small(struct record *r, uint64_t n)
{
	uint32_t head = start(r, &tables, n), g;

	put8(r, head + 16, 0xc200);
	g = chunk(r, head + 16, tables.m.pieces[0], 200, 0);
	states(r, g, 0x80);
	element(r, &tables, g, 5, "b", 2);
	element(r, &tables, g, 0, "c", -3);
	element(r, &tables, g, 7, "a", 1);
	return g;
}

static uint32_t make_table(struct record *r)
{
	uint32_t head = start(r, &tables, 20), dir, table, g, next;

	put8(r, head + 16, 0xc200);
	put8(r, head + 24, 1);
	dir = chunk(r, head + 16, tables.m.dir_type, 8, 0);
	put8(r, dir, 0xc300);
	table = chunk(r, dir, tables.m.table_type, 32, 0);
	put8(r, table + 16, 0xc400);
	put8(r, table + 24, 3);
	g = chunk(r, table + 16, tables.m.pieces[0], 400, 0);
	states(r, g, 0xfe); /* deleted */
	states(r, g + 200, 0x80);
	next = chunk(r, table + 16, tables.m.pieces[0], 200, 400);
	states(r, next, 0x80);
	element(r, &tables, g, 1, "y", 1);
	element(r, &tables, g + 200, 2, "z", 2);
	element(r, &tables, next, 3, "x", 3);
	return g;
}

static void make_bucket(struct record *r)
{
	uint32_t head = start(r, &buckets, 4), b, over, slot;

	put8(r, head + 8, 0x5555000000000100); /* B = 1 */
	put8(r, head + 16, 0xc200);
	b = chunk(r, head + 8, buckets.m.pieces[0], 416, 0);
	states(r, b, 4); /* moved to another bucket */
	slot = b + 208 + buckets.m.over;
	put8(r, slot, 0xc300);
	over = chunk(r, slot, buckets.m.pieces[0], 208, 0);
	element(r, &buckets, b + 208, 7, "second", 2);
	element(r, &buckets, over, 0, "over", 3);
	element(r, &buckets, b, 3, "first", 1);
}

static void maps_of_tables(void **state)
{
	struct record r;

	make_small(&r, 3);
	expect(&r, "map[a:1 b:2 c:-3]");
	make_small(&r, 5);
	expect(&r, "map[a:1 b:2 c:-3 ...2 more]");
	make_table(&r);
	expect(&r, "map[x:3 y:1 z:2 ...17 more]");
	start(&r, &tables, 0);
	expect(&r, "map[]");
	start(&r, &tables, 7);
	expect(&r, "map[...7 more]");
}

static void maps_of_buckets(void **state)
{
	struct record r;

	make_bucket(&r);
	expect(&r, "map[first:1 over:3 second:2 ...1 more]");
}

static void what_was_not_captured(void **state)
{
	struct record r;
	uint32_t g = make_small(&r, 3), head;

	put8(&r, g + 8 + 2 * 24, 0xc700); /* a key without its text */
	put8(&r, g + 8 + 2 * 24 + 8, 4);
	r.b[g + 2] = 1;
	expect(&r, "map[a:1 b:2 c:-3]");
	put8(&r, g - GO_CHUNK_HEAD - 32, 4);
	expect(&r, "map[a:1 b:2 c:-3 ...1 more]");
	head = start(&r, &tables, 3);
	put8(&r, head + 16, 0xc200);
	chunk(&r, head + 16, tables.m.pieces[0] | GO_CHUNK_FAULT, 0, 0);
	expect(&r, "map[(unreadable)]");
}

/* Values that are in another piece than their keys, and one that is in none. */
static void groups_in_pieces(void **state)
{
	struct record r;
	uint32_t head = start(&r, &wide, 3), b, last;

	put8(&r, head + 16, 0xc200);
	b = chunk(&r, head + 8, wide.m.pieces[0], 72 + 3 * 128, 0);
	last = chunk(&r, head + 8, wide.m.pieces[2], 128 + 8, 72 + 7 * 128);
	for (uint32_t i = 0; i < 8; i++)
		put8(&r, b + 8 + i * 8, i);
	r.b[b] = r.b[b + 5] = r.b[b + 7] = 99;
	put8(&r, last + 128, 0);
	expect(&r, "map[0:{} 5:... 7:{}]");
}

/* No slot leads back, and none to itself. */
static void what_leads_back(void **state)
{
	struct record r;
	uint32_t head = start(&r, &buckets, 4), b;

	put8(&r, head + 16, 0xc200);
	b = chunk(&r, head + 8, buckets.m.pieces[0], 208, 0);
	put8(&r, b + buckets.m.over, 0xc200);
	put4(&r, b - GO_CHUNK_HEAD, b + buckets.m.over);
	expect(&r, "map[...4 more]");
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Words of a good record are replaced by others: what is shown may be anything, and ends. */
static void records_that_are_damaged(void **state)
{
	static const uint64_t odd[] = {0,      1,          7,          8,          16,        0xff,
				       0x3f00, 0xffffffff, 1ull << 32, 1ull << 63, UINT64_MAX};
	uint64_t x = 0x9e3779b97f4a7c15;
	struct record good[3], r;

	make_small(&good[0], 3);
	make_table(&good[1]);
	make_bucket(&good[2]);
	for (unsigned n = 0; n < 100000; n++) {
		struct buf b = BUF_INIT;

		r = good[n % 3];
		for (uint64_t k = next_random(&x) % 6 + 1; k; k--) {
			uint32_t at = (uint32_t)(next_random(&x) % (r.used / 4)) * 4;
			uint64_t v = next_random(&x);

			v = v % 3 ? odd[v / 3 % ARRAY_SIZE(odd)] : v / 3 % RECORD;
			memcpy(r.b + at, &v, n & 1 ? 4 : 1);
		}
		show(&r, &b);
		assert_true(b.n < 1 << 16);
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_of_tables),        cmocka_unit_test(maps_of_buckets),
		cmocka_unit_test(what_was_not_captured), cmocka_unit_test(groups_in_pieces),
		cmocka_unit_test(what_leads_back),       cmocka_unit_test(records_that_are_damaged),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
