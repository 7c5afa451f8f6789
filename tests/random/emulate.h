/* A program of begin and end probes in the interpreter of BPF. */
#ifndef AWL_TESTS_EMULATE_H
#define AWL_TESTS_EMULATE_H

#include "runtime/runtime.h"

/* Runs what `r` is of, which is not loaded; output goes where run_opts say. NULL, or why it could
 * not be done: an access outside of memory, a helper that is not known … */
const char *emulate(struct run *r, struct err *err);

#endif
