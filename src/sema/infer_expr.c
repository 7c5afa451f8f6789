/* Types of expressions: the dispatch, and what is neither operator, access, cast nor call.
 *
 *   sema_visit   types an expression that may have no value (a statement)
 *   sema_value   types one that must have a value
 *
 * Both set e->type, never to NULL: what is wrong or not known yet is type_poison. */
#include "sema/sema_priv.h"

static void infer_literal_str(struct sema *s, struct expr *e)
{
	e->type = type_string(s->types, e->str.n + 1);
}

static void infer_var(struct sema *s, struct expr *e)
{
	struct var_info *v = sema_var_read(s, e);

	e->type = v && v->sym.type ? v->sym.type : &type_poison;
	if (v && !v->sym.type && !v->sym.assigned)
		diag_help(sema_report(s, E_INFER, e->span,
				      "$%.*s has no type: nothing is assigned to it",
				      STR_ARG(e->ident.name)),
			  "declare it with one: let $%.*s: uint64;", STR_ARG(e->ident.name));
}

/* &@m: of a single value its address, otherwise that of the kernel's struct bpf_map. */
static void address_of_map(struct sema *s, struct expr *e)
{
	struct expr *x = e->un.e;
	struct map_info *m = sema_map(s, x);
	const struct type *to;

	if (x->map.nkeys) {
		diag_help(sema_report(s, E_OPERANDS, e->span,
				      "& takes a variable or a map without a key"),
			  "the value of a key has no address that lasts: copy it to a variable");
		return;
	}
	sema_map_arg(s, x);
	if (!m->defined || !s->settling || (m->sym.scalar && !m->sym.value))
		return;
	to = m->sym.keyed ? type_lookup(s->types, LOOKUP_STRUCT, STR("bpf_map")) : m->sym.value;
	if (to && to->kind == TYPE_AGG)
		to = NULL;
	e->type = type_ptr(s->types, to ? to : &type_void, SPACE_KERNEL);
}

/* The address of a member, or of an element, of what a pointer leads to: what is in the registers
 * of a call, or was copied, has none. */
static void address_of_member(struct sema *s, struct expr *e)
{
	struct expr *x = e->un.e;
	const struct member *m;
	enum space space;

	sema_value(s, x);
	if (x->type->kind == TYPE_POISON)
		return;
	if (!sema_behind_pointer(s, x, &space)) {
		diag_help(sema_report(s, E_OPERANDS, e->span,
				      "& takes a variable, a map, or a member behind a pointer"),
			  "what is not behind a pointer has no address: copy it to a variable");
		return;
	}
	m = x->kind == EXPR_FIELD ? x->sem : NULL;
	if (m && m->bit_size) {
		sema_report(s, E_OPERANDS, e->span, "a bit-field has no address");
		return;
	}
	e->type = type_ptr(s->types, m && !type_is_scalar(m->type) ? m->type : x->type, space);
}

/* What a pointer points to does not grow any more: addresses have no type before everything else
 * has. */
static void infer_address(struct sema *s, struct expr *e)
{
	struct expr *x = e->un.e;

	if (x->kind == EXPR_FIELD || x->kind == EXPR_INDEX || x->kind == EXPR_ELEM) {
		address_of_member(s, e);
		return;
	}
	s->addresses = true;

	if (x->kind == EXPR_MAP) {
		address_of_map(s, e);
		return;
	}
	infer_var(s, x);
	if (x->type->kind != TYPE_POISON && s->settling)
		e->type = type_ptr(s->types, x->type, SPACE_KERNEL);
}

static void infer_unary(struct sema *s, struct expr *e)
{
	struct expr *x = e->un.e;
	struct diag_msg *m;

	if (e->un.op == UN_DEREF) {
		sema_deref(s, e);
		return;
	}
	if (e->un.op == UN_ADDR) {
		infer_address(s, e);
		return;
	}
	if (e->un.op == UN_NOT) {
		sema_condition(s, x, "!");
		e->type = x->type->kind == TYPE_POISON ? &type_poison : &type_bool;
	} else {
		sema_value(s, x);
		if (x->type->kind == TYPE_POISON)
			return;
		if (!type_is_integer(x->type)) {
			m = sema_report(s, E_OPERANDS, e->span, "%s does not apply to %s",
					unary_op_text(e->un.op), sema_type_text(s, x->type));
			diag_label(m, x->span, "this is %s", sema_type_text(s, x->type));
			return;
		}
		e->type = type_int(s->types, 8, e->un.op == UN_NEG || type_is_signed(x->type));
		if (!x->folded && sema_is_flexible(x->type))
			sema_adapt(s, x, e->type);
	}
	if (x->folded && x->type->kind != TYPE_POISON)
		sema_fold_unary(s, e);
}

