/* The formatter (--fmt): from the tree back to text in the house style.
 *
 *   - tabs; one statement a line; `{` behind the probe, on a line of its own behind several attach
 *     points or a predicate; one blank line between probes, macros and functions
 *   - comments and single blank lines stay where they were
 *   - spellings stay as they were: BEGIN, args->x, parentheses, 0x10, 1e6
 *
 * Comments are not in the tree. They are printed when the text they stood in front of is: `comment`
 * is the next one to print, `pos` tells how far the source is printed.
 *
 *   a;  // x        behind `a;` on the same line: stays there
 *   // y            own line: printed on its own line before b
 *   b(1, // z       inside of a statement: moves to a line of its own before the statement
 *     2);
 *
 * Formatting twice changes nothing, and the tree of the result is the tree of the source.
 */
#include <stdlib.h>

#include "lang/lang_priv.h"

void format_newline(struct format *f, unsigned more)
{
	buf_addc(f->out, '\n');
	buf_fill(f->out, '\t', f->indent + more);
}

/* ---- comments and blank lines ------------------------------------------------------------- */

static const struct comment *pending(const struct format *f, uint32_t before)
{
	const struct comment *c;

	if (f->comment >= f->script->comments.n)
		return NULL;
	c = &f->script->comments.v[f->comment];
	return c->span.off < before ? c : NULL;
}

static void comment_text(struct format *f, const struct comment *c)
{
	struct str s = {f->text.p + c->span.off, c->span.len};

	buf_addstr(f->out, str_trim(s));
	f->pos = MAX(f->pos, c->span.off + c->span.len);
	f->comment++;
}

static bool is_line_comment(const struct format *f, const struct comment *c)
{
	return f->text.p[c->span.off + 1] == '/';
}

static unsigned newlines(const struct format *f, uint32_t from, uint32_t to)
{
	unsigned n = 0;

	for (uint32_t i = from; i < to; i++)
		n += f->text.p[i] == '\n';
	return n;
}

/* Comments that stand behind the source up to `end` on its last line. */
static void trailing(struct format *f, uint32_t end)
{
	const struct comment *c;
	bool line = false;

	f->pos = MAX(f->pos, end);
	while (!line && (c = pending(f, UINT32_MAX)) && c->span.off >= f->pos &&
	       !newlines(f, f->pos, c->span.off)) {
		buf_addc(f->out, ' ');
		line = is_line_comment(f, c);
		comment_text(f, c);
	}
}

/* The line in front of something at `off`: a blank one where the source had any. The first line of
 * a block or a script has none. */
static void start_line(struct format *f, uint32_t off, bool first, bool force_blank)
{
	if (!first && (force_blank || newlines(f, f->pos, off) > 1))
		buf_addc(f->out, '\n');
	if (f->out->n)
		format_newline(f, 0);
}

/* Starts the line of a node at `off`, after the comments that belong before it: those up to
 * `upto`, the end of what is printed of it on its first line. */
static void lead(struct format *f, uint32_t off, uint32_t upto, bool first, bool force_blank)
{
	const struct comment *c;

	while ((c = pending(f, upto))) {
		start_line(f, MIN(c->span.off, off), first, force_blank);
		comment_text(f, c);
		first = force_blank = false;
	}
	start_line(f, off, first, force_blank);
}

/* Comments that are left before `}` or the end of the script. */
static void rest(struct format *f, uint32_t upto, bool first)
{
	const struct comment *c;

	for (; (c = pending(f, upto)); first = false) {
		start_line(f, c->span.off, first, false);
		comment_text(f, c);
	}
}

/* ---- statements --------------------------------------------------------------------------- */

static void find_block(void *arg, struct expr *e)
{
	uint32_t *off = arg;

	if (e->kind == EXPR_BLOCK)
		*off = MIN(*off, e->block->span.off);
	if (e->kind == EXPR_IF)
		*off = MIN(*off, e->cond.yes->span.off);
}

static uint32_t first_block(struct expr *e, uint32_t off)
{
	ast_walk_expr(e, find_block, &off);
	return off;
}

