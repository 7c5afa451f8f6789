/* Where to put a probe for the entry of a function, and what a hit there costs.
 *
 *   f:   endbr64          stepped: 15 µs on a virtual machine
 *        push %rbp        computed: 0.4 µs          ← the probe goes here
 *        mov  %rsp,%rbp
 *
 * The place may move over landing marks (endbr64, bti) and nops only: behind them registers and
 * stack are as at entry. It moves for a cheaper instruction alone, and not to where the function
 * itself jumps back to (a loop whose head is its first real instruction), because a probe there
 * would count iterations. For push and nop that cannot be: a loop does not push in every round
 * without popping.
 *
 * An exact place is not moved; it must be the start of an instruction, which is found by walking
 * the function from its start. */
#include "elf/elf_priv.h"
#include "elf/insn.h"

#include <string.h>

enum {
	MAX_SKIP = 8,        /* instructions looked at from the entry */
	MAX_WALK = 1u << 20, /* bytes of code walked to check one place */
};

struct code {
	struct elf *f;
	uint64_t start; /* file offset of `buf` */
	size_t n, at;
	uint8_t buf[4096];
};

/* The bytes at a file offset, refilling the window; *n at most INSN_MAX. */
static const uint8_t *code_at(struct code *c, uint64_t offset, size_t *n)
{
	if (offset < c->start || offset - c->start + INSN_MAX > c->n) {
		c->start = offset;
		c->n = image_read(c->f->img, offset, c->buf, sizeof(c->buf));
	}
	*n = MIN(INSN_MAX, c->n - (offset - c->start));
	return c->buf + (offset - c->start);
}

static bool decode_at(struct code *c, uint64_t offset, struct insn *in)
{
	size_t n;
	const uint8_t *p = code_at(c, offset, &n);

	return n && insn_decode(c->f->img->machine, c->f->img->is64, p, n, in);
}

static enum probe_cost cost_of(const struct insn *in)
{
	switch (in->kind) {
	case INSN_NOP5:
		return COST_CHEAP;
	case INSN_NOP:
	case INSN_PUSH:
	case INSN_BRANCH:
		return COST_EMULATED;
	default:
		return COST_STEPPED;
	}
}

static void refuse(struct placement *out, const char *why)
{
	out->cost = COST_REFUSED;
	out->why = why;
}

/* Does a direct branch of the function lead to `place`? Unknown code answers yes. */
static bool is_branched_to(struct code *c, uint64_t start, uint64_t size, uint64_t place)
{
	struct insn in;

	if (!size || size > MAX_WALK || !insn_can_walk(c->f->img->machine))
		return true;
	for (uint64_t at = start; at < start + size; at += in.len) {
		if (!decode_at(c, at, &in) || !in.len)
			return true;
		if (in.has_target && at + (uint64_t)in.target == place)
			return true;
	}
	return false;
}

/* Moves *out from the entry to a cheaper equivalent place behind landing marks and nops. */
static void place_move(struct code *c, uint64_t entry, uint64_t size, struct placement *out)
{
	uint64_t at = entry;
	struct insn in;

	for (int i = 0; i < MAX_SKIP && (!size || at < entry + size); i++, at += in.len) {
		enum probe_cost cost;

		if (!decode_at(c, at, &in) || in.refused || !in.len)
			return;
		cost = cost_of(&in);
		if (cost < out->cost &&
		    (in.kind != INSN_BRANCH || !is_branched_to(c, entry, size, at))) {
			out->offset = at;
			out->cost = cost;
			out->moved = true;
		}
		if (in.kind != INSN_LANDING && in.kind != INSN_NOP)
			return;
	}
}

/* Walks from the start of the function to `place`. */
static bool is_instruction_start(struct code *c, uint64_t start, uint64_t place)
{
	struct insn in;
	uint64_t at = start;

	if (!insn_can_walk(c->f->img->machine) || place - start > MAX_WALK)
		return true;
	while (at < place) {
		if (!decode_at(c, at, &in) || !in.len)
			return false;
		at += in.len;
	}
	return at == place;
}

static bool is_inside_function(struct elf *f, uint64_t offset)
{
	struct elf_func fn;

	return elf_func_at(f, offset, &fn) && fn.offset != offset;
}

static bool is_inside_instruction(struct code *c, uint64_t offset)
{
	struct elf_func fn;

	return elf_func_at(c->f, offset, &fn) && !is_instruction_start(c, fn.offset, offset);
}

static void place_text(struct code *c, struct placement *out)
{
	uint64_t addr = 0;
	const uint8_t *p;
	size_t n;

	p = code_at(c, out->offset, &n);
	image_offset_to_addr(c->f->img, out->offset, &addr);
	insn_text(c->f->img->machine, c->f->img->is64, addr, p, n, out->insn, sizeof(out->insn));
}

void elf_place(struct elf *f, uint64_t offset, uint64_t size, bool exact, struct placement *out)
{
	struct code c;
	struct insn in = {0};

	c.f = f;
	c.start = c.n = 0;
	*out = (struct placement){.offset = offset, .cost = COST_STEPPED};
	if (!image_offset_is_text(f->img, offset)) {
		refuse(out, "the address is not in executable code");
		return;
	}
	if (exact && !insn_can_walk(f->img->machine) && is_inside_function(f, offset)) {
		refuse(out, "this build of awl cannot tell instructions apart: only a function's "
			    "start can be probed");
		return;
	}
	if (exact && is_inside_instruction(&c, offset)) {
		refuse(out, "the address is in the middle of an instruction");
		return;
	}
	if (!decode_at(&c, offset, &in)) {
		if (f->img->machine == EM_X86_64)
			refuse(out, "there is no valid instruction at the address");
		return;
	}
	out->cost = cost_of(&in);
	if (in.refused)
		refuse(out, in.refused);
	else if (!exact && out->cost != COST_CHEAP)
		place_move(&c, offset, size, out);
	place_text(&c, out);
}
