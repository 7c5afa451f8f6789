/* The interface of probe providers. One file in src/probe for each; nothing else in awl asks what
 * kind of probe it has. */
#ifndef AWL_SEMA_PROVIDER_H
#define AWL_SEMA_PROVIDER_H

#include "base/base.h"
#include "kernel/kernel.h"
#include "lang/lang.h"
#include "type/type.h"

struct elf;
struct sema;
struct gen;
struct val;
struct probe;

typedef uint32_t ir_val_t; /* an ir_val of ir/ir.h, which this header does not depend on */

/* One place that a probe is attached to. Plain data: it goes into the compiled program. */
struct attach_target {
	const char *name;   /* full name, "uprobe:/bin/bash:readline": the value of `probe` */
	const char *module; /* tracepoint category, path of a binary, kernel module … or NULL */
	const char *symbol; /* event, function … or NULL */
	uint64_t addr;      /* file offset, address, sample period … by provider */
	uint64_t ref_ctr;   /* file offset of a USDT semaphore, 0: none */
	uint64_t id;        /* number of the target in the program: the attach cookie */
	uint64_t said;      /* … that `probe` tells: of the first target of this name */
	uint32_t a, b, c;   /* by provider: perf type and config, length and mode … */
	int pid;            /* 0: any */
	void *data;         /* compile time only, the provider's own */
};

struct attach_targets { /* a VEC in the compilation's arena */
	struct attach_target *v;
	size_t n, cap;
};

/* Names that a provider may give a meaning to. */
enum probe_name {
	NAME_ARGS, /* args: a struct */
	NAME_ARG,  /* argN */
	NAME_RETVAL,
	NAME_CTX,
	NAME_FUNC,
	NAME_UREGS, /* registers: reg("ax"), usermode */
	NAME_GOID,  /* of the goroutine: index is an enum go_name */
};

enum go_name { GO_ID, GO_DEPTH, GO_PARENT, GO_START };

/* How the labels of a goroutine lie in memory, behind the address that its g has. */
enum go_labels {
	GO_LABELS_MAP,  /* up to Go 1.23: a map[string]string */
	GO_LABELS_LIST, /* a slice of pairs of strings */
};

/* What a body uses; found by a walk before the targets are grouped. */
enum probe_uses {
	USES_ARGS = 1,
	USES_ARGN = 2,
	USES_RETVAL = 4,
	USES_CTX = 8,
	USES_FUNC = 16,
	USES_PROBE = 32,
	USES_KSTACK = 64,
	USES_USTACK = 128,
	USES_REGS = 256,
	USES_SIGNAL = 512,
	USES_KFUNC = 1024,
	USES_GOID = 2048,
};

/* A value of a Go program that an expression names: args.p.x, retval.1. */
struct go_step {
	bool deref;   /* the place holds the address of the next one */
	uint32_t off; /* then so many bytes on */
};

struct go_place {
	uint32_t type, file; /* numbers in the table of gotype.h */
	bool result, all;
	unsigned index; /* of the argument or result; `all`: of the results, as a tuple */
	VEC(struct go_step) steps;
	bool lost;       /* not there at this place: a mark is shown */
	const char *why; /* type 0: why it cannot be shown */
};

/* One program to be: a body, cloned, for one or several targets. */
struct fn_inst; /* sema.h */

struct probe {
	const struct provider *prov;
	const struct probe_decl *decl;
	const struct attach_point *ap;
	const char *name; /* as written, for messages */
	struct attach_target *targets;
	size_t ntargets;
	struct expr *pred;
	struct block *body;
	unsigned uses;                /* enum probe_uses */
	unsigned index;               /* of the program */
	enum bpf_prog_type prog_type; /* set by prov->plan */
	uint32_t attach_type, attach_btf_id;
	const char *attach_module; /* whose type attach_btf_id is; NULL: the kernel's … */
	uint32_t attach_prog;      /* … or that of the BPF program with this id */
	const char *attach_name;   /* of the kernel's type that attach_btf_id is; or NULL */
	uint32_t guard;            /* globals: its struct guard_words; 0: it has no limits */
	int pid_filter;            /* the body starts with `if (tgid != this) return`; 0: none */
	void *data;                /* the provider's own */
	void *sema;                /* sema's own: variables, scopes */
	struct fn_inst *fns;       /* functions that it calls, callees before callers */
};

