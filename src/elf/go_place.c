/* Where a probe sees each call of a Go function once, and each return once; see go.h.
 *
 * The function is decoded from its first instruction to the padding behind it. Then
 *
 *   entry   its stack check is the last conditional branch near the start that leads to a call of
 *           runtime.morestack. Code that calls morestack without such a branch is not understood
 *           and has no entry.
 *   exits   every return, and every jump out of the function: its target returns to our caller. A
 *           jump to what a register says is one through a table of the function itself, unless the
 *           function has no other way out.
 *
 * On arm64 constants may lie behind the code, where the function loads them from: they are passed
 * over.
 *
 * Two places are refused because the count would be wrong: a first instruction that the function
 * jumps back to, and a conditional jump out of it. */
#include "elf/go_priv.h"
#include "elf/insn.h"

#include <elf.h>
#include <string.h>

enum {
	MAX_CODE = 4 << 20,
	MAX_CHECK = 16, /* the stack check is among so many instructions */
	MAX_SPILL = 48, /* stores of arguments in front of the call of morestack */
	MAX_MADE = 4,   /* instructions that make a constant in x27 */
};

struct step { /* one instruction */
	uint32_t at;
	struct insn in;
};

struct walk {
	const struct go_code *c;
	VEC(struct step) steps;
	VEC(struct range) literals;
	bool whole; /* all of it was decoded */
};

struct range { /* [from, to) */
	uint64_t from, to;
};

/* ---- decoding ------------------------------------------------------------------------------ */

static bool is_padding(const struct go_code *c, size_t at)
{
	uint8_t padding = c->machine == EM_AARCH64 ? 0 : 0xcc;

	while (at < c->n && c->code[at] == padding)
		at++;
	return at == c->n;
}

static bool is_known_machine(uint16_t machine)
{
	return machine == EM_X86_64 || machine == EM_AARCH64;
}

/* The next place behind `at` that some jump leads to; the end when there is none. */
static size_t resume_at(const struct walk *w, size_t at)
{
	size_t best = w->c->n;

	VEC_EACH (const struct step, s, &w->steps) {
		uint64_t t = s->at + (uint64_t)s->in.target;

		if (s->in.has_target && t > at && t < best)
			best = t;
	}
	return best;
}

/* Where the constant that `at` is in ends; `at`: it is in none. */
static uint64_t behind_literal(const struct walk *w, uint64_t at)
{
	VEC_EACH (const struct range, r, &w->literals)
		if (at >= r->from && at < r->to)
			return r->to;
	return at;
}

static void note_literal(struct walk *w, struct arena *a, const struct step *s)
{
	int64_t from = (int64_t)s->at + s->in.target;

	if (s->in.literal && from > s->at)
		vec_push(a, &w->literals,
			 ((struct range){(uint64_t)from, (uint64_t)from + s->in.literal}));
}

static void decode(struct walk *w, struct arena *a)
{
	const struct go_code *c = w->c;
	size_t at = 0;

	w->whole = true;
	while (at < c->n && !is_padding(c, at)) {
		struct step s = {.at = (uint32_t)at};
		uint64_t behind = behind_literal(w, at);

		if (behind > at) {
			at = behind;
			continue;
		}
		if (insn_decode(c->machine, true, c->code + at, MIN(c->n - at, INSN_MAX), &s.in) &&
		    s.in.len) {
			vec_push(a, &w->steps, s);
			note_literal(w, a, &s);
			at += s.in.len;
			continue;
		}
		/* Data among the code, which a jump leads past. */
		w->whole = false;
		at = resume_at(w, at);
	}
}

static int64_t target_of(const struct step *s)
{
	return (int64_t)s->at + s->in.target;
}

static bool is_inside(const struct walk *w, int64_t at)
{
	return at >= 0 && (uint64_t)at < w->c->n;
}

