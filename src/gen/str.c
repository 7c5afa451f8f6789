/* Strings: literals, copies, comparison.
 *
 * Comparing with a literal is a few wide loads against constants. Two strings are compared by
 * words; what follows the first NUL means nothing, so a word that has one is masked up to it:
 *
 *   x = a ^ b
 *   z = (a - 0x01…01) & ~a & 0x80…80     lowest bit set: the first NUL of a
 *   keep = z ^ (z - 1)                   the bits up to it; all of them when z is 0
 *   x & keep != 0 → different;  z != 0 → equal;  otherwise the next word
 *
 * Strings of different capacity are compared up to the shorter one.
 *
 * Behind the NUL nothing needs to be written, except on the stack: its places serve one object
 * after another, a pointer may be left there, and what loads words or bytes of a string would get
 * at it.
 */
#include "gen/gen_impl.h"

/* ---- literals
 * --------------------------------------------------------------------------------------- */

static uint64_t word_at(struct str s, uint32_t off, unsigned bytes)
{
	uint64_t w = 0;

	for (unsigned i = 0; i < bytes; i++)
		if (off + i < s.n)
			w |= (uint64_t)(unsigned char)s.p[off + i] << 8 * i;
	return w;
}

static unsigned width_at(int32_t off, uint32_t left)
{
	unsigned w = 8;

	while (w > left || off % (int32_t)w)
		w /= 2;
	return w;
}

static uint32_t capacity(const struct type *t)
{
	return t->kind == TYPE_STRING ? t->str.cap : t->size;
}

/* With `pad` all of the capacity is written, otherwise up to the NUL. */
void str_literal(struct gen *g, struct val dst, struct str s, bool pad)
{
	pad |= ir_is_object(&g->b, dst.v);

	uint32_t cap = capacity(dst.type), n = pad ? cap : MIN(cap, ALIGN_UP((uint32_t)s.n + 1, 8));

	for (uint32_t off = 0, w; off < n; off += w) {
		if (off > s.n && n - off > INLINE_BYTES) {
			gen_move(g, gen_part(dst, dst.type, (int32_t)off), VAL_VOID, n - off);
			break;
		}
		w = width_at(dst.off + (int32_t)off, n - off);
		ir_store(&g->b, w, dst.v, dst.off + (int32_t)off,
			 ir_const(&g->b, (int64_t)word_at(s, off, w)));
	}
}

/* ---- copies
 * ------------------------------------------------------------------------------------------ */

void str_end(struct gen *g, struct val dst, uint32_t at)
{
	struct val end = gen_part(dst, dst.type, (int32_t)at);

	if (ir_is_object(&g->b, dst.v))
		gen_move(g, end, VAL_VOID, dst.type->size - at);
	else
		ir_store(&g->b, 1, end.v, end.off, ir_const(&g->b, 0));
}

/* By the helper that stops at the NUL. At a fault it writes zeroes: the empty string. */
static void copy_to_nul(struct gen *g, struct val dst, struct val src, uint32_t n)
{
	struct ir *b = &g->b;

	if (n == 0)
		return;
	gen_read_str(g, gen_addr(g, dst), ir_const(b, n), gen_addr(g, src),
		     src.space == SPACE_BPF ? SPACE_KERNEL : src.space);
}

void str_store(struct gen *g, struct val dst, struct val src, bool pad)
{
	uint32_t d = capacity(dst.type), s = capacity(src.type), n = MIN(d, s);

	if (pad || src.space == SPACE_NONE) {
		gen_zero(g, dst);
		copy_to_nul(g, dst, src, MIN(d, s + 1));
		return;
	}
	/* Outside of the program's own memory nothing but the NUL bounds a string. */
	if (n > INLINE_BYTES || (src.type->kind == TYPE_STRING && src.space != SPACE_BPF)) {
		copy_to_nul(g, dst, src, n);
		return;
	}
	gen_move(g, dst, src, n);
	if (d > s)
		str_end(g, dst, s);
}

/* ---- comparison
 * ---------------------------------------------------------------------------------------- */

static ir_val load_word(struct gen *g, struct val m, uint32_t off, unsigned w)
{
	return ir_load(&g->b, w, m.v, m.off + (int32_t)off, IR_MEM_NONE);
}

ir_val str_eq_literal(struct gen *g, struct val m, struct str s)
{
	struct ir *b = &g->b;
	struct ir_block *no = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell equal = ir_cell_new(b, "equal", false);
	uint32_t n = MIN(capacity(m.type), (uint32_t)s.n + 1);

	if (m.space != SPACE_CTX)
		m = gen_to_bpf(g, m);
	ir_set(b, equal, ir_const(b, 0));
	for (uint32_t off = 0, w; off < n; off += w) {
		struct ir_block *next = ir_block_new(b, NULL);
		w = width_at(m.off + (int32_t)off, n - off);
		ir_val want = ir_const(b, (int64_t)word_at(s, off, w));
		ir_br(b, ir_bin(b, IR_EQ, load_word(g, m, off, w), want), next, no, IR_LIKELY_EVEN);
		ir_at(b, next);
	}
	ir_set(b, equal, ir_const(b, 1));
	ir_jmp(b, done);
	ir_at(b, no);
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, equal);
}

