/* Constant expressions of C: values of #define, conditions of #if, sizes of arrays, enumerators.
 *
 * Numbers are 64 bits wide and signed unless a literal says otherwise (a suffix u, or a size that
 * needs it); that decides about / % >> and comparisons. Names are enumerators, constants of the
 * script and well-known ones. Casts to integer types and sizeof(type) are understood. */
#include "sema/cpp.h"

#define DEPTH_MAX 200

struct cexpr {
	struct sema *s;
	struct str t;
	unsigned depth;
	bool bad, pp;
};

static struct cvalue binary(struct cexpr *x, int level);

static void skip(struct cexpr *x, size_t n)
{
	x->t = str_trim((struct str){x->t.p + n, x->t.n - n});
}

static bool take(struct cexpr *x, const char *op)
{
	if (!str_starts(x->t, str_of(op)))
		return false;
	skip(x, strlen(op));
	return true;
}

static size_t word_len(struct str t)
{
	size_t n = 0;

	while (n < t.n && ((t.p[n] >= 'a' && t.p[n] <= 'z') || (t.p[n] >= 'A' && t.p[n] <= 'Z') ||
			   (t.p[n] >= '0' && t.p[n] <= '9') || t.p[n] == '_'))
		n++;
	return n;
}

static struct cvalue fail(struct cexpr *x)
{
	x->bad = true;
	return (struct cvalue){0, false};
}

static struct cvalue number(struct cexpr *x, struct str w)
{
	struct cvalue v = {0, false};
	unsigned long long n;

	while (w.n > 1 && strchr("uUlL", w.p[w.n - 1])) {
		v.is_unsigned |= w.p[w.n - 1] == 'u' || w.p[w.n - 1] == 'U';
		w.n--;
	}
	if (!str_to_u64(w, &n))
		return fail(x);
	v.value = n;
	v.is_unsigned |= n > INT64_MAX;
	return v;
}

static struct cvalue character(struct cexpr *x)
{
	static const char names[] = "ntr0\\'\"abfv", codes[] = "\n\t\r\0\\'\"\a\b\f\v";
	const char *at;
	struct cvalue v = {0, false};

	if (x->t.n >= 3 && x->t.p[1] != '\\' && x->t.p[2] == '\'') {
		v.value = (unsigned char)x->t.p[1];
		skip(x, 3);
		return v;
	}
	if (x->t.n < 4 || x->t.p[1] != '\\' || x->t.p[3] != '\'')
		return fail(x);
	at = strchr(names, x->t.p[2]);
	if (!at)
		return fail(x);
	v.value = (unsigned char)codes[at - names];
	skip(x, 4);
	return v;
}

static struct cvalue name(struct cexpr *x, struct str w)
{
	struct cvalue v = {0, false};
	const struct constant *c;

	if (x->pp)
		return v;
	for (size_t i = 0; i < x->s->cpp->nvalues; i++)
		if (str_is(w, x->s->cpp->values[i].name))
			return (struct cvalue){x->s->cpp->values[i].value, false};
	c = sema_c_constant(x->s, w);
	if (c && !c->is_str)
		return (struct cvalue){c->value, !c->negative && c->value > INT64_MAX};
	if (type_enumerator(x->s->types, w, &v.value, NULL) || sema_well_known(w, &v.value))
		return v;
	return fail(x);
}

/* `( type )` in front of an operand, or behind sizeof: its type, and the text goes on behind it. */
static const struct type *parenthesized_type(struct cexpr *x)
{
	const char *end = x->t.n ? memchr(x->t.p, ')', x->t.n) : NULL;
	const struct type *t;

	if (!end || x->t.p[0] != '(' || x->pp)
		return NULL;
	t = sema_c_type(x->s, (struct str){x->t.p + 1, (size_t)(end - x->t.p) - 1});
	if (t)
		skip(x, (size_t)(end - x->t.p) + 1);
	return t;
}

static struct cvalue size_of(struct cexpr *x)
{
	const struct type *t = parenthesized_type(x);

	if (!t || (!t->size && !type_complete(x->s->types, t)))
		return fail(x);
	return (struct cvalue){t->size, true};
}

static struct cvalue primary(struct cexpr *x)
{
	const struct type *t;
	struct cvalue v;
	struct str w;

	t = parenthesized_type(x);
	if (t) {
		v = binary(x, 12);
		if (!type_is_scalar(t))
			return fail(x);
		v.value = sema_truncate(v.value, t);
		v.is_unsigned = t->size == 8 && !type_is_signed(t);
		return v;
	}
	if (take(x, "(")) {
		v = binary(x, 0);
		return take(x, ")") ? v : fail(x);
	}
	if (x->t.n && x->t.p[0] == '\'')
		return character(x);
	w = (struct str){x->t.p, word_len(x->t)};
	if (!w.n)
		return fail(x);
	skip(x, w.n);
	if (str_is(w, "sizeof"))
		return size_of(x);
	return w.p[0] >= '0' && w.p[0] <= '9' ? number(x, w) : name(x, w);
}

static struct cvalue unary(struct cexpr *x)
{
	struct cvalue v;

