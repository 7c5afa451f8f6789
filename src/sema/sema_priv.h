/* What the files of src/sema share; nobody else includes it.
 *
 *   sema.c         the order of the passes, tables, reports     resolve.c  attach points → targets
 *   group.c        targets → probes                             macro.c    expansion of macros
 *   infer_*.c      types of expressions and statements          promote.c  how two types become one
 *   const.c        arithmetic on constants                      vars.c     variables and their
 * scopes maps.c         keys and values of maps                      plan.c     storage of maps
 *   fn.c           functions of the script
 *
 * A round is one walk over all bodies. Symbols live as long as the compilation: the first round
 * makes them and hangs them into the tree, later rounds find them there and let their types grow.
 * A type that is not known yet is type_poison until the last round. */
#ifndef AWL_SEMA_PRIV_H
#define AWL_SEMA_PRIV_H

#include "sema/sema.h"

#define MAX_ROUNDS 256

struct var_info {
	struct var_sym sym;
	struct var_info *same_name; /* next variable of this name in the probe */
	unsigned round;             /* the last round whose walk has passed its definition */
	unsigned set_round;         /* the last round whose walk has passed an assignment */
	bool loop;                  /* belongs to a for: cannot be assigned */
	struct span type_span;      /* of what gave it its type, for messages */
};

/* A name of variables in one probe. There is no shadowing, so at most one is visible. */
struct var_name {
	struct str name;
	struct var_info *live, *all;
};

struct var_names { /* struct probe.sema */
	struct strmap by_name;
	VEC(struct var_name *) live; /* stack of all that are visible */
	VEC(size_t) scopes;          /* lengths of `live` at the start of each open block */
	VEC(struct var_info *) vars;
};

struct fn_info {
	struct fn_inst inst;
	struct probe *probe;
	const struct type *param_types[FN_PARAMS_MAX];
	struct var_names names;
	unsigned round; /* the last one that walked the body */
	bool active;    /* is being walked */
	bool listed;    /* in probe->fns */
	bool unused;    /* nobody calls it: checked only */
};

struct map_info {
	struct map_sym sym;
	struct span key_span, value_span;    /* what gave the types, for messages */
	struct span keyed_span, scalar_span; /* first use with, without a key */
	bool defined;                        /* something is assigned somewhere */
};

struct constant { /* #define NAME 42, #define NAME "text" */
	struct str name;
	bool is_str;
	struct str text;
	uint64_t value;
	bool negative, is_unsigned, narrow; /* its type in C: int, unsigned, long … */
};

struct cpp;

struct sema {
	VEC(const char *) named; /* parameters behind `--`: "--name=value" */
	struct option *options;  /* what getopt() asked for */
	const struct sema_in *in;
	struct arena *a;
	struct types *types;
	struct plan *plan;
	struct probe *probe;
	unsigned round, loops, expansions;
	uint64_t unrolled; /* expressions that unroll loops have become */
	uint64_t repeats;  /* of the unroll loops around, multiplied; 0: none */
	bool too_many;     /* E_PROBE_MANY was reported */
	const struct expr
		*expansion; /* the block of a macro that is being checked: its span is the call's */
	bool final, resolving, changed, settling;
	bool addresses;                    /* there is a & */
	const struct provider *other_mode; /* of a declaration that is not for this run */
	bool dropped;          /* a declaration has no program: its assignments are not seen */
	struct expr *agg_call; /* the call that may be an aggregation */
	struct cpp *cpp;
	struct strmap builtins, maps, macros, map_decls, fns;
	struct fn_info *fn; /* whose body is being checked; NULL: the probe's own */
	VEC(struct fn_info *) fn_infos;
	VEC(struct probe *) probes;
	VEC(struct event_def *) events;
	VEC(const char *) strings;
	VEC(struct attach_target *) targets;
	struct str missing_header; /* the last <…> of the script that is nowhere; or empty */
	struct strmap frameless;   /* path → itself, or "": it has frame pointers (frames.c) */
	struct strmap target_ids;  /* name → id + 1 of the first target that has it */
	VEC(struct probe_decl *) added; /* by providers: sema_add_probe() */
	uint32_t nwatched;
	bool again; /* places are looked up in a program that is compiled already */
	VEC(struct resolved_decl) resolved;
	void *kept; /* a provider's, until another is kept or everything is resolved */
	void (*release)(void *kept);
};

/* sema.c */
const struct builtin *sema_builtin(struct sema *s, struct str name);
const char *sema_type_text(struct sema *s, const struct type *t);
void sema_nearest_builtin(struct sema *s, struct nearest *n);

/* resolve.c, group.c, macro.c, cdef.c, param.c, plan.c */
bool sema_resolve(struct sema *s, const struct probe_decl *decl);
void sema_group(struct sema *s, const struct probe_decl *decl, const struct provider *prov,
		const struct attach_point *ap, struct attach_targets *targets);
/* The attach points of a declaration with the command line's parameters put in. */
struct attach_point *sema_given_points(struct sema *s, const struct probe_decl *decl, size_t *n);
unsigned sema_name_uses(struct str name);
bool sema_go_name(struct str name, unsigned *which);       /* enum go_name */
unsigned sema_block_uses(struct sema *s, struct block *b); /* enum probe_uses */
bool sema_argn(struct str name, unsigned *n);              /* arg12 */
void sema_no_btf(struct sema *s, const struct expr *e, const char *what);
void sema_note_header(struct sema *s, struct diag_msg *m); /* a name is missing: perhaps of there */
void sema_macros_collect(struct sema *s);
void sema_macros_expand(struct sema *s, struct probe_decl *decl);
void sema_macros_expand_block(struct sema *s, struct block *b);
void sema_fns_collect(struct sema *s);
void sema_fns_unused(struct sema *s);

