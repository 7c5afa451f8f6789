/* The face of src/runtime: a program onto the kernel, and its events out of it.
 *
 *   load: maps → globals mmapped → programs (a rejection is mapped to the script's line)
 *   attach: begin runs, then everything is attached (the order of the script), then "ready"
 *   loop: ring buffer drained, signals, timers, the traced process; text or JSON written
 *   stop: detach, drain, end runs, drain, maps printed, losses told
 */
#ifndef AWL_RUNTIME_H
#define AWL_RUNTIME_H

#include "compile/program.h"

struct run;

/* What becomes of maps keyed by stacks: one document of them all at the end. */
enum run_profile {
	RUN_PROFILE_NONE,
	RUN_PROFILE_FOLDED,
	RUN_PROFILE_SVG,
	RUN_PROFILE_SPEEDSCOPE,
	RUN_PROFILE_PPROF,
	RUN_PROFILE_PERFETTO,
};

enum run_level { RUN_INFO, RUN_WARN, RUN_ERROR };

struct run_opts {
	struct kernel *kernel;
	struct out *out;     /* script output */
	const char *version; /* of awl, for headers of the output */
	const int *pids;     /* -p, or the child of -c: leave when all have ended */
	size_t npids;
	bool follow;        /* what they start is traced, too, and waited for */
	const char *name;   /* processes called so are traced; NULL */
	const int *cgroups; /* descriptors: processes in them are traced */
	size_t ncgroups;
	int child;           /* of -c: resumed once attached, SIGTERM at the end; 0 */
	int child_go;        /* descriptor: writing a byte lets the child exec; -1 */
	bool quiet;          /* -q: no "Attached N probes" */
	const char *command; /* of -c, or NULL */
	enum run_profile profile;
	bool verbose;
	bool again;   /* a program that is too large for the verifier will be made again: nothing is
			 said of it */
	bool dry_run; /* stop after attaching */
	bool handle_signals; /* SIGINT, SIGTERM end the run; a second one ends the process */
	/* Messages of the environment: "Attached 1 probe", warnings, lost events. */
	void (*message)(void *arg, enum run_level level, const char *text);
	/* Delivered instead of printing when set (library users): rendered text of one record. */
	void (*record)(void *arg, const char *type, const char *text, size_t n);
	void *arg;
};

/* About what a run of the program takes, in nanoseconds: by its instructions and calls. */
uint32_t run_prog_ns(const struct program_prog *p);

struct run *run_new(struct program *p, const struct run_opts *o);
int run_load(struct run *r, struct err *e);
/* Whether run_load() failed because the verifier gave up on a program. */
bool run_too_large(const struct run *r);
int run_attach(struct run *r, struct err *e);
/* Until exit(), a signal, the end of the traced process, or run_stop(). Returns the exit code, or
 * -errno. */
int run_loop(struct run *r, struct err *e);
int run_poll(struct run *r,
	     int timeout_ms); /* one turn, for library users: events handled, or -1 when done */
void run_stop(struct run *r); /* async-signal-safe */
int run_finish(struct run *r, struct err *e); /* detach … print maps; exit code */
void run_free(struct run *r);                 /* NULL is fine; detaches when needed */

/* Reads a map, merged over CPUs, sorted as print() sorts: visit(key text, value text, key bytes,
 * value bytes). */
typedef int (*run_map_fn)(void *arg, const char *key, const char *value, const void *kbytes,
			  size_t klen, const void *vbytes, size_t vlen);
int run_map_each(struct run *r, const char *name, run_map_fn fn, void *arg, struct err *e);
uint64_t run_lost(struct run *r, enum lost cause);

#endif
