/* What print(@map, …) can be told besides the map.
 *
 *   print(@m, 10, 1000)                 entries and divisor, as numbers
 *   print(@m, top=10, div=1000)         the same by name
 *   print(@m, by=key[1], desc)          order; a word alone is an option that is on
 *   print(@h, p50, p99)                 percentiles, also percentiles=(50, 99)
 *
 * Words alone come in two ways: before the first name=value they are arguments, behind it the
 * parser has put them among the named ones.
 */
#include "builtin/builtin_priv.h"

static void opt_number(struct sema *s, const struct record_field *f, int64_t *out)
{
	sema_infer(s, f->value);
	if (!f->value->folded || !type_is_integer(f->value->type))
		diag_help(sema_report(s, E_ARG_LITERAL, f->value->span,
				      "print(%.*s=…) takes a number that is known at compile time",
				      STR_ARG(f->name)),
			  "write print(@map, %.*s=10)", STR_ARG(f->name));
	else if ((int64_t)f->value->value < 0)
		sema_report(s, E_RANGE, f->value->span,
			    "print(%.*s=…) takes a number of 0 or more, got %" PRId64,
			    STR_ARG(f->name), (int64_t)f->value->value);
	else
		*out = (int64_t)f->value->value;
}

static void opt_desc(struct sema *s, const struct record_field *f, struct print_opts *o)
{
	sema_infer(s, f->value);
	o->desc = f->value->folded && f->value->value;
	if (!f->value->folded)
		sema_report(s, E_ARG_LITERAL, f->value->span, "print(desc=…) takes true or false");
}

bool builtin_is_word(const struct expr *e, const char *word)
{
	return e->kind == EXPR_IDENT && str_is(e->ident.name, word);
}

/* by=value, by=key, by=key[1] */
static void opt_by(struct sema *s, const struct record_field *f, const struct map_sym *m,
		   struct print_opts *o)
{
	const struct expr *v = f->value;
	bool part = v->kind == EXPR_INDEX && v->index.index->kind == EXPR_INT;

	if (builtin_is_word(v, "value")) {
		o->by = PRINT_BY_VALUE;
		return;
	}
	o->by = PRINT_BY_KEY;
	o->part = part;
	if (!builtin_is_word(part ? v->index.e : v, "key")) {
		diag_help(sema_report(s, E_ARG_TYPE, v->span, "print(by=…) takes what to sort by"),
			  "value, key, or one part of the key: key[0]");
		return;
	}
	if (!part)
		return;
	o->key = (uint32_t)v->index.index->value;
	if (m && m->key && (m->key->kind != TYPE_TUPLE || o->key >= m->key->tuple.n)) {
		sema_report(s, E_RANGE, v->span, "the key of @%.*s has no part %u",
			    STR_ARG(m->name), o->key);
		o->part = false;
	}
}

static void need_percentiles(struct sema *s, struct span span, const struct map_sym *m)
{
	if (m && m->value && (m->value->kind != TYPE_AGG || !m->value->agg.agg->percentile))
		diag_help(sema_report(s, E_ARG_TYPE, span, "@%.*s has no percentiles",
				      STR_ARG(m->name)),
			  "hist() and lhist() have");
}

static void add_percentile(struct sema *s, struct span span, unsigned p, struct print_opts *o)
{
	if (o->npercentiles == ARRAY_SIZE(o->percentiles))
		sema_report(s, E_RANGE, span, "print() takes up to %zu percentiles",
			    ARRAY_SIZE(o->percentiles));
	else
		o->percentiles[o->npercentiles++] = (uint8_t)p;
}

static void one_percentile(struct sema *s, struct expr *e, struct print_opts *o)
{
	sema_infer(s, e);
	if (!e->folded || e->value < 1 || e->value > 100)
		diag_help(sema_report(s, E_RANGE, e->span,
				      "a percentile is a whole number from 1 to 100"),
			  "write print(@map, p50, p99)");
	else
		add_percentile(s, e->span, (unsigned)e->value, o);
}

static void opt_percentiles(struct sema *s, const struct record_field *f, const struct map_sym *m,
			    struct print_opts *o)
{
	struct expr *v = f->value;

	need_percentiles(s, f->span, m);
	if (v->kind != EXPR_TUPLE)
		one_percentile(s, v, o);
	for (size_t i = 0; v->kind == EXPR_TUPLE && i < v->tuple.n; i++)
		one_percentile(s, v->tuple.items[i], o);
}

