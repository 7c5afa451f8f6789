/* Following processes by the kernel's records, see remember_perf.c. Private to remember*.c. */
#ifndef AWL_RUNTIME_REMEMBER_H
#define AWL_RUNTIME_REMEMBER_H

#include "runtime/priv.h"

struct follow;

/* NULL when the kernel does not let us. */
/* `syms` (or NULL) is told what processes do. `prompt`: each record is told at once, not only when
 * many wait. */
struct follow *follow_new(struct symbolizer *syms, bool prompt);
/* `fn` is told of every executable mapping, too, of any process. */
void follow_mappings(struct follow *f, void (*fn)(void *arg, int pid, const struct sym_mapping *m),
		     void *arg);
void follow_free(struct follow *f);
/* Tells the symbolizer what is new; the argument is the struct follow. */
void follow_take(void *arg);
int follow_fd(const struct follow *f); /* readable when a ring fills; -1 */
uint64_t follow_lost(const struct follow *f);

#endif
