/* Expressions.
 *
 * gen_expr returns where a value is (gen.h: struct val); gen_build makes it in a given place.
 * Whatever is no scalar is built in place: a tuple builds its items where they belong, a call is
 * handed its place as `want`, a literal becomes immediate stores. gen_expr asked for such a value
 * takes a temporary and builds there.
 *
 *   @x[(1, str(p))]     key object ← 1; key object + 8 ← probe_read_user_str
 */
#include "gen/gen_impl.h"

/* ---- calls and names
 * ----------------------------------------------------------------------------- */

/* Pointers out of builtins and providers are what their type says. */
static struct val with_space(struct val v)
{
	if (v.kind != VAL_SCALAR || v.type->kind != TYPE_PTR)
		return v;
	if (!v.space)
		v.space = v.type->ptr.space;
	v.tracked |= v.space == SPACE_BTF || v.space == SPACE_CTX;
	return v;
}

static struct val kfunc_call(struct gen *g, struct expr *e);

static struct val call_value(struct gen *g, struct expr *e, struct val want)
{
	const struct call_sem *c = e->sem;

	if (!c)
		BUG("a name without meaning reached code generation");
	if (c->same)
		return gen_expr(g, c->same);
	if (c->kind == CALL_PROBE_NAME)
		return with_space(g->p->prov->name_load(g, g->p, c->name, c->index));
	if (c->kind == CALL_FN)
		return fn_call(g, e);
	if (c->kind == CALL_KFUNC)
		return kfunc_call(g, e);
	return with_space(c->builtin->lower(g, e, want));
}

/* Pointers go as the kernel gave them: its verifier knows what they are. */
static struct val kfunc_call(struct gen *g, struct expr *e)
{
	const struct call_sem *c = e->sem;
	bool is_ptr = e->type->kind == TYPE_PTR;
	ir_val args[5];

	for (size_t i = 0; i < e->call.nargs && i < ARRAY_SIZE(args); i++) {
		struct val v = gen_expr(g, e->call.args[i]);

		args[i] = v.kind == VAL_MEM && v.space == SPACE_CTX && v.type->kind == TYPE_PTR
				  ? ir_load_ptr(&g->b, v.v, v.off)
				  : gen_rvalue(g, v).v;
	}
	ir_val r = ir_kfunc(&g->b, (uint32_t)c->num[0], e->call.nargs, args, is_ptr);
	struct val v = val_scalar(e->type, r);

	v.tracked = is_ptr;
	return e->type->kind == TYPE_VOID ? VAL_VOID : v;
}

/* A call whose type is narrower than its place: built there, and the rest is zeroed for a key. */
static void call_to(struct gen *g, struct expr *e, struct val dst, bool pad)
{
	const struct call_sem *c = e->sem;

	if (c && c->same) {
		gen_build(g, c->same, dst, pad);
		return;
	}
	bool builtin = c && c->kind == CALL_BUILTIN;
	bool in_place = builtin &&
			(type_eq(e->type, dst.type) ||
			 (e->type->kind == TYPE_STRING && dst.type->kind == TYPE_STRING &&
			  e->type->size <= dst.type->size));

	if (!in_place) {
		gen_store(g, dst, call_value(g, e, VAL_VOID), pad);
		return;
	}
	bool fills = (c->builtin->flags & BI_FILLS) && e->type->size == dst.type->size;
	if (pad && !fills && e->type->kind != TYPE_STACK && e->type->kind != TYPE_VIEW)
		gen_zero(g, dst);
	struct val want = dst;
	want.type = e->type;
	struct val got = call_value(g, e, want);
	if (got.kind != VAL_MEM || got.v != want.v || got.off != want.off)
		gen_store(g, dst, got, pad);
	else if (!pad && e->type->size < dst.type->size) /* the verifier does not see the NUL */
		str_end(g, dst, e->type->size);
}

/* ---- casts
 * ------------------------------------------------------------------------------------------- */

/* (string[64])ptr, (buffer[64])ptr: reads what it points to. */
static void cast_read(struct gen *g, struct expr *e, struct val dst)
{
	struct ir *b = &g->b;
	struct val p = gen_deref(g, gen_expr(g, e->cast.e), e->type);
	uint32_t n = e->type->str.cap;

	if (e->type->kind == TYPE_STRING) {
		gen_read_str(g, gen_addr(g, dst), ir_const(b, n), p.v, p.space);
		return;
	}
	ir_store(b, 4, dst.v, dst.off, ir_const(b, n));
	gen_read(g, ir_bini(b, IR_ADD, dst.v, dst.off + 4), n, p.v, p.space);
}

