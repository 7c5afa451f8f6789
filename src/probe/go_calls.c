/* Calls of Go functions: counting each once, and pairing a return with its call.
 *
 * A goret probe is one program at all these places, told apart by the upper half of the cookie:
 *
 *   the entries of its functions   the call is put down
 *   their returns                  the call is found, the body runs
 *   a return that comes first      both, one after the other
 *   runtime.goexit1                a goroutine ends; calls still open there were unwound
 *
 * Calls are kept by goroutine and depth: the distance from the top of the goroutine's stack to the
 * stack pointer, which is the same at the entry and at the return, and stays so when the stack
 * moves.
 *
 *   key     │ u64 id │ u64 depth │ u32 tgid │ u32 0 │     id: goid; on a system stack 1<<63 | tid
 *   call    │ u64 prev │ u64 index │ u64 start │ u64 lo │ u64 hi │ arguments … │
 *   head    the same with depth ~0: prev is the depth of the innermost call, index how many are
 * open
 *
 *   head ──prev──► depth 480 ──prev──► depth 208 ──prev──► ~0         index 2, 1, 0
 *
 * A panic or Goexit leaves calls behind. A later call at their depth or above it removes them, and
 * so do a later return of one further out and the end of the goroutine. All add to the count of
 * unwound calls: entries = returns + unwound + open, at any time.
 *
 * No more than MAX_UNWOUND are removed at once. When there are more, all open ones are given up as
 * unwound, and what returns of them after all is taken back from the count. */
#include "probe/gofn.h"

enum {
	KEY_ID = 0,
	KEY_DEPTH = 8,
	KEY_TGID = 16,
	KEY_SIZE = 24,
	CALL_PREV = 0,
	CALL_INDEX = 8,
	CALL_START = 16,
	CALL_LO = 24,
	CALL_HI = 32,
	CALL_ARGS = 40,
	HEAD_DEPTH = -1,
	MAX_UNWOUND = 64,
	MAX_CALLS = 32768,
};

/* While the code of one place is made. */
struct calls {
	struct gen *g;
	struct probe *p;
	struct go_probe *data;
	ir_val lo, hi, depth;
	ir_val key, head; /* objects: keys of the call and of the head */
};

struct go_probe *go_probe(struct sema *s, struct probe *p)
{
	if (!p->data)
		p->data = arena_new_of(sema_arena(s), struct go_probe);
	return p->data;
}

/* ---- which place it is --------------------------------------------------------------------- */

static uint32_t kinds_of(const struct probe *p, bool all)
{
	uint32_t set = p->targets[0].c;

	for (size_t i = 1; i < p->ntargets; i++)
		set = all ? set & p->targets[i].c : set | p->targets[i].c;
	return set;
}

static ir_val cookie(struct gen *g)
{
	return IR_CALL(gen_ir(g), BPF_FUNC_get_attach_cookie, gen_ctx(g));
}

/* Is this a place with the mark `kind`? A constant where all are alike. */
static ir_val is_kind(struct gen *g, const struct probe *p, uint32_t kind)
{
	struct ir *b = gen_ir(g);

	if (!(kinds_of(p, false) & kind))
		return ir_const(b, 0);
	if (kinds_of(p, true) & kind)
		return ir_const(b, 1);
	return ir_bini(b, IR_AND, ir_bini(b, IR_LSHR, cookie(g), 32), kind);
}

ir_val_t go_target_id(struct gen *g, struct probe *p)
{
	return ir_zext(gen_ir(g), cookie(g), 4);
}

static void leave_if(struct gen *g, ir_val bad)
{
	struct ir *b = gen_ir(g);
	struct ir_block *out = ir_block_new(b, NULL), *next = ir_block_new(b, NULL);

	ir_br(b, bad, out, next, IR_LIKELY_NO);
	ir_at(b, out);
	gen_return(g, 0);
	ir_at(b, next);
}

