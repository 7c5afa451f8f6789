/* Register assignment.
 *
 * Each virtual register has one place for all its life: a register, or a slot of the stack.
 * Registers that are copied into each other and are never alive at the same time form a group and
 * get one register (the copy disappears). Groups are served in order of weight (uses by loop, over
 * length); for each physical register a bitmap over positions says where it is taken. A group that
 * finds no register is tried member by member; a member that finds none is spilled: it becomes a
 * slot, with a tiny register at each use, and all is done again. Tiny registers are served first
 * and live for one instruction, so they always find a place, and the work ends.
 *
 * Calls take r0…r5 at the position of the call, so what lives across one gets r6…r9 without further
 * rules. Hints come from copies from and to physical registers (arguments, results).
 */
#include "ir/ir_impl.h"

enum { NREGS = 10 };

struct group {
	uint32_t root;           /* union-find: the parent, itself for a root */
	uint32_t next, tail;     /* members; UINT32_MAX ends */
	uint32_t range, nranges; /* the members' ranges, merged */
	float weight;
	uint32_t length;
	uint16_t hints;
	bool tiny;
};

struct assign {
	struct mfn *f;
	struct arena *a;
	struct group *g; /* by vreg */
	uint64_t *busy[NREGS];
	uint8_t *spill; /* by vreg */
	uint32_t nspill;
	uint32_t *partner; /* by vreg: another it is copied from or to, plus one */
	bool mix;          /* tiny registers may join others */
	bool retry;
};

uint64_t mfn_random(struct mfn *f)
{
	f->seed ^= f->seed << 13;
	f->seed ^= f->seed >> 7;
	f->seed ^= f->seed << 17;
	return f->seed;
}

/* ---- bitmaps ------------------------------------------------------------------------------ */

static bool bits_any(const uint64_t *w, uint32_t from, uint32_t to)
{
	uint32_t i = from / 64, j = to / 64;
	uint64_t first = ~0ull << (from & 63), last = ~0ull >> (63 - (to & 63));

	if (i == j)
		return w[i] & first & last;
	if (w[i] & first)
		return true;
	while (++i < j)
		if (w[i])
			return true;
	return w[j] & last;
}

static void bits_set(uint64_t *w, uint32_t from, uint32_t to)
{
	uint32_t i = from / 64, j = to / 64;
	uint64_t first = ~0ull << (from & 63), last = ~0ull >> (63 - (to & 63));

	if (i == j) {
		w[i] |= first & last;
		return;
	}
	w[i] |= first;
	while (++i < j)
		w[i] = ~0ull;
	w[j] |= last;
}

static bool ranges_free(const struct mfn *f, const uint64_t *w, uint32_t range)
{
	for (; range; range = f->ranges.v[range].next)
		if (bits_any(w, f->ranges.v[range].from, f->ranges.v[range].to))
			return false;
	return true;
}

static void ranges_take(const struct mfn *f, uint64_t *w, uint32_t range)
{
	for (; range; range = f->ranges.v[range].next)
		bits_set(w, f->ranges.v[range].from, f->ranges.v[range].to);
}

/* ---- groups ------------------------------------------------------------------------------- */

static uint32_t find(struct assign *s, uint32_t v)
{
	while (s->g[v].root != v)
		v = s->g[v].root = s->g[s->g[v].root].root;
	return v;
}

static bool disjoint(const struct mfn *f, uint32_t a, uint32_t b)
{
	const struct mrange *r = f->ranges.v;

	while (a && b) {
		if (r[a].to < r[b].from)
			a = r[a].next;
		else if (r[b].to < r[a].from)
			b = r[b].next;
		else
			return false;
	}
	return true;
}

/* A new list with the ranges of both. */
static uint32_t merge(struct mfn *f, uint32_t a, uint32_t b, uint32_t *count)
{
	uint32_t head = 0, tail = 0;

	*count = 0;
	while (a || b) {
		bool take_a = a && (!b || f->ranges.v[a].from < f->ranges.v[b].from);
		struct mrange r = f->ranges.v[take_a ? a : b];
		if (take_a)
			a = r.next;
		else
			b = r.next;
		if (tail && f->ranges.v[tail].to + 1 == r.from) {
			f->ranges.v[tail].to = r.to;
			continue;
		}
		r.next = 0;
		vec_push(f->a, &f->ranges, r);
		if (tail)
			f->ranges.v[tail].next = f->ranges.n - 1;
		else
			head = f->ranges.n - 1;
		tail = f->ranges.n - 1;
		++*count;
	}
	return head;
}

