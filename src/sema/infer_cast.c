/* Casts, sizeof, offsetof.
 *
 *   number ↔ number, bool, enum, pointer     pointer ↔ pointer (the space of the operand is kept)
 *   number ↔ array of numbers of its size    string literal → int8[], uint8[]
 *   anything → string[n], buffer[n]          string, buffer, array, pointer (read through it)
 *   map of counts → number
 *
 * A pointer made from a number points into the space that the probe's addresses are in. */
#include "sema/sema_priv.h"

static bool is_bytes(const struct type *t)
{
	return t->kind == TYPE_ARRAY && type_is_integer(t->array.of);
}

static const struct type *cast_int_array(struct sema *s, const struct type *from,
					 const struct type *to)
{
	uint32_t count = to->array.count;

	if (!is_bytes(to))
		return NULL;
	if (!count && from->size % to->array.of->size == 0)
		count = from->size / to->array.of->size;
	if (count * to->array.of->size != from->size)
		return NULL;
	return type_array(s->types, to->array.of, count);
}

static const struct type *cast_string(struct sema *s, const struct type *from,
				      const struct type *to)
{
	bool ok = from->kind == TYPE_STRING || from->kind == TYPE_BUF || from->kind == TYPE_PTR ||
		  is_bytes(from);

	if (to->kind == TYPE_STRING || to->kind == TYPE_BUF)
		return ok ? to : NULL;
	if (from->kind == TYPE_STRING && is_bytes(to) &&
	    to->array.of->size == 1) /* (int8[])"text" */
		return type_array(s->types, to->array.of,
				  to->array.count ? to->array.count : from->str.cap);
	return NULL;
}

/* The type that the cast gives; NULL when it is impossible. */
static const struct type *cast_type(struct sema *s, const struct type *from, const struct type *to)
{
	if (type_eq(from, to) && from->kind != TYPE_INT)
		return to;
	if (to->kind == TYPE_STRING || to->kind == TYPE_BUF || from->kind == TYPE_STRING)
		return cast_string(s, from, to);
	if (type_is_scalar(from) && type_is_scalar(to))
		return to;
	if (type_is_scalar(from) && to->kind == TYPE_ARRAY)
		return cast_int_array(s, from, to);
	if (is_bytes(from) && type_is_integer(to))
		return from->size == to->size ? to : NULL;
	if (is_bytes(from) && is_bytes(to))
		return cast_int_array(s, from, to);
	return NULL;
}

static void report_cast(struct sema *s, struct expr *e, const struct type *from,
			const struct type *to)
{
	struct diag_msg *m;

	m = sema_report(s, E_CAST, e->span, "%s cannot be cast to %s", sema_type_text(s, from),
			sema_type_text(s, to));
	diag_label(m, e->cast.e->span, "%s", sema_type_text(s, from));
	if (to->kind == TYPE_STRUCT)
		diag_help(m, "cast to a pointer: *(%s *)…", sema_type_text(s, to));
	else if (type_is_scalar(from) && to->kind == TYPE_ARRAY)
		diag_help(m, "the sizes must be equal: %u bytes here", from->size);
}

void sema_cast(struct sema *s, struct expr *e)
{
	struct expr *x = e->cast.e;
	const struct type *to, *t;
	enum space space;

	sema_value(s, x);
	space = x->type->kind == TYPE_PTR ? x->type->ptr.space : sema_space(s);
	/* Another pointee than the one that the verifier knows is read like any kernel address. */
	if (space == SPACE_BTF || space == SPACE_CTX)
		space = SPACE_KERNEL;
	to = sema_type_in(s, e->cast.to, space);
	if (x->type->kind == TYPE_POISON || to->kind == TYPE_POISON) {
		e->type = to; /* the cast tells the type whatever is cast */
		return;
	}
	if (x->type->kind == TYPE_PTR && to->kind == TYPE_PTR &&
	    type_eq(x->type->ptr.to, to->ptr.to))
		to = x->type;
	t = to->kind == TYPE_VOID ? NULL : cast_type(s, x->type, to);
	if (!t) {
		report_cast(s, e, x->type, to);
		return;
	}
	e->type = t;
	if (sema_is_flexible(x->type))
		sema_adapt(s, x, type_is_integer(t) ? t : NULL);
	if (x->folded && type_is_scalar(t)) {
		e->folded = true;
		e->value = sema_truncate(x->value, t);
	}
}

static void be_size(struct sema *s, struct expr *e, uint64_t n)
{
	e->type = type_int(s->types, 8, false);
	e->folded = true;
	e->value = n;
}

static const struct type *operand(struct sema *s, struct expr *e)
{
	if (e->meta.of_type)
		return sema_type_in(s, e->meta.of_type, sema_space(s));
	sema_value(s, e->meta.of);
	return e->meta.of->type;
}

