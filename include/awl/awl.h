/* libawl: compile a tracing script, attach it, receive what it says, read its maps.
 *
 *   struct awl *awl = awl_new(NULL);
 *   if (awl_compile(awl, "-e", "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }", NULL) ||
 *       awl_attach(awl))
 *           fprintf(stderr, "%s", awl_error(awl));
 *   while (awl_poll(awl, 100) >= 0) …
 *   awl_map_each(awl, "@", visit, NULL);
 *   awl_free(awl);
 *
 * A session compiles and runs one script. Its functions are called from one thread at a time,
 * except awl_stop(), which may be called from any thread and from signal handlers. Functions that
 * can fail return 0 or a negative errno and leave a message for people in awl_error(). Nothing is
 * printed by the library except the script's own output, to the descriptor in the options (unless a
 * callback takes it).
 *
 * Option structs begin with their own size and may grow: zero-initialise them and set `size`, or
 * use AWL_OPTS. New members are added at the end; zero means the default.
 */
#ifndef AWL_AWL_H
#define AWL_AWL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AWL_VERSION            "0.1.0"
#define AWL_API                __attribute__((visibility("default")))
#define AWL_OPTS(T, name, ...) struct T name = {.size = sizeof(struct T), ##__VA_ARGS__}

struct awl;

enum awl_level { AWL_INFO, AWL_WARNING, AWL_ERROR };

/* AWL_JSON is the form of bpftrace, AWL_NDJSON awl's own, versioned: see docs/output.md. */
enum awl_json { AWL_JSON = 1, AWL_NDJSON };
/* Maps keyed by stacks become one document, written when the run ends; everything else that the
 * script prints goes to standard error. See docs/stacks.md. */
enum awl_profile {
	AWL_PROFILE_NONE,
	AWL_PROFILE_FOLDED,     /* a line for each stack */
	AWL_PROFILE_SVG,        /* a flame graph */
	AWL_PROFILE_SPEEDSCOPE, /* JSON of speedscope */
	AWL_PROFILE_PPROF,      /* compressed protocol buffer of pprof */
	AWL_PROFILE_PERFETTO,   /* trace of Perfetto */
};

enum awl_buffering { AWL_BUF_LINE, AWL_BUF_NONE, AWL_BUF_FULL };

/* AWL_TEST and AWL_BENCH run the test: and bench: probes, in awl_attach(), and nothing else;
 * awl_finish() gives 1 when a test failed. */
enum awl_mode { AWL_TRACE, AWL_TEST, AWL_BENCH };

struct awl_opts {
	size_t size;
	int json;   /* records as JSON lines instead of text: AWL_JSON, AWL_NDJSON; 0: text */
	int out_fd; /* where the script's output goes; 0 means standard output (1) */
	enum awl_buffering buffering;
	int unsafe; /* allow system(), signal() and their like */
	int quiet;  /* no "Attached N probes" */
	int verbose;
	int handle_signals;  /* SIGINT and SIGTERM end awl_run(); a second one ends the process */
	int pid;             /* trace this process only, leave when it ends; 0: all */
	const char *command; /* start this (words, no shell), trace it, leave when it ends; NULL */
	/* A message for people: warnings, losses, "Attached 2 probes". `text` has no newline at its
	 * end. */
	void (*message)(void *arg, enum awl_level level, const char *text);
	/* One record of the script's output instead of writing it: `type` is "printf", "map",
	 * "hist", …; `text` is what would have been written (a JSON line with `json`), not
	 * NUL-terminated, valid during the call. */
	void (*record)(void *arg, const char *type, const char *text, size_t len);
	void *arg;                            /* given to the two */
	const char *const *disabled_features; /* names as in awl_info(), NULL-terminated; NULL */
	int color;                            /* diagnostics with ANSI colours */
	int json_diagnostics; /* awl_error() after awl_compile() is JSON, one object a line */
	const char *traceable_functions; /* file: kernel functions open to kprobes, "name [module]"
					    a line; NULL: asked of the kernel */
	enum awl_mode mode;              /* what of the script is run */
	int helper_warnings; /* a message each time that the kernel fails to read memory, or a map
				has no such key */
	enum awl_profile profile; /* the document is one record of type "profile" for `record` */
	/* Which processes to trace, besides `pid` and `command`; of different kinds any one is
	 * enough. Of -p and `command` the run ends with the last one. */
	const int *pids; /* these */
	size_t npids;
	int follow;               /* and what they start, now and later */
	const char *process_name; /* called so, now or later; `*` at the end stands for any rest */
	const char *const *cgroups, *const *containers, *const *pods; /* paths of cgroups (version
									 2), ids of containers, uids
									 of pods; NULL-terminated */
	const char *kernel_btf; /* file with the kernel's types, raw BTF or ELF, where the kernel
				   shows none; NULL: what AWL_BTF or BPFTRACE_BTF in the environment
				   says */
};

