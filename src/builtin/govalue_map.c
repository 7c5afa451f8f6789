/* Following a map of Go to its elements: the part of govalue_follow.c that only scripts have which
 * set go_max_map_elems.
 *
 * A slot leads to an array of groups (gotype.h), and tells how many there are in a way of its own.
 * What is read is a part of that array, `skip` bytes from its beginning, if there are more than
 * `first` groups. The words are those of a program that may be changing the map: whatever they say,
 * no more than a chunk is read, and an address that is none is a fault like any other. */
#include "builtin/govalue_follow.h"

struct array {
	ir_cell base, count;
};

static void set_array(struct follow *f, const struct array *a, ir_val base, ir_val count,
		      struct ir_block *then)
{
	ir_set(f->b, a->base, base);
	ir_set(f->b, a->count, count);
	ir_jmp(f->b, then);
}

/* Where the array is, and of how many groups. */
static struct array find_array(struct follow *f, ir_val follow)
{
	struct ir *b = f->b;
	struct ir_block *buckets = ir_block_new(b, "buckets"), *tables = ir_block_new(b, NULL);
	struct ir_block *small = ir_block_new(b, "small"), *groups = ir_block_new(b, "groups");
	struct ir_block *found = ir_block_new(b, NULL);
	struct array a = {ir_cell_new(b, "base", false), ir_cell_new(b, "count", false)};
	ir_val shift;

	ir_br(b, ir_bini(b, IR_EQ, follow, GO_FOLLOW_BUCKETS), buckets, tables, IR_LIKELY_EVEN);
	ir_at(b, buckets);
	shift = ir_bini(b, IR_AND, ir_bini(b, IR_LSHR, f->w0, 8), 63);
	set_array(f, &a, f->w1, ir_bin(b, IR_SHL, ir_const(b, 1), shift), found);
	ir_at(b, tables);
	ir_br(b, ir_bini(b, IR_EQ, follow, GO_FOLLOW_SMALL), small, groups, IR_LIKELY_EVEN);
	ir_at(b, small);
	set_array(f, &a, f->w0, ir_not(b, f->w1), found);
	ir_at(b, groups);
	set_array(f, &a, f->w0, ir_bini(b, IR_ADD, f->w1, 1), found);
	ir_at(b, found);
	return a;
}

static void follow_array(struct follow *f, ir_val follow, struct ir_block *read)
{
	struct ir *b = f->b;
	struct array a = find_array(f, follow);
	ir_val first = OP_FIELD(f, first), n, want;

	govalue_require(f, ir_get(b, a.base), f->next);
	govalue_require(f, ir_bin(b, IR_ULT, first, ir_get(b, a.count)), f->next);
	n = ir_bound(b, ir_bin(b, IR_SUB, ir_get(b, a.count), first), GO_CHUNK_MAX);
	want = govalue_lesser(f, ir_bin(b, IR_MUL, n, OP_FIELD(f, each)), OP_FIELD(f, max));
	govalue_set_target(f, ir_bin(b, IR_ADD, ir_get(b, a.base), OP_FIELD(f, skip)), want,
			   OP_FIELD(f, type));
	ir_jmp(b, read);
}

void govalue_follow_groups(struct follow *f, ir_val follow, struct ir_block *read)
{
	struct ir *b = f->b;
	struct ir_block *map = ir_block_new(b, "map"), *other = ir_block_new(b, NULL);

	ir_br(b, ir_bini(b, IR_UGE, follow, GO_FOLLOW_BUCKETS), map, other, IR_LIKELY_NO);
	ir_at(b, map);
	follow_array(f, follow, read);
	ir_at(b, other);
	govalue_require(f, f->w0, f->next);
}
