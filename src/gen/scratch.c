/* Temporary memory: the stack for small objects, a slot of scratch memory for large ones.
 *
 * Scratch memory is one array element with four slots for each CPU; a program takes the first free
 * one, so that programs that interrupt or preempt one another on a CPU do not meet:
 *
 *            slot 0                          slot 1          slot 2          slot 3
 *           +-------+----------------------+-------+--- … --+-------+-- … --+-------+-- … --+
 *   CPU 0   | claim | objects              | claim | …                                      |
 *           +-------+----------------------+-------+ …                                      |
 *   CPU 1   | …
 *
 * A slot has 16 KiB. A program that needs more is generated again with slots of twice the size,
 * which lie behind all smaller ones in the map:  | 16 KiB slots | 32 KiB slots | 64 KiB slots | …
 *
 * `claim` is a u64, exchanged with 1. Whether a program needs scratch memory is known only while
 * its body is generated, so a block in front of the body is kept open, and the first request puts
 * the claim there; every way out then passes the release. Four programs inside one another already:
 * the event is counted as LOST_SCRATCH and the program leaves.
 *
 * The verifier is not told which slot it is: it would walk through the program once for each.
 */
#include "gen/gen_impl.h"

#define FAR_OFFSET 16384

static uint32_t slot_size(const struct gen *g)
{
	return SCRATCH_SLOT << g->scratch_class;
}

/* Bytes of all slots of the classes below `class`. */
static uint32_t slots_below(const struct gen_in *in, unsigned class)
{
	return in->ncpus * SCRATCH_LEVELS * SCRATCH_SLOT * ((1u << class) - 1);
}

/* Tries slot `level`; on success `cell` has the number and control is at `got`. */
static void claim_level(struct gen *g, ir_val base, unsigned level, ir_cell cell,
			struct ir_block *got)
{
	struct ir *b = &g->claim;
	struct ir_block *next = ir_block_new(b, NULL);
	struct ir_block *mine = ir_block_new(b, NULL);
	ir_val p = ir_bini(b, IR_ADD, base, (int64_t)level * slot_size(g));
	ir_val old = ir_atomic(b, IR_ATOMIC_XCHG, 8, p, 0, ir_const(b, 1), true);

	ir_br(b, old, next, mine, level ? IR_LIKELY_EVEN : IR_LIKELY_NO);
	ir_at(b, mine);
	ir_set(b, cell, ir_const(b, level));
	ir_jmp(b, got);
	ir_at(b, next);
}

/* Without a slot: counts and leaves. */
static void claim_failed(struct gen *g)
{
	struct ir saved = g->b;

	g->b = g->claim;
	gen_lost(g, LOST_SCRATCH);
	ir_ret(&g->b, ir_const(&g->b, g->p->prog_type == BPF_PROG_TYPE_TRACEPOINT));
	g->b = saved;
}

static void claim(struct gen *g)
{
	struct ir *b = &g->claim;
	struct ir_block *got = ir_block_new(b, "scratch");
	ir_cell level = ir_cell_new(b, "level", false);

	g->in->scratch_slot = MAX(g->in->scratch_slot, slot_size(g));
	g->in->plan->needs_scratch = true;
	ir_val cpu = ir_mask(b, IR_CALL0(b, BPF_FUNC_get_smp_processor_id), g->in->ncpus - 1);
	ir_val at = ir_bini(b, IR_MUL, cpu, (int64_t)SCRATCH_LEVELS * slot_size(g));
	ir_val base = ir_bin(
		b, IR_ADD, ir_mapval(b, g->in->maps.scratch, slots_below(g->in, g->scratch_class)),
		at);
	for (unsigned i = 0; i < SCRATCH_LEVELS; i++)
		claim_level(g, base, i, level, got);
	claim_failed(g);
	ir_at(b, got);
	gen_zeroes(g, 8);
	ir_module_zero(g->m, g->in->maps.globals, g->in->zero_off);
	ir_val which = ir_mask(b, ir_hide(b, ir_get(b, level)), SCRATCH_LEVELS - 1);
	g->scratch = ir_bin(b, IR_ADD, base, ir_bini(b, IR_MUL, which, slot_size(g)));
	if (g->main_frame)
		ir_store(b, 8, g->main_frame, FRAME_SCRATCH, g->scratch);
}