/* The number of the instruction at `at`; steps.n when none begins there. */
static size_t step_at(const struct walk *w, int64_t at)
{
	size_t low = 0, high = w->steps.n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (w->steps.v[mid].at < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low < w->steps.n && w->steps.v[low].at == at ? low : w->steps.n;
}

static bool is_jumped_to(const struct walk *w, uint32_t at, const struct step *but)
{
	VEC_EACH (const struct step, s, &w->steps)
		if (s != but && s->in.has_target && s->in.flow != FLOW_CALL && target_of(s) == at)
			return true;
	return false;
}

/* ---- the entry ----------------------------------------------------------------------------- */

static bool calls_more(const struct walk *w, const struct step *s)
{
	uint64_t to = w->c->addr + (uint64_t)target_of(s);

	for (size_t i = 0; s->in.flow == FLOW_CALL && i < w->c->nmore; i++)
		if (w->c->more[i] == to)
			return true;
	return false;
}

/* Does the code at `at` store what it must and call morestack? The jump behind that call is at
 * *again. */
static bool leads_to_more(const struct walk *w, int64_t at, const struct step **again)
{
	size_t i = step_at(w, at);

	for (size_t k = 0; k < MAX_SPILL && i < w->steps.n; k++, i++) {
		const struct step *s = &w->steps.v[i];

		if (!calls_more(w, s)) {
			if (s->in.flow != FLOW_NEXT)
				return false;
			continue;
		}
		while (++i < w->steps.n && w->steps.v[i].in.flow == FLOW_NEXT)
			;
		*again = i < w->steps.n ? &w->steps.v[i] : NULL;
		return true;
	}
	return false;
}

/* jbe, short or near: CF or ZF. b.ls: not C, or Z. */
static bool is_below(const struct walk *w, const struct step *s)
{
	const uint8_t *p = w->c->code + s->at;

	if (w->c->machine == EM_AARCH64)
		return p[3] == 0x54 && (p[0] & 0x1f) == 9;
	return p[0] == 0x76 || (p[0] == 0x0f && s->in.len == 6 && p[1] == 0x86);
}

/* The last branch of the stack check; NULL: there is no check. */
static const struct step *find_check(const struct walk *w, const struct step **again)
{
	const struct step *found = NULL, *jump;

	for (size_t i = 0; i < w->steps.n && i < MAX_CHECK; i++) {
		const struct step *s = &w->steps.v[i];

		if (s->in.flow != FLOW_NEXT && s->in.flow != FLOW_COND)
			break;
		if (s->in.flow != FLOW_COND || !leads_to_more(w, target_of(s), &jump))
			continue;
		found = s;
		*again = jump;
	}
	return found;
}

static bool has_call_of_more(const struct walk *w)
{
	VEC_EACH (const struct step, s, &w->steps)
		if (calls_more(w, s))
			return true;
	return false;
}

static enum probe_cost cost_of(const struct walk *w, const struct insn *in)
{
	return in->refused ? COST_REFUSED : insn_cost(in, w->c->calls);
}

static void set_entry(const struct walk *w, struct go_places *out, enum go_entry kind,
		      const struct step *s)
{
	out->kind = kind;
	out->entry = (struct go_site){.offset = s->at, .cost = cost_of(w, &s->in)};
	out->no_entry = s->in.refused;
}

/* push %rbp */
static bool is_push(const struct walk *w, const struct step *s)
{
	return w->c->machine == EM_X86_64 && w->c->code[s->at] == 0x55;
}

static void place_check(const struct walk *w, const struct step *check, struct go_places *out)
{
	const struct step *next = check + 1;
	bool last = next == w->steps.v + w->steps.n;

	if (!is_below(w, check))
		out->no_entry = "its stack check is of a form that awl does not know";
	else if (!last && is_push(w, next) && !is_jumped_to(w, next->at, NULL))
		set_entry(w, out, GO_ENTRY_BEHIND, next);
	else
		set_entry(w, out, GO_ENTRY_BRANCH, check);
}

/* Does this instruction of arm64 put a part of a constant or an address into x27? Data processing
 * with an immediate or with registers, or a literal load. */
static bool makes_constant(const uint8_t *p)
{
	uint32_t w = image_u32(p);

	return (w & 31) == 27 && ((w & 0x1c000000) == 0x10000000 ||
				  (w & 0x0e000000) == 0x0a000000 || (w & 0x3f000000) == 0x18000000);
}

/* The last of the instructions that are done again together; `s` itself where there is one. */
static const struct step *last_of_made(const struct walk *w, const struct step *s)
{
	const struct step *end = w->steps.v + w->steps.n, *last = s;

	if (w->c->machine != EM_AARCH64)
		return s;
	for (int i = 0; i < MAX_MADE && last + 1 < end; i++, last++)
		if (!makes_constant(w->c->code + last->at))
			return last;
	return s;
}

static void place_entry(const struct walk *w, struct go_places *out)
{
	const struct step *again = NULL, *check = find_check(w, &again);
	const struct step *first = last_of_made(w, &w->steps.v[0]);

	if (check)
		place_check(w, check, out);
	else if (has_call_of_more(w))
		out->no_entry = "its stack check is of a form that awl does not know";
	else if (is_jumped_to(w, 0, NULL) || is_jumped_to(w, first->at, NULL))
		out->no_entry = "it jumps back to its first instruction: rounds of a loop would be "
				"counted as calls";
	else
		set_entry(w, out, GO_ENTRY_FIRST, first);
	/* More than the way back from morestack leads to the start: that is a loop over the check.
	 */
	if (check && again && again->in.flow == FLOW_JUMP && is_jumped_to(w, 0, again))
		out->no_entry = "it jumps back to its stack check: rounds of a loop would be "
				"counted as calls";
}

/* ---- the exits ----------------------------------------------------------------------------- */

struct exits {
	VEC(struct go_site) v;
};

static void add_exit(const struct walk *w, struct exits *x, struct arena *a, const struct step *s,
		     bool tail, struct go_places *out)
{
	struct go_site site = {.offset = s->at, .cost = cost_of(w, &s->in), .tail = tail};

	if (s->in.refused)
		out->no_exits = s->in.refused;
	vec_push(a, &x->v, site);
}

static void place_exits(const struct walk *w, struct arena *a, struct go_places *out)
{
	struct exits x = {0};

	VEC_EACH (const struct step, s, &w->steps) {
		bool leaves = s->in.has_target && !is_inside(w, target_of(s));

		if (s->in.flow == FLOW_RET)
			add_exit(w, &x, a, s, false, out);
		else if (s->in.flow == FLOW_JUMP && leaves)
			add_exit(w, &x, a, s, true, out);
		else if (s->in.flow == FLOW_COND && leaves)
			out->no_exits = "a conditional jump leads out of it";
	}
	for (size_t i = 0; !x.v.n && i < w->steps.n; i++)
		if (w->steps.v[i].in.flow == FLOW_INDIRECT)
			add_exit(w, &x, a, &w->steps.v[i], true, out);
	out->exits = x.v.v;
	out->nexits = x.v.n;
	if (!x.v.n && !out->no_exits)
		out->no_exits = "it never returns";
	if (!w->whole)
		out->no_exits = "there are bytes in it that are no instructions";
}

void go_place_code(const struct go_code *c, struct arena *a, struct go_places *out)
{
	struct walk w = {.c = c};

	*out = (struct go_places){0};
	if (insn_can_walk(c->machine))
		decode(&w, a);
	if (!w.steps.n) {
		out->no_entry = insn_can_walk(c->machine)
					? "there are no instructions in it"
					: "this build of awl cannot decode instructions";
		out->no_exits = out->no_entry;
		return;
	}
	place_entry(&w, out);
	place_exits(&w, a, out);
}

uint64_t go_place_once(struct go *go, uint64_t offset)
{
	const uint8_t *p = image_range(go->f->img, offset, 4 * (MAX_MADE + 1));
	unsigned i = 0;

	if (!p || elf_machine(go->f) != EM_AARCH64)
		return offset;
	while (i < MAX_MADE && makes_constant(p + 4 * (size_t)i))
		i++;
	return i < MAX_MADE ? offset + 4 * (uint64_t)i : offset;
}

/* Its code; false: too large, or not all of it is in the file. */
static bool code_of(struct go *go, const struct go_func *fn, struct go_code *c)
{
	*c = (struct go_code){.addr = fn->addr,
			      .n = fn->size,
			      .more = go->more,
			      .nmore = go->nmore,
			      .machine = elf_machine(go->f)};
	c->code = fn->size <= MAX_CODE ? image_range(go->f->img, fn->offset, fn->size) : NULL;
	return c->code != NULL;
}

bool go_leads_to(struct go *go, const struct go_func *fn, uint64_t addr)
{
	struct arena *a = arena_new();
	struct go_code c;
	struct walk w = {.c = &c};
	bool found = false;

	if (is_known_machine(elf_machine(go->f)) && code_of(go, fn, &c) && insn_can_walk(c.machine))
		decode(&w, a);
	VEC_EACH (const struct step, s, &w.steps)
		found |= (s->in.flow == FLOW_CALL || s->in.flow == FLOW_JUMP) &&
			 c.addr + (uint64_t)target_of(s) == addr;
	arena_free(a);
	return found;
}

void go_place(struct go *go, const struct go_func *fn, bool calls, struct arena *a,
	      struct go_places *out)
{
	struct go_code c;

	*out = (struct go_places){0};
	if (!code_of(go, fn, &c) || !is_known_machine(c.machine)) {
		out->no_entry = c.code ? "Go functions can be probed on x86_64 and arm64"
				       : "it is too large, or not all of it is in the file";
		out->no_exits = out->no_entry;
		return;
	}
	c.calls = calls;
	go_place_code(&c, a, out);
	out->entry.offset += fn->offset;
	for (size_t i = 0; i < out->nexits; i++)
		out->exits[i].offset += fn->offset;
}
