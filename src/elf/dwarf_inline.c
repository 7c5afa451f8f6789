/* Functions that were copied into their callers, by the entries of libdw; see dwarf.h.
 *
 *   subprogram             twice    DW_AT_inline                   what was inlined, without code
 *   subprogram             work     0x1139…0x1170                  has a copy of it:
 *     lexical_block
 *       inlined_subroutine          0x1151  DW_AT_abstract_origin ─► twice
 *         inlined_subroutine        0x1153  DW_AT_abstract_origin ─► what twice() had inlined
 *
 * A copy begins where the compiler says so (DW_AT_entry_pc), or else at the first of its ranges.
 * Copies have an entry for each place, so what they are of is asked once for each function: its
 * name is compared when its first copy is met. */
#include "elf/dwarf_priv.h"
#include "elf/dwarf_remote.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64, MAX_COPIES = 1 << 20 };

struct search {
	struct dwarf *d;
	const struct elf_pattern *wanted;
	struct arena *a;   /* of the result */
	struct arena *tmp; /* of the search */
	struct strmap origins;
	struct dwarf_units units;
	const void *last; /* entry of the walk */
	VEC(struct dwarf_copy) found;
};

/* A function that has copies. */
struct origin {
	const char *name; /* NULL: none that is looked for */
};

static const struct origin *origin_new(struct search *s, Dwarf_Die *die, struct str key)
{
	struct origin *o = arena_new_of(s->tmp, struct origin);
	const char *name = dwarf_symbol(s->d, die);

	if (name && elf_pattern_matches(s->wanted, s->tmp, name))
		o->name = arena_strdup(s->a, name);
	key.p = arena_memdup(s->tmp, key.p, key.n);
	strmap_put(&s->origins, key, o);
	return o;
}

static const struct origin *origin_of(struct search *s, Dwarf_Die *copy)
{
	const struct origin *known;
	Dwarf_Attribute at;
	struct str key;
	Dwarf_Die die;

	if (!dwarf_attr(copy, DW_AT_abstract_origin, &at) || !dwarf_formref_die(&at, &die))
		return NULL;
	key = (struct str){(const char *)&die.addr, sizeof(die.addr)};
	known = strmap_get(&s->origins, key);
	return known ? known : origin_new(s, &die, key);
}

static bool begin_of(Dwarf_Die *copy, Dwarf_Addr *addr)
{
	Dwarf_Addr base, end;

	return dwarf_entrypc(copy, addr) == 0 || dwarf_ranges(copy, 0, &base, addr, &end) > 0;
}

static void take_copy(struct search *s, Dwarf_Die *copy)
{
	const struct origin *o = origin_of(s, copy);
	Dwarf_Addr addr;

	if (o && o->name && begin_of(copy, &addr))
		vec_push(s->a, &s->found, (struct dwarf_copy){addr, o->name});
}

static bool has_scopes(int tag)
{
	return tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block ||
	       tag == DW_TAG_inlined_subroutine || tag == DW_TAG_namespace ||
	       tag == DW_TAG_module || tag == DW_TAG_structure_type || tag == DW_TAG_class_type;
}

static void search_scope(struct search *s, Dwarf_Die *scope, unsigned depth)
{
	Dwarf_Die c;

	if (depth > MAX_DEPTH || dwarf_child(scope, &c) != 0)
		return;
	do {
		if (!dwarf_goes_on(&s->last, &c))
			return;
		if (dwarf_tag(&c) == DW_TAG_inlined_subroutine)
			take_copy(s, &c);
		if (has_scopes(dwarf_tag(&c)))
			search_scope(s, &c, depth + 1);
	} while (s->found.n < MAX_COPIES && dwarf_siblingof(&c, &c) == 0);
}

static int by_place(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool has_copies(const struct search *s, Dwarf_Die *cu)
{
	uint64_t at = dwarf_dieoffset(cu) - dwarf_cuoffset(cu);

	return s->units.all ||
	       (s->units.n && bsearch(&at, s->units.v, s->units.n, sizeof(at), by_place));
}

static bool search_tree(void *arg, Dwarf_Die *cu, Dwarf_Die *tree)
{
	struct search *s = arg;

	s->last = NULL;
	if (has_copies(s, cu))
		search_scope(s, tree, 0);
	return false;
}

static int by_addr(const void *a, const void *b)
{
	const struct dwarf_copy *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return strcmp(x->func, y->func);
}

/* Of a copy in two parts of one unit there may be two entries. */
static void take_each_once(struct search *s, struct dwarf_copies *out)
{
	out->v = s->found.v;
	if (s->found.n)
		qsort(out->v, s->found.n, sizeof(*out->v), by_addr);
	for (size_t i = 0; i < s->found.n; i++)
		if (!out->n || by_addr(&out->v[out->n - 1], &s->found.v[i]) != 0)
			out->v[out->n++] = s->found.v[i];
}

static bool is_copy(struct dwarf *d, Dwarf_Die *die, uint64_t addr, const char *of)
{
	const char *name;
	Dwarf_Addr begin;

	if (dwarf_tag(die) != DW_TAG_inlined_subroutine || !begin_of(die, &begin) || begin != addr)
		return false;
	name = dwarf_symbol(d, die);
	return name && strcmp(name, of) == 0;
}

struct copy_search {
	struct dwarf *d;
	uint64_t addr;
	const char *of;
	const void *last; /* entry of the walk */
	Dwarf_Die found;
};

/* Where a copy begins may be outside of its ranges, and of those of what is around it. */
static bool copy_below(struct copy_search *s, Dwarf_Die *scope, unsigned depth)
{
	Dwarf_Die c;

	if (depth > MAX_DEPTH || dwarf_child(scope, &c) != 0)
		return false;
	do {
		if (!dwarf_goes_on(&s->last, &c))
			return false;
		if (is_copy(s->d, &c, s->addr, s->of)) {
			s->found = c;
			return true;
		}
		if (has_scopes(dwarf_tag(&c)) && copy_below(s, &c, depth + 1))
			return true;
	} while (dwarf_siblingof(&c, &c) == 0);
	return false;
}

bool dwarf_copy_in(struct dwarf *d, Dwarf_Die *outer, uint64_t addr, const char *copy_of,
		   Dwarf_Die *out)
{
	struct copy_search s = {.d = d, .addr = addr, .of = copy_of};

	if (!copy_below(&s, outer, 0))
		return false;
	*out = s.found;
	return true;
}

/* Of the system's own files only the units that have some; foreign ones are in the library's hands
 * already. */
static int find_all(struct search *s, struct err *e)
{
	int r;

	if (s->d->trusted || reader_never)
		dwarf_units_with_copies(s->d->info_path, s->wanted, s->tmp, &s->units);
	if (!s->units.all && !s->units.n)
		return 0;
	r = dwarf_ready(s->d, e);
	if (r == 0)
		dwarf_each_tree(s->d, search_tree, s);
	return r;
}

int dwarf_copies_find(struct dwarf *d, const struct elf_pattern *wanted, struct arena *a,
		      struct dwarf_copies *out, struct err *e)
{
	struct search s = {.d = d, .wanted = wanted, .a = a, .units.all = true};
	int r;

	*out = (struct dwarf_copies){0};
	if (d->reader)
		return dwarf_remote_copies(d->reader, wanted, a, out, e);
	s.tmp = arena_new();
	strmap_init(&s.origins, s.tmp);
	r = find_all(&s, e);
	if (r == 0)
		take_each_once(&s, out);
	arena_free(s.tmp);
	return r;
}
