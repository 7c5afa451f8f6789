/* Script variables: where they live.
 *
 *   scalar                              a cell (register)
 *   string, tuple, …; `&$x` is taken    a home: stack object, or scratch memory when large
 *   used in the body of a map loop      the frame (gen_impl.h): that body is another function
 *
 * Homes are given out before the body, so that they last as long as it, and read as zero or empty
 * before the first assignment. vars_plan walks the body once to find what needs one.
 */
#include "gen/gen_impl.h"

struct walk {
	struct gen *g;
	unsigned depth; /* of map loops around */
	VEC(struct var_sym *) homes;
	unsigned loops; /* over maps */
	unsigned pairs; /* … with others inside */
	bool calls;     /* of the script's functions */
};

static void plan_stmts(struct walk *w, struct block *b);

/* Forgets what an earlier attempt at the same program found. */
static struct home *fresh_home(struct walk *w, struct var_sym *v)
{
	struct home *h = var_home(v);

	if (h->attempt != w->g->in->attempts) {
		*h = (struct home){.attempt = w->g->in->attempts};
		v->has_home = false;
		v->cell = 0;
	}
	return h;
}

static void plan_var(struct walk *w, struct var_sym *v, bool need)
{
	struct home *h = fresh_home(w, v);

	if (w->depth)
		h->captured = need = true;
	if (!need || v->has_home)
		return;
	v->has_home = true;
	vec_push(w->g->in->arena, &w->homes, v);
}

static bool is_pair(const struct walk *w, const struct var_sym *v)
{
	for (const struct gen_pair *p = w->g->pair; p; p = p->up)
		if (p->var == v)
			return true;
	return false;
}

static bool is_fn_call(const struct expr *e)
{
	const struct call_sem *c = e->sem;

	return e->kind == EXPR_CALL && c && c->kind == CALL_FN;
}

static void visit(void *arg, struct expr *e)
{
	struct walk *w = arg;

	w->calls |= is_fn_call(e);
	if (e->kind == EXPR_UNARY && e->un.op == UN_ADDR && e->un.e->kind == EXPR_VAR)
		plan_var(w, e->un.e->sem, true);
	else if (e->kind == EXPR_VAR && e->sem && !is_pair(w, e->sem))
		plan_var(w, e->sem, !type_is_scalar(e->type));
	else if (e->kind == EXPR_BLOCK)
		plan_stmts(w, e->block);
	else if (e->kind == EXPR_IF)
		plan_stmts(w, e->cond.yes);
}

static void plan_expr(struct walk *w, struct expr *e)
{
	if (e)
		ast_walk_expr(e, visit, w);
}

/* The body of a map loop: everything it mentions is captured, except its own pair. */
static void plan_map_loop(struct walk *w, struct stmt *s)
{
	struct gen_pair pair = {w->g->pair, s->loop.sym};
	unsigned loops = ++w->loops;

	w->g->pair = &pair;
	w->depth++;
	plan_stmts(w, s->loop.body);
	w->depth--;
	w->g->pair = pair.up;
	s->sem = NULL;
	if (w->loops == loops)
		return;
	s->sem = (void *)(uintptr_t)(fn_frame_vars(w->g) + PAIR_SLOT * w->pairs++);
}

static void plan_let(struct walk *w, struct stmt *s)
{
	struct var_sym *v = s->let.var;

	plan_expr(w, s->let.value);
	if (v && v->type)
		plan_var(w, v, v->read && !type_is_scalar(v->type));
}

static void plan_range(struct walk *w, struct stmt *s)
{
	plan_expr(w, s->loop.from);
	plan_expr(w, s->loop.to);
	plan_var(w, s->loop.sym, false);
	plan_stmts(w, s->loop.body);
}

