/* Compiles scripts for the tests of src/gen and, where the kernel lets us, loads and runs them.
 *
 *   script_run("begin { printf(\"%d\", 1 + 1); exit(); }")   →  "2"
 */
#ifndef AWL_TEST_GEN_SCRIPT_H
#define AWL_TEST_GEN_SCRIPT_H

#include "compile/compile.h"
#include "runtime/runtime.h"

/* May this process load BPF programs? Tests that need it are skipped otherwise. */
bool script_can_load(void);
/* The compiled program, or NULL after printing the diagnostics. `text` (may be NULL) receives the
 * IR. */
struct program *script_compile(const char *script, struct buf *text);
/* NULL when the kernel takes it, otherwise what it says. */
const char *script_load(const char *script);
/* What the script prints with printf and print, until it calls exit(). */
const char *script_run(const char *script);
size_t script_slots(const char *script); /* instructions of the first program, in slots */

#endif
