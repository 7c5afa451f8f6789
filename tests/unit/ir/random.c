/* Random modules: structured code with cells, branches, bounded loops, objects, maps, atomics,
 * calls, subprograms and more values alive than there are registers. Pointers stay pointers, so
 * that the verifier accepts what comes out. */
#include "world.h"

enum { MAX_VALUES = 64, MAX_CELLS = 6, MAX_DEPTH = 3 };

struct rnd {
	uint64_t state;
	struct ir b;
	ir_val value[MAX_VALUES]; /* numbers in scope */
	unsigned nvalues;
	ir_cell cell[MAX_CELLS], ptr;
	unsigned ncells, depth, budget;
	ir_val obj, key, ctx; /* 32-byte object, key object, context (or none) */
	struct ir_fn *sub;    /* a subprogram to call, or NULL */
	unsigned subargs;
};

static uint64_t next(struct rnd *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state * 0x2545f4914f6cdd1du;
}

static unsigned upto(struct rnd *r, unsigned n)
{
	return (unsigned)((next(r) >> 33) % n);
}

static int64_t number(struct rnd *r)
{
	static const int64_t odd[] = {
		0,         1,         -1,         2,          7,          255,
		256,       65535,     0x7fffffff, 0x80000000, 0xffffffff, -0x80000000ll,
		INT64_MIN, INT64_MAX, 63,         64,         1000};

	return upto(r, 3) ? odd[upto(r, ARRAY_SIZE(odd))] : (int64_t)next(r) >> upto(r, 63);
}

static ir_val pick(struct rnd *r)
{
	unsigned n = upto(r, 8);

	if (n == 0 || !r->nvalues)
		return ir_const(&r->b, number(r));
	if (n == 1 && r->ncells)
		return ir_get(&r->b, r->cell[upto(r, r->ncells)]);
	return r->value[upto(r, r->nvalues)];
}

static void keep(struct rnd *r, ir_val v)
{
	if (r->nvalues < MAX_VALUES)
		r->value[r->nvalues++] = v;
	else
		r->value[upto(r, MAX_VALUES)] = v;
}

static unsigned width(struct rnd *r)
{
	return 1u << upto(r, 4);
}

static void arithmetic(struct rnd *r)
{
	ir_val l = pick(r), m = pick(r);

	switch (upto(r, 10)) {
	case 0:
		keep(r, ir_zext(&r->b, l, width(r)));
		break;
	case 1:
		keep(r, ir_sext(&r->b, l, width(r)));
		break;
	case 2:
		keep(r, ir_bswap(&r->b, l, 2u << upto(r, 3)));
		break;
	case 3:
		keep(r, upto(r, 2) ? ir_neg(&r->b, l) : ir_not(&r->b, l));
		break;
	case 4:
		keep(r, ir_bound(&r->b, l, (uint64_t)number(r)));
		break;
	case 5:
		keep(r, ir_mask(&r->b, l, (uint64_t)number(r)));
		break;
	case 6:
		keep(r, ir_zext(&r->b, ir_bin(&r->b, (enum ir_binop)upto(r, IR_SGE + 1), l, m), 4));
		break;
	default:
		keep(r, ir_bin(&r->b, (enum ir_binop)upto(r, IR_SGE + 1), l, m));
	}
}

/* An address inside the object, aligned for `bytes`. */
static int32_t place(struct rnd *r, unsigned bytes)
{
	return (int32_t)(upto(r, 32 / bytes) * bytes);
}

static void memory(struct rnd *r)
{
	unsigned n = width(r);
	ir_val p = r->obj, i;

	switch (upto(r, 8)) {
	case 0:
	case 1:
		ir_store(&r->b, n, p, place(r, n), pick(r));
		break;
	case 2:
		keep(r, ir_loads(&r->b, n, p, place(r, n), IR_MEM_NONE));
		break;
	case 3:
		i = ir_mask(&r->b, pick(r), 15);
		keep(r, ir_load(&r->b, 1, ir_bin(&r->b, IR_ADD, p, i), (int32_t)upto(r, 16),
				IR_MEM_NONE));
		break;
	case 4:
		if (r->ctx)
			keep(r,
			     ir_load(&r->b, 8, r->ctx, 8 * (int32_t)upto(r, 21), IR_MEM_INVARIANT));
		break;
	case 5:
		i = ir_bini(&r->b, IR_ADD, p, 8);
		keep(r, ir_load(&r->b, 4, i, 4, IR_MEM_NONE));
		break;
	default:
		keep(r, ir_load(&r->b, n, p, place(r, n), IR_MEM_NONE));
	}
}

