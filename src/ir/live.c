/* Liveness: for each virtual register the ranges of positions where it holds a value that is still
 * wanted, and for each physical register where it is spoken for.
 *
 *   position 2i: instruction i reads; 2i + 1: it writes.
 *
 *     i=4   v1 = …             v1: [9, 12]
 *     i=5   call …             r0…r5: [11, 11]    v1 needs one of r6…r9
 *     i=6   v2 = v1 + 1        v2: [13, …]        v2 may have v1's register
 *
 * Across blocks each register is followed from its uses back to its definitions, so the cost is
 * that of the result. Definitions that nobody reads become M_NOP.
 */
#include "ir/ir_impl.h"

struct node {
	uint32_t id, next;
};

struct live {
	struct mfn *f;
	struct arena *a;        /* scratch */
	VEC(struct node) nodes; /* [0] unused */
	uint32_t *uses, *defs;  /* by vreg: list of blocks (upward exposed uses; definitions) */
	uint32_t *end;  /* by register number: where the present range ends, plus one; 0: none */
	VEC(mreg) open; /* virtual registers with an open range in this block */
};

static void push_node(struct live *l, uint32_t *head, uint32_t id)
{
	vec_push(l->a, &l->nodes, (struct node){id, *head});
	*head = l->nodes.n - 1;
}

void minsn_operands(struct minsn *i, struct mops *o)
{
	bool late_a = i->op == M_SETCC || (i->op == M_ATOMIC && (i->flags & MF_FETCH));
	bool late_b = i->op == M_SETCC || i->op == M_BOUND ||
		      (i->op == M_ALU &&
		       (!(ir_ops[i->sub].flags & OPF_C) || (i->flags & MF_FRAME)));

	o->nuse = 0;
	o->def = i->d != MREG_NONE ? &i->d : NULL;
	if (i->a != MREG_NONE) {
		o->use[o->nuse] = &i->a;
		o->late[o->nuse++] = late_a;
	}
	if (i->b != MREG_NONE) {
		o->use[o->nuse] = &i->b;
		o->late[o->nuse++] = late_b;
	}
}

/* ---- across blocks ------------------------------------------------------------------------ */

static void collect_block(struct live *l, uint32_t b, uint32_t *defined, uint32_t *exposed)
{
	struct mblock *mb = &l->f->blocks.v[b];
	struct mops o;

	for (size_t k = 0; k < mb->in.n; k++) {
		minsn_operands(&mb->in.v[k], &o);
		for (unsigned u = 0; u < o.nuse; u++) {
			uint32_t v = *o.use[u] - MREG_VIRT;
			if (!mreg_is_virt(*o.use[u]) || defined[v] == b + 1 || exposed[v] == b + 1)
				continue;
			exposed[v] = b + 1;
			push_node(l, &l->uses[v], b);
		}
		if (o.def && mreg_is_virt(*o.def) && defined[*o.def - MREG_VIRT] != b + 1) {
			defined[*o.def - MREG_VIRT] = b + 1;
			push_node(l, &l->defs[*o.def - MREG_VIRT], b);
		}
	}
}

static void compute_preds(struct live *l)
{
	struct mfn *f = l->f;

	for (uint32_t b = 0; b < f->blocks.n; b++)
		f->blocks.v[b].npred = 0;
	for (uint32_t b = 0; b < f->blocks.n; b++)
		for (uint32_t k = 0; k < f->blocks.v[b].nto; k++)
			f->blocks.v[f->blocks.v[b].to[k]].npred++;
	for (uint32_t b = 0; b < f->blocks.n; b++) {
		struct mblock *mb = &f->blocks.v[b];
		mb->pred = arena_array_of(l->a, uint32_t, mb->npred + 1);
		mb->npred = mb->live_out = 0;
	}
	for (uint32_t b = 0; b < f->blocks.n; b++)
		for (uint32_t k = 0; k < f->blocks.v[b].nto; k++) {
			struct mblock *to = &f->blocks.v[f->blocks.v[b].to[k]];
			to->pred[to->npred++] = b;
		}
}

struct flow {
	uint32_t *def, *in, *out, *stack; /* by block: stamps */
};

/* Follows one register from its exposed uses back to its definitions. Returns whether it is wanted
 * at the entry of the function. */
