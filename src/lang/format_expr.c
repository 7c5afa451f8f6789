/* The formatter's expressions and types. Literals are copied as they were written; parentheses of
 * the author are kept, and added where the tree needs them (it does after macros were expanded).
 *
 * Lines are broken in two places only: between the arguments of a call that is a whole statement or
 * the whole right side, and before && and || of such a chain.
 *
 *   printf("%s %d %d\n", comm, pid,
 *                   args.something);
 */
#include <stdlib.h>

#include "lang/lang_priv.h"

#define LINE_WIDTH 100
#define TAB_WIDTH  8

enum { PREC_TERNARY = 0, PREC_UNARY = 11, PREC_POSTFIX = 12, PREC_PRIMARY = 13 };

static int prec_of(const struct expr *e)
{
	switch (e->kind) {
	case EXPR_TERNARY:
		return PREC_TERNARY;
	case EXPR_BINARY:
		return binary_op_prec(e->bin.op);
	case EXPR_UNARY:
	case EXPR_CAST:
	case EXPR_COMPTIME:
		return PREC_UNARY;
	case EXPR_INCDEC:
		return e->incdec.prefix ? PREC_UNARY : PREC_POSTFIX;
	case EXPR_FIELD:
	case EXPR_ELEM:
	case EXPR_INDEX:
		return PREC_POSTFIX;
	default:
		return PREC_PRIMARY;
	}
}

static void format_bare(struct format *f, const struct expr *e);

/* An operand of something that binds as tightly as `prec`. */
static void operand(struct format *f, const struct expr *e, int prec)
{
	bool parens = e->parens || prec_of(e) < prec;

	if (parens)
		buf_addc(f->out, '(');
	format_bare(f, e);
	if (parens)
		buf_addc(f->out, ')');
}

void format_expr(struct format *f, const struct expr *e)
{
	operand(f, e, PREC_TERNARY);
}

static void list(struct format *f, struct expr *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_adds(f->out, ", ");
		format_expr(f, v[i]);
	}
}

static void source(struct format *f, struct span s)
{
	buf_add(f->out, f->text.p + s.off, s.len);
}

void format_type(struct format *f, const struct type_name *t)
{
	static const char *const tags[] = {"", "struct ", "union ", "enum ", "typeof("};

	buf_adds(f->out, tags[t->tag]);
	if (t->of)
		format_expr(f, t->of);
	else if (t->of_type)
		format_type(f, t->of_type);
	else
		buf_addstr(f->out, t->name);
	if (t->tag == TAG_TYPEOF)
		buf_addc(f->out, ')');
	for (size_t i = 0; i < t->nsuffixes; i++) {
		const struct type_suffix *s = &t->suffixes[i];
		bool after_name = i == 0 && t->tag != TAG_NONE;

		if (s->kind == SUFFIX_PTR)
			buf_adds(f->out, after_name ? " *" : "*");
		else if (s->open)
			buf_adds(f->out, "[]");
		else
			buf_printf(f->out, "[%" PRIu64 "]", s->count);
	}
}

/* - - x and - --x must not become --x. */
static void unary(struct format *f, const struct expr *e)
{
	const struct expr *sub = e->un.e;

	buf_adds(f->out, unary_op_text(e->un.op));
	if (e->un.op == UN_NEG && !sub->parens &&
	    ((sub->kind == EXPR_UNARY && sub->un.op == UN_NEG) ||
	     (sub->kind == EXPR_INCDEC && sub->incdec.prefix && sub->incdec.dec)))
		buf_addc(f->out, ' ');
	operand(f, sub, PREC_UNARY);
}

static void incdec(struct format *f, const struct expr *e)
{
	const char *op = e->incdec.dec ? "--" : "++";

	if (e->incdec.prefix)
		buf_adds(f->out, op);
	operand(f, e->incdec.e, e->incdec.prefix ? PREC_UNARY : PREC_POSTFIX);
	if (!e->incdec.prefix)
		buf_adds(f->out, op);
}

static void binary(struct format *f, const struct expr *e)
{
	int prec = binary_op_prec(e->bin.op);

	operand(f, e->bin.l, prec);
	buf_printf(f->out, " %s ", binary_op_text(e->bin.op));
	operand(f, e->bin.r, prec + 1);
}

