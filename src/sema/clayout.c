/* Where the members of a C struct or union lie.
 *
 * Members go to the next multiple of their alignment. Bit-fields go on where the last one ended,
 * unless they would then cross a multiple of their type's size; a width of 0 ends the unit:
 *
 *      struct { char c; int a : 20; int b : 12; }      c at bit 0, a at 8, b at 32; size 8
 *
 * packed takes the alignment from members and lets bit-fields cross; aligned(N) raises it; #pragma
 * pack(N) limits it. While a struct is read, the offset of a bit-field is its first bit: what to
 * load for it is only known with the size of the whole. */
#include "sema/cparse.h"

#define SIZE_LIMIT (1u << 24)

static uint32_t natural(const struct members *m, const struct member *f, uint32_t base_align,
			const struct cattr *a)
{
	uint32_t align = base_align ? base_align : MAX(f->type->align, 1);

	if (m->packed || a->packed)
		align = 1;
	align = MAX(align, a->align);
	return m->pack ? MIN(align, m->pack) : align;
}

void c_place(struct cparse *c, struct members *m, struct member f, const struct cattr *a)
{
	uint32_t align = natural(m, &f, c->base_align, a);
	uint64_t at = m->is_union ? 0 : ALIGN_UP(m->bits, (uint64_t)align * 8);

	f.offset = (uint32_t)(at / 8);
	m->align = MAX(m->align, align);
	m->bits = at + (uint64_t)f.type->size * 8;
	m->size = MAX(m->size, m->bits / 8);
	if (m->size > SIZE_LIMIT) {
		c_fail(c, "a struct of less than 16 MiB");
		return;
	}
	vec_push(c->s->a, &m->v, f);
}

void c_place_bits(struct cparse *c, struct members *m, struct member f, uint64_t width,
		  const struct cattr *a)
{
	uint64_t unit = f.type->size * 8, at = m->is_union ? 0 : m->bits;
	uint32_t align = natural(m, &f, c->base_align, a);
	bool packed = m->packed || a->packed;

	if (!type_is_integer(f.type) || width > unit) {
		c_fail(c, "a bit-field that fits its integer type");
		return;
	}
	if (width == 0) {
		m->bits = ALIGN_UP(at, unit);
		return;
	}
	if (a->align)
		at = ALIGN_UP(at, (uint64_t)a->align * 8);
	if (!packed && at % (align * 8) + width > unit)
		at = ALIGN_UP(at, (uint64_t)align * 8);
	f.offset = (uint32_t)at;
	f.bit_size = width;
	m->bits = at + width;
	m->size = MAX(m->size, (m->bits + 7) / 8);
	if (!f.name.n)
		return;
	m->align = MAX(m->align, packed ? MAX(a->align, 1) : align);
	vec_push(c->s->a, &m->v, f);
}

uint64_t c_finish(struct members *m, const struct cattr *a)
{
	uint64_t size;

	m->align = MAX(m->align, a->align);
	size = ALIGN_UP(m->size, m->align);
	VEC_EACH (struct member, f, &m->v)
		if (f->bit_size)
			type_place_bits(f, f->offset, f->bit_size, (uint32_t)size);
	return size;
}