static bool flow_back(struct live *l, struct flow *w, uint32_t v)
{
	struct mfn *f = l->f;
	uint32_t top = 0, stamp = v + 1;

	for (uint32_t n = l->defs[v]; n; n = l->nodes.v[n].next)
		w->def[l->nodes.v[n].id] = stamp;
	for (uint32_t n = l->uses[v]; n; n = l->nodes.v[n].next) {
		w->in[l->nodes.v[n].id] = stamp;
		w->stack[top++] = l->nodes.v[n].id;
	}
	while (top) {
		struct mblock *mb = &f->blocks.v[w->stack[--top]];
		for (uint32_t k = 0; k < mb->npred; k++) {
			uint32_t p = mb->pred[k];
			if (w->out[p] == stamp)
				continue;
			w->out[p] = stamp;
			push_node(l, &f->blocks.v[p].live_out, v);
			if (w->def[p] != stamp && w->in[p] != stamp) {
				w->in[p] = stamp;
				w->stack[top++] = p;
			}
		}
	}
	return w->in[0] == stamp;
}

/* A cell that may be read before it is written is 0. */
static void define_at_entry(struct live *l, uint32_t v)
{
	struct mblock *mb = &l->f->blocks.v[0];
	struct minsn zero = {.op = M_REMAT,
			     .d = MREG_VIRT + v,
			     .a = MREG_NONE,
			     .b = MREG_NONE,
			     .imm = ir_float(l->f->fn, OP_CONST, 0),
			     .span = mb->in.v[0].span};
	size_t at = 0;

	while (mb->in.v[at].op == M_MOV && mb->in.v[at].a >= 1 && mb->in.v[at].a <= 5)
		at++;
	vec_push(l->f->a, &mb->in, zero);
	memmove(&mb->in.v[at + 1], &mb->in.v[at], (mb->in.n - 1 - at) * sizeof(zero));
	mb->in.v[at] = zero;
}

static void flow_all(struct live *l)
{
	uint32_t nb = l->f->blocks.n, nv = l->f->vregs.n;
	uint32_t *defined = arena_array_of(l->a, uint32_t, nv + 1);
	uint32_t *exposed = arena_array_of(l->a, uint32_t, nv + 1);
	struct flow w = {arena_array_of(l->a, uint32_t, nb), arena_array_of(l->a, uint32_t, nb),
			 arena_array_of(l->a, uint32_t, nb),
			 arena_array_of(l->a, uint32_t, nb + 1)};

	l->uses = arena_array_of(l->a, uint32_t, nv + 1);
	l->defs = arena_array_of(l->a, uint32_t, nv + 1);
	compute_preds(l);
	for (uint32_t b = 0; b < nb; b++)
		collect_block(l, b, defined, exposed);
	for (uint32_t v = 0; v < nv; v++)
		if (l->uses[v] && flow_back(l, &w, v))
			define_at_entry(l, v);
}

/* ---- within blocks ------------------------------------------------------------------------ */

static void add_range(struct live *l, mreg r, uint32_t from, uint32_t to)
{
	struct mfn *f = l->f;

	if (!mreg_is_virt(r)) {
		vec_push(f->a, &f->fixed, (struct mrange){from, to, r});
		return;
	}
	struct vreg *v = mreg_info(f, r);
	struct mrange *first = &f->ranges.v[v->range];
	v->length += to - from + 1;
	if (v->range && first->from == to + 1) {
		first->from = from;
		return;
	}
	vec_push(f->a, &f->ranges, (struct mrange){from, to, v->range});
	v->range = f->ranges.n - 1;
}

static void note_weight(struct live *l, const struct mblock *mb, mreg r)
{
	static const float by_loop[] = {1, 10, 100, 1000};

	if (mreg_is_virt(r))
		mreg_info(l->f, r)->weight += by_loop[MIN(mb->loop, 3)] * (mb->cold ? 0.5f : 1);
}

static void open_range(struct live *l, mreg r, uint32_t to)
{
	if (r == MREG_FP || l->end[r])
		return;
	l->end[r] = to + 1;
	if (mreg_is_virt(r))
		vec_push(l->a, &l->open, r);
}

static void close_range(struct live *l, mreg r, uint32_t at)
{
	add_range(l, r, at, l->end[r] ? l->end[r] - 1 : at);
	l->end[r] = 0;
}