/* ---- ++ and --
 * ------------------------------------------------------------------------------------ */

/* What adding an integer makes of a variable: 64 bits, pointers stay. */
static const struct type *stepped(struct sema *s, const struct type *t, struct expr *e)
{
	if (!t || t->kind == TYPE_POISON || sema_is_flexible(t))
		return sema_flexible(s, 8);
	if (t->kind == TYPE_PTR)
		return t;
	if (type_is_integer(t))
		return type_int(s->types, 8, t->kind != TYPE_BOOL && type_is_signed(t));
	diag_primary(sema_report(s, E_OPERANDS, e->span, "%s does not apply to %s",
				 e->incdec.dec ? "--" : "++", sema_type_text(s, t)),
		     "this is %s", sema_type_text(s, t));
	return &type_poison;
}

static void incdec_var(struct sema *s, struct expr *e)
{
	struct expr *x = e->incdec.e;
	struct var_info *v = sema_var_read(s, x);

	if (!v)
		return;
	x->type = v->sym.type ? v->sym.type : &type_poison;
	sema_var_assign(s, v, NULL, v->sym.fixed ? v->sym.type : stepped(s, v->sym.type, e),
			e->span);
	x->type = e->type = v->sym.type ? v->sym.type : &type_poison;
}

static void incdec_map(struct sema *s, struct expr *e)
{
	struct expr *x = e->incdec.e;
	struct map_info *m = sema_map(s, x);

	if (m->sym.value && m->sym.value->kind == TYPE_AGG) {
		sema_map_use(s, m, x);
		diag_help(sema_report(s, E_MAP_VALUE, e->span,
				      "@%.*s is a %s and cannot be counted up with %s",
				      STR_ARG(m->sym.name), m->sym.value->agg.agg->name,
				      e->incdec.dec ? "--" : "++"),
			  "add to it with %s()", m->sym.value->agg.agg->name);
		return;
	}
	sema_map_assign(s, x, NULL, stepped(s, m->sym.value, e), e->span);
	x->type = e->type = m->sym.value ? m->sym.value : &type_poison;
}

static void infer_incdec(struct sema *s, struct expr *e)
{
	if (e->incdec.e->kind == EXPR_VAR)
		incdec_var(s, e);
	else
		incdec_map(s, e);
	if (e->type->kind != TYPE_PTR && e->type->kind != TYPE_POISON && !type_is_integer(e->type))
		e->type = &type_poison;
}

/* ---- choices
 * ------------------------------------------------------------------------------------------ */

static const struct type *join_branches(struct sema *s, struct expr *at, struct span yes_sp,
					const struct type *yes, struct span no_sp,
					const struct type *no)
{
	struct diag_msg *m;
	const struct type *j;
	bool clash = false;

	if (yes->kind == TYPE_VOID && no->kind == TYPE_VOID)
		return &type_void;
	if (yes->kind == TYPE_POISON || no->kind == TYPE_POISON)
		return yes->kind == TYPE_POISON ? no : yes;
	j = sema_join(s, yes, no, &clash);
	if (j)
		return j;
	m = sema_report(s, E_TYPE, at->span, "the two results have different types: %s and %s",
			sema_type_text(s, yes), sema_type_text(s, no));
	diag_label(m, yes_sp, "%s", sema_type_text(s, yes));
	diag_label(m, no_sp, "%s", sema_type_text(s, no));
	diag_help(m, "give both the same type, or use if (…) { … } else { … }");
	return &type_poison;
}

static void infer_ternary(struct sema *s, struct expr *e)
{
	struct expr *yes = e->tern.yes ? e->tern.yes : e->tern.cond, *no = e->tern.no;

	sema_condition(s, e->tern.cond, "?:");
	if (e->tern.yes)
		sema_visit(s, yes);
	sema_visit(s, no);
	e->type = join_branches(s, e, yes->span, yes->type, no->span, no->type);
	sema_adapt(s, yes, e->type);
	sema_adapt(s, no, e->type);
	if (e->tern.cond->folded && yes->folded && no->folded && e->type->kind != TYPE_POISON) {
		e->folded = true;
		e->value = sema_truncate(e->tern.cond->value ? yes->value : no->value, e->type);
	}
}

