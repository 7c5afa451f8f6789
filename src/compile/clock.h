/* Times of the passes: see clock.c. */
#ifndef AWL_COMPILE_CLOCK_H
#define AWL_COMPILE_CLOCK_H

#include "compile/compile.h"

enum pass { PASS_PARSE, PASS_SEMA, PASS_GEN, PASS_IR, PASS_ALL, PASS_COUNT };

struct pass_clock {
	uint64_t wall[PASS_COUNT], cpu[PASS_COUNT]; /* ns, summed */
	uint64_t wall_at, cpu_at;
};

/* Nothing happens without a clock (NULL). */
void pass_clock_start(struct pass_clock *c);
void pass_clock_lap(struct pass_clock *c, enum pass pass);

#endif
