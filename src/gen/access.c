/* Reading memory: loads by address space, members, elements, pointers.
 *
 *   SPACE_CTX     plain loads at constant offsets from the context
 *   SPACE_BTF     plain loads; the kernel turns faults into 0. Pointers loaded so stay SPACE_BTF
 *   SPACE_BPF     plain loads
 *   SPACE_KERNEL  probe_read into 8 bytes of stack, then a load; a fault counts as LOST_FAULT and
 * the SPACE_USER    helper leaves zeroes
 *
 * curtask->mm->pgd: curtask is SPACE_BTF, so are its member mm and the member of that: two plain
 * loads.
 */
#include "gen/gen_impl.h"

enum space gen_space(struct gen *g, enum space s)
{
	if (s == SPACE_NONE)
		s = g->p->prov->space;
	return s == SPACE_NONE ? SPACE_KERNEL : s;
}

/* ---- helpers that read
 * ----------------------------------------------------------------------------- */

/* Counts a fault out of line when `bad` is not 0. */
static void count_fault(struct gen *g, ir_val bad, const char *helper, ir_val code)
{
	struct ir *b = &g->b;
	struct ir_block *fault = ir_block_new(b, "fault"), *ok = ir_block_new(b, NULL);

	ir_br(b, bad, fault, ok, IR_LIKELY_NO);
	ir_at(b, fault);
	gen_lost(g, LOST_FAULT);
	gen_warn(g, helper, code);
	ir_jmp(b, ok);
	ir_at(b, ok);
}

ir_val gen_read(struct gen *g, ir_val dst, uint32_t size, ir_val src, enum space space)
{
	bool user = gen_space(g, space) == SPACE_USER;
	ir_val r = IR_CALL(&g->b, user ? BPF_FUNC_probe_read_user : BPF_FUNC_probe_read_kernel, dst,
			   ir_const(&g->b, size), src);

	count_fault(g, r, user ? "probe_read_user" : "probe_read_kernel", r);
	return ir_const(&g->b, 0);
}

ir_val gen_read_str(struct gen *g, ir_val dst, ir_val size, ir_val src, enum space space)
{
	bool user = gen_space(g, space) == SPACE_USER;
	ir_val r = IR_CALL(&g->b,
			   user ? BPF_FUNC_probe_read_user_str : BPF_FUNC_probe_read_kernel_str,
			   dst, size, src);

	count_fault(g, ir_bini(&g->b, IR_SLT, r, 0),
		    user ? "probe_read_user_str" : "probe_read_kernel_str", r);
	return r;
}

/* ---- loads
 * ------------------------------------------------------------------------------------------ */

static ir_val load_bytes(struct gen *g, struct val m, unsigned bytes, bool is_signed)
{
	enum ir_mem_flags f = m.space == SPACE_CTX ? IR_MEM_INVARIANT : IR_MEM_NONE;

	if (is_signed && bytes < 8)
		return ir_loads(&g->b, bytes, m.v, m.off, f);
	return ir_load(&g->b, bytes, m.v, m.off, f);
}

static ir_val load_probed(struct gen *g, struct val m, unsigned bytes, bool is_signed)
{
	uint32_t mark = ir_stack_mark(&g->b);
	ir_val tmp = ir_object(&g->b, 8, 8);

	gen_read(g, tmp, bytes, gen_addr(g, m), m.space);
	ir_val v = load_bytes(g, val_mem(m.type, tmp, 0, SPACE_BPF), bytes, is_signed);
	ir_stack_release(&g->b, mark);
	return v;
}

static bool is_direct(enum space s)
{
	return s == SPACE_CTX || s == SPACE_BTF || s == SPACE_BPF;
}

static ir_val load_any(struct gen *g, struct val m, unsigned bytes, bool is_signed)
{
	return is_direct(m.space) ? load_bytes(g, m, bytes, is_signed)
				  : load_probed(g, m, bytes, is_signed);
}

static ir_val load_bits(struct gen *g, struct val m)
{
	ir_val v = load_any(g, m, m.load_size, false);

	if (type_is_signed(m.type)) {
		v = ir_bini(&g->b, IR_SHL, v, 64 - m.bit_off - m.bit_size);
		return ir_bini(&g->b, IR_ASHR, v, 64 - m.bit_size);
	}
	v = ir_bini(&g->b, IR_LSHR, v, m.bit_off);
	return m.bit_size == 64 ? v
				: ir_bini(&g->b, IR_AND, v, (int64_t)((1ull << m.bit_size) - 1));
}

