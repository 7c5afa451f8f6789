/* Limits of --max-rate and --max-overhead: a hit that is one too many leaves the program.
 *
 *   entry:   hits += 1
 *            the provider's check, the process …
 *            early: taken < limit ? taken += 1 : left_out += 1, leave
 *            predicate
 *            body:  the same with words of its own
 *
 * The runtime sets `taken` to 0 at the beginning of each window. Several processors may pass the
 * comparison at once: the limit is exceeded by as many hits as there are processors at most.
 * struct guard_words has the layout. */
#include "gen/gen_impl.h"

static void add_one(struct gen *g, uint32_t off)
{
	ir_atomic(&g->b, IR_ATOMIC_ADD, 8, gen_global(g, off), 0, ir_const(&g->b, 1), false);
}

void guard_count(struct gen *g)
{
	if (g->p->guard)
		add_one(g, g->p->guard + (uint32_t)offsetof(struct guard_words, hits));
}

static bool has_gate(const struct gen *g, enum guard_gate which)
{
	const struct config *c = g->in->plan->config;

	return g->p->guard && (which == GUARD_EARLY ? c->max_overhead[0] != 0 : c->max_rate != 0);
}

void guard_check(struct gen *g, enum guard_gate which, struct ir_block *out)
{
	uint32_t at = g->p->guard + (uint32_t)offsetof(struct guard_words, gate[which].taken);
	struct ir_block *full, *next;
	struct ir *b = &g->b;
	ir_val taken, limit;

	if (!has_gate(g, which))
		return;
	full = ir_block_new(b, NULL);
	next = ir_block_new(b, NULL);
	taken = ir_load(b, 8, gen_global(g, at), 0, IR_MEM_NONE);
	limit = ir_load(b, 8, gen_global(g, at + 8), 0, IR_MEM_NONE);
	ir_br(b, ir_bin(b, IR_UGE, taken, limit), full, next, IR_LIKELY_NO);
	ir_at(b, full);
	add_one(g, at + 16);
	ir_jmp(b, out);
	ir_at(b, next);
	add_one(g, at);
}