/* ---- the run-time side -------------------------------------------------------------------------
 */

/* Where a provider's attach puts what it opened. The runtime owns the descriptors afterwards. */
struct attach_env {
	struct kernel *kernel;
	/* The processes that the kernel is asked to look at alone, where it can: all of them are
	 * known. None: all, and programs look for themselves. */
	const int *pids;
	size_t npids;
	bool verbose;
	void *run;
	void (*own_fd)(struct attach_env *env, int fd,
		       bool slow_close); /* closed at detach; slow ones in parallel threads */
	void (*at_begin)(struct attach_env *env,
			 int prog_fd); /* test-run before the others are attached */
	void (*at_end)(struct attach_env *env, int prog_fd); /* test-run after they are detached */
	/* run by --test and --bench */
	void (*on_trial)(struct attach_env *env, const char *name, int prog_fd);
	void (*on_signal)(struct attach_env *env, int signo,
			  int prog_fd); /* test-run when awl gets it */
	void (*on_timer)(struct attach_env *env, uint64_t period_ns,
			 int prog_fd); /* test-run once in each period, after all are attached */
	void (*iterate)(struct attach_env *env,
			int link_fd); /* read the iterator to its end, then leave */
	void (*pin_link)(struct attach_env *env, int link_fd, const char *path);
	void (*warn)(struct attach_env *env, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
	/* The user wants to leave: what is not attached yet need not be. */
	bool (*stopped)(struct attach_env *env);
	void (*skipped)(struct attach_env *env, const struct attach_target *t, const char *why);
};

struct attach_prog {
	const char *name;
	const struct attach_target *targets;
	size_t ntargets;
	enum bpf_prog_type prog_type;
	uint32_t attach_type;
	int fd;
};

/* What a run is for. A provider belongs to one of them; probes of others are left out. */
enum run_mode { MODE_TRACE, MODE_TEST, MODE_BENCH };

/* Sink of -l: one line for each probe, `detail` (may be NULL) has the indented lines of -lv. */
typedef int (*list_fn)(void *arg, const char *probe, const char *detail);

/* One program at the entry and the return of functions, on kernels that can. */
struct session {
	const struct provider *at_return; /* whose programs can be joined with this one's */
	uint32_t multi, both;             /* attach types: apart, joined */
	enum feature feature;
};

struct provider {
	const char *name;           /* "tracepoint" */
	const char *const *aliases; /* {"t", NULL} */
	const char *form;           /* "tracepoint:CATEGORY:EVENT", for messages and docs */
	const char *doc;            /* one paragraph, then an example */
	enum space space;           /* what args and arg0 point into unless typed */
	bool listed;                /* part of `-l` without a pattern */
	bool timer;       /* fires by itself, ends nothing: begin/end are not (auto-exit) */
	bool args_btf;    /* args come from the kernel's BTF and nowhere else */
	bool anywhere;    /* fires in no process of its own: not filtered by process */
	bool once;        /* begin, end, iter: when only such probes exist, awl leaves after them */
	bool trampolines; /* puts addresses of its own in place of return addresses on user stacks
			   */
	bool gated;       /* once, and yet many times: leaves at its start when exit() has run */

	enum run_mode mode;
	const struct session *session; /* NULL: none */