/* Is what is loaded here a pointer to the verifier that can be followed directly? */
static bool is_typed_pointer(struct val m)
{
	const struct type *t = m.type;

	if (t->kind != TYPE_PTR || t->ptr.to->kind != TYPE_STRUCT || t->ptr.space == SPACE_USER)
		return false;
	return m.space == SPACE_BTF || (m.space == SPACE_CTX && t->ptr.space == SPACE_BTF);
}

static struct val load_direct(struct gen *g, struct val m)
{
	struct val r = val_scalar(m.type, 0);

	if (is_typed_pointer(m)) {
		r.v = ir_load_ptr(&g->b, m.v, m.off);
		r.space = SPACE_BTF;
		r.nullable = m.nullable || m.space == SPACE_CTX;
		r.tracked = true;
		return r;
	}
	if (m.type->kind == TYPE_PTR) {
		enum space s = m.type->ptr.space;
		r.space = s == SPACE_BTF || s == SPACE_CTX ? SPACE_KERNEL : s;
		r.tracked = m.space == SPACE_BTF;
	}
	r.v = m.bit_size ? load_bits(g, m) : load_any(g, m, m.type->size, type_is_signed(m.type));
	return r;
}

/* Pointers that may be NULL to the verifier: 0 is what is read through them then. */
static struct val load_nullable(struct gen *g, struct val m)
{
	struct ir *b = &g->b;
	struct ir_block *ok = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell cell = ir_cell_new(b, "member", m.type->kind == TYPE_PTR);

	ir_set(b, cell, ir_const(b, 0));
	ir_br(b, m.v, ok, done, IR_LIKELY_YES);
	ir_at(b, ok);
	m.v = ir_nonnull(b, m.v);
	struct val r = load_direct(g, m);
	ir_set(b, cell, r.v);
	ir_jmp(b, done);
	ir_at(b, done);
	r.v = ir_get(b, cell);
	r.nullable = r.space == SPACE_BTF;
	return r;
}

struct val gen_rvalue(struct gen *g, struct val v)
{
	if (v.kind != VAL_MEM)
		return v;
	return v.nullable && v.space == SPACE_BTF ? load_nullable(g, v) : load_direct(g, v);
}

ir_val gen_load(struct gen *g, struct val m)
{
	return gen_rvalue(g, m).v;
}

/* The verifier forbids most arithmetic on its pointers. Read back through a helper, the same bits
 * are a number. */
ir_val gen_plain(struct gen *g, struct val v)
{
	if (!v.tracked)
		return v.v;
	uint32_t mark = ir_stack_mark(&g->b);
	ir_val tmp = ir_object(&g->b, 16, 8);
	ir_store(&g->b, 8, tmp, 8, v.v);
	IR_CALL(&g->b, BPF_FUNC_probe_read_kernel, tmp, ir_const(&g->b, 8),
		ir_bini(&g->b, IR_ADD, tmp, 8));
	ir_val r = ir_load(&g->b, 8, tmp, 0, IR_MEM_NONE);
	ir_stack_release(&g->b, mark);
	return r;
}

/* ---- places
 * ------------------------------------------------------------------------------------------- */

struct val gen_deref(struct gen *g, struct val p, const struct type *to)
{
	p = gen_rvalue(g, p);
	struct val m = val_mem(to, p.v, 0, p.space ? p.space : p.type->ptr.space);

	m.space = gen_space(g, m.space);
	m.nullable = p.nullable;
	return m;
}

/* The struct (array, …) that `e` is, or points to. */
static struct val place_of(struct gen *g, struct expr *e)
{
	struct val v = gen_expr(g, e);

	return e->type->kind == TYPE_PTR ? gen_deref(g, v, e->type->ptr.to) : v;
}

/* A __data_loc field of a tracepoint holds where in the record its bytes are. */
static struct val data_loc(struct gen *g, struct val m, enum tp_loc loc, const struct type *t)
{
	struct ir *b = &g->b;
	ir_val word = ir_load(b, 4, m.v, m.off, IR_MEM_INVARIANT);
	ir_val off = ir_bini(b, IR_AND, word, 0xffff);

