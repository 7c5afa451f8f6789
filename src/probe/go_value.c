/* Values of Go functions as their own language has them: which value an expression names, with its
 * type in the table of gotype.h, and where its bytes are.
 *
 *   args.p               the argument, in registers or on the stack
 *   args.c.remoteAddr    field by field; a pointer on the way is followed
 *   retval.1, retval     a result, or all of them as a tuple
 *   args                 all arguments, as a struct
 *
 * The table of types is entered by link-time addresses; what is read in the program has been moved
 * by as much as the place of the probe has. */
#include <string.h>
#include "probe/gofn.h"
#include "sema/config.h"

struct naming {
	struct sema *s;
	struct probe *p;
	const struct go_signature *sig;
	struct dwarf *dwarf;
	struct gotypes *gt;
	uint32_t file;
	struct go_place *out;
};

static bool refuse(struct naming *n, const char *why)
{
	n->out->type = 0;
	n->out->why = why;
	return true;
}

/* ---- arguments and results ------------------------------------------------------------------- */

static bool take(struct naming *n, const struct go_value *v, bool result, unsigned index)
{
	if (v->why && !v->at)
		return refuse(n, v->why);
	n->out->lost = v->why != NULL;
	n->out->type = gotype_from(n->gt, n->file, v->ref);
	n->out->result = result;
	n->out->index = index;
	return n->out->type || refuse(n, "its type is not understood");
}

static bool is_named(const struct go_value *v, struct str name)
{
	return str_is(name, v->name) || (v->name[0] == '~' && str_is(name, v->name + 1));
}

/* args.NAME, args.N */
static bool find(struct naming *n, const struct expr *e, bool result)
{
	const struct go_value *v = result ? n->sig->results : n->sig->args;
	size_t count = result ? n->sig->nresults : n->sig->nargs;

	for (unsigned i = 0; i < count; i++)
		if (e->kind == EXPR_ELEM ? e->field.elem == i : is_named(&v[i], e->field.name))
			return take(n, &v[i], result, i);
	return false;
}

/* What cannot be read of several values is marked when they are shown. */
static bool take_all(struct naming *n, bool result)
{
	const struct go_value *values = result ? n->sig->results : n->sig->args;
	uint32_t count = (uint32_t)(result ? n->sig->nresults : n->sig->nargs), at = 0;
	struct arena *a = sema_arena(n->s);
	uint32_t *types = arena_array_of(a, uint32_t, count + 1);
	uint32_t *offsets = arena_array_of(a, uint32_t, count + 1);
	const char **names = arena_array_of(a, const char *, count + 1);

	for (uint32_t i = 0; i < count; i++) {
		const struct go_value *v = &values[i];
		bool lost = result ? v->why != NULL : go_arg_lost(n->p, i) != NULL;

		names[i] = v->name;
		types[i] = lost ? 0 : gotype_from(n->gt, n->file, v->ref);
		offsets[i] = at;
		at += ALIGN_UP(v->size, 8u);
	}
	n->out->result = result;
	n->out->all = true;
	n->out->type = result ? gotype_tuple(n->gt, types, offsets, count)
			      : gotype_record(n->gt, names, types, offsets, count);
	return n->out->type || refuse(n, "the script has too many types");
}

static bool is_word(const struct expr *e, const char *name)
{
	return e->kind == EXPR_IDENT && str_is(e->ident.name, name);
}

static bool take_results(struct naming *n)
{
	const char *why = go_no_results(n->s, n->p);

	if (why)
		return refuse(n, why);
	return n->sig->nresults == 1 ? take(n, n->sig->results, true, 0) : take_all(n, true);
}

/* ---- on from there -----------------------------------------------------------------------------
 */

static void step(struct naming *n, bool deref, uint32_t off, uint32_t type)
{
	vec_push(sema_arena(n->s), &n->out->steps, (struct go_step){deref, off});
	n->out->type = type;
}

/* Through a pointer, to what it leads to. */
static void follow(struct naming *n)
{
	if (gotype_get(n->gt, n->out->type)->kind == GO_POINTER)
		step(n, true, 0, gotype_elem(n->gt, n->out->type));
}

static bool take_field(struct naming *n, const struct expr *e)
{
	const struct gotype *t;

	follow(n);
	t = gotype_get(n->gt, n->out->type);
	for (uint32_t i = 0; t->kind == GO_STRUCT && i < t->nmembers; i++) {
		if (!str_is(e->field.name, t->members[i].name))
			continue;
		step(n, false, t->members[i].offset, t->members[i].type);
		return true;
	}
	return false;
}

static bool take_element(struct naming *n, const struct expr *e)
{
	const struct expr *i = e->index.index;
	const struct gotype *t = gotype_get(n->gt, n->out->type);
	uint32_t each = gotype_get(n->gt, t->elem)->size;

	if (t->kind != GO_ARRAY || !i->folded || i->value >= t->count)
		return false;
	step(n, false, (uint32_t)i->value * each, t->elem);
	return true;
}

static bool name(struct naming *n, struct expr *e);

static bool name_field(struct naming *n, struct expr *e)
{
	struct expr *of = e->field.e;

	if (is_word(of, "args"))
		return find(n, e, false);
	if (is_word(of, "retval") && n->p->prov == &provider_goret && n->sig->nresults > 1)
		return find(n, e, true);
	return e->kind == EXPR_FIELD && name(n, of) && (n->out->why || take_field(n, e));
}

