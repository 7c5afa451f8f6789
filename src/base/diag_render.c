/* Showing diagnostics: as text with the source line and carets, in colour or not, and as JSON.
 *
 *   error[E0401]: too many arguments            headline
 *     --> x.bt:3:9                              place
 *      |
 *    3 |   exit(1, 2);                          source line: tabs become blanks, controls U+FFFD
 *      |   ---- ^                               marks: ^ of the message, - of its labels
 *      |   |                                    texts that do not fit behind the marks hang below
 *      |   takes one
 *      = help: …
 *
 * A span over several lines is marked at its first line (to its end) and at its last line. A line
 * is measured in cells: one a code point, a tab up to the next multiple of TAB cells. Of a line
 * longer than LINE_MAX bytes only a window around the marks is shown, so the output stays linear
 * in the number of messages whatever the script looks like.
 */
#include <stdlib.h>

#include "base/diag_priv.h"

#define TAB_CELLS   4
#define WINDOW      160 /* bytes of a long line that are shown */
#define WINDOW_LEAD 60  /* of these before the first mark */

struct mark {
	const struct diag_source *source;
	unsigned line;
	uint32_t start, end; /* offsets in the source */
	const char *text;    /* or NULL */
	bool primary;
};

struct marks {
	struct mark *v;
	size_t n, cap;
};

struct view {
	const struct diag *d;
	struct buf *out;
	bool color;
	int gutter; /* digits of the largest line number */
};

enum { BOLD, RED, YELLOW, BLUE, PLAIN };

static void paint(const struct view *v, int color)
{
	static const char *const codes[] = {"\033[1m", "\033[1;31m", "\033[1;33m", "\033[1;34m",
					    "\033[0m"};

	if (v->color)
		buf_adds(v->out, codes[color]);
}

static int severity_color(const struct diag_msg *m)
{
	return diag_code_info(m->code)->severity == DIAG_ERROR ? RED : YELLOW;
}

static const char *severity_name(const struct diag_msg *m)
{
	return diag_code_info(m->code)->severity == DIAG_ERROR ? "error" : "warning";
}

/* ---- marks -------------------------------------------------------------------------------- */

static void add_mark(struct marks *ms, const struct diag_source *source, unsigned line,
		     uint32_t start, uint32_t end, const char *text, bool primary)
{
	hvec_push(ms,
		  (struct mark){source, line, start, end, text && *text ? text : NULL, primary});
}

static void mark_span(const struct diag *d, struct marks *ms, struct span s, const char *text,
		      bool primary)
{
	const struct diag_source *source = diag_source(d, s.file);
	uint32_t start, last = s.off + (s.len ? s.len - 1 : 0);
	unsigned line, end_line, col;
	struct str line_text;

	if (!source)
		return;
	diag_line_col(d, s, &line, &col);
	diag_line_col(d, (struct span){last, 1, s.file}, &end_line, &col);
	if (line == end_line) {
		add_mark(ms, source, line, s.off, s.off + s.len, text, primary);
		return;
	}
	line_text = diag_line_text(source, line, &start);
	add_mark(ms, source, line, s.off, start + (uint32_t)line_text.n, NULL, primary);
	line_text = diag_line_text(source, end_line, &start);
	line_text = str_trim(line_text);
	start = line_text.n ? (uint32_t)(line_text.p - source->text.p) : start;
	add_mark(ms, source, end_line, start, s.off + s.len, text, primary);
}

/* The source of the message itself first, then by line, then from left to right. */
static int compare_marks(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (int)x->primary - (int)y->primary;
}

/* ---- one source line ---------------------------------------------------------------------- */