static bool is_read_cast(const struct expr *e)
{
	return (e->type->kind == TYPE_STRING || e->type->kind == TYPE_BUF) &&
	       type_is_scalar(e->cast.e->type);
}

static void cast_to(struct gen *g, struct expr *e, struct val dst, bool pad)
{
	if (pad)
		gen_zero(g, dst);
	if (is_read_cast(e)) {
		cast_read(g, e, dst);
		return;
	}
	struct val v = gen_expr(g, e->cast.e);
	if (v.kind == VAL_MEM && dst.type->kind == TYPE_BUF && v.type->kind != TYPE_BUF) {
		uint32_t n = MIN(dst.type->str.cap, v.type->size);
		ir_store(&g->b, 4, dst.v, dst.off, ir_const(&g->b, n));
		gen_move(g, gen_part(dst, v.type, 4), v, n);
		return;
	}
	gen_store(g, dst, v, pad);
}

/* Memory of up to 8 bytes seen as an integer: (uint32)addr_bytes. */
static struct val bytes_as_int(struct gen *g, struct val m, const struct type *t)
{
	if (m.nullable)
		m = gen_to_bpf(g, m);
	if (m.type->size >= t->size) {
		m.type = t;
		return gen_rvalue(g, m);
	}
	struct val tmp = gen_temp_bytes(g, 8, 8, true);
	gen_move(g, tmp, m, MIN(m.type->size, 8u));
	tmp.type = t;
	return gen_rvalue(g, tmp);
}

static struct val cast_pointer(struct val v, const struct type *t)
{
	bool same = v.type->kind == TYPE_PTR && type_eq(v.type->ptr.to, t->ptr.to);

	if (!same) {
		if (v.space == SPACE_BTF)
			v.space = SPACE_KERNEL;
		v.nullable = false;
	}
	if (v.type->kind != TYPE_PTR)
		v.space = t->ptr.space == SPACE_BTF ? SPACE_KERNEL : t->ptr.space;
	v.type = t;
	return v;
}

static struct val cast_value(struct gen *g, struct expr *e)
{
	struct val v = gen_expr(g, e->cast.e);
	const struct type *from = v.type;

	if (v.kind == VAL_MEM && !type_is_scalar(from))
		return bytes_as_int(g, v, e->type);
	v = gen_rvalue(g, v);
	if (e->type->kind == TYPE_PTR)
		return cast_pointer(v, e->type);
	return val_scalar(e->type, gen_convert(g, gen_plain(g, v), from, e->type));
}

/* ---- choice
 * ---------------------------------------------------------------------------------------------- */

struct choice {
	struct ir_block *done;
	ir_cell cell;
	const struct val *dst; /* NULL: a scalar, in the cell */
	const struct type *type;
	bool pad;
};

static struct choice choice_begin(struct gen *g, const struct type *t, const struct val *dst,
				  bool pad)
{
	struct choice c = {ir_block_new(&g->b, NULL), 0, dst, t, pad};

	if (!dst && type_is_scalar(t))
		c.cell = ir_cell_new(&g->b, "choice", t->kind == TYPE_PTR);
	return c;
}

/* One alternative: its value goes where the choice wants it. */
static void choice_take(struct gen *g, const struct choice *c, struct expr *e)
{
	if (c->dst)
		gen_build(g, e, *c->dst, c->pad);
	else if (c->cell)
		ir_set(&g->b, c->cell, gen_convert(g, gen_scalar(g, e), e->type, c->type));
	else
		gen_effect(g, e);
	ir_jmp(&g->b, c->done);
}

static struct val choice_end(struct gen *g, const struct choice *c)
{
	ir_at(&g->b, c->done);
	if (c->dst)
		return *c->dst;
	if (!c->cell)
		return VAL_VOID;
	struct val v = val_scalar(c->type, gen_unlearn(g, c->type, ir_get(&g->b, c->cell)));
	if (c->type->kind == TYPE_PTR) {
		v.space = c->type->ptr.space == SPACE_BTF ? SPACE_KERNEL : c->type->ptr.space;
		v.tracked = v.space != SPACE_USER;
	}
	return v;
}

/* a ?: b, with `a` evaluated once. */
static struct val elvis(struct gen *g, struct expr *e)
{
	struct ir *b = &g->b;
	struct choice c = choice_begin(g, e->type, NULL, false);
	struct ir_block *no = ir_block_new(b, NULL);
	ir_val a = gen_scalar(g, e->tern.cond);

