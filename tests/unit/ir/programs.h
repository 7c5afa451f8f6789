/* Five programs, as the generator would build them, whose sizes are compared with clang's. */
#ifndef AWL_TEST_IR_PROGRAMS_H
#define AWL_TEST_IR_PROGRAMS_H

#include "ir/ir.h"

/* Maps that the programs refer to by index: what a loader must create. */
struct test_map {
	uint32_t type, key, value, entries;
};

struct test_program {
	const char *name;
	struct ir_module *(*build)(struct arena *a);
	size_t budget; /* slots */
	struct test_map maps[4];
};

extern const struct test_program test_programs[];
extern const size_t test_nprograms;

#endif
