/* Where the arguments and results of a Go function are: Go's internal convention on amd64, by type.
 *
 *   func f(name string, year int, pad [4]int) (int, error)
 *
 *   name   rax rbx        results   rax | rbx rcx       from the first register anew
 *   year   rcx
 *   pad    8(%rsp)        arrays of more than one element, and what finds no registers left, are
 *                         on the stack, arguments first, then results
 *
 * Every value is in registers whole or not at all. Assembly and releases before 1.17 have all on
 * the stack. Debug information hides unnamed parameters (before 1.22) and the dictionaries of
 * generic functions (before 1.27): the places that follow from it are compared with the words that
 * the runtime prints in tracebacks, and nothing is believed where they differ. */
#include <dwarf.h>
#include <string.h>
#include "probe/gofn.h"

enum { MAX_NESTING = 16, MAX_ELEMENTS = 64, MAX_VALUE = 1 << 16 };

const char *go_reg_name(unsigned n)
{
	static const char *const names[GO_INTS] = {
#if defined(__aarch64__)
		"r0",
		"r1",
		"r2",
		"r3",
		"r4",
		"r5",
		"r6",
		"r7",
		"r8",
		"r9",
		"r10",
		"r11",
		"r12",
		"r13",
		"r14",
		"r15"
#else
		"ax",
		"bx",
		"cx",
		"di",
		"si",
		"r8",
		"r9",
		"r10",
		"r11"
#endif
	};

	return n < GO_INTS ? names[n] : NULL;
}

int go_reg(unsigned n)
{
	return n < GO_INTS ? regs_named(str_of(go_reg_name(n))) : -1;
}

int go_closure_reg(void)
{
#if defined(__aarch64__)
	return regs_named(STR("r26"));
#else
	return regs_named(STR("dx"));
#endif
}

/* ---- a value's parts ----------------------------------------------------------------------- */

struct parts {
	struct dwarf *d;
	struct arena *a;
	struct go_value *v;
	bool arrays; /* an array has a part for each element; otherwise it cannot be in registers */
	bool overflow;
};

static bool flatten(struct parts *p, dwarf_ref ref, uint32_t off, unsigned depth, uint32_t *align);

static bool add_part(struct parts *p, uint32_t off, uint32_t size, bool is_float, bool is_ptr)
{
	struct go_value *v = p->v;

	if (v->npieces == GO_PIECES) {
		p->overflow = true;
		return false;
	}
	v->pieces[v->npieces++] = (struct go_piece){
		.off = off, .size = size, .is_float = is_float, .is_ptr = is_ptr};
	return true;
}

static bool flatten_struct(struct parts *p, const struct dwarf_type *t, uint32_t off,
			   unsigned depth, uint32_t *align)
{
	const struct dwarf_member *m;
	size_t n = dwarf_members(p->d, t->self, p->a, &m);
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		uint32_t of = 1;

		ok &= flatten(p, m[i].type, off + (uint32_t)(m[i].bit_offset / 8), depth + 1, &of);
		*align = MAX(*align, of);
	}
	return ok;
}

static bool flatten_array(struct parts *p, const struct dwarf_type *t, uint32_t off, unsigned depth,
			  uint32_t *align)
{
	uint64_t each = t->count ? t->size / t->count : 0;
	bool ok = p->arrays || t->count < 2;

	for (uint64_t i = 0; i < MIN(t->count, MAX_ELEMENTS); i++)
		ok &= flatten(p, t->to, off + (uint32_t)(i * each), depth + 1, align);
	return ok && t->count <= MAX_ELEMENTS;
}

static bool flatten_float(struct parts *p, const struct dwarf_type *t, uint32_t off,
			  uint32_t *align)
{
	bool complex = t->name && !strncmp(t->name, "complex", 7);
	uint32_t each = (uint32_t)(complex ? t->size / 2 : t->size);

	*align = each;
	return add_part(p, off, each, true, false) &&
	       (!complex || add_part(p, off + each, each, true, false));
}

/* Parts of what lies at `off` of the value. False: it cannot be in registers. */
static bool flatten(struct parts *p, dwarf_ref ref, uint32_t off, unsigned depth, uint32_t *align)
{
	struct dwarf_type t;

	if (depth > MAX_NESTING || !dwarf_type_get(p->d, ref, &t) || t.size > MAX_VALUE)
		return !(p->overflow = true);
	switch (t.kind) {
	case DWARF_STRUCT:
		return flatten_struct(p, &t, off, depth, align);
	case DWARF_ARRAY:
		return flatten_array(p, &t, off, depth, align);
	case DWARF_FLOAT:
		return flatten_float(p, &t, off, align);
	case DWARF_PTR:
	case DWARF_FUNC:
		*align = 8;
		return add_part(p, off, 8, false, true);
	case DWARF_INT:
	case DWARF_BOOL:
		*align = (uint32_t)MAX(t.size, 1u);
		return add_part(p, off, (uint32_t)t.size, false, false);
	default:
		return !(p->overflow = true);
	}
}

