/* What diag.c (collecting) and diag_render.c (showing) share; nobody else includes it.
 *
 *   diag ──► sources[]  name, text, line_starts[]
 *        └─► msgs[]     code, span, text, labels[], notes[], helps[], suggestions[]
 *
 * line_starts[i] is the offset of line i + 1; there is always a first line, even of an empty text.
 */
#ifndef AWL_BASE_DIAG_PRIV_H
#define AWL_BASE_DIAG_PRIV_H

#include "base/base.h"

struct diag_source {
	const char *name;
	struct str text;
	VEC(uint32_t) line_starts;
};

struct diag_label {
	struct span span;
	const char *text;
};

struct diag_suggestion {
	struct span span;
	const char *replacement;
};

struct diag_msg {
	struct arena *arena;
	struct diag_msg *hash_next;
	enum diag_code code;
	struct span span;
	const char *text;
	const char *primary; /* or NULL */
	VEC(struct diag_label) labels;
	VEC(const char *) notes;
	VEC(const char *) helps;
	VEC(struct diag_suggestion) suggestions;
};

#define DIAG_HASH 256

struct diag {
	struct arena *arena;
	VEC(struct diag_source) sources;
	VEC(struct diag_msg *) msgs;
	struct diag_msg *hash[DIAG_HASH]; /* by code and offset, to report once */
	unsigned counts[2];               /* by severity */
};

struct diag_code_info {
	const char *code;
	enum diag_severity severity;
	const char *summary;
};

const struct diag_code_info *diag_code_info(enum diag_code code);
const struct diag_source *diag_source(const struct diag *d, uint32_t file); /* NULL: none such */
/* The line's text without its end, and the offset where it starts. `line` is 1-based. */
struct str diag_line_text(const struct diag_source *s, unsigned line, uint32_t *start);

#endif