/* The part of a line that is shown, and its offset in the source. */
struct window {
	struct str text;
	uint32_t start;
	bool cut_left, cut_right;
};

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static struct window window_of(const struct mark *m)
{
	struct window w = {.start = 0};
	uint32_t start;
	size_t lo = 0, hi;

	w.text = diag_line_text(m->source, m->line, &start);
	w.start = start;
	if (w.text.n <= WINDOW)
		return w;
	if (m->start - start > WINDOW_LEAD * 2)
		lo = MIN(m->start - start - WINDOW_LEAD, w.text.n);
	hi = MIN(lo + WINDOW, w.text.n);
	while (lo < hi && is_continuation(w.text.p[lo]))
		lo++;
	while (hi > lo && hi < w.text.n && is_continuation(w.text.p[hi]))
		hi--;
	w.cut_left = lo > 0;
	w.cut_right = hi < w.text.n;
	w.text = (struct str){w.text.p + lo, hi - lo};
	w.start += (uint32_t)lo;
	return w;
}

/* Cells before offset `off`, or of the whole window when it is behind it. */
static size_t cell_of(const struct window *w, uint32_t off)
{
	size_t cells = w->cut_left ? 3 : 0;
	size_t upto = off > w->start ? MIN(off - w->start, w->text.n) : 0;

	for (size_t i = 0; i < upto; i++) {
		if (w->text.p[i] == '\t')
			cells = ALIGN_UP(cells + 1, TAB_CELLS);
		else if (!is_continuation(w->text.p[i]))
			cells++;
	}
	return cells;
}

static void gutter(const struct view *v, unsigned line)
{
	paint(v, BLUE);
	if (line)
		buf_printf(v->out, " %*u |", v->gutter, line);
	else
		buf_printf(v->out, " %*s |", v->gutter, "");
	paint(v, PLAIN);
}

/* Lines of our own making end without trailing blanks. */
static void end_line(const struct view *v)
{
	while (v->out->n && v->out->p[v->out->n - 1] == ' ')
		v->out->p[--v->out->n] = 0;
	buf_addc(v->out, '\n');
}

static void source_line(const struct view *v, const struct window *w, unsigned line)
{
	size_t cells = 0;

	gutter(v, line);
	buf_addc(v->out, ' ');
	if (w->cut_left) {
		buf_adds(v->out, "...");
		cells = 3;
	}
	for (size_t i = 0; i < w->text.n; i++) {
		unsigned char c = (unsigned char)w->text.p[i];

		if (c == '\t') {
			size_t next = ALIGN_UP(cells + 1, TAB_CELLS);

			buf_fill(v->out, ' ', next - cells);
			cells = next;
			continue;
		}
		if (c < 0x20 || c == 0x7f)
			buf_adds(v->out, "\xef\xbf\xbd");
		else
			buf_addc(v->out, (char)c);
		cells += !is_continuation((char)c);
	}
	if (w->cut_right)
		buf_adds(v->out, "...");
	end_line(v);
}

/* The marks of one line, as cells; `hang` says that the text goes below. */
struct cells {
	size_t from, to;
	const char *text;
	bool primary, hang;
};

/* Only the rightmost text fits behind the marks, and only when nothing is marked further right. */
static void place_texts(struct cells *c, size_t n)
{
	size_t right = 0, best = n;

	for (size_t i = 0; i < n; i++) {
		c[i].hang = c[i].text != NULL;
		right = MAX(right, c[i].to);
	}
	for (size_t i = 0; i < n; i++)
		if (c[i].text && c[i].to == right && (best == n || c[i].from >= c[best].from))
			best = i;
	if (best < n)
		c[best].hang = false;
}

static char mark_at(const struct cells *c, size_t n, size_t at)
{
	char mark = ' ';

	for (size_t i = 0; i < n; i++)
		if (at >= c[i].from && at < c[i].to)
			mark = c[i].primary || mark == '^' ? '^' : '-';
	return mark;
}

