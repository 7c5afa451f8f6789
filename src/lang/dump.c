/* The dump of the tree (-d ast): one node a line, children indented by two blanks below it.
 *
 *   probe begin
 *     assign +=
 *       map @x
 *         var $k
 *       int 1
 *
 * It shows what the tree means, not how it was written: parentheses, comments and the spelling of
 * numbers are not in it (the arrow of `->` is), so two scripts with one dump are the same script.
 * With types, `: type` follows an expression.
 */
#include <stdlib.h>

#include "lang/lang_priv.h"

struct dump {
	struct buf *out;
	struct arena *arena;
	const char *(*type_text)(struct arena *, const struct type *);
	unsigned depth;
};

static void dump_expr(struct dump *d, struct expr *e);
static void dump_block(struct dump *d, struct block *b);
static void dump_type(struct dump *d, struct type_name *t);

static void part_expr(void *arg, struct expr **e)
{
	dump_expr(arg, *e);
}

static void part_block(void *arg, struct block **b)
{
	dump_block(arg, *b);
}

static void part_type(void *arg, struct type_name **t)
{
	dump_type(arg, *t);
}

static struct ast_parts parts(struct dump *d)
{
	return (struct ast_parts){part_expr, part_block, part_type, d};
}

static void indent(struct dump *d)
{
	buf_fill(d->out, ' ', d->depth * 2);
}

