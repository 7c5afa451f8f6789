/* Loops inside one function: while, for over a range, unroll; and the ones that other files
 * generate.
 *
 * The verifier walks through a loop once for each turn unless its head is a may_goto, which bounds
 * the turns at run time. So loops without choices whose number of turns is small and known are left
 * to the verifier, all others have a may_goto where the kernel knows it:
 *
 *           i = from
 *   head:   may_goto cut            (kernels that have it)
 *           i = i + unknown zero
 *           br i < end, body, out
 *   body:   …
 *   next:   i = i + 1; jmp head
 *   cut:    count a loss; jmp out
 *
 * Even then the verifier walks on as long as it knows every value exactly, and a condition in the
 * body teaches it one: behind `if $x == 0 { … }` it follows $x from 0 through all later turns. So
 * what the loop changes is made unknown to it at the start of each turn, by adding a zero that it
 * had to load from memory. The bodies of loops over maps are functions that the verifier walks
 * again and again in the same way, and begin with the same.
 *
 * Kernels without may_goto have verifiers that take two turns for the same one, and the loop for an
 * endless one, when all that differs is a number on the stack that decided nothing yet: the counter
 * of a loop whose end is not known. A loop that may be long counts its turns there, and compares
 * them with what they never reach, which makes the number one that the verifier looks at.
 */
#include "gen/gen_impl.h"

/* Up to so many turns are left to the verifier. */
#define SMALL_LOOP 64

/* The same of loops in generated code, which have few choices; and of programs that were too large.
 */
#define LARGE_COUNT 128
#define SMALL_COUNT 8

/* More turns than instructions that the verifier walks through. */
#define NEVER_REACHED (1 << 20)

static bool has_may_goto(struct gen *g)
{
	return kernel_has(g->in->kernel, FEATURE_MAY_GOTO);
}

bool gen_may_goto(struct gen *g, struct ir_block *out)
{
	struct ir *b = &g->b;
	struct ir_block *next, *cut;

	if (!has_may_goto(g))
		return false;
	next = ir_block_new(b, NULL);
	cut = ir_block_new(b, "cut");
	ir_may_goto(b, cut, next);
	ir_at(b, cut);
	gen_lost(g, LOST_LOOP);
	ir_jmp(b, out);
	ir_at(b, next);
	return true;
}

/* In front of a loop that may be long: the counter of its turns; 0 where may_goto does without. */
static ir_cell count_turns(struct gen *g)
{
	ir_cell turns;

	if (has_may_goto(g))
		return 0;
	turns = ir_cell_new(&g->b, "turns", false);
	ir_set(&g->b, turns, ir_const(&g->b, 0));
	return turns;
}

/* At its head. */
static void guard(struct gen *g, ir_cell turns, struct ir_block *out)
{
	struct ir *b = &g->b;
	struct ir_block *next;

	if (gen_may_goto(g, out))
		return;
	next = ir_block_new(b, NULL);
	ir_set(b, turns, ir_bini(b, IR_ADD, ir_get(b, turns), 1));
	ir_br(b, ir_bini(b, IR_ULT, ir_get(b, turns), NEVER_REACHED), next, out, IR_LIKELY_YES);
	ir_at(b, next);
}

/* ---- what a loop changes
 * --------------------------------------------------------------------------- */

struct forget {
	struct gen *g;
	ir_val zero;   /* 0: not loaded yet */
	unsigned loop; /* number of the loop: each variable once */
};

static void forget_block(struct forget *f, struct block *b);

static void forget_var(struct forget *f, struct expr *e)
{
	struct var_sym *v = e->sem;
	struct home *h;

	if (e->kind != EXPR_VAR || !type_is_integer(v->type))
		return;
	h = var_home(v);
	if (h->loop == f->loop)
		return;
	h->loop = f->loop;
	if (!f->zero)
		f->zero = gen_unknown_zero(f->g);
	struct ir *b = &f->g->b;
	var_set(f->g, v, ir_bin(b, IR_ADD, gen_rvalue(f->g, var_read(f->g, e)).v, f->zero));
}