static void ternary(struct format *f, const struct expr *e)
{
	operand(f, e->tern.cond, 1);
	buf_adds(f->out, e->tern.yes ? " ? " : " ?: ");
	if (e->tern.yes) {
		format_expr(f, e->tern.yes);
		buf_adds(f->out, " : ");
	}
	format_expr(f, e->tern.no);
}

static void member(struct format *f, const struct expr *e)
{
	operand(f, e->field.e, PREC_POSTFIX);
	buf_adds(f->out, e->field.arrow ? "->" : ".");
	if (e->kind == EXPR_ELEM)
		buf_addu64(f->out, e->field.elem);
	else
		buf_addstr(f->out, e->field.name);
}

static void record(struct format *f, const struct expr *e)
{
	const char *equals = e->record.named ? "=" : " = ";

	buf_adds(f->out, e->record.named ? "" : "(");
	for (size_t i = 0; i < e->record.n; i++) {
		const struct record_field *field = &e->record.fields[i];

		buf_printf(f->out, "%s%.*s", i ? ", " : "", STR_ARG(field->name));
		if (field->bare)
			continue;
		buf_adds(f->out, equals);
		format_expr(f, field->value);
	}
	buf_adds(f->out, e->record.named ? "" : ")");
}

static void meta(struct format *f, const struct expr *e)
{
	buf_adds(f->out, e->kind == EXPR_SIZEOF      ? "sizeof("
			 : e->kind == EXPR_OFFSETOF  ? "offsetof("
			 : e->kind == EXPR_CONTAINER ? "container_of("
						     : "typeinfo(");
	if (e->meta.of)
		format_expr(f, e->meta.of);
	if (e->kind == EXPR_CONTAINER)
		buf_adds(f->out, ", ");
	if (e->meta.of_type)
		format_type(f, e->meta.of_type);
	for (size_t i = 0; i < e->meta.npath; i++)
		buf_printf(f->out, "%s%.*s", i ? "." : ", ", STR_ARG(e->meta.path[i]));
	buf_addc(f->out, ')');
}

static void if_expr(struct format *f, const struct expr *e)
{
	buf_adds(f->out, "if ");
	format_expr(f, e->cond.cond);
	buf_addc(f->out, ' ');
	format_block(f, e->cond.yes);
	if (!e->cond.no)
		return;
	buf_adds(f->out, " else ");
	format_expr(f, e->cond.no);
}

static void map(struct format *f, const struct expr *e)
{
	buf_printf(f->out, "@%.*s", STR_ARG(e->map.name));
	if (!e->map.nkeys)
		return;
	buf_addc(f->out, '[');
	list(f, e->map.keys, e->map.nkeys);
	buf_addc(f->out, ']');
}

static void format_bare(struct format *f, const struct expr *e)
{
	switch (e->kind) {
	case EXPR_INT:
	case EXPR_STR:
	case EXPR_BOOL:
		source(f, e->span);
		break;
	case EXPR_VAR:
		buf_printf(f->out, "$%.*s", STR_ARG(e->ident.name));
		break;
	case EXPR_PARAM:
		buf_printf(f->out, "$%u", e->param);
		break;
	case EXPR_NPARAMS:
		buf_adds(f->out, "$#");
		break;
	case EXPR_MAP:
		map(f, e);
		break;
	case EXPR_IDENT:
		buf_addstr(f->out, e->ident.name);
		break;
	case EXPR_CALL:
		buf_printf(f->out, "%.*s(", STR_ARG(e->call.name));
		list(f, e->call.args, e->call.nargs);
		buf_addc(f->out, ')');
		break;
	case EXPR_UNARY:
		unary(f, e);
		break;
	case EXPR_INCDEC:
		incdec(f, e);
		break;
	case EXPR_BINARY:
		binary(f, e);
		break;
	case EXPR_TERNARY:
		ternary(f, e);
		break;
	case EXPR_FIELD:
	case EXPR_ELEM:
		member(f, e);
		break;
	case EXPR_INDEX:
		operand(f, e->index.e, PREC_POSTFIX);
		buf_addc(f->out, '[');
		format_expr(f, e->index.index);
		buf_addc(f->out, ']');
		break;
	case EXPR_CAST:
		buf_addc(f->out, '(');
		format_type(f, e->cast.to);
		buf_addc(f->out, ')');
		operand(f, e->cast.e, PREC_UNARY);
		break;
	case EXPR_TUPLE:
		buf_addc(f->out, '(');
		list(f, e->tuple.items, e->tuple.n);
		buf_adds(f->out, e->tuple.n == 1 ? ",)" : ")");
		break;
	case EXPR_RECORD:
		record(f, e);
		break;
	case EXPR_SIZEOF:
	case EXPR_OFFSETOF:
	case EXPR_TYPEINFO:
	case EXPR_CONTAINER:
		meta(f, e);
		break;
	case EXPR_COMPTIME:
		buf_adds(f->out, "comptime ");
		operand(f, e->sub, PREC_UNARY);
		break;
	case EXPR_IF:
		if_expr(f, e);
		break;
	case EXPR_BLOCK:
		format_block(f, e->block);
		break;
	case EXPR_TYPE:
		format_type(f, e->meta.of_type);
		break;
	}
}

