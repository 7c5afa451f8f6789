/* Comparing and searching: strncmp, strcontains, strstr, memcmp.
 *
 * A literal is compared in words against constants, with its NUL where that matters: a string that
 * ends early differs from the literal at its NUL, so no separate test for the end is needed.
 *
 *      strncmp(comm, "systemd-", 8)     one 8-byte load, one compare
 *
 * Two strings that are only known at run time are compared byte by byte in a bounded loop. */
#include <string.h>
#include "builtin/builtin_priv.h"

/* Bytes compared at most: what the verifier can walk where it has to walk all of it, and what a
 * probe should do at all. */
#define WALK_LIMIT   16384
#define SEARCH_LIMIT (1 << 20)
/* Up to so many turns are left to the verifier. */
#define SMALL_LOOP 64

/* ---- comparing --------------------------------------------------------------------------- */

static void differ_unless(struct ir *b, ir_val same, struct ir_block *differ)
{
	struct ir_block *next = ir_block_new(b, "same");

	ir_br(b, same, next, differ, IR_LIKELY_EVEN);
	ir_at(b, next);
}

/* The widest load that fits into `left` bytes and is aligned; the base itself is aligned to 8. */
static uint32_t load_width(int32_t off, uint32_t left)
{
	uint32_t w = 8;

	while (w > left || off % (int32_t)w)
		w /= 2;
	return w;
}

void builtin_match_literal(struct gen *g, ir_val base, int32_t at, const char *bytes, uint32_t n,
			   bool words, struct ir_block *differ)
{
	struct ir *b = gen_ir(g);

	for (uint32_t i = 0, step; i < n; i += step) {
		uint64_t word = 0;

		step = words ? load_width(at + (int32_t)i, n - i) : 1;
		memcpy(&word, bytes + i, step);
		differ_unless(b,
			      ir_bin(b, IR_EQ, ir_load(b, step, base, at + (int32_t)i, IR_MEM_NONE),
				     ir_const(b, (int64_t)word)),
			      differ);
	}
}

/* A loop of `turns` turns, of which each stands for a part of `cost`. */
static ir_val begin_loop(struct gen *g, struct builtin_loop *l, uint32_t turns, uint64_t cost,
			 struct ir_block *cut)
{
	if (cost > SMALL_LOOP)
		return builtin_long_loop_begin(g, l, turns, cut);
	return builtin_loop_begin(g, l, ir_const(gen_ir(g), turns), turns);
}

/* A loop over the bytes of two strings; leaves to `differ` at the first difference. `stop_at_nul`:
 * equal up to a common NUL is equal. Falls through when equal. */
static void match_bytes(struct gen *g, struct val x, struct val y, uint32_t n, bool stop_at_nul,
			struct ir_block *differ)
{
	struct ir *b = gen_ir(g);
	struct builtin_loop l;
	ir_val i = begin_loop(g, &l, n, n, NULL), cx, cy;

	cx = ir_load(b, 1, ir_bin(b, IR_ADD, x.v, i), x.off, IR_MEM_NONE);
	cy = ir_load(b, 1, ir_bin(b, IR_ADD, y.v, i), y.off, IR_MEM_NONE);
	differ_unless(b, ir_bin(b, IR_EQ, cx, cy), differ);
	if (stop_at_nul)
		ir_br(b, cx, l.next, l.done, IR_LIKELY_YES);
	builtin_loop_end(g, &l);
}

/* 0 when falling through to here, 1 when `differ` is reached. */
static struct val outcome(struct gen *g, struct expr *e, struct ir_block *differ)
{
	struct ir *b = gen_ir(g);
	ir_cell result = ir_cell_new(b, "differ", false);
	struct ir_block *done = ir_block_new(b, "compared");

	ir_set(b, result, ir_const(b, 0));
	ir_jmp(b, done);
	ir_at(b, differ);
	ir_set(b, result, ir_const(b, 1));
	ir_jmp(b, done);
	ir_at(b, done);
	return val_scalar(e->type, ir_get(b, result));
}

/* ---- strncmp ----------------------------------------------------------------------------- */

