/* A process without rights that parses one file for us. Private to src/elf. See docs/security.md.
 *
 *   parent                                  child (forked, never execs)
 *   reader_ask ── request ──────────────►   serve(arg, request, reply)
 *              ◄───────────── reply ──
 */
#ifndef AWL_ELF_READER_H
#define AWL_ELF_READER_H

#include "elf/wire.h"

struct reader;

extern bool reader_never; /* elf_without_readers() */

/* Runs in the child; appends its answer. */
typedef void reader_fn(void *arg, struct wire *request, struct buf *reply);

/* Forks the child, which keeps the descriptors `fds` and nothing else. `path` is for messages; a
 * request may take `cpu_ms` of processor time. */
struct reader *reader_start(const char *path, const int *fds, size_t nfds, unsigned cpu_ms,
			    reader_fn *serve, void *arg, struct err *e);
/* The reply is valid until the next request. A reader that crashed, hung or took too much is ended:
 * this and every later request fails, with what happened in `e`. */
int reader_ask(struct reader *r, const struct buf *request, struct wire *reply, struct err *e);
/* The reply made no sense: ends the reader. -EBADMSG. */
int reader_distrust(struct reader *r, struct err *e);
void reader_stop(struct reader *r); /* NULL is fine */

#endif