/* kfunc.c: false when the kernel has no function of that name */
bool sema_call_kfunc(struct sema *s, struct expr *e);
const struct fn_decl *sema_fn(struct sema *s, struct str name);
void sema_call_fn(struct sema *s, struct expr *e, const struct fn_decl *d);
void sema_returns(struct sema *s, struct expr *e);
void sema_return_nothing(struct sema *s, struct span at);
void sema_cdefs(struct sema *s);
/* A #define that is a number or a text; NULL: none. */
const struct constant *sema_c_constant(struct sema *s, struct str name);
void sema_nearest_c(struct sema *s, struct nearest *n);
/* A #define with (call) or without parameters that is an expression of the language; NULL: none. */
const struct macro_decl *sema_c_macro(struct sema *s, struct str name, bool call);
void sema_ctype(struct sema *s, struct span at, struct str text);
/* All declarations of a header that can be understood; `own` ones hide the kernel's. */
void sema_declarations(struct sema *s, struct span at, struct str text, bool own);
const struct type *sema_c_type(struct sema *s, struct str text); /* "unsigned int"; NULL: no type */
void sema_param(struct sema *s, struct expr *e);
bool sema_param_str(struct sema *s, struct expr *call);
struct str sema_param_text(struct sema *s, unsigned n, bool *missing);
void sema_plan(struct sema *s);

/* promote.c: NULL when there is no common type. *clash is set when two 64-bit integers of different
 * sign had to become int64. */
const struct type *sema_join(struct sema *s, const struct type *a, const struct type *b,
			     bool *clash);
const struct type *sema_flexible(struct sema *s, unsigned bytes);
const struct type *sema_settled(struct sema *s, const struct type *t); /* literals only: int64 */
const struct type *sema_stored(struct sema *s, const struct type *t);  /* as a map keeps it */
const struct member *sema_counterpart(const struct type *a, const struct type *b, uint32_t i);
bool sema_is_flexible(const struct type *t);
bool sema_fits(uint64_t value, bool value_signed, const struct type *t);
/* A literal takes the sign of what it meets. */
void sema_adapt(struct sema *s, struct expr *e, const struct type *to);

/* const.c */
extern const char sema_literal_mark[];
bool sema_is_literal(const struct expr *e);
void sema_set_literal(struct sema *s, struct expr *e, uint64_t value, bool negative);
void sema_fold_binary(struct sema *s, struct expr *e);
void sema_fold_unary(struct sema *s, struct expr *e);
uint64_t sema_truncate(uint64_t v, const struct type *t);

/* infer_*.c */
void sema_value(struct sema *s, struct expr *e);      /* types it; void is reported */
void sema_visit(struct sema *s, struct expr *e);      /* types it; may be void */
void sema_visit_stmt(struct sema *s, struct expr *e); /* types it; its value is not wanted */
void sema_condition(struct sema *s, struct expr *e, const char *what);
void sema_binary(struct sema *s, struct expr *e);
/* named.c */
const struct sema_in *sema_named_split(struct sema *s, const struct sema_in *in);
void sema_named_check(struct sema *s);
bool sema_view_compare(struct sema *s,
		       struct expr *e); /* viewcmp.c; true: e is typed, or was refused */
const struct type *sema_binary_type(struct sema *s, enum binary_op op, struct expr *l,
				    struct expr *r);
void sema_report_operands(struct sema *s, enum binary_op op, struct span op_span, struct expr *l,
			  struct expr *r);
void sema_field(struct sema *s, struct expr *e);
void sema_elem(struct sema *s, struct expr *e);
void sema_index(struct sema *s, struct expr *e);
void sema_deref(struct sema *s, struct expr *e);
/* Whether `e` lies in memory that a pointer leads to, and where that is. */
bool sema_behind_pointer(struct sema *s, const struct expr *e, enum space *space);
void sema_cast(struct sema *s, struct expr *e);
void sema_sizeof(struct sema *s, struct expr *e);
void sema_typeinfo(struct sema *s, struct expr *e);
void sema_offsetof(struct sema *s, struct expr *e);
void sema_container(struct sema *s, struct expr *e);
void sema_call_expr(struct sema *s, struct expr *e);
void sema_ident(struct sema *s, struct expr *e);
bool sema_well_known(struct str name, uint64_t *value);
void sema_nearest_constant(struct nearest *n);
void sema_block(struct sema *s, struct block *b, bool want);
void sema_body(struct sema *s, struct probe *p);
const struct type *sema_decayed(struct sema *s, const struct type *t); /* char[n] → string[n] */
const struct type *sema_type_in(struct sema *s, struct type_name *tn, enum space space);

/* vars.c */
void sema_vars_begin(struct sema *s);
void sema_vars_end(struct sema *s);
void sema_scope_enter(struct sema *s);
void sema_scope_leave(struct sema *s);
struct var_info *sema_var_read(struct sema *s, struct expr *e);
struct var_info *sema_var_target(struct sema *s, struct expr *e, const struct type *t);
struct var_info *sema_var_declare(struct sema *s, struct str name, struct span sp, void **slot);
void sema_var_assign(struct sema *s, struct var_info *v, struct expr *value, const struct type *t,
		     struct span at);

/* maps.c */
struct map_info *sema_map(struct sema *s, struct expr *e);
void sema_map_use(struct sema *s, struct map_info *m, struct expr *e); /* keys; with or without */
void sema_map_read(struct sema *s, struct expr *e);
void sema_map_arg(struct sema *s, struct expr *e);
void sema_map_assign(struct sema *s, struct expr *map, struct expr *value, const struct type *t,
		     struct span at);
const struct type *sema_map_number(struct sema *s, const struct type *value);
bool sema_map_defined(struct sema *s, struct map_info *m, struct expr *e);

#endif
