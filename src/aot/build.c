/* Making a compiled program: the script is compiled once for what goes into the file, and then
 * again with each fact that it asked for changed, to see where the code follows it (diff.c).
 *
 *   compile, facts noted ──► image, facts
 *   for each fact: compile with the fact shifted, twice ──► not used, relocations, or "must be
 * same" compile with all that can move shifted at once ──► the image with its relocations must be
 * that
 *
 * The code is made for the oldest instruction set, which every kernel runs (FEATURE_CPU_V4 is done
 * without): what the newer one saves is less than compiling again costs on kernels that lack it.
 *
 * The last step is the proof that relocations can be used together. When it fails, or when there
 * are more facts than the work is worth, facts must be the same where the program runs, or it is
 * compiled again there: that is always right, and only slower. */
#include <stdlib.h>
#include "aot/priv.h"

enum {
	WORK_MAX = 8 << 20, /* instructions compiled in search of relocations */
	TRIES_MAX = 2000,   /* compilations */
	GROUP_MIN = 4,      /* sizes are tried together: few are used */
};

struct builder {
	const struct compile_in *in;
	struct arena *a;
	struct facts *base;
	struct image image;
	size_t work, tries; /* left */
	size_t ninsns;
	struct relocs out;
	VEC(struct used_fact) more; /* choices that only other answers led to */
};

/* How much a fact is changed: twice, so that chance and alignment show. */
struct shift {
	int64_t first, second;
	bool aligned;
};

static struct shift shift_of(const struct fact *f, bool aligned)
{
	int64_t v = (int64_t)f->value;

	switch (f->kind) {
	case FACT_FEATURE:
	case FACT_COMPAT:
	case FACT_RAW_EVENT:
	case FACT_KFUNC:
		return (struct shift){f->value ? -1 : 1, f->value ? -1 : 1, false};
	case FACT_MEMBER:
		return aligned ? (struct shift){8, 24, true} : (struct shift){13, 26, false};
	case FACT_SIZE:
		return (struct shift){64, 192, true};
	case FACT_SYMBOL:
		return (struct shift){0x1001, 0x30000000010, false};
	case FACT_CPUS_POWER:
	case FACT_RING:
		return (struct shift){v, 3 * v, false};
	default:
		return (struct shift){1, 5, false};
	}
}

/* ---- compiling with other answers ---- */

static bool is_choice(enum fact_kind k);

/* "Is there no A, then is there B?" B is asked for only when A is missing, and matters all the
 * same where that is so. */
static void take_choices(struct builder *b, const struct facts *asked)
{
	const struct fact *v;
	size_t n = facts_all(asked, &v);

	for (size_t i = 0; i < n; i++) {
		const struct fact *f = &v[i];

		if (!is_choice(f->kind) || facts_get(b->base, f->kind, f->key))
			continue;
		facts_add(b->base, f);
		f = facts_get(b->base, f->kind, f->key);
		vec_push(b->a, &b->more, (struct used_fact){.fact = *f});
	}
}

static bool compile_to(struct builder *b, const struct facts *shifts, struct image *out)
{
	struct compile_in in = *b->in;
	struct arena *a;
	struct diag *d;
	struct program *p;
	struct arena *mine = arena_new();
	struct facts *f = facts_new(mine);

	in.dump = 0;
	in.dump_to = NULL;
	facts_answer_from(f, b->base, shifts);
	kernel_record(in.kernel, f);
	p = compile_script(&in, &d, &a);
	if (p)
		image_write(p, out);
	kernel_record(in.kernel, NULL);
	take_choices(b, f);
	arena_free(p ? p->arena : a);
	arena_free(mine);
	return p != NULL;
}

static void add_shift(struct facts *shifts, const struct fact *f, int64_t by)
{
	facts_add(shifts, &(struct fact){f->kind, f->key, "", (uint64_t)by});
}

static bool may_try(struct builder *b)
{
	if (!b->tries || b->work < b->ninsns)
		return false;
	b->tries--;
	b->work -= b->ninsns;
	return true;
}

/* With `f` changed by `by`; several facts: `n` of them, each by its first shift. */
static bool compile_shifted(struct builder *b, const struct used_fact *f, size_t n, bool second,
			    bool aligned, struct image *out)
{
	struct facts *shifts = facts_new(b->a);

	for (size_t i = 0; i < n; i++) {
		struct shift s = shift_of(&f[i].fact, aligned || (f[i].use & USE_ALIGNED));

		add_shift(shifts, &f[i].fact, second ? s.second : s.first);
	}
	return compile_to(b, shifts, out);
}

/* ---- one fact ---- */

static enum diff_result try_fact(struct builder *b, uint32_t i, bool aligned)
{
	const struct used_fact *f = &b->out.facts.v[i];
	struct shift s = shift_of(&f->fact, aligned);
	struct image one = {0}, two = {0};
	enum diff_result r = DIFF_OTHER;

