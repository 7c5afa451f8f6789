/* Questions about types: equality, classes, text. */
#include "type/priv.h"

static bool same_name(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

uint32_t type_btf_id(const struct type *t)
{
	return t->kind == TYPE_STRUCT || t->kind == TYPE_ENUM ? agr_of(t)->btf_id : 0;
}

static bool eq_members(const struct type *a, const struct type *b)
{
	if (a->tuple.n != b->tuple.n)
		return false;
	for (uint32_t i = 0; i < a->tuple.n; i++)
		if (!str_eq(a->tuple.members[i].name, b->tuple.members[i].name) ||
		    !type_eq(a->tuple.members[i].type, b->tuple.members[i].type))
			return false;
	return true;
}

/* Interning makes most equal types one pointer; what is left are literals, whose flexibility does
 * not count, and structs and enums that were reached by two ways. */
bool type_eq(const struct type *a, const struct type *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case TYPE_INT:
		return a->size == b->size && a->num.is_signed == b->num.is_signed;
	case TYPE_PTR:
		return type_eq(a->ptr.to, b->ptr.to);
	case TYPE_ARRAY:
		return a->array.count == b->array.count && type_eq(a->array.of, b->array.of);
	case TYPE_STRUCT:
		return a->size == b->size && a->agr.is_union == b->agr.is_union &&
		       same_name(a->agr.name, b->agr.name);
	case TYPE_ENUM:
		return a->size == b->size && same_name(a->enm.name, b->enm.name);
	case TYPE_TUPLE:
	case TYPE_RECORD:
		return eq_members(a, b);
	case TYPE_FLOAT:
		return a->size == b->size;
	case TYPE_POISON:
	case TYPE_VOID:
	case TYPE_BOOL:
	case TYPE_FUNC:
		return true;
	case TYPE_STRING:
	case TYPE_BUF:
		return a->str.cap == b->str.cap;
	case TYPE_STACK:
		return a->stack.kind == b->stack.kind && a->stack.mode == b->stack.mode &&
		       a->stack.limit == b->stack.limit;
	case TYPE_VIEW:
		return a->view.view == b->view.view && a->view.arg == b->view.arg;
	case TYPE_AGG:
		return a->agg.agg == b->agg.agg && a->agg.is_signed == b->agg.is_signed &&
		       memcmp(a->agg.p, b->agg.p, sizeof(a->agg.p)) == 0;
	}
	return false;
}

bool type_is_integer(const struct type *t)
{
	return t->kind == TYPE_INT || t->kind == TYPE_BOOL || t->kind == TYPE_ENUM;
}

bool type_is_scalar(const struct type *t)
{
	return type_is_integer(t) || t->kind == TYPE_PTR;
}

bool type_is_signed(const struct type *t)
{
	return (t->kind == TYPE_INT && t->num.is_signed) ||
	       (t->kind == TYPE_ENUM && t->enm.is_signed);
}

bool type_is_char(const struct type *t)
{
	return t->kind == TYPE_INT && t->size == 1;
}

/* ---- text ----------------------------------------------------------------------------- */

static void add_text(struct buf *b, const struct type *t);

static void add_members(struct buf *b, const struct type *t)
{
	buf_addc(b, '(');
	for (uint32_t i = 0; i < t->tuple.n; i++) {
		if (i)
			buf_addc(b, ',');
		if (t->kind == TYPE_RECORD) {
			buf_addstr(b, t->tuple.members[i].name);
			buf_addc(b, '=');
		}
		add_text(b, t->tuple.members[i].type);
	}
	buf_addc(b, ')');
}

/* "int8[2][3]": the outermost length comes first. */
static void add_array(struct buf *b, const struct type *t)
{
	const struct type *of = t;

	while (of->kind == TYPE_ARRAY)
		of = of->array.of;
	add_text(b, of);
	for (; t->kind == TYPE_ARRAY; t = t->array.of)
		buf_printf(b, "[%u]", t->array.count);
}

static void add_pointer(struct buf *b, const struct type *t)
{
	add_text(b, t->ptr.to);
	buf_adds(b, t->ptr.to->kind == TYPE_PTR ? "*" : " *");
}

static void add_text(struct buf *b, const struct type *t)
{
	switch (t->kind) {
	case TYPE_POISON:
		return buf_adds(b, "unknown");
	case TYPE_VOID:
		return buf_adds(b, "void");
	case TYPE_BOOL:
		return buf_adds(b, "bool");
	case TYPE_INT:
		return buf_printf(b, "%sint%u", t->num.is_signed ? "" : "u", t->size * 8);
	case TYPE_FLOAT:
		return buf_printf(b, "float%u", t->size * 8);
	case TYPE_ENUM:
		return buf_printf(b, "enum %s", t->enm.name ? t->enm.name : "(anonymous)");
	case TYPE_PTR:
		return add_pointer(b, t);
	case TYPE_ARRAY:
		return add_array(b, t);
	case TYPE_STRUCT:
		return buf_printf(b, "%s %s", t->agr.is_union ? "union" : "struct",
				  t->agr.name ? t->agr.name : "(anonymous)");
	case TYPE_FUNC:
		return buf_adds(b, "function");
	case TYPE_STRING:
		return buf_printf(b, "string[%u]", t->str.cap);
	case TYPE_BUF:
		return buf_printf(b, "buffer[%u]", t->str.cap);
	case TYPE_TUPLE:
	case TYPE_RECORD:
		return add_members(b, t);
	case TYPE_STACK:
		return buf_adds(b, t->stack.kind == STACK_KERNEL ? "kstack_t" : "ustack_t");
	case TYPE_VIEW:
		return buf_adds(b, t->view.view->name);
	case TYPE_AGG:
		return buf_adds(b, "aggregation");
	}
}

const char *type_text(struct arena *a, const struct type *t)
{
	struct buf b = BUF_INIT;
	const char *text;

	add_text(&b, t);
	text = arena_strdup(a, buf_cstr(&b));
	buf_release(&b);
	return text;
}
