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
 * the function from its start.
 *
 * The site of a USDT probe is what its note says, with one exception: of `nop; nop5; ret`, the
 * stubs of usdt/udst.c, the nop5 is taken where it becomes a call.
 *
 * That call pushes onto the stack, over what a function without calls of its own may keep below it
 * (the red zone). At a function's entry and before its `ret` there is nothing of value; a nop5 that
 * a probe cannot be moved away from, elsewhere in such a function, is refused.
 */
#include "elf/elf_priv.h"
#include "elf/insn.h"

#include <elf.h>
#include <string.h>

enum {
	MAX_SKIP = 8,        /* instructions looked at from the entry */
	MAX_WALK = 1u << 20, /* bytes of code walked to check one place */
};

struct code {
	struct elf *f;
	unsigned flags;
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
		cost = insn_cost(&in, c->flags & PLACE_CALLS);
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

static bool is_before_ret(struct code *c, uint64_t nop5)
{
	size_t n;
	const uint8_t *p = code_at(c, nop5 + 5, &n);

	return n && p[0] == 0xc3;
}

static bool makes_calls(struct code *c, const struct elf_func *fn)
{
	struct insn in;

	if (!insn_can_walk(c->f->img->machine) || fn->size > MAX_WALK)
		return false;
	for (uint64_t at = fn->offset; at < fn->offset + fn->size; at += in.len) {
		if (!decode_at(c, at, &in) || !in.len)
			return false;
		if (in.is_call)
			return true;
	}
	return false;
}

/* May there be something below the stack pointer at this nop5? */
static bool has_red_zone(struct code *c, uint64_t nop5)
{
	struct elf_func fn;

	if (is_before_ret(c, nop5))
		return false;
	return !elf_func_at(c->f, nop5, &fn) || (fn.offset != nop5 && !makes_calls(c, &fn));
}

/* Moves from the nop of a stub to its nop5. */
static void site_move(struct code *c, struct placement *out)
{
	static const uint8_t nops[] = {0x90, 0x0f, 0x1f, 0x44, 0x00, 0x00};
	const uint8_t *p;
	size_t n;

	if (!(c->flags & PLACE_CALLS) || c->f->img->machine != EM_X86_64)
		return;
	p = code_at(c, out->offset, &n);
	if (n < sizeof(nops) || memcmp(p, nops, sizeof(nops)) != 0 ||
	    !is_before_ret(c, out->offset + 1))
		return;
	out->offset++;
	out->cost = COST_CHEAP;
}

/* The probe belongs where it is, or at the nop5 behind. */
static void place_exact(struct code *c, struct placement *out)
{
	if (c->flags & PLACE_SITE)
		site_move(c, out);
	if (out->cost == COST_CHEAP && has_red_zone(c, out->offset))
		refuse(out, "this kernel turns the five-byte nop there into a call, which could "
			    "overwrite what the function keeps below the stack pointer");
}

void elf_place(struct elf *f, uint64_t offset, uint64_t size, unsigned flags, struct placement *out)
{
	bool exact = flags & PLACE_EXACT;
	struct code c;
	struct insn in = {0};

	c.f = f;
	c.flags = flags;
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
	out->cost = insn_cost(&in, c.flags & PLACE_CALLS);
	if (in.refused)
		refuse(out, in.refused);
	else if (flags & (PLACE_EXACT | PLACE_SITE))
		place_exact(&c, out);
	else if (out->cost != COST_CHEAP)
		place_move(&c, offset, size, out);
	place_text(&c, out);
}
