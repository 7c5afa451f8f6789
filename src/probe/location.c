/* Places of DWARF (section 2.5 and 2.6 of the standard) to code.
 *
 * An expression works on a stack of 64-bit values. It is run at compile time: what is on the stack
 * are values of the program to be, so that only its result is left as instructions.
 *
 *   DW_OP_fbreg -20                   frame base - 20                an address
 *   DW_OP_breg7 8; DW_OP_deref        *(rsp + 8)                     an address
 *   DW_OP_reg5                        rdi                            the value itself
 *   DW_OP_breg5 1; DW_OP_stack_value  rdi + 1                        the value itself
 *   DW_OP_reg0; DW_OP_piece 8;
 *   DW_OP_reg1; DW_OP_piece 8         rax, rdx                       a value in two parts
 *
 * The same run without a program to write checks that all of it is understood. */
#include <dwarf.h>
#include "probe/location.h"

enum { MAX_STACK = 32, MAX_PIECES = 4, MAX_NESTING = 4 };

enum result { AT_ADDRESS, AT_REGISTER, IS_VALUE };

struct piece {
	ir_val v;
	uint32_t size; /* bytes */
	enum result kind;
};

struct machine {
	struct gen *g; /* NULL: only check */
	const struct location_frame *frame;
	ir_val stack[MAX_STACK];
	size_t n;
	enum result kind; /* of the top */
	struct piece pieces[MAX_PIECES];
	size_t npieces;
	unsigned nesting;
	const char *why; /* it failed */
};

static bool run(struct machine *m, const struct dwarf_expr *e);

/* ---- the stack ---- */

static bool fail(struct machine *m, const char *why)
{
	m->why = why;
	return false;
}

static bool push(struct machine *m, ir_val v)
{
	if (m->n == MAX_STACK)
		return fail(m, "the expression for its place is too deep");
	m->stack[m->n++] = v;
	return true;
}

static bool pop(struct machine *m, ir_val *v)
{
	if (!m->n)
		return fail(m, "the expression for its place is damaged");
	*v = m->stack[--m->n];
	return true;
}

static bool push_const(struct machine *m, uint64_t v)
{
	return push(m, m->g ? ir_const(gen_ir(m->g), (int64_t)v) : 0);
}

/* ---- registers ---- */

/* By the numbers of the psABI. */
static const char *const register_names[] = {
#if defined(__x86_64__)
	"ax", "dx",  "cx",  "bx",  "si",  "di",  "bp",  "sp", "r8",
	"r9", "r10", "r11", "r12", "r13", "r14", "r15", "ip",
#elif defined(__aarch64__)
	"r0",  "r1",  "r2",  "r3",  "r4",  "r5",  "r6",  "r7",  "r8",  "r9",  "r10",
	"r11", "r12", "r13", "r14", "r15", "r16", "r17", "r18", "r19", "r20", "r21",
	"r22", "r23", "r24", "r25", "r26", "r27", "r28", "r29", "r30", "sp",  "pc",
#endif
};

static bool push_reg(struct machine *m, uint64_t number, int64_t add)
{
	const struct type *u64;
	ir_val v;

	if (number >= ARRAY_SIZE(register_names))
		return fail(m, "it is in a register that probes do not see (floating point)");
	if (!m->g)
		return push(m, 0);
	u64 = type_int(gen_types(m->g), 8, false);
	v = probe_ctx_reg(m->g, u64, regs_named(str_of(register_names[number]))).v;
	return push(m, add ? ir_bini(gen_ir(m->g), IR_ADD, v, add) : v);
}

static bool push_frame(struct machine *m, const struct dwarf_expr *e, int64_t add)
{
	ir_val v;

	if (!e->n)
		return fail(m, "its place depends on a frame that is not told of");
	if (++m->nesting > MAX_NESTING)
		return fail(m, "the expression for its place is damaged");
	if (!run(m, e) || !pop(m, &v))
		return false;
	m->nesting--;
	m->kind = AT_ADDRESS; /* of a register it is what it holds */
	return push(m, m->g && add ? ir_bini(gen_ir(m->g), IR_ADD, v, add) : v);
}

/* A link-time address: the file is mapped as far from it as the probe is. */
static bool push_addr(struct machine *m, uint64_t addr)
{
	const struct type *u64;
	ir_val pc;

	if (!m->g)
		return push(m, 0);
	u64 = type_int(gen_types(m->g), 8, false);
	pc = probe_ctx_reg(m->g, u64, regs_named(STR("pc"))).v;
	return push(m, ir_bini(gen_ir(m->g), IR_ADD, pc, (int64_t)(addr - m->frame->addr)));
}

