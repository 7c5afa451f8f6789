/* Calls of goroutines as trees: entries and returns go in, lines come out. */
#ifndef AWL_BCC_GOTREE_H
#define AWL_BCC_GOTREE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct gotree;

struct gotree_opts {
	uint64_t least; /* nanoseconds: shorter calls are only counted */
	const char *least_text;
	unsigned depth; /* lines of calls further in are left out; 0: all are shown */
	const char *(*name)(void *arg, uint32_t fn);
	/* Writes what was printed for a call's arguments or results. */
	void (*values)(void *arg, uint32_t fn, bool results, struct str text, struct buf *out);
	void (*write)(void *arg, struct str text);
	void *arg;
};

/* An entry or a return. */
struct gotree_event {
	uint64_t goid, at; /* nanoseconds */
	uint64_t depth; /* bytes of stack in use, the same at both; GOTREE_SYSTEM: of a thread's */
	uint64_t elapsed; /* of a return */
	uint32_t fn;
	struct str text; /* what was printed for arguments or results */
};

#define GOTREE_SYSTEM (UINT64_C(1) << 63)

struct gotree *gotree_new(const struct gotree_opts *o);
void gotree_enter(struct gotree *t, const struct gotree_event *e);
void gotree_return(struct gotree *t, const struct gotree_event *e);
/* Prints the calls that are still open, and frees. */
void gotree_finish(struct gotree *t);

#endif