/* Will the stack check's branch be taken? jbe: CF or ZF. b.ls: not C, or Z. */
static ir_val branches(struct gen *g)
{
	const struct type *u64 = type_int(gen_types(g), 8, false);
	struct ir *b = gen_ir(g);
#if defined(__aarch64__)
	enum { C = 1 << 29, Z = 1 << 30, FLAGS = C | Z, STAYS = C };
	ir_val flags = probe_ctx_reg(g, u64, regs_named(STR("pstate"))).v;
#else
	enum { CF = 1, ZF = 64, FLAGS = CF | ZF, STAYS = 0 };
	ir_val flags = probe_ctx_reg(g, u64, regs_named(STR("flags"))).v;
#endif

	return ir_bini(b, IR_NE, ir_bini(b, IR_AND, flags, FLAGS), STAYS);
}

/* The branch to runtime.morestack will be taken: the function will be entered again. */
void go_enter(struct gen *g, struct probe *p)
{
	struct ir *b = gen_ir(g);
	ir_val checked = is_kind(g, p, GO_CHECKED), taken;
	int64_t always;

	if (ir_is_const(b, checked, &always) && !always)
		return;
	taken = branches(g);
	if (!ir_is_const(b, checked, &always))
		taken = ir_bin(b, IR_AND, taken, ir_bini(b, IR_NE, checked, 0));
	leave_if(g, taken);
}

/* ---- keys ---------------------------------------------------------------------------------- */

static void put(struct calls *c, ir_val at, int32_t off, ir_val v)
{
	ir_store(gen_ir(c->g), 8, at, off, v);
}

static ir_val get(struct calls *c, ir_val at, int32_t off)
{
	return ir_load(gen_ir(c->g), 8, at, off, IR_MEM_NONE);
}

static ir_val key_new(struct calls *c, ir_val id, ir_val depth, ir_val tgid)
{
	ir_val key = ir_object(gen_ir(c->g), KEY_SIZE, 8);

	put(c, key, KEY_ID, id);
	put(c, key, KEY_DEPTH, depth);
	put(c, key, KEY_TGID, tgid);
	return key;
}

/* A goroutine's number, or the thread's where there is no goroutine or its stack is not the one in
 * use. */
static ir_val owner(struct calls *c, ir_val gptr, ir_val tid)
{
	const struct go_place_info *info = c->p->targets[0].data;
	struct gen *g = c->g;
	struct ir *b = gen_ir(g);
	struct ir_block *system = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell id = ir_cell_new(b, "owner", false);
	ir_val goid = gen_load(
		g, val_mem(type_int(gen_types(g), 8, false), gptr, info->layout.goid, SPACE_USER));

	ir_set(b, id, goid);
	ir_br(b, goid, done, system, IR_LIKELY_YES);
	ir_at(b, system);
	ir_set(b, id, ir_bin(b, IR_OR, tid, ir_const(b, INT64_MIN)));
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, id);
}

static void find_place(struct calls *c)
{
	const struct type *u64 = type_int(gen_types(c->g), 8, false);
	struct ir *b = gen_ir(c->g);
	ir_val gptr = go_g(c->g, c->p), ids = IR_CALL0(b, BPF_FUNC_get_current_pid_tgid);
	ir_val tgid = ir_bini(b, IR_LSHR, ids, 32), id = owner(c, gptr, ir_zext(b, ids, 4));
	ir_val bounds = ir_object(b, 16, 8), sp;

	gen_read(c->g, bounds, 16, gptr, SPACE_USER);
	sp = probe_ctx_reg(c->g, u64, regs_sp()).v;
	c->lo = get(c, bounds, 0);
	c->hi = get(c, bounds, 8);
	c->depth = ir_bin(b, IR_SUB, c->hi, sp);
	c->key = key_new(c, id, c->depth, tgid);
	c->head = key_new(c, id, ir_const(b, HEAD_DEPTH), tgid);
}

static ir_val lookup(struct calls *c, ir_val key)
{
	struct ir *b = gen_ir(c->g);

	return IR_CALL(b, BPF_FUNC_map_lookup_elem, gen_own_map(c->g, c->data->calls), key);
}

