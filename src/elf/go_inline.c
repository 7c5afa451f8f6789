/* Which functions were inlined where an instruction is, as the Go runtime itself knows it.
 *
 *   pcdata     function ── table 2 ──► pctab: (value +=, pc +=) … ──► number of a call, -1: none
 *   funcdata   function ── table 3 ──► calls: { funcID, name, parentPc, … } …
 *
 * A call's parentPc is an instruction of the function that was called from, whose own number tells
 * the call around it. An example: in main.outer at +0x1c are 1: strings.Index, with the parentPc
 * 0x18; at +0x18 is 0: main.find; at its parentPc there is none:
 *
 *   strings.Index   main.find   main.outer
 *
 * Calls are 20 bytes up to Go 1.19, 16 from 1.20 on. */
#include "elf/go_priv.h"

enum { INL_TREE_PCDATA = 2, INL_TREE_FUNCDATA = 3, MAX_CALLS = 1 << 16, MAX_PAIRS = 1 << 20 };

/* ---- numbers by instruction -------------------------------------------------------------------
 */

struct varints {
	const uint8_t *p, *end;
};

static bool take(struct varints *v, uint32_t *out)
{
	*out = 0;
	for (unsigned shift = 0; v->p < v->end && shift < 32; shift += 7) {
		uint8_t c = *v->p++;

		*out |= (uint32_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return true;
	}
	return false;
}

/* What the table beginning at `start` of the pctab says of the instruction at `pc`, told from the
 * function's start; -1: nothing. */
static int32_t value_at(const struct go *go, uint32_t start, uint64_t pc)
{
	uint64_t from = go->pctab + start, at = 0;
	uint32_t value = UINT32_MAX, delta;
	struct varints v;

	if (!start || from >= go->ntab)
		return -1;
	v = (struct varints){go->tab + from, go->tab + go->ntab};
	for (int i = 0; i < MAX_PAIRS && take(&v, &delta); i++) {
		if (!delta && i)
			break;
		value += delta & 1 ? ~(delta >> 1) : delta >> 1;
		if (!take(&v, &delta))
			break;
		at += (uint64_t)delta * go->tab[6]; /* the unit of code addresses */
		if (pc < at)
			return (int32_t)value;
	}
	return -1;
}

/* ---- calls --------------------------------------------------------------------------------------
 */

struct call {
	uint32_t name, parent_pc;
};

static bool read_call(struct go *go, uint64_t tree, int32_t i, struct call *out)
{
	bool old = go->format == PCLN_1_18;
	unsigned each = old ? 20 : 16, name = old ? 12 : 4;
	const uint8_t *p;

	if (i < 0 || i >= MAX_CALLS)
		return false;
	p = go_bytes(go, tree + (uint64_t)each * (uint32_t)i, each);
	if (p)
		*out = (struct call){image_u32(p + name), image_u32(p + name + 4)};
	return p != NULL;
}

static const struct go_func *func_at(const struct go *go, uint64_t addr)
{
	size_t low = 0, high = go->nfuncs;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (go->funcs[mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low && addr - go->funcs[low - 1].addr < go->funcs[low - 1].size ? &go->funcs[low - 1]
									       : NULL;
}

size_t go_inlined_at(struct go *go, uint64_t addr, const char **out, size_t cap)
{
	const struct go_func *fn = go->format >= PCLN_1_18 ? func_at(go, addr) : NULL;
	uint32_t table = fn ? go_pcdata(go, fn, INL_TREE_PCDATA) : 0;
	struct call call;
	uint64_t tree;
	size_t n = 0;

	if (!table || !go_funcdata(go, fn, INL_TREE_FUNCDATA, &tree))
		return 0;
	for (uint64_t pc = addr - fn->addr; n < cap; pc = call.parent_pc) {
		if (!read_call(go, tree, value_at(go, table, pc), &call))
			break;
		out[n] = go_name_at(go, call.name);
		if (!out[n] || !out[n][0])
			break;
		n++;
	}
	return n;
}
