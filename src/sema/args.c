/* What check() of a builtin asks about its arguments: is it an integer, an address, text, a
 * literal, a map. Each reports once, with the builtin's prototype beside the wrong argument. */
#include "sema/sema_priv.h"

static const char *ordinal(unsigned i)
{
	static const char *const words[] = {"first", "second", "third", "fourth", "fifth", "sixth"};

	return i < ARRAY_SIZE(words) ? words[i] : "next";
}

static const char *proto_of(const struct expr *call)
{
	const struct call_sem *cs = call->sem;

	return cs && cs->builtin ? cs->builtin->proto : "";
}

static struct expr *arg_of(const struct expr *call, unsigned i)
{
	size_t n;
	struct expr **args = call_args(call, &n);

	return i < n ? args[i] : NULL;
}

static struct diag_msg *report_arg(struct sema *s, struct expr *call, unsigned i, const char *needs)
{
	struct expr *a = arg_of(call, i);
	struct str name = call_name(call);
	struct diag_msg *m;

	m = sema_report(s, E_ARG_TYPE, a->span, "the %s argument of %.*s() must be %s, this is %s",
			ordinal(i), STR_ARG(name), needs, sema_type_text(s, a->type));
	diag_primary(m, "%s", sema_type_text(s, a->type));
	if (call->kind == EXPR_CALL)
		diag_label(m, call->call.name_span, "%s", proto_of(call));
	return m;
}

/* What a function returned is a number to scripts that were written where its type was not known.
 */
static bool is_returned(const struct expr *a)
{
	return a->type->kind == TYPE_PTR && a->kind == EXPR_IDENT &&
	       str_is(a->ident.name, "retval");
}

bool sema_arg_int(struct sema *s, struct expr *call, unsigned i)
{
	struct expr *a = arg_of(call, i);
	struct diag_msg *m;

	if (!a || a->type->kind == TYPE_POISON)
		return false;
	if (type_is_integer(a->type) || is_returned(a))
		return true;
	m = report_arg(s, call, i, "an integer");
	if (a->type->kind == TYPE_PTR)
		diag_help(m, "an address as a number: (uint64)…; what it points to: *…");
	return false;
}

bool sema_arg_ptr(struct sema *s, struct expr *call, unsigned i)
{
	struct expr *a = arg_of(call, i);
	struct diag_msg *m;

	if (!a || a->type->kind == TYPE_POISON)
		return false;
	if (a->type->kind == TYPE_PTR || a->type->kind == TYPE_INT)
		return true;
	m = report_arg(s, call, i, "a pointer");
	if (a->type->kind == TYPE_STRING)
		diag_help(m, "it is text already: use it as it is");
	return false;
}

bool sema_arg_string(struct sema *s, struct expr *call, unsigned i)
{
	struct expr *a = arg_of(call, i);
	struct diag_msg *m;

	if (!a || a->type->kind == TYPE_POISON)
		return false;
	if (a->type->kind == TYPE_STRING)
		return true;
	m = report_arg(s, call, i, "a string");
	if (a->type->kind == TYPE_PTR || (a->type->kind == TYPE_INT && a->type->size == 8))
		diag_help(m, "str() reads the text that a pointer points to");
	return false;
}

static void report_literal(struct sema *s, struct expr *call, unsigned i, const char *what)
{
	struct expr *a = arg_of(call, i);
	struct str name = call_name(call);
	struct diag_msg *m;

	m = sema_report(s, E_ARG_LITERAL, a->span, "the %s argument of %.*s() must be %s",
			ordinal(i), STR_ARG(name), what);
	diag_primary(m, "only known when the probe fires");
	if (call->kind == EXPR_CALL)
		diag_label(m, call->call.name_span, "%s", proto_of(call));
}

bool sema_literal_int(struct sema *s, struct expr *call, unsigned i, int64_t *out)
{
	struct expr *a = arg_of(call, i);

	if (!a || a->type->kind == TYPE_POISON)
		return false;
	if (a->folded && type_is_integer(a->type)) {
		*out = (int64_t)a->value;
		return true;
	}
	report_literal(s, call, i, "an integer that is known at compile time");
	return false;
}

bool sema_literal_str(struct sema *s, struct expr *call, unsigned i, struct str *out)
{
	struct expr *a = arg_of(call, i);

	if (!a || a->type->kind == TYPE_POISON)
		return false;
	while (a->kind == EXPR_COMPTIME)
		a = a->sub;
	if (a->kind == EXPR_STR) {
		*out = a->str;
		return true;
	}
	report_literal(s, call, i, "a string literal");
	return false;
}

/* ---- maps
 * ------------------------------------------------------------------------------------------- */

struct map_sym *sema_arg_map(struct sema *s, struct expr *call, unsigned i)
{
	struct expr *a = arg_of(call, i);
	struct str name = call_name(call);
	struct diag_msg *m;

	if (!a)
		return NULL;
	if (a->kind == EXPR_MAP && a->map.nkeys == 0)
		return &sema_map(s, a)->sym;
	m = sema_report(s, E_ARG_TYPE, a->span, "the %s argument of %.*s() must be a map%s",
			ordinal(i), STR_ARG(name), a->kind == EXPR_MAP ? " without a key" : "");
	if (call->kind == EXPR_CALL)
		diag_label(m, call->call.name_span, "%s", proto_of(call));
	if (a->kind == EXPR_MAP)
		diag_help(m, "write @%.*s", STR_ARG(a->map.name));
	return NULL;
}

/* args[0] with `key` between its brackets. */
static struct expr *map_with_key(struct sema *s, const struct expr *map, struct expr *key)
{
	struct expr *e = arena_memdup(s->a, map, sizeof(*map));

	e->map.keys = arena_array_of(s->a, struct expr *, 1);
	e->map.keys[0] = key;
	e->map.nkeys = 1;
	if (key->kind == EXPR_TUPLE) {
		e->map.keys = key->tuple.items;
		e->map.nkeys = key->tuple.n;
	}
	return e;
}

struct map_sym *sema_arg_map_key(struct sema *s, struct expr *call, unsigned i)
{
	size_t n;
	struct expr **args = call_args(call, &n);
	struct map_info *m;

	if (n == 0)
		return NULL;
	if (args[0]->kind != EXPR_MAP) {
		sema_arg_map(s, call, 0);
		return NULL;
	}
	m = sema_map(s, args[0]);
	if (args[0]->map.nkeys)
		return &m->sym; /* its key was checked with the argument */
	if (i >= n) {
		diag_help(sema_report(s, E_ARG_COUNT, call->span, "%.*s() needs a key",
				      STR_ARG(call_name(call))),
			  "%s", proto_of(call));
		return NULL;
	}
	args[0] = map_with_key(s, args[0], args[i]);
	sema_map_arg(s, args[0]);
	return &m->sym;
}

/* ---- results
 * ---------------------------------------------------------------------------------------- */

void sema_arg_out(struct sema *s, struct expr *call, unsigned i, const struct type *t)
{
	struct expr *a = arg_of(call, i);
	struct var_info *v;
	struct diag_msg *m;

	if (!a || t->kind == TYPE_POISON)
		return;
	if (a->kind != EXPR_VAR) {
		m = sema_report(s, E_ARG_TYPE, a->span,
				"the %s argument of %.*s() must be a variable, which it sets",
				ordinal(i), STR_ARG(call_name(call)));
		diag_help(m, "%s", proto_of(call));
		return;
	}
	v = sema_var_target(s, a, t);
	sema_var_assign(s, v, NULL, t, a->span);
	a->type = v->sym.type ? v->sym.type : t;
}