static void underline(const struct view *v, const struct cells *c, size_t n, int color)
{
	size_t right = 0;
	const char *text = NULL;
	int text_color = BLUE;
	char last = ' ';

	gutter(v, 0);
	buf_addc(v->out, ' ');
	for (size_t i = 0; i < n; i++)
		right = MAX(right, c[i].to);
	for (size_t at = 0; at < right; at++) {
		char mark = mark_at(c, n, at);

		if (mark != last && last != ' ')
			paint(v, PLAIN);
		if (mark != last && mark != ' ')
			paint(v, mark == '^' ? color : BLUE);
		buf_addc(v->out, mark);
		last = mark;
	}
	if (last != ' ')
		paint(v, PLAIN);
	for (size_t i = 0; i < n; i++) {
		if (c[i].text && !c[i].hang) {
			text = c[i].text;
			text_color = c[i].primary ? color : BLUE;
		}
	}
	if (text) {
		buf_addc(v->out, ' ');
		paint(v, text_color);
		buf_adds(v->out, text);
		paint(v, PLAIN);
	}
	end_line(v);
}

/* A row with `|` below each text still hanging up to `last`, and that one's text if wanted. */
static void hanging_row(const struct view *v, const struct cells *c, size_t last, bool text,
			int color)
{
	size_t at = 0;

	gutter(v, 0);
	buf_addc(v->out, ' ');
	for (size_t i = 0; i <= last; i++) {
		if (!c[i].hang || c[i].from < at)
			continue;
		if (text && i < last && c[i].from == c[last].from)
			continue;
		buf_fill(v->out, ' ', c[i].from - at);
		paint(v, c[i].primary ? color : BLUE);
		buf_adds(v->out, text && i == last ? c[i].text : "|");
		paint(v, PLAIN);
		at = c[i].from + 1;
	}
	if (text && at <= c[last].from)
		buf_adds(v->out, c[last].text);
	end_line(v);
}

static void marked_line(const struct view *v, const struct mark *m, size_t n, int color)
{
	struct window w = window_of(m);
	VEC(struct cells) c = {NULL, 0, 0};

	for (size_t i = 0; i < n; i++) {
		size_t from = cell_of(&w, m[i].start), to = cell_of(&w, m[i].end);

		hvec_push(&c,
			  (struct cells){from, MAX(to, from + 1), m[i].text, m[i].primary, false});
	}
	place_texts(c.v, c.n);
	source_line(v, &w, m->line);
	underline(v, c.v, c.n, color);
	for (size_t i = c.n, first = 1; i-- > 0;) {
		if (!c.v[i].hang)
			continue;
		if (first)
			hanging_row(v, c.v, i, false, color);
		first = 0;
		hanging_row(v, c.v, i, true, color);
	}
	hvec_release(&c);
}

/* ---- one message -------------------------------------------------------------------------- */

/* Between two marked lines: nothing, the one line in between, or dots. */
static void gap(const struct view *v, const struct mark *prev, const struct mark *next)
{
	struct mark between = *prev;
	struct window w;

	if (next->line - prev->line == 2) {
		between.line++;
		between.start = prev->source->line_starts.v[between.line - 1];
		w = window_of(&between);
		source_line(v, &w, between.line);
	} else if (next->line - prev->line > 2) {
		paint(v, BLUE);
		buf_adds(v->out, "...\n");
		paint(v, PLAIN);
	}
}

static void place_line(const struct view *v, const char *arrow, const struct diag_source *s,
		       unsigned line, unsigned col)
{
	buf_fill(v->out, ' ', (size_t)v->gutter + 1);
	paint(v, BLUE);
	buf_adds(v->out, arrow);
	paint(v, PLAIN);
	buf_addc(v->out, ' ');
	buf_add_text(v->out, str_of(s->name), false);
	buf_printf(v->out, ":%u:%u\n", line, col);
}

static void snippets_of_source(const struct view *v, const struct marks *ms,
			       const struct diag_source *source, int color)
{
	const struct mark *prev = NULL;

	for (size_t i = 0, end; i < ms->n; i = end) {
		const struct mark *m = &ms->v[i];

		for (end = i;
		     end < ms->n && ms->v[end].source == m->source && ms->v[end].line == m->line;)
			end++;
		if (m->source != source)
			continue;
		if (prev)
			gap(v, prev, m);
		marked_line(v, m, end - i, color);
		prev = m;
	}
}

