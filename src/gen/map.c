/* Maps: keys, look-ups, slots, reading.
 *
 *   MAP_SCALAR        the value's address is known when the program is loaded: no look-up
 *   MAP_PERCPU_ARRAY  look-up of key 0: this CPU's slot
 *   MAP_HASH, MAP_PERCPU_HASH   key in memory, look-up, null check
 *
 * A slot that must exist (`@x[k] += 1`, `@x[k] = count()`):
 *
 *        p = lookup(k) ─── p ──────────────────────────► use p
 *            │ 0 (cold)                                    ▲
 *        update(k, zeroes, NOEXIST); p = lookup(k) ── p ───┘
 *            │ 0
 *        count the loss → fail
 *
 * Where the update of the slot is an atomic +1 (count()), the map's counter of lost keys stands in
 * for the slot instead: no code of its own.
 */
#include "gen/gen_impl.h"

ir_val gen_map_ref(struct gen *g, uint32_t map)
{
	return ir_map(&g->b, map);
}

ir_val gen_own_map(struct gen *g, uint32_t index)
{
	return gen_map_ref(g, g->in->maps.own + index);
}

void gen_map_looked_at(struct gen *g, const struct map_sym *m)
{
	g->in->plan->maps[m->index]->looked_at = true;
}

/* ---- keys
 * --------------------------------------------------------------------------------------------- */

/* Several expressions in the brackets make a tuple. */
static void build_key(struct gen *g, const struct expr *map, const struct type *t, struct val dst)
{
	if (map->map.nkeys == 1) {
		gen_build(g, map->map.keys[0], dst, true);
		return;
	}
	zero_holes(g, dst);
	for (size_t i = 0; i < map->map.nkeys; i++) {
		const struct member *m = &t->tuple.members[i];
		gen_build(g, map->map.keys[i], gen_part(dst, m->type, (int32_t)m->offset), true);
	}
}

/* The key of maps that have none to the script. */
struct val map_key_zero(struct gen *g)
{
	struct val zero = gen_temp_bytes(g, 4, 4, false);

	ir_store(&g->b, 4, zero.v, zero.off, ir_const(&g->b, 0));
	return zero;
}

struct val gen_map_key(struct gen *g, struct expr *map)
{
	const struct map_sym *m = map->sem;

	if (m->storage == MAP_SCALAR)
		return VAL_VOID;
	if (!m->key || !map->map.nkeys)
		return map_key_zero(g);
	struct val key;
	if (keys_find(g, map, &key))
		return key;
	key = gen_temp(g, m->key, false);
	build_key(g, map, m->key, key);
	return key;
}

/* ---- look-ups
 * ------------------------------------------------------------------------------------------- */

ir_val gen_map_lookup(struct gen *g, const struct map_sym *m, struct val key)
{
	if (m->storage == MAP_SCALAR)
		return ir_mapval(&g->b, m->index, 0);
	if (key.kind == VAL_NONE)
		key = map_key_zero(g);
	return IR_CALL(&g->b, BPF_FUNC_map_lookup_elem, ir_map(&g->b, m->index), gen_addr(g, key));
}

static void insert_zero(struct gen *g, const struct map_sym *m, struct val key)
{
	struct ir *b = &g->b;
	uint32_t mark = ir_stack_mark(b);
	ir_val zero;

	if (m->value_size <= INLINE_BYTES && ir_stack_left(b) >= ALIGN_UP(m->value_size, 8)) {
		zero = ir_object(b, ALIGN_UP(m->value_size, 8), 8);
		ir_zero(b, zero, 0, m->value_size, 8);
	} else {
		zero = gen_zeroes(g, m->value_size);
	}
	IR_CALL(b, BPF_FUNC_map_update_elem, ir_map(b, m->index), gen_addr(g, key), zero,
		ir_const(b, BPF_NOEXIST));
	ir_stack_release(b, mark);
}

/* -k; the helper gives no code but NULL. */
static void warn_missing(struct gen *g)
{
	if (gen_warns(g))
		gen_warn(g, "map_lookup_elem", ir_const(&g->b, 0));
}

/* Looks up; with an element `p` has its address and control is at `hit`, otherwise it goes on here.
 */
static void try_lookup(struct gen *g, const struct map_sym *m, struct val key, ir_cell p,
		       struct ir_block *hit, enum ir_hint hint)
{
	struct ir *b = &g->b;
	struct ir_block *found = ir_block_new(b, NULL), *miss = ir_block_new(b, NULL);
	ir_val at = gen_map_lookup(g, m, key);

	ir_br(b, at, found, miss, hint);
	ir_at(b, found);
	ir_set(b, p, ir_nonnull(b, at));
	ir_jmp(b, hit);
	ir_at(b, miss);
}

/* Without `fail` the counter of lost keys stands in for a slot that cannot be had. */
struct val map_slot(struct gen *g, const struct map_sym *m, struct val key, struct ir_block *fail)
{
	struct ir *b = &g->b;

	if (m->storage == MAP_SCALAR)
		return val_mem(m->value, ir_mapval(b, m->index, 0), 0, SPACE_BPF);
	struct ir_block *hit = ir_block_new(b, NULL);
	ir_cell p = ir_cell_new(b, "slot", true);
	try_lookup(g, m, key, p, hit, IR_LIKELY_YES);
	if (m->storage != MAP_PERCPU_ARRAY) {
		insert_zero(g, m, key);
		try_lookup(g, m, key, p, hit, IR_LIKELY_YES);
		if (fail)
			map_lost(g, m);
	}
	if (!fail)
		ir_set(b, p, gen_global(g, m->lost_off));
	ir_jmp(b, fail ? fail : hit);
	ir_at(b, hit);
	return val_mem(m->value, ir_get(b, p), 0, SPACE_BPF);
}