	ir_set(b, c.cell, gen_convert(g, a, e->tern.cond->type, e->type));
	ir_br(b, gen_unlearn(g, e->tern.cond->type, a), c.done, no, IR_LIKELY_EVEN);
	ir_at(b, no);
	choice_take(g, &c, e->tern.no);
	return choice_end(g, &c);
}

static struct val ternary(struct gen *g, struct expr *e, const struct val *dst, bool pad)
{
	struct ir *b = &g->b;

	if (!e->tern.yes && !dst)
		return elvis(g, e);
	struct choice c = choice_begin(g, e->type, dst, pad);
	struct ir_block *yes = ir_block_new(b, NULL), *no = ir_block_new(b, NULL);
	gen_branch(g, e->tern.cond, yes, no, IR_LIKELY_EVEN);
	ir_at(b, yes);
	choice_take(g, &c, e->tern.yes ? e->tern.yes : e->tern.cond);
	ir_at(b, no);
	choice_take(g, &c, e->tern.no);
	return choice_end(g, &c);
}

struct val gen_block_value(struct gen *g, struct block *bl, const struct val *dst, bool pad)
{
	gen_stmts(g, bl);
	if (!bl->value)
		return VAL_VOID;
	if (dst) {
		gen_build(g, bl->value, *dst, pad);
		return *dst;
	}
	if (type_is_scalar(bl->value->type))
		return gen_rvalue(g, gen_expr(g, bl->value));
	gen_effect(g, bl->value);
	return VAL_VOID;
}

static void if_branch(struct gen *g, const struct choice *c, struct block *bl)
{
	struct val v = gen_block_value(g, bl, c->dst, c->pad);

	if (c->cell && v.kind == VAL_SCALAR)
		ir_set(&g->b, c->cell, gen_convert(g, v.v, v.type, c->type));
	ir_jmp(&g->b, c->done);
}

/* A condition that is known rules the other branch out: nothing is generated for it. */
static struct val if_known(struct gen *g, struct expr *e, const struct val *dst, bool pad)
{
	struct choice c = choice_begin(g, e->type ? e->type : &type_void, dst, pad);

	if (e->cond.cond->value)
		if_branch(g, &c, e->cond.yes);
	else if (e->cond.no)
		choice_take(g, &c, e->cond.no);
	else
		ir_jmp(&g->b, c.done);
	return choice_end(g, &c);
}

static struct val if_value(struct gen *g, struct expr *e, const struct val *dst, bool pad)
{
	if (e->cond.cond->folded && type_is_scalar(e->cond.cond->type))
		return if_known(g, e, dst, pad);
	struct ir *b = &g->b;
	struct choice c = choice_begin(g, e->type ? e->type : &type_void, dst, pad);
	struct ir_block *yes = ir_block_new(b, NULL);
	struct ir_block *no = e->cond.no ? ir_block_new(b, NULL) : c.done;
	struct gen_mark mark = gen_mark(g);

	gen_branch(g, e->cond.cond, yes, no, IR_LIKELY_EVEN);
	if (!dst)
		gen_release(g, mark);
	ir_at(b, yes);
	if_branch(g, &c, e->cond.yes);
	if (e->cond.no) {
		ir_at(b, no);
		choice_take(g, &c, e->cond.no);
	}
	return choice_end(g, &c);
}

/* ---- one operand
 * --------------------------------------------------------------------------------------- */

/* A member's place lies at a distance from what a pointer was, as a number. */
static struct val address_of_member(struct gen *g, struct expr *e)
{
	struct val m = gen_expr(g, e), p = val_scalar(e->type, m.v);

	if (m.kind != VAL_MEM)
		BUG("a member that has an address is a value");
	p.tracked = m.space != SPACE_USER;
	return val_scalar(e->type, ir_bini(&g->b, IR_ADD, gen_plain(g, p), m.off));
}

/* As a number: what the verifier knows as a pointer could neither be kept nor computed with. */
static struct val address_of(struct gen *g, struct expr *e)
{
	if (e->kind == EXPR_VAR)
		return val_scalar(e->type, gen_addr(g, var_place(g, e->sem)));
	const struct map_sym *m = e->sem;
	if (m->storage == MAP_SCALAR)
		return val_scalar(e->type, ir_mapval(&g->b, m->index, 0));
	return val_scalar(e->type, gen_map_ref(g, m->index));
}

