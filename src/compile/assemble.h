/* Private to src/compile: from the plan to the program. */
#ifndef AWL_COMPILE_ASSEMBLE_H
#define AWL_COMPILE_ASSEMBLE_H

#include "compile/compile.h"

/* Generates and emits every probe of the plan and describes the maps. NULL after reported errors.
 */
struct program *assemble(const struct compile_in *in, struct arena *a, struct diag *d,
			 struct types *ts, struct plan *plan);
/* -d types: maps, variables' types and probes as text. */
void plan_dump(const struct plan *plan, struct arena *a, struct buf *out);

#endif
