/* Types of binary operators.
 *
 *   && ||                     scalars → bool
 *   == !=                     numbers; pointers; strings; buffers; arrays, tuples, records alike →
 * bool < <= > >=                 numbers, pointers → bool
 *   + - * / % & | ^ << >>     numbers → 64 bits, signed when either is; `-` is int64
 *   + -                       pointer and number → pointer, in units of what it points to
 *
 * A literal takes the sign of the other side, so `arg0 < 5` compares unsigned. The generator looks
 * at the operands' types: an operation is signed when either of them is. */
#include "sema/sema_priv.h"

static bool is_compare(enum binary_op op)
{
	return op >= BIN_EQ && op <= BIN_GE;
}

static bool is_number(const struct type *t)
{
	return type_is_integer(t);
}

/* char * compared with or printed as text. */
static bool is_char_ptr(const struct type *t)
{
	return t->kind == TYPE_PTR && t->ptr.to->kind == TYPE_INT && t->ptr.to->size == 1;
}

/* `pid == "1234"` */
static bool number_as_text(const struct expr *text, const struct expr *other)
{
	unsigned long long n;

	return text->kind == EXPR_STR && is_number(other->type) && str_to_u64(text->str, &n);
}

static void help_operands(struct sema *s, struct diag_msg *m, enum binary_op op, struct expr *l,
			  struct expr *r)
{
	const struct type *tl = l->type, *tr = r->type;
	bool sl = tl->kind == TYPE_STRING, sr = tr->kind == TYPE_STRING;

	if ((sl && is_char_ptr(tr)) || (sr && is_char_ptr(tl)) ||
	    (is_compare(op) &&
	     ((sl && is_number(tr) && tr->size == 8) || (sr && is_number(tl) && tl->size == 8))))
		diag_help(m, "str() reads the text that a pointer points to: str(…) %s \"…\"",
			  binary_op_text(op));
	else if (is_compare(op) && (number_as_text(l, r) || number_as_text(r, l)))
		diag_suggest(m, number_as_text(l, r) ? l->span : r->span,
			     arena_strndup(s->a, (number_as_text(l, r) ? l : r)->str.p,
					   (number_as_text(l, r) ? l : r)->str.n));
	else if (sl != sr && op == BIN_ADD)
		diag_help(m, "text is put together by printf(): printf(\"%%s %%d\", …)");
	else if (sl && sr && is_compare(op))
		diag_help(m, "strings are compared with == and != only");
	else if (sl && sr)
		diag_help(m, "text is put together by printf(): printf(\"%%s%%s\", …)");
	else if (tl->kind == TYPE_PTR && tr->kind == TYPE_PTR)
		diag_help(m, "cast to numbers first: (uint64)… %s (uint64)…", binary_op_text(op));
}

void sema_report_operands(struct sema *s, enum binary_op op, struct span op_span, struct expr *l,
			  struct expr *r)
{
	struct diag_msg *m;

	m = sema_report(s, E_OPERANDS, op_span, "%s does not apply to %s and %s",
			binary_op_text(op), sema_type_text(s, l->type), sema_type_text(s, r->type));
	diag_label(m, l->span, "%s", sema_type_text(s, l->type));
	diag_label(m, r->span, "%s", sema_type_text(s, r->type));
	if (m)
		help_operands(s, m, op, l, r);
}

/* ---- comparing
 * --------------------------------------------------------------------------------------- */

static bool items_comparable(const struct type *a, const struct type *b);

static bool comparable(const struct type *a, const struct type *b)
{
	if (type_is_scalar(a) && type_is_scalar(b))
		return true;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case TYPE_STRING:
	case TYPE_BUF:
		return true;
	case TYPE_ARRAY:
		return a->size == b->size && a->array.count == b->array.count &&
		       is_number(a->array.of) && is_number(b->array.of);
	case TYPE_TUPLE:
	case TYPE_RECORD:
		return items_comparable(a, b);
	case TYPE_STACK:
		return a->stack.kind == b->stack.kind;
	case TYPE_VIEW:
		return a->view.view == b->view.view;
	default:
		return false;
	}
}

static bool items_comparable(const struct type *a, const struct type *b)
{
	if (a->tuple.n != b->tuple.n)
		return false;
	for (uint32_t i = 0; i < a->tuple.n; i++) {
		const struct member *ma = &a->tuple.members[i], *mb = sema_counterpart(a, b, i);

		if (!mb || !comparable(ma->type, mb->type))
			return false;
	}
	return true;
}

static void warn_sign(struct sema *s, struct expr *e, struct span op_span, const struct expr *l,
		      const struct expr *r)
{
	const struct expr *u = type_is_signed(l->type) ? r : l;
	struct diag_msg *m;

	(void)e;
	if (l->folded || r->folded || !is_number(l->type) || !is_number(r->type) ||
	    type_is_signed(l->type) == type_is_signed(r->type) || u->type->size < 8 ||
	    u->type->kind != TYPE_INT)
		return;
	m = sema_report(s, W_SIGN, op_span, "comparison of %s and %s is signed",
			sema_type_text(s, l->type), sema_type_text(s, r->type));
	diag_label(m, l->span, "%s", sema_type_text(s, l->type));
	diag_label(m, r->span, "%s", sema_type_text(s, r->type));
	diag_help(m, "say which one is meant with a cast: (int64)… or (uint64)…");
}