/* A session. NULL options are all defaults. Never NULL; errors come from the functions below. */
AWL_API struct awl *awl_new(const struct awl_opts *opts);
/* Detaches what is attached, drops what was not read, frees. NULL is fine. */
AWL_API void awl_free(struct awl *awl);

/* The last error, or for awl_compile() all diagnostics of the script (also warnings when it
 * succeeded, else
 * ""). Valid until the next call on the session. */
AWL_API const char *awl_error(const struct awl *awl);

struct awl_compile_opts {
	size_t size;
	const char *const *params; /* $1, $2 …: NULL-terminated; NULL: none */
	unsigned dump;             /* AWL_DUMP_…: texts for awl_dump_text() */
	const char *probe_filter;  /* extended regular expression: only probes whose full name it
				      matches, and begin and end; NULL */
	const char *const *include_dirs; /* where headers of #include are looked for first:
					    NULL-terminated; NULL */
	const char *const *includes;     /* C headers that are read in front of the script:
					    NULL-terminated; NULL */
	uint64_t max_rate;        /* hits a second that run the body of a probe; 0: no limit */
	const char *max_overhead; /* share of a processor that probes may take, "5%"; NULL */
};

enum { AWL_DUMP_AST = 1, AWL_DUMP_TYPES = 2, AWL_DUMP_IR = 4, AWL_DUMP_BPF = 8 };

/* Compiles `text`; `name` appears in diagnostics. -EINVAL: the script is wrong. Neither is kept.
 * Until awl_attach() the session may compile again, which drops what it had; that is quicker than a
 * new session, as the kernel is not asked again for its features. */
AWL_API int awl_compile(struct awl *awl, const char *name, const char *text,
			const struct awl_compile_opts *opts);
/* Compiles many times, and tells in a table how long each pass takes, in the mean: to be released
 * with free(); NULL when the script is wrong. Of the options, dump is not used. */
AWL_API char *awl_compile_bench(struct awl *awl, const char *name, const char *text,
				const struct awl_compile_opts *opts);
/* Compiles ahead of time: `*bytes` (to be released with free()) is a file that awl_load() takes on
 * this and other kernels. Of the options params, include_dirs and includes are used. */
AWL_API int awl_build(struct awl *awl, const char *name, const char *text,
		      const struct awl_compile_opts *opts, void **bytes, size_t *n);
/* In the place of awl_compile(): takes a program that awl_build() made. -EBADMSG: it is damaged, or
 * made for another kind of machine; -EINVAL: the script cannot be run here. Of the options params,
 * probe_filter and dump are used; with verbose set, a message tells how it was loaded. */
AWL_API int awl_load(struct awl *awl, const void *bytes, size_t n,
		     const struct awl_compile_opts *opts);
/* Not 0 when the bytes begin as those of awl_build() do. */
AWL_API int awl_is_built(const void *bytes, size_t n);
/* What such a file holds, as text: to be released with free(); NULL after an error. */
AWL_API char *awl_describe(struct awl *awl, const void *bytes, size_t n);
/* What was asked for with `dump`, also after an error. */
AWL_API const char *awl_dump_text(const struct awl *awl);
/* The script's page of help when its parameters ask for it (`--`, `--help`): to be shown in place
 * of a run; otherwise NULL. */