/* The end of a statement's first part: where its first block begins, or its own end. */
static uint32_t header_end(const struct stmt *s)
{
	uint32_t end = s->span.off + s->span.len;

	switch (s->kind) {
	case STMT_EXPR:
	case STMT_DISCARD:
	case STMT_RETURN:
		return first_block(s->expr, end);
	case STMT_LET:
		return first_block(s->let.value, end);
	case STMT_ASSIGN:
		return first_block(s->assign.value, first_block(s->assign.lhs, end));
	case STMT_FOR_MAP:
	case STMT_FOR_RANGE:
		end = MIN(end, s->loop.body->span.off);
		return first_block(s->loop.to, first_block(s->loop.from, end));
	case STMT_WHILE:
	case STMT_UNROLL:
		return first_block(s->repeat.cond, MIN(end, s->repeat.body->span.off));
	default:
		return end;
	}
}

static void let(struct format *f, const struct stmt *s)
{
	buf_printf(f->out, "let $%.*s", STR_ARG(s->let.name));
	if (s->let.type) {
		buf_adds(f->out, " : ");
		format_type(f, s->let.type);
	}
	if (s->let.value) {
		buf_adds(f->out, " = ");
		format_long(f, s->let.value);
	}
}

static void for_loop(struct format *f, const struct stmt *s)
{
	buf_printf(f->out, "for %s$%.*s : ", s->loop.parens ? "(" : "", STR_ARG(s->loop.var));
	if (s->kind == STMT_FOR_MAP) {
		format_expr(f, s->loop.map);
	} else {
		format_expr(f, s->loop.from);
		buf_adds(f->out, "..");
		format_expr(f, s->loop.to);
	}
	buf_adds(f->out, s->loop.parens ? ") " : " ");
	format_block(f, s->loop.body);
}

static void repeat(struct format *f, const struct stmt *s, const char *word)
{
	buf_adds(f->out, word);
	format_expr(f, s->repeat.cond);
	buf_addc(f->out, ' ');
	format_block(f, s->repeat.body);
}

static void assign(struct format *f, const struct stmt *s)
{
	format_expr(f, s->assign.lhs);
	buf_printf(f->out, " %s= ", s->assign.compound ? binary_op_text(s->assign.op) : "");
	format_long(f, s->assign.value);
}

/* The path of an import in the quotes and escapes it was written with. */
static void import_path(struct format *f, struct span s)
{
	const char *text = f->text.p + s.off;
	const char *open = memchr(text, '"', s.len), *close = memrchr(text, '"', s.len);

	buf_adds(f->out, "import ");
	buf_add(f->out, open, (size_t)(close + 1 - open));
}

/* Returns whether a `;` follows. */
static bool stmt_text(struct format *f, const struct stmt *s)
{
	switch (s->kind) {
	case STMT_EXPR:
		format_long(f, s->expr);
		return s->expr->parens || (s->expr->kind != EXPR_IF && s->expr->kind != EXPR_BLOCK);
	case STMT_LET:
		let(f, s);
		return true;
	case STMT_ASSIGN:
		assign(f, s);
		return true;
	case STMT_DISCARD:
		buf_adds(f->out, "_ = ");
		format_long(f, s->expr);
		return true;
	case STMT_FOR_MAP:
	case STMT_FOR_RANGE:
		for_loop(f, s);
		return false;
	case STMT_WHILE:
		repeat(f, s, "while ");
		return false;
	case STMT_UNROLL:
		repeat(f, s, "unroll ");
		return false;
	case STMT_BREAK:
		buf_adds(f->out, "break");
		return true;
	case STMT_CONTINUE:
		buf_adds(f->out, "continue");
		return true;
	case STMT_RETURN:
		buf_adds(f->out, s->expr ? "return " : "return");
		if (s->expr)
			format_long(f, s->expr);
		return true;
	case STMT_IMPORT:
		import_path(f, s->span);
		return true;
	}
	return false;
}

/* `{ 1 }`: nothing but a simple value, and no comments. */
static bool is_short(const struct format *f, const struct block *b)
{
	return !b->n && b->value && b->value->kind != EXPR_IF && b->value->kind != EXPR_BLOCK &&
	       first_block(b->value, UINT32_MAX) == UINT32_MAX &&
	       !pending(f, b->span.off + b->span.len);
}