static struct val unary(struct gen *g, struct expr *e)
{
	static const struct type wide = {.kind = TYPE_INT, .size = 8, .align = 8};
	struct expr *of = e->un.e;
	ir_val v;

	switch (e->un.op) {
	case UN_DEREF:
		return gen_deref(g, gen_expr(g, of), e->type);
	case UN_ADDR: {
		if (of->kind != EXPR_VAR && of->kind != EXPR_MAP)
			return val_scalar(e->type, address_of_member(g, of).v);
		struct val a = address_of(g, of);
		a.tracked = true;
		return val_scalar(e->type, gen_plain(g, a));
	}
	case UN_NOT:
		return val_scalar(e->type, ir_not(&g->b, gen_truth(g, of)));
	default:
		v = gen_plain(g, gen_rvalue(g, gen_expr(g, of)));
		v = e->un.op == UN_NEG ? ir_neg(&g->b, v) : ir_bini(&g->b, IR_XOR, v, -1);
		return val_scalar(e->type, gen_convert(g, v, &wide, e->type));
	}
}

static struct val var_incdec(struct gen *g, struct expr *e)
{
	static const struct type wide = {.kind = TYPE_INT, .size = 8, .align = 8};
	struct var_sym *v = e->incdec.e->sem;
	const struct type *t = v->type;
	struct val old = gen_rvalue(g, var_read(g, e->incdec.e));
	int64_t by = t->kind == TYPE_PTR ? MAX(t->ptr.to->size, 1u) : 1;

	ir_val now = ir_bini(&g->b, e->incdec.dec ? IR_SUB : IR_ADD, gen_plain(g, old), by);
	now = gen_convert(g, now, &wide, t);
	var_set(g, v, now);
	return val_scalar(e->type, e->incdec.prefix ? now : old.v);
}

/* ---- building in place
 * ----------------------------------------------------------------------------------- */

static void build_tuple(struct gen *g, struct expr *e, struct val dst, bool pad)
{
	zero_holes(g, dst);
	for (size_t i = 0; i < e->tuple.n; i++) {
		const struct member *m = &dst.type->tuple.members[i];
		gen_build(g, e->tuple.items[i], gen_part(dst, m->type, (int32_t)m->offset), pad);
	}
}

static void build_record(struct gen *g, struct expr *e, struct val dst, bool pad)
{
	zero_holes(g, dst);
	for (size_t i = 0; i < e->record.n; i++) {
		const struct record_field *f = &e->record.fields[i];
		const struct member *m = dst.type->tuple.members;
		while (!str_eq(m->name, f->name))
			m++;
		gen_build(g, f->value, gen_part(dst, m->type, (int32_t)m->offset), pad);
	}
}

static void build_scalar(struct gen *g, struct expr *e, struct val dst)
{
	store_scalar(g, dst, gen_convert(g, gen_scalar(g, e), e->type, dst.type));
}

static void build_other(struct gen *g, struct expr *e, struct val dst, bool pad)
{
	switch (e->kind) {
	case EXPR_STR:
		if (dst.type->kind == TYPE_STRING || dst.type->kind == TYPE_ARRAY)
			str_literal(g, dst, e->str, pad);
		else
			gen_store(g, dst, gen_expr(g, e), pad);
		break;
	case EXPR_TUPLE:
		build_tuple(g, e, dst, pad);
		break;
	case EXPR_RECORD:
		build_record(g, e, dst, pad);
		break;
	case EXPR_IDENT:
	case EXPR_CALL:
		call_to(g, e, dst, pad);
		break;
	case EXPR_MAP:
		map_read_to(g, e, dst, pad);
		break;
	case EXPR_CAST:
		cast_to(g, e, dst, pad);
		break;
	case EXPR_TERNARY:
		ternary(g, e, &dst, pad);
		break;
	case EXPR_IF:
		if_value(g, e, &dst, pad);
		break;
	case EXPR_BLOCK:
		gen_block_value(g, e->block, &dst, pad);
		break;
	case EXPR_COMPTIME:
		gen_build(g, e->sub, dst, pad);
		break;
	case EXPR_TYPEINFO:
		gen_build(g, e->sem, dst, pad);
		break;
	default:
		gen_store(g, dst, gen_expr(g, e), pad);
	}
}