/* ---- long lines --------------------------------------------------------------------------- */

/* The column behind the last character; counting stops when it is clear that it is too many. */
static size_t column(const struct format *f)
{
	size_t start = f->out->n, n = 0;

	while (start > 0 && f->out->p[start - 1] != '\n')
		start--;
	for (size_t i = start; i < f->out->n; i++)
		n = f->out->p[i] == '\t' ? ALIGN_UP(n + 1, TAB_WIDTH) : n + 1;
	return n;
}

static void cut(struct format *f, size_t n)
{
	f->out->n = n;
	f->out->p[n] = 0;
}

/* An item of a broken list: on this line if it fits with the two characters that may follow. */
static void fill(struct format *f, const struct expr *e, int prec, const char *sep)
{
	size_t before = f->out->n;

	buf_adds(f->out, sep);
	operand(f, e, prec);
	if (column(f) + 2 <= LINE_WIDTH)
		return;
	cut(f, before);
	format_newline(f, 2);
	buf_adds(f->out, sep[0] == ' ' ? sep + 1 : sep);
	operand(f, e, prec);
}

static void broken_call(struct format *f, const struct expr *e)
{
	buf_printf(f->out, "%.*s(", STR_ARG(e->call.name));
	for (size_t i = 0; i < e->call.nargs; i++) {
		fill(f, e->call.args[i], PREC_TERNARY, i ? " " : "");
		if (i + 1 < e->call.nargs)
			buf_addc(f->out, ',');
	}
	buf_addc(f->out, ')');
}

static bool same_chain(const struct expr *e, enum binary_op op)
{
	return e->kind == EXPR_BINARY && e->bin.op == op && !e->parens;
}

/* a && b && c leans to the left: the operands are found from the right. */
static void broken_chain(struct format *f, const struct expr *e)
{
	enum binary_op op = e->bin.op;
	VEC(const struct expr *) v = {NULL, 0, 0};
	int prec = binary_op_prec(op);
	const char *sep = op == BIN_LAND ? " && " : " || ";

	for (; same_chain(e, op); e = e->bin.l)
		hvec_push(&v, e->bin.r);
	operand(f, e, prec);
	for (size_t i = v.n; i-- > 0;)
		fill(f, v.v[i], prec + 1, sep);
	hvec_release(&v);
}

void format_long(struct format *f, const struct expr *e)
{
	size_t before = f->out->n;
	bool breakable = !e->parens && (e->kind == EXPR_CALL || same_chain(e, BIN_LAND) ||
					same_chain(e, BIN_LOR));

	format_expr(f, e);
	/* What holds a block has line ends of its own already. */
	if (!breakable || memchr(f->out->p + before, '\n', f->out->n - before) ||
	    column(f) + 2 <= LINE_WIDTH)
		return;
	cut(f, before);
	if (e->kind == EXPR_CALL)
		broken_call(f, e);
	else
		broken_chain(f, e);
}