static void block_lines(struct format *f, const struct block *b)
{
	uint32_t end = b->span.off + b->span.len - 1;

	f->indent++;
	trailing(f, b->span.off + 1);
	for (size_t i = 0; i < b->n; i++) {
		const struct stmt *s = b->stmts[i];

		lead(f, s->span.off, header_end(s), i == 0, false);
		if (stmt_text(f, s))
			buf_addc(f->out, ';');
		trailing(f, s->span.off + s->span.len);
	}
	if (b->value) {
		struct span s = b->value->span;

		lead(f, s.off, first_block(b->value, s.off + s.len), b->n == 0, false);
		format_long(f, b->value);
		trailing(f, s.off + s.len);
	}
	rest(f, end, !b->n && !b->value);
	f->indent--;
}

void format_block(struct format *f, const struct block *b)
{
	uint32_t end = b->span.off + b->span.len;
	bool empty = !b->n && !b->value && !pending(f, end);

	if (empty) {
		buf_adds(f->out, "{}");
	} else if (is_short(f, b)) {
		buf_adds(f->out, "{ ");
		format_expr(f, b->value);
		buf_adds(f->out, " }");
	} else {
		buf_addc(f->out, '{');
		block_lines(f, b);
		format_newline(f, 0);
		buf_addc(f->out, '}');
	}
	f->pos = MAX(f->pos, end);
}

/* ---- top level ---------------------------------------------------------------------------- */

enum node_kind { NODE_C, NODE_CONFIG, NODE_IMPORT, NODE_ITEM };

struct node {
	uint32_t off, end, header; /* where its first block begins */
	enum node_kind kind;
	size_t index;
	bool spacious; /* stands between blank lines */
};

static void attach_points(struct format *f, const struct probe_decl *p)
{
	for (size_t i = 0; i < p->naps; i++) {
		if (i) {
			buf_addc(f->out, ',');
			format_newline(f, 0);
		}
		if (p->aps[i].label.n)
			buf_printf(f->out, "%.*s=", STR_ARG(p->aps[i].label));
		buf_addstr(f->out, p->aps[i].text);
	}
}

static void probe(struct format *f, const struct probe_decl *p)
{
	size_t before;

	attach_points(f, p);
	if (p->pred) {
		format_newline(f, 0);
		buf_addc(f->out, '/');
		before = f->out->n;
		format_long(f, p->pred);
		/* A predicate must not begin a comment. */
		if (f->out->p[before] == '*') {
			f->out->n = before;
			buf_addc(f->out, ' ');
			format_long(f, p->pred);
		}
		buf_addc(f->out, '/');
	}
	if (p->pred || p->naps > 1)
		format_newline(f, 0);
	else
		buf_addc(f->out, ' ');
	format_block(f, p->body);
}

static void macro(struct format *f, const struct macro_decl *m)
{
	static const char *const sigils[] = {"$", "@", ""};

	buf_printf(f->out, "macro %.*s(", STR_ARG(m->name));
	for (size_t i = 0; i < m->nparams; i++)
		buf_printf(f->out, "%s%s%.*s", i ? ", " : "", sigils[m->params[i].kind],
			   STR_ARG(m->params[i].name));
	buf_adds(f->out, ") ");
	format_block(f, m->body);
}

static void function(struct format *f, const struct fn_decl *fn)
{
	buf_printf(f->out, "fn %.*s(", STR_ARG(fn->name));
	for (size_t i = 0; i < fn->nparams; i++) {
		buf_printf(f->out, "%s$%.*s : ", i ? ", " : "", STR_ARG(fn->params[i].name));
		format_type(f, fn->params[i].type);
	}
	buf_adds(f->out, ") : ");
	format_type(f, fn->result);
	buf_addc(f->out, ' ');
	format_block(f, fn->body);
}

static void map_decl(struct format *f, const struct map_decl *m)
{
	buf_printf(f->out, "let @%.*s = %.*s(", STR_ARG(m->name), STR_ARG(m->kind));
	if (m->has_entries)
		buf_addu64(f->out, m->entries);
	buf_adds(f->out, ");");
}

static void config(struct format *f)
{
	const struct script *s = f->script;
	uint32_t end = s->config_span.off + s->config_span.len;

	buf_adds(f->out, "config = {");
	f->indent++;
	trailing(f, s->config_span.off + 1);
	for (size_t i = 0; i < s->config.n; i++) {
		const struct config_entry *e = &s->config.v[i];

		lead(f, e->span.off, e->span.off + e->span.len, i == 0, false);
		buf_printf(f->out, "%.*s = %.*s;", STR_ARG(e->name), (int)e->value_span.len,
			   f->text.p + e->value_span.off);
		trailing(f, e->span.off + e->span.len);
	}
	rest(f, end - 1, s->config.n == 0);
	f->indent--;
	format_newline(f, 0);
	buf_addc(f->out, '}');
}

