/* The compiled program: everything the runtime needs, nothing of the compiler. It owns an arena
 * with all that it points to, except rows of builtins and providers (static data). */
#ifndef AWL_COMPILE_PROGRAM_H
#define AWL_COMPILE_PROGRAM_H

#include "ir/ir.h"
#include "sema/config.h"
#include "sema/event.h"
#include "sema/provider.h"
#include "sema/unwind.h"

struct program_map {
	const char *name; /* "@start", "" of the anonymous map is "@"; internal ones ".ring" … */
	bool user;        /* a map of the script: printed at the end */
	bool mmapable;
	bool own;                  /* keeps the state of a provider */
	const void *keys, *values; /* what is in it from the start: `filled` of each */
	uint32_t filled;
	struct map_spec spec;
	const struct type *key; /* NULL: no key (scalar) */
	uint32_t nkeys;
	const struct type *value;
	bool scalar; /* one value behind key 0 (u32) */
	bool percpu; /* values are one slot for each possible CPU, each rounded up to 8 bytes */
	uint32_t set_off;  /* scalar without aggregation: u64 in the value, not 0 once assigned */
	uint32_t lost_off; /* globals: u64 of insertions that found the map full; user maps */
	bool subtract;     /* clear() and zero() may be done by subtraction: nothing but printing
			    * looks at it, and its slots are sums */
};

/* One image of unwind_images. */
extern const struct map_spec program_unwind_image;

struct program_prog {
	const char *name;  /* for the kernel: 15 characters */
	const char *title; /* as in the script, for messages */
	const struct provider *prov;
	struct attach_target *targets;
	size_t ntargets;
	enum bpf_prog_type type;
	uint32_t attach_type, attach_btf_id;
	const char *attach_module; /* as in struct probe */
	uint32_t attach_prog;
	uint32_t guard; /* globals: struct guard_words; 0: none */
	bool follows;   /* none of the script's: keeps `followed`, attached before all others */
	struct ir_code code; /* n is 0: part of another program (compile/session.c) */
};

struct resolved_decl; /* sema.h */

struct program {
	struct arena *arena;
	struct diag *diag; /* sources, for the places of rejections and messages */
	struct config config;
	uint64_t overhead; /* config_overhead() */
	struct types *types;
	struct program_map *maps;
	size_t nmaps;
	uint32_t ring, globals, scratch, stacks; /* indices into maps, or NO_MAP */
	uint32_t unwind_procs, unwind_images;    /* the same, both or none; see sema/unwind.h */
	uint32_t followed, cgroups;              /* the same; see gen/follow.c */
	struct program_prog *progs;
	size_t nprogs;
	struct event_def **events;
	size_t nevents;
	const char **target_names;
	size_t ntargets; /* by id: the value of `probe` */
	const char **strings;
	size_t nstrings;
	const struct resolved_decl *resolved; /* while facts are recorded (src/aot) */
	size_t nresolved;
	uint32_t lost_off;  /* globals: u64[LOST_COUNT] */
	uint32_t exit_off;  /* globals: u64, not 0 once exit() has run: programs stop at their start
			     */
	uint32_t start_off; /* globals: u64 boot time of the start, for `elapsed` */
	const char *frameless; /* `ustack` is unwound by tables: this file has no frame pointers */
	const char *help;      /* to be shown in place of a run; or NULL */
	bool only_once;        /* only begin/end/iter probes: leave when they are done */
};

#endif