	if (loc == TP_REL_LOC)
		off = ir_bini(b, IR_ADD, off, m.off + 4);
	ir_val at = ir_bin(b, IR_ADD, m.v, off);
	if (!type_is_scalar(t))
		return val_mem(t, at, 0, SPACE_KERNEL);
	struct val r = val_scalar(t, at);
	r.space = SPACE_KERNEL;
	r.tracked = true;
	return r;
}

static struct val member_of(struct gen *g, struct val base, const struct member *m,
			    const struct type *t)
{
	struct val r = base;

	/* A pointer leads to where the struct is, whatever the struct's definition says. */
	r.type = type_is_scalar(m->type) && t->kind != TYPE_PTR ? m->type : t;
	r.off += (int32_t)m->offset;
	r.bit_off = m->bit_off;
	r.bit_size = m->bit_size;
	r.load_size = m->load_size;
	return m->loc == TP_PLAIN ? r : data_loc(g, r, m->loc, t);
}

static bool is_args(const struct expr *e)
{
	const struct call_sem *c = e->sem;

	return (e->kind == EXPR_IDENT || e->kind == EXPR_CALL) && c && c->kind == CALL_PROBE_NAME &&
	       (c->name == NAME_ARGS || c->name == NAME_CTX);
}

/* $kv.0 and $kv.1 are read where the kernel has them. */
static const struct gen_pair *pair_of(struct gen *g, const struct expr *e)
{
	for (const struct gen_pair *p = g->pair; p; p = p->up)
		if (e->kind == EXPR_VAR && e->sem == p->var)
			return p;
	return NULL;
}

/* What a member that is a string of Go says; other members are as they are. */
static struct val go_text(struct gen *g, struct val v, const struct type *is,
			  const struct type *wanted)
{
	return type_is_go_string(is) ? gen_go_string(g, v, wanted) : v;
}

struct val access_field(struct gen *g, struct expr *e)
{
	const struct member *m = e->sem;
	struct expr *of = e->field.e;
	const struct gen_pair *pair = pair_of(g, of);

	if (pair)
		return pair_half(g, pair, m->offset != 0);
	if (is_args(of) && g->p->prov->arg_field) {
		struct val v = g->p->prov->arg_field(g, g->p, m);

		if (v.kind != VAL_NONE)
			return go_text(g, v, m->type, e->type);
	}
	return go_text(g, member_of(g, place_of(g, of), m, e->type), m->type, e->type);
}

/* ---- elements
 * ------------------------------------------------------------------------------------------ */

/* Direct loads at offsets that are not constant: not from the context and BTF-typed memory. */
static struct val at_variable(struct gen *g, struct val m, ir_val off)
{
	if (m.space == SPACE_CTX || m.space == SPACE_BTF) {
		struct val p = val_scalar(m.type, m.v);
		p.tracked = m.space == SPACE_BTF;
		m.v = gen_plain(g, p);
		m.space = SPACE_KERNEL;
		m.nullable = false;
	}
	m.v = ir_bin(&g->b, IR_ADD, m.v, off);
	return m;
}

/* Element `i` of memory with `count` of them: reads as 0 beyond the end. An index that cannot be
 * beyond it is bounded all the same: the verifier may not know. */
static struct val element_checked(struct gen *g, struct val m, const struct type *t, ir_val i,
				  uint32_t count)
{
	struct ir *b = &g->b;
	struct ir_block *in = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell cell = ir_cell_new(b, "element", false);
	ir_val fits = ir_bini(b, IR_ULT, i, count);
	int64_t always;

	ir_set(b, cell, ir_const(b, 0));
	ir_br(b, fits, in, done, IR_LIKELY_YES);
	ir_at(b, in);
	i = ir_is_const(b, fits, &always) ? ir_bound(b, i, count - 1) : ir_index(b, i, count);
	m = at_variable(g, m, ir_bini(b, IR_MUL, i, t->size));
	m.type = t;
	ir_set(b, cell, gen_plain(g, gen_rvalue(g, m)));
	ir_jmp(b, done);
	ir_at(b, done);
	return val_scalar(t, ir_get(b, cell));
}

