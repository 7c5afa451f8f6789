/* Arithmetic on constants, with the signs that the language gives its operands.
 *
 * A folded expression has `value`: 64 bits, extended by the sign of its type. An expression made of
 * literals only is a literal itself: its type is again the smallest one that holds the value. Those
 * are marked in expr->sem, which literals and operators have no other use for.
 *
 * Example: `(1 << 20) - 1` folds to the literal 1048575; `sizeof(struct a) * 2` folds to a uint64.
 */
#include "sema/sema_priv.h"

const char sema_literal_mark[] = "literal";

bool sema_is_literal(const struct expr *e)
{
	return e->folded && (e->kind == EXPR_INT || e->sem == sema_literal_mark);
}

void sema_set_literal(struct sema *s, struct expr *e, uint64_t value, bool negative)
{
	e->folded = true;
	e->value = value;
	if (e->kind != EXPR_INT)
		e->sem = (void *)sema_literal_mark;
	if (!negative) {
		e->type = type_int_literal(s->types, value, value > INT64_MAX);
		return;
	}
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
		e->type = type_int(s->types, bytes, true);
		if (sema_fits(value, true, e->type))
			return;
	}
}

uint64_t sema_truncate(uint64_t v, const struct type *t)
{
	unsigned shift;

	if (t->kind == TYPE_BOOL)
		return v != 0;
	if (!type_is_scalar(t) || t->size >= 8 || t->size == 0)
		return v;
	shift = 64 - t->size * 8;
	return type_is_signed(t) ? (uint64_t)((int64_t)(v << shift) >> shift) : v << shift >> shift;
}

static bool negative_of(const struct expr *e)
{
	return type_is_signed(e->type) && (int64_t)e->value < 0;
}

/* ---- binary
 * --------------------------------------------------------------------------------------- */

struct fold {
	uint64_t l, r, out;
	bool sign; /* signed operation */
	bool overflow, by_zero;
};

static void fold_divide(struct fold *f, bool mod)
{
	f->by_zero = f->r == 0;
	if (f->by_zero)
		return;
	if (!f->sign) {
		f->out = mod ? f->l % f->r : f->l / f->r;
		return;
	}
	if (f->l == (uint64_t)INT64_MIN && f->r == UINT64_MAX) {
		f->overflow = true;
		return;
	}
	f->out = mod ? (uint64_t)((int64_t)f->l % (int64_t)f->r)
		     : (uint64_t)((int64_t)f->l / (int64_t)f->r);
}

static void fold_arith(struct fold *f, enum binary_op op)
{
	int64_t sl = (int64_t)f->l, sr = (int64_t)f->r, so = 0;
	bool o;

	if (f->sign) {
		o = op == BIN_ADD   ? __builtin_add_overflow(sl, sr, &so)
		    : op == BIN_SUB ? __builtin_sub_overflow(sl, sr, &so)
				    : __builtin_mul_overflow(sl, sr, &so);
		f->out = (uint64_t)so;
	} else {
		o = op == BIN_ADD   ? __builtin_add_overflow(f->l, f->r, &f->out)
		    : op == BIN_SUB ? __builtin_sub_overflow(f->l, f->r, &f->out)
				    : __builtin_mul_overflow(f->l, f->r, &f->out);
	}
	f->overflow = o;
}

static void fold_shift(struct fold *f, enum binary_op op)
{
	if (f->r >= 64)
		f->overflow = true;
	else if (op == BIN_SHL)
		f->out = f->l << f->r;
	else
		f->out = f->sign ? (uint64_t)((int64_t)f->l >> f->r) : f->l >> f->r;
}

static bool fold_compare(const struct fold *f, enum binary_op op)
{
	bool less = f->sign ? (int64_t)f->l < (int64_t)f->r : f->l < f->r;

	switch (op) {
	case BIN_EQ:
		return f->l == f->r;
	case BIN_NE:
		return f->l != f->r;
	case BIN_LT:
		return less;
	case BIN_LE:
		return less || f->l == f->r;
	case BIN_GT:
		return !less && f->l != f->r;
	default:
		return !less;
	}
}

static void fold(struct fold *f, enum binary_op op)
{
	switch (op) {
	case BIN_LOR:
		f->out = f->l || f->r;
		break;
	case BIN_LAND:
		f->out = f->l && f->r;
		break;
	case BIN_OR:
		f->out = f->l | f->r;
		break;
	case BIN_XOR:
		f->out = f->l ^ f->r;
		break;
	case BIN_AND:
		f->out = f->l & f->r;
		break;
	case BIN_SHL:
	case BIN_SHR:
		fold_shift(f, op);
		break;
	case BIN_ADD:
	case BIN_SUB:
	case BIN_MUL:
		fold_arith(f, op);
		break;
	case BIN_DIV:
	case BIN_MOD:
		fold_divide(f, op == BIN_MOD);
		break;
	default:
		f->out = fold_compare(f, op);
		break;
	}
}

static void report_fold(struct sema *s, struct expr *e, const struct fold *f)
{
	struct diag_msg *m;

	if (f->by_zero) {
		m = sema_report(s, E_RANGE, e->span, "division by zero");
		diag_label(m, e->bin.r->span, "this is 0");
		return;
	}
	m = sema_report(s, E_RANGE, e->span,
			"the result of this constant expression does not fit 64 bits");
	diag_label(m, e->bin.l->span, f->sign ? "%" PRId64 : "%" PRIu64, (int64_t)f->l);
	diag_label(m, e->bin.r->span, f->sign ? "%" PRId64 : "%" PRIu64, (int64_t)f->r);
}

/* Literals subtract like numbers on paper: 1 - 2 is -1. */
static bool fold_sign(const struct expr *l, const struct expr *r, enum binary_op op)
{
	if (op == BIN_SHL || op == BIN_SHR)
		return type_is_signed(l->type);
	if (l->value > INT64_MAX && !type_is_signed(l->type))
		return false;
	if (r->value > INT64_MAX && !type_is_signed(r->type))
		return false;
	return type_is_signed(l->type) || type_is_signed(r->type) || op == BIN_SUB;
}

void sema_fold_binary(struct sema *s, struct expr *e)
{
	struct expr *l = e->bin.l, *r = e->bin.r;
	bool literal = sema_is_literal(l) && sema_is_literal(r);
	struct fold f = {.l = l->value, .r = r->value, .sign = fold_sign(l, r, e->bin.op)};

	fold(&f, e->bin.op);
	if (f.overflow || f.by_zero) {
		report_fold(s, e, &f);
		e->type = &type_poison;
		return;
	}
	if (literal && e->type->kind != TYPE_BOOL) {
		sema_set_literal(s, e, f.out, f.sign && (int64_t)f.out < 0);
		return;
	}
	e->folded = true;
	e->value = sema_truncate(f.out, e->type);
}

void sema_fold_unary(struct sema *s, struct expr *e)
{
	const struct expr *x = e->un.e;
	uint64_t v = x->value;

	switch (e->un.op) {
	case UN_NEG:
		if (v == (uint64_t)INT64_MIN && negative_of(x))
			sema_report(s, E_RANGE, e->span,
				    "the negative of this constant does not fit 64 bits");
		v = -v;
		break;
	case UN_NOT:
		v = !v;
		break;
	case UN_BNOT:
		v = ~v;
		break;
	default:
		return;
	}
	if (sema_is_literal(x) && e->un.op != UN_NOT) {
		sema_set_literal(s, e, v, (int64_t)v < 0);
		return;
	}
	e->folded = true;
	e->value = sema_truncate(v, e->type);
}
