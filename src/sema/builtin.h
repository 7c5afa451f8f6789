/* The interface of builtins: one row for each function or name, in the file of its family in
 * src/builtin. Adding one is a row and a function there; its doc has the examples, and they are
 * tests. */
#ifndef AWL_SEMA_BUILTIN_H
#define AWL_SEMA_BUILTIN_H

#include "base/base.h"
#include "kernel/kernel.h"
#include "lang/lang.h"
#include "sema/event.h"
#include "type/type.h"

struct sema;
struct gen;
struct val;

enum builtin_flags {
	BI_NAME = 1,   /* may be written without parentheses */
	BI_STMT = 2,   /* has no value: a statement (printf, exit) */
	BI_AGG = 4,    /* only as `@m[k] = f(…)` */
	BI_UNSAFE = 8, /* changes the system: needs --unsafe */
	BI_EFFECT =
		16, /* has a side effect or reads what changes: evaluated exactly once, in order */
	BI_MAP_ARG = 32, /* the first argument is a map itself, not its value: print, clear, delete,
			    len … */
	BI_CONST = 64,   /* folded by check() to e->value */
	BI_ADDS_ONE = 256,  /* BI_AGG whose update is an atomic +1 of the slot's one u64: count() */
	BI_LAZY_ARGS = 128, /* check() types the arguments itself (sizeof-like) */
	BI_FILLS = 512,     /* lower() writes every byte of `want`: a key need not be zeroed before
			       (comm) */
	BI_NAMED = 2048,    /* takes named arguments, which check() reads: call_named() */
	BI_OUT_ARG = 1024,  /* the last argument is a variable that check() assigns by sema_arg_out:
			       find() */
};

struct builtin {
	const char *name;
	const char *const *aliases; /* NULL: none */
	const char *proto;          /* "string str(ptr p [, int n])": in messages and docs */
	const char *doc; /* one-line summary, blank line, text; examples in lines that start with
			    four spaces */
	const char *const
		*examples;          /* whole scripts, NULL-terminated: each compiles in the tests */
	unsigned flags;             /* enum builtin_flags */
	uint8_t min_args, max_args; /* checked before check() is called; 255: any number */
	enum feature needs;         /* FEATURE_NONE, or reported as E_FEATURE */
	unsigned uses;              /* enum probe_uses that calling it implies */
	unsigned arg_uses;          /* the same, when it is called with arguments */
	/* Arguments that are options, not names, when they are one word; NULL: there are none. */
	bool (*is_word)(struct str name);
	/* May put other expressions in place of arguments, before these get types; NULL: does not.
	 */
	void (*prepare)(struct sema *s, struct expr *e);
	/* Sets e->type (TYPE_VOID for statements); reports wrong arguments. Called again on every
	 * round of the inference, with the arguments' types filled in; messages are kept only in
	 * the last round. */
	void (*check)(struct sema *s, struct expr *e);
	/* Emits code and returns the value. `want` (kind VAL_NONE: no wish) is memory of the type
	 * e->type into which an aggregate may be built directly; the result is then `want` itself.
	 * BI_AGG: see lower_agg. */
	struct val (*lower)(struct gen *g, struct expr *e, struct val want);
	/* BI_AGG: update the slot at `slot` (BPF memory, this CPU's or shared: always atomically)
	 * with the value of the call's arguments. */
	const struct agg *agg;
	void (*lower_agg)(struct gen *g, struct expr *e, const struct type *t, struct val slot);
	/* Reading the aggregation in an expression: `slot(cpu)` values are merged by the caller. */
};

/* All families (arrays that end with a row without a name), NULL-terminated: src/builtin/table.c.
 */
extern const struct builtin *const builtin_families[];

/* All views and kinds of events, NULL-terminated, and rows found in them by name (NULL: there is
 * none), for programs that come from a file. `control` tells two kinds of one name apart. */
extern const struct view *const value_views[];
extern const struct event_kind *const event_kinds[];

/* The named arguments of a call, an EXPR_RECORD; NULL: it has none. */
struct expr *call_named(const struct expr *e);
/* Arguments of EXPR_CALL by position (none for EXPR_IDENT). */
struct expr **call_args(const struct expr *e, size_t *n);
struct str call_name(const struct expr *e);

#endif
