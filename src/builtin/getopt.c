/* getopt: a named parameter of the command line, a constant of the script.
 *
 * Example: `awl tool.bt -- --limit=5`, and in it `getopt("limit", 10, "entries to show")` is 5. */
#include <string.h>
#include "builtin/builtin_priv.h"

struct request {
	struct str name, fallback, about, given;
	bool is_given, has_value;
};

/* "--limit=NUMBER (10): entries to show", for the list of parameters. */
static const char *form_of(struct sema *s, struct expr *e, const struct request *q)
{
	const struct expr *def = builtin_arg(e, 1);
	struct buf b = BUF_INIT;
	const char *form;

	buf_printf(&b, "--%.*s", STR_ARG(q->name));
	if (def && def->kind == EXPR_STR)
		buf_printf(&b, "=TEXT (\"%.*s\")", STR_ARG(def->str));
	else if (def && def->type->kind == TYPE_BOOL)
		buf_printf(&b, "[=true|false] (%s)", def->value ? "true" : "false");
	else if (def)
		buf_printf(&b, "=NUMBER (%" PRId64 ")", (int64_t)def->value);
	if (q->about.n)
		buf_printf(&b, ": %.*s", STR_ARG(q->about));
	form = arena_strndup(sema_arena(s), buf_cstr(&b), b.n);
	buf_release(&b);
	return form;
}

static void report_value(struct sema *s, struct expr *e, const struct request *q, const char *what)
{
	struct diag_msg *m = sema_report(s, E_PARAM, e->span, "--%.*s takes %s, got \"%.*s\"",
					 STR_ARG(q->name), what, STR_ARG(q->given));

	diag_help(m, "write --%.*s=… behind -- on the command line", STR_ARG(q->name));
}

/* true or false, in any case, or a number; whether it is one of them. */
static bool parse_bool(struct str s, bool *value)
{
	*value = (s.n == 4 && strncasecmp(s.p, "true", 4) == 0) || str_is(s, "1");
	return *value || (s.n == 5 && strncasecmp(s.p, "false", 5) == 0) || str_is(s, "0");
}

static void be_bool(struct sema *s, struct expr *e, const struct request *q, bool fallback)
{
	bool value = q->is_given ? true : fallback;

	if (q->is_given && q->has_value && !parse_bool(q->given, &value))
		report_value(s, e, q, "true or false");
	builtin_set_const(s, e, &type_bool, value);
}

static void be_int(struct sema *s, struct expr *e, const struct request *q, uint64_t fallback)
{
	bool minus = q->given.n && q->given.p[0] == '-';
	struct str digits = minus ? (struct str){q->given.p + 1, q->given.n - 1} : q->given;
	unsigned long long value = fallback;
	bool word;

	if (q->is_given && parse_bool(q->given, &word)) { /* a switch that came to take a number */
		value = word;
	} else if (q->is_given && (!str_to_u64(digits, &value) || value > INT64_MAX)) {
		report_value(s, e, q, "a number");
		value = 0;
	}
	builtin_set_const(s, e, type_int(sema_types(s), 8, true),
			  q->is_given && minus ? -value : value);
}

/* Becomes a string literal. */
static void be_text(struct sema *s, struct expr *e, const struct request *q)
{
	struct str text = q->is_given ? q->given : q->fallback;

	if (q->is_given && !q->has_value) /* at once: there is no call any more in later rounds */
		diag_help(diag_report(sema_diag(s), E_PARAM, e->span, "--%.*s needs a text",
				      STR_ARG(q->name)),
			  "write --%.*s=TEXT behind -- on the command line", STR_ARG(q->name));
	e->type = type_string(sema_types(s), (uint32_t)text.n + 1);
	e->kind = EXPR_STR;
	e->str = text;
	e->sem = NULL;
}

static void check_getopt(struct sema *s, struct expr *e)
{
	const struct expr *def = builtin_arg(e, 1);
	struct request q = {0};

	e->type = &type_poison;
	if (!sema_literal_str(s, e, 0, &q.name) ||
	    (builtin_nargs(e) > 2 && !sema_literal_str(s, e, 2, &q.about)))
		return;
	if (def && def->kind != EXPR_STR && !def->folded) {
		diag_help(sema_report(s, E_ARG_LITERAL, def->span,
				      "getopt() takes a default that is known at compile time"),
			  "a number, true, false or a text");
		return;
	}
	q.is_given = sema_option(s, q.name, form_of(s, e, &q), &q.given, &q.has_value);
	if (!def) {
		be_bool(s, e, &q, false);
	} else if (def->kind == EXPR_STR) {
		q.fallback = def->str;
		be_text(s, e, &q);
	} else if (def->type->kind == TYPE_BOOL) {
		be_bool(s, e, &q, def->value);
	} else {
		be_int(s, e, &q, def->value);
	}
}

const struct builtin builtins_getopt[] = {
	{
		.name = "getopt",
		.proto = "bool | int | string getopt(const string name [, const default [, const "
			 "string about]])",
		.doc = "A named parameter of the command line, or the default; a constant.\n\n"
		       "Named parameters stand behind `--`: `awl tool.bt -- --all --limit=5`. "
		       "Without a default it is\n"
		       "true when the parameter is given. A parameter that no getopt() asks for "
		       "is an error that lists\n"
		       "those that there are, with what `about` says of them.\n\n"
		       "    begin { if (getopt(\"all\")) { print(getopt(\"limit\", 10, \"entries "
		       "to "
		       "show\")); } exit(); }\n",
		.examples = EXAMPLES(
			"begin { print(getopt(\"all\")); exit(); }",
			"begin { print(getopt(\"n\", 5)); exit(); }",
			"begin { print(getopt(\"name\", \"x\", \"whose\")); exit(); }"),
		.flags = BI_CONST,
		.min_args = 1,
		.max_args = 3,
		.check = check_getopt,
	},
	BUILTIN_END,
};
