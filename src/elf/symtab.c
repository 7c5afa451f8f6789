/* Symbols of a binary: by name, and all functions in order. By address: symaddr.c.
 *
 * The tables, in order of preference: .symtab of the binary (or of its debug file when it has been
 * stripped), .dynsym, .symtab of the MiniDebugInfo, and of a stripped Go program its pclntab. Debug
 * files repeat the section headers of the binary, so an address means the same in all of them.
 *
 *   one name     linear scan of the tables; after a few of them, binary search in the sorted array
 *   functions    struct elf_func[], sorted by (name, preference), names without @VERSION
 *
 * Names point into the string tables. Versions: `memcpy@@V` in .symtab and the default version in
 * .dynsym are plain `memcpy`; an older version is found as `memcpy@V`, or by the bare name when
 * there is no default one. */
#include "elf/go.h"
#include "elf/remote.h"
#include "elf/sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SCAN_FINDS 8 /* look-ups by scanning before the sorted array is made */

enum { RANK_GLOBAL, RANK_WEAK, RANK_LOCAL, RANK_OLD_VERSION, RANK_UNTYPED, RANK_NONE };

/* ---- tables ---- */

static void symtab_add(struct elf *f, struct image *m, const struct image_sect *s)
{
	size_t size = m->is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	const struct image_sect *strs, *ver;
	struct symtab *t = &f->tabs[f->ntabs];

	if (!s || f->ntabs == MAX_SYMTABS || s->link >= m->nsects)
		return;
	strs = &m->sects[s->link];
	*t = (struct symtab){.syms = image_section_data(m, s),
			     .n = s->size / size,
			     .is64 = m->is64,
			     .strs = (const char *)image_section_data(m, strs),
			     .nstrs = strs->size};
	if (!t->syms || !t->strs)
		return;
	while (t->nstrs && t->strs[t->nstrs - 1])
		t->nstrs--;
	ver = s->type == SHT_DYNSYM ? image_section_type(m, SHT_GNU_versym) : NULL;
	if (ver && ver->size / 2 >= t->n)
		t->versym = image_section_data(m, ver);
	f->ntabs++;
}

void symtabs_load(struct elf *f)
{
	const struct image_sect *own;

	if (f->tabs_known)
		return;
	f->tabs_known = true;
	own = image_section_type(f->img, SHT_SYMTAB);
	symtab_add(f, f->img, own);
	if (!f->ntabs) {
		if (!f->debug)
			f->debug = debug_find(f->img);
		if (f->debug)
			symtab_add(f, f->debug, image_section_type(f->debug, SHT_SYMTAB));
	}
	symtab_add(f, f->img, image_section_type(f->img, SHT_DYNSYM));
	if (!own && !f->debug) {
		f->mini = debug_mini(f->img);
		if (f->mini)
			symtab_add(f, f->mini, image_section_type(f->mini, SHT_SYMTAB));
	}
}

bool symtab_get_raw(const struct symtab *t, size_t i, struct symtab_raw *out)
{
	Elf64_Sym s;

	if (t->is64) {
		memcpy(&s, t->syms + i * sizeof(s), sizeof(s));
	} else {
		Elf32_Sym s32;

		memcpy(&s32, t->syms + i * sizeof(s32), sizeof(s32));
		s = (Elf64_Sym){s32.st_name,  s32.st_info,  s32.st_other,
				s32.st_shndx, s32.st_value, s32.st_size};
	}
	*out = (struct symtab_raw){.value = s.st_value,
				   .size = s.st_size,
				   .name = s.st_name,
				   .type = ELF64_ST_TYPE(s.st_info),
				   .bind = ELF64_ST_BIND(s.st_info),
				   .shndx = s.st_shndx};
	return s.st_shndx != SHN_UNDEF && s.st_name < t->nstrs;
}

bool symtab_get(const struct symtab *t, size_t i, struct symtab_entry *out)
{
	struct symtab_raw s;
	bool known = symtab_get_raw(t, i, &s);

	*out = (struct symtab_entry){.name = known ? t->strs + s.name : "",
				     .value = s.value,
				     .size = s.size,
				     .type = s.type,
				     .bind = s.bind,
				     .shndx = s.shndx};
	return known && out->name[0];
}

static bool is_func(const struct symtab_entry *s)
{
	return symtab_is_func(s->type);
}