static const struct type *block_type(const struct block *b)
{
	return b->value ? b->value->type : &type_void;
}

static struct span block_span(const struct block *b)
{
	return b->value ? b->value->span : b->span;
}

static void infer_if(struct sema *s, struct expr *e, bool want)
{
	struct expr *no = e->cond.no;
	const struct type *t;

	sema_condition(s, e->cond.cond, "if");
	sema_block(s, e->cond.yes, want);
	t = block_type(e->cond.yes);
	if (no && no->kind == EXPR_IF) {
		no->type = &type_poison;
		infer_if(s, no, want);
	} else if (no) {
		sema_block(s, no->block, want);
		no->type = want ? block_type(no->block) : &type_void;
	}
	if (!want)
		e->type = &type_void;
	else if (no)
		e->type = join_branches(s, e, block_span(e->cond.yes), t, no->span, no->type);
	else
		e->type = &type_void;
}

static void infer_block(struct sema *s, struct expr *e, bool want)
{
	const struct expr *outer = s->expansion;
	struct span call = e->span, body = e->block->span;

	/* The block of a macro stands elsewhere than its call. */
	if (body.off < call.off || body.off + body.len > call.off + call.len)
		s->expansion = e;
	sema_block(s, e->block, want);
	s->expansion = outer;
	e->type = want ? block_type(e->block) : &type_void;
}

/* ---- tuples and records
 * --------------------------------------------------------------------------------- */

#define MAX_ITEMS 64

static void infer_tuple(struct sema *s, struct expr *e)
{
	const struct type *items[MAX_ITEMS];
	bool ok = e->tuple.n <= MAX_ITEMS;

	if (!ok)
		sema_report(s, E_SIZE, e->span, "a tuple has at most %d items", MAX_ITEMS);
	for (size_t i = 0; i < e->tuple.n; i++) {
		sema_value(s, e->tuple.items[i]);
		ok &= e->tuple.items[i]->type->kind != TYPE_POISON;
		if (i < MAX_ITEMS)
			items[i] = e->tuple.items[i]->type;
	}
	if (ok)
		e->type = type_tuple(s->types, items, e->tuple.n);
}

static void check_duplicate(struct sema *s, struct expr *e, size_t i)
{
	struct record_field *f = e->record.fields;

	for (size_t k = 0; k < i; k++)
		if (str_eq(f[k].name, f[i].name))
			diag_label(sema_report(s, E_FIELD, f[i].span,
					       "the field %.*s is given twice", STR_ARG(f[i].name)),
				   f[k].span, "first here");
}

static void infer_record(struct sema *s, struct expr *e)
{
	const struct type *items[MAX_ITEMS];
	struct str names[MAX_ITEMS];
	bool ok = e->record.n <= MAX_ITEMS;

	if (!ok) {
		sema_report(s, E_SIZE, e->span, "a record has at most %d fields", MAX_ITEMS);
		return;
	}
	for (size_t i = 0; i < e->record.n; i++) {
		struct expr *v = e->record.fields[i].value;

		check_duplicate(s, e, i);
		sema_value(s, v);
		ok &= v->type->kind != TYPE_POISON;
		items[i] = v->type;
		names[i] = e->record.fields[i].name;
	}
	if (ok)
		e->type = type_record(s->types, names, items, e->record.n);
}

static void infer_comptime(struct sema *s, struct expr *e)
{
	struct expr *x = e->sub;

	sema_value(s, x);
	e->type = x->type;
	if (x->folded) {
		e->folded = true;
		e->value = x->value;
	} else if (x->kind != EXPR_STR && x->type->kind != TYPE_POISON) {
		diag_primary(sema_report(s, E_ARG_LITERAL, e->span,
					 "comptime needs a value that is known at compile time"),
			     "this is only known when the probe fires");
	}
}

/* ---- the dispatch
 * ------------------------------------------------------------------------------------------ */