static void forget(struct calls *c, ir_val key)
{
	struct ir *b = gen_ir(c->g);

	IR_CALL(b, BPF_FUNC_map_delete_elem, gen_own_map(c->g, c->data->calls), key);
}

static void store(struct calls *c, ir_val key, ir_val value)
{
	struct ir *b = gen_ir(c->g);

	IR_CALL(b, BPF_FUNC_map_update_elem, gen_own_map(c->g, c->data->calls), key, value,
		ir_const(b, BPF_ANY));
}

static void count(struct calls *c, enum lost what, ir_val n)
{
	uint32_t off = gen_plan(c->g)->lost_off + 8 * (uint32_t)what;

	ir_atomic(gen_ir(c->g), IR_ATOMIC_ADD, 8, gen_global(c->g, off), 0, n, false);
}

/* ---- the call ------------------------------------------------------------------------------ */

struct chain { /* the head, in cells while calls are removed */
	ir_cell top, open;
};

/* One step: removes the innermost call when it is not outside of `limit`; otherwise goes to `out`.
 */
static void remove_one(struct calls *c, struct chain *h, ir_val limit, ir_val key,
		       struct ir_block *out, struct ir_block *gone)
{
	struct ir *b = gen_ir(c->g);
	struct ir_block *more = ir_block_new(b, NULL), *inner = ir_block_new(b, NULL);
	struct ir_block *found = ir_block_new(b, NULL);
	ir_val open = ir_get(b, h->open), top = ir_get(b, h->top), call, index;

	ir_br(b, open, more, out, IR_LIKELY_NO);
	ir_at(b, more);
	ir_br(b, ir_bin(b, IR_UGE, top, limit), inner, out, IR_LIKELY_NO);
	ir_at(b, inner);
	put(c, key, KEY_DEPTH, top);
	call = lookup(c, key);
	ir_br(b, call, found, gone, IR_LIKELY_YES);
	ir_at(b, found);
	call = ir_nonnull(b, call);
	index = get(c, call, CALL_INDEX);
	count(c, LOST_UNWOUND, ir_bin(b, IR_SUB, open, index));
	ir_set(b, h->open, index);
	ir_set(b, h->top, get(c, call, CALL_PREV));
	forget(c, key);
}

/* Calls at the depth `limit` and further in have been left without a return. None may stay in the
 * map: it would fill up with them, and the calls that are open for longest would make room. */
static void remove_left(struct calls *c, struct chain *h, ir_val limit)
{
	struct ir *b = gen_ir(c->g);
	struct ir_block *head = ir_block_new(b, NULL), *out = ir_block_new(b, NULL);
	struct ir_block *step = ir_block_new(b, NULL), *gone = ir_block_new(b, NULL);
	ir_cell turns = ir_cell_new(b, "turns", false);
	ir_val key = ir_object(b, KEY_SIZE, 8);

	ir_copy(b, key, 0, c->key, 0, KEY_SIZE, 8);
	ir_set(b, turns, ir_const(b, 0));
	ir_jmp(b, head);
	ir_at(b, head);
	ir_br(b, ir_bini(b, IR_ULT, ir_get(b, turns), MAX_UNWOUND), step, gone, IR_LIKELY_YES);
	ir_at(b, step);
	remove_one(c, h, limit, key, out, gone);
	ir_set(b, turns, ir_bini(b, IR_ADD, ir_get(b, turns), 1));
	ir_jmp(b, head);
	ir_at(b, gone);
	count(c, LOST_UNWOUND, ir_get(b, h->open));
	ir_set(b, h->open, ir_const(b, 0));
	ir_set(b, h->top, ir_const(b, HEAD_DEPTH));
	ir_jmp(b, out);
	ir_at(b, out);
}

static void chain_at(struct calls *c, struct chain *h, ir_val head)
{
	struct ir *b = gen_ir(c->g);

	h->top = ir_cell_new(b, "top", false);
	h->open = ir_cell_new(b, "open", false);
	ir_set(b, h->top, get(c, head, CALL_PREV));
	ir_set(b, h->open, get(c, head, CALL_INDEX));
}

