/* Two images compared. The same script compiled twice, with one answer of the machine different in
 * the second (fact.c of src/kernel), gives two images: where they differ is where the program
 * depends on that fact, and if all differences are multiples of the difference of the answers, the
 * program can follow it without a compiler. A third compilation with another difference makes sure
 * that the dependence is linear and not by chance.
 *
 *   mov r1, 2460    mov r1, 2473 (+13)    mov r1, 2486 (+26)      IMM, factor 1
 *   r2 &= 7         r2 &= 15 (8 → 16)     r2 &= 31 (8 → 32)       IMM, factor 1
 *   add r1, 8       nothing: folded       …                       other: compile again there
 */
#include <linux/bpf.h>
#include "aot/priv.h"

struct diff {
	const uint8_t *a, *b, *c;
	int64_t db, dc;
	uint32_t fact;
	VEC(struct reloc) found; /* on the heap */
};

static uint32_t word(const uint8_t *p, uint32_t at)
{
	p += (size_t)at * 4;
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool image_same(const struct image *a, const struct image *b)
{
	return a->bytes.n == b->bytes.n &&
	       (!a->bytes.n || memcmp(a->bytes.p, b->bytes.p, a->bytes.n) == 0);
}

/* One number in all three: nothing to do, a relocation, or false. */
static bool follow(struct diff *d, uint32_t at, enum reloc_how how, int64_t b, int64_t c)
{
	int64_t factor = b / d->db;
	struct reloc l = {at, d->fact, how, (int32_t)factor};

	if (!b && !c)
		return true;
	if (b % d->db || factor != (int32_t)factor || c != factor * d->dc)
		return false;
	hvec_push(&d->found, l);
	return true;
}

static int64_t imm64(const uint8_t *p, uint32_t at)
{
	return (int64_t)(word(p, at) | (uint64_t)word(p, at + 2) << 32);
}

static bool is_wide(const uint8_t *p, uint32_t at, uint32_t end)
{
	uint32_t w = word(p, at);

	return (w & 0xff) == (BPF_LD | BPF_IMM | BPF_DW) && !((w >> 12) & 15) && at + 4 <= end;
}

static bool same_operation(const struct diff *d, uint32_t at)
{
	uint32_t w = word(d->a, at) & 0xffff;

	return (word(d->b, at) & 0xffff) == w && (word(d->c, at) & 0xffff) == w;
}

static int64_t off_of(const uint8_t *p, uint32_t at)
{
	return (int16_t)(word(p, at) >> 16);
}

static int64_t imm_of(const uint8_t *p, uint32_t at)
{
	return (int32_t)word(p, at + 1);
}

/* An instruction: the operation must be the same, offset and immediate may follow. */
static bool follow_insn(struct diff *d, uint32_t *at, uint32_t end)
{
	uint32_t i = *at;
	int64_t off = off_of(d->a, i), imm = imm_of(d->a, i);

	if (!same_operation(d, i) ||
	    !follow(d, i, RELOC_OFF, off_of(d->b, i) - off, off_of(d->c, i) - off))
		return false;
	*at += 2;
	if (!is_wide(d->a, i, end))
		return follow(d, i + 1, RELOC_IMM, imm_of(d->b, i) - imm, imm_of(d->c, i) - imm);
	*at += 2;
	return follow(d, i + 1, RELOC_IMM64,
		      (int64_t)((uint64_t)imm64(d->b, i + 1) - (uint64_t)imm64(d->a, i + 1)),
		      (int64_t)((uint64_t)imm64(d->c, i + 1) - (uint64_t)imm64(d->a, i + 1))) &&
	       word(d->a, i + 2) == word(d->b, i + 2) && word(d->a, i + 2) == word(d->c, i + 2);
}

static bool follow_word(struct diff *d, uint32_t at)
{
	int64_t a = word(d->a, at);

	return follow(d, at, RELOC_WORD, word(d->b, at) - a, word(d->c, at) - a);
}

static bool follow_all(struct diff *d, const struct image *a)
{
	uint32_t at = 0, end = (uint32_t)(a->bytes.n / 4);

	for (size_t i = 0; i <= a->code.n; i++) {
		const struct code_range *r = i < a->code.n ? &a->code.v[i] : NULL;

		for (; at < (r ? r->at : end); at++)
			if (!follow_word(d, at))
				return false;
		while (r && at < r->at + r->n)
			if (!follow_insn(d, &at, r->at + r->n))
				return false;
	}
	return true;
}

static bool same_shape(const struct image *a, const struct image *b)
{
	return a->bytes.n == b->bytes.n && a->code.n == b->code.n &&
	       (!a->code.n || memcmp(a->code.v, b->code.v, a->code.n * sizeof(*a->code.v)) == 0);
}

enum diff_result image_diff(struct arena *arena, const struct image *a, const struct image *b,
			    int64_t db, const struct image *c, int64_t dc, uint32_t fact,
			    struct relocs *out)
{
	struct diff d = {(const uint8_t *)a->bytes.p,
			 (const uint8_t *)b->bytes.p,
			 (const uint8_t *)c->bytes.p,
			 db,
			 dc,
			 fact,
			 {0}};
	enum diff_result r = DIFF_OTHER;

	if (image_same(a, b) && image_same(a, c))
		return DIFF_SAME;
	if (same_shape(a, b) && same_shape(a, c) && follow_all(&d, a)) {
		r = DIFF_LINEAR;
		VEC_EACH (struct reloc, l, &d.found)
			vec_push(arena, &out->relocs, *l);
	}
	hvec_release(&d.found);
	return r;
}
