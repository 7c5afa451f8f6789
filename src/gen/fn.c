/* Functions of the script as BPF subprograms.
 *
 *   result = name(a, b, …, frame)        up to four numbers, then the caller's frame (gen_impl.h),
 *                                        where further numbers are
 *
 * The frame leads to scratch memory and the context. A function whose body has loops over maps
 * makes a frame of its own for them. exit() in a function sets `leave` in the caller's frame and
 * returns; the caller looks at it behind the call and leaves, too. `return` inside a map loop of a
 * function sets `leave` of the function's frame to 2 and puts the value beside it.
 *
 * Functions are generated before what calls them, so that the scratch memory they take is taken for
 * good: the temporaries of callers lie behind it.
 */
#include "gen/gen_impl.h"

/* What of the state belongs to the function being built. */
struct saved {
	struct ir b;
	ir_val frame, fn_frame;
	uint32_t frame_size;
	bool in_callback, in_loop_fn;
	struct gen_loop *loop;
	struct gen_pair *pair;
	struct fn_inst *fn;
};

static struct saved save(struct gen *g)
{
	return (struct saved){g->b,          g->frame, g->fn_frame, g->frame_size, g->in_callback,
			      g->in_loop_fn, g->loop,  g->pair,     g->fn};
}

static void restore(struct gen *g, const struct saved *s)
{
	g->b = s->b;
	g->frame = s->frame;
	g->fn_frame = s->fn_frame;
	g->frame_size = s->frame_size;
	g->in_callback = s->in_callback;
	g->in_loop_fn = s->in_loop_fn;
	g->loop = s->loop;
	g->pair = s->pair;
	g->fn = s->fn;
}

/* Where the variables of a frame begin in this program: behind the longest list of arguments that
 * do not fit into registers. */
uint32_t fn_frame_vars(const struct gen *g)
{
	size_t most = FN_REGS;

	for (const struct fn_inst *f = g->p->fns; f; f = f->next)
		most = MAX(most, f->nparams);
	return FRAME_ARGS + 8 * (uint32_t)(most - FN_REGS);
}

static int32_t arg_slot(size_t i)
{
	return FRAME_ARGS + 8 * (int32_t)(i - FN_REGS);
}

static void params(struct gen *g, struct fn_inst *f)
{
	for (size_t i = 0; i < f->nparams; i++)
		var_set(g, f->params[i],
			i < FN_REGS ? ir_param(&g->b, i)
				    : ir_load(&g->b, 8, g->fn_frame, arg_slot(i), IR_MEM_NONE));
}

static void function_body(struct gen *g, struct fn_inst *f)
{
	bool result = f->body->value && f->result->kind != TYPE_VOID;

	vars_plan(g, f->body);
	params(g, f);
	gen_stmts(g, f->body);
	if (f->body->value && !result)
		gen_effect(g, f->body->value);
	if (g->b.block)
		fn_return(g, result ? f->body->value : NULL);
}

static void emit(struct gen *g, struct fn_inst *f)
{
	char *name = arena_printf(g->in->arena, "%.*s", STR_ARG(f->decl->name));
	unsigned n = MIN(f->nparams, (size_t)FN_REGS);
	struct ir_fn *fn = ir_fn_new(g->m, name, IR_SUBPROG, n + 1, 1u << n);
	struct saved s = save(g);
	uint32_t high = g->scratch_high;

	g->b = ir_begin(fn);
	g->b.span = f->decl->name_span;
	g->frame = g->fn_frame = ir_param(&g->b, n);
	g->frame_size = 0;
	g->in_callback = true;
	g->in_loop_fn = false;
	g->loop = NULL;
	g->pair = NULL;
	g->fn = f;
	f->code = fn;
	g->scratch_high = g->scratch_used;
	function_body(g, f);
	g->scratch_used = g->scratch_high;
	g->scratch_high = MAX(high, g->scratch_high);
	restore(g, &s);
}

void fns_emit(struct gen *g)
{
	if (g->fns_done)
		return;
	g->fns_done = true;
	for (struct fn_inst *f = g->p->fns; f; f = f->next)
		emit(g, f);
}

/* ---- calls and returns ----------------------------------------------------------------------- */

static void check_leave(struct gen *g)
{
	struct ir *b = &g->b;
	struct ir_block *left = ir_block_new(b, NULL), *next = ir_block_new(b, NULL);

	ir_br(b, ir_load(b, 8, g->frame, FRAME_LEAVE, IR_MEM_VOLATILE), left, next, IR_LIKELY_NO);
	ir_at(b, left);
	gen_leave(g, 0);
	ir_at(b, next);
}

struct val fn_call(struct gen *g, struct expr *e)
{
	const struct call_sem *c = e->sem;
	const struct fn_inst *f = c->data;
	ir_val args[FN_PARAMS_MAX + 1];
	unsigned n = MIN(f->nparams, (size_t)FN_REGS);

	for (size_t i = 0; i < f->nparams; i++) {
		struct expr *a = e->call.args[i];
		ir_val v = gen_plain(g, gen_rvalue(g, gen_expr(g, a)));

		args[i] = gen_convert(g, v, a->type, f->params[i]->type);
	}
	for (size_t i = FN_REGS; i < f->nparams; i++)
		ir_store(&g->b, 8, g->frame, arg_slot(i), args[i]);
	args[n] = g->frame;
	ir_val r = ir_call_fn(&g->b, f->code, n + 1, args);
	if (g->in->plan->uses_exit)
		check_leave(g);
	if (f->result->kind == TYPE_VOID)
		return VAL_VOID;
	return val_scalar(f->result, r);
}

/* From the function itself, or from a map loop inside of it. */
void fn_return(struct gen *g, struct expr *value)
{
	struct ir *b = &g->b;
	ir_val v = ir_const(b, 0);

	if (value && g->fn->result->kind != TYPE_VOID)
		v = gen_convert(g, gen_plain(g, gen_rvalue(g, gen_expr(g, value))), value->type,
				g->fn->result);
	if (g->in_loop_fn) {
		ir_store(b, 8, g->frame, FRAME_RESULT, v);
		ir_store(b, 8, g->frame, FRAME_LEAVE, ir_const(b, 2));
		ir_ret(b, ir_const(b, 1));
	} else {
		ir_ret(b, v);
	}
}

/* exit() inside of a function, not in a map loop: the caller looks at its frame. */
void fn_leave(struct gen *g)
{
	ir_store(&g->b, 8, g->fn_frame, FRAME_LEAVE, ir_const(&g->b, 1));
	ir_ret(&g->b, ir_const(&g->b, 0));
}

/* Behind a map loop that was left by return (2) or exit (1). */
void fn_left_loop(struct gen *g)
{
	struct ir *b = &g->b;
	struct ir_block *result = ir_block_new(b, NULL), *leave = ir_block_new(b, NULL);
	ir_val how = ir_load(b, 8, g->frame, FRAME_LEAVE, IR_MEM_VOLATILE);

	ir_br(b, ir_bini(b, IR_EQ, how, 2), result, leave, IR_LIKELY_YES);
	ir_at(b, result);
	ir_ret(b, ir_load(b, 8, g->frame, FRAME_RESULT, IR_MEM_VOLATILE));
	ir_at(b, leave);
	fn_leave(g);
}