	/* Checks the parts of an attach point (parts[0] is the provider's name), expands wildcards
	 * and pushes targets. Reports to the diag with did-you-mean; no match is E_PROBE_NONE (or
	 * as config.missing_probes says). False when an error was reported. */
	bool (*resolve)(struct sema *s, const struct attach_point *ap, struct attach_targets *out);
	/* May both targets run one program on this kernel, given what the body uses? NULL: always.
	 */
	bool (*share)(struct kernel *k, unsigned uses, const struct attach_target *a,
		      const struct attach_target *b);
	/* Chooses prog_type, attach_type, pid_filter … once `uses` is known. */
	void (*plan)(struct sema *s, struct probe *p);
	/* The type of a name in this probe; NULL: it has none (a message names those that have). */
	const struct type *(*name_type)(struct sema *s, struct probe *p, enum probe_name name,
					unsigned index);
	/* Code for it. For NAME_ARGS the place of the struct (SPACE_CTX …). */
	struct val (*name_load)(struct gen *g, struct probe *p, enum probe_name name,
				unsigned index);
	/* Code at the program's very start, before pid filter and predicate: leaves by gen_return
	 * when the event is none of the targets'. NULL: nothing to do. */
	void (*enter)(struct gen *g, struct probe *p);
	/* The id of the target that fired, for `probe` in a program with several; NULL: the attach
	 * cookie. */
	ir_val_t (*target_id)(struct gen *g, struct probe *p);
	/* The return address, where the frame of the function that was entered is not built yet, so
	 * that a walk by frame pointers misses its caller. NULL, or false: the walk finds it. */
	bool (*caller)(struct gen *g, struct probe *p, ir_val_t *out);
	/* Its functions have frame pointers, and no tables, whatever else the program is made of.
	 */
	bool framed;
	/* Nanoseconds since the call that returns was entered: `elapsed`. NULL: it is the time
	 * since the start. */
	ir_val_t (*elapsed)(struct gen *g, struct probe *p);
	/* args.FIELD and ctx.FIELD where they are not plain memory. NULL, or VAL_NONE returned: by
	 * memory. */
	struct val (*arg_field)(struct gen *g, struct probe *p, const struct member *m);

	/* Why args has no field of this name, when more can be said than that. NULL, or NULL
	 * returned: nothing more. */
	const char *(*no_arg)(struct probe *p, struct str name);
	/* args.FIELD[index] of an array that is not plain memory, with a constant index. NULL, or
	 * VAL_NONE: by arg_field. */
	struct val (*arg_elem)(struct gen *g, struct probe *p, const struct member *m,
			       uint64_t index);

	/* The value that `e` names, with Go's own type; false when it names none of these. NULL:
	 * there are none. */
	bool (*go_place)(struct sema *s, struct probe *p, struct expr *e, struct go_place *out);
	/* Its place in memory, and what is added to link-time addresses of its program. */
	struct val (*go_load)(struct gen *g, struct probe *p, const struct go_place *pl);
	ir_val_t (*go_bias)(struct gen *g, struct probe *p);
	/* The address of the running goroutine's labels; 0: it has none. NULL: there are no
	 * goroutines. */
	ir_val_t (*go_labels)(struct gen *g, struct probe *p, enum go_labels *how);

	int (*attach)(struct attach_env *env, const struct attach_prog *p, struct err *e);
	/* watch(): the same for an address that is known only now, in one process. NULL: never. */
	int (*attach_at)(struct attach_env *env, const struct attach_prog *p, uint64_t addr,
			 int pid, struct err *e);
	/* The place in `f`, a file that has taken the place of the target's: of the same build, or
	 * of another one. False: the program is of no use there. NULL: never. */
	bool (*move)(struct kernel *k, const struct attach_target *t, struct elf *f,
		     bool same_build, struct attach_target *out);
	/* Lists what matches (parts as of an attach point, possibly with wildcards, fewer parts
	 * mean `*`). */
	int (*list)(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		    list_fn fn, void *arg, struct err *e);
	/* Why this kernel attaches none of these probes; NULL, or NULL returned: it does. */
	const char *(*lacks)(struct kernel *k);
	/* Nanoseconds of a hit beside the program. NULL: awl runs it itself. */
	uint32_t (*cost)(struct kernel *k, const struct attach_target *t);
	/* For --explain: where the probe lands and what a hit costs, appended as lines of text. */
	void (*explain)(struct kernel *k, const struct attach_target *t, struct buf *out);
};

/* All of them, NULL-terminated, in the order of -l: src/probe/table.c. */
extern const struct provider *const providers[];
/* Attaches the programs that follow processes: tracepoint, by its records. */
extern const struct provider *const provider_of_follow;

#endif