static void atomics(struct rnd *r)
{
	unsigned n = 4u << upto(r, 2);
	ir_val p = upto(r, 2) ? r->obj : ir_mapval(&r->b, 2, 8 * upto(r, 4));
	enum ir_atomic_op op = (enum ir_atomic_op)upto(r, IR_ATOMIC_XCHG + 1);

	if (!upto(r, 4))
		keep(r, ir_cmpxchg(&r->b, n, p, 8, pick(r), pick(r)));
	else if (upto(r, 2))
		keep(r, ir_atomic(&r->b, op, n, p, 0, pick(r), true));
	else
		ir_atomic(&r->b, op, n, p, 0, pick(r), false);
}

static void calls(struct rnd *r)
{
	ir_val args[5];

	switch (upto(r, 4)) {
	case 0:
		keep(r, IR_CALL0(&r->b, BPF_FUNC_get_current_pid_tgid));
		break;
	case 1:
		keep(r, IR_CALL0(&r->b, BPF_FUNC_ktime_get_ns));
		break;
	case 2:
		IR_CALL(&r->b, BPF_FUNC_get_current_comm, r->obj, ir_const(&r->b, 16));
		break;
	default:
		for (unsigned k = 0; r->sub && k < r->subargs; k++)
			args[k] = pick(r);
		if (r->sub)
			keep(r, ir_call_fn(&r->b, r->sub, r->subargs, args));
	}
}

static void statement(struct rnd *r);

/* Code in a scope of its own; leaves the block open. */
static void body(struct rnd *r, unsigned n)
{
	unsigned values = r->nvalues;
	ir_val saved[MAX_VALUES];

	memcpy(saved, r->value, sizeof(saved));
	r->depth++;
	while (n--)
		statement(r);
	r->depth--;
	memcpy(r->value, saved, sizeof(saved));
	r->nvalues = values;
}

static void branch(struct rnd *r)
{
	struct ir_block *yes = ir_block_new(&r->b, "yes"), *no = ir_block_new(&r->b, "no");
	struct ir_block *join = upto(r, 3) ? ir_block_new(&r->b, "join") : no;

	ir_br(&r->b, pick(r), yes, no, (enum ir_hint)upto(r, 3));
	ir_at(&r->b, yes);
	body(r, 1 + upto(r, 4));
	if (!upto(r, 12))
		ir_ret(&r->b, ir_const(&r->b, upto(r, 2)));
	ir_jmp(&r->b, join);
	if (join != no) {
		ir_at(&r->b, no);
		body(r, upto(r, 4));
		ir_jmp(&r->b, join);
	}
	ir_at(&r->b, join);
}

static void loop(struct rnd *r)
{
	struct ir_block *head = ir_block_new(&r->b, "head"), *in = ir_block_new(&r->b, "in");
	struct ir_block *out = ir_block_new(&r->b, "out");
	ir_cell i = ir_cell_new(&r->b, "i", false);

	ir_set(&r->b, i, ir_const(&r->b, 0));
	ir_jmp(&r->b, head);
	ir_at(&r->b, head);
	ir_br(&r->b, ir_bini(&r->b, IR_ULT, ir_get(&r->b, i), 1 + upto(r, 3)), in, out,
	      IR_LIKELY_EVEN);
	ir_at(&r->b, in);
	body(r, 1 + upto(r, 4));
	ir_set(&r->b, i, ir_bini(&r->b, IR_ADD, ir_get(&r->b, i), 1));
	ir_jmp(&r->b, head);
	ir_at(&r->b, out);
}

/* Globals by a number that a branch has found small, or that was cut. */
static void indexed(struct rnd *r)
{
	struct ir_block *in = ir_block_new(&r->b, "in"), *join = ir_block_new(&r->b, "join");
	ir_val v = pick(r), p = ir_mapval(&r->b, 2, 0);

	if (upto(r, 2)) {
		v = ir_bini(&r->b, IR_SHL, ir_bound(&r->b, v, 7), 3);
		keep(r, ir_load(&r->b, 8, ir_bin(&r->b, IR_ADD, p, v), 0, IR_MEM_NONE));
	}
	v = pick(r);
	ir_br(&r->b, ir_bini(&r->b, IR_ULT, v, 8), in, join, (enum ir_hint)upto(r, 3));
	ir_at(&r->b, in);
	if (upto(r, 2))
		body(r, 2);
	v = ir_bini(&r->b, IR_SHL, ir_index(&r->b, v, 8), 3);
	ir_store(&r->b, 8, ir_bin(&r->b, IR_ADD, p, v), 0, pick(r));
	ir_jmp(&r->b, join);
	ir_at(&r->b, join);
}

