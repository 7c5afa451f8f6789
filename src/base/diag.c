/* Collecting diagnostics: sources, messages and their refinements, and the did-you-mean search.
 * How they look is diag_render.c.
 *
 * A message is built by calls that each accept NULL, so that a caller need not care whether its
 * report was a repetition:
 *
 *   m = diag_report(d, E_NAME, span, "unknown name `%.*s`", STR_ARG(name));
 *   diag_primary(m, "not a builtin and not an enum value");
 *   if (nearest_found(&n))
 *           diag_suggest(m, span, …);
 *
 * All text is formatted into the arena at once; nothing points to the caller's stack.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "base/diag_priv.h"

static const struct diag_code_info codes[] = {
#define DIAG(name, code, severity, summary) {code, severity, summary},
#include "base/diag.def"
#undef DIAG
};

const struct diag_code_info *diag_code_info(enum diag_code code)
{
	return &codes[code];
}

static const char *const explanations[DIAG_CODE_COUNT] = {
#define EXPLAIN(name, text) [name] = text,
#include "base/explain.def"
#undef EXPLAIN
};

bool diag_about(const char *code, enum diag_severity *severity, const char **summary,
		const char **text)
{
	for (size_t i = 0; i < DIAG_CODE_COUNT; i++) {
		if (strcmp(codes[i].code, code))
			continue;
		*severity = codes[i].severity;
		*summary = codes[i].summary;
		*text = explanations[i];
		return true;
	}
	return false;
}

struct diag *diag_new(struct arena *a)
{
	struct diag *d = arena_new_of(a, struct diag);

	d->arena = a;
	return d;
}

uint32_t diag_add_source(struct diag *d, const char *name, struct str text)
{
	struct diag_source s = {.name = arena_strdup(d->arena, name), .text = text};
	const char *end = text.p + text.n, *p = text.p;

	vec_push(d->arena, &s.line_starts, 0);
	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		vec_push(d->arena, &s.line_starts, (uint32_t)(p - text.p));
	}
	vec_push(d->arena, &d->sources, s);
	return (uint32_t)d->sources.n - 1;
}

const struct diag_source *diag_source(const struct diag *d, uint32_t file)
{
	return file < d->sources.n ? &d->sources.v[file] : NULL;
}

struct str diag_source_text(const struct diag *d, uint32_t file)
{
	const struct diag_source *s = diag_source(d, file);

	return s ? s->text : STR("");
}

uint32_t diag_sources(const struct diag *d)
{
	return (uint32_t)d->sources.n;
}

const char *diag_source_name(const struct diag *d, uint32_t file)
{
	const struct diag_source *s = diag_source(d, file);

	return s ? s->name : "";
}

struct str diag_line_text(const struct diag_source *s, unsigned line, uint32_t *start)
{
	size_t end = line < s->line_starts.n ? s->line_starts.v[line] : s->text.n;

	*start = s->line_starts.v[line - 1];
	while (end > *start && (s->text.p[end - 1] == '\n' || s->text.p[end - 1] == '\r'))
		end--;
	return (struct str){s->text.p + *start, end - *start};
}

void diag_line_col(const struct diag *d, struct span span, unsigned *line, unsigned *col)
{
	const struct diag_source *s = diag_source(d, span.file);
	size_t lo = 0, hi;

	*line = *col = 0;
	if (!s)
		return;
	for (hi = s->line_starts.n; hi - lo > 1;) {
		size_t mid = (lo + hi) / 2;

		if (s->line_starts.v[mid] <= span.off)
			lo = mid;
		else
			hi = mid;
	}
	*line = (unsigned)lo + 1;
	*col = span.off - s->line_starts.v[lo] + 1;
}

static struct diag_msg **bucket(struct diag *d, enum diag_code code, struct span s)
{
	return &d->hash[(s.off * 31u + s.len + (unsigned)code) % DIAG_HASH];
}

static bool same_span(struct span a, struct span b)
{
	return a.off == b.off && a.len == b.len && a.file == b.file;
}

/* Messages quote scripts and files: what would steer the terminal does not get there. */
static const char *format(struct arena *a, const char *fmt, va_list ap)
{
	char *text = arena_vprintf(a, fmt, ap);

	for (char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
			*p = '?';
		else if (c == 0xc2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
	return text;
}

struct diag_msg *diag_report(struct diag *d, enum diag_code code, struct span s, const char *fmt,
			     ...)
{
	struct diag_msg **head = bucket(d, code, s);
	struct diag_msg *m;
	va_list ap;

	/* Messages about no place in particular are told apart by their text only. */
	for (m = *head; m && s.file != UINT32_MAX; m = m->hash_next)
		if (m->code == code && same_span(m->span, s))
			return NULL;
	m = arena_new_of(d->arena, struct diag_msg);
	m->arena = d->arena;
	m->hash_next = *head;
	m->code = code;
	m->span = s;
	va_start(ap, fmt);
	m->text = format(d->arena, fmt, ap);
	va_end(ap);
	*head = m;
	vec_push(d->arena, &d->msgs, m);
	d->counts[codes[code].severity]++;
	return m;
}

void diag_recode(struct diag *d, enum diag_code from, struct span s, enum diag_code to)
{
	for (size_t i = 0; i < d->msgs.n; i++) {
		struct diag_msg *m = d->msgs.v[i];

		if (m->code != from || !same_span(m->span, s))
			continue;
		m->code = to;
		d->counts[codes[from].severity]--;
		d->counts[codes[to].severity]++;
	}
}

void diag_primary(struct diag_msg *m, const char *fmt, ...)
{
	va_list ap;

	if (!m)
		return;
	va_start(ap, fmt);
	m->primary = format(m->arena, fmt, ap);
	va_end(ap);
}

void diag_label(struct diag_msg *m, struct span s, const char *fmt, ...)
{
	va_list ap;

	if (!m)
		return;
	va_start(ap, fmt);
	vec_push(m->arena, &m->labels, (struct diag_label){s, format(m->arena, fmt, ap)});
	va_end(ap);
}

void diag_note(struct diag_msg *m, const char *fmt, ...)
{
	va_list ap;

	if (!m)
		return;
	va_start(ap, fmt);
	vec_push(m->arena, &m->notes, format(m->arena, fmt, ap));
	va_end(ap);
}

void diag_help(struct diag_msg *m, const char *fmt, ...)
{
	va_list ap;

	if (!m)
		return;
	va_start(ap, fmt);
	vec_push(m->arena, &m->helps, format(m->arena, fmt, ap));
	va_end(ap);
}

void diag_suggest(struct diag_msg *m, struct span s, const char *replacement)
{
	if (!m)
		return;
	vec_push(m->arena, &m->suggestions,
		 (struct diag_suggestion){s, arena_strdup(m->arena, replacement)});
}

unsigned diag_errors(const struct diag *d)
{
	return d->counts[DIAG_ERROR];
}

unsigned diag_warnings(const struct diag *d)
{
	return d->counts[DIAG_WARNING];
}

void nearest_init(struct nearest *n, struct str wanted)
{
	*n = (struct nearest){.wanted = wanted, .distance = SIZE_MAX};
}

/* Names that differ in length by more than is allowed need no matrix. A difference of case only
 * counts as almost nothing. */
void nearest_try(struct nearest *n, struct str candidate)
{
	size_t most = MAX(n->wanted.n / 3, (size_t)1);
	size_t gap = MAX(candidate.n, n->wanted.n) - MIN(candidate.n, n->wanted.n);
	size_t distance;

	if (gap > most || !candidate.n || !n->wanted.n)
		return;
	distance = str_case_eq(candidate, n->wanted) ? 0 : str_distance(candidate, n->wanted);
	if (distance > most || distance >= n->distance)
		return;
	/* A name of one or two letters is not a misspelling of any other such name. */
	if (distance == n->wanted.n)
		return;
	n->distance = distance;
	n->best = candidate;
}

bool nearest_found(const struct nearest *n)
{
	return n->best.n > 0;
}
