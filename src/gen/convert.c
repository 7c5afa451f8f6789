/* Values from one type to another, and values into memory.
 *
 * A scalar in a register is 64 bits wide, extended by the sign of its type, so widening costs
 * nothing; narrowing and a change of sign below 64 bits extend anew:
 *
 *   int64 → uint8    v & 0xff
 *   int8  → uint32   zero-extended from 32 bits
 *   int8  → int64    as it is
 */
#include "gen/gen_impl.h"

static bool fits_already(const struct type *from, const struct type *to)
{
	bool fs = type_is_signed(from), ts = type_is_signed(to);

	if (to->size >= 8)
		return true;
	return fs == ts ? from->size <= to->size : !fs && from->size < to->size;
}

ir_val gen_convert(struct gen *g, ir_val v, const struct type *from, const struct type *to)
{
	if (to->kind == TYPE_BOOL)
		return from->kind == TYPE_BOOL ? v : ir_bini(&g->b, IR_NE, v, 0);
	if (!type_is_scalar(to) || (type_is_scalar(from) && fits_already(from, to)))
		return v;
	if (to->size >= 8)
		return v;
	return type_is_signed(to) ? ir_sext(&g->b, v, to->size) : ir_zext(&g->b, v, to->size);
}

void store_scalar(struct gen *g, struct val dst, ir_val v)
{
	ir_store(&g->b, dst.type->size, dst.v, dst.off, v);
}

/* ---- moving bytes
 * --------------------------------------------------------------------------------- */

/* A read from address 0 always fails, and the helper leaves zeroes then. */
static void zero_large(struct gen *g, struct val m, uint32_t size)
{
	IR_CALL(&g->b, BPF_FUNC_probe_read_kernel, gen_addr(g, m), ir_const(&g->b, size),
		ir_const(&g->b, 0));
}

/* Copies `size` bytes out of any space; nothing (VAL_VOID) means zeroes. */
void gen_move(struct gen *g, struct val dst, struct val src, uint32_t size)
{
	bool inlined = src.space == SPACE_BPF || src.space == SPACE_CTX;

	if (src.kind == VAL_NONE && size <= INLINE_BYTES)
		ir_zero(&g->b, dst.v, dst.off, size, 8);
	else if (src.kind == VAL_NONE)
		zero_large(g, dst, size);
	else if (inlined && size <= INLINE_BYTES)
		ir_copy(&g->b, dst.v, dst.off, src.v, src.off, size, 8);
	else
		gen_read(g, gen_addr(g, dst), size, gen_addr(g, src),
			 src.space == SPACE_BPF ? SPACE_KERNEL : src.space);
}

void gen_zero(struct gen *g, struct val m)
{
	gen_move(g, m, VAL_VOID, m.type->size);
}

struct val gen_to_bpf(struct gen *g, struct val m)
{
	if (m.kind != VAL_MEM || m.space == SPACE_BPF)
		return m;
	struct val tmp = gen_temp(g, m.type, false);
	gen_store(g, tmp, m, false);
	return tmp;
}

/* ---- storing
 * -------------------------------------------------------------------------------------- */

/* Bytes of a tuple that belong to no member. */
void zero_holes(struct gen *g, struct val tuple)
{
	const struct type *t = tuple.type;
	uint32_t at = 0;

	for (uint32_t i = 0; i <= t->tuple.n; i++) {
		const struct member *m = &t->tuple.members[i];
		uint32_t next = i < t->tuple.n ? m->offset : t->size;
		if (next > at)
			ir_zero(&g->b, tuple.v, tuple.off + (int32_t)at, next - at, 8);
		if (i < t->tuple.n)
			at = m->offset + m->type->size;
	}
}

static const struct member *same_name(const struct type *t, const struct member *like, uint32_t i)
{
	for (uint32_t k = 0; t->kind == TYPE_RECORD && k < t->tuple.n; k++)
		if (str_eq(t->tuple.members[k].name, like->name))
			return &t->tuple.members[k];
	return &t->tuple.members[i];
}

static void store_members(struct gen *g, struct val dst, struct val src, bool pad)
{
	for (uint32_t i = 0; i < dst.type->tuple.n; i++) {
		const struct member *d = &dst.type->tuple.members[i];
		const struct member *s = same_name(src.type, d, i);
		gen_store(g, gen_part(dst, d->type, (int32_t)d->offset),
			  gen_part(src, s->type, (int32_t)s->offset), pad);
	}
}

static void store_buf(struct gen *g, struct val dst, struct val src, bool pad)
{
	if (pad && dst.type->size > src.type->size)
		gen_zero(g, dst);
	gen_move(g, dst, src, MIN(dst.type->size, src.type->size));
}

static void store_mem(struct gen *g, struct val dst, struct val src, bool pad)
{
	const struct type *d = dst.type, *s = src.type;

	if (d->kind == TYPE_STRING)
		str_store(g, dst, src, pad);
	else if (d->kind == TYPE_BUF && s->kind == TYPE_BUF)
		store_buf(g, dst, src, pad);
	else if ((d->kind == TYPE_TUPLE || d->kind == TYPE_RECORD) && (pad || !type_eq(d, s)))
		zero_holes(g, dst), store_members(g, dst, src, pad);
	else
		gen_move(g, dst, src, MIN(d->size, s->size));
}

/* Out of memory that a pointer leads to which may be NULL to the verifier: nothing is there then.
 */
static void store_nullable(struct gen *g, struct val dst, struct val src, bool pad)
{
	struct ir *b = &g->b;
	struct ir_block *ok = ir_block_new(b, NULL), *null = ir_block_new(b, NULL);
	struct ir_block *done = ir_block_new(b, NULL);

	ir_br(b, src.v, ok, null, IR_LIKELY_YES);
	ir_at(b, null);
	if (pad || dst.type->kind != TYPE_STRING)
		gen_zero(g, dst);
	else
		str_end(g, dst, 0);
	ir_jmp(b, done);
	ir_at(b, ok);
	src.v = ir_nonnull(b, src.v);
	src.nullable = false;
	store_mem(g, dst, src, pad);
	ir_jmp(b, done);
	ir_at(b, done);
}

/* The bytes of a number as an array, which may be less aligned than the number. */
static void store_as_bytes(struct gen *g, struct val dst, ir_val v)
{
	uint32_t n = MIN(dst.type->size, 8u), w = n;

	while (dst.off % (int32_t)w)
		w /= 2;
	for (uint32_t at = 0; at < n; at += w)
		ir_store(&g->b, w, dst.v, dst.off + (int32_t)at,
			 ir_bini(&g->b, IR_LSHR, v, 8 * (int64_t)at));
}

void gen_store(struct gen *g, struct val dst, struct val src, bool pad)
{
	if (src.kind == VAL_NONE)
		return;
	if (src.kind == VAL_MEM && src.nullable && !type_is_scalar(dst.type)) {
		store_nullable(g, dst, src, pad);
		return;
	}
	if (!type_is_scalar(dst.type) && src.kind == VAL_MEM) {
		store_mem(g, dst, src, pad);
		return;
	}
	src = gen_rvalue(g, src);
	if (type_is_scalar(dst.type))
		store_scalar(g, dst, gen_convert(g, src.v, src.type, dst.type));
	else
		store_as_bytes(g, dst, src.v);
}
