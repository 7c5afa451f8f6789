/* The C section: `#define NAME 42` and `#define NAME "text"` become constants, `#include` is
 * accepted and ignored (types come from the kernel's BTF), and of `#if … #else … #endif` the branch
 * that a kernel with BTF takes is read.
 *
 * Values may be literals, names of earlier constants, and the operators ( ) ~ - + * << >> | & of
 * those, evaluated from left to right with C's precedence by a small recursive parser. Macros with
 * parameters and definitions that are no constants are left alone: a use of them is an unknown
 * name. */
#include "sema/sema_priv.h"

struct text {
	struct sema *s;
	struct str t;
	unsigned depth;
	bool bad;
};

static void skip_space(struct text *x)
{
	while (x->t.n && (x->t.p[0] == ' ' || x->t.p[0] == '\t'))
		x->t = (struct str){x->t.p + 1, x->t.n - 1};
}

static bool take(struct text *x, const char *op)
{
	size_t n = strlen(op);

	skip_space(x);
	if (x->t.n < n || memcmp(x->t.p, op, n) != 0)
		return false;
	x->t = (struct str){x->t.p + n, x->t.n - n};
	return true;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static struct str take_word(struct text *x)
{
	struct str w;
	size_t n = 0;

	skip_space(x);
	while (n < x->t.n && is_word(x->t.p[n]))
		n++;
	w = (struct str){x->t.p, n};
	x->t = (struct str){x->t.p + n, x->t.n - n};
	return w;
}

static uint64_t eval(struct text *x, int prec);

static uint64_t eval_word(struct text *x)
{
	struct str w = take_word(x);
	const struct constant *c;
	unsigned long long v;

	while (w.n > 1 && w.p[0] >= '0' && w.p[0] <= '9' && strchr("uUlL", w.p[w.n - 1]))
		w.n--;
	if (w.n && str_to_u64(w, &v))
		return v;
	c = strmap_get(&x->s->constants, w);
	x->bad |= !c || c->is_str;
	return c ? c->value : 0;
}

static uint64_t eval_unary(struct text *x)
{
	uint64_t v;

	if (++x->depth > 100) {
		x->bad = true;
		return 0;
	}
	if (take(x, "(")) {
		v = eval(x, 0);
		x->bad |= !take(x, ")");
	} else if (take(x, "-")) {
		v = -eval_unary(x);
	} else if (take(x, "~")) {
		v = ~eval_unary(x);
	} else {
		v = eval_word(x);
	}
	x->depth--;
	return v;
}

static const struct {
	const char *text;
	int prec;
	enum binary_op op;
} ops[] = {
	{"<<", 4, BIN_SHL}, {">>", 4, BIN_SHR}, {"|", 1, BIN_OR},  {"^", 2, BIN_XOR},
	{"&", 3, BIN_AND},  {"+", 5, BIN_ADD},  {"-", 5, BIN_SUB}, {"*", 6, BIN_MUL},
};

static uint64_t apply(enum binary_op op, uint64_t l, uint64_t r)
{
	switch (op) {
	case BIN_SHL:
		return r < 64 ? l << r : 0;
	case BIN_SHR:
		return r < 64 ? l >> r : 0;
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

static uint64_t eval(struct text *x, int prec)
{
	uint64_t l = eval_unary(x);

	for (size_t i = 0; i < ARRAY_SIZE(ops) && !x->bad;) {
		if (ops[i].prec <= prec || !take(x, ops[i].text)) {
			i++;
			continue;
		}
		l = apply(ops[i].op, l, eval(x, ops[i].prec));
		i = 0;
	}
	return l;
}

static void add_constant(struct sema *s, struct constant c)
{
	struct constant *k = arena_memdup(s->a, &c, sizeof(c));

	strmap_put(&s->constants, k->name, k);
}

/* Behind `#define`. */
static void define(struct sema *s, struct text x)
{
	struct constant c = {.name = take_word(&x)};
	struct str rest = x.t;

	if (!c.name.n || (rest.n && rest.p[0] == '('))
		return;
	rest = str_trim(rest);
	if (rest.n >= 2 && rest.p[0] == '"' && rest.p[rest.n - 1] == '"' &&
	    !memchr(rest.p, '\\', rest.n)) {
		c.is_str = true;
		c.text = (struct str){rest.p + 1, rest.n - 2};
		add_constant(s, c);
		return;
	}
	x.t = rest;
	c.value = rest.n ? eval(&x, 0) : 1;
	skip_space(&x);
	if (!x.bad && (!x.t.n || str_starts(x.t, STR("//")) || str_starts(x.t, STR("/*"))))
		add_constant(s, c);
}

/* ---- conditionals: a stack of at most 64 levels as bits -----------------------------------------
 */

struct nest {
	uint64_t taken, active; /* bit 0 is the innermost */
	unsigned depth;
};

static bool is_active(const struct nest *n)
{
	uint64_t all = n->depth >= 64 ? UINT64_MAX : (UINT64_C(1) << n->depth) - 1;

	return (n->active & all) == all;
}

static bool is_defined(struct sema *s, struct str name)
{
	return str_is(name, "BPFTRACE_HAVE_BTF") || strmap_get(&s->constants, name);
}

static void open_level(struct nest *n, bool yes)
{
	n->depth++;
	n->active = n->active << 1 | yes;
	n->taken = n->taken << 1 | yes;
}

static bool condition(struct sema *s, struct text x)
{
	uint64_t v;
	bool not = take(&x, "!");
	struct text before = x;

	if (str_is(take_word(&x), "defined")) {
		take(&x, "(");
		return is_defined(s, take_word(&x)) != not ;
	}
	v = eval(&before, 0);
	return !before.bad && (v != 0) != not ;
}

static void directive(struct sema *s, struct nest *n, struct str line)
{
	struct text x = {s, line, 0, false};
	struct str word;

	take(&x, "#");
	word = take_word(&x);
	if (str_is(word, "ifdef") || str_is(word, "ifndef")) {
		open_level(n, is_defined(s, take_word(&x)) == str_is(word, "ifdef"));
	} else if (str_is(word, "if")) {
		open_level(n, condition(s, x));
	} else if (str_is(word, "else") && n->depth) {
		n->active = (n->active & ~UINT64_C(1)) | !(n->taken & 1);
	} else if (str_is(word, "endif") && n->depth) {
		n->depth--;
		n->active >>= 1;
		n->taken >>= 1;
	} else if (str_is(word, "define") && is_active(n)) {
		define(s, x);
	} else if (str_is(word, "undef") && is_active(n)) {
		strmap_put(&s->constants, take_word(&x), NULL);
	}
}

void sema_cdefs(struct sema *s)
{
	struct nest n = {0};

	VEC_EACH (struct c_def, d, &s->in->script->c_defs) {
		if (d->kind == C_PREPROCESSOR)
			directive(s, &n, d->text);
		else if (is_active(&n))
			sema_ctype(s, d);
	}
}

/* A number of C, or the name of a constant. */
bool sema_c_number(struct sema *s, struct str word, uint64_t *value)
{
	struct text x = {s, word, 0, false};

	*value = eval_word(&x);
	return !x.bad && !x.t.n;
}
