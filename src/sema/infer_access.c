/* Types of what reads memory: `*p`, `p->f`, `s.f`, `t.0`, `a[i]`.
 *
 * Pointers found in memory point into the space that this memory is in: the members of a struct
 * that is known from the kernel's BTF but was reached through a user-space pointer are user
 * pointers. A struct pointer inside of memory that the verifier tracks is tracked as well
 * (SPACE_BTF).
 *
 * char[n] stands for text: a member of that type has the type string[n]. So does a string of Go,
 * with as many bytes as strings have at most. */
#include "sema/sema_priv.h"

const struct type *sema_decayed(struct sema *s, const struct type *t)
{
	const struct type *of = t->kind == TYPE_ARRAY ? t->array.of : NULL;

	if (!of || t->array.count == 0 || !type_is_char(of) || !type_is_signed(of))
		return t;
	return type_string(s->types, t->array.count);
}

/* The space of the memory that an expression denotes; SPACE_BPF: a value of our own. A copy of a
 * struct that the script defines has pointers into what the probe looks at. */
static enum space place_of(struct sema *s, const struct expr *e)
{
	switch (e->kind) {
	case EXPR_UNARY:
		return e->un.op == UN_DEREF && e->un.e->type->kind == TYPE_PTR
			       ? e->un.e->type->ptr.space
			       : SPACE_BPF;
	case EXPR_FIELD:
		return e->field.e->type->kind == TYPE_PTR ? e->field.e->type->ptr.space
							  : place_of(s, e->field.e);
	case EXPR_INDEX:
		return e->index.e->type->kind == TYPE_PTR ? e->index.e->type->ptr.space
							  : place_of(s, e->index.e);
	default:
		return e->type->kind == TYPE_STRUCT && !type_btf_id(e->type) &&
				       sema_space(s) == SPACE_USER
			       ? SPACE_USER
			       : SPACE_BPF;
	}
}

/* The index of an array inside of a struct must be known: others are checked when they are read. */
bool sema_behind_pointer(struct sema *s, const struct expr *e, enum space *space)
{
	const struct expr *of = e->kind == EXPR_INDEX ? e->index.e : e->field.e;

	if (e->kind == EXPR_UNARY && e->un.op == UN_DEREF)
		of = e->un.e;
	else if (e->kind != EXPR_FIELD && e->kind != EXPR_INDEX)
		return false;
	if (of->type->kind == TYPE_PTR) {
		*space = of->type->ptr.space == SPACE_BTF ? SPACE_KERNEL : of->type->ptr.space;
		return of->type->ptr.space != SPACE_CTX;
	}
	if (e->kind == EXPR_INDEX && (!e->index.index->folded || (of->type->kind != TYPE_ARRAY &&
								  of->type->kind != TYPE_STRING)))
		return false;
	return sema_behind_pointer(s, of, space);
}

/* The type of a value of type `t` that lies in `space`. */
static const struct type *in_space(struct sema *s, const struct type *t, enum space space)
{
	if (t->kind != TYPE_PTR)
		return sema_decayed(s, t);
	if (space == SPACE_USER && t->ptr.space == SPACE_KERNEL)
		return type_ptr(s->types, t->ptr.to, SPACE_USER);
	if (space == SPACE_BTF && t->ptr.space == SPACE_KERNEL && t->ptr.to->kind == TYPE_STRUCT)
		return type_ptr(s->types, t->ptr.to, SPACE_BTF);
	return t;
}

/* ---- *p
 * ------------------------------------------------------------------------------------------------
 */

/* `*number` reads 8 bytes at that address: the number becomes (uint64 *)number. */
static void cast_to_pointer(struct sema *s, struct expr *e)
{
	struct expr *c = arena_new_of(s->a, struct expr);
	struct type_name *tn = arena_new_of(s->a, struct type_name);

	tn->span = e->un.e->span;
	tn->name = STR("uint64");
	tn->nsuffixes = 1;
	tn->suffixes = arena_new_of(s->a, struct type_suffix);
	tn->suffixes[0].kind = SUFFIX_PTR;
	c->kind = EXPR_CAST;
	c->span = e->un.e->span;
	c->cast.to = tn;
	c->cast.e = e->un.e;
	e->un.e = c;
	sema_value(s, c);
}

