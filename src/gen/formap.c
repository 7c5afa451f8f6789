/* for $kv : @m { … }: the kernel walks the map and calls the body as a function.
 *
 *   bpf_for_each_map_elem(map, body, frame, 0)
 *   body(map, key *, value *, frame *)      0: go on, 1: stop
 *
 * The body sees the variables of the program around it through the frame (gen_impl.h). `return` and
 * exit() in it set the frame's `leave` and stop the walk; the program then leaves.
 */
#include "gen/gen_impl.h"

/* What of the state belongs to the function being built. */
struct outer {
	struct ir b;
	ir_val frame;
	bool in_callback, in_loop_fn;
	struct gen_loop *loop;
};

static struct outer enter_callback(struct gen *g, struct ir_fn *fn)
{
	struct outer o = {g->b, g->frame, g->in_callback, g->in_loop_fn, g->loop};
	struct span span = g->b.span;

	g->b = ir_begin(fn);
	g->b.span = span;
	g->frame = ir_param(&g->b, 3);
	g->in_callback = g->in_loop_fn = true;
	return o;
}

static void leave_callback(struct gen *g, const struct outer *o)
{
	g->b = o->b;
	g->frame = o->frame;
	g->in_callback = o->in_callback;
	g->in_loop_fn = o->in_loop_fn;
	g->loop = o->loop;
}

static struct val pair_value(struct gen *g, const struct map_sym *m, struct val key,
			     const struct var_sym *v)
{
	if (m->value->kind == TYPE_AGG && m->value->agg.agg->fold != AGG_FOLD_NONE)
		return agg_read(g, m, key, v->type->tuple.members[1].type);
	return val_mem(m->value, ir_param(&g->b, 2), 0, SPACE_BPF);
}

static void emit_body(struct gen *g, struct stmt *s, const struct map_sym *m)
{
	struct ir *b = &g->b;
	struct ir_block *go_on = ir_block_new(b, "continue"), *stop = ir_block_new(b, "break");
	struct gen_loop loop = {NULL, stop, go_on};
	struct gen_pair pair = {.up = g->pair, .var = s->loop.sym, .map = m};

	pair.key = val_mem(m->key, ir_param(b, 1), 0, SPACE_BPF);
	pair.value = pair_value(g, m, pair.key, s->loop.sym);
	pair.fn = b->fn;
	pair.slot = (uint32_t)(uintptr_t)s->sem;
	if (pair.slot) {
		ir_store(b, 8, g->frame, (int32_t)pair.slot, pair.key.v);
		ir_store(b, 8, g->frame, (int32_t)pair.slot + 8, pair.value.v);
	}
	g->pair = &pair;
	g->loop = &loop;
	loop_forget(g, s->loop.body);
	gen_stmts(g, s->loop.body);
	if (s->loop.body->value)
		gen_effect(g, s->loop.body->value);
	g->pair = pair.up;
	ir_jmp(b, go_on);
	ir_at(b, go_on);
	ir_ret(b, ir_const(b, 0));
	ir_at(b, stop);
	ir_ret(b, ir_const(b, 1));
}

static struct ir_fn *callback(struct gen *g, struct stmt *s, const struct map_sym *m)
{
	char *name = arena_printf(g->in->arena, "each%u", g->ncallbacks++);
	struct ir_fn *fn = ir_fn_new(g->m, name, IR_CALLBACK, 4, 1 | 2 | 4 | 8);
	struct outer o = enter_callback(g, fn);

	emit_body(g, s, m);
	leave_callback(g, &o);
	return fn;
}

/* The walk was stopped by return or exit(): so is what is around it. */
static void left_loop(struct gen *g)
{
	if (g->in_loop_fn)
		ir_ret(&g->b, ir_const(&g->b, 1));
	else if (g->fn)
		fn_left_loop(g);
	else
		gen_leave(g, 0);
}

void loop_map(struct gen *g, struct stmt *s)
{
	struct ir *b = &g->b;
	const struct map_sym *m = s->loop.map->sem;
	struct ir_block *left = ir_block_new(b, NULL), *next = ir_block_new(b, NULL);
	struct diag_msg *msg;

	if (!kernel_has(g->in->kernel, FEATURE_FOR_EACH_MAP)) {
		msg = diag_report(g->in->diag, E_FEATURE, s->span,
				  "for over a map needs %s, which this kernel lacks",
				  feature_text(FEATURE_FOR_EACH_MAP));
		diag_help(msg, "print(@%.*s) shows the map; `for ($i : 0..10)` works everywhere",
			  STR_ARG(m->name));
		g->failed = true;
		return;
	}
	gen_map_looked_at(g, m);
	struct ir_fn *fn = callback(g, s, m);
	IR_CALL(b, BPF_FUNC_for_each_map_elem, ir_map(b, m->index), ir_fnptr(b, fn), g->frame,
		ir_const(b, 0));
	ir_br(b, ir_load(b, 8, g->frame, FRAME_LEAVE, IR_MEM_VOLATILE), left, next, IR_LIKELY_NO);
	ir_at(b, left);
	left_loop(g);
	ir_at(b, next);
}
