/* USDT probes: the notes that a program's own trace points leave in .note.stapsdt.
 *
 *   note   ┌────────┬───────┬───┬─────────┬──────┬──────┬───────────┬──────────┬──────┬──────┐
 *          │ namesz │ descsz│ 3 │ stapsdt │ pc   │ base │ semaphore │ provider │ name │ args │
 *          └────────┴───────┴───┴─────────┴──────┴──────┴───────────┴──────────┴──────┴──────┘
 *                                          words of the class (4 or 8)  NUL-terminated each
 *
 * pc and semaphore are link-time addresses. A tool that moves sections afterwards (prelink) does
 * not touch notes; therefore the note has the address that .stapsdt.base had, and the difference to
 * where that section is now corrects both. Notes of code that the linker discarded lead nowhere:
 * left out. */
#include "elf/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NT_STAPSDT_TYPE = 3, MAX_SITES = 100000 };

typedef VEC(struct usdt_site) site_vec;

static uint64_t word_at(const struct image *m, const uint8_t *p, int i)
{
	return m->is64 ? image_u64(p + 8 * i) : image_u32(p + 4 * i);
}

/* The next string of the description; NULL when it is not terminated. */
static const char *string_at(const uint8_t **p, const uint8_t *end)
{
	const char *s = (const char *)*p;
	const uint8_t *z = *p < end ? memchr(*p, 0, (size_t)(end - *p)) : NULL;

	if (!z)
		return NULL;
	*p = z + 1;
	return s;
}

static void site_args(struct elf *f, struct usdt_site *s, const char *text)
{
	struct err e = {0};

	if (usdt_parse_args(f->arena, f, f->img->machine, text, &s->args, &s->nargs, &e) < 0)
		s->bad = arena_strdup(f->arena, e.what);
}

static void site_add(struct elf *f, const struct image_note *note, uint64_t base_now, site_vec *out)
{
	struct image *m = f->img;
	size_t words = m->is64 ? 24 : 12;
	const uint8_t *p = note->desc, *end = p + note->ndesc;
	struct usdt_site s = {0};
	const char *args;
	uint64_t base;

	if (note->ndesc < words)
		return;
	s.addr = word_at(m, p, 0);
	base = word_at(m, p, 1);
	s.sem_addr = word_at(m, p, 2);
	p += words;
	s.provider = string_at(&p, end);
	s.name = string_at(&p, end);
	args = string_at(&p, end);
	if (!s.provider || !s.name || !args || !s.provider[0] || !s.name[0])
		return;
	if (base_now) {
		s.addr += base_now - base;
		s.sem_addr += s.sem_addr ? base_now - base : 0;
	}
	if (!image_addr_to_offset(m, s.addr, &s.offset) || !image_offset_is_text(m, s.offset))
		return;
	site_args(f, &s, args);
	if (s.sem_addr && !image_addr_to_offset(m, s.sem_addr, &s.sem_offset))
		s.bad = "its semaphore is not in the file";
	vec_push(f->arena, out, s);
}

static int site_cmp(const void *pa, const void *pb)
{
	const struct usdt_site *a = pa, *b = pb;
	int c = strcmp(a->provider, b->provider);

	if (!c)
		c = strcmp(a->name, b->name);
	return c ? c : (a->addr > b->addr) - (a->addr < b->addr);
}

static int sites_load(struct elf *f, struct err *e)
{
	const struct image_sect *base = image_section(f->img, ".stapsdt.base");
	site_vec sites = {0};

	for (size_t i = 0; i < f->img->nsects; i++) {
		const struct image_sect *s = &f->img->sects[i];
		const uint8_t *p;
		struct image_note note;
		size_t pos = 0;

		if (s->type != SHT_NOTE || strcmp(s->name, ".note.stapsdt") != 0)
			continue;
		p = image_section_data(f->img, s);
		if (!p)
			return err_plain(e, EINVAL, "read %s: .note.stapsdt is behind its end",
					 elf_path(f));
		while (sites.n < MAX_SITES && image_note_next(p, s->size, &pos, &note))
			if (note.type == NT_STAPSDT_TYPE && str_is(note.name, "stapsdt"))
				site_add(f, &note, base ? base->addr : 0, &sites);
	}
	if (sites.n)
		qsort(sites.v, sites.n, sizeof(*sites.v), site_cmp);
	f->sites = sites.v;
	f->nsites = sites.n;
	return 0;
}

int elf_usdt(struct elf *f, const struct usdt_site **sites, size_t *n, struct err *e)
{
	if (!f->sites_known) {
		int r = remote_wanted(f) ? remote_sites(f, e) : sites_load(f, e);

		if (r < 0)
			return r;
		f->sites_known = true;
	}
	*sites = f->sites;
	*n = f->nsites;
	return 0;
}
