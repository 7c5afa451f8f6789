/* The face of src/sema: names, types, constants and the storage plan.
 *
 *   script → resolve attach points to targets → group targets into probes, clone bodies
 *          → rounds of inference over all bodies until no type changes → one last round that
 * reports
 *
 * Types of variables and maps only ever grow (a longer string, a wider integer), so the rounds end.
 * In all but the last round reports are dropped (sema_error returns NULL and diag_* ignore NULL).
 *
 * Where results are kept: expr->type, expr->folded/value for constants, and expr->sem:
 *   EXPR_VAR → struct var_sym      EXPR_MAP → struct map_sym    EXPR_IDENT/EXPR_CALL → struct
 * call_sem EXPR_FIELD/EXPR_ELEM → struct member (in the arena)          STMT_LET.var, loop.sym →
 * struct var_sym
 */
#ifndef AWL_SEMA_H
#define AWL_SEMA_H

#include <regex.h>

#include "base/base.h"
#include "lang/lang.h"
#include "sema/builtin.h"
#include "sema/config.h"
#include "sema/event.h"
#include "sema/provider.h"
#include "type/type.h"

struct var_sym {
	struct str name;
	struct span decl;
	const struct type *type; /* NULL: not known yet */
	bool declared, assigned, read;
	bool fixed; /* declared with a type */
	struct probe *probe;
	uint32_t cell;    /* gen: scalars */
	bool has_home;    /* gen: aggregates */
	uint64_t home[8]; /* gen: a struct val (see gen.c) */
};

#define FN_PARAMS_MAX 16

/* A function of the script (`fn`) as one probe uses it. */
struct fn_inst {
	const struct fn_decl *decl;
	struct block *body;
	struct var_sym *params[FN_PARAMS_MAX];
	size_t nparams;
	const struct type *result; /* scalar or void */
	struct fn_inst *next;
	void *code; /* gen: struct ir_fn */
};

enum map_storage {
	MAP_HASH,         /* HASH, values updated in place */
	MAP_PERCPU_HASH,  /* aggregations with keys */
	MAP_SCALAR,       /* ARRAY of one: { value; u64 set } addressed directly */
	MAP_PERCPU_ARRAY, /* aggregations without keys */
};

struct map_sym {
	struct str name;        /* without @ */
	struct span first;      /* first use, for messages */
	bool keyed, scalar;     /* seen with / without a key */
	const struct type *key; /* NULL: scalar; several keys are a TYPE_TUPLE */
	uint32_t nkeys;         /* as written: 1 even when the one key is a tuple variable */
	const struct type *value;
	bool read, written;
	const struct map_decl *decl; /* or NULL */
	/* the plan: */
	enum map_storage storage;
	enum bpf_map_type bpf_type;
	uint32_t max_entries;
	uint32_t index;   /* in the program */
	uint32_t set_off; /* MAP_SCALAR: offset of `set` in the value */
	uint32_t value_size;
	uint32_t lost_off; /* globals: u64 count of keys that did not fit */
	bool looked_at;    /* gen: a program reads it, asks for keys, deletes, or walks over it */
};

/* What expr->sem holds for names and calls. */
struct call_sem {
	const struct builtin *builtin; /* NULL: one of the below */
	enum { CALL_BUILTIN, CALL_PROBE_NAME, CALL_CONSTANT, CALL_FN, CALL_KFUNC } kind;
	enum probe_name name;    /* CALL_PROBE_NAME */
	unsigned index;          /* of argN */
	struct expr *same;       /* the call means this argument of its and nothing else, or NULL */
	struct event_def *event; /* of builtins that emit one */
	void *data;      /* the builtin's own, from check() to lower(); CALL_FN: struct fn_inst */
	uint64_t num[4]; /* the builtin's own; CALL_KFUNC: the function's BTF id */
};

struct params { /* after the script on the command line */
	const char *const *v;
	size_t n;
};

/* Which processes are traced; all zero: all of them. Constant after the command line, so that one
 * process is one compare; with more, or those that are yet to come, programs look at maps that
 * gen/follow.c and runtime/follow.c keep. */
struct whom {
	const int *pids; /* known at the start: of -p, or the child of -c */
	size_t npids;
	bool follow;       /* what they fork, too */
	const char *name;  /* processes that are called so, now or later (`*` at the end); NULL */
	uint32_t ncgroups; /* processes in one of these, or below */
};

/* Does it take a map to say whether a process is one of them? */
static inline bool whom_has_map(const struct whom *w)
{
	return w->npids > 1 || w->name || (w->follow && w->npids);
}

