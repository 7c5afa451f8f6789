/* The face of src/aot: programs that are compiled ahead of time, kept in a file and run elsewhere.
 *
 *   aot_build   script → compiled program, what it depends on, where: one piece of bytes (.awlc)
 *   aot_load    those bytes → struct program for this kernel
 *
 * The format and its guarantees: docs/aot.md. */
#ifndef AWL_AOT_AOT_H
#define AWL_AOT_AOT_H

#include "compile/compile.h"

/* Compiles `in` (without pid, child, filter) and writes the file's bytes to `out`. False with
 * messages in *diag; the caller frees *arena. */
bool aot_build(const struct compile_in *in, struct buf *out, struct diag **diag,
	       struct arena **arena);

bool aot_is_compiled(struct str bytes); /* begins as such a file does */

/* How a program came to be loaded. */
struct aot_report {
	bool recompiled;
	char why[300];               /* recompiled: what is different here; else "" */
	size_t facts, moved, relocs; /* looked at; other than where it was made; places changed */
};

/* `in` as for compile_script, without text: name, params (none: those of the file), pid, child,
 * unsafe, filter, dump. NULL with `e` set (the file is no good), or with messages in *diag (what
 * the script would have said here); the caller then frees *arena when it is not NULL. */
struct program *aot_load(struct str bytes, const struct compile_in *in, struct aot_report *report,
			 struct diag **diag, struct arena **arena, struct err *e);

/* What the file holds, as lines of text. 0 or negative with `e` set. */
int aot_describe(struct str bytes, struct buf *out, struct err *e);

#endif