static void item(struct format *f, const struct script_item *it)
{
	switch (it->kind) {
	case ITEM_PROBE:
		probe(f, &f->script->probes.v[it->index]);
		break;
	case ITEM_MACRO:
		macro(f, &f->script->macros.v[it->index]);
		break;
	case ITEM_FN:
		function(f, &f->script->fns.v[it->index]);
		break;
	case ITEM_MAP:
		map_decl(f, &f->script->maps.v[it->index]);
		break;
	}
}

static void node_text(struct format *f, const struct node *n)
{
	const struct script *s = f->script;

	switch (n->kind) {
	case NODE_C:
		buf_addstr(f->out, s->c_defs.v[n->index].text);
		break;
	case NODE_CONFIG:
		config(f);
		break;
	case NODE_IMPORT:
		import_path(f, s->imports.v[n->index].span);
		buf_addc(f->out, ';');
		break;
	case NODE_ITEM:
		item(f, &s->items.v[n->index]);
		break;
	}
}

struct nodes {
	struct node *v;
	size_t n, cap;
};

static void add_node(struct nodes *v, enum node_kind kind, size_t index, struct span s)
{
	uint32_t end = s.off + s.len;

	hvec_push(v, (struct node){s.off, end, end, kind, index, false});
}

static void add_item(struct nodes *v, const struct script *s, size_t index)
{
	const struct script_item *it = &s->items.v[index];
	const struct block *body = NULL;
	struct span span = s->file == UINT32_MAX ? NO_SPAN : s->span;
	struct expr *pred = NULL;

	switch (it->kind) {
	case ITEM_PROBE:
		span = s->probes.v[it->index].span;
		body = s->probes.v[it->index].body;
		pred = s->probes.v[it->index].pred;
		break;
	case ITEM_MACRO:
		span = s->macros.v[it->index].span;
		body = s->macros.v[it->index].body;
		break;
	case ITEM_FN:
		span = s->fns.v[it->index].span;
		body = s->fns.v[it->index].body;
		break;
	case ITEM_MAP:
		span = s->maps.v[it->index].span;
		break;
	}
	add_node(v, NODE_ITEM, index, span);
	if (!body)
		return;
	v->v[v->n - 1].spacious = true;
	v->v[v->n - 1].header = first_block(pred, body->span.off);
}

static int compare_nodes(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return x->off < y->off ? -1 : x->off > y->off;
}

static struct nodes collect(const struct script *s)
{
	struct nodes v = {NULL, 0, 0};

	for (size_t i = 0; i < s->c_defs.n; i++)
		add_node(&v, NODE_C, i, s->c_defs.v[i].span);
	for (size_t i = 0; i < s->imports.n; i++)
		add_node(&v, NODE_IMPORT, i, s->imports.v[i].span);
	for (size_t i = 0; i < s->items.n; i++)
		add_item(&v, s, i);
	if (s->has_config) {
		add_node(&v, NODE_CONFIG, 0, s->config_span);
		v.v[v.n - 1].header = s->config_span.off;
	}
	if (v.n)
		qsort(v.v, v.n, sizeof(*v.v), compare_nodes);
	return v;
}

void lang_format(const struct script *s, const struct diag *d, struct buf *out)
{
	struct buf b = BUF_INIT;
	struct format f = {.script = s, .text = diag_source_text(d, s->file), .out = &b};
	struct nodes v = collect(s);
	bool first = s->shebang.n == 0;

	buf_addstr(&b, s->shebang);
	f.pos = (uint32_t)s->shebang.n;
	for (size_t i = 0; i < v.n; i++) {
		const struct node *n = &v.v[i];
		bool blank = i > 0 && (n->spacious || v.v[i - 1].spacious);

		lead(&f, n->off, n->header, first, blank);
		node_text(&f, n);
		trailing(&f, n->end);
		first = false;
	}
	rest(&f, UINT32_MAX, first);
	if (b.n)
		buf_addc(&b, '\n');
	buf_addstr(out, (struct str){buf_cstr(&b), b.n});
	buf_release(&b);
	vec_free_heap(v.v);
}