static void plan_stmt(struct walk *w, struct stmt *s)
{
	switch (s->kind) {
	case STMT_EXPR:
	case STMT_DISCARD:
	case STMT_RETURN:
		plan_expr(w, s->expr);
		break;
	case STMT_LET:
		plan_let(w, s);
		break;
	case STMT_ASSIGN:
		plan_expr(w, s->assign.lhs);
		plan_expr(w, s->assign.value);
		break;
	case STMT_FOR_MAP:
		plan_map_loop(w, s);
		break;
	case STMT_FOR_RANGE:
		plan_range(w, s);
		break;
	case STMT_WHILE:
	case STMT_UNROLL:
		plan_expr(w, s->repeat.cond);
		plan_stmts(w, s->repeat.body);
		break;
	default:
		break;
	}
}

static void plan_stmts(struct walk *w, struct block *b)
{
	for (size_t i = 0; b && i < b->n; i++)
		plan_stmt(w, b->stmts[i]);
	if (b)
		plan_expr(w, b->value);
}

/* ---- giving out homes
 * ---------------------------------------------------------------------------- */

static bool fits_stack(struct gen *g, const struct type *t)
{
	return t->size <= MAX(g->in->plan->config->on_stack_limit, 8u) &&
	       ir_stack_left(&g->b) >= t->size + g->frame_size;
}

static void place(struct gen *g, struct var_sym *v)
{
	struct home *h = var_home(v);
	uint32_t size = v->type->size;

	g->b.span = v->decl;
	if (!fits_stack(g, v->type)) {
		h->kind = HOME_SCRATCH;
		h->off = scratch_reserve(g, size);
	} else if (h->captured) {
		h->kind = HOME_FRAME;
		h->off = g->frame_size;
		g->frame_size += ALIGN_UP(size, 8);
	} else {
		h->kind = HOME_OBJECT;
		h->v = ir_object(&g->b, ALIGN_UP(size, 8), 8);
	}
}

/* An empty string is one NUL; everything else is zeroed whole. */
static void clear(struct gen *g, const struct var_sym *v)
{
	struct val m = var_place(g, v);

	if (v->type->kind == TYPE_STRING || v->type->kind == TYPE_BUF)
		ir_store(&g->b, v->type->kind == TYPE_BUF ? 4 : 1, m.v, m.off, ir_const(&g->b, 0));
	else
		gen_zero(g, m);
}

/* Of the main function. A later claim of scratch memory stores its address in front of all this. */
static void make_main_frame(struct gen *g)
{
	g->frame = g->main_frame = ir_object(&g->b, g->frame_size, 8);
	if (g->scratch)
		ir_store(&g->b, 8, g->frame, FRAME_SCRATCH, g->scratch);
	ir_store(&g->b, 8, g->frame, FRAME_CTX, g->ctx);
	ir_store(&g->b, 8, g->frame, FRAME_LEAVE, ir_const(&g->b, 0));
}

/* Of a function with map loops: what its caller's frame says, too. */
static void make_fn_frame(struct gen *g)
{
	ir_val slot = scratch_base(g), ctx = gen_ctx(g);

	g->frame = ir_object(&g->b, g->frame_size, 8);
	ir_store(&g->b, 8, g->frame, FRAME_SCRATCH, slot);
	ir_store(&g->b, 8, g->frame, FRAME_CTX, ctx);
	ir_store(&g->b, 8, g->frame, FRAME_LEAVE, ir_const(&g->b, 0));
}

static void make_frame(struct gen *g)
{
	if (g->fn)
		make_fn_frame(g);
	else
		make_main_frame(g);
}

/* For what is generated in front of the body. */
void vars_plan_predicate(struct gen *g, struct expr *pred)
{
	struct walk w = {.g = g};

	plan_expr(&w, pred);
	if (!w.calls)
		return;
	fns_emit(g);
	g->frame_size = fn_frame_vars(g);
	make_frame(g);
}

void vars_plan(struct gen *g, struct block *body)
{
	struct walk w = {.g = g};

	plan_stmts(&w, body);
	g->frame_size = 0;
	if (w.loops || (w.calls && !g->fn))
		g->frame_size = fn_frame_vars(g) + PAIR_SLOT * w.pairs;
	for (size_t i = 0; i < w.homes.n; i++)
		place(g, w.homes.v[i]);
	if (g->frame_size)
		make_frame(g);
	for (size_t i = 0; i < w.homes.n; i++)
		clear(g, w.homes.v[i]);
}

