/* printf formats: "%[-+ #0][width][.precision][hh h l ll j z t L]conversion".
 *
 *   d i u o x X c p   integers, bools, enums, pointers
 *   s                 anything
 *   v                 anything; values of Go functions as Go prints them (builtin/govalue.c)
 *   r rx rh           buffers, strings, arrays of bytes
 *   gr                allocation flags (integers)
 *
 * Without a length modifier a number keeps its full width. Widths and precisions are numbers; `*`
 * is no part of the language. The parsed format is what the runtime prints from. */
#include "sema/sema_priv.h"

struct scan {
	struct sema *s;
	struct str t;
	size_t i;
	struct span span; /* of the literal */
	VEC(struct conv) convs;
	bool bad;
};

static char peek(const struct scan *c)
{
	return c->i < c->t.n ? c->t.p[c->i] : 0;
}

static bool scan_flags(struct scan *c, struct conv *v)
{
	for (;; c->i++) {
		switch (peek(c)) {
		case '-':
			v->minus = true;
			break;
		case '+':
			v->plus = true;
			break;
		case ' ':
			v->space = true;
			break;
		case '#':
			v->alt = true;
			break;
		case '0':
			v->zero = true;
			break;
		default:
			return true;
		}
	}
}

static int scan_number(struct scan *c)
{
	int n = 0;

	while (peek(c) >= '0' && peek(c) <= '9') {
		if (n < 100000)
			n = n * 10 + (peek(c) - '0');
		c->i++;
	}
	return n;
}

static void scan_length(struct scan *c, struct conv *v)
{
	if (peek(c) == 'h') {
		v->bytes = 2;
		c->i++;
		if (peek(c) == 'h') {
			v->bytes = 1;
			c->i++;
		}
		return;
	}
	while (peek(c) && strchr("ljztL", peek(c))) {
		v->bytes = 8;
		c->i++;
	}
}

static void report_conv(struct scan *c, size_t start, const char *why)
{
	struct diag_msg *m;
	size_t n = MIN(c->i + 1, c->t.n) - start;

	c->bad = true;
	while (n > 1 && (unsigned char)c->t.p[start + n - 1] <= ' ')
		n--;
	if (n == 1) {
		m = sema_report(c->s, E_FORMAT, c->span,
				"there is a %% without a conversion in the format");
		diag_help(m, "%%%% is a percent sign");
		return;
	}
	m = sema_report(c->s, E_FORMAT, c->span, "bad conversion \"%.*s\" in the format: %s",
			(int)n, c->t.p + start, why);
	diag_help(
		m,
		"conversions are %%d %%u %%x %%o %%c %%p %%s %%v %%r %%rx %%rh; %%%% is a percent "
		"sign");
}

static bool scan_spec(struct scan *c, struct conv *v, size_t start)
{
	char ch = peek(c);

	if (ch == 'g' && c->i + 1 < c->t.n && c->t.p[c->i + 1] == 'r') {
		v->spec = 'r';
		v->variant = 'g';
		c->i += 2;
		return true;
	}
	if (ch && strchr("feEgGaAF", ch)) {
		report_conv(c, start, "there are no floating-point numbers");
		return false;
	}
	if (!ch || !strchr("diuoxXcpsrv", ch)) {
		report_conv(c, start,
			    ch == '*' ? "a width cannot come from an argument"
			    : ch      ? "unknown conversion"
				      : "it ends too early");
		return false;
	}
	v->spec = ch;
	c->i++;
	if (ch == 'r' && (peek(c) == 'x' || peek(c) == 'h'))
		v->variant = c->t.p[c->i++];
	return true;
}

static bool scan_conv(struct scan *c, struct conv *v)
{
	size_t start = c->i++;

	v->width = v->prec = -1;
	scan_flags(c, v);
	if (peek(c) >= '1' && peek(c) <= '9')
		v->width = scan_number(c);
	if (peek(c) == '.') {
		c->i++;
		v->prec = scan_number(c);
	}
	scan_length(c, v);
	if (v->width > 4096 || v->prec > 65536) {
		report_conv(c, start, "this is too wide");
		return false;
	}
	return scan_spec(c, v, start);
}

/* Literal text up to the next conversion, with %% made a %. */
static struct str scan_literal(struct scan *c)
{
	struct buf b = BUF_INIT;
	struct str out;

	while (c->i < c->t.n) {
		if (c->t.p[c->i] == '%' && c->i + 1 < c->t.n && c->t.p[c->i + 1] == '%')
			c->i++;
		else if (c->t.p[c->i] == '%')
			break;
		buf_addc(&b, c->t.p[c->i++]);
	}
	out = (struct str){arena_strndup(c->s->a, buf_cstr(&b), b.n), b.n};
	buf_release(&b);
	return out;
}

static struct format *parse(struct scan *c)
{
	struct format *f;

