/* One program: entry, predicate, body, exit.
 *
 *   entry:    the provider's own check; exit() has run → early; another process → early
 *   claim:    (filled when the predicate needs scratch memory)
 *             predicate false → no
 *   claim:    (filled when only the body does)
 *             homes of variables, body
 *   leave:    release scratch memory, return the code
 *   early:    return the code
 *
 * The code is 1 for tracepoints, because all programs and perf users of one tracepoint share an
 * event and 0 would hide it from them; 0 for everything else.
 */
#include "gen/gen_impl.h"

struct ir *gen_ir(struct gen *g)
{
	return &g->b;
}

struct arena *gen_arena(struct gen *g)
{
	return g->in->arena;
}

struct plan *gen_plan(struct gen *g)
{
	return g->in->plan;
}

struct kernel *gen_kernel(struct gen *g)
{
	return g->in->kernel;
}

struct types *gen_types(struct gen *g)
{
	return g->in->types;
}

struct probe *gen_probe_of(struct gen *g)
{
	return g->p;
}

struct gen_in *gen_input(struct gen *g)
{
	return g->in;
}

ir_val gen_ctx(struct gen *g)
{
	return g->in_callback ? ir_load_ptr(&g->b, g->frame, FRAME_CTX) : g->ctx;
}

bool gen_in_main(struct gen *g)
{
	return !g->in_callback;
}

void gen_error_size(struct gen *g, struct span sp, const char *what, uint32_t size, uint32_t limit)
{
	struct diag_msg *m;

	g->failed = true;
	m = diag_report(g->in->diag, E_STORAGE, sp, "%s: %u bytes are needed, %u are there", what,
			size, limit);
	diag_primary(m, "no room for this");
	diag_help(m, "use shorter strings here: str(p, 64), or config = { max_strlen = 64 }");
}

/* ---- leaving
 * ------------------------------------------------------------------------------------- */

static int64_t default_code(const struct gen *g)
{
	return g->p->prog_type == BPF_PROG_TYPE_TRACEPOINT;
}

/* Programs of these types must return 0, or have their probe removed. */
static bool fixed_code(const struct gen *g)
{
	return g->p->prog_type == BPF_PROG_TYPE_TRACING || g->p->prog_type == BPF_PROG_TYPE_KPROBE;
}

/* From the body of a map loop: the program around it looks at the frame once the loop has stopped.
 */
static void leave_callback(struct gen *g)
{
	ir_store(&g->b, 8, g->frame, FRAME_LEAVE, ir_const(&g->b, 1));
	ir_ret(&g->b, ir_const(&g->b, 1));
}

void gen_leave(struct gen *g, ir_val code)
{
	if (g->in_loop_fn) {
		leave_callback(g);
		return;
	}
	if (g->fn) {
		fn_leave(g);
		return;
	}
	if (code && !fixed_code(g)) {
		if (!g->result)
			g->result = ir_cell_new(&g->b, "result", false);
		ir_set(&g->b, g->result, ir_bini(&g->b, IR_XOR, code, default_code(g)));
	}
	ir_jmp(&g->b, g->leave);
}

void gen_return(struct gen *g, ir_val code)
{
	int64_t c;

	gen_leave(g, code && ir_is_const(&g->b, code, &c) && c == 0 ? 0 : code);
}

static void emit_exit(struct gen *g, struct ir_block *at, bool release)
{
	struct ir *b = &g->b;
	ir_val code = ir_const(b, default_code(g));

	ir_at(b, at);
	if (release)
		scratch_release(g);
	if (g->result)
		code = ir_bin(b, IR_XOR, ir_get(b, g->result), code);
	ir_ret(b, code);
}

/* ---- entering
 * ------------------------------------------------------------------------------------- */

static void check_exit(struct gen *g, struct ir_block *early)
{
	struct ir *b = &g->b;
	struct ir_block *next = ir_block_new(b, NULL);
	ir_val flag = ir_load(b, 8, gen_global(g, g->in->plan->exit_off), 0, IR_MEM_NONE);

	ir_br(b, flag, early, next, IR_LIKELY_NO);
	ir_at(b, next);
}

static void enter(struct gen *g, struct ir_block *early)
{
	g->leave = early;
	guard_count(g);
	if (g->p->prov->enter)
		g->p->prov->enter(g, g->p);
	if (g->in->plan->uses_exit && (!g->p->prov->once || g->p->prov->gated))
		check_exit(g, early);
	follow_check(g, early);
	guard_check(g, GUARD_EARLY, early);
}

/* Keeps the current block open for a claim and goes on in a new one, which is returned. */
static struct ir_block *open_claim(struct gen *g)
{
	struct ir_block *next = ir_block_new(&g->b, NULL);

	g->claim = g->b;
	ir_at(&g->b, next);
	return next;
}

/* Leaving (a function that calls exit()) is the same as being false: whether there is scratch
 * memory to release is not known before the end. */
static void predicate(struct gen *g, struct ir_block *early, struct ir_block *body)
{
	struct ir_block *no = ir_block_new(&g->b, "no"), *leave = g->leave;
	struct ir_block *start = open_claim(g);

	g->leave = no;
	vars_plan_predicate(g, g->p->pred);
	keys_build(g, true);
	struct gen_mark mark = gen_mark(g);
	gen_branch(g, g->p->pred, body, no, IR_LIKELY_EVEN);
	gen_release(g, mark);
	ir_jmp(&g->claim, start);
	g->leave = leave;
	ir_at(&g->b, no);
	ir_jmp(&g->b, g->scratch ? g->leave : early);
}

static void body(struct gen *g)
{
	struct ir_block *start = open_claim(g);

	fns_emit(g);
	vars_plan(g, g->p->body);
	keys_build(g, false);
	gen_block_value(g, g->p->body, NULL, false);
	ir_jmp(&g->b, g->leave);
	if (g->claim.block)
		ir_jmp(&g->claim, start);
}

static void program(struct gen *g)
{
	g->m = ir_module_new(g->in->arena, arena_printf(g->in->arena, "p%u", g->p->index));
	ir_module_reserve(g->m, g->in->reserve);
	g->b = ir_begin(ir_fn_new(g->m, "main", IR_ENTRY, 1, 1));
	g->b.span = g->p->decl ? g->p->decl->span : NO_SPAN;
	g->ctx = ir_param(&g->b, 0);
	struct ir_block *early = ir_block_new(&g->b, "early");
	struct ir_block *leave = ir_block_new(&g->b, "leave");

	enter(g, early);
	g->leave = leave;
	keys_plan(g);
	if (g->p->pred) {
		struct ir_block *main = ir_block_new(&g->b, "body");
		predicate(g, early, main);
		ir_at(&g->b, main);
	}
	guard_check(g, GUARD_BODY, g->scratch ? leave : early);
	body(g);
	emit_exit(g, leave, true);
	emit_exit(g, early, false);
}

struct ir_module *gen_probe(struct gen_in *in, struct probe *p)
{
	for (unsigned class = 0; class < SCRATCH_CLASSES; class ++) {
		struct gen g = {.in = in, .p = p, .scratch_class = class};

		in->attempts++;
		program(&g);
		if (g.failed)
			return NULL;
		if (!g.too_small)
			return g.m;
	}
	return NULL;
}
