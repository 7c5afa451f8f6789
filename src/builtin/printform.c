/* How print(@map, …) writes an entry, in text output.
 *
 *   print(@m, format="%-20s %8d\n")                   parts of the key, then the value
 *   print(@m, format="%d %s\n", columns=(value, key))  chosen values
 *   print(@h, unit="us")                              buckets under a heading with that unit
 */
#include "builtin/builtin_priv.h"

/* value, key, key[1] */
static bool one_column(struct sema *s, const struct expr *v, const struct map_sym *m, int8_t *out)
{
	bool part = v->kind == EXPR_INDEX && v->index.index->kind == EXPR_INT;

	*out = builtin_is_word(v, "value") ? COLUMN_VALUE : COLUMN_KEY;
	if (builtin_is_word(v, "value"))
		return true;
	if (!builtin_is_word(part ? v->index.e : v, "key")) {
		diag_help(
			sema_report(s, E_ARG_TYPE, v->span, "print(columns=…) takes what to show"),
			"value, key, or one part of the key: key[0]");
		return false;
	}
	if (m && !m->key && m->value) {
		sema_report(s, E_RANGE, v->span, "@%.*s has no key", STR_ARG(m->name));
		return false;
	}
	if (!part)
		return true;
	*out = (int8_t)MIN(v->index.index->value, 127u);
	if (m && m->key && (m->key->kind != TYPE_TUPLE || (uint32_t)*out >= m->key->tuple.n)) {
		sema_report(s, E_RANGE, v->span, "the key of @%.*s has no part %d",
			    STR_ARG(m->name), *out);
		return false;
	}
	return true;
}

static void opt_columns(struct sema *s, const struct record_field *f, const struct map_sym *m,
			struct print_opts *o)
{
	struct expr *v = f->value;
	struct expr **items = v->kind == EXPR_TUPLE ? v->tuple.items : &v;
	size_t n = v->kind == EXPR_TUPLE ? v->tuple.n : 1;

	if (n > COLUMNS_MAX)
		sema_report(s, E_RANGE, v->span, "print() takes up to %d columns", COLUMNS_MAX);
	for (size_t i = 0; i < n && i < COLUMNS_MAX; i++)
		if (one_column(s, items[i], m, &o->columns[o->ncolumns]))
			o->ncolumns++;
}

/* A text that is known when compiling. */
static bool opt_text(struct sema *s, const struct record_field *f, struct str *out)
{
	sema_infer(s, f->value);
	if (f->value->kind == EXPR_STR) {
		*out = f->value->str;
		return true;
	}
	diag_help(sema_report(s, E_ARG_LITERAL, f->value->span,
			      "print(%.*s=…) takes a text that is known at compile time",
			      STR_ARG(f->name)),
		  "write print(@map, %.*s=\"…\")", STR_ARG(f->name));
	return false;
}

static void opt_format(struct sema *s, const struct record_field *f, struct print_opts *o)
{
	struct str text;

	if (opt_text(s, f, &text))
		o->format = sema_format_text(s, text, f->value->span);
}

static void opt_unit(struct sema *s, const struct record_field *f, const struct map_sym *m,
		     struct print_opts *o)
{
	struct str text;

	if (opt_text(s, f, &text))
		o->unit = arena_strndup(sema_arena(s), text.p, text.n);
	if (m && m->value && (m->value->kind != TYPE_AGG || !m->value->agg.agg->table))
		diag_help(sema_report(s, E_ARG_TYPE, f->span, "@%.*s has no buckets with a unit",
				      STR_ARG(m->name)),
			  "hist() has");
}

/* How many values a format gets: stats() are three. */
static size_t format_values(const struct map_sym *m, const struct print_opts *o)
{
	bool three = m->value->kind == TYPE_AGG && m->value->agg.agg->numbers;
	size_t n = o->ncolumns;

	for (size_t i = 0; i < o->ncolumns; i++)
		n += three && o->columns[i] == COLUMN_VALUE ? 2 : 0;
	if (n)
		return n;
	return (!m->key ? 0 : m->key->kind == TYPE_TUPLE ? m->key->tuple.n : 1) + (three ? 3 : 1);
}

void builtin_check_print_form(struct sema *s, struct expr *e, const struct map_sym *m,
			      struct print_opts *o)
{
	size_t n;

	if (o->unit && !o->format)
		o->format = sema_format_text(s, STR("%s"), e->span);
	if (!o->format || !m || !m->value || m->value->kind == TYPE_POISON)
		return;
	n = format_values(m, o);
	if (o->format->nargs != n)
		diag_help(sema_report(s, E_FORMAT, e->span,
				      "the format has %zu conversion%s, an entry of @%.*s has %zu "
				      "value%s",
				      o->format->nargs, o->format->nargs == 1 ? "" : "s",
				      STR_ARG(m->name), n, n == 1 ? "" : "s"),
			  "they are the parts of the key and then the value; columns=(value, "
			  "key[0]) chooses");
}

bool builtin_print_form(struct sema *s, const struct record_field *f, const struct map_sym *m,
			struct print_opts *o)
{
	if (str_is(f->name, "format"))
		opt_format(s, f, o);
	else if (str_is(f->name, "columns"))
		opt_columns(s, f, m, o);
	else if (str_is(f->name, "unit"))
		opt_unit(s, f, m, o);
	else
		return false;
	return true;
}