static bool is_old_version(const struct symtab *t, size_t i)
{
	return t->versym && (image_u16(t->versym + 2 * i) & 0x8000);
}

static unsigned rank_of(const struct symtab *t, size_t i, const struct symtab_entry *s)
{
	if (is_old_version(t, i))
		return RANK_OLD_VERSION;
	return s->bind == STB_LOCAL ? RANK_LOCAL : s->bind == STB_WEAK ? RANK_WEAK : RANK_GLOBAL;
}

static bool func_of(struct elf *f, const struct symtab_entry *s, struct elf_func *out)
{
	*out = (struct elf_func){.name = s->name,
				 .addr = s->value,
				 .size = s->size,
				 .ifunc = s->type == STT_GNU_IFUNC};
	return image_addr_to_offset(f->img, s->value, &out->offset) &&
	       image_offset_is_text(f->img, out->offset);
}

/* ---- versions ---- */

/* The name of version `want` from .gnu.version_d, a chain of definitions with chains of names. */
static const char *version_name(struct image *m, unsigned want)
{
	const struct image_sect *s = image_section_type(m, SHT_GNU_verdef), *strs;
	const uint8_t *p = image_section_data(m, s), *names;
	uint64_t at = 0;

	if (!p || s->link >= m->nsects)
		return NULL;
	strs = &m->sects[s->link];
	names = image_section_data(m, strs);
	for (int i = 0; names && i < 4096 && at + sizeof(Elf64_Verdef) <= s->size; i++) {
		Elf64_Verdef d;
		Elf64_Verdaux a;

		memcpy(&d, p + at, sizeof(d));
		if (d.vd_ndx == want && at + d.vd_aux + sizeof(a) <= s->size) {
			memcpy(&a, p + at + d.vd_aux, sizeof(a));
			if (a.vda_name < strs->size &&
			    memchr(names + a.vda_name, 0, strs->size - a.vda_name))
				return (const char *)names + a.vda_name;
			return NULL;
		}
		if (!d.vd_next)
			break;
		at += d.vd_next;
	}
	return NULL;
}

/* ---- one name ---- */

struct wanted {
	struct str stem, version; /* version.p NULL: none given */
	bool only_default;        /* stem@@version */
};

static struct wanted wanted_of(struct str name)
{
	struct wanted w = {.version = name};

	w.stem = str_cut(&w.version, '@');
	if (w.version.p && w.version.n && w.version.p[0] == '@') {
		w.only_default = true;
		w.version.p++;
		w.version.n--;
	}
	return w;
}

/* How well symbol `i` answers the question; RANK_NONE: not at all. */
static unsigned match_rank(struct elf *f, const struct symtab *t, size_t i,
			   const struct symtab_entry *s, const struct wanted *w)
{
	const char *rest = s->name + w->stem.n, *v;
	unsigned rank = rank_of(t, i, s);

	if (strncmp(s->name, w->stem.p, w->stem.n) != 0 || (*rest && *rest != '@'))
		return RANK_NONE;
	if (*rest == '@') { /* the version is in the name */
		v = rest[1] == '@' ? rest + 2 : rest + 1;
		if (rest[1] != '@')
			rank = RANK_OLD_VERSION;
	} else {
		v = w->version.p && t->versym
			    ? version_name(f->img, image_u16(t->versym + 2 * i) & 0x7fff)
			    : NULL;
	}
	if (!w->version.p)
		return rank;
	if (!v || !str_is(w->version, v))
		return RANK_NONE;
	return w->only_default && rank == RANK_OLD_VERSION ? RANK_NONE : rank;
}

typedef bool accept_fn(struct elf *f, const struct symtab_entry *s, unsigned *rank);

static bool scan_for(struct elf *f, struct str name, accept_fn *accept, struct symtab_entry *best)
{
	struct wanted w = wanted_of(name);
	unsigned best_rank = RANK_NONE, rank;
	struct symtab_entry s;

	if (!w.stem.n || memchr(name.p, 0, name.n))
		return false;
	symtabs_load(f);
	for (size_t k = 0; k < f->ntabs && best_rank != RANK_GLOBAL; k++) {
		const struct symtab *t = &f->tabs[k];

		for (size_t i = 0; i < t->n && best_rank != RANK_GLOBAL; i++) {
			if (!symtab_get(t, i, &s) || s.name[0] != w.stem.p[0])
				continue;
			rank = match_rank(f, t, i, &s, &w);
			if (rank < best_rank && accept(f, &s, &rank) && rank < best_rank) {
				best_rank = rank;
				*best = s;
			}
		}
	}
	return best_rank != RANK_NONE;
}

