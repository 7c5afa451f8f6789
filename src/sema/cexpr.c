/* Constant expressions of C: values of #define, conditions of #if, sizes of arrays, enumerators.
 *
 * Numbers are int, unsigned int, long or unsigned long by C's rules: ~0U is 4294967295, 1 << 31 is
 * negative, -1 / 2u is large. In conditions of #if all are long or unsigned long. Names are
 * enumerators, constants of the script and well-known ones. Casts to integer types, sizeof(type),
 * _Alignof(type) and offsetof(type, member) are understood, and sizeof of a string. */
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
	return (struct cvalue){0};
}

/* A result of this type: what does not fit is cut off. */
static struct cvalue fit(struct cexpr *x, struct cvalue v)
{
	v.narrow &= !x->pp;
	if (v.narrow)
		v.value = v.is_unsigned ? (uint32_t)v.value : (uint64_t)(int64_t)(int32_t)v.value;
	return v;
}

static struct cvalue int_of(struct cexpr *x, uint64_t value)
{
	return fit(x, (struct cvalue){value, false, value == (uint64_t)(int64_t)(int32_t)value});
}

/* A decimal literal never becomes unsigned int by itself, a hexadecimal or octal one does. */
static struct cvalue number(struct cexpr *x, struct str w)
{
	struct cvalue v = {.narrow = true};
	bool decimal = w.p[0] != '0';
	unsigned long long n;

	while (w.n > 1 && strchr("uUlL", w.p[w.n - 1])) {
		v.is_unsigned |= w.p[w.n - 1] == 'u' || w.p[w.n - 1] == 'U';
		v.narrow &= w.p[w.n - 1] != 'l' && w.p[w.n - 1] != 'L';
		w.n--;
	}
	if (!str_to_u64(w, &n))
		return fail(x);
	v.value = n;
	v.narrow &= n <= (v.is_unsigned || !decimal ? UINT32_MAX : INT32_MAX);
	v.is_unsigned |= n > INT64_MAX || (v.narrow && n > INT32_MAX);
	return fit(x, v);
}

static int digit_of(char c)
{
	return c >= '0' && c <= '9'                 ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : 99;
}

/* Behind the backslash: \n, \0, \177, \x1b. */
static uint64_t escape(struct str *t)
{
	static const char names[] = "ntr\\'\"abfv?e", codes[] = "\n\t\r\\'\"\a\b\f\v?\033";
	const char *at = t->n ? strchr(names, t->p[0]) : NULL;
	int base = t->n && t->p[0] == 'x' ? 16 : 8;
	uint64_t v = 0;

	if (at && *at) {
		*t = (struct str){t->p + 1, t->n - 1};
		return (unsigned char)codes[at - names];
	}
	if (base == 16)
		*t = (struct str){t->p + 1, t->n - 1};
	for (int i = 0; i < 3 && t->n && digit_of(t->p[0]) < base; i++) {
		v = v * (unsigned)base + (unsigned)digit_of(t->p[0]);
		*t = (struct str){t->p + 1, t->n - 1};
	}
	return (uint64_t)(int64_t)(int8_t)v;
}

/* 'a', and 'RIFF', which is four bytes in one number. */
static struct cvalue character(struct cexpr *x)
{
	struct str t = {x->t.p + 1, x->t.n - 1};
	uint64_t v = 0;
	unsigned n = 0;

	for (; t.n && t.p[0] != '\''; n++) {
		uint64_t one = (unsigned char)t.p[0];

		t = (struct str){t.p + 1, t.n - 1};
		if (one == '\\')
			one = escape(&t);
		v = n ? v << 8 | (one & 0xff) : one;
	}
	if (!t.n || !n || n > 4)
		return fail(x);
	skip(x, (size_t)(t.p - x->t.p) + 1);
	return int_of(x, (uint64_t)(int64_t)(int32_t)v);
}

static struct cvalue name(struct cexpr *x, struct str w)
{
	struct cvalue v = {0};
	const struct type *type;
	const struct constant *c;

	if (x->pp)
		return v;
	for (size_t i = 0; i < x->s->cpp->nvalues; i++)
		if (str_is(w, x->s->cpp->values[i].name))
			return int_of(x, x->s->cpp->values[i].value);
	c = sema_c_constant(x->s, w);
	if (c && !c->is_str)
		return (struct cvalue){c->value, c->is_unsigned, c->narrow};
	if (type_enumerator(x->s->types, w, &v.value, &type) || sema_well_known(w, &v.value))
		return int_of(x, v.value);
	return fail(x);
}

/* Bytes up to and with the bracket that closes the one at the start; 0: there is none. */
static size_t bracket_len(struct str t)
{
	int depth = 0;

	for (size_t i = 0; i < t.n; i++) {
		depth += t.p[i] == '(';
		depth -= t.p[i] == ')';
		if (depth == 0)
			return t.p[0] == '(' ? i + 1 : 0;
	}
	return 0;
}

/* `( type )` in front of an operand, or behind sizeof: its type, and the text goes on behind it. */
static const struct type *parenthesized_type(struct cexpr *x)
{
	size_t n = bracket_len(x->t);
	const struct type *t;

	if (n < 2 || x->pp)
		return NULL;
	t = sema_c_type(x->s, str_trim((struct str){x->t.p + 1, n - 2}));
	if (t)
		skip(x, n);
	return t;
}