static void snippets(struct view *v, const struct diag_msg *m, struct marks *ms)
{
	const struct diag_source *own = diag_source(v->d, m->span.file), *shown = own;
	unsigned line, col, last = 0;

	for (size_t i = 0; i < ms->n; i++)
		last = MAX(last, ms->v[i].line);
	for (v->gutter = 1; last >= 10; last /= 10)
		v->gutter++;
	diag_line_col(v->d, m->span, &line, &col);
	place_line(v, "-->", own, line, col);
	gutter(v, 0);
	buf_addc(v->out, '\n');
	snippets_of_source(v, ms, own, severity_color(m));
	for (size_t i = 0; i < ms->n; i++) {
		const struct mark *k = &ms->v[i];

		if (k->source == own || k->source == shown)
			continue;
		shown = k->source;
		place_line(v, ":::", shown, k->line,
			   k->start - shown->line_starts.v[k->line - 1] + 1);
		snippets_of_source(v, ms, shown, severity_color(m));
	}
}

static void footer(const struct view *v, const char *kind, const char *text)
{
	buf_fill(v->out, ' ', (size_t)v->gutter + 2);
	paint(v, BLUE);
	buf_adds(v->out, "= ");
	paint(v, PLAIN);
	paint(v, BOLD);
	buf_adds(v->out, kind);
	paint(v, PLAIN);
	buf_adds(v->out, ": ");
	for (; *text; text++) {
		buf_addc(v->out, *text);
		if (*text == '\n')
			buf_fill(v->out, ' ', (size_t)v->gutter + 4);
	}
	buf_addc(v->out, '\n');
}

static void suggestion(const struct view *v, const struct diag_suggestion *s)
{
	struct str text = diag_source_text(v->d, s->span.file);
	struct buf b = BUF_INIT;

	if (!s->replacement[0] && s->span.off + s->span.len <= text.n)
		buf_printf(&b, "remove `%.*s`", (int)s->span.len, text.p + s->span.off);
	else if (!s->span.len)
		buf_printf(&b, "insert `%s`", s->replacement);
	else
		buf_printf(&b, "did you mean `%s`?", s->replacement);
	footer(v, "help", b.p);
	buf_release(&b);
}

static void render_text(const struct diag *d, struct buf *out, const struct diag_msg *m, bool color)
{
	struct view v = {.d = d, .out = out, .color = color, .gutter = 1};
	struct marks ms = {NULL, 0, 0};

	paint(&v, severity_color(m));
	buf_printf(out, "%s[%s]", severity_name(m), diag_code_info(m->code)->code);
	paint(&v, PLAIN);
	paint(&v, BOLD);
	buf_printf(out, ": %s", m->text);
	paint(&v, PLAIN);
	buf_addc(out, '\n');
	if (diag_source(d, m->span.file)) {
		mark_span(d, &ms, m->span, m->primary, true);
		for (size_t i = 0; i < m->labels.n; i++)
			mark_span(d, &ms, m->labels.v[i].span, m->labels.v[i].text, false);
		qsort(ms.v, ms.n, sizeof(*ms.v), compare_marks);
		snippets(&v, m, &ms);
		hvec_release(&ms);
	}
	for (size_t i = 0; i < m->notes.n; i++)
		footer(&v, "note", m->notes.v[i]);
	for (size_t i = 0; i < m->helps.n; i++)
		footer(&v, "help", m->helps.v[i]);
	for (size_t i = 0; i < m->suggestions.n; i++)
		suggestion(&v, &m->suggestions.v[i]);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void json_place(const struct diag *d, struct buf *out, struct span s)
{
	unsigned line, col, end_line_no, end_col;

	diag_line_col(d, s, &line, &col);
	diag_line_col(d, (struct span){s.off + s.len, 0, s.file}, &end_line_no, &end_col);
	buf_printf(out,
		   "\"line\": %u, \"column\": %u, \"end_line\": %u, \"end_column\": %u, "
		   "\"start\": %u, \"end\": %u",
		   line, col, end_line_no, end_col, s.off, s.off + s.len);
}

static void json_member(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "\"%s\": ", name);
	buf_add_json_str(out, str_of(value));
}

