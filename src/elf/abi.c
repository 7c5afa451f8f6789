/* Where a function's arguments are at its entry, by the calling convention; see dwarf.h.
 *
 * x86_64 (System V ABI 3.2.3): an argument of up to 16 bytes is looked at in eightbytes. One that
 * holds nothing but floating point goes into a vector register, any other into the next of the six
 * integer registers; if not all of its eightbytes get a register, the whole argument is in memory.
 * Larger ones are in memory always. arm64 (AAPCS64): the same with eight registers, but that larger
 * ones are passed by address, and structs of one to four equal floating point members in vector
 * registers.
 *
 *   f(int a, struct { long x; double y; } s, char c)      a → reg 0, s → vector and reg 1, c → reg
 * 2
 *
 * An argument that is partly in a vector register is not to be had as a whole: ABI_VECTOR. */
#include "elf/dwarf.h"

#include <elf.h>

enum { CLASS_NONE = 0, CLASS_VECTOR = 1, CLASS_INTEGER = 2, CLASS_MEMORY = 4 };

enum { MAX_DEPTH = 16 };

struct call {
	struct dwarf *d;
	bool arm;
	unsigned nregs;       /* integer registers that there are */
	unsigned next, nextv; /* the next free one of each kind */
	uint32_t stack;
};

/* Adds to cls[0] and cls[1] what lies in the first and second eightbyte of a value at `at`. */
static void classify(struct call *c, dwarf_ref ref, uint64_t at, unsigned cls[2], unsigned depth)
{
	const struct dwarf_member *m;
	struct dwarf_type t;
	struct arena *a;
	size_t n;

	if (depth > MAX_DEPTH || at >= 16 || !dwarf_type_get(c->d, ref, &t))
		return;
	switch (t.kind) {
	case DWARF_FLOAT: /* long double is in memory */
		cls[at / 8] |= t.size > 8 && !c->arm ? CLASS_MEMORY : CLASS_VECTOR;
		return;
	case DWARF_ARRAY:
		for (uint64_t i = 0; i < MIN(t.count, 16u); i++) {
			struct dwarf_type of;

			if (!dwarf_type_get(c->d, t.to, &of) || !of.size)
				return;
			classify(c, t.to, at + i * of.size, cls, depth + 1);
		}
		return;
	case DWARF_STRUCT:
	case DWARF_UNION:
		a = arena_new();
		n = dwarf_members(c->d, t.self, a, &m);
		for (size_t i = 0; i < n; i++)
			classify(c, m[i].type, at + m[i].bit_offset / 8, cls, depth + 1);
		arena_free(a);
		return;
	default:
		cls[at / 8] |= CLASS_INTEGER;
	}
}

static void in_memory(struct call *c, uint64_t size, struct abi_place *out)
{
	*out = (struct abi_place){.kind = ABI_STACK, .offset = c->stack};
	c->stack += (uint32_t)ALIGN_UP(MIN(size, 1u << 20), 8);
}

static void in_regs(struct call *c, unsigned n, uint64_t size, struct abi_place *out)
{
	if (c->next + n > c->nregs) {
		in_memory(c, size, out);
		if (c->arm)
			c->next = c->nregs;
		return;
	}
	*out = (struct abi_place){.kind = ABI_REGS, .reg = c->next, .nregs = n};
	c->next += n;
}

static bool is_composite(const struct dwarf_type *t)
{
	return t->kind == DWARF_STRUCT || t->kind == DWARF_UNION || t->kind == DWARF_ARRAY;
}

static void by_address(struct call *c, struct abi_place *out)
{
	in_regs(c, 1, 8, out);
	out->indirect = true;
}

static void small(struct call *c, dwarf_ref ref, const struct dwarf_type *t, struct abi_place *out)
{
	unsigned cls[2] = {0}, n = t->size > 8 ? 2 : 1, integers = 0, vectors = 0;

	classify(c, ref, 0, cls, 0);
	for (unsigned i = 0; i < n; i++) {
		if (cls[i] & CLASS_MEMORY) {
			in_memory(c, t->size, out);
			return;
		}
		integers += (cls[i] & CLASS_INTEGER) || !cls[i];
		vectors += cls[i] == CLASS_VECTOR;
	}
	if (!vectors || (c->arm && integers)) {
		in_regs(c, n, t->size, out);
		return;
	}
	if (c->next + integers > c->nregs || c->nextv + vectors > 8) {
		in_memory(c, t->size, out);
		return;
	}
	*out = (struct abi_place){.kind = ABI_VECTOR};
	c->next += integers;
	c->nextv += vectors;
}

static void one(struct call *c, const struct dwarf_param *p, struct abi_place *out)
{
	struct dwarf_type t;

	*out = (struct abi_place){.kind = ABI_NONE};
	if (!dwarf_type_get(c->d, p->type, &t))
		return;
	if (p->by_reference)
		by_address(c, out);
	else if (is_composite(&t) && !t.size)
		*out = (struct abi_place){.kind = ABI_NONE}; /* an empty struct takes no place */
	else if (t.size > 16 && c->arm)
		by_address(c, out);
	else if (t.size > 16)
		in_memory(c, t.size, out);
	else
		small(c, p->type, &t, out);
}

/* A result in memory: its address comes in the first register (x86_64; arm64 has x8 for it). */
static bool returns_in_memory(struct call *c, dwarf_ref ret)
{
	unsigned cls[2] = {0};
	struct dwarf_type t;

	if (c->arm || !dwarf_type_get(c->d, ret, &t) || !is_composite(&t))
		return false;
	classify(c, ret, 0, cls, 0);
	return t.by_reference || t.size > 16 || ((cls[0] | cls[1]) & CLASS_MEMORY);
}

void abi_params(struct dwarf *d, uint16_t machine, const struct dwarf_func *f,
		struct abi_place *out)
{
	struct call c = {.d = d, .arm = machine == EM_AARCH64};

	c.nregs = c.arm ? 8 : 6;
	c.next = returns_in_memory(&c, f->ret);
	for (size_t i = 0; i < f->nparams; i++)
		one(&c, &f->params[i], &out[i]);
}