static void check_strncmp(struct sema *s, struct expr *e)
{
	int64_t n = 1;

	builtin_set_int(s, e, 8, false);
	for (unsigned i = 0; i < 2; i++)
		if (builtin_known(e, i))
			sema_arg_string(s, e, i);
	if (sema_literal_int(s, e, 2, &n) && n < 0)
		sema_report(s, E_RANGE, builtin_arg(e, 2)->span,
			    "strncmp() takes a length of 0 or more, got %" PRId64, n);
	sema_call(s, e)->num[0] = n < 0 ? 0 : (uint64_t)n;
}

/* The string `m` against a literal: what lies behind the literal's end counts only when `n` reaches
 * it. */
static void strncmp_literal(struct gen *g, struct val m, struct str lit, uint64_t n,
			    struct ir_block *differ)
{
	struct ir *b = gen_ir(g);
	uint32_t cap = m.type->size;
	uint64_t bytes = MIN(n, (uint64_t)lit.n + 1); /* lit is followed by a NUL of its own here */
	char *text = arena_strndup(gen_arena(g), lit.p, lit.n);

	if (bytes > cap && lit.n > cap) { /* cannot be equal */
		struct ir_block *never = ir_block_new(b, "never");

		ir_br(b, ir_const(b, 1), differ, never, IR_LIKELY_YES);
		ir_at(b, never);
		return;
	}
	builtin_match_literal(g, m.v, m.off, text, (uint32_t)MIN(bytes, cap), true, differ);
}

static struct val lower_strncmp(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct expr *l = builtin_arg(e, 0), *r = builtin_arg(e, 1);
	uint64_t n = ((struct call_sem *)e->sem)->num[0];
	struct ir_block *differ = ir_block_new(b, "differ");
	struct val x, y;

	if (l->kind == EXPR_STR) {
		struct expr *swap = l;

		l = r;
		r = swap;
	}
	x = gen_to_bpf(g, gen_held(g, l, &r, 1));
	if (r->kind == EXPR_STR) {
		strncmp_literal(g, x, r->str, n, differ);
		return outcome(g, e, differ);
	}
	y = gen_to_bpf(g, gen_expr(g, r));
	n = MIN(n, MIN(x.type->size, y.type->size));
	if (n)
		match_bytes(g, x, y, (uint32_t)n, true, differ);
	return outcome(g, e, differ);
}

/* ---- memcmp ------------------------------------------------------------------------------ */

static void check_memcmp(struct sema *s, struct expr *e)
{
	int64_t n = 1;

	builtin_set_int(s, e, 8, false);
	if (sema_literal_int(s, e, 2, &n) && (n < 0 || n > WALK_LIMIT))
		sema_report(s, E_RANGE, builtin_arg(e, 2)->span,
			    "memcmp() takes a length from 0 to %d, got %" PRId64, WALK_LIMIT, n);
	sema_call(s, e)->num[0] = (uint64_t)MAX(n, 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct type *t = builtin_argtype(e, i);

		if (t->kind != TYPE_POISON && !type_is_scalar(t) && t->size < (uint64_t)n)
			diag_primary(sema_report(s, E_RANGE, builtin_arg(e, i)->span,
						 "memcmp() of %" PRId64
						 " bytes goes beyond its argument",
						 n),
				     "this has %u bytes", t->size);
	}
}

/* The memory of an argument as BPF memory of `n` bytes: pointers are followed. `later`: the
 * arguments behind it. */
static struct val memory_of(struct gen *g, struct expr *a, uint32_t n, struct expr **later,
			    size_t nlater)
{
	enum space space;
	struct val copy;
	ir_val p;

	if (!type_is_scalar(a->type))
		return gen_to_bpf(g, gen_held(g, a, later, nlater));
	p = builtin_pointer(g, a, &space);
	copy = gen_temp_bytes(g, n, 8, false);
	gen_read(g, builtin_addr(g, copy, 0), n, p, space);
	return copy;
}

static struct val lower_memcmp(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	uint32_t n = (uint32_t)((struct call_sem *)e->sem)->num[0];
	struct ir_block *differ = ir_block_new(b, "differ");
	struct expr *r = builtin_arg(e, 1);

	if (n) {
		struct val x = memory_of(g, builtin_arg(e, 0), n, &r, 1);
		struct val y = memory_of(g, r, n, NULL, 0);

		match_bytes(g, x, y, n, false, differ);
	}
	return outcome(g, e, differ);
}