	if (may_try(b) && compile_shifted(b, f, 1, false, aligned, &one) && may_try(b) &&
	    compile_shifted(b, f, 1, true, aligned, &two))
		r = image_diff(b->a, &b->image, &one, s.first, &two, s.second, i, &b->out);
	image_release(&one);
	image_release(&two);
	return r;
}

/* Code for one answer or the other: there is nothing in between to follow. */
static bool is_choice(enum fact_kind k)
{
	return k == FACT_FEATURE || k == FACT_COMPAT || k == FACT_RAW_EVENT || k == FACT_KFUNC;
}

/* Answers that are no numbers, or ids that nothing may be computed from. */
static bool has_no_value(enum fact_kind k)
{
	return k == FACT_TYPE || k == FACT_LAYOUT || k == FACT_FILE || k == FACT_ENVIRONMENT ||
	       k == FACT_KERNEL || k == FACT_MODULE;
}

static void find_use(struct builder *b, uint32_t i)
{
	struct used_fact *f = &b->out.facts.v[i];
	size_t relocs = b->out.relocs.n;
	enum diff_result r;

	f->use = USE_SHAPE;
	if (has_no_value(f->fact.kind))
		return;
	r = try_fact(b, i, false);
	if (r == DIFF_OTHER && f->fact.kind == FACT_MEMBER) {
		b->out.relocs.n = relocs;
		r = try_fact(b, i, true);
		f->use |= r == DIFF_LINEAR ? USE_ALIGNED : 0;
	}
	if (r == DIFF_LINEAR && is_choice(f->fact.kind)) {
		b->out.relocs.n = relocs;
		r = DIFF_OTHER;
	}
	f->use |= r == DIFF_OTHER ? USE_VALUE : r == DIFF_LINEAR ? USE_MOVES : 0;
}

/* ---- all facts ---- */

static bool matter_together(struct builder *b, const struct used_fact *f, size_t n)
{
	struct image with = {0};
	bool differs = !may_try(b) || !compile_shifted(b, f, n, false, false, &with) ||
		       !image_same(&b->image, &with);

	image_release(&with);
	return differs;
}

/* Sizes of structs are many and seldom matter: halves of them are tried at once. */
static void find_sizes(struct builder *b, uint32_t from, uint32_t n)
{
	if (n <= GROUP_MIN) {
		for (uint32_t i = from; i < from + n; i++)
			find_use(b, i);
		return;
	}
	if (!matter_together(b, &b->out.facts.v[from], n)) {
		for (uint32_t i = from; i < from + n; i++)
			b->out.facts.v[i].use = 0;
		return;
	}
	find_sizes(b, from, n / 2);
	find_sizes(b, from + n / 2, n - n / 2);
}

/* Two features of which either suffices do not matter alone. */
static void check_unused_choices(struct builder *b)
{
	VEC(struct used_fact) unused = {0};

	VEC_EACH (struct used_fact, f, &b->out.facts)
		if (is_choice(f->fact.kind) && !(f->use & USE_VALUE))
			vec_push(b->a, &unused, *f);
	if (!unused.n || !matter_together(b, unused.v, unused.n))
		return;
	VEC_EACH (struct used_fact, f, &b->out.facts)
		if (is_choice(f->fact.kind))
			f->use |= USE_VALUE;
}

static bool together(struct builder *b, int64_t *delta, struct image *moved)
{
	VEC(struct used_fact) moving = {0};
	struct image with = {0};
	bool ok;

	for (size_t i = 0; i < b->out.facts.n; i++) {
		const struct used_fact *f = &b->out.facts.v[i];

		if (!(f->use & USE_MOVES))
			continue;
		delta[i] = shift_of(&f->fact, f->use & USE_ALIGNED).first;
		vec_push(b->a, &moving, *f);
	}
	buf_addstr(&moved->bytes, (struct str){b->image.bytes.p, b->image.bytes.n});
	ok = !moving.n ||
	     (!relocs_apply(&b->out, delta, (uint8_t *)moved->bytes.p, moved->bytes.n / 4) &&
	      compile_shifted(b, moving.v, moving.n, false, false, &with) &&
	      image_same(moved, &with));
	image_release(&with);
	return ok;
}

/* What moves alone must move together. */
static void prove(struct builder *b)
{
	int64_t *delta = arena_array_of(b->a, int64_t, b->out.facts.n + 1);
	struct image moved = {0};

	if (!together(b, delta, &moved)) {
		VEC_EACH (struct used_fact, f, &b->out.facts)
			f->use = f->use & USE_MOVES ? USE_SHAPE | USE_VALUE : f->use;
		b->out.relocs.n = 0;
	}
	image_release(&moved);
}