/* Look up, and use the value where it was found. */
static void maps(struct rnd *r)
{
	struct ir_block *hit = ir_block_new(&r->b, "hit"), *miss = ir_block_new(&r->b, "miss");
	struct ir_block *join = ir_block_new(&r->b, "join");
	uint32_t map = upto(r, 2);

	if (upto(r, 2))
		ir_store(&r->b, 8, r->key, 0, ir_mask(&r->b, pick(r), 3));
	ir_val p = IR_CALL(&r->b, BPF_FUNC_map_lookup_elem, ir_map(&r->b, map), r->key);
	ir_br(&r->b, p, hit, miss, (enum ir_hint)upto(r, 3));
	ir_at(&r->b, hit);
	p = ir_nonnull(&r->b, p);
	ir_set(&r->b, r->ptr, p);
	ir_store(&r->b, 8, p, 0, pick(r));
	if (upto(r, 2))
		ir_atomic(&r->b, IR_ATOMIC_ADD, 8, p, 8, pick(r), false);
	if (upto(r, 2))
		body(r, 1);
	ir_jmp(&r->b, join);
	ir_at(&r->b, miss);
	if (upto(r, 2))
		IR_CALL(&r->b, BPF_FUNC_map_update_elem, ir_map(&r->b, map), r->key, r->obj,
			ir_const(&r->b, upto(r, 2)));
	else if (upto(r, 3) == 0)
		IR_CALL(&r->b, BPF_FUNC_map_delete_elem, ir_map(&r->b, map), r->key);
	ir_set(&r->b, r->ptr, ir_mapval(&r->b, 2, 16));
	ir_jmp(&r->b, join);
	ir_at(&r->b, join);
	keep(r, ir_load(&r->b, 8, ir_get(&r->b, r->ptr), 0, IR_MEM_NONE));
}

static void statement(struct rnd *r)
{
	if (!r->budget)
		return;
	r->budget--;
	switch (upto(r, 16)) {
	case 0:
	case 1:
		memory(r);
		break;
	case 2:
		atomics(r);
		break;
	case 3:
	case 4:
		calls(r);
		break;
	case 5:
	case 6:
		ir_set(&r->b, r->cell[upto(r, r->ncells)], pick(r));
		break;
	case 7:
		if (r->depth < MAX_DEPTH)
			branch(r);
		break;
	case 8:
		if (r->depth < MAX_DEPTH - 1)
			loop(r);
		break;
	case 9:
		maps(r);
		break;
	case 10:
		if (r->depth < MAX_DEPTH)
			indexed(r);
		break;
	default:
		arithmetic(r);
	}
}

static void function(struct rnd *r, unsigned budget)
{
	ir_val sum;

	r->budget = budget;
	r->obj = ir_object(&r->b, 32, 8);
	r->key = ir_object(&r->b, 8, 8);
	ir_zero(&r->b, r->obj, 0, 32, 8);
	ir_zero(&r->b, r->key, 0, 8, 8);
	r->ptr = ir_cell_new(&r->b, "p", true);
	for (r->ncells = 0; r->ncells < MAX_CELLS; r->ncells++)
		r->cell[r->ncells] = ir_cell_new(&r->b, "c", false);
	for (unsigned k = 0, n = 10 + upto(r, 60); k < n; k++)
		statement(r);
	sum = ir_get(&r->b, r->cell[0]);
	for (unsigned k = 0; k < r->nvalues; k++)
		sum = ir_bin(&r->b, IR_XOR, ir_bini(&r->b, IR_MUL, sum, 31), r->value[k]);
	ir_ret(&r->b, sum);
}

struct ir_module *random_module(struct arena *a, uint64_t seed)
{
	struct ir_module *m = ir_module_new(a, "random");
	struct rnd r = {.state = seed * 0x9e3779b97f4a7c15u + 1}, s;
	struct ir_fn *main = ir_fn_new(m, "main", IR_ENTRY, 1, 1);

	r.b = ir_begin(main);
	r.ctx = ir_param(&r.b, 0);
	if (upto(&r, 3) == 0) {
		s = r;
		s.ctx = 0;
		s.subargs = r.subargs = upto(&r, 6);
		r.sub = ir_fn_new(m, "sub", IR_SUBPROG, r.subargs, 0);
		s.b = ir_begin(r.sub);
		for (unsigned k = 0; k < r.subargs; k++)
			keep(&s, ir_param(&s.b, k));
		function(&s, 10);
		r.state = s.state;
	}
	function(&r, 20 + upto(&r, 200));
	return m;
}
