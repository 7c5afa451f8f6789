/* Attach points: raw text in front of a probe's predicate or block.
 *
 *   probe := ap { ',' ap } [','] [ '/' expr '/' ] block
 *   ap    := [ name '=' ] text
 *
 * The text goes up to white space, `,` or `{` outside of "…". A `/` in it is a part of it
 * (uprobe:/bin/bash:readline) unless no ':' came before: then it begins the predicate
 * (begin/pid == 1/). The text is split at ':' outside of quotes:
 *
 *   x=uprobe:./a:cpp:"f(int, char)"   →   label x, parts │uprobe│./a│cpp│f(int, char)│
 *                                                  quoted no     no  no  yes
 */
#include <stdlib.h>

#include "lang/lang_priv.h"

static bool ends_text(char c)
{
	return c == 0 || c == ',' || c == '{' || c == ' ' || (c >= '\t' && c <= '\r');
}

/* The offset behind a quoted piece that begins at `i`; the end of the line when it is not closed.
 */
static uint32_t quoted_end(struct parser *p, uint32_t i)
{
	uint32_t from = i++;
	struct diag_msg *m;

	for (; text_at(p, i) && text_at(p, i) != '\n'; i++) {
		if (text_at(p, i) == '"')
			return i + 1;
		if (text_at(p, i) == '\\' && text_at(p, i + 1) && text_at(p, i + 1) != '\n')
			i++;
	}
	m = syntax_error(p, E_STRING, span_at(p, from, i), "quote is not closed");
	diag_primary(m, "no `\"` follows on this line");
	return i;
}

static uint32_t attach_point_end(struct parser *p)
{
	uint32_t i = p->pos;
	bool colon = false;

	for (;;) {
		char c = text_at(p, i);

		if (i >= p->text.n || ends_text(c) || (c == '/' && !colon))
			return i;
		colon |= c == ':';
		if (c == '"')
			i = quoted_end(p, i);
		else
			i += c == '\\' && i + 1 < p->text.n && text_at(p, i + 1) != '\n' ? 2 : 1;
	}
}

/* One part from `i` up to ':' outside of quotes, without quotes and backslashes. */
static size_t split_part(struct arena *a, struct str text, size_t i, struct str *part, bool *quoted)
{
	char *to = arena_alloc(a, text.n - i + 1);
	bool inside = false;
	size_t n = 0;

	*quoted = false;
	for (; i < text.n && (inside || text.p[i] != ':'); i++) {
		if (text.p[i] == '"') {
			inside = !inside;
			*quoted = true;
			continue;
		}
		if (text.p[i] == '\\' && i + 1 < text.n)
			i++;
		to[n++] = text.p[i];
	}
	*part = (struct str){to, n};
	return i;
}

/* Most parts are plain and stay slices of the source. */
static size_t plain_part(struct str text, size_t i)
{
	while (i < text.n && text.p[i] != ':') {
		if (text.p[i] == '"' || text.p[i] == '\\')
			return SIZE_MAX;
		i++;
	}
	return i;
}

bool lang_split_attach_point(struct arena *a, struct diag *d, struct span span, struct str text,
			     struct attach_point *ap)
{
	VEC(struct str) parts = {NULL, 0, 0};
	VEC(struct span) spans = {NULL, 0, 0};
	VEC(bool) quoted = {NULL, 0, 0};
	size_t i = 0;

	ap->span = span;
	ap->text = text;
	if (!text.n) {
		diag_report(d, E_PROBE_FORM, span, "empty probe name");
		return false;
	}
	for (;; i++) {
		size_t from = i, end = plain_part(text, i);
		struct str part = {text.p + from, end - from};
		bool q = false;

		i = end == SIZE_MAX ? split_part(a, text, from, &part, &q) : end;
		vec_push(a, &parts, part);
		vec_push(a, &spans,
			 (struct span){span.off + (uint32_t)from, (uint32_t)(i - from), span.file});
		vec_push(a, &quoted, q);
		if (i >= text.n)
			break;
	}
	ap->parts = parts.v;
	ap->part_spans = spans.v;
	ap->quoted = quoted.v;
	ap->nparts = parts.n;
	return true;
}

/* `name=` in front of the text. Returns the offset behind it. */
static uint32_t label_end(const struct parser *p)
{
	uint32_t i = p->pos;

	if (!is_ident_start(text_at(p, i)))
		return p->pos;
	while (is_ident_char(text_at(p, i)))
		i++;
	return text_at(p, i) == '=' && text_at(p, i + 1) != '=' ? i + 1 : p->pos;
}

static void no_attach_point(struct parser *p)
{
	struct span s = span_at(p, p->pos, MIN(p->pos + 1, p->text.n));
	struct diag_msg *m;
	char c = text_at(p, p->pos);

	if (c == '{' || c == ',' || c == '/') {
		m = syntax_error(p, E_SYNTAX, s, "expected a probe, found `%c`", c);
		diag_help(m, "a probe is written as in `tracepoint:sched:sched_switch { … }`");
	} else {
		syntax_error(p, E_SYNTAX, s, "expected a probe");
	}
}

static bool attach_point(struct parser *p, struct attach_point *ap)
{
	uint32_t from = p->pos, text, end;

	*ap = (struct attach_point){.label = STR("")};
	text = label_end(p);
	if (text > from)
		ap->label = (struct str){p->text.p + from, text - from - 1};
	p->pos = text;
	end = attach_point_end(p);
	if (end == text) {
		no_attach_point(p);
		return false;
	}
	p->pos = end;
	p->prev_end = end;
	return lang_split_attach_point(p->arena, p->diag, span_at(p, text, end),
				       (struct str){p->text.p + text, end - text}, ap);
}

/* Leaves pos behind the attach points and white space. A comma may follow the last one. */
void parse_attach_points(struct parser *p, struct probe_decl *probe)
{
	VEC(struct attach_point) aps = {NULL, 0, 0};
	struct attach_point ap;

	do {
		lex_skip_trivia(p);
		if (aps.n && (text_at(p, p->pos) == '{' || text_at(p, p->pos) == '/'))
			break;
		if (!attach_point(p, &ap))
			break;
		vec_push(p->arena, &aps, ap);
		lex_skip_trivia(p);
	} while (text_at(p, p->pos) == ',' && p->pos++ < p->text.n);
	lex_skip_trivia(p);
	probe->aps = aps.v;
	probe->naps = aps.n;
}