/* ---- use
 * ------------------------------------------------------------------------------------------- */

struct val var_place(struct gen *g, const struct var_sym *v)
{
	const struct home *h = var_home(v);

	if (h->kind == HOME_OBJECT)
		return val_mem(v->type, h->v, 0, SPACE_BPF);
	if (h->kind == HOME_FRAME)
		return val_mem(v->type, g->frame, (int32_t)h->off, SPACE_BPF);
	return scratch_at(g, v->type, h->off);
}

static ir_cell cell_of(struct gen *g, struct var_sym *v)
{
	if (!v->cell)
		v->cell = ir_cell_new(&g->b, arena_strndup(g->in->arena, v->name.p, v->name.n),
				      v->type->kind == TYPE_PTR);
	return v->cell;
}

/* What a variable holds may be a pointer that the verifier knows, or zero: reading through it goes
 * by helper, computing with it by gen_plain. The context is the exception: it can only be read
 * directly. */
static struct val as_known(struct val r)
{
	const struct type *t = r.type;

	if (t->kind != TYPE_PTR)
		return r;
	r.tracked = t->ptr.space != SPACE_USER;
	r.space = t->ptr.space == SPACE_BTF ? SPACE_KERNEL : t->ptr.space;
	return r;
}

/* The key or the value, in whatever function code is being built. */
struct val pair_half(struct gen *g, const struct gen_pair *p, bool value)
{
	struct val m = value ? p->value : p->key;
	int32_t off = (int32_t)p->slot + (value ? 8 : 0);

	if (g->b.fn == p->fn)
		return m;
	m.v = m.kind == VAL_MEM ? ir_load_ptr(&g->b, g->frame, off)
				: ir_load(&g->b, 8, g->frame, off, IR_MEM_VOLATILE);
	return m;
}

/* $kv of `for $kv : @m` as a value of its own. */
static struct val read_pair(struct gen *g, const struct gen_pair *p, const struct type *t)
{
	struct val m = gen_temp(g, t, false);
	const struct member *half = t->tuple.members;

	zero_holes(g, m);
	gen_store(g, gen_part(m, half[0].type, (int32_t)half[0].offset), pair_half(g, p, false),
		  true);
	gen_store(g, gen_part(m, half[1].type, (int32_t)half[1].offset), pair_half(g, p, true),
		  false);
	return m;
}

struct val var_read(struct gen *g, struct expr *e)
{
	struct var_sym *v = e->sem;

	for (const struct gen_pair *p = g->pair; p; p = p->up)
		if (p->var == v)
			return read_pair(g, p, e->type);
	if (!v->has_home)
		return as_known(val_scalar(v->type, ir_get(&g->b, cell_of(g, v))));
	struct val m = var_place(g, v);
	return v->type->kind == TYPE_PTR ? as_known(gen_rvalue(g, m)) : m;
}

void var_set(struct gen *g, struct var_sym *v, ir_val value)
{
	value = gen_unlearn(g, v->type, value);
	if (v->has_home)
		store_scalar(g, var_place(g, v), value);
	else
		ir_set(&g->b, cell_of(g, v), value);
}

void var_write(struct gen *g, struct var_sym *v, struct expr *value)
{
	if (!type_is_scalar(v->type))
		gen_assign(g, value, var_place(g, v), v, false);
	else
		var_set(g, v, gen_convert(g, gen_scalar(g, value), value->type, v->type));
}

void gen_set_var(struct gen *g, struct expr *var, struct val v)
{
	struct var_sym *s = var->sem;

	if (type_is_scalar(s->type))
		var_set(g, s, gen_convert(g, gen_rvalue(g, v).v, v.type, s->type));
	else
		gen_store(g, var_place(g, s), v, false);
}