static bool pointee_readable(struct sema *s, struct expr *at, const struct type *ptr)
{
	const struct type *to = ptr->ptr.to;
	struct diag_msg *m;

	if (to->kind == TYPE_STRUCT && !to->size)
		type_complete(s->types, to);
	if (to->kind != TYPE_VOID && to->kind != TYPE_FUNC && to->kind != TYPE_POISON && to->size)
		return true;
	if (to->kind == TYPE_POISON)
		return false;
	m = sema_report(s, E_TYPE, at->span, "%s cannot be read through", sema_type_text(s, ptr));
	diag_primary(m, to->kind == TYPE_FUNC ? "points to a function"
					      : "what it points to has no size");
	diag_help(m, "cast it to the type that is there: *(uint64 *)…");
	return false;
}

void sema_deref(struct sema *s, struct expr *e)
{
	struct diag_msg *m;
	struct expr *x = e->un.e;

	sema_value(s, x);
	if (x->type->kind == TYPE_POISON)
		return;
	if (type_is_integer(x->type)) {
		cast_to_pointer(s, e);
		x = e->un.e;
	}
	if (x->type->kind != TYPE_PTR) {
		m = sema_report(s, E_OPERANDS, e->span, "* needs a pointer, this is %s",
				sema_type_text(s, x->type));
		diag_label(m, x->span, "%s", sema_type_text(s, x->type));
		return;
	}
	if (pointee_readable(s, x, x->type))
		e->type = in_space(s, x->type->ptr.to, x->type->ptr.space);
}

/* ---- members
 * ------------------------------------------------------------------------------------------- */

#define LIST_MAX 12

/* The result of a system call is `ret`; its arguments are known at its entry only. */
static bool help_syscall(struct sema *s, struct diag_msg *m, const struct expr *e)
{
	const char *at = strstr(s->probe->name, ":sys_exit_");

	if (!at)
		return false;
	if (str_is(e->field.name, "retval") || str_is(e->field.name, "return"))
		diag_suggest(m, e->field.name_span, "ret");
	else
		diag_help(
			m,
			"the arguments of the call are those of sys_enter_%s: keep them there in a "
			"map, @%.*s[tid] = args.%.*s",
			at + strlen(":sys_exit_"), STR_ARG(e->field.name), STR_ARG(e->field.name));
	return true;
}

static void list_fields(struct sema *s, struct diag_msg *m, const struct type *t)
{
	struct buf b = BUF_INIT;
	uint32_t n;
	const struct member *v = type_members(s->types, t, &n);

	if (n == 0 || n > LIST_MAX)
		return;
	for (uint32_t i = 0; i < n; i++)
		if (v[i].name.n) {
			buf_adds(&b, b.n ? ", " : "");
			buf_addstr(&b, v[i].name);
		}
	if (b.n)
		diag_note(m, "the fields are: %s", buf_cstr(&b));
	buf_release(&b);
}

static void nearest_member(struct sema *s, struct nearest *near, const struct type *t,
			   unsigned depth)
{
	uint32_t n;
	const struct member *v = type_members(s->types, t, &n);

	for (uint32_t i = 0; i < n; i++) {
		if (v[i].name.n)
			nearest_try(near, v[i].name);
		else if (v[i].type->kind == TYPE_STRUCT && depth < 8)
			nearest_member(s, near, v[i].type, depth + 1);
	}
}