static bool is_pure(const struct minsn *i)
{
	return i->op <= M_BOUND || i->op == M_RELOAD || i->op == M_SPILL;
}

static void implicit_defs(struct live *l, const struct minsn *i, uint32_t pos)
{
	if (i->op == M_CALL)
		for (mreg r = 0; r <= 5; r++)
			close_range(l, r, pos);
	else if (i->op == M_CMPXCHG)
		close_range(l, 0, pos);
}

static void implicit_uses(struct live *l, const struct minsn *i, uint32_t pos)
{
	if (i->op == M_CALL)
		for (mreg r = 1; r <= i->bytes; r++)
			open_range(l, r, pos);
	else if (i->op == M_CMPXCHG || i->op == M_RET)
		open_range(l, 0, pos);
}

static void scan_insn(struct live *l, struct mblock *mb, struct minsn *i, uint32_t n)
{
	struct mops o;

	minsn_operands(i, &o);
	if (o.def && mreg_is_virt(*o.def) && !l->end[*o.def] && is_pure(i)) {
		*i = (struct minsn){.op = M_NOP, .d = MREG_NONE, .a = MREG_NONE, .b = MREG_NONE};
		return;
	}
	implicit_defs(l, i, 2 * n + 1);
	if (o.def) {
		close_range(l, *o.def, 2 * n + 1);
		note_weight(l, mb, *o.def);
	}
	implicit_uses(l, i, 2 * n);
	for (unsigned u = 0; u < o.nuse; u++) {
		open_range(l, *o.use[u], 2 * n + o.late[u]);
		/* A late use of a register whose range was opened at 2n by the other operand. */
		if (l->end[*o.use[u]] == 2 * n + 1 && o.late[u])
			l->end[*o.use[u]] = 2 * n + 2;
		note_weight(l, mb, *o.use[u]);
	}
	if (i->op == M_MOV && !mreg_is_virt(i->a) && mreg_is_virt(i->d))
		mreg_info(l->f, i->d)->hints |= 1u << i->a;
	if (i->op == M_MOV && !mreg_is_virt(i->d) && mreg_is_virt(i->a))
		mreg_info(l->f, i->a)->hints |= 1u << i->d;
}

static void scan_block(struct live *l, struct mblock *mb)
{
	uint32_t last = 2 * (mb->first + (uint32_t)mb->in.n) - 1;

	l->open.n = 0;
	for (uint32_t n = mb->live_out; n; n = l->nodes.v[n].next)
		open_range(l, MREG_VIRT + l->nodes.v[n].id, last);
	for (uint32_t k = mb->in.n; k-- > 0;)
		if (mb->in.v[k].op != M_NOP)
			scan_insn(l, mb, &mb->in.v[k], mb->first + k);
	for (size_t k = 0; k < l->open.n; k++)
		if (l->end[l->open.v[k]])
			close_range(l, l->open.v[k], 2 * mb->first);
	for (mreg r = 0; r <= 5; r++)
		if (l->end[r])
			close_range(l, r, 2 * mb->first);
}

static void drop_nops(struct mblock *mb)
{
	size_t n = 0;

	for (size_t k = 0; k < mb->in.n; k++)
		if (mb->in.v[k].op != M_NOP)
			mb->in.v[n++] = mb->in.v[k];
	mb->in.n = n;
}

static void reset(struct mfn *f)
{
	f->ranges.n = f->fixed.n = 0;
	vec_push(f->a, &f->ranges, (struct mrange){0});
	VEC_EACH (struct vreg, v, &f->vregs) {
		v->range = v->length = v->hints = 0;
		v->weight = 0;
	}
}

void live_compute(struct mfn *f)
{
	struct live l = {.f = f, .a = arena_new()};
	uint32_t n = 0;

	reset(f);
	vec_push(l.a, &l.nodes, (struct node){0});
	VEC_EACH (struct mblock, mb, &f->blocks)
		drop_nops(mb);
	flow_all(&l);
	VEC_EACH (struct mblock, mb, &f->blocks) {
		mb->first = n;
		n += mb->in.n;
	}
	f->npos = 2 * n;
	l.end = arena_array_of(l.a, uint32_t, MREG_VIRT + f->vregs.n);
	for (uint32_t b = f->blocks.n; b-- > 0;)
		scan_block(&l, &f->blocks.v[b]);
	arena_free(l.a);
}