static void unite(struct assign *s, mreg x, mreg y)
{
	enum { MAX_RANGES = 256 };

	if (!mreg_is_virt(x) || !mreg_is_virt(y))
		return;
	uint32_t a = find(s, x - MREG_VIRT), b = find(s, y - MREG_VIRT);
	struct group *ga = &s->g[a], *gb = &s->g[b];
	if (a == b)
		return;
	s->partner[x - MREG_VIRT] = y - MREG_VIRT + 1;
	s->partner[y - MREG_VIRT] = x - MREG_VIRT + 1;
	if (ga->nranges + gb->nranges > MAX_RANGES || (ga->tiny != gb->tiny && !s->mix) ||
	    s->f->vregs.v[a].kind == VREG_SLOT || s->f->vregs.v[b].kind == VREG_SLOT ||
	    s->f->vregs.v[a].kind == VREG_REMAT || s->f->vregs.v[b].kind == VREG_REMAT ||
	    !disjoint(s->f, ga->range, gb->range))
		return;
	ga->range = merge(s->f, ga->range, gb->range, &ga->nranges);
	gb->root = a;
	s->g[ga->tail].next = b;
	ga->tail = gb->tail;
	ga->weight += gb->weight;
	ga->length += gb->length;
	ga->hints |= gb->hints;
	ga->tiny &= gb->tiny;
}

static void unite_insn(struct assign *s, const struct minsn *i)
{
	switch (i->op) {
	case M_MOV:
	case M_INDEX:
	case M_NEG:
	case M_SEXT:
	case M_BSWAP:
	case M_BOUND:
		unite(s, i->d, i->a);
		break;
	case M_ALU:
		unite(s, i->d, i->a);
		if ((ir_ops[i->sub].flags & OPF_C) && !(i->flags & MF_FRAME) && i->b != MREG_NONE)
			unite(s, i->d, i->b);
		break;
	case M_ATOMIC:
		if (i->flags & MF_FETCH)
			unite(s, i->d, i->b);
		break;
	default:
		break;
	}
}

static void count_ranges(struct assign *s, uint32_t v)
{
	for (uint32_t r = s->g[v].range; r; r = s->f->ranges.v[r].next)
		s->g[v].nranges++;
}

static void make_groups(struct assign *s)
{
	struct mfn *f = s->f;

	for (uint32_t v = 0; v < f->vregs.n; v++) {
		struct vreg *r = &f->vregs.v[v];
		s->g[v] = (struct group){.root = v,
					 .next = UINT32_MAX,
					 .tail = v,
					 .range = r->range,
					 .weight = r->weight,
					 .length = r->length,
					 .hints = r->hints,
					 .tiny = r->kind == VREG_TINY};
		count_ranges(s, v);
	}
	for (int moves = 1; moves >= 0; moves--)
		VEC_EACH (struct mblock, mb, &f->blocks)
			VEC_EACH (struct minsn, i, &mb->in)
				if ((i->op == M_MOV) == (moves == 1))
					unite_insn(s, i);
}

/* ---- choice ------------------------------------------------------------------------------- */

static mreg choose_random(struct assign *s, uint32_t range)
{
	mreg start = (mreg)(mfn_random(s->f) % NREGS);

	for (mreg k = 0; k < NREGS; k++)
		if (ranges_free(s->f, s->busy[(start + k) % NREGS], range))
			return (start + k) % NREGS;
	return MREG_NONE;
}

static mreg choose(struct assign *s, uint32_t range, unsigned hints)
{
	static const uint8_t order[NREGS] = {5, 4, 3, 2, 1, 0, 6, 7, 8, 9};

	if (s->f->isa->random_ra)
		return choose_random(s, range);
	for (mreg r = 0; r < NREGS; r++)
		if ((hints >> r & 1) && ranges_free(s->f, s->busy[r], range))
			return r;
	for (unsigned k = 0; k < NREGS; k++)
		if (ranges_free(s->f, s->busy[order[k]], range))
			return order[k];
	return MREG_NONE;
}

static unsigned partner_hint(struct assign *s, uint32_t v)
{
	mreg at;

	if (!s->partner[v])
		return 0;
	at = s->f->vregs.v[s->partner[v] - 1].at;
	return at < NREGS ? 1u << at : 0;
}

static void assign_one(struct assign *s, uint32_t v)
{
	struct vreg *r = &s->f->vregs.v[v];
	mreg at = choose(s, r->range, r->hints | partner_hint(s, v));

	r->at = at;
	if (at != MREG_NONE) {
		ranges_take(s->f, s->busy[at], r->range);
	} else if (r->kind == VREG_TINY) {
		if (!s->mix)
			BUG("no register for a tiny interval in %s", s->f->fn->name);
		s->retry = true;
	} else {
		s->spill[v] = 1;
		s->nspill++;
	}
}