/* The address of the slot, in the function being built. */
ir_val scratch_base(struct gen *g)
{
	if (!g->scratch)
		claim(g);
	return g->in_callback ? ir_load_ptr(&g->b, g->frame, FRAME_SCRATCH) : g->scratch;
}

/* Offsets in instructions are small: far objects get an address of their own. */
struct val scratch_at(struct gen *g, const struct type *t, uint32_t off)
{
	ir_val base = scratch_base(g);

	if (off < FAR_OFFSET)
		return val_mem(t, base, (int32_t)off, SPACE_BPF);
	return val_mem(t, ir_bini(&g->b, IR_ADD, base, off), 0, SPACE_BPF);
}

uint32_t scratch_reserve(struct gen *g, uint32_t size)
{
	uint32_t off = MAX(g->scratch_used, (uint32_t)SCRATCH_HEAD);

	g->scratch_used = off + ALIGN_UP(size, 8);
	g->scratch_high = MAX(g->scratch_high, g->scratch_used);
	if (g->scratch_used <= slot_size(g))
		return off;
	g->too_small = true;
	if (g->scratch_class == SCRATCH_CLASSES - 1)
		gen_error_size(g, g->b.span, "temporary memory", g->scratch_used, slot_size(g));
	g->scratch_used = off;
	return SCRATCH_HEAD;
}

struct val scratch_take(struct gen *g, const struct type *t, uint32_t size)
{
	return scratch_at(g, t, scratch_reserve(g, size));
}

void scratch_release(struct gen *g)
{
	if (g->scratch)
		ir_store(&g->b, 8, g->scratch, 0, ir_const(&g->b, 0));
}

struct gen_mark gen_mark(struct gen *g)
{
	return (struct gen_mark){ir_stack_mark(&g->b), g->scratch_used};
}

void gen_release(struct gen *g, struct gen_mark m)
{
	ir_stack_release(&g->b, m.stack);
	g->scratch_used = m.scratch;
}

/* ---- temporaries ----------------------------------------------------------------------------- */

/* Objects are written in the widest words that their size allows. */
static uint32_t align_of_size(uint32_t size, uint32_t align)
{
	uint32_t wide = size > 4 ? 8 : size > 2 ? 4 : size > 1 ? 2 : 1;

	return MAX(wide, align);
}

static struct val temp(struct gen *g, const struct type *t, uint32_t size, uint32_t align,
		       bool zero)
{
	struct val m;

	if (size <= g->in->plan->config->on_stack_limit && ir_stack_left(&g->b) >= size)
		m = val_mem(t, ir_object(&g->b, MAX(size, 1u), align_of_size(size, align)), 0,
			    SPACE_BPF);
	else
		m = scratch_take(g, t, size);
	if (zero)
		gen_move(g, m, VAL_VOID, size);
	return m;
}

struct val gen_temp(struct gen *g, const struct type *t, bool zero)
{
	return temp(g, t, t->size, t->align, zero);
}

struct val gen_temp_bytes(struct gen *g, uint32_t size, uint32_t align, bool zero)
{
	return temp(g, &type_void, size, align, zero);
}

/* One area for all programs, at the end of the globals; a larger one is made when it is too short.
 */
ir_val gen_zeroes(struct gen *g, uint32_t size)
{
	struct gen_in *in = g->in;

	if (size > in->zero_size) {
		in->zero_size = ALIGN_UP(size, 8);
		in->zero_off = ALIGN_UP(in->plan->globals_size, 8);
		in->plan->globals_size = in->zero_off + in->zero_size;
	}
	return gen_global(g, in->zero_off);
}

uint32_t gen_scratch_bytes(const struct gen_in *in)
{
	unsigned classes = 0;

	while (in->scratch_slot && SCRATCH_SLOT << classes <= in->scratch_slot)
		classes++;
	return MAX(slots_below(in, classes), 8u);
}
