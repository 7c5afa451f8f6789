/* The function at an address: 16 bytes in memory for each, whatever its name.
 *
 *   .symtab, .dynsym … ──► struct func_place[], sorted by address ──► name, where it stands in the
 * file
 *
 *   │ u64 address │ u32 where its name begins │ u28 size, u2 table, ifunc, told │
 *
 * Names are not read before they are asked for, and the pages of the symbols are given back when
 * the places are made: of 400,000 functions with names of 60 bytes that leaves 6 MB, and what the
 * names take that were asked for. Of several names for one address the best is taken: with a size,
 * without leading underscores, then the shortest. Where a reader tells the functions, or the
 * table of a Go program, places lead to what was told. */
#include "elf/remote.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BACK = 16, FORGET_EVERY = 4096, WORTH_FORGETTING = 4 << 20 };

#define MAX_SIZE ((1u << 28) - 1) /* larger functions are cut */

struct func_place {
	uint64_t addr;
	uint32_t name; /* where it begins in the table's names; `told`: index into funcs */
	uint32_t size : 28;
	uint32_t tab : 2;
	uint32_t ifunc : 1;
	uint32_t told : 1;
};

struct func_places {
	VEC(struct func_place) v;
	struct strmap stems; /* of names with a version */
	unsigned asked;
};

/* ---- names ---------------------------------------------------------------------------------- */

/* Without its version; NULL: it is none that is told. */
static const char *name_of(struct elf *f, const struct func_place *p)
{
	const char *name, *at, *known;
	struct str stem;
	size_t len;

	if (p->told)
		return f->funcs[p->name].name;
	name = f->tabs[p->tab].strs + p->name;
	len = strnlen(name, SYMTAB_MAX_NAME);
	if (!len || len == SYMTAB_MAX_NAME)
		return NULL;
	at = memchr(name, '@', len);
	if (!at || at == name)
		return name;
	stem = (struct str){name, (size_t)(at - name)};
	known = strmap_get(&f->places->stems, stem);
	if (!known) {
		known = arena_strndup(f->arena, stem.p, stem.n);
		strmap_put(&f->places->stems, str_of(known), (void *)known);
	}
	return known;
}

static uint32_t rank_of(const struct func_place *p, const char *name)
{
	size_t under = strspn(name, "_"), len = strnlen(name, 255);

	return (p->size ? 0 : 1u << 16) + (uint32_t)(MIN(under, 15) << 8) + (uint32_t)len;
}

/* Of two names for one address. */
static bool is_better(struct elf *f, const struct func_place *a, const struct func_place *b)
{
	const char *x = name_of(f, a), *y = name_of(f, b);
	uint32_t rx, ry;

	if (!x || !y)
		return x != NULL;
	rx = rank_of(a, x);
	ry = rank_of(b, y);
	return rx != ry ? rx < ry : strcmp(x, y) < 0;
}

/* ---- making the places ----------------------------------------------------------------------- */

static int by_addr(const void *a, const void *b)
{
	const struct func_place *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void keep_best(struct elf *f, struct func_places *ps)
{
	size_t n = 0;

	for (size_t i = 0; i < ps->v.n; i++) {
		struct func_place *p = &ps->v.v[i];

		if (!n || ps->v.v[n - 1].addr != p->addr)
			ps->v.v[n++] = *p;
		else if (is_better(f, p, &ps->v.v[n - 1]))
			ps->v.v[n - 1] = *p;
	}
	ps->v.n = n;
}

static void add_table(struct elf *f, struct func_places *ps, unsigned tab)
{
	const struct symtab *t = &f->tabs[tab];
	struct symtab_raw s;
	uint64_t offset;

	for (size_t i = 0; i < t->n && ps->v.n < SYMTAB_MAX_FUNCS; i++) {
		if (!symtab_get_raw(t, i, &s) || !symtab_is_func(s.type) ||
		    !image_addr_to_offset(f->img, s.value, &offset) ||
		    !image_offset_is_text(f->img, offset))
			continue;
		hvec_push(&ps->v, (struct func_place){.addr = s.value,
						      .name = s.name,
						      .size = (uint32_t)MIN(s.size, MAX_SIZE),
						      .tab = tab & 3,
						      .ifunc = s.type == STT_GNU_IFUNC});
	}
}

static void add_told(struct elf *f, struct func_places *ps)
{
	const struct elf_func *funcs;
	size_t n = 0;

	if (elf_funcs(f, &funcs, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		hvec_push(&ps->v,
			  (struct func_place){.addr = funcs[i].addr,
					      .name = (uint32_t)i,
					      .size = (uint32_t)MIN(funcs[i].size, MAX_SIZE),
					      .ifunc = funcs[i].ifunc,
					      .told = 1});
}

/* Pages of the file that will not be needed soon; what they hold is there again when it is. */
static void forget(struct elf *f, const void *p, size_t n)
{
	if (n < WORTH_FORGETTING)
		return;
	image_forget(f->img, p, n);
	if (f->debug)
		image_forget(f->debug, p, n);
}

static void forget_symbols(struct elf *f)
{
	for (size_t k = 0; k < f->ntabs; k++)
		forget(f, f->tabs[k].syms, f->tabs[k].n * sizeof(Elf64_Sym));
}

/* Names are all over their table: whoever asks for thousands would have all of it in memory. */
static void forget_names(struct elf *f)
{
	if (++f->places->asked % FORGET_EVERY == 0)
		for (size_t k = 0; k < f->ntabs; k++)
			forget(f, f->tabs[k].strs, f->tabs[k].nstrs);
}

static void places_load(struct elf *f)
{
	struct func_places *ps = arena_new_of(f->arena, struct func_places);

	f->places = ps;
	strmap_init(&ps->stems, f->arena);
	if (remote_wanted(f) || symtab_is_of_go(f)) {
		add_told(f, ps);
	} else {
		symtabs_load(f);
		for (unsigned k = 0; k < f->ntabs; k++)
			add_table(f, ps, k);
	}
	if (ps->v.n >= SYMTAB_MAX_FUNCS)
		ps->v.n = 0;
	if (ps->v.n)
		qsort(ps->v.v, ps->v.n, sizeof(*ps->v.v), by_addr);
	forget_symbols(f);
	keep_best(f, ps);
}

void symaddr_free(struct elf *f)
{
	if (f->places)
		hvec_release(&f->places->v);
}

/* ---- asking --------------------------------------------------------------------------------- */

/* The last place that is at or before `addr`; their number when there is none. */
static size_t place_before(const struct func_places *ps, uint64_t addr)
{
	size_t lo = 0, hi = ps->v.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (ps->v.v[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : ps->v.n;
}

static bool func_of(struct elf *f, const struct func_place *p, struct elf_func *out)
{
	const char *name = name_of(f, p);

	*out = (struct elf_func){.name = name, .addr = p->addr, .size = p->size, .ifunc = p->ifunc};
	forget_names(f);
	return name && image_addr_to_offset(f->img, p->addr, &out->offset);
}

bool elf_func_at(struct elf *f, uint64_t offset, struct elf_func *out)
{
	uint64_t addr;
	size_t i;

	if (!image_offset_to_addr(f->img, offset, &addr))
		return false;
	if (!f->places)
		places_load(f);
	i = place_before(f->places, addr);
	if (i == f->places->v.n)
		return false;
	/* A function without a size reaches to the next; functions inside others are few. */
	for (size_t back = 0; back < MAX_BACK && back <= i; back++) {
		const struct func_place *p = &f->places->v.v[i - back];

		if ((!p->size && !back) || addr - p->addr < p->size)
			return func_of(f, p, out);
	}
	return false;
}