/* ---- operations ---- */

static bool deref(struct machine *m, uint64_t size)
{
	const struct type *t;
	ir_val v;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return fail(m, "the expression for its place is damaged");
	if (!pop(m, &v))
		return false;
	if (!m->g)
		return push(m, 0);
	t = type_int(gen_types(m->g), (unsigned)size, false);
	return push(m, gen_load(m->g, val_mem(t, v, 0, SPACE_USER)));
}

static bool binary(struct machine *m, enum ir_binop op)
{
	ir_val r, l;

	if (!pop(m, &r) || !pop(m, &l))
		return false;
	return push(m, m->g ? ir_bin(gen_ir(m->g), op, l, r) : 0);
}

static bool with_const(struct machine *m, enum ir_binop op, uint64_t c)
{
	ir_val v;

	return pop(m, &v) && push(m, m->g ? ir_bini(gen_ir(m->g), op, v, (int64_t)c) : 0);
}

static bool negate(struct machine *m)
{
	ir_val v;

	return pop(m, &v) && push(m, m->g ? ir_neg(gen_ir(m->g), v) : 0);
}

static bool pick(struct machine *m, uint64_t depth)
{
	if (depth >= m->n)
		return fail(m, "the expression for its place is damaged");
	return push(m, m->stack[m->n - 1 - depth]);
}

static bool swap(struct machine *m)
{
	ir_val a, b;

	return pop(m, &a) && pop(m, &b) && push(m, a) && push(m, b);
}

static bool piece(struct machine *m, uint64_t size)
{
	ir_val v;

	if (!m->n)
		return fail(m, "a part of it was optimized out");
	if (m->npieces == MAX_PIECES || size > 16 || !pop(m, &v))
		return fail(m, "it is in too many parts");
	m->pieces[m->npieces++] = (struct piece){v, (uint32_t)size, m->kind};
	m->kind = AT_ADDRESS;
	return true;
}

static bool register_is_value(struct machine *m, uint64_t number)
{
	m->kind = AT_REGISTER;
	return push_reg(m, number, 0);
}

static bool constants(struct machine *m, const struct dwarf_op *op)
{
	switch (op->op) {
	case DW_OP_addr:
		return push_addr(m, op->a);
	case DW_OP_const1s:
		return push_const(m, (uint64_t)(int8_t)op->a);
	case DW_OP_const2s:
		return push_const(m, (uint64_t)(int16_t)op->a);
	case DW_OP_const4s:
		return push_const(m, (uint64_t)(int32_t)op->a);
	default: /* const1u … constu, consts */
		return push_const(m, op->a);
	}
}

static bool arithmetic(struct machine *m, const struct dwarf_op *op)
{
	static const struct {
		uint8_t op;
		enum ir_binop ir;
	} table[] = {
		{DW_OP_plus, IR_ADD}, {DW_OP_minus, IR_SUB}, {DW_OP_mul, IR_MUL},
		{DW_OP_and, IR_AND},  {DW_OP_or, IR_OR},     {DW_OP_xor, IR_XOR},
		{DW_OP_shl, IR_SHL},  {DW_OP_shr, IR_LSHR},  {DW_OP_shra, IR_ASHR},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].op == op->op)
			return binary(m, table[i].ir);
	if (op->op == DW_OP_entry_value || op->op == DW_OP_GNU_entry_value)
		return fail(m,
			    "only its value at the function's entry is told of: probe the entry");
	return fail(m, "the expression for its place uses what is not supported");
}