/* 1 to 100 for p1 … p100; 0 for other words. */
static unsigned percentile_word(struct str name)
{
	struct str digits = {name.p + 1, name.n ? name.n - 1 : 0};
	unsigned long long v;

	if (!digits.n || digits.n > 3 || name.p[0] != 'p' || digits.p[0] == '0' ||
	    !str_to_u64(digits, &v) || v > 100)
		return 0;
	return (unsigned)v;
}

static void unknown_option(struct sema *s, const struct record_field *f)
{
	static const char *const names[] = {"top",         "div",    "by",      "desc",
					    "percentiles", "format", "columns", "unit"};
	struct diag_msg *d = sema_report(s, E_NAME, f->span, "print() has no option %.*s",
					 STR_ARG(f->name));
	struct nearest near;

	nearest_init(&near, f->name);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		nearest_try(&near, str_of(names[i]));
	if (nearest_found(&near))
		diag_help(d, "did you mean %.*s?", STR_ARG(near.best));
	else
		diag_help(d, "there are top, div, by, desc, percentiles, format, columns, unit, "
			     "and p1 to p100");
}

static void word_percentile(struct sema *s, const struct record_field *f, const struct map_sym *m,
			    struct print_opts *o)
{
	if (!f->bare) {
		diag_help(
			sema_report(s, E_ARG_TYPE, f->span, "%.*s has no value", STR_ARG(f->name)),
			"write print(@map, p50, p99)");
		return;
	}
	need_percentiles(s, f->span, m);
	add_percentile(s, f->span, percentile_word(f->name), o);
}

static void print_option(struct sema *s, const struct record_field *f, const struct map_sym *m,
			 struct print_opts *o)
{
	if (str_is(f->name, "top"))
		opt_number(s, f, &o->top);
	else if (str_is(f->name, "div"))
		opt_number(s, f, &o->div);
	else if (str_is(f->name, "by"))
		opt_by(s, f, m, o);
	else if (str_is(f->name, "desc"))
		opt_desc(s, f, o);
	else if (str_is(f->name, "percentiles"))
		opt_percentiles(s, f, m, o);
	else if (percentile_word(f->name))
		word_percentile(s, f, m, o);
	else if (!builtin_print_form(s, f, m, o))
		unknown_option(s, f);
}

bool builtin_is_print_word(struct str name)
{
	return str_is(name, "desc") || percentile_word(name);
}

static void word_option(struct sema *s, struct expr *word, const struct map_sym *m,
			struct print_opts *o)
{
	struct expr *on = arena_new_of(sema_arena(s), struct expr);
	const struct record_field f = {word->span, word->ident.name, on, true};

	*on = (struct expr){.kind = EXPR_BOOL, .span = word->span, .value = 1, .folded = true};
	print_option(s, &f, m, o);
}

static void number_option(struct sema *s, struct expr *e, unsigned i, unsigned place,
			  struct print_opts *o)
{
	int64_t n = place ? 1 : 0;

	if (place > 1)
		diag_help(sema_report(s, E_ARG_COUNT, builtin_arg(e, i)->span,
				      "print() takes two numbers: entries and divisor"),
			  "write print(@map, top, div)");
	else if (sema_literal_int(s, e, i, &n) && n < 0)
		sema_report(s, E_RANGE, builtin_arg(e, i)->span,
			    "print() takes a %s of 0 or more, got %" PRId64,
			    place ? "divisor" : "number of entries", n);
	if (place == 0)
		o->top = n;
	else if (place == 1)
		o->div = n;
}

const struct print_opts *builtin_print_options(struct sema *s, struct expr *e,
					       const struct map_sym *m)
{
	struct print_opts *o = arena_new_of(sema_arena(s), struct print_opts);
	const struct expr *named = call_named(e);
	unsigned numbers = 0;

	for (unsigned i = 1; i < builtin_nargs(e); i++) {
		struct expr *a = builtin_arg(e, i);

		if (a->kind == EXPR_IDENT && builtin_is_print_word(a->ident.name))
			word_option(s, a, m, o);
		else
			number_option(s, e, i, numbers++, o);
	}
	for (size_t i = 0; named && i < named->record.n; i++)
		print_option(s, &named->record.fields[i], m, o);
	builtin_check_print_form(s, e, m, o);
	if (o->div == 0)
		o->div = 1;
	return o;
}