AWL_API const char *awl_script_help(const struct awl *awl);
/* Number of places that the script's probes will be attached to. */
AWL_API size_t awl_probe_count(const struct awl *awl);
/* Where each probe lands and what a hit costs: one line of text for each place, without attaching.
 */
AWL_API int awl_explain(struct awl *awl, void (*line)(void *arg, const char *text), void *arg);

/* Loads the programs into the kernel and attaches them; `begin` has run when it returns. */
AWL_API int awl_attach(struct awl *awl);
/* Delivers what there is, waiting at most `timeout_ms` (-1: for ever) for the first. The number of
 * records, or -1 when the run is over: the script called exit(), the traced process ended, or
 * awl_stop() was called. */
AWL_API int awl_poll(struct awl *awl, int timeout_ms);
/* awl_poll() until the run is over, then awl_finish(). */
AWL_API int awl_run(struct awl *awl);
AWL_API void awl_stop(struct awl *awl);
/* Detaches, delivers what is left, runs `end`, prints the maps, tells of losses. The script's exit
 * code. */
AWL_API int awl_finish(struct awl *awl);
/* Not 0 when the script is of a kind that ends by itself (only begin, end, iter). */
AWL_API int awl_ends_by_itself(const struct awl *awl);

/* One entry of a map, merged over CPUs, as print() would show it, in its order. Bytes are as in the
 * kernel (aggregations: merged). Not 0 from `visit` ends the walk and is returned. */
typedef int (*awl_map_fn)(void *arg, const char *key, const char *value, const void *key_bytes,
			  size_t key_len, const void *value_bytes, size_t value_len);
AWL_API int awl_map_each(struct awl *awl, const char *name, awl_map_fn visit, void *arg);

enum awl_loss {
	AWL_LOST_RING,
	AWL_LOST_MAP,
	AWL_LOST_STACK,
	AWL_LOST_SCRATCH,
	AWL_LOST_FAULT,
	AWL_LOST_CONTEND,
	AWL_LOST_MISSED,
	AWL_LOST_UNWOUND,  /* calls that ended without a return: none of their returns is lost */
	AWL_LOST_UNPAIRED, /* returns of calls that began before the probe was there */
	AWL_LOST_LOOP      /* loops that the kernel cut off: they took too long */
};
/* Events of a cause that happened and are not in the output; of AWL_LOST_LOOP, loops. */
AWL_API uint64_t awl_lost(const struct awl *awl, enum awl_loss cause);

/* ---- without a script
 * -------------------------------------------------------------------------------- */

/* Probes that match (`tracepoint:sched:*`, several between commas; "" lists all kinds of the
 * kernel), one call for each; `detail` has argument lines with `verbose` in the options, or is
 * NULL. "struct NAME", "union NAME" and "enum NAME" (`*` in NAME) list types of the kernel, whole
 * with `verbose`. */
typedef int (*awl_list_fn)(void *arg, const char *probe, const char *detail);
AWL_API int awl_list(struct awl *awl, const char *pattern, awl_list_fn fn, void *arg);
/* The places that the compiled script's probes will be attached to, by full name; `detail` as
 * above. */
AWL_API int awl_list_script(struct awl *awl, awl_list_fn fn, void *arg);
/* The formatted script, to be released with free(); NULL after an error. */
AWL_API char *awl_format(struct awl *awl, const char *name, const char *text);
/* The documentation of builtins and probes: all (`name` NULL) or one. -ENOENT: there is none. */
typedef void (*awl_doc_fn)(void *arg, const char *kind, const char *name, const char *proto,
			   const char *doc);
AWL_API int awl_doc(const char *name, awl_doc_fn fn, void *arg);
/* The names of what kernels have or have not, in the order of awl_info(), without trying any of it;
 * NULL behind the last. */
AWL_API const char *awl_feature_name(unsigned index);
/* What this kernel has: name, text, 1 or 0. */
AWL_API int awl_info(struct awl *awl,
		     void (*fn)(void *arg, const char *name, const char *text, int has), void *arg);

#ifdef __cplusplus
}
#endif

#endif