	if (++x->depth > DEPTH_MAX)
		return fail(x);
	if (take(x, "-")) {
		v = unary(x);
		v.value = -v.value;
	} else if (take(x, "+")) {
		v = unary(x);
	} else if (take(x, "~")) {
		v = unary(x);
		v.value = ~v.value;
	} else if (take(x, "!")) {
		v = unary(x);
		v = (struct cvalue){v.value == 0, false};
	} else {
		v = primary(x);
	}
	x->depth--;
	return v;
}

/* Longer operators first: a prefix of one must not be taken for another. */
static const struct {
	const char *text;
	int level;
	enum binary_op op;
} ops[] = {
	{"||", 1, BIN_LOR}, {"&&", 2, BIN_LAND}, {"<<", 8, BIN_SHL}, {">>", 8, BIN_SHR},
	{"==", 6, BIN_EQ},  {"!=", 6, BIN_NE},   {"<=", 7, BIN_LE},  {">=", 7, BIN_GE},
	{"<", 7, BIN_LT},   {">", 7, BIN_GT},    {"|", 3, BIN_OR},   {"^", 4, BIN_XOR},
	{"&", 5, BIN_AND},  {"+", 9, BIN_ADD},   {"-", 9, BIN_SUB},  {"*", 10, BIN_MUL},
	{"/", 10, BIN_DIV}, {"%", 10, BIN_MOD},
};

static bool divide(enum binary_op op, struct cvalue l, struct cvalue r, bool u, uint64_t *out)
{
	if (!r.value)
		return false;
	if (u)
		*out = op == BIN_DIV ? l.value / r.value : l.value % r.value;
	else if (r.value == UINT64_MAX)
		*out = op == BIN_DIV ? -l.value : 0;
	else
		*out = (uint64_t)(op == BIN_DIV ? (int64_t)l.value / (int64_t)r.value
						: (int64_t)l.value % (int64_t)r.value);
	return true;
}

static bool less(struct cvalue l, struct cvalue r, bool u)
{
	return u ? l.value < r.value : (int64_t)l.value < (int64_t)r.value;
}

static uint64_t shifted_right(struct cvalue l, uint64_t by)
{
	if (by > 63)
		return 0;
	return l.is_unsigned ? l.value >> by : (uint64_t)((int64_t)l.value >> by);
}

static struct cvalue apply(struct cexpr *x, enum binary_op op, struct cvalue l, struct cvalue r)
{
	bool u = l.is_unsigned || r.is_unsigned;
	struct cvalue v = {0, u};

	switch (op) {
	case BIN_LOR:
		return (struct cvalue){l.value || r.value, false};
	case BIN_LAND:
		return (struct cvalue){l.value && r.value, false};
	case BIN_EQ:
		return (struct cvalue){l.value == r.value, false};
	case BIN_NE:
		return (struct cvalue){l.value != r.value, false};
	case BIN_LT:
		return (struct cvalue){less(l, r, u), false};
	case BIN_GT:
		return (struct cvalue){less(r, l, u), false};
	case BIN_LE:
		return (struct cvalue){!less(r, l, u), false};
	case BIN_GE:
		return (struct cvalue){!less(l, r, u), false};
	case BIN_SHL:
		v = (struct cvalue){r.value < 64 ? l.value << r.value : 0, l.is_unsigned};
		break;
	case BIN_SHR:
		v = (struct cvalue){shifted_right(l, r.value), l.is_unsigned};
		break;
	case BIN_OR:
		v.value = l.value | r.value;
		break;
	case BIN_XOR:
		v.value = l.value ^ r.value;
		break;
	case BIN_AND:
		v.value = l.value & r.value;
		break;
	case BIN_ADD:
		v.value = l.value + r.value;
		break;
	case BIN_SUB:
		v.value = l.value - r.value;
		break;
	case BIN_MUL:
		v.value = l.value * r.value;
		break;
	default:
		/* Behind && and || that decided already, nobody wants the value. */
		if (!divide(op, l, r, u, &v.value) && !x->pp)
			return fail(x);
	}
	return v;
}

static struct cvalue choice(struct cexpr *x, struct cvalue cond)
{
	struct cvalue yes, no;

	if (!take(x, "?"))
		return cond;
	yes = binary(x, 0);
	if (!take(x, ":"))
		return fail(x);
	no = binary(x, 0);
	return cond.value ? yes : no;
}

/* Operators above `level`; level 0 is a whole expression with ?:. */
static struct cvalue binary(struct cexpr *x, int level)
{
	struct cvalue l = unary(x);

	if (++x->depth > DEPTH_MAX)
		return fail(x);
	for (size_t i = 0; i < ARRAY_SIZE(ops) && !x->bad;) {
		if (!str_starts(x->t, str_of(ops[i].text))) {
			i++;
			continue;
		}
		if (ops[i].level <= level)
			break;
		skip(x, strlen(ops[i].text));
		l = apply(x, ops[i].op, l, binary(x, ops[i].level));
		i = 0;
	}
	x->depth--;
	return level == 0 && !x->bad ? choice(x, l) : l;
}

bool cexpr_value(struct sema *s, struct str text, bool pp, struct cvalue *out)
{
	struct cexpr x = {.s = s, .t = str_trim(text), .pp = pp};

	*out = binary(&x, 0);
	return !x.bad && !x.t.n;
}
