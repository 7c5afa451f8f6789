/* Private to src/api: what is behind the opaque struct awl. */
#ifndef AWL_API_SESSION_H
#define AWL_API_SESSION_H

#include "aot/aot.h"
#include "awl/awl.h"
#include "base/base.h"
#include "compile/compile.h"
#include "runtime/runtime.h"

/* What was compiled, to be compiled once more. */
struct kept {
	struct arena *arena; /* of all of it */
	const char *name;
	struct str text;
	bool built; /* `text` is what awl_build() made */
	struct awl_compile_opts opts;
};

struct awl {
	struct awl_opts opts;
	struct kernel *kernel;
	struct buf error; /* what awl_error() returns */
	struct buf dump;
	struct program *program;
	struct arena *failed; /* of a compilation without a program */
	struct kept kept;
	struct out out;
	struct run *run;
	int child, child_go; /* -c: pid, and the descriptor that lets it exec; 0 and -1 */
	bool child_reaped;
	int *pids; /* of the processes that are there: opts.pid, opts.pids, the child */
	size_t npids;
	VEC(int) cgroups; /* descriptors */
};

/* Starts the words of `command` as a process that waits until a byte is written to *go. */
int child_spawn(const char *command, int *pid, int *go, struct err *e);
void child_release(struct awl *awl); /* ends a child that was not let go, closes the descriptor */

/* target.c: which processes are traced, out of the options. -errno after session_fail(). */
int session_targets(struct awl *awl);
struct whom session_whom(const struct awl *awl);
/* The first process of the options, in whose files probes are looked for; 0: none. */
int session_pid(const struct awl *awl);
void session_release_targets(struct awl *awl);

/* ---- prepare.c */

/* What compiling and loading begin with: the process to trace, the options. */
enum { MAX_LIMITS = 2 };

struct preparation {
	struct setting limits[MAX_LIMITS];
	size_t nlimits;
	char rate[24];
	struct awl_compile_opts o;
	regex_t re, *filter;
	struct compile_in in;
};

/* Copies as much of the caller's struct as it knows of; the rest is zero. */
void session_opts_copy(void *to, size_t to_size, const void *from, size_t from_size);
size_t session_count(const char *const *v); /* of a list that NULL ends; or NULL */
/* -errno after session_fail(). session_prepared() releases what it took, in any case. */
int session_prepare(struct awl *awl, struct preparation *p, const struct awl_compile_opts *opts);
void session_prepared(struct preparation *p);
/* Copies what is compiled now. */
void session_keep(struct awl *awl, const char *name, struct str text, bool built,
		  const struct awl_compile_opts *opts);
/* The program is replaced by one that the verifier has less to do with; it stays the one there was
 * when that cannot be made. `why`: what the kernel said. */
void session_compile_again(struct awl *awl, const struct err *why);

int session_fail(struct awl *awl, const struct err *e); /* keeps the message; returns -e->code */
int session_no_program(struct awl *awl);                /* -EINVAL: nothing was compiled */
/* Names missing capabilities as an error. */
int session_check_caps(struct awl *awl, struct err *e);

#endif