/* ---- assigning ----------------------------------------------------------------------------- */

struct assign {
	struct dwarf *d;
	struct arena *a;
	bool regs;
	unsigned ints, floats; /* registers taken */
	uint32_t stack;        /* bytes taken */
};

static bool take_regs(struct assign *s, struct go_value *v)
{
	unsigned ints = s->ints, floats = s->floats;

	for (unsigned i = 0; i < v->npieces; i++) {
		struct go_piece *p = &v->pieces[i];

		p->reg = (uint8_t)(p->is_float ? floats++ : ints++);
	}
	if (ints > GO_INTS || floats > GO_FLOATS)
		return false;
	s->ints = ints;
	s->floats = floats;
	return true;
}

static bool has_float(const struct go_value *v)
{
	for (unsigned i = 0; i < v->npieces; i++)
		if (v->pieces[i].is_float)
			return true;
	return false;
}

/* False: its type is not understood, so that nothing behind it can be placed. */
static bool assign_one(struct assign *s, struct go_value *v)
{
	struct parts p = {.d = s->d, .a = s->a, .v = v};
	struct dwarf_type t;
	bool fits;

	v->align = 1;
	fits = flatten(&p, v->ref, 0, 0, &v->align);
	if (!dwarf_type_get(s->d, v->ref, &t) || (p.overflow && v->npieces < GO_PIECES))
		return false;
	v->size = (uint32_t)t.size;
	v->in_regs = s->regs && fits && take_regs(s, v);
	if (v->in_regs) {
		if (has_float(v))
			v->why = "floating point is in registers that probes do not see";
		return true;
	}
	s->stack = ALIGN_UP(s->stack, v->align);
	v->stack = s->stack;
	s->stack += v->size;
	return s->stack < MAX_VALUE;
}

/* ---- checking against the runtime's words -------------------------------------------------- */

struct words {
	const struct go_place_info *info;
	int n;
	bool same;
};

static void compare_value(struct assign *s, struct words *w, const struct go_value *v, uint32_t at)
{
	struct go_value all = {0};
	struct parts p = {.d = s->d, .a = s->a, .v = &all, .arrays = true};
	uint32_t align = 1;

	flatten(&p, v->ref, 0, 0, &align);
	for (unsigned i = 0; i < all.npieces && w->n < w->info->nwords; i++, w->n++) {
		const struct go_word *is = &w->info->words[w->n];

		w->same &= is->offset == at + all.pieces[i].off && is->size == all.pieces[i].size;
	}
}

/* Arguments in registers have their places behind those on the stack. */
static bool words_agree(struct assign *s, const struct go_place_info *info,
			const struct go_signature *sig)
{
	struct words w = {.info = info, .same = true};
	uint32_t spill = ALIGN_UP(s->stack, 8u);

	for (size_t i = 0; i < sig->nargs; i++) {
		const struct go_value *v = &sig->args[i];

		if (v->in_regs)
			spill = ALIGN_UP(spill, v->align);
		compare_value(s, &w, v, v->in_regs ? spill : v->stack);
		if (v->in_regs)
			spill += v->size;
	}
	return w.same && (w.n == info->nwords || info->nwords < 0);
}

static const char *check_hidden(struct assign *s, const struct go_place_info *info,
				const struct go_signature *sig)
{
	if (info->nwords >= 0 && words_agree(s, info, sig))
		return NULL;
	if (info->told_types)
		return info->nwords < 0
			       ? NULL
			       : "the arguments in the probe are not those of the function: the "
				 "sizes of its words differ";
	if (info->nwords >= 0)
		return "the debug information of this release leaves out an unnamed parameter or a "
		       "generic function's dictionary, so that the places of the others are not "
		       "certain";
	if (info->minor >= 22 && !strchr(info->func, '['))
		return NULL;
	return "the debug information of this release may leave out parameters, and the program "
	       "has no table to check it by";
}

/* ---- the whole ----------------------------------------------------------------------------- */

static bool is_listed(const struct go_value *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(v[i].name, name))
			return true;
	return false;
}