	for (;;) {
		struct conv v = {.literal = scan_literal(c), .width = -1, .prec = -1};
		bool end = c->i >= c->t.n;

		if (!end && !scan_conv(c, &v))
			return NULL;
		vec_push(c->s->a, &c->convs, v);
		if (end)
			break;
	}
	f = arena_new_of(c->s->a, struct format);
	f->convs = c->convs.v;
	f->n = c->convs.n;
	f->nargs = c->convs.n - 1;
	return f;
}

/* ---- checking against the arguments
 * ------------------------------------------------------------------ */

static const char *conv_text(struct sema *s, const struct conv *v)
{
	if (v->variant == 'g')
		return "%gr";
	return v->variant ? arena_printf(s->a, "%%%c%c", v->spec, v->variant)
			  : arena_printf(s->a, "%%%c", v->spec);
}

static bool view_is_number(const struct type *t)
{
	return t->kind == TYPE_VIEW && t->view.view->to_int;
}

static bool is_buffer(const struct type *t)
{
	return t->kind == TYPE_BUF || t->kind == TYPE_STRING ||
	       (t->kind == TYPE_ARRAY && type_is_integer(t->array.of) && t->array.of->size == 1);
}

static bool accepts(const struct conv *v, const struct type *t)
{
	switch (v->spec) {
	case 's':
	case 'v':
		return t->kind != TYPE_AGG && t->kind != TYPE_VOID && t->kind != TYPE_FLOAT;
	case 'r':
		return v->variant == 'g' ? type_is_integer(t) : is_buffer(t);
	case 'p':
		return type_is_scalar(t) || view_is_number(t);
	default:
		return type_is_scalar(t) || view_is_number(t);
	}
}

static void report_arg(struct sema *s, struct expr *fmt, const struct conv *v, struct expr *a)
{
	struct diag_msg *m;
	const struct type *t = a->type;

	m = sema_report(s, E_FORMAT, a->span, "%s does not print %s", conv_text(s, v),
			sema_type_text(s, t));
	diag_primary(m, "%s", sema_type_text(s, t));
	diag_label(m, fmt->span, "has %s for it", conv_text(s, v));
	if (v->spec == 'r')
		diag_help(m, "buf(pointer, length) reads a buffer");
	else if (t->kind == TYPE_AGG)
		diag_help(m, "print() shows it");
	else
		diag_help(m, "%%s prints values of every type");
}

static void report_count(struct sema *s, struct expr *call, struct expr *fmt, size_t want,
			 size_t have)
{
	struct diag_msg *m;

	m = sema_report(s, E_FORMAT, call->span,
			"the format has %zu conversion%s, %zu argument%s follow%s", want,
			want == 1 ? "" : "s", have, have == 1 ? "" : "s", have == 1 ? "s" : "");
	diag_label(m, fmt->span, "%zu conversion%s", want, want == 1 ? "" : "s");
	if (have > want)
		diag_help(m, "add a conversion such as %%s for each argument; %%%% prints a "
			     "percent sign");
}

/* Typical mistake: a char pointer is an address, not text. */
static void hint_pointer(struct sema *s, const struct conv *v, struct expr *a)
{
	const struct type *t = a->type;
	struct diag_msg *m;

	if (v->spec != 's' || t->kind != TYPE_PTR || t->ptr.to->kind != TYPE_INT ||
	    t->ptr.to->size != 1)
		return;
	m = sema_report(s, E_FORMAT, a->span,
			"%%s would print the address in this %s, not the text there",
			sema_type_text(s, t));
	diag_primary(m, "%s", sema_type_text(s, t));
	diag_help(m, "str() reads the text that it points to, %%p prints the address");
}

static void check_arg(struct sema *s, struct expr *fmt, const struct conv *v, struct expr *a)
{
	if (a->type->kind == TYPE_POISON)
		return;
	if (!accepts(v, a->type))
		report_arg(s, fmt, v, a);
	else
		hint_pointer(s, v, a);
}

const struct format *sema_format_text(struct sema *s, struct str text, struct span span)
{
	struct scan c = {.s = s, .t = text, .span = span};

	return parse(&c);
}

bool sema_format(struct sema *s, struct expr *call, struct str text, unsigned first,
		 const struct format **out)
{
	size_t n;
	struct expr **args = call_args(call, &n);
	struct expr *fmt = first > 0 && first <= n ? args[first - 1] : call;
	struct scan c = {.s = s, .t = text, .span = fmt->span};
	struct format *f = parse(&c);

	if (!f)
		return false;
	if (f->nargs != n - first) {
		report_count(s, call, fmt, f->nargs, n - first);
		return false;
	}
	for (size_t i = 0; i < f->nargs; i++)
		check_arg(s, fmt, &f->convs[i], args[first + i]);
	*out = f;
	return true;
}
