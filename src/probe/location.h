/* Private: where a value of a traced program is, out of its debug information. */
#ifndef AWL_PROBE_LOCATION_H
#define AWL_PROBE_LOCATION_H

#include "elf/dwarf.h"
#include "probe/probe.h"

struct location_frame { /* what expressions refer to */
	struct dwarf_expr base, cfa;
	uint64_t addr; /* link-time address of the probe: tells where the file is mapped */
};

/* Why the value cannot be read there; NULL: it can. */
const char *location_check(const struct dwarf_expr *e, const struct location_frame *f);
/* The value: of a scalar a scalar or a place in user memory, of everything else a place, which is a
 * copy on the stack when it is held by registers. */
struct val location_load(struct gen *g, const struct dwarf_expr *e, const struct location_frame *f,
			 const struct type *t);

/* A register's 8 bytes as a value of type `t`: an int is its low half. */
struct val location_narrowed(struct gen *g, const struct type *t, ir_val v);
/* A value of up to 16 bytes out of two registers. */
struct val location_pair(struct gen *g, const struct type *t, ir_val low, ir_val high);

#endif