static void collect(const struct dwarf_func *fn, struct arena *a, struct go_signature *out)
{
	out->args = arena_array_of(a, struct go_value, fn->nparams + 1);
	out->results = arena_array_of(a, struct go_value, fn->nparams + 1);
	for (size_t i = 0; i < fn->nparams; i++) {
		const struct dwarf_param *p = &fn->params[i];
		struct go_value v = {.name = p->name, .ref = p->type};

		if (p->captured)
			continue;
		/* A result that lives on the heap is listed twice in some releases. */
		if (!p->result)
			out->args[out->nargs++] = v;
		else if (!is_listed(out->results, out->nresults, p->name))
			out->results[out->nresults++] = v;
	}
}

/* What a function literal has captured: fields of the closure, which a register leads to at the
 * call. Of a variable that is captured by reference its address is there. */
static void add_captured(const struct dwarf_func *fn, struct assign *s, struct go_signature *out)
{
	for (size_t i = 0; i < fn->nparams; i++) {
		const struct dwarf_param *p = &fn->params[i];
		struct go_value *v = &out->args[out->nargs];
		struct parts parts = {.d = s->d, .a = s->a, .v = v, .arrays = true};
		struct dwarf_type t;

		if (!p->captured || !dwarf_type_get(s->d, p->type, &t) || t.size > MAX_VALUE)
			continue;
		*v = (struct go_value){.name = p->name + (p->name[0] == '&'),
				       .ref = p->type,
				       .size = (uint32_t)t.size,
				       .align = 1,
				       .captured = true,
				       .stack = p->captured};
		flatten(&parts, p->type, 0, 0, &v->align);
		out->nargs++;
	}
}

bool go_signature(struct dwarf *d, const struct dwarf_func *fn, const struct go_place_info *info,
		  struct arena *a, struct go_signature *out, const char **why)
{
	struct assign s = {.d = d, .a = a, .regs = info->regs};
	bool ok = true;

	*out = (struct go_signature){0};
	collect(fn, a, out);
	for (size_t i = 0; i < out->nargs; i++)
		ok &= assign_one(&s, &out->args[i]);
	s.stack = ALIGN_UP(s.stack, 8u);
	s.ints = s.floats = 0;
	for (size_t i = 0; i < out->nresults; i++)
		ok &= assign_one(&s, &out->results[i]);
	*why = ok ? NULL : "the type of an argument or result is not understood";
	if (ok && info->minor == 17 && !info->told_types)
		*why = "Go 1.17 tells neither all arguments nor where they are";
	if (!*why)
		*why = check_hidden(&s, info, out);
	if (!*why)
		add_captured(fn, &s, out);
	return !*why;
}

/* ---- copies in other functions -------------------------------------------------------------- */

static const struct dwarf_expr *place_of(struct arena *a, const struct dwarf_param *p)
{
	struct dwarf_expr *e = arena_new_of(a, struct dwarf_expr);
	struct dwarf_op *ops = arena_array_of(a, struct dwarf_op, 2);

	*e = p->at;
	if (!p->constant)
		return e;
	ops[0] = (struct dwarf_op){.op = DW_OP_constu, .a = p->value};
	ops[1] = (struct dwarf_op){.op = DW_OP_stack_value};
	*e = (struct dwarf_expr){ops, 2};
	return e;
}

/* Of a text whose length alone is still needed the compiler tells the place of the length as that
 * of the text. A value of several words is believed only when each of its bytes has a place. */
static bool is_whole(const struct dwarf_expr *e, const struct dwarf_type *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < e->n; i++)
		sum += e->ops[i].op == DW_OP_piece ? e->ops[i].a : 0;
	return sum == t->size || (!sum && (t->size <= 8 || t->kind == DWARF_ARRAY));
}

static const char *why_not_copied(const struct go_value *v, const struct dwarf_type *t,
				  const struct location_frame *frame)
{
	if (!v->at->n || !is_whole(v->at, t))
		return "it was optimized out of this copy of the function, or a part of it";
	return location_check(v->at, frame);
}

/* The compiler puts a copy's arguments where it likes, and tells of each place. */
void go_copy_signature(struct dwarf *d, const struct dwarf_func *fn,
		       const struct location_frame *frame, struct arena *a,
		       struct go_signature *out)
{
	*out = (struct go_signature){0};
	out->args = arena_array_of(a, struct go_value, fn->nparams + 1);
	for (size_t i = 0; i < fn->nparams; i++) {
		struct go_value *v = &out->args[out->nargs];
		struct dwarf_type t;

		if (fn->params[i].result || fn->params[i].captured ||
		    !dwarf_type_get(d, fn->params[i].type, &t))
			continue;
		*v = (struct go_value){.name = fn->params[i].name,
				       .ref = fn->params[i].type,
				       .size = (uint32_t)MIN(t.size, MAX_VALUE),
				       .at = place_of(a, &fn->params[i])};
		v->why = why_not_copied(v, &t, frame);
		out->nargs++;
	}
}