static struct val element(struct gen *g, struct val m, const struct type *t, struct expr *index,
			  uint32_t count)
{
	if (index->folded) {
		m.off += (int32_t)(index->value * t->size);
		m.type = t;
		return m;
	}
	ir_val i = gen_scalar(g, index);
	if (count && type_is_scalar(t))
		return element_checked(g, m, t, i, count);
	if (count)
		i = ir_bound(&g->b, i, count - 1);
	m = at_variable(g, m, ir_bini(&g->b, IR_MUL, i, t->size));
	m.type = t;
	return m;
}

/* One byte of a string: 0 behind its end, where anything may lie. The read that stops at the NUL
 * tells whether it came as far as the byte. */
static struct val character(struct gen *g, struct val s, const struct type *t, struct expr *index)
{
	struct ir *b = &g->b;
	uint32_t cap = s.type->str.cap;

	if (cap == 0 || (index->folded && (index->value == 0 || index->value >= cap)))
		return element(g, s, t, index, cap);
	struct ir_block *in = ir_block_new(b, NULL), *there = ir_block_new(b, NULL);
	struct ir_block *done = ir_block_new(b, NULL);
	ir_cell cell = ir_cell_new(b, "character", false);
	struct val copy = gen_temp_bytes(g, cap + 1, 8, false);
	ir_val i = gen_scalar(g, index), n;

	ir_set(b, cell, ir_const(b, 0));
	ir_br(b, ir_bini(b, IR_ULT, i, cap), in, done, IR_LIKELY_YES);
	ir_at(b, in);
	i = ir_bound(b, i, cap - 1);
	n = gen_read_str(g, gen_addr(g, copy), ir_bini(b, IR_ADD, i, 2), gen_addr(g, s),
			 SPACE_KERNEL);
	ir_br(b, ir_bin(b, IR_SGT, n, ir_bini(b, IR_ADD, i, 1)), there, done, IR_LIKELY_YES);
	ir_at(b, there);
	ir_set(b, cell, gen_load(g, val_mem(t, ir_bin(b, IR_ADD, copy.v, i), copy.off, SPACE_BPF)));
	ir_jmp(b, done);
	ir_at(b, done);
	return val_scalar(t, ir_get(b, cell));
}

static struct val tuple_item(struct val m, uint64_t i)
{
	const struct member *item = &m.type->tuple.members[i];

	return gen_part(m, item->type, (int32_t)item->offset);
}

/* args.FIELD[constant], where the provider has a way of its own. */
static struct val element_of_args(struct gen *g, struct expr *e)
{
	struct expr *field = e->index.e, *index = e->index.index;
	const struct provider *prov = g->p->prov;

	if (!prov->arg_elem || field->kind != EXPR_FIELD || !index->folded ||
	    !is_args(field->field.e))
		return VAL_VOID;
	return prov->arg_elem(g, g->p, field->sem, index->value);
}

/* p[i]. An index that is not known is added to a number, never to what the verifier knows as a
 * pointer. */
static struct val element_behind(struct gen *g, struct val p, struct expr *e)
{
	const struct type *to = e->index.e->type->ptr.to;

	p = gen_rvalue(g, p);
	if (!e->index.index->folded && p.tracked) {
		p.v = gen_plain(g, p);
		p.space = p.space == SPACE_BTF ? SPACE_KERNEL : p.space;
		p.tracked = p.nullable = false;
	}
	return element(g, gen_deref(g, p, to), e->type, e->index.index, 0);
}

struct val access_index(struct gen *g, struct expr *e)
{
	const struct type *t = e->index.e->type;
	struct val m = element_of_args(g, e);

	if (m.kind != VAL_NONE)
		return m;
	m = t->kind == TYPE_PTR ? gen_expr(g, e->index.e)
				: gen_held(g, e->index.e, &e->index.index, 1);
	if (t->kind == TYPE_PTR)
		return element_behind(g, m, e);
	if (t->kind == TYPE_TUPLE || t->kind == TYPE_RECORD)
		return tuple_item(m, e->index.index->value);
	if (t->kind == TYPE_STRING && m.space == SPACE_BPF)
		return character(g, m, e->type, e->index.index);
	if (t->kind == TYPE_STRING) /* an array of characters in a struct */
		return element(g, m, e->type, e->index.index, t->str.cap);
	return element(g, m, e->type, e->index.index, t->array.count);
}