struct sema_in {
	struct arena *arena;
	struct diag *diag;
	struct kernel *kernel;
	struct types *types;
	struct config *config;
	const struct script *script;
	const struct builtin *const *families;   /* arrays ended by name == NULL; NULL-terminated */
	const struct provider *const *providers; /* NULL-terminated */
	const struct view *const *views;         /* NULL-terminated; NULL: no types of theirs */
	struct params params;
	const char *const *include_dirs; /* -I: NULL-terminated, or NULL */
	const char *const *includes;     /* --include: headers in front of the script; or NULL */
	struct files *files;             /* where headers come from (base/files.h); NULL: disk */
	struct whom whom;
	int pid;             /* the first of whom.pids, for finding files; 0: none */
	int child;           /* pid of -c's child, 0: none (cpid) */
	const char *command; /* what it is about to run; or NULL */
	bool unsafe;
	enum run_mode mode;
	const regex_t *filter; /* full names of probes to keep; NULL: all. begin and end stay */
};

/* How a declaration's attach points were resolved, for programs that are loaded elsewhere. */
struct resolved_target {
	const struct provider *prov;
	struct attach_target
		t; /* as resolve() left it; `id` is the one of the target in the plan */
};

struct resolved_decl {
	struct attach_point *aps; /* with the parameters of the command line put in */
	size_t naps;
	VEC(struct resolved_target) targets; /* in the order of resolving */
};

/* A map that a provider or builtin keeps its own state or tables in. */
struct own_map {
	const char *name; /* ".gocalls" */
	enum bpf_map_type type;
	uint32_t key_size, value_size, max_entries;
	/* What is in it from the start, and its sizes, where these are known only once the whole
	 * script is: called once, before code is generated. NULL: it is empty. */
	void (*fill)(void *arg, struct own_map *m);
	void *arg;
	const void *keys, *values; /* `filled` of them, one behind the other */
	uint32_t filled;
};

/* The checked script: what gen and compile work from. */
struct plan {
	struct probe **probes;
	size_t nprobes;
	struct map_sym **maps;
	size_t nmaps; /* in order of index */
	struct event_def **events;
	size_t nevents; /* by id */
	struct attach_target **targets;
	size_t ntargets; /* by id */
	struct resolved_decl *resolved;
	size_t nresolved;
	const char **strings;
	size_t nstrings;
	struct config *config;
	uint32_t globals_size; /* bytes of the data map taken so far */
	uint32_t lost_off;     /* u64[LOST_COUNT]; always there */
	uint32_t start_off;    /* u64: boot time of the start, for `elapsed`; always there */
	uint32_t exit_off;     /* u64: not 0 once exit() has run; always there */
	const char *help;      /* asked for by --help: to be shown in place of a run; or NULL */
	bool uses_exit;        /* some probe calls exit(): programs look at exit_off first */
	bool needs_stackmap;
	bool needs_packets;    /* skboutput(): a map of perf events */
	bool needs_unwind;     /* some stack is unwound by tables */
	const char *frameless; /* … as this file has no frame pointers; NULL: as the script says */
	uint32_t stack_limit;  /* deepest stack asked for, frames */
	bool needs_scratch;
	struct {
		struct own_map **v;
		size_t n, cap;
	} own_maps;
};

/* False when errors were reported. */
bool sema_run(const struct sema_in *in, struct plan **out);
/* Resolves attach points of one declaration on this machine, with the same messages and in the same
 * order: of `in` arena, diag, kernel, types, config, providers and pid are needed. */
bool sema_resolve_again(const struct sema_in *in, const struct attach_point *aps, size_t n,
			struct resolved_decl *out);

/* ---- for builtins and providers
 * ------------------------------------------------------------------- */

struct arena *sema_arena(struct sema *s);
struct diag *sema_diag(struct sema *s);
struct types *sema_types(struct sema *s);
struct kernel *sema_kernel(struct sema *s);
struct config *sema_config(struct sema *s);
const struct sema_in *sema_input(struct sema *s);
/* The program that the command of -c runs, as it is named there; empty without one. */
struct str sema_command_program(const struct sema *s);
/* One thing is kept from attach point to attach point, the last: the file that a provider looked
 * into. It is released when another is kept, and when all points are resolved. */
void sema_keep(struct sema *s, void *kept, void (*release)(void *kept));
void *sema_kept(struct sema *s);
/* The one process that is traced, when a constant says it; otherwise 0. */
int sema_only_pid(struct sema *s);
struct probe *sema_probe(struct sema *s); /* the one whose body is being checked; NULL outside */
bool sema_has_target(struct sema *s, struct str name); /* a declaration before has it */
/* The first of the files that are known to be traced which is built without frame pointers; NULL:
 * there is none, or user stacks are better walked by frame pointers all the same. */
