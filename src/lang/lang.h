/* The face of src/lang: text to tree and back. Knows no kernel. */
#ifndef AWL_LANG_H
#define AWL_LANG_H

#include "lang/ast.h"

/* Parses the source `file` of `d`. Syntax errors are reported to `d` (several of them: the parser
 * recovers at statements, blocks and probes); a tree is returned all the same, holding what could
 * be understood. Never fails otherwise; nesting is limited (E_DEPTH), so hostile input cannot
 * overflow the stack. Everything is allocated in `a`; slices point into the source text where no
 * unescaping was needed. */
struct script *lang_parse(struct arena *a, struct diag *d, uint32_t file);

/* A single expression, for --probe parameters and tests. NULL after a reported error. */
struct expr *lang_parse_expr(struct arena *a, struct diag *d, uint32_t file);

/* Splits the text of one attach point (without label) into its parts; used by -l PATTERN too. */
bool lang_split_attach_point(struct arena *a, struct diag *d, struct span span, struct str text,
			     struct attach_point *ap);

/* The formatter (--fmt): appends the script in the house style, comments and blank lines between
 * items kept. lang_parse(lang_format(s)) gives the same tree as s. */
void lang_format(const struct script *s, const struct diag *d, struct buf *out);

/* The dump of the tree (-d ast): one node a line, indented, with types once sema has run
 * (`type_text` may be NULL). */
void lang_dump(const struct script *s,
	       const char *(*type_text)(struct arena *, const struct type *), struct arena *a,
	       struct buf *out);

#endif
