/* Parameters of the command line: $1, $2 …, $#, str($1).
 *
 * A parameter that reads as a number is an integer literal, any other a string literal; str($1) is
 * the text in both cases. The node becomes the literal, so nothing behind here knows parameters. */
#include "sema/sema_priv.h"

struct str sema_param_text(struct sema *s, unsigned n, bool *missing)
{
	*missing = n == 0 || n > s->in->params.n;
	return *missing ? STR("") : str_of(s->in->params.v[n - 1]);
}

static bool to_number(struct str t, uint64_t *value, bool *negative)
{
	unsigned long long v;

	*negative = t.n > 1 && t.p[0] == '-';
	if (*negative)
		t = (struct str){t.p + 1, t.n - 1};
	if (t.n > 2 && t.p[0] == '0' && (t.p[1] == 'b' || t.p[1] == 'B')) {
		v = 0;
		for (size_t i = 2; i < t.n; i++) {
			if ((t.p[i] != '0' && t.p[i] != '1') || v >> 63)
				return false;
			v = v << 1 | (t.p[i] == '1');
		}
	} else if (!str_to_u64(t, &v)) {
		return false;
	}
	if (*negative && v > (uint64_t)INT64_MAX + 1)
		return false;
	*value = *negative ? -v : v;
	return true;
}

static void warn_missing(struct sema *s, struct expr *e, unsigned n, const char *instead)
{
	bool was = s->resolving;

	s->resolving = true; /* the node is gone when the last round comes */
	diag_help(sema_report(s, W_PARAM, e->span, "the parameter $%u was not given: it is %s", n,
			      instead),
		  "put its value behind the script on the command line");
	s->resolving = was;
}

static void become_str(struct expr *e, struct str text)
{
	e->kind = EXPR_STR;
	e->str = text;
	e->sem = NULL;
	e->folded = false;
}

void sema_param(struct sema *s, struct expr *e)
{
	bool missing, negative = false;
	unsigned n = e->param;
	struct str text = sema_param_text(s, n, &missing);
	uint64_t value = 0;

	if (missing)
		warn_missing(s, e, n, "0");
	else if (!to_number(text, &value, &negative)) {
		become_str(e, text);
		return;
	}
	e->kind = EXPR_INT;
	e->num.is_unsigned = !negative && value > INT64_MAX;
	e->num.duration = false;
	e->folded = true;
	e->value = value;
	e->sem = negative ? (void *)sema_literal_mark : NULL;
}

/* The parameter and the number of characters to skip in `str($1)`, `str($1 + 2)`. */
static struct expr *param_of(struct expr *arg, uint64_t *skip)
{
	*skip = 0;
	if (arg->kind == EXPR_PARAM)
		return arg;
	if (arg->kind == EXPR_BINARY && arg->bin.op == BIN_ADD && arg->bin.l->kind == EXPR_PARAM &&
	    arg->bin.r->kind == EXPR_INT) {
		*skip = arg->bin.r->value;
		return arg->bin.l;
	}
	return NULL;
}

/* str($N) and str($N, length): true when the call became a string literal. */
bool sema_param_str(struct sema *s, struct expr *call)
{
	struct expr *p;
	struct str text;
	uint64_t skip;
	bool missing;

	if (!str_is(call->call.name, "str") || call->call.nargs < 1 || call->call.nargs > 2)
		return false;
	p = param_of(call->call.args[0], &skip);
	if (!p || (call->call.nargs == 2 && call->call.args[1]->kind != EXPR_INT))
		return false;
	text = sema_param_text(s, p->param, &missing);
	if (missing)
		warn_missing(s, p, p->param, "empty");
	skip = MIN(skip, text.n);
	text = (struct str){text.p + skip, text.n - skip};
	if (call->call.nargs == 2)
		text.n = MIN(text.n, call->call.args[1]->value);
	become_str(call, text);
	return true;
}