static void forget_visit(void *arg, struct expr *e)
{
	if (e->kind == EXPR_INCDEC)
		forget_var(arg, e->incdec.e);
	else if (e->kind == EXPR_BLOCK)
		forget_block(arg, e->block);
	else if (e->kind == EXPR_IF)
		forget_block(arg, e->cond.yes);
}

static void forget_stmt(struct forget *f, struct stmt *s)
{
	switch (s->kind) {
	case STMT_ASSIGN:
		forget_var(f, s->assign.lhs);
		ast_walk_expr(s->assign.value, forget_visit, f);
		break;
	case STMT_EXPR:
	case STMT_DISCARD:
		ast_walk_expr(s->expr, forget_visit, f);
		break;
	case STMT_WHILE:
	case STMT_UNROLL:
		forget_block(f, s->repeat.body);
		break;
	case STMT_FOR_RANGE:
	case STMT_FOR_MAP:
		forget_block(f, s->loop.body);
		break;
	default:
		break;
	}
}

static void forget_block(struct forget *f, struct block *b)
{
	for (size_t i = 0; i < b->n; i++)
		forget_stmt(f, b->stmts[i]);
	if (b->value)
		ast_walk_expr(b->value, forget_visit, f);
}

/* 0: none is needed. */
static ir_val unknown_zero(struct gen *g)
{
	return has_may_goto(g) ? gen_unknown_zero(g) : 0;
}

/* Adds it to all that `body` and the condition (or NULL) change. */
static void forget(struct gen *g, struct expr *cond, struct block *body, ir_val zero)
{
	struct forget f = {g, zero, ++g->nloops};

	if (!zero)
		return;
	if (cond)
		ast_walk_expr(cond, forget_visit, &f);
	forget_block(&f, body);
}

/* For the body of a loop over a map. */
void loop_forget(struct gen *g, struct block *body)
{
	struct forget f = {g, 0, ++g->nloops};

	forget_block(&f, body);
}

/* ---- loops of the script
 * ------------------------------------------------------------------------------ */

static void loop_body(struct gen *g, struct block *body, struct ir_block *brk,
		      struct ir_block *cont)
{
	struct gen_loop loop = {g->loop, brk, cont};

	g->loop = &loop;
	gen_stmts(g, body);
	if (body->value)
		gen_effect(g, body->value);
	g->loop = loop.up;
}

void loop_while(struct gen *g, struct stmt *s)
{
	struct ir *b = &g->b;
	struct ir_block *head = ir_block_new(b, "while"), *body = ir_block_new(b, NULL);
	struct ir_block *out = ir_block_new(b, NULL);

	ir_val zero = unknown_zero(g);
	ir_cell turns = count_turns(g);
	ir_jmp(b, head);
	ir_at(b, head);
	guard(g, turns, out);
	forget(g, s->repeat.cond, s->repeat.body, zero);
	struct gen_mark mark = gen_mark(g);
	gen_branch(g, s->repeat.cond, body, out, IR_LIKELY_YES);
	gen_release(g, mark);
	ir_at(b, body);
	loop_body(g, s->repeat.body, out, head);
	ir_jmp(b, head);
	ir_at(b, out);
}

void loop_unroll(struct gen *g, struct stmt *s)
{
	struct ir *b = &g->b;
	struct ir_block *out = ir_block_new(b, NULL);

	for (uint64_t i = 0; i < s->repeat.cond->value; i++) {
		struct ir_block *next = ir_block_new(b, NULL);
		loop_body(g, s->repeat.body, out, next);
		ir_jmp(b, next);
		ir_at(b, next);
	}
	ir_jmp(b, out);
	ir_at(b, out);
}

static void see_choice(void *arg, struct expr *e)
{
	bool *found = arg;

	*found |= e->kind == EXPR_IF || e->kind == EXPR_TERNARY || e->kind == EXPR_MAP ||
		  e->kind == EXPR_CALL ||
		  (e->kind == EXPR_BINARY && (e->bin.op == BIN_LAND || e->bin.op == BIN_LOR));
}