const char *sema_frameless(struct sema *s);
/* May the probe whose body is being checked call the kernel's function of that name? */
bool sema_kfunc_allowed(struct sema *s, const char *name);
bool sema_final(struct sema *s); /* the round that reports */

/* Reports in the last round only (and while attach points are resolved); NULL otherwise. */
struct diag_msg *sema_report(struct sema *s, enum diag_code code, struct span sp, const char *fmt,
			     ...) __attribute__((format(printf, 4, 5)));
struct call_sem *sema_call(struct sema *s, struct expr *e); /* e->sem, made when missing */

/* Arguments of the call being checked. */
bool sema_arg_int(struct sema *s, struct expr *call, unsigned i); /* integer-like, else reported */
bool sema_arg_ptr(struct sema *s, struct expr *call,
		  unsigned i); /* pointer or integer (an address) */
bool sema_arg_string(struct sema *s, struct expr *call, unsigned i);
bool sema_literal_int(struct sema *s, struct expr *call, unsigned i,
		      int64_t *out); /* reported when it is none */
bool sema_literal_str(struct sema *s, struct expr *call, unsigned i, struct str *out);
struct map_sym *sema_arg_map(struct sema *s, struct expr *call,
			     unsigned i); /* `@m` without keys, else reported */

/* Accepts f(@m[k], …) and f(@m, k, …): checks the key against the map's and lets it grow.
 * Afterwards args[0] is an EXPR_MAP with its keys in both spellings (args[i] stays where it is, not
 * to be evaluated again). NULL after a report. */
struct map_sym *sema_arg_map_key(struct sema *s, struct expr *call, unsigned i);
/* Asks for a named parameter; `form` describes it in the list of those that there are. True when it
 * was given, with `value` behind the `=`. */
bool sema_option(struct sema *s, struct str name, const char *form, struct str *value,
		 bool *has_value);
/* BI_OUT_ARG: args[i] is a variable that gets a value of type `t`; reported when it is none. */
void sema_arg_out(struct sema *s, struct expr *call, unsigned i, const struct type *t);
/* For BI_LAZY_ARGS and nested expressions: types `e` as a value. */
void sema_infer(struct sema *s, struct expr *e);
/* The type that a type name means; NULL after a report (type_poison before the last round). */
const struct type *sema_type_name(struct sema *s, struct type_name *tn);
/* The space that addresses in this probe point into unless typed otherwise. */
enum space sema_space(struct sema *s);

/* The event of a call, made once: fields of the given types are laid out after the id. Called again
 * with the same call it updates types and layout. */
struct event_def *sema_event(struct sema *s, struct expr *call, const struct event_kind *kind,
			     const struct type *const *fields, uint32_t nfields);
/* For providers, while places are looked up: the text of a probe that is added to the script on
 * behalf of `ap`, and the number of the next watchpoint that has no address of its own. */
void sema_add_probe(struct sema *s, const struct attach_point *ap, const char *text);
uint32_t sema_number_watched(struct sema *s);
/* A format whose values are not arguments of a call. NULL: it was wrong, and that is reported. */
const struct format *sema_format_text(struct sema *s, struct str text, struct span span);
/* Parses `text` as a printf format and checks it against args[first…]; sets def->format. */
bool sema_format(struct sema *s, struct expr *call, struct str text, unsigned first,
		 const struct format **out);
/* Code is about to depend on what this program or library has in it (FACT_FILE): elf_identity(),
 * which is released. */
void sema_note_file(struct sema *s, const char *path, struct buf *identity);
uint32_t sema_string(struct sema *s, const char *text); /* index in plan.strings */
uint32_t sema_global(struct sema *s, uint32_t size); /* 8-byte aligned zeroed space in the globals;
							once per plan, not per round */
/* A map for the provider's own use, for gen_own_map(). Its sizes may grow until code is generated.
 */
struct own_map *sema_own_map(struct sema *s, const char *name, enum bpf_map_type type,
			     uint32_t *index);
void sema_need_stack(struct sema *s, uint32_t limit);
/* The maps of sema/unwind.h; `frameless`: the file that is why, or NULL. */
void sema_need_unwind(struct sema *s, const char *frameless);
void sema_need_packets(struct sema *s);
void sema_exits(struct sema *s); /* the script calls exit(): sets plan.uses_exit */

#endif