void gen_build(struct gen *g, struct expr *e, struct val dst, bool pad)
{
	struct span saved = g->b.span;

	g->b.span = e->span;
	if (type_is_scalar(dst.type))
		build_scalar(g, e, dst);
	else
		build_other(g, e, dst, pad);
	g->b.span = saved;
}

/* `$t = ($t.1, $t.0)` reads what it writes; `@t = (1, { return; 2 })` may not come to its end. Such
 * values are built elsewhere first. */
static bool built_elsewhere(struct expr *e, const void *sym, bool is_map)
{
	if (e->kind == EXPR_VAR || e->kind == EXPR_MAP)
		return false;
	return effect_mentions(e, sym, is_map) || effect_may_leave(e);
}

/* The value of a variable or map in its place. */
void gen_assign(struct gen *g, struct expr *e, struct val dst, const void *sym, bool is_map)
{
	if (type_is_scalar(dst.type) || !built_elsewhere(e, sym, is_map)) {
		gen_build(g, e, dst, false);
		return;
	}
	struct val tmp = gen_temp(g, dst.type, false);
	gen_build(g, e, tmp, false);
	gen_store(g, dst, tmp, false);
}

void gen_expr_to(struct gen *g, struct expr *e, struct val dst)
{
	gen_build(g, e, dst, false);
}

/* ---- values
 * ------------------------------------------------------------------------------------------------
 */

static struct val in_temp(struct gen *g, struct expr *e)
{
	struct val tmp = gen_temp(g, e->type, false);

	gen_build(g, e, tmp, false);
	return tmp;
}

/* Expressions that are built in place when they are no scalars. */
static bool needs_place(const struct expr *e)
{
	switch (e->kind) {
	case EXPR_STR:
	case EXPR_TUPLE:
	case EXPR_RECORD:
	case EXPR_TYPEINFO:
		return true;
	case EXPR_TERNARY:
	case EXPR_IF:
	case EXPR_BLOCK:
	case EXPR_CAST:
		return !type_is_scalar(e->type) && e->type->kind != TYPE_VOID;
	default:
		return false;
	}
}

/* The pointer as a number, some bytes before. */
static struct val container(struct gen *g, struct expr *e)
{
	ir_val p = gen_plain(g, gen_rvalue(g, gen_expr(g, e->meta.of)));

	return val_scalar(e->type, ir_bini(&g->b, IR_SUB, p, (int64_t)e->value));
}

static struct val expr(struct gen *g, struct expr *e)
{
	if (needs_place(e))
		return in_temp(g, e);
	switch (e->kind) {
	case EXPR_VAR:
		return var_read(g, e);
	case EXPR_MAP:
		return map_read(g, e);
	case EXPR_IDENT:
	case EXPR_CALL:
		return call_value(g, e, VAL_VOID);
	case EXPR_UNARY:
		return unary(g, e);
	case EXPR_INCDEC:
		return e->incdec.e->kind == EXPR_MAP ? map_incdec(g, e, true) : var_incdec(g, e);
	case EXPR_BINARY:
		return gen_binary(g, e);
	case EXPR_TERNARY:
		return ternary(g, e, NULL, false);
	case EXPR_FIELD:
	case EXPR_ELEM:
		return access_field(g, e);
	case EXPR_INDEX:
		return access_index(g, e);
	case EXPR_CAST:
		return cast_value(g, e);
	case EXPR_IF:
		return if_value(g, e, NULL, false);
	case EXPR_BLOCK:
		return gen_block_value(g, e->block, NULL, false);
	case EXPR_COMPTIME:
		return gen_expr(g, e->sub);
	case EXPR_CONTAINER:
		return container(g, e);
	default:
		BUG("expression of kind %d has no value at run time", e->kind);
	}
}

struct val gen_expr(struct gen *g, struct expr *e)
{
	struct span saved = g->b.span;
	struct val v;

	if (e->folded && type_is_scalar(e->type))
		return val_scalar(e->type, ir_const(&g->b, (int64_t)e->value));
	g->b.span = e->span;
	v = expr(g, e);
	g->b.span = saved;
	return v;
}

ir_val gen_scalar(struct gen *g, struct expr *e)
{
	return gen_rvalue(g, gen_expr(g, e)).v;
}

void gen_effect(struct gen *g, struct expr *e)
{
	if (e->kind == EXPR_INCDEC && e->incdec.e->kind == EXPR_MAP)
		map_incdec(g, e, false);
	else if (!e->folded && !(e->kind == EXPR_VAR || e->kind == EXPR_STR))
		gen_expr(g, e);
}