/* Without choices there is one way through the body. With them, the verifier may have to walk each
 * turn once for every way through those before. */
static bool has_choice(struct block *b)
{
	bool found = false;

	for (size_t i = 0; i < b->n && !found; i++)
		found = b->stmts[i]->kind == STMT_FOR_RANGE || b->stmts[i]->kind == STMT_FOR_MAP ||
			b->stmts[i]->kind == STMT_WHILE || b->stmts[i]->kind == STMT_UNROLL;
	ast_walk_block(b, see_choice, &found);
	return found;
}

static bool is_small(struct gen *g, const struct stmt *s)
{
	const struct expr *from = s->loop.from, *to = s->loop.to;

	return from->folded && to->folded && (int64_t)(to->value - from->value) <= SMALL_LOOP &&
	       !(has_choice(s->loop.body) && has_may_goto(g));
}

/* The counter is the loop's own: assigning to the variable in the body changes one turn only. */
void loop_range(struct gen *g, struct stmt *s)
{
	struct ir *b = &g->b;
	struct var_sym *v = s->loop.sym;
	struct ir_block *head = ir_block_new(b, "for"), *body = ir_block_new(b, NULL);
	struct ir_block *next = ir_block_new(b, NULL), *out = ir_block_new(b, NULL);
	ir_cell i = ir_cell_new(b, "i", false), end = 0;
	bool small = is_small(g, s);

	ir_set(b, i, gen_scalar(g, s->loop.from));
	ir_val zero = small ? 0 : unknown_zero(g);
	ir_cell turns = small ? 0 : count_turns(g);
	if (!s->loop.to->folded) {
		end = ir_cell_new(b, "end", false);
		ir_set(b, end, gen_scalar(g, s->loop.to));
	}
	ir_jmp(b, head);
	ir_at(b, head);
	if (!small)
		guard(g, turns, out);
	if (zero)
		ir_set(b, i, ir_bin(b, IR_ADD, ir_get(b, i), zero));
	forget(g, NULL, s->loop.body, zero);
	ir_val limit = end ? ir_get(b, end) : ir_const(b, (int64_t)s->loop.to->value);
	ir_br(b, ir_bin(b, IR_SLT, ir_get(b, i), limit), body, out, IR_LIKELY_YES);
	ir_at(b, body);
	var_set(g, v, ir_get(b, i));
	loop_body(g, s->loop.body, out, next);
	ir_jmp(b, next);
	ir_at(b, next);
	ir_set(b, i, ir_bini(b, IR_ADD, ir_get(b, i), 1));
	ir_jmp(b, head);
	ir_at(b, out);
}

/* The verifier walks each turn of a short one: that is quicker when the program runs. */
static bool is_walked(struct gen *g, uint32_t n)
{
	return n <= (g->in->thrifty ? SMALL_COUNT : LARGE_COUNT) || !has_may_goto(g);
}

void loop_count(struct gen *g, uint32_t n,
		void (*step)(struct gen *, ir_val, struct ir_block *, void *), void *arg)
{
	struct ir *b = &g->b;
	struct ir_block *head = ir_block_new(b, NULL), *body = ir_block_new(b, NULL);
	struct ir_block *out = ir_block_new(b, NULL);
	ir_cell i = ir_cell_new(b, "i", false);
	ir_val zero = is_walked(g, n) ? 0 : gen_unknown_zero(g);

	ir_set(b, i, ir_const(b, 0));
	ir_jmp(b, head);
	ir_at(b, head);
	if (zero && gen_may_goto(g, out))
		ir_set(b, i, ir_bin(b, IR_ADD, ir_get(b, i), zero));
	ir_br(b, ir_bini(b, IR_ULT, ir_get(b, i), n), body, out, IR_LIKELY_YES);
	ir_at(b, body);
	step(g, ir_index(b, ir_get(b, i), n), out, arg);
	ir_set(b, i, ir_bini(b, IR_ADD, ir_get(b, i), 1));
	ir_jmp(b, head);
	ir_at(b, out);
}
