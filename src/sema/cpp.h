/* Private to src/sema: the preprocessor (cpp.c), constant expressions of C (cexpr.c), and what the
 * C section is made of with them (cdef.c). */
#ifndef AWL_SEMA_CPP_H
#define AWL_SEMA_CPP_H

#include "sema/sema_priv.h"

#define CPP_PARAMS 32
#define CPP_PACK   "__pragma_pack" /* how #pragma pack goes on to the declarations */

#if defined(__x86_64__)
#define CPP_TRIPLET "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define CPP_TRIPLET "aarch64-linux-gnu"
#else
#define CPP_TRIPLET "unknown"
#endif

struct cmacro {
	struct str name, body;
	struct str *params;
	unsigned nparams;
	bool fn, variadic;
	bool failed;              /* is no expression of the script's language */
	struct constant constant; /* once it was asked for */
	enum { CONST_UNKNOWN, CONST_YES, CONST_NO, CONST_BUSY } state;
};

struct cpp_level {
	bool on;    /* the text of this branch is wanted */
	bool taken; /* this or an earlier branch was */
	bool outer; /* what is around is on */
};

struct cpp {
	struct sema *s;
	struct strmap macros; /* struct cmacro; NULL: undefined again */
	struct strmap once;   /* paths of headers with #pragma once */
	VEC(struct cpp_level) nest;
	size_t nest_base; /* levels that belong to files around this one */
	const char *path; /* of the file being read; the script's at first */
	bool own;         /* it is the script's own header */
	unsigned depth, files;
	uint32_t pack;      /* #pragma pack: no member is aligned to more; 0: not in force */
	uint32_t packs[16]; /* put aside by push */
	unsigned npacks;
	const struct enum_value *values; /* of the enum that is being read */
	size_t nvalues;
	struct buf *out;        /* declarations, macros not expanded yet */
	struct buf *done;       /* … and expanded, with the macros as they were there */
	struct strmap typedefs; /* struct type; of headers and of the script, the last one wins */
	struct strmap aligns;   /* uint32_t: of typedefs that say other than their type */
	struct span at;         /* the line of the script, for messages */
};

void cpp_define(struct cpp *c, const char *text); /* "NAME value" */
void cpp_run(struct cpp *c, struct str text);
bool cpp_file(struct cpp *c, const char *path, bool own);
/* A header of --include: a path, or a name in the directories of -I and of the system. */
bool cpp_given_header(struct cpp *c, const char *name);
bool cpp_is_on(const struct cpp *c);
void cpp_expand(struct cpp *c, struct str text, struct buf *out);
/* Moves what was read so far to `done`, before a macro changes. */
void cpp_flush(struct cpp *c);
/* cdef.c: what a compiler's own header of this name defines. */
void cpp_compiler_header(struct cpp *c, struct str name);
void cpp_missing(struct cpp *c, struct str name); /* cdef.c: reports */

/* Numbers of 32 bits are kept sign-extended or zero-extended, as their type says. */
struct cvalue {
	uint64_t value;
	bool is_unsigned;
	bool narrow; /* int or unsigned int */
};

/* Evaluates a whole text. With `pp` (conditions) unknown names are 0, otherwise it fails. */
bool cexpr_value(struct sema *s, struct str text, bool pp, struct cvalue *out);

#endif