/* The place to update of `@m` or `@m[…]`, marked as set. */
struct val map_place(struct gen *g, struct expr *e, struct ir_block *fail)
{
	const struct map_sym *m = e->sem;

	if (m->storage != MAP_SCALAR)
		return map_slot(g, m, gen_map_key(g, e), fail);
	map_mark_set(g, m);
	return map_slot(g, m, VAL_VOID, fail);
}

void map_mark_set(struct gen *g, const struct map_sym *m)
{
	if (m->storage == MAP_SCALAR)
		ir_store(&g->b, 8, ir_mapval(&g->b, m->index, 0), (int32_t)m->set_off,
			 ir_const(&g->b, 1));
}

/* For builtins: where the map is full they write to memory that nobody reads. */
struct val gen_map_slot(struct gen *g, struct expr *map)
{
	struct ir *b = &g->b;
	const struct map_sym *m = map->sem;
	struct ir_block *fail = ir_block_new(b, "full"), *done = ir_block_new(b, NULL);
	ir_cell p = ir_cell_new(b, "place", true);
	struct val dummy = gen_temp_bytes(g, m->value_size, 8, true);
	struct val slot = map_place(g, map, fail);

	ir_set(b, p, slot.v);
	ir_jmp(b, done);
	ir_at(b, fail);
	ir_set(b, p, gen_addr(g, dummy));
	ir_jmp(b, done);
	ir_at(b, done);
	return val_mem(m->value, ir_get(b, p), 0, SPACE_BPF);
}

/* ---- reading
 * --------------------------------------------------------------------------------------------- */

static struct val read_hash_scalar(struct gen *g, const struct map_sym *m, struct val key)
{
	struct ir *b = &g->b;
	struct ir_block *hit = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell cell = ir_cell_new(b, "value", m->value->kind == TYPE_PTR);
	ir_val p = gen_map_lookup(g, m, key);

	struct ir_block *miss = gen_warns(g) ? ir_block_new(b, NULL) : done;

	ir_set(b, cell, ir_const(b, 0));
	ir_br(b, p, hit, miss, IR_LIKELY_YES);
	if (miss != done) {
		ir_at(b, miss);
		warn_missing(g);
		ir_jmp(b, done);
	}
	ir_at(b, hit);
	struct val v = gen_rvalue(g, val_mem(m->value, ir_nonnull(b, p), 0, SPACE_BPF));
	ir_set(b, cell, v.v);
	ir_jmp(b, done);
	ir_at(b, done);
	v.v = ir_get(b, cell);
	return v;
}

struct val gen_map_value(struct gen *g, const struct map_sym *m, struct val key, ir_val p,
			 const struct type *want)
{
	if (m->value->kind == TYPE_AGG)
		return agg_read(g, m, key, want);
	return val_mem(m->value, ir_nonnull(&g->b, p), 0, SPACE_BPF);
}

/* A missing element is read from zeroes. */
static struct val read_hash_mem(struct gen *g, const struct map_sym *m, struct val key)
{
	struct ir *b = &g->b;
	struct ir_block *done = ir_block_new(b, NULL);
	ir_cell p = ir_cell_new(b, "value", true);

	try_lookup(g, m, key, p, done, IR_LIKELY_YES);
	warn_missing(g);
	ir_set(b, p, gen_zeroes(g, m->value->size));
	ir_jmp(b, done);
	ir_at(b, done);
	return val_mem(m->value, ir_get(b, p), 0, SPACE_BPF);
}

struct val map_read(struct gen *g, struct expr *e)
{
	const struct map_sym *m = e->sem;

	if (m->value->kind == TYPE_AGG)
		return agg_read(g, m, gen_map_key(g, e), e->type);
	if (m->storage == MAP_SCALAR)
		return val_mem(m->value, ir_mapval(&g->b, m->index, 0), 0, SPACE_BPF);
	struct val key = gen_map_key(g, e);
	return type_is_scalar(m->value) ? read_hash_scalar(g, m, key) : read_hash_mem(g, m, key);
}

/* Into `dst`: the element copied, or zeroes. */
void map_read_to(struct gen *g, struct expr *e, struct val dst, bool pad)
{
	struct ir *b = &g->b;
	const struct map_sym *m = e->sem;

	if (m->storage == MAP_SCALAR || m->value->kind == TYPE_AGG) {
		gen_store(g, dst, map_read(g, e), pad);
		return;
	}
	struct ir_block *hit = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell p = ir_cell_new(b, "value", true);
	try_lookup(g, m, gen_map_key(g, e), p, hit, IR_LIKELY_YES);
	warn_missing(g);
	if (dst.type->kind == TYPE_STRING && !pad)
		str_end(g, dst, 0);
	else
		gen_zero(g, dst);
	ir_jmp(b, done);
	ir_at(b, hit);
	gen_store(g, dst, val_mem(m->value, ir_get(b, p), 0, SPACE_BPF), pad);
	ir_jmp(b, done);
	ir_at(b, done);
}

/* `if (@m[k])`: a missing element decides at once. */
void map_branch(struct gen *g, struct expr *e, struct ir_block *yes, struct ir_block *no)
{
	struct ir *b = &g->b;
	const struct map_sym *m = e->sem;
	struct ir_block *hit = ir_block_new(b, NULL);
	ir_val p = gen_map_lookup(g, m, gen_map_key(g, e));

	ir_br(b, p, hit, no, IR_LIKELY_EVEN);
	ir_at(b, hit);
	ir_br(b, gen_load(g, val_mem(m->value, ir_nonnull(b, p), 0, SPACE_BPF)), yes, no,
	      IR_LIKELY_YES);
}