static void dispatch_rest(struct sema *s, struct expr *e)
{
	switch (e->kind) {
	case EXPR_TUPLE:
		infer_tuple(s, e);
		break;
	case EXPR_RECORD:
		infer_record(s, e);
		break;
	case EXPR_SIZEOF:
		sema_sizeof(s, e);
		break;
	case EXPR_OFFSETOF:
		sema_offsetof(s, e);
		break;
	case EXPR_COMPTIME:
		infer_comptime(s, e);
		break;
	case EXPR_TYPEINFO:
		sema_typeinfo(s, e);
		break;
	case EXPR_CONTAINER:
		sema_container(s, e);
		break;
	case EXPR_TYPE:
		if (e->meta.of_type)
			e->type = sema_type_in(s, e->meta.of_type, sema_space(s));
		break;
	case EXPR_IF:
		infer_if(s, e, true);
		break;
	case EXPR_BLOCK:
		infer_block(s, e, true);
		break;
	default:
		BUG("expression of kind %d", e->kind);
	}
}

static void dispatch_operator(struct sema *s, struct expr *e)
{
	switch (e->kind) {
	case EXPR_UNARY:
		infer_unary(s, e);
		break;
	case EXPR_INCDEC:
		infer_incdec(s, e);
		break;
	case EXPR_BINARY:
		sema_binary(s, e);
		break;
	case EXPR_TERNARY:
		infer_ternary(s, e);
		break;
	case EXPR_FIELD:
		sema_field(s, e);
		break;
	case EXPR_ELEM:
		sema_elem(s, e);
		break;
	case EXPR_INDEX:
		sema_index(s, e);
		break;
	case EXPR_CAST:
		sema_cast(s, e);
		break;
	default:
		dispatch_rest(s, e);
		break;
	}
}

void sema_visit(struct sema *s, struct expr *e)
{
	if (e->kind == EXPR_PARAM)
		sema_param(s, e);
	e->type = &type_poison;
	switch (e->kind) {
	case EXPR_INT:
		sema_set_literal(s, e, e->value, e->sem == sema_literal_mark);
		return;
	case EXPR_STR:
		infer_literal_str(s, e);
		return;
	case EXPR_BOOL:
		e->type = &type_bool;
		e->folded = true;
		return;
	case EXPR_NPARAMS:
		e->kind = EXPR_INT;
		sema_set_literal(s, e, s->in->params.n, false);
		return;
	default:
		break;
	}
	e->folded = false;
	switch (e->kind) {
	case EXPR_VAR:
		infer_var(s, e);
		break;
	case EXPR_MAP:
		sema_map_read(s, e);
		break;
	case EXPR_IDENT:
		sema_ident(s, e);
		break;
	case EXPR_CALL:
		sema_call_expr(s, e);
		break;
	default:
		dispatch_operator(s, e);
		break;
	}
}

void sema_value(struct sema *s, struct expr *e)
{
	struct diag_msg *m;

	sema_visit(s, e);
	if (e->type->kind != TYPE_VOID)
		return;
	m = sema_report(s, E_VOID, e->span, "there is no value here");
	if (e->kind == EXPR_CALL)
		diag_primary(m, "%.*s() returns nothing", STR_ARG(e->call.name));
	else if (e->kind == EXPR_IF && !e->cond.no)
		diag_help(m, "an if without else has no value");
	else
		diag_help(m, "the last expression of a block, written without a semicolon, is its "
			     "value");
	e->type = &type_poison;
}

void sema_infer(struct sema *s, struct expr *e)
{
	sema_value(s, e);
}

/* A condition: any scalar. */
void sema_condition(struct sema *s, struct expr *e, const char *what)
{
	struct diag_msg *m;

	sema_value(s, e);
	if (e->type->kind == TYPE_POISON || type_is_scalar(e->type))
		return;
	m = sema_report(s, E_TYPE, e->span,
			"a condition must be a number, a bool or a pointer, this is %s",
			sema_type_text(s, e->type));
	diag_primary(m, "%s in %s", sema_type_text(s, e->type), what);
	if (e->type->kind == TYPE_STRING)
		diag_help(m, "compare it: … != \"\"");
	e->type = &type_poison;
}

/* For statements: an if or a block whose value nobody wants. */
void sema_visit_stmt(struct sema *s, struct expr *e)
{
	e->type = &type_void;
	if (e->kind == EXPR_IF)
		infer_if(s, e, false);
	else if (e->kind == EXPR_BLOCK)
		infer_block(s, e, false);
	else
		sema_visit(s, e);
}
