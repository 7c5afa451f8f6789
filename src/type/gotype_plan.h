/* What gotype.c and gotype_map.c share: entering types, and noting what a value of one leads to. */
#ifndef AWL_TYPE_GOTYPE_PLAN_H
#define AWL_TYPE_GOTYPE_PLAN_H

#include "type/gotype.h"

/* A piece of a group has up to 16 keys and values with slots of their own; the head of a map as
 * many slots as groups of it are read. */
enum { GOPLAN_OPS = 64, GOPLAN_PART_OPS = 256 };

struct planning {
	struct gotypes *gt;
	struct gotype_op v[GOPLAN_PART_OPS];
	uint32_t n, max;
	uint32_t steps; /* types looked at: they may be nested without end in a broken file */
};

void goplan_op(struct planning *p, struct gotype_op op);
/* A slot that has an address; `to` is what is there. */
void goplan_pointer(struct planning *p, uint32_t off, uint32_t to);
/* The slots of a value of type `type` at `off`. */
void goplan_value(struct planning *p, uint32_t type, uint32_t off);

/* 0 when there is no room for more. */
uint32_t gotype_new(struct gotypes *gt, const char *name, enum go_kind kind, uint32_t size);
struct gotype *gotype_edit(struct gotypes *gt, uint32_t type);
struct arena *gotypes_arena(struct gotypes *gt);
struct dwarf *gotypes_dwarf(struct gotypes *gt, uint32_t file);
/* Something that is planned follows the elements of maps. */
void gotypes_have_maps(struct gotypes *gt);

/* ---- gotype_map.c ---------------------------------------------------------------------------- */

/* The elements of maps of type `type` will be shown: sets its `map` and `header`. Nothing is
 * changed where the debug information does not have what is expected: the length is shown. */
void gotype_map_enter(struct gotypes *gt, uint32_t type);
/* The slots of one of the structures of a map. */
void gotype_map_plan(struct planning *p, const struct gotype *part);

#endif