/* ---- strstr, strcontains ----------------------------------------------------------------- */

/* The kernel is asked for what only long searches need. */
static uint64_t most_compared(struct sema *s, const struct type *h, const struct type *n)
{
	if ((uint64_t)h->size * n->size <= WALK_LIMIT)
		return WALK_LIMIT;
	return kernel_has(sema_kernel(s), FEATURE_MAY_GOTO) ? SEARCH_LIMIT : WALK_LIMIT;
}

static void check_search(struct sema *s, struct expr *e)
{
	const struct type *h = builtin_argtype(e, 0), *n = builtin_argtype(e, 1);

	for (unsigned i = 0; i < 2; i++)
		if (builtin_known(e, i) && !sema_arg_string(s, e, i))
			return;
	if (h->kind == TYPE_STRING && n->kind == TYPE_STRING &&
	    (uint64_t)h->size * n->size > most_compared(s, h, n))
		diag_help(sema_report(s, E_SIZE, e->span,
				      "%.*s() would compare up to %u times %u bytes, which is more "
				      "than %s",
				      STR_ARG(call_name(e)), h->size, n->size,
				      (uint64_t)h->size * n->size > SEARCH_LIMIT
					      ? "a probe should do"
					      : "the verifier of this kernel accepts"),
			  "make the strings smaller: str(p, 64)");
}

static void check_strstr(struct sema *s, struct expr *e)
{
	builtin_set_int(s, e, 8, true);
	check_search(s, e);
}

static void check_strcontains(struct sema *s, struct expr *e)
{
	e->type = &type_bool;
	check_search(s, e);
}

/* At place `i` of the haystack: jumps to `found` when the needle starts here, to `miss` when it
 * does not. */
static void match_at(struct gen *g, struct val hay, ir_val i, struct val needle,
		     struct expr *literal, struct ir_block *found, struct ir_block *miss)
{
	struct ir *b = gen_ir(g);
	struct ir_block *alive, *more;
	struct builtin_loop l;
	ir_val left, at, ch, cn;

	if (literal) {
		builtin_match_literal(g, ir_bin(b, IR_ADD, hay.v, i), hay.off, literal->str.p,
				      (uint32_t)literal->str.n, false, miss);
		ir_jmp(b, found);
		return;
	}
	left = begin_loop(g, &l, needle.type->size, (uint64_t)needle.type->size * hay.type->size,
			  miss);
	cn = ir_load(b, 1, ir_bin(b, IR_ADD, needle.v, left), needle.off, IR_MEM_NONE);
	alive = ir_block_new(b, "alive");
	ir_br(b, cn, alive, found, IR_LIKELY_YES); /* the needle's end */
	ir_at(b, alive);
	more = ir_block_new(b, "inside");
	at = ir_bin(b, IR_ADD, i, left);
	ir_br(b, ir_bini(b, IR_ULT, at, hay.type->size), more, miss, IR_LIKELY_YES);
	ir_at(b, more);
	at = ir_index(b, at, hay.type->size);
	ch = ir_load(b, 1, ir_bin(b, IR_ADD, hay.v, at), hay.off, IR_MEM_NONE);
	differ_unless(b, ir_bin(b, IR_EQ, ch, cn), miss);
	builtin_loop_end(g, &l);
	ir_jmp(b, found);
}