/* Done without when the program was made, so it does not matter whether it is there. */
static bool is_instruction_set(const struct fact *f)
{
	return f->kind == FACT_FEATURE && strcmp(f->key, feature_name(FEATURE_CPU_V4)) == 0;
}

/* Facts without any use are left out; relocations follow the others to their new numbers. */
static void drop_unused(struct builder *b)
{
	uint32_t *now = arena_array_of(b->a, uint32_t, b->out.facts.n + 1), n = 0;

	for (uint32_t i = 0; i < b->out.facts.n; i++) {
		struct used_fact *f = &b->out.facts.v[i];
		bool shapeless = !f->fact.shape[0] && f->fact.kind != FACT_ENVIRONMENT;

		now[i] = n;
		if (is_instruction_set(&f->fact))
			continue;
		if (f->use & ~(shapeless ? (unsigned)USE_SHAPE : 0u))
			b->out.facts.v[n++] = *f;
	}
	b->out.facts.n = n;
	VEC_EACH (struct reloc, r, &b->out.relocs)
		r->fact = now[r->fact];
}

/* Modules come first, as asking for one makes its types known; sizes last (find_sizes). */
static int place_of(const struct fact *f)
{
	return f->kind == FACT_MODULE ? 0 : f->kind == FACT_SIZE ? 2 : 1;
}

static int by_place(const void *a, const void *b)
{
	const struct fact *x = &((const struct used_fact *)a)->fact;
	const struct fact *y = &((const struct used_fact *)b)->fact;
	int order = place_of(x) - place_of(y);

	return order ? order : strcmp(x->key, y->key);
}

static void take_facts(struct builder *b, uint32_t *sizes)
{
	const struct fact *v;
	size_t n = facts_all(b->base, &v);

	for (size_t i = 0; i < n; i++)
		vec_push(b->a, &b->out.facts, (struct used_fact){.fact = v[i]});
	if (n)
		qsort(b->out.facts.v, n, sizeof(*b->out.facts.v), by_place);
	for (*sizes = 0; *sizes < n && b->out.facts.v[*sizes].fact.kind != FACT_SIZE; ++*sizes)
		;
}

static void find_all(struct builder *b)
{
	uint32_t sizes;

	take_facts(b, &sizes);
	for (uint32_t i = 0; i < sizes; i++)
		find_use(b, i);
	find_sizes(b, sizes, (uint32_t)b->out.facts.n - sizes);
	VEC_EACH (const struct used_fact, f, &b->more)
		vec_push(b->a, &b->out.facts, *f);
	check_unused_choices(b);
	prove(b);
	drop_unused(b);
}

/* ---- the whole ---- */

static void write_all(struct builder *b, struct buf *out)
{
	struct buf sections[SECTION_COUNT] = {0};

	source_write(b->in, &sections[SECTION_SOURCE]);
	relocs_write(&b->out, &sections[SECTION_FACTS], &sections[SECTION_RELOCS]);
	sections[SECTION_IMAGE] = b->image.bytes;
	file_write(sections, out);
	buf_release(&sections[SECTION_SOURCE]);
	buf_release(&sections[SECTION_FACTS]);
	buf_release(&sections[SECTION_RELOCS]);
}

static size_t count_insns(const struct program *p)
{
	size_t n = 1;

	for (size_t i = 0; i < p->nprogs; i++)
		n += p->progs[i].code.n;
	return n;
}

static bool build(const struct compile_in *in, struct buf *out, struct diag **diag,
		  struct arena **arena)
{
	struct arena *a = arena_new();
	struct files files = {.mode = FILES_RECORD, .arena = a};
	struct compile_in recorded = *in;
	struct builder b = {.in = &recorded, .a = a, .work = WORK_MAX, .tries = TRIES_MAX};
	struct program *p;

	recorded.files = &files;
	recorded.mode = MODE_TRACE; /* both are asked for when it is run: load.c */
	recorded.helper_warnings = false;
	b.base = facts_new(a);
	kernel_record(in->kernel, b.base);
	p = compile_script(&recorded, diag, arena);
	if (p) {
		image_write(p, &b.image);
		b.ninsns = count_insns(p);
	}
	kernel_record(in->kernel, NULL);
	if (p) {
		find_all(&b);
		write_all(&b, out);
	}
	image_release(&b.image);
	arena_free(a);
	return p != NULL;
}

bool aot_build(const struct compile_in *in, struct buf *out, struct diag **diag,
	       struct arena **arena)
{
	bool newer = kernel_has(in->kernel, FEATURE_CPU_V4), ok;

	kernel_force(in->kernel, FEATURE_CPU_V4, false);
	ok = build(in, out, diag, arena);
	kernel_force(in->kernel, FEATURE_CPU_V4, newer);
	return ok;
}