static bool accept_func(struct elf *f, const struct symtab_entry *s, unsigned *rank)
{
	struct elf_func fn;

	if (!is_func(s) && s->type != STT_NOTYPE)
		return false;
	if (!is_func(s)) /* assembly without .type */
		*rank = RANK_UNTYPED;
	return func_of(f, s, &fn);
}

static bool accept_any(struct elf *f, const struct symtab_entry *s, unsigned *rank)
{
	return s->type == STT_OBJECT || s->type == STT_NOTYPE || s->type == STT_COMMON ||
	       is_func(s);
}

bool symtab_scan(struct elf *f, struct str name, bool func, struct symtab_entry *out)
{
	if (remote_wanted(f))
		return remote_find(f, name, func, out);
	return scan_for(f, name, func ? accept_func : accept_any, out);
}

/* The first function of that name in the sorted array: the preferred one. */
static const struct elf_func *sorted_find(struct elf *f, struct str name)
{
	size_t lo = 0, hi = f->nfuncs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strncmp(f->funcs[mid].name, name.p, name.n);

		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->nfuncs && str_eq(str_of(f->funcs[lo].name), name) ? &f->funcs[lo] : NULL;
}

bool elf_func_find(struct elf *f, struct str name, struct elf_func *out)
{
	const struct elf_func *found, *all;
	struct symtab_entry s;
	size_t n;

	if (!name.n)
		return false;
	if (!f->funcs_known && ++f->finds > SCAN_FINDS)
		elf_funcs(f, &all, &n, NULL);
	if (f->funcs_known && !memchr(name.p, '@', name.n)) {
		found = sorted_find(f, name);
		if (found) {
			*out = *found;
			return true;
		}
	}
	return symtab_scan(f, name, true, &s) && func_of(f, &s, out);
}

bool elf_sym_find(struct elf *f, struct str name, uint64_t *addr, uint64_t *size)
{
	struct symtab_entry s;

	if (!name.n || !symtab_scan(f, name, false, &s))
		return false;
	*addr = s.value;
	*size = s.size;
	return true;
}

/* ---- all functions ---- */

typedef VEC(struct sort_item) item_vec;
typedef VEC(struct elf_func) func_vec;

/* What is being collected. `seen` holds a fingerprint of each (name, address), open-addressed, so
 * that .dynsym, which mostly repeats .symtab, is not sorted as well. */
struct collection {
	func_vec fns;
	item_vec items;
	uint64_t *seen;
	size_t mask;
};

/* The name without a version; NULL when it is too long to be kept. */
static const char *stem_of(struct elf *f, const char *name, size_t *len, unsigned *rank)
{
	const char *at;

	*len = strnlen(name, SYMTAB_MAX_NAME);
	at = memchr(name, '@', *len);
	if (*len == SYMTAB_MAX_NAME)
		return NULL;
	if (!at || at == name)
		return name;
	if (at[1] != '@')
		*rank = RANK_OLD_VERSION;
	*len = (size_t)(at - name);
	return arena_strndup(f->arena, name, *len);
}

static uint64_t fingerprint(const char *name, size_t n, uint64_t addr)
{
	const uint64_t k = 0x9e3779b97f4a7c15ull;
	uint64_t h = (addr ^ n) * k, w;

	for (; n >= 8; n -= 8, name += 8) {
		memcpy(&w, name, 8);
		h = ((h ^ w) * k) ^ (h >> 29);
	}
	w = 0;
	memcpy(&w, name, n);
	h = ((h ^ w) * k) ^ (h >> 29);
	h *= k;
	return (h ^ (h >> 32)) | 1;
}

/* True when the function was there already. Names made to collide are given up on and kept twice.
 */
