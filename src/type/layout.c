/* Layout: where members lie.
 *
 * A bit-field is read by one aligned load of the smallest size that covers it, a shift and a mask:
 *
 *      byte      0        1        2        3
 *      bits   ........ ....3210 98...... ........      10 bits at bit 12: load u32 at 0, shift 12
 *                      (bits counted from the low end: little-endian)
 *
 * An aligned load never leaves the struct, except in packed ones of odd size: then the load is
 * moved back, unaligned, until it fits.
 */
#include "type/priv.h"

void layout_tuple(struct type *t, struct member *members, uint32_t n)
{
	uint64_t at = 0;

	t->align = 1;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t align = MAX(members[i].type->align, 1);

		at = ALIGN_UP(at, align);
		members[i].offset = at;
		at += members[i].type->size;
		t->align = MAX(t->align, align);
	}
	t->size = MIN(ALIGN_UP(at, t->align), INT32_MAX);
}

uint32_t layout_align_of_size(uint32_t size)
{
	uint32_t low = size & -size;

	return size ? MIN(low, 8) : 1;
}

static bool covers(uint32_t from, uint32_t load, uint32_t at, uint32_t bits)
{
	return from * 8 <= at && (uint64_t)at + bits <= ((uint64_t)from + load) * 8;
}

void type_place_bits(struct member *m, uint32_t at, uint32_t bits, uint32_t size)
{
	uint32_t load, from = 0;

	for (load = 1; load <= 8; load *= 2) {
		from = at / 8 / load * load;
		if (covers(from, load, at, bits) && from + load <= size)
			break;
	}
	if (load > 8)
		for (load = 1; load < 8; load *= 2) {
			from = at / 8;
			if (from + load > size)
				from = size > load ? size - load : 0;
			if (covers(from, load, at, bits) && from + load <= size)
				break;
		}
	m->offset = from;
	m->load_size = load;
	m->bit_off = at - from * 8;
	m->bit_size = bits;
}