static void report_field(struct sema *s, struct expr *e, const struct type *t)
{
	const struct expr *base = e->field.e;
	bool args = base->kind == EXPR_IDENT && str_is(base->ident.name, "args");
	const struct provider *prov = s->probe->prov;
	const char *why = args && prov->no_arg ? prov->no_arg(s->probe, e->field.name) : NULL;
	struct diag_msg *m;
	struct nearest n;

	if (why)
		m = sema_report(s, E_FIELD, e->field.name_span, "args.%.*s cannot be read: %s",
				STR_ARG(e->field.name), why);
	else if (args)
		m = sema_report(s, E_FIELD, e->field.name_span, "%s has no argument %.*s",
				s->probe->name, STR_ARG(e->field.name));
	else
		m = sema_report(s, E_FIELD, e->field.name_span, "%s has no field %.*s",
				sema_type_text(s, t), STR_ARG(e->field.name));
	if (!m)
		return;
	diag_label(m, base->span, "%s",
		   args ? "the arguments of this probe" : sema_type_text(s, base->type));
	nearest_init(&n, e->field.name);
	nearest_member(s, &n, t, 0);
	if (!why && !(args && help_syscall(s, m, e)) && nearest_found(&n))
		diag_suggest(m, e->field.name_span, arena_strndup(s->a, n.best.p, n.best.n));
	list_fields(s, m, t);
}

static bool has_members(const struct type *t)
{
	return t->kind == TYPE_STRUCT || t->kind == TYPE_RECORD;
}

static void report_no_fields(struct sema *s, struct expr *e, const struct type *t)
{
	struct diag_msg *m;

	if (type_is_integer(t) && !kernel_has(s->in->kernel, FEATURE_BTF) &&
	    e->field.e->kind == EXPR_IDENT && str_is(e->field.e->ident.name, "curtask")) {
		sema_no_btf(s, e->field.e, "the fields of curtask");
		return;
	}
	m = sema_report(s, E_FIELD, e->field.name_span, "%s has no fields", sema_type_text(s, t));
	diag_label(m, e->field.e->span, "this is %s", sema_type_text(s, t));
	if (type_is_integer(t) || (t->kind == TYPE_PTR && t->ptr.to->kind == TYPE_VOID))
		diag_help(m, "say what it points to: ((struct NAME *)…)->%.*s",
			  STR_ARG(e->field.name));
	else if (t->kind == TYPE_TUPLE)
		diag_help(m, "the items of a tuple are .0, .1 …");
}

static struct member *keep_member(struct sema *s, struct expr *e, const struct member *m)
{
	if (!e->sem)
		e->sem = arena_new_of(s->a, struct member);
	*(struct member *)e->sem = *m;
	return e->sem;
}

/* Text of a tracepoint's record whose place is told by the record. */
static const struct type *dynamic_type(struct sema *s, const struct member *m)
{
	const struct type *t = m->type;

	if (t->kind == TYPE_ARRAY && type_is_char(t->array.of) && type_is_signed(t->array.of))
		return type_string(s->types, s->in->config->max_strlen);
	return t;
}

void sema_field(struct sema *s, struct expr *e)
{
	struct expr *x = e->field.e;
	const struct type *t;
	struct member m;

	sema_value(s, x);
	t = x->type;
	if (t->kind == TYPE_POISON)
		return;
	if (t->kind == TYPE_PTR && has_members(t->ptr.to))
		t = t->ptr.to;
	if (!has_members(t)) {
		report_no_fields(s, e, x->type);
		return;
	}
	if (!type_member(s->types, t, e->field.name, &m)) {
		report_field(s, e, t);
		return;
	}
	keep_member(s, e, &m);
	if (m.type->kind == TYPE_FLOAT) {
		sema_report(s, E_TYPE, e->field.name_span,
			    "floating-point numbers cannot be read by BPF programs");
		return;
	}
	if (type_is_go_string(m.type))
		e->type = type_string(s->types, s->in->config->max_strlen);
	else
		e->type = m.loc != TP_PLAIN ? dynamic_type(s, &m)
					    : in_space(s, m.type, place_of(s, e));
}

static void tuple_item(struct sema *s, struct expr *e, struct expr *base, unsigned i)
{
	const struct type *t = base->type->kind == TYPE_PTR ? base->type->ptr.to : base->type;

	if (i < t->tuple.n) {
		keep_member(s, e, &t->tuple.members[i]);
		e->type = t->tuple.members[i].type;
		return;
	}
	diag_label(sema_report(s, E_INDEX, e->span, "this tuple has %u items, the last is .%u",
			       t->tuple.n, t->tuple.n ? t->tuple.n - 1 : 0),
		   base->span, "%s", sema_type_text(s, t));
}

