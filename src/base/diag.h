/* Diagnostics about the user's script: source files, spans, messages with code, labels, notes, help
 * and suggestions, and the renderers (text with carets, JSON for editors).
 *
 *   error[E0214]: str() needs a pointer, got uint64
 *     --> opensnoop.bt:7:22
 *      |
 *    7 |     printf("%s\n", str(pid));
 *      |                    --- ^^^ this is uint64
 *      |                    |
 *      |                    str(ptr p [, int n]) -> string
 *      = help: print a number with %d
 *
 * A pass reports and goes on (poisoned types stop cascades); the pipeline stops between passes when
 * diag_errors() > 0. Messages live in the arena given to diag_new. Codes are listed in diag.def. */
#ifndef AWL_BASE_DIAG_H
#define AWL_BASE_DIAG_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

struct span {
	uint32_t off, len; /* bytes in the file */
	uint32_t file;     /* index of the source; 0 is the first */
};

#define NO_SPAN ((struct span){0, 0, UINT32_MAX})

/* From the start of `a` to the end of `b`. */
static inline struct span span_join(struct span a, struct span b)
{
	return (struct span){a.off, b.off + b.len - a.off, a.file};
}

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

enum diag_code {
#define DIAG(name, code, severity, summary) name,
#include "base/diag.def"
#undef DIAG
	DIAG_CODE_COUNT
};

struct diag;     /* all sources and messages of one compilation */
struct diag_msg; /* one message under construction */

struct diag *diag_new(struct arena *a);
/* Adds a source text; `text` must outlive the diag. Returns its file index. */
uint32_t diag_add_source(struct diag *d, const char *name, struct str text);
struct str diag_source_text(const struct diag *d, uint32_t file);
uint32_t diag_sources(const struct diag *d); /* how many */
const char *diag_source_name(const struct diag *d, uint32_t file);
/* 1-based; columns count bytes, tabs are one. */
void diag_line_col(const struct diag *d, struct span s, unsigned *line, unsigned *col);

/* Reports a message of `code` at `s`. Severity comes from diag.def. At the same span the same code
 * is reported once. */
struct diag_msg *diag_report(struct diag *d, enum diag_code code, struct span s, const char *fmt,
			     ...) __attribute__((format(printf, 4, 5)));
/* Makes messages of code `from` at `s` ones of code `to`. */
void diag_recode(struct diag *d, enum diag_code from, struct span s, enum diag_code to);
/* Refinements; each accepts a NULL message and ignores it. */
void diag_primary(struct diag_msg *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3))); /* text behind the carets */
void diag_label(struct diag_msg *m, struct span s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void diag_note(struct diag_msg *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void diag_help(struct diag_msg *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "did you mean X?" with the edit that would do it. */
void diag_suggest(struct diag_msg *m, struct span s, const char *replacement);

/* What the code ("E0205") means: `text` is some sentences of explain.def. False: there is none
 * such. */
bool diag_about(const char *code, enum diag_severity *severity, const char **summary,
		const char **text);

unsigned diag_errors(const struct diag *d);
unsigned diag_warnings(const struct diag *d);

enum diag_format { DIAG_TEXT, DIAG_COLOR, DIAG_JSON };
/* Appends all messages of severity, in order of position. JSON: one object a line. */
void diag_render(const struct diag *d, struct buf *out, enum diag_format format);

/* Calls visit for each message, for API users. `text` is the rendered message without colour. */
typedef void (*diag_visit_fn)(void *arg, enum diag_severity severity, const char *code,
			      const char *file, unsigned line, unsigned col, const char *summary,
			      const char *text);
void diag_each(const struct diag *d, diag_visit_fn visit, void *arg);

/* did-you-mean: feed candidates, then ask. Picks the nearest within a third of the length. */
struct nearest {
	struct str wanted;
	struct str best;
	size_t distance;
};
void nearest_init(struct nearest *n, struct str wanted);
void nearest_try(struct nearest *n, struct str candidate);
bool nearest_found(const struct nearest *n);

#endif