/* The index of the first match, -1: none. */
static ir_val search(struct gen *g, struct expr *e)
{
	struct ir *b = gen_ir(g);
	struct expr *ne = builtin_arg(e, 1), *literal = ne->kind == EXPR_STR ? ne : NULL;
	struct val hay = gen_to_bpf(g, gen_held(g, builtin_arg(e, 0), &ne, 1));
	struct val needle = literal ? hay : gen_to_bpf(g, gen_expr(g, ne));
	uint32_t places = hay.type->size;
	ir_cell at = ir_cell_new(b, "found", false);
	struct ir_block *found = ir_block_new(b, "found"), *out = ir_block_new(b, "searched");
	struct ir_block *here, *miss;
	struct builtin_loop l;
	ir_val i;

	if (literal && literal->str.n > places)
		return ir_const(b, -1);
	if (literal && literal->str.n == 0)
		return ir_const(b, 0);
	if (literal)
		places -= (uint32_t)literal->str.n - 1;
	ir_set(b, at, ir_const(b, -1));
	i = begin_loop(g, &l, places,
		       (uint64_t)places * (literal ? literal->str.n : needle.type->size), NULL);
	miss = ir_block_new(b, "miss");
	here = ir_block_new(b, "here");
	ir_jmp(b, here);
	ir_at(b, found);
	/* One way on, not one for each place. */
	ir_set(b, at, ir_bin(b, IR_ADD, ir_get(b, l.i), gen_unknown_zero(g)));
	ir_jmp(b, out);
	ir_at(b, here);
	match_at(g, hay, i, needle, literal, found, miss);
	ir_at(b, miss); /* on to the next place, unless the haystack ends at this one */
	ir_br(b, ir_load(b, 1, ir_bin(b, IR_ADD, hay.v, i), hay.off, IR_MEM_NONE), l.next, l.done,
	      IR_LIKELY_YES);
	builtin_loop_end(g, &l);
	ir_jmp(b, out);
	ir_at(b, out);
	return ir_get(b, at);
}

static struct val lower_strstr(struct gen *g, struct expr *e, struct val want)
{
	return val_scalar(e->type, search(g, e));
}

static struct val lower_strcontains(struct gen *g, struct expr *e, struct val want)
{
	return val_scalar(e->type, ir_bini(gen_ir(g), IR_NE, search(g, e), -1));
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_match[] = {
	{
		.name = "strncmp",
		.proto = "uint64 strncmp(string a, string b, const int n)",
		.doc = "Compares the first n bytes of two strings: 0 when they are equal, 1 "
		       "otherwise.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter /strncmp(comm, \"kworker\", 7) == 0/ "
		       "{ @[comm] = count(); }\n",
		.examples = EXAMPLES("begin { if (strncmp(comm, \"awl\", 3) == 0) { printf(\"it "
				     "is\\n\"); } exit(); }",
				     "begin { if (strncmp(comm, pcomm, 16) == 0) { printf(\"it "
				     "is\\n\"); } exit(); }"),
		.min_args = 3,
		.max_args = 3,
		.check = check_strncmp,
		.lower = lower_strncmp,
	},
	{
		.name = "memcmp",
		.proto = "uint64 memcmp(any a, any b, const int n)",
		.doc = "Compares n bytes of memory: 0 when they are equal, 1 otherwise. Pointers "
		       "are followed.\n\n"
		       "    begin { if (memcmp(comm, \"awl\", 3) == 0) { printf(\"it is\\n\"); } "
		       "exit(); }\n",
		.examples = EXAMPLES("begin { if (memcmp(comm, \"awl\", 3) == 0) { printf(\"it "
				     "is\\n\"); } exit(); }"),
		.min_args = 3,
		.max_args = 3,
		.check = check_memcmp,
		.lower = lower_memcmp,
	},
	{
		.name = "strcontains",
		.proto = "bool strcontains(string haystack, string needle)",
		.doc = "True when the needle occurs in the haystack.\n\n"
		       "    tracepoint:syscalls:sys_enter_openat /strcontains(str(args.filename, "
		       "64), \"/etc/\")/ {\n"
		       "            @[comm] = count();\n"
		       "    }\n",
		.examples = EXAMPLES("begin { if (strcontains(comm, \"awl\")) { printf(\"it "
				     "is\\n\"); } exit(); }",
				     "begin { if (strcontains(comm, pcomm)) { printf(\"it "
				     "is\\n\"); } exit(); }"),
		.min_args = 2,
		.max_args = 2,
		.check = check_strcontains,
		.lower = lower_strcontains,
	},
	{
		.name = "strstr",
		.proto = "int64 strstr(string haystack, string needle)",
		.doc = "The index of the needle's first occurrence in the haystack, -1 when there "
		       "is none.\n\n"
		       "    begin { printf(\"%d\\n\", strstr(comm, \"w\")); exit(); }\n",
		.examples = EXAMPLES("begin { printf(\"%d\\n\", strstr(comm, \"w\")); exit(); }"),
		.min_args = 2,
		.max_args = 2,
		.check = check_strstr,
		.lower = lower_strstr,
	},
	BUILTIN_END,
};
