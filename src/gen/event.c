/* Event records: reserved in the ring buffer, filled in place, submitted.
 *
 *   rec = ringbuf_reserve(size)      0: LOST_RING is counted, and what fills the record is skipped
 *   [rec] = id; fields …
 *   ringbuf_submit(rec, flags)
 *
 * The kernel wakes the reader when a record is submitted that is the next one to be read. Waking
 * costs a hundred times what a record costs; so the reader, once woken, sleeps a millisecond before
 * it reads, and records that come meanwhile wake nobody (runtime/loop.c). Control events are never
 * lost: when there is no room their counter in the globals is raised, and the reader finds it
 * there.
 */
#include "gen/gen_impl.h"

/* ---- one record
 * --------------------------------------------------------------------------------------- */

static ir_val reserve(struct gen *g, uint32_t size)
{
	struct ir *b = &g->b;

	return IR_CALL(b, BPF_FUNC_ringbuf_reserve, ir_map(b, g->in->maps.ring), ir_const(b, size),
		       ir_const(b, 0));
}

struct event_build gen_event_begin(struct gen *g, const struct event_def *def)
{
	struct ir *b = &g->b;
	struct ir_block *lost = ir_block_new(b, "lost"), *ok = ir_block_new(b, NULL);
	struct event_build ev = {def, 0, ir_block_new(b, NULL), ir_stack_mark(b)};
	ir_val rec = reserve(g, def->size);

	ir_br(b, rec, ok, lost, IR_LIKELY_YES);
	ir_at(b, lost);
	gen_lost(g, LOST_RING);
	ir_jmp(b, ev.done);
	ir_at(b, ok);
	ev.rec = ir_nonnull(b, rec);
	ir_store(b, 4, ev.rec, 0, ir_const(b, def->id));
	return ev;
}

struct val gen_event_field(struct gen *g, const struct event_build *ev, uint32_t i)
{
	const struct event_field *f = &ev->def->fields[i];

	return val_mem(f->type, ev->rec, (int32_t)f->off, SPACE_BPF);
}

void gen_event_submit(struct gen *g, struct event_build *ev)
{
	struct ir *b = &g->b;

	IR_CALL(b, BPF_FUNC_ringbuf_submit, ev->rec, ir_const(b, 0));
	ir_jmp(b, ev->done);
	ir_at(b, ev->done);
	ir_stack_release(b, ev->mark);
}

void gen_control(struct gen *g, const struct event_def *def)
{
	struct ir *b = &g->b;
	struct ir_block *full = ir_block_new(b, "pending"), *ok = ir_block_new(b, NULL);
	struct ir_block *done = ir_block_new(b, NULL);
	ir_val rec = reserve(g, def->size);

	ir_br(b, rec, ok, full, IR_LIKELY_YES);
	ir_at(b, full);
	ir_atomic(b, IR_ATOMIC_ADD, 8, gen_global(g, def->pending_off), 0, ir_const(b, 1), false);
	ir_jmp(b, done);
	ir_at(b, ok);
	rec = ir_nonnull(b, rec);
	ir_store(b, 4, rec, 0, ir_const(b, def->id));
	IR_CALL(b, BPF_FUNC_ringbuf_submit, rec, ir_const(b, BPF_RB_FORCE_WAKEUP));
	ir_jmp(b, done);
	ir_at(b, done);
}

/* ---- events of a call
 * ----------------------------------------------------------------------------------- */

/* Does an argument between `i` and `last` change what argument `i` shows? */
static bool is_touched(struct expr **args, size_t i, size_t last)
{
	for (size_t k = i + 1; k < last; k++)
		if (effect_touches(args[k], args[i]))
			return true;
	return false;
}

/* Arguments with an effect are evaluated even when the event is lost, and so in front of it. All up
 * to the last of them are, in order, but for those that nothing changes meanwhile and that are no
 * scalars: these are built in the record, like the ones behind. */
static struct val *evaluate_early(struct gen *g, struct expr **args, size_t first, size_t n)
{
	struct val *early = arena_array_of(g->in->arena, struct val, n + 1);
	size_t last = first;

	for (size_t i = first; i < n; i++)
		if (effect_any(args[i]))
			last = i + 1;
	for (size_t i = first; i < last; i++)
		if (type_is_scalar(args[i]->type) || effect_any(args[i]) ||
		    is_touched(args, i, last))
			early[i] = gen_held(g, args[i], args + i + 1, last - i - 1);
	return early;
}

void gen_event_call(struct gen *g, struct expr *call, unsigned first)
{
	const struct event_def *def = ((const struct call_sem *)call->sem)->event;
	size_t n;
	struct expr **args = call_args(call, &n);
	struct val *early = evaluate_early(g, args, first, n);
	struct event_build ev = gen_event_begin(g, def);

	for (size_t i = first; i < n && i - first < def->nfields; i++) {
		struct val field = gen_event_field(g, &ev, i - first);
		if (early[i].kind == VAL_NONE)
			gen_expr_to(g, args[i], field);
		else
			gen_store(g, field, early[i], false);
	}
	gen_event_submit(g, &ev);
}