static void assign_group(struct assign *s, uint32_t root)
{
	struct group *g = &s->g[root];
	unsigned hints = g->hints;

	if (g->next == UINT32_MAX) {
		assign_one(s, root);
		return;
	}
	for (uint32_t v = root; v != UINT32_MAX; v = s->g[v].next)
		hints |= partner_hint(s, v);
	mreg at = choose(s, g->range, hints);
	if (at != MREG_NONE)
		ranges_take(s->f, s->busy[at], g->range);
	for (uint32_t v = root; v != UINT32_MAX; v = s->g[v].next)
		if (at != MREG_NONE)
			s->f->vregs.v[v].at = at;
		else
			assign_one(s, v);
}

/* ---- order -------------------------------------------------------------------------------- */

enum { NBUCKETS = 4096 };

/* Larger is served earlier; equal within about a sixteenth. */
static uint32_t priority(struct assign *s, uint32_t v)
{
	const struct group *g = &s->g[v];
	uint32_t bits;
	float d;

	if (g->tiny)
		return NBUCKETS - 1;
	if (s->f->isa->random_ra)
		return (uint32_t)(mfn_random(s->f) % (NBUCKETS - 1));
	d = g->weight / (float)(g->length ? g->length : 1);
	if (s->f->vregs.v[v].kind == VREG_REMAT)
		d *= 0.25f;
	memcpy(&bits, &d, sizeof(bits));
	bits >>= 19; /* exponent and four bits of the mantissa */
	return MIN(bits, NBUCKETS - 2);
}

static void assign_all(struct assign *s)
{
	uint32_t n = s->f->vregs.n, *order = arena_array_of(s->a, uint32_t, n + 1);
	uint32_t *key = arena_array_of(s->a, uint32_t, n + 1);
	uint32_t start[NBUCKETS + 1] = {0};

	for (uint32_t v = 0; v < n; v++) {
		s->f->vregs.v[v].at = MREG_NONE;
		key[v] = NBUCKETS - 1 - priority(s, v);
		start[key[v] + 1]++;
	}
	for (uint32_t k = 0; k < NBUCKETS; k++)
		start[k + 1] += start[k];
	for (uint32_t v = 0; v < n; v++)
		order[start[key[v]]++] = v;
	for (uint32_t k = 0; k < n; k++) {
		uint32_t v = order[k];
		if (s->g[v].root == v && s->g[v].range && s->f->vregs.v[v].kind != VREG_SLOT)
			assign_group(s, v);
	}
}

/* ---- slots -------------------------------------------------------------------------------- */

static void assign_slots(struct assign *s)
{
	struct mfn *f = s->f;
	VEC(uint64_t *) slots = {0};

	for (uint32_t v = 0; v < f->vregs.n; v++) {
		struct vreg *r = &f->vregs.v[v];
		size_t k = 0;
		if (r->kind != VREG_SLOT || !r->range)
			continue;
		while (k < slots.n && !ranges_free(f, slots.v[k], r->range))
			k++;
		if (k == slots.n)
			vec_push(s->a, &slots, arena_array_of(s->a, uint64_t, f->npos / 64 + 1));
		ranges_take(f, slots.v[k], r->range);
		r->at = k;
	}
	f->nslots = slots.n;
}

static bool assign_round(struct mfn *f, bool mix)
{
	struct assign s = {.f = f, .a = arena_new(), .mix = mix};

	live_compute(f);
	s.g = arena_array_of(s.a, struct group, f->vregs.n + 1);
	s.spill = arena_array_of(s.a, uint8_t, f->vregs.n + 1);
	s.partner = arena_array_of(s.a, uint32_t, f->vregs.n + 1);
	for (mreg r = 0; r < NREGS; r++)
		s.busy[r] = arena_array_of(s.a, uint64_t, f->npos / 64 + 1);
	VEC_EACH (struct mrange, r, &f->fixed)
		if (r->next < NREGS)
			bits_set(s.busy[r->next], r->from, r->to);
	make_groups(&s);
	assign_all(&s);
	bool done = !s.nspill && !s.retry;
	if (s.nspill)
		spill_rewrite(f, s.spill, f->vregs.n);
	else if (done)
		assign_slots(&s);
	arena_free(s.a);
	return done;
}

void mfn_allocate(struct mfn *f)
{
	bool mix = true;

	while (!assign_round(f, mix))
		mix = false;
}