static void line(struct dump *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line(struct dump *d, const char *fmt, ...)
{
	va_list ap;

	indent(d);
	va_start(ap, fmt);
	buf_vprintf(d->out, fmt, ap);
	va_end(ap);
	buf_addc(d->out, '\n');
}

/* A node with a text of the script, which may hold anything. */
static void quoted(struct dump *d, const char *what, struct str s)
{
	indent(d);
	buf_printf(d->out, "%s ", what);
	buf_add_json_str(d->out, s);
	buf_addc(d->out, '\n');
}

static void dump_type(struct dump *d, struct type_name *t)
{
	struct ast_parts each = parts(d);
	static const char *const tags[] = {"", "struct ", "union ", "enum ", "typeof"};

	indent(d);
	buf_printf(d->out, "type %s%.*s", tags[t->tag], STR_ARG(t->name));
	for (size_t i = 0; i < t->nsuffixes; i++) {
		const struct type_suffix *s = &t->suffixes[i];

		if (s->kind == SUFFIX_PTR)
			buf_addc(d->out, '*');
		else if (s->open)
			buf_adds(d->out, "[]");
		else
			buf_printf(d->out, "[%" PRIu64 "]", s->count);
	}
	buf_addc(d->out, '\n');
	d->depth++;
	ast_parts_of_type(t, &each);
	d->depth--;
}

/* The node itself, without the end of the line. */
static void dump_head(struct dump *d, const struct expr *e)
{
	struct buf *out = d->out;

	switch (e->kind) {
	case EXPR_INT:
		buf_printf(out, "int %" PRIu64 "%s", e->value, e->num.duration ? " ns" : "");
		break;
	case EXPR_STR:
		buf_adds(out, "str ");
		buf_add_json_str(out, e->str);
		break;
	case EXPR_BOOL:
		buf_printf(out, "bool %s", e->value ? "true" : "false");
		break;
	case EXPR_VAR:
		buf_printf(out, "var $%.*s", STR_ARG(e->ident.name));
		break;
	case EXPR_PARAM:
		buf_printf(out, "param $%u", e->param);
		break;
	case EXPR_NPARAMS:
		buf_adds(out, "param $#");
		break;
	case EXPR_MAP:
		buf_printf(out, "map @%.*s", STR_ARG(e->map.name));
		break;
	case EXPR_IDENT:
		buf_printf(out, "ident %.*s", STR_ARG(e->ident.name));
		break;
	case EXPR_CALL:
		buf_printf(out, "call %.*s", STR_ARG(e->call.name));
		break;
	case EXPR_UNARY:
		buf_printf(out, "unary %s", unary_op_text(e->un.op));
		break;
	case EXPR_INCDEC:
		buf_printf(out, "%s %s", e->incdec.prefix ? "prefix" : "postfix",
			   e->incdec.dec ? "--" : "++");
		break;
	case EXPR_BINARY:
		buf_printf(out, "binary %s", binary_op_text(e->bin.op));
		break;
	case EXPR_TERNARY:
		buf_adds(out, e->tern.yes ? "ternary" : "ternary ?:");
		break;
	case EXPR_FIELD:
		buf_printf(out, "field %s%.*s", e->field.arrow ? "->" : ".",
			   STR_ARG(e->field.name));
		break;
	case EXPR_ELEM:
		buf_printf(out, "elem .%u", e->field.elem);
		break;
	case EXPR_INDEX:
		buf_adds(out, "index");
		break;
	case EXPR_CAST:
		buf_adds(out, "cast");
		break;
	case EXPR_TUPLE:
		buf_adds(out, "tuple");
		break;
	case EXPR_RECORD:
		buf_adds(out, "record");
		break;
	case EXPR_SIZEOF:
		buf_adds(out, "sizeof");
		break;
	case EXPR_OFFSETOF:
	case EXPR_CONTAINER:
		buf_adds(out, e->kind == EXPR_OFFSETOF ? "offsetof" : "container_of");
		for (size_t i = 0; i < e->meta.npath; i++)
			buf_printf(out, "%s%.*s", i ? "." : " ", STR_ARG(e->meta.path[i]));
		break;
	case EXPR_TYPEINFO:
		buf_adds(out, "typeinfo");
		break;
	case EXPR_COMPTIME:
		buf_adds(out, "comptime");
		break;
	case EXPR_IF:
		buf_adds(out, "if");
		break;
	case EXPR_BLOCK:
		buf_adds(out, "block");
		break;
	case EXPR_TYPE:
		buf_adds(out, "typearg");
		break;
	}
}

/* The parts of a record with their names. */
static void dump_fields(struct dump *d, const struct expr *e)
{
	for (size_t i = 0; i < e->record.n; i++) {
		line(d, "set %.*s", STR_ARG(e->record.fields[i].name));
		d->depth++;
		dump_expr(d, e->record.fields[i].value);
		d->depth--;
	}
}

static void dump_expr(struct dump *d, struct expr *e)
{
	struct ast_parts each = parts(d);

	if (!e)
		return;
	indent(d);
	dump_head(d, e);
	if (d->type_text && e->type)
		buf_printf(d->out, " : %s", d->type_text(d->arena, e->type));
	buf_addc(d->out, '\n');
	d->depth++;
	if (e->kind == EXPR_RECORD)
		dump_fields(d, e);
	else
		ast_parts_of_expr(e, &each);
	d->depth--;
}

static void dump_stmt_head(struct dump *d, const struct stmt *s)
{
	static const char *const names[] = {
		[STMT_EXPR] = "expr",     [STMT_DISCARD] = "discard", [STMT_WHILE] = "while",
		[STMT_UNROLL] = "unroll", [STMT_BREAK] = "break",     [STMT_CONTINUE] = "continue",
		[STMT_RETURN] = "return",
	};

	switch (s->kind) {
	case STMT_LET:
		line(d, "let $%.*s", STR_ARG(s->let.name));
		break;
	case STMT_ASSIGN:
		line(d, "assign %s=", s->assign.compound ? binary_op_text(s->assign.op) : "");
		break;
	case STMT_FOR_MAP:
	case STMT_FOR_RANGE:
		line(d, "for $%.*s", STR_ARG(s->loop.var));
		break;
	case STMT_IMPORT:
		quoted(d, "import", s->import);
		break;
	default:
		line(d, "%s", names[s->kind]);
	}
}

static void dump_stmt(struct dump *d, struct stmt *s)
{
	struct ast_parts each = parts(d);

	dump_stmt_head(d, s);
	d->depth++;
	ast_parts_of_stmt(s, &each);
	d->depth--;
}

static void dump_block(struct dump *d, struct block *b)
{
	if (!b)
		return;
	line(d, "do");
	d->depth++;
	for (size_t i = 0; i < b->n; i++)
		dump_stmt(d, b->stmts[i]);
	if (b->value) {
		line(d, "value");
		d->depth++;
		dump_expr(d, b->value);
		d->depth--;
	}
	d->depth--;
}

/* ---- items -------------------------------------------------------------------------------- */

static void dump_probe(struct dump *d, const struct probe_decl *p)
{
	line(d, "probe");
	d->depth++;
	for (size_t i = 0; i < p->naps; i++) {
		if (p->aps[i].label.n)
			quoted(d, "label", p->aps[i].label);
		quoted(d, "at", p->aps[i].text);
	}
	if (p->pred) {
		line(d, "when");
		d->depth++;
		dump_expr(d, p->pred);
		d->depth--;
	}
	dump_block(d, p->body);
	d->depth--;
}

static void dump_macro(struct dump *d, const struct macro_decl *m)
{
	static const char *const sigils[] = {"$", "@", ""};

	line(d, "macro %.*s", STR_ARG(m->name));
	d->depth++;
	for (size_t i = 0; i < m->nparams; i++)
		line(d, "param %s%.*s", sigils[m->params[i].kind], STR_ARG(m->params[i].name));
	dump_block(d, m->body);
	d->depth--;
}

static void dump_fn(struct dump *d, const struct fn_decl *f)
{
	line(d, "fn %.*s", STR_ARG(f->name));
	d->depth++;
	for (size_t i = 0; i < f->nparams; i++) {
		line(d, "param $%.*s", STR_ARG(f->params[i].name));
		dump_type(d, f->params[i].type);
	}
	dump_type(d, f->result);
	dump_block(d, f->body);
	d->depth--;
}

static void dump_map(struct dump *d, const struct map_decl *m)
{
	if (m->has_entries)
		line(d, "declare @%.*s %.*s %" PRIu64, STR_ARG(m->name), STR_ARG(m->kind),
		     m->entries);
	else
		line(d, "declare @%.*s %.*s", STR_ARG(m->name), STR_ARG(m->kind));
}

static void dump_config(struct dump *d, const struct config_entry *c)
{
	indent(d);
	buf_printf(d->out, "config %.*s ", STR_ARG(c->name));
	switch (c->kind) {
	case CONFIG_STR:
		buf_add_json_str(d->out, c->text);
		break;
	case CONFIG_INT:
		buf_addu64(d->out, c->num);
		break;
	case CONFIG_BOOL:
		buf_adds(d->out, c->num ? "true" : "false");
		break;
	case CONFIG_IDENT:
		buf_addstr(d->out, c->text);
		break;
	}
	buf_addc(d->out, '\n');
}

static void dump_item(struct dump *d, const struct script *s, const struct script_item *it)
{
	switch (it->kind) {
	case ITEM_PROBE:
		dump_probe(d, &s->probes.v[it->index]);
		break;
	case ITEM_MACRO:
		dump_macro(d, &s->macros.v[it->index]);
		break;
	case ITEM_FN:
		dump_fn(d, &s->fns.v[it->index]);
		break;
	case ITEM_MAP:
		dump_map(d, &s->maps.v[it->index]);
		break;
	}
}

void lang_dump(const struct script *s,
	       const char *(*type_text)(struct arena *, const struct type *), struct arena *a,
	       struct buf *out)
{
	struct dump d = {.out = out, .arena = a, .type_text = type_text};

	for (size_t i = 0; i < s->c_defs.n; i++)
		quoted(&d, s->c_defs.v[i].kind == C_TYPE ? "c" : "cpp", s->c_defs.v[i].text);
	for (size_t i = 0; i < s->config.n; i++)
		dump_config(&d, &s->config.v[i]);
	for (size_t i = 0; i < s->imports.n; i++)
		quoted(&d, "import", s->imports.v[i].path);
	for (size_t i = 0; i < s->items.n; i++)
		dump_item(&d, s, &s->items.v[i]);
}
