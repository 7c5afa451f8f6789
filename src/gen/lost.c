/* Globals and losses.
 *
 * The globals are one array element that programs address directly. Counters in it are raised by
 * atomic adds, so they are exact whoever runs at the same time:
 *
 *   gen_lost(g, LOST_RING)   →   lock *(u64 *)(globals + lost_off + 8 * LOST_RING) += 1
 */
#include "gen/gen_impl.h"

ir_val gen_global(struct gen *g, uint32_t off)
{
	return ir_mapval(&g->b, g->in->maps.globals, off);
}

static void count(struct gen *g, uint32_t off)
{
	ir_atomic(&g->b, IR_ATOMIC_ADD, 8, gen_global(g, off), 0, ir_const(&g->b, 1), false);
}

void gen_lost(struct gen *g, enum lost cause)
{
	count(g, g->in->plan->lost_off + 8 * cause);
}

void map_lost(struct gen *g, const struct map_sym *m)
{
	count(g, m->lost_off);
}