static void load_head(struct calls *c, struct chain *h, ir_cell at)
{
	struct ir *b = gen_ir(c->g);
	struct ir_block *some = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_val head = lookup(c, c->head);

	h->top = ir_cell_new(b, "top", false);
	h->open = ir_cell_new(b, "open", false);
	ir_set(b, h->top, ir_const(b, HEAD_DEPTH));
	ir_set(b, h->open, ir_const(b, 0));
	ir_br(b, head, some, done, IR_LIKELY_YES);
	ir_at(b, some);
	head = ir_nonnull(b, head);
	ir_set(b, h->top, get(c, head, CALL_PREV));
	ir_set(b, h->open, get(c, head, CALL_INDEX));
	ir_jmp(b, done);
	ir_at(b, done);
}

/* A value of the map on the stack, zeroed. */
static ir_val value_new(struct calls *c)
{
	ir_val v = ir_object(gen_ir(c->g), c->data->map->value_size, 8);

	ir_zero(gen_ir(c->g), v, 0, c->data->map->value_size, 8);
	return v;
}

static void put_down(struct calls *c)
{
	struct ir *b = gen_ir(c->g);
	struct chain h;
	ir_val v;

	go_enter(c->g, c->p);
	find_place(c);
	load_head(c, &h, 0);
	remove_left(c, &h, c->depth);
	v = value_new(c);
	put(c, v, CALL_PREV, ir_get(b, h.top));
	put(c, v, CALL_INDEX, ir_get(b, h.open));
	put(c, v, CALL_LO, c->lo);
	put(c, v, CALL_HI, c->hi);
	if (go_kept_size(c->p))
		go_keep(c->g, c->p, val_mem(&type_void, v, CALL_ARGS, SPACE_BPF));
	put(c, v, CALL_START, IR_CALL0(b, BPF_FUNC_ktime_get_ns));
	store(c, c->key, v);
	put(c, v, CALL_PREV, c->depth);
	put(c, v, CALL_INDEX, ir_bini(b, IR_ADD, ir_get(b, h.open), 1));
	store(c, c->head, v);
}

/* Goes on to `ret` where the entry is the return as well. */
static void enter_call(struct calls *c, struct ir_block *ret)
{
	struct ir *b = gen_ir(c->g);
	struct ir_block *out = ir_block_new(b, NULL);

	put_down(c);
	ir_br(b, is_kind(c->g, c->p, GO_EMPTY), ret, out, IR_LIKELY_NO);
	ir_at(b, out);
	gen_return(c->g, 0);
}

/* ---- the return ---------------------------------------------------------------------------- */

/* The calls further in were unwound; what was given up as unwound and returns was not. */
static void close_call(struct calls *c, ir_val prev, ir_val index)
{
	struct ir *b = gen_ir(c->g);
	struct ir_block *some = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	struct ir_block *inner = ir_block_new(b, NULL), *set = ir_block_new(b, NULL);
	ir_val head = lookup(c, c->head), left;
	struct chain h;

	ir_br(b, head, some, done, IR_LIKELY_YES);
	ir_at(b, some);
	head = ir_nonnull(b, head);
	left = ir_bini(b, IR_SUB, ir_bin(b, IR_SUB, get(c, head, CALL_INDEX), index), 1);
	ir_br(b, left, inner, set, IR_LIKELY_NO);
	ir_at(b, inner);
	chain_at(c, &h, head);
	remove_left(c, &h, ir_bini(b, IR_ADD, c->depth, 1));
	left = ir_bini(b, IR_SUB, ir_bin(b, IR_SUB, ir_get(b, h.open), index), 1);
	count(c, LOST_UNWOUND, left);
	ir_jmp(b, set);
	ir_at(b, set);
	put(c, head, CALL_PREV, prev);
	put(c, head, CALL_INDEX, index);
	ir_jmp(b, done);
	ir_at(b, done);
}