static bool is_repeated(struct collection *c, const char *name, size_t n, uint64_t addr)
{
	uint64_t h = fingerprint(name, n, addr);
	size_t slot = (h >> 1) & c->mask;

	for (int probes = 0; probes < 64; probes++, slot = (slot + 1) & c->mask) {
		if (c->seen[slot] == h)
			return true;
		if (!c->seen[slot]) {
			c->seen[slot] = h;
			return false;
		}
	}
	return false;
}

static void collect(struct elf *f, const struct symtab *t, struct collection *c)
{
	struct symtab_entry s;
	struct elf_func fn;

	for (size_t i = 0; i < t->n && !f->too_many; i++) {
		unsigned rank;
		size_t len;

		if (!symtab_get(t, i, &s) || !is_func(&s) || !func_of(f, &s, &fn))
			continue;
		rank = rank_of(t, i, &s);
		fn.name = stem_of(f, s.name, &len, &rank);
		if (!fn.name || is_repeated(c, fn.name, len, fn.addr))
			continue;
		if (c->fns.n == SYMTAB_MAX_FUNCS) {
			f->too_many = true;
			break;
		}
		hvec_push(&c->items, (struct sort_item){0, fn.name, (uint32_t)c->fns.n, rank});
		hvec_push(&c->fns, fn);
	}
}

bool symtab_is_of_go(struct elf *f)
{
	symtabs_load(f);
	return !image_section_type(f->img, SHT_SYMTAB) && !f->debug && !f->mini && elf_is_go(f);
}

/* Of a Go program without symbols the runtime's own table has the functions. Its names and ours lie
 * in the file. Where there are two bodies of one name, both are kept. */
static void collect_go(struct elf *f, struct collection *c)
{
	struct go *go = symtab_is_of_go(f) ? go_open(f, NULL) : NULL;
	const struct go_func *v;
	size_t n = go ? go_funcs(go, &v) : 0;

	for (size_t i = 0; i < n && c->fns.n < SYMTAB_MAX_FUNCS; i++) {
		struct elf_func fn = {.name = v[i].name,
				      .addr = v[i].addr,
				      .offset = v[i].offset,
				      .size = v[i].size};

		if (!image_offset_is_text(f->img, fn.offset) || strlen(fn.name) >= SYMTAB_MAX_NAME)
			continue;
		hvec_push(&c->items,
			  (struct sort_item){0, fn.name, (uint32_t)c->fns.n, RANK_GLOBAL});
		hvec_push(&c->fns, fn);
	}
	go_close(go);
}

static void collection_init(struct collection *c, const struct elf *f)
{
	size_t total = 0, slots = 16;

	for (size_t k = 0; k < f->ntabs; k++)
		total += f->tabs[k].n;
	while (slots < 2 * MIN(total, SYMTAB_MAX_FUNCS))
		slots *= 2;
	*c = (struct collection){.seen = calloc(slots, sizeof(*c->seen)), .mask = slots - 1};
	if (!c->seen)
		BUG("out of memory");
}

static void funcs_load(struct elf *f)
{
	struct collection c;

	if (remote_wanted(f)) {
		remote_funcs(f);
		f->funcs_known = true; /* the reader is forked before, and does not know them */
		return;
	}
	f->funcs_known = true;
	symtabs_load(f);
	collection_init(&c, f);
	for (size_t k = 0; k < f->ntabs; k++)
		collect(f, &f->tabs[k], &c);
	collect_go(f, &c);
	if (!f->too_many && c.fns.n) {
		sort_by_name(c.items.v, c.items.n);
		f->funcs = malloc(c.fns.n * sizeof(*f->funcs));
		if (!f->funcs)
			BUG("out of memory");
		for (size_t i = 0; i < c.items.n; i++)
			f->funcs[i] = c.fns.v[c.items.v[i].idx];
		f->nfuncs = c.items.n;
	}
	hvec_release(&c.items);
	hvec_release(&c.fns);
	free(c.seen);
}

int elf_funcs(struct elf *f, const struct elf_func **funcs, size_t *n, struct err *e)
{
	if (!f->funcs_known)
		funcs_load(f);
	if (f->bad.code) {
		if (e)
			*e = f->bad;
		return -f->bad.code;
	}
	if (f->too_many)
		return err_plain(e, E2BIG, "read the symbols of %s: more than %u functions",
				 elf_path(f), SYMTAB_MAX_FUNCS);
	*funcs = f->funcs;
	*n = f->nfuncs;
	return 0;
}