/* Unsigned against zero or a negative literal. */
static void warn_always(struct sema *s, enum binary_op op, struct span op_span,
			const struct expr *l, const struct expr *r)
{
	struct diag_msg *m;
	bool negative, result;

	if (!r->folded || l->folded || !is_number(l->type) || type_is_signed(l->type) ||
	    l->type->kind != TYPE_INT)
		return;
	negative = type_is_signed(r->type) && (int64_t)r->value < 0;
	if (negative && l->type->size < 8)
		result = op == BIN_NE || op == BIN_GT || op == BIN_GE;
	else if (!negative && r->value == 0 && (op == BIN_LT || op == BIN_GE))
		result = op == BIN_GE;
	else
		return;
	m = sema_report(s, W_COMPARE, op_span, "this comparison is always %s",
			result ? "true" : "false");
	diag_label(m, l->span, "%s is never negative", sema_type_text(s, l->type));
	diag_help(m, "read it as a signed number: (int%u)…", l->type->size * 8);
}

/* ---- arithmetic
 * ------------------------------------------------------------------------------------------ */

static const struct type *arith_type(struct sema *s, enum binary_op op, const struct type *l,
				     const struct type *r)
{
	bool fl = sema_is_flexible(l), fr = sema_is_flexible(r);
	bool sl = l->kind != TYPE_BOOL && type_is_signed(l),
	     sr = r->kind != TYPE_BOOL && type_is_signed(r);

	if (op == BIN_SUB)
		return type_int(s->types, 8, true);
	if (fl && fr)
		return sema_flexible(s, 8);
	if (op == BIN_SHL || op == BIN_SHR)
		return type_int(s->types, 8, sl && !fl);
	return type_int(s->types, 8, (sl && !fl) || (sr && !fr));
}

/* Elements between two pointers into the same array. */
static bool ptr_distance(enum binary_op op, const struct type *l, const struct type *r)
{
	return op == BIN_SUB && l->kind == TYPE_PTR && r->kind == TYPE_PTR &&
	       type_eq(l->ptr.to, r->ptr.to);
}

static const struct type *ptr_arith(enum binary_op op, const struct type *l, const struct type *r)
{
	if (op == BIN_ADD && l->kind == TYPE_PTR && is_number(r))
		return l;
	if (op == BIN_ADD && r->kind == TYPE_PTR && is_number(l))
		return r;
	if (op == BIN_SUB && l->kind == TYPE_PTR && is_number(r))
		return l;
	return NULL;
}

/* The result of an operator on two typed operands; NULL when it does not apply. */
const struct type *sema_binary_type(struct sema *s, enum binary_op op, struct expr *l,
				    struct expr *r)
{
	const struct type *tl = l->type, *tr = r->type, *t;

	if (op == BIN_LOR || op == BIN_LAND)
		return type_is_scalar(tl) && type_is_scalar(tr) ? &type_bool : NULL;
	if (op == BIN_EQ || op == BIN_NE)
		return comparable(tl, tr) ? &type_bool : NULL;
	if (is_compare(op))
		return type_is_scalar(tl) && type_is_scalar(tr) ? &type_bool : NULL;
	if (is_number(tl) && is_number(tr))
		return arith_type(s, op, tl, tr);
	if (ptr_distance(op, tl, tr))
		return type_int(s->types, 8, true);
	t = ptr_arith(op, tl, tr);
	/* The verifier lets nobody compute with pointers it tracks. */
	return t && t->ptr.space != SPACE_USER ? sema_stored(s, t) : t;
}

static void check_shift(struct sema *s, struct expr *e)
{
	const struct expr *r = e->bin.r;

	if (r->folded && r->value > 63 && (e->bin.op == BIN_SHL || e->bin.op == BIN_SHR) &&
	    !e->bin.l->folded)
		diag_label(sema_report(s, E_RANGE, e->span,
				       "a value has 64 bits and cannot be shifted by %" PRId64,
				       (int64_t)r->value),
			   r->span, "from 0 to 63");
	if (r->folded && r->value == 0 && (e->bin.op == BIN_DIV || e->bin.op == BIN_MOD) &&
	    !e->bin.l->folded)
		diag_label(sema_report(s, E_RANGE, e->span, "division by zero"), r->span,
			   "this is 0");
}

static void infer_logical(struct sema *s, struct expr *e)
{
	const char *op = binary_op_text(e->bin.op);
	struct expr *l = e->bin.l, *r = e->bin.r;

	sema_condition(s, l, op);
	sema_condition(s, r, op);
	e->type = &type_bool;
	if (l->type->kind == TYPE_POISON || r->type->kind == TYPE_POISON)
		e->type = &type_poison;
}

void sema_binary(struct sema *s, struct expr *e)
{
	struct expr *l = e->bin.l, *r = e->bin.r;
	const struct type *tl;

	if (e->bin.op == BIN_LOR || e->bin.op == BIN_LAND) {
		infer_logical(s, e);
	} else {
		sema_value(s, l);
		sema_value(s, r);
		if (l->type->kind == TYPE_POISON || r->type->kind == TYPE_POISON)
			return;
		if (sema_view_compare(s, e))
			return;
		e->type = sema_binary_type(s, e->bin.op, l, r);
		if (!e->type) {
			e->type = &type_poison;
			sema_report_operands(s, e->bin.op, e->bin.op_span, l, r);
			return;
		}
		check_shift(s, e);
	}
	if (e->type->kind == TYPE_POISON)
		return;
	if (l->folded && r->folded) {
		sema_fold_binary(s, e);
		return;
	}
	tl = l->type;
	sema_adapt(s, l, r->type);
	sema_adapt(s, r, tl);
	if (is_compare(e->bin.op)) {
		warn_sign(s, e, e->bin.op_span, l, r);
		warn_always(s, e->bin.op, e->bin.op_span, l, r);
	}
}