static void find_call(struct calls *c)
{
	struct ir *b = gen_ir(c->g);
	struct ir_block *some = ir_block_new(b, NULL), *none = ir_block_new(b, NULL);
	uint32_t size = go_kept_size(c->p);
	ir_val call, prev, index, start;

	find_place(c);
	call = lookup(c, c->key);
	ir_br(b, call, some, none, IR_LIKELY_YES);
	ir_at(b, none);
	count(c, LOST_UNPAIRED, ir_const(b, 1));
	gen_return(c->g, 0);
	ir_at(b, some);
	call = ir_nonnull(b, call);
	prev = get(c, call, CALL_PREV);
	index = get(c, call, CALL_INDEX);
	start = get(c, call, CALL_START);
	c->data->old_lo = get(c, call, CALL_LO);
	c->data->old_size = ir_bin(b, IR_SUB, get(c, call, CALL_HI), c->data->old_lo);
	c->data->delta = ir_bin(b, IR_SUB, c->hi, get(c, call, CALL_HI));
	if (size) /* the element may be used anew once it is deleted */
		ir_copy(b, c->data->kept, 0, call, CALL_ARGS, size, 8);
	if (size)
		go_move_kept(c->g, c->p);
	forget(c, c->key);
	close_call(c, prev, index);
	c->data->elapsed = ir_bin(b, IR_SUB, IR_CALL0(b, BPF_FUNC_ktime_get_ns), start);
}

/* ---- the end of a goroutine ---------------------------------------------------------------- */

static void end_goroutine(struct calls *c)
{
	struct ir *b = gen_ir(c->g);
	struct ir_block *some = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	struct chain h;
	ir_val head;

	go_enter(c->g, c->p);
	find_place(c);
	head = lookup(c, c->head);
	ir_br(b, head, some, done, IR_LIKELY_NO);
	ir_at(b, some);
	chain_at(c, &h, ir_nonnull(b, head));
	remove_left(c, &h, ir_const(b, 0));
	count(c, LOST_UNWOUND, ir_get(b, h.open));
	forget(c, c->head);
	ir_jmp(b, done);
	ir_at(b, done);
	gen_return(c->g, 0);
}

void goret_enter(struct gen *g, struct probe *p)
{
	struct calls c = {.g = g, .p = p, .data = p->data};
	struct ir *b = gen_ir(g);
	struct ir_block *ret = ir_block_new(b, NULL), *other = ir_block_new(b, NULL);
	struct ir_block *end = ir_block_new(b, NULL), *call = ir_block_new(b, NULL);
	uint32_t size = go_kept_size(p), mark;

	c.data->kept = size ? ir_object(b, size, 8) : 0;
	mark = ir_stack_mark(b);
	ir_br(b, is_kind(g, p, GO_RETURN), ret, other, IR_LIKELY_EVEN);
	ir_at(b, other);
	ir_br(b, is_kind(g, p, GO_END), end, call, IR_LIKELY_NO);
	ir_at(b, end);
	end_goroutine(&c);
	ir_stack_release(b, mark);
	ir_at(b, call);
	enter_call(&c, ret);
	ir_stack_release(b, mark);
	ir_at(b, ret);
	find_call(&c);
	ir_stack_release(b, mark);
}

/* ---- planning ------------------------------------------------------------------------------ */

/* Each function brought its own place at the end of goroutines; one is enough. */
static void mark_repeated_ends(struct probe *p)
{
	for (size_t i = 0; i < p->ntargets; i++)
		for (size_t k = 0; k < i && (p->targets[i].c & GO_END); k++)
			if ((p->targets[k].c & GO_END) &&
			    !strcmp(p->targets[k].module, p->targets[i].module))
				p->targets[i].c |= GO_REPEATED;
}

void goret_plan(struct sema *s, struct probe *p)
{
	struct go_probe *d = go_probe(s, p);

	mark_repeated_ends(p);
	d->map = sema_own_map(s, ".gocalls", BPF_MAP_TYPE_LRU_HASH, &d->calls);
	d->map->key_size = KEY_SIZE;
	d->map->value_size = CALL_ARGS;
	d->map->max_entries = MAX_CALLS;
}

ir_val_t goret_elapsed(struct gen *g, struct probe *p)
{
	const struct go_probe *d = p->data;

	return d->elapsed;
}