void sema_sizeof(struct sema *s, struct expr *e)
{
	const struct type *t = operand(s, e);

	if (t->kind == TYPE_POISON)
		e->type = s->final ? &type_poison : type_int(s->types, 8, false);
	else if (t->kind == TYPE_STRUCT && !t->size && !type_complete(s->types, t))
		sema_report(s, E_TYPE_NAME, e->span, "the size of %s is not known",
			    sema_type_text(s, t));
	else
		be_size(s, e, t->size);
}

static struct expr *info_expr(struct sema *s, struct expr *e, enum expr_kind kind)
{
	struct expr *x = arena_new_of(s->a, struct expr);

	x->kind = kind;
	x->span = e->span;
	return x;
}

static const char *base_name(const struct type *t)
{
	static const char *const names[] = {
		[TYPE_VOID] = "void",     [TYPE_BOOL] = "bool",     [TYPE_INT] = "int",
		[TYPE_FLOAT] = "float",   [TYPE_ENUM] = "enum",     [TYPE_PTR] = "pointer",
		[TYPE_ARRAY] = "array",   [TYPE_STRUCT] = "struct", [TYPE_FUNC] = "function",
		[TYPE_STRING] = "string", [TYPE_BUF] = "buffer",    [TYPE_TUPLE] = "tuple",
		[TYPE_RECORD] = "record", [TYPE_STACK] = "stack",   [TYPE_AGG] = "aggregation",
	};

	if (t->kind == TYPE_VIEW)
		return t->view.view->name;
	if (t->kind == TYPE_STRUCT && t->agr.is_union)
		return "union";
	return names[t->kind];
}

/* typeinfo(x) is the record (btf_id=…, base_type="…", full_type="…"); the id is that of the
 * kernel's BTF, 0 for types that it does not have. The record is made anew each round and hung into
 * e->sem. */
void sema_typeinfo(struct sema *s, struct expr *e)
{
	const struct type *t = operand(s, e);
	struct expr *r = info_expr(s, e, EXPR_RECORD);
	struct record_field *f;

	if (t->kind == TYPE_POISON)
		return;
	f = arena_array_of(s->a, struct record_field, 3);
	f[0] = (struct record_field){e->span, STR("btf_id"), info_expr(s, e, EXPR_CAST)};
	f[1] = (struct record_field){e->span, STR("base_type"), info_expr(s, e, EXPR_STR)};
	f[2] = (struct record_field){e->span, STR("full_type"), info_expr(s, e, EXPR_STR)};
	f[0].value->cast.to = arena_new_of(s->a, struct type_name);
	f[0].value->cast.to->name = STR("uint32");
	f[0].value->cast.e = info_expr(s, e, EXPR_INT);
	f[0].value->cast.e->value = type_btf_id(t);
	kernel_host(s->in->kernel, FACT_KERNEL, ""); /* such an id means nothing on another one */
	f[1].value->str = str_of(base_name(t));
	f[2].value->str = str_of(sema_type_text(s, t));
	r->record.fields = f;
	r->record.n = 3;
	sema_visit(s, r);
	e->sem = r;
	e->type = r->type;
}

/* The offset of the member that e->meta.path names; false after a report, or when `t` is not known.
 */
static bool path_offset(struct sema *s, struct expr *e, const struct type *t, uint64_t *off)
{
	struct member m;

	for (size_t i = 0; i < e->meta.npath && t->kind != TYPE_POISON; i++) {
		if ((t->kind != TYPE_STRUCT && t->kind != TYPE_RECORD) ||
		    !type_member(s->types, t, e->meta.path[i], &m)) {
			sema_report(s, E_FIELD, e->span, "%s has no field %.*s",
				    sema_type_text(s, t), STR_ARG(e->meta.path[i]));
			return false;
		}
		*off += m.offset;
		t = m.type;
	}
	return t->kind != TYPE_POISON;
}

void sema_offsetof(struct sema *s, struct expr *e)
{
	const struct type *t = operand(s, e);
	uint64_t off = 0;

	if (path_offset(s, e, t->kind == TYPE_PTR ? t->ptr.to : t, &off))
		be_size(s, e, off);
}

/* container_of(pointer, type, member); the offset goes to e->value. */
void sema_container(struct sema *s, struct expr *e)
{
	const struct type *t = sema_type_in(s, e->meta.of_type, sema_space(s)), *p;
	enum space space = sema_space(s);
	uint64_t off = 0;

	sema_value(s, e->meta.of);
	p = e->meta.of->type;
	if (p->kind == TYPE_POISON || !path_offset(s, e, t, &off))
		return;
	if (p->kind != TYPE_PTR && !type_is_integer(p)) {
		diag_primary(sema_report(s, E_TYPE, e->meta.of->span,
					 "container_of() needs a pointer, this is %s",
					 sema_type_text(s, p)),
			     "%s", sema_type_text(s, p));
		return;
	}
	if (p->kind == TYPE_PTR && p->ptr.space != SPACE_NONE)
		space = p->ptr.space == SPACE_USER ? SPACE_USER : SPACE_KERNEL;
	e->value = off;
	e->type = type_ptr(s->types, t, space);
}