static bool step(struct machine *m, const struct dwarf_op *op)
{
	if (op->op >= DW_OP_lit0 && op->op <= DW_OP_lit31)
		return push_const(m, op->op - DW_OP_lit0);
	if (op->op >= DW_OP_reg0 && op->op <= DW_OP_reg31)
		return register_is_value(m, op->op - DW_OP_reg0);
	if (op->op >= DW_OP_breg0 && op->op <= DW_OP_breg31)
		return push_reg(m, op->op - DW_OP_breg0, (int64_t)op->a);
	if (op->op >= DW_OP_const1u && op->op <= DW_OP_consts)
		return constants(m, op);
	switch (op->op) {
	case DW_OP_addr:
		return constants(m, op);
	case DW_OP_regx:
		return register_is_value(m, op->a);
	case DW_OP_bregx:
		return push_reg(m, op->a, (int64_t)op->b);
	case DW_OP_fbreg:
		return push_frame(m, &m->frame->base, (int64_t)op->a);
	case DW_OP_call_frame_cfa:
		return push_frame(m, &m->frame->cfa, 0);
	case DW_OP_deref:
		return deref(m, 8);
	case DW_OP_deref_size:
		return deref(m, op->a);
	case DW_OP_plus_uconst:
		return with_const(m, IR_ADD, op->a);
	case DW_OP_neg:
		return negate(m);
	case DW_OP_not:
		return with_const(m, IR_XOR, UINT64_MAX);
	case DW_OP_dup:
		return pick(m, 0);
	case DW_OP_over:
		return pick(m, 1);
	case DW_OP_pick:
		return pick(m, op->a);
	case DW_OP_swap:
		return swap(m);
	case DW_OP_drop:
		return pop(m, &(ir_val){0});
	case DW_OP_nop:
		return true;
	case DW_OP_stack_value:
		m->kind = IS_VALUE;
		return true;
	case DW_OP_piece:
		return piece(m, op->a);
	default:
		return arithmetic(m, op);
	}
}

static bool run(struct machine *m, const struct dwarf_expr *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (!step(m, &e->ops[i]))
			return false;
	return true;
}

/* ---- results ---- */

struct val location_narrowed(struct gen *g, const struct type *t, ir_val v)
{
	struct val r;

	if (t->size < 8 && type_is_scalar(t))
		v = type_is_signed(t) ? ir_sext(gen_ir(g), v, t->size)
				      : ir_zext(gen_ir(g), v, t->size);
	r = val_scalar(t, v);
	r.space = SPACE_USER;
	return r;
}

static struct val copy_of(struct gen *g, const struct type *t)
{
	struct val m = gen_temp_bytes(g, MAX(ALIGN_UP(t->size, 8), 16u), 8, true);

	m.type = t;
	return m;
}

static void put(struct gen *g, struct val m, int32_t off, unsigned bytes, ir_val v)
{
	ir_store(gen_ir(g), bytes, m.v, m.off + off, v);
}

struct val location_pair(struct gen *g, const struct type *t, ir_val low, ir_val high)
{
	struct val m;

	if (type_is_scalar(t))
		return location_narrowed(g, t, low);
	m = copy_of(g, t);
	put(g, m, 0, 8, low);
	if (t->size > 8)
		put(g, m, 8, 8, high);
	return m;
}

static ir_val piece_value(struct gen *g, const struct piece *p)
{
	if (p->kind != AT_ADDRESS)
		return p->v;
	return gen_load(g, val_mem(type_int(gen_types(g), p->size, false), p->v, 0, SPACE_USER));
}

static bool pieces_fit(const struct machine *m)
{
	uint32_t at = 0;

	for (size_t i = 0; i < m->npieces; i++) {
		uint32_t n = m->pieces[i].size;

		if ((n != 1 && n != 2 && n != 4 && n != 8) || at % n)
			return false;
		at += n;
	}
	return true;
}

static struct val join(struct gen *g, const struct machine *m, const struct type *t)
{
	struct val v = copy_of(g, t);
	int32_t at = 0;

	for (size_t i = 0; i < m->npieces; i++) {
		const struct piece *p = &m->pieces[i];

		if (at + (int32_t)p->size > (int32_t)MAX(ALIGN_UP(t->size, 8), 16u))
			break;
		put(g, v, at, p->size, piece_value(g, p));
		at += (int32_t)p->size;
	}
	return v;
}

const char *location_check(const struct dwarf_expr *e, const struct location_frame *f)
{
	struct machine m = {.frame = f};

	if (!e->n)
		return "it was optimized out";
	if (!run(&m, e))
		return m.why;
	if (m.npieces)
		return pieces_fit(&m) ? NULL : "it is in parts of odd sizes";
	return m.n ? NULL : "the expression for its place is damaged";
}

struct val location_load(struct gen *g, const struct dwarf_expr *e, const struct location_frame *f,
			 const struct type *t)
{
	struct machine m = {.g = g, .frame = f};

	if (!run(&m, e))
		BUG("a place that was checked cannot be reached: %s", m.why);
	if (m.npieces)
		return join(g, &m, t);
	if (m.kind == AT_ADDRESS)
		return val_mem(t, m.stack[m.n - 1], 0, SPACE_USER);
	return location_pair(g, t, m.stack[m.n - 1], ir_const(gen_ir(g), 0));
}
