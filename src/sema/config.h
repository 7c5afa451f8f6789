/* Settings of a run: defaults, the script's config block, the environment (AWL_<NAME> and
 * BPFTRACE_<NAME>; the environment wins). */
#ifndef AWL_SEMA_CONFIG_H
#define AWL_SEMA_CONFIG_H

#include "base/base.h"
#include "lang/lang.h"
#include "type/type.h"

/* MISSING_ANY: an error, unless another place of the same probe's list exists. */
/* How `ustack` finds the callers. */
enum ustack_unwind { UNWIND_AUTO, UNWIND_FP, UNWIND_DWARF };

enum missing_probes { MISSING_ERROR, MISSING_WARN, MISSING_IGNORE, MISSING_ANY };

struct config {
	uint64_t max_strlen;       /* 1024: capacity of str() without a length */
	uint64_t max_map_keys;     /* 4096 */
	uint64_t max_probes;       /* 1024 programs */
	uint64_t max_bpf_progs;    /* 1024 */
	uint64_t max_cat_bytes;    /* 10240 */
	uint64_t on_stack_limit;   /* 32: objects above it go to scratch memory */
	uint64_t perf_rb_pages;    /* 0: chosen by memory; pages of the ring buffer */
	uint64_t log_size;         /* bytes of the verifier's log */
	uint64_t go_value_size;    /* 1536: bytes of a Go value and all that is shown of it */
	uint64_t go_max_string;    /* 256: bytes of a string in it */
	uint64_t go_max_elems;     /* 16: elements of a slice or array in it */
	uint64_t go_max_map_elems; /* 0: only the length; elements of a map in it */
	enum missing_probes missing_probes;
	enum stack_mode stack_mode;
	enum ustack_unwind ustack_unwind;
	const char *printf_filter; /* "": none; only lines with this text are printed */
	uint64_t printf_limit;     /* 0: none; the run ends after so many lines of printf */
	uint64_t max_rate;         /* 0: none; hits a second that run the body of a probe */
	const char *max_overhead;  /* "": none; share of a processor: config_overhead() */
	const char *stack_frame;   /* "": as stack_mode has it; else the format of one frame */
	bool stack_root_first;     /* with stack_frame: the outermost frame first */
	bool print_maps_on_exit;
	bool detach_last;    /* `end` runs and prints while the probes are attached */
	bool begin_attached; /* `begin` runs when all probes are attached, before the first fires */
	bool probe_inline;   /* uprobes of a function sit in its inlined copies, too */
	bool warn_inlined;   /* look for inlined copies to warn of them */
	bool new_files;      /* uprobes go into files that replace the probed ones */
	bool cpp_demangle;
	bool lazy_symbolication;
	const char *str_trunc_trailer; /* ".." */
	const char *str_unreadable;    /* "": what str() is when memory cannot be read */
	const char *license;           /* "GPL" */
	bool helper_warnings;          /* -k: see gen/warn.c */
	bool script_applied;           /* config_from_script has run */
};

/* max_overhead in thousandths of a percent; 0: none. */
uint64_t config_overhead(const struct config *c);
/* Are hits counted, and left out when there are too many? */
bool config_is_limited(const struct config *c);
void config_init(struct config *c, struct arena *a);
/* Applies a setting; `value` as text. False with `why` set to a static text when the name or the
 * value is wrong. Names are case-insensitive. */
bool config_set(struct config *c, struct arena *a, struct str name, struct str value,
		const char **why);
void config_from_env(struct config *c, struct arena *a, struct diag *d);
/* The settings that mean something, by number: name and value. False: number `i` is none of them.
 */
struct config_value {
	const char *name;
	enum config_kind kind; /* CONFIG_INT, CONFIG_BOOL, CONFIG_STR */
	uint64_t num;
	const char *text; /* CONFIG_STR */
};
size_t config_count(void);
bool config_get(const struct config *c, size_t i, struct config_value *v);
/* Settings of the environment are part of what a program is made from: notes them
 * (FACT_ENVIRONMENT). */
void config_note_env(struct kernel *k);
/* Applies the script's config block, reporting bad settings. sema_run does it, followed by the
 * environment, unless it was done before. */
void config_from_script(struct config *c, struct arena *a, struct diag *d,
			const struct script *script);

#endif