/* The bytes of a string constant, which is ahead or has a name; 0: neither. */
static size_t string_size(struct cexpr *x)
{
	bool parens = x->t.n && x->t.p[0] == '(';
	struct str t = parens ? str_trim((struct str){x->t.p + 1, x->t.n - 1}) : x->t;
	struct str w = {t.p, word_len(t)};
	const struct constant *c = w.n ? sema_c_constant(x->s, w) : NULL;
	const char *end = t.n && t.p[0] == '"' ? memchr(t.p + 1, '"', t.n - 1) : NULL;
	size_t used = c && c->is_str ? w.n : end ? (size_t)(end - t.p) + 1 : 0;

	if (!used || (!c && memchr(t.p, '\\', used)))
		return 0;
	skip(x, (size_t)(t.p - x->t.p) + used);
	if (parens && !take(x, ")"))
		fail(x);
	return c ? c->text.n + 1 : used - 1;
}

static struct cvalue unary(struct cexpr *x);

static struct cvalue size_of(struct cexpr *x)
{
	const struct type *t = parenthesized_type(x);
	size_t n = t ? 0 : string_size(x);
	struct cvalue v;

	if (n)
		return (struct cvalue){n, true, false};
	if (!t) {
		v = unary(x); /* of an expression: of its type */
		return (struct cvalue){v.narrow ? 4 : 8, true, false};
	}
	if (!t->size && !type_complete(x->s->types, t))
		return fail(x);
	return (struct cvalue){t->size, true, false};
}

static struct cvalue align_of(struct cexpr *x)
{
	const struct type *t = parenthesized_type(x);

	return t ? (struct cvalue){MAX(t->align, 1), true, false} : fail(x);
}

/* `(struct x, a.b)`: the distance of a member. */
static struct cvalue offset_of(struct cexpr *x)
{
	size_t n = bracket_len(x->t);
	struct str in = {x->t.p + 1, n > 2 ? n - 2 : 0}, of = str_cut(&in, ',');
	const struct type *t = sema_c_type(x->s, str_trim(of));
	struct cvalue v = {0, true, false};
	struct member m;

	in = str_trim(in);
	while (t && in.n) {
		struct str part = str_cut(&in, '.');

		if (!type_member(x->s->types, t, str_trim(part), &m) || m.bit_size)
			return fail(x);
		v.value += m.offset;
		t = m.type;
	}
	if (!t || n < 2)
		return fail(x);
	skip(x, n);
	return v;
}

/* What asks about types; false: the word is something else. */
static bool operator_word(struct cexpr *x, struct str w, struct cvalue *v)
{
	if (x->pp)
		return false;
	if (str_is(w, "sizeof"))
		*v = size_of(x);
	else if (str_is(w, "_Alignof") || str_is(w, "__alignof__") || str_is(w, "alignof"))
		*v = align_of(x);
	else if (str_is(w, "__builtin_offsetof") || str_is(w, "offsetof"))
		*v = offset_of(x);
	else
		return false;
	return true;
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
		v.narrow = t->size < 8;
		v.is_unsigned = t->size >= 4 && !type_is_signed(t);
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
	if (operator_word(x, w, &v))
		return v;
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
		v = fit(x, v);
	} else if (take(x, "+")) {
		v = unary(x);
	} else if (take(x, "~")) {
		v = unary(x);
		v.value = ~v.value;
		v = fit(x, v);
	} else if (take(x, "!")) {
		v = unary(x);
		v = int_of(x, v.value == 0);
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

/* Both sides in the type that C computes in. */
static struct cvalue common(struct cvalue a, struct cvalue b)
{
	struct cvalue v = {.narrow = a.narrow && b.narrow};

	v.is_unsigned = (a.is_unsigned && a.narrow == v.narrow) ||
			(b.is_unsigned && b.narrow == v.narrow);
	return v;
}

static bool compare(enum binary_op op, struct cvalue l, struct cvalue r, bool u, uint64_t *out)
{
	switch (op) {
	case BIN_LOR:
		*out = l.value || r.value;
		return true;
	case BIN_LAND:
		*out = l.value && r.value;
		return true;
	case BIN_EQ:
	case BIN_NE:
		*out = (l.value == r.value) == (op == BIN_EQ);
		return true;
	case BIN_LT:
	case BIN_GE:
		*out = less(l, r, u) == (op == BIN_LT);
		return true;
	case BIN_GT:
	case BIN_LE:
		*out = less(r, l, u) == (op == BIN_GT);
		return true;
	default:
		return false;
	}
}

static bool shift(enum binary_op op, struct cvalue l, struct cvalue r, uint64_t *out)
{
	if (op == BIN_SHL)
		*out = r.value < 64 ? l.value << r.value : 0;
	else if (op == BIN_SHR)
		*out = shifted_right(l, r.value);
	else
		return false;
	return true;
}

static uint64_t bits_or_sum(enum binary_op op, uint64_t l, uint64_t r)
{
	switch (op) {
	case BIN_OR:
		return l | r;
	case BIN_XOR:
		return l ^ r;
	case BIN_AND:
		return l & r;
	case BIN_ADD:
		return l + r;
	case BIN_SUB:
		return l - r;
	default:
		return l * r;
	}
}

static struct cvalue apply(struct cexpr *x, enum binary_op op, struct cvalue l, struct cvalue r)
{
	struct cvalue v = common(l, r), a = v, b = v;

	if (shift(op, l, r, &l.value)) /* of the type of the left side */
		return fit(x, l);
	a.value = l.value;
	b.value = r.value;
	a = fit(x, a);
	b = fit(x, b);
	if (compare(op, a, b, v.is_unsigned, &v.value))
		return int_of(x, v.value);
	if (op != BIN_DIV && op != BIN_MOD)
		v.value = bits_or_sum(op, a.value, b.value);
	else if (!divide(op, a, b, v.is_unsigned, &v.value) && !x->pp)
		/* Behind && and || that decided already, nobody wants the value. */
		return fail(x);
	return fit(x, v);
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