static void json_strings(struct buf *out, const char *name, const char *const *v, size_t n)
{
	buf_printf(out, ", \"%s\": [", name);
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i ? ", " : "");
		buf_add_json_str(out, str_of(v[i]));
	}
	buf_addc(out, ']');
}

static void json_labels(const struct diag *d, struct buf *out, const struct diag_msg *m)
{
	buf_adds(out, ", \"labels\": [");
	for (size_t i = 0; i < m->labels.n; i++) {
		buf_adds(out, i ? ", {" : "{");
		json_member(out, "file", diag_source_name(d, m->labels.v[i].span.file));
		buf_adds(out, ", ");
		json_place(d, out, m->labels.v[i].span);
		buf_adds(out, ", ");
		json_member(out, "message", m->labels.v[i].text);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}

static void render_json(const struct diag *d, struct buf *out, const struct diag_msg *m)
{
	buf_addc(out, '{');
	json_member(out, "severity", severity_name(m));
	buf_adds(out, ", ");
	json_member(out, "code", diag_code_info(m->code)->code);
	buf_adds(out, ", ");
	json_member(out, "message", m->text);
	buf_adds(out, ", ");
	json_member(out, "file", diag_source_name(d, m->span.file));
	buf_adds(out, ", ");
	json_place(d, out, m->span);
	buf_adds(out, ", ");
	json_member(out, "primary", m->primary ? m->primary : "");
	json_labels(d, out, m);
	json_strings(out, "notes", m->notes.v, m->notes.n);
	json_strings(out, "help", m->helps.v, m->helps.n);
	buf_adds(out, ", \"suggestions\": [");
	for (size_t i = 0; i < m->suggestions.n; i++) {
		buf_adds(out, i ? ", {" : "{");
		json_member(out, "file", diag_source_name(d, m->suggestions.v[i].span.file));
		buf_adds(out, ", ");
		json_place(d, out, m->suggestions.v[i].span);
		buf_adds(out, ", ");
		json_member(out, "replacement", m->suggestions.v[i].replacement);
		buf_addc(out, '}');
	}
	buf_adds(out, "]}\n");
}

/* ---- all messages ------------------------------------------------------------------------- */

struct order {
	const struct diag_msg *m;
	size_t index;
};

/* By position; at one place in the order of reporting. */
static int compare_order(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->m->span.file != y->m->span.file)
		return x->m->span.file < y->m->span.file ? -1 : 1;
	if (x->m->span.off != y->m->span.off)
		return x->m->span.off < y->m->span.off ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

static struct order *in_order(const struct diag *d)
{
	VEC(struct order) v = {NULL, 0, 0};

	for (size_t i = 0; i < d->msgs.n; i++)
		hvec_push(&v, (struct order){d->msgs.v[i], i});
	if (v.n)
		qsort(v.v, v.n, sizeof(*v.v), compare_order);
	return v.v;
}

void diag_render(const struct diag *d, struct buf *out, enum diag_format format)
{
	struct order *v = in_order(d);

	for (size_t i = 0; i < d->msgs.n; i++) {
		if (format == DIAG_JSON)
			render_json(d, out, v[i].m);
		else
			render_text(d, out, v[i].m, format == DIAG_COLOR);
	}
	vec_free_heap(v);
}

void diag_each(const struct diag *d, diag_visit_fn visit, void *arg)
{
	struct order *v = in_order(d);
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < d->msgs.n; i++) {
		const struct diag_msg *m = v[i].m;
		unsigned line, col;

		buf_reset(&b);
		render_text(d, &b, m, false);
		diag_line_col(d, m->span, &line, &col);
		visit(arg, diag_code_info(m->code)->severity, diag_code_info(m->code)->code,
		      diag_source_name(d, m->span.file), line, col, m->text, buf_cstr(&b));
	}
	buf_release(&b);
	vec_free_heap(v);
}