static bool name(struct naming *n, struct expr *e)
{
	switch (e->kind) {
	case EXPR_IDENT:
		if (is_word(e, "args"))
			return take_all(n, false);
		return is_word(e, "retval") && n->p->prov == &provider_goret && take_results(n);
	case EXPR_FIELD:
	case EXPR_ELEM:
		return name_field(n, e);
	case EXPR_INDEX:
		return name(n, e->index.e) && (n->out->why || take_element(n, e));
	case EXPR_UNARY:
		if (e->un.op != UN_DEREF || !name(n, e->un.e))
			return false;
		follow(n);
		return true;
	default:
		return false;
	}
}

/* Does the chain begin with args or retval? The debug information is opened for nothing else. */
static bool may_name(const struct expr *e)
{
	switch (e->kind) {
	case EXPR_IDENT:
		return is_word(e, "retval") || is_word(e, "args");
	case EXPR_FIELD:
	case EXPR_ELEM:
		return may_name(e->field.e);
	case EXPR_INDEX:
		return may_name(e->index.e);
	case EXPR_UNARY:
		return may_name(e->un.e);
	default:
		return false;
	}
}

bool go_value_place(struct sema *s, struct probe *p, struct expr *e, struct go_place *out)
{
	const struct go_place_info *info = p->targets[0].data;
	const struct config *c = sema_config(s);
	struct naming n = {.s = s, .p = p, .out = out};
	struct err err = {0};

	*out = (struct go_place){0};
	if (!may_name(e))
		return false;
	n.sig = go_names(s, p, &n.dwarf, &err);
	if (!n.sig)
		return false;
	n.gt = gotypes_of(sema_types(s),
			  (struct gotype_limits){.string = (uint32_t)c->go_max_string,
						 .elems = (uint32_t)c->go_max_elems,
						 .map_elems = (uint32_t)c->go_max_map_elems,
						 .value = (uint32_t)c->go_value_size});
	n.file = gotypes_file(n.gt, n.dwarf, info->path, info->minor, info->types);
	out->file = n.file;
	return name(&n, e);
}

/* ---- code ---------------------------------------------------------------------------------------
 */

/* Of one of several: `at` is where it belongs. */
static void put_one(struct gen *g, struct val at, struct val from, uint32_t bytes)
{
	struct ir *b = gen_ir(g);

	if (from.space == SPACE_BPF)
		ir_copy(b, at.v, at.off, from.v, from.off, ALIGN_UP(bytes, 8u), 8);
	else
		gen_read(g, ir_bini(b, IR_ADD, at.v, at.off), bytes,
			 ir_bini(b, IR_ADD, from.v, from.off), from.space);
}

/* No more of them than a value that is shown may have: what is behind that is cut. */
static struct val all_values(struct gen *g, struct probe *p, const struct go_place *pl)
{
	const struct gotypes *gt = gotypes_of(gen_types(g), (struct gotype_limits){0});
	const struct gotype *t = gotype_get(gt, pl->type);
	const struct go_signature *sig = go_signature_of(p->data);
	const struct go_value *values = pl->result ? sig->results : sig->args;
	uint32_t size = ALIGN_UP(MIN(MAX(t->size, 8u), (uint32_t)GO_CHUNK_MAX), 8u);
	struct val all = gen_temp_bytes(g, size, 8, true);

	for (unsigned i = 0; i < t->nmembers; i++) {
		uint32_t bytes = values[i].size, off = t->members[i].offset;
		struct val at = all;

		if (!t->members[i].type || !bytes || off + ALIGN_UP(bytes, 8u) > size)
			continue;
		at.off += (int32_t)off;
		put_one(g, at, go_bytes_of(g, p, pl->result, i), bytes);
	}
	return all;
}

struct val go_value_load(struct gen *g, struct probe *p, const struct go_place *pl)
{
	const struct type *u64 = type_int(gen_types(g), 8, false);
	struct val m = pl->all ? all_values(g, p, pl) : go_bytes_of(g, p, pl->result, pl->index);

	for (size_t i = 0; i < pl->steps.n; i++) {
		const struct go_step *s = &pl->steps.v[i];

		m.type = u64;
		if (s->deref)
			m = val_mem(u64, gen_load(g, m), 0, SPACE_USER);
		m.off += (int32_t)s->off;
	}
	return m;
}

ir_val_t go_value_bias(struct gen *g, struct probe *p)
{
	const struct go_place_info *info = p->targets[0].data;
	const struct type *u64 = type_int(gen_types(g), 8, false);
	struct ir *b = gen_ir(g);
	uint32_t first = p->targets[0].c >> GO_DELTA;
	ir_val at, delta;
	bool same = true;

	if (!info->movable)
		return ir_const(b, 0);
	for (size_t i = 1; i < p->ntargets; i++)
		same &= p->targets[i].c >> GO_DELTA == first;
	at = probe_ctx_reg(g, u64, regs_named(STR("pc"))).v;
	delta = same ? ir_const(b, first)
		     : ir_bini(b, IR_LSHR, IR_CALL(b, BPF_FUNC_get_attach_cookie, gen_ctx(g)),
			       32 + GO_DELTA);
	return ir_bin(b, IR_SUB, ir_bini(b, IR_SUB, at, (int64_t)info->addr), delta);
}