struct cmp {
	ir_val a, b;
	int32_t aoff, boff;
	unsigned w;
	ir_cell equal;
	struct ir_block *done;
};

/* Compares one word; goes on behind it when the strings are equal so far and have not ended. */
static void compare_word(struct gen *g, const struct cmp *c)
{
	struct ir *b = &g->b;
	struct ir_block *same = ir_block_new(b, NULL), *next = ir_block_new(b, NULL);
	struct ir_block *end = ir_block_new(b, NULL);
	uint64_t ones = 0x0101010101010101u >> (64 - 8 * c->w);
	ir_val x = ir_load(b, c->w, c->a, c->aoff, IR_MEM_NONE);
	ir_val y = ir_load(b, c->w, c->b, c->boff, IR_MEM_NONE);
	ir_val z = ir_bin(b, IR_SUB, x, ir_const(b, (int64_t)ones));

	z = ir_bin(b, IR_AND, z, ir_bini(b, IR_XOR, x, -1));
	z = ir_bin(b, IR_AND, z, ir_const(b, (int64_t)(ones << 7)));
	ir_val keep = ir_bin(b, IR_XOR, z, ir_bini(b, IR_SUB, z, 1));
	ir_val diff = ir_bin(b, IR_AND, ir_bin(b, IR_XOR, x, y), keep);
	ir_br(b, diff, c->done, same, IR_LIKELY_EVEN);
	ir_at(b, same);
	ir_br(b, z, end, next, IR_LIKELY_EVEN);
	ir_at(b, end);
	ir_set(b, c->equal, ir_const(b, 1));
	ir_jmp(b, c->done);
	ir_at(b, next);
}

static void compare_step(struct gen *g, ir_val i, struct ir_block *out, void *arg)
{
	struct cmp c = *(struct cmp *)arg;
	ir_val off = ir_bini(&g->b, IR_MUL, i, 8);

	c.a = ir_bin(&g->b, IR_ADD, c.a, off);
	c.b = ir_bin(&g->b, IR_ADD, c.b, off);
	compare_word(g, &c);
}

ir_val str_equal(struct gen *g, struct val x, struct val y)
{
	struct ir *b = &g->b;
	uint32_t n = MIN(capacity(x.type), capacity(y.type)), off = 0;

	x = gen_to_bpf(g, x);
	y = gen_to_bpf(g, y);
	struct cmp c = {
		x.v, y.v, x.off, y.off, 8, ir_cell_new(b, "equal", false), ir_block_new(b, NULL)};
	ir_set(b, c.equal, ir_const(b, 0));
	if (n > INLINE_BYTES && x.off % 8 == 0 && y.off % 8 == 0) {
		loop_count(g, n / 8, compare_step, &c);
		off = n / 8 * 8;
	}
	for (; off < n; off += c.w) {
		c.aoff = x.off + (int32_t)off;
		c.boff = y.off + (int32_t)off;
		c.w = MIN(width_at(c.aoff, n - off), width_at(c.boff, n - off));
		compare_word(g, &c);
	}
	ir_set(b, c.equal, ir_const(b, 1));
	ir_jmp(b, c.done);
	ir_at(b, c.done);
	return ir_get(b, c.equal);
}

/* ---- strings of Go ------------------------------------------------------------------------- */

/* { data, length }, and no NUL at the end. An empty one may have no data at all. */
struct val gen_go_string(struct gen *g, struct val header, const struct type *t)
{
	struct ir *b = &g->b;
	struct ir_block *some = ir_block_new(b, NULL), *none = ir_block_new(b, NULL);
	struct ir_block *done = ir_block_new(b, NULL);
	const struct type *u64 = type_int(g->in->types, 8, false);
	struct val dst, head, len;

	head = gen_to_bpf(g, (header.type = type_array(g->in->types, u64, 2), header));
	head.type = u64;
	len = head;
	len.off += 8;
	dst = gen_temp(g, t, false);
	ir_val n = gen_load(g, len), p = gen_load(g, head);

	ir_br(b, n, some, none, IR_LIKELY_YES);
	ir_at(b, none);
	ir_store(b, 1, dst.v, dst.off, ir_const(b, 0));
	ir_jmp(b, done);
	ir_at(b, some);
	n = ir_bini(b, IR_ADD, ir_bound(b, n, t->str.cap - 1), 1);
	gen_read_str(g, gen_addr(g, dst), n, p, SPACE_USER);
	ir_jmp(b, done);
	ir_at(b, done);
	return dst;
}