void sema_elem(struct sema *s, struct expr *e)
{
	struct expr *x = e->field.e;
	const struct type *t;

	sema_value(s, x);
	t = x->type->kind == TYPE_PTR ? x->type->ptr.to : x->type;
	if (x->type->kind == TYPE_POISON)
		return;
	if (t->kind == TYPE_TUPLE || t->kind == TYPE_RECORD) {
		tuple_item(s, e, x, e->field.elem);
		return;
	}
	diag_label(sema_report(s, E_FIELD, e->span, ".%u needs a tuple, this is %s", e->field.elem,
			       sema_type_text(s, x->type)),
		   x->span, "%s", sema_type_text(s, x->type));
}

/* ---- a[i]
 * ------------------------------------------------------------------------------------------------
 */

/* `tuple[1]` is tuple.1 */
static void index_tuple(struct sema *s, struct expr *e)
{
	struct expr *base = e->index.e, *i = e->index.index;

	if (!i->folded || i->value > UINT32_MAX) {
		diag_label(sema_report(s, E_INDEX, e->span,
				       "the index into a tuple must be a constant"),
			   i->span, "not a constant");
		return;
	}
	e->kind = EXPR_ELEM;
	e->sem = NULL;
	e->field.e = base;
	e->field.elem = i->value;
	tuple_item(s, e, base, e->field.elem);
}

static void check_bound(struct sema *s, struct expr *e, uint64_t count)
{
	const struct expr *i = e->index.index;
	struct diag_msg *m;

	if (!i->folded || (i->value < count && !(type_is_signed(i->type) && (int64_t)i->value < 0)))
		return;
	m = sema_report(s, E_INDEX, e->span, "index %" PRId64 " is outside of %s",
			(int64_t)i->value, sema_type_text(s, e->index.e->type));
	diag_label(m, i->span, count ? "from 0 to %" PRIu64 : "%" PRIu64 " elements",
		   count ? count - 1 : 0);
}

static void index_string(struct sema *s, struct expr *e)
{
	struct expr *base = e->index.e, *i = e->index.index;

	check_bound(s, e, base->type->str.cap);
	e->type = type_int(s->types, 1, false);
	if (base->kind == EXPR_STR && i->folded && i->value <= base->str.n) {
		e->folded = true;
		e->value = i->value < base->str.n ? (unsigned char)base->str.p[i->value] : 0;
	}
}

static void index_pointer(struct sema *s, struct expr *e)
{
	const struct type *t = e->index.e->type;

	if (!pointee_readable(s, e->index.e, t))
		return;
	e->type = in_space(s, t->ptr.to, t->ptr.space == SPACE_BTF ? SPACE_KERNEL : t->ptr.space);
}

static void index_array(struct sema *s, struct expr *e)
{
	const struct type *t = e->index.e->type;

	if (t->array.count)
		check_bound(s, e, t->array.count);
	e->type = in_space(s, t->array.of, place_of(s, e));
}

void sema_index(struct sema *s, struct expr *e)
{
	struct expr *x = e->index.e, *i = e->index.index;
	struct diag_msg *m;

	sema_value(s, x);
	sema_value(s, i);
	if (x->type->kind == TYPE_POISON || i->type->kind == TYPE_POISON)
		return;
	if (!type_is_integer(i->type)) {
		m = sema_report(s, E_INDEX, i->span, "an index must be an integer, this is %s",
				sema_type_text(s, i->type));
		diag_primary(m, "%s", sema_type_text(s, i->type));
		return;
	}
	sema_adapt(s, i, NULL);
	switch (x->type->kind) {
	case TYPE_TUPLE:
		index_tuple(s, e);
		return;
	case TYPE_STRING:
		index_string(s, e);
		return;
	case TYPE_PTR:
		index_pointer(s, e);
		return;
	case TYPE_ARRAY:
		index_array(s, e);
		return;
	default:
		diag_label(sema_report(s, E_INDEX, e->span, "%s has no elements",
				       sema_type_text(s, x->type)),
			   x->span, "this is %s", sema_type_text(s, x->type));
	}
}
