/* Which units of debug information have inlined copies of a function: asked of every function that
 * is probed, and mostly answered by "none". The library would decompress everything and make an
 * object of each entry for that, 20 MB and a tenth of a second for libc.
 *
 *   .debug_info    one walk over all entries, in their order; what is compressed, a unit at a time:
 *
 *     subprogram   name → "memcpy"                    ──► a bit at its offset
 *     subprogram   specification, abstract_origin     ──► references, followed when the walk is
 * over inlined      abstract_origin                    ──► a reference all others   passed over;
 * attributes of fixed size in one step
 *
 * An entry counts when its name or its linkage name is that of the function; a reference may lead
 * into another unit. What comes out is never too little: a unit too many costs time only. Whatever
 * is not known here (split files, supplementary files, types in units of their own, a form that no
 * standard has) means that all units have to be searched. */
#include "elf/dwarf_priv.h"
#include "elf/image.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MAX_BYTES (256ull << 20) /* of a section; offsets have 31 bits */
#define MAX_WORK  (1ull << 30)   /* bytes looked at: tables of abbreviations may be shared */

enum { MAX_ROUNDS = 16, MAX_FORM = 0x2c, VARIES = 0xff };
enum { MAX_RATIO = 1100 }; /* what zlib can do at best */

enum kind { OTHER, UNIT, FUNCTION, COPY };

struct bytes {
	const uint8_t *p;
	size_t n;
	uint8_t *made; /* was decompressed */
};

/* A section that is read from its beginning to its end. */
struct stream {
	const uint8_t *p;
	size_t n, at; /* of what is in it when it is not compressed */
	bool packed;
	z_stream z;
	uint8_t *buf; /* packed: the last piece */
	size_t cap;
};

struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

struct attr { /* one that has to be looked at, behind `skip` bytes of others */
	uint16_t name, form;
	uint32_t skip;
};

struct abbrev {
	enum kind kind;
	uint32_t first, n; /* in `attrs` */
	uint32_t tail;     /* bytes behind the last of them */
};

struct unit {
	uint64_t start, end, abbrevs;
	uint16_t version;
	uint8_t addr_size, off_size;
	bool has_base;
	uint64_t base; /* of its part of .debug_str_offsets */
};

struct ref {
	uint32_t to;
	uint32_t from : 31; /* the function's entry, or the unit of the copy */
	uint32_t copy : 1;
};

struct scan {
	struct stream info;
	struct bytes abbrev, str, offsets;
	struct str name;
	struct unit unit;
	struct unit of; /* what `abbrevs` were made for */
	VEC(struct abbrev) abbrevs;
	VEC(struct attr) attrs;
	VEC(struct ref) refs;
	uint8_t *named; /* a bit for each byte of .debug_info */
	size_t nnamed;
	uint64_t work;
	bool unknown; /* the library has to be asked */
};

/* ---- sections ------------------------------------------------------------------------------- */

/* The header of a compressed section: the size of what is in it, 0 when that cannot be. */
static uint64_t unpacked_size(const uint8_t *p, size_t n, bool is64, size_t *head)
{
	uint64_t size;

	*head = is64 ? sizeof(Elf64_Chdr) : sizeof(Elf32_Chdr);
	if (n < *head || image_u32(p) != ELFCOMPRESS_ZLIB)
		return 0;
	size = is64 ? image_u64(p + 8) : image_u32(p + 4);
	return size <= MAX_BYTES && size / MAX_RATIO <= n ? size : 0;
}

static bool unpack(const uint8_t *p, size_t n, bool is64, struct bytes *out)
{
	size_t head;
	uint64_t size = unpacked_size(p, n, is64, &head);
	uLongf got = size;

	if (!size || !(out->made = malloc(size)))
		return false;
	out->p = out->made;
	out->n = size;
	return uncompress(out->made, &got, p + head, n - head) == Z_OK && got == size;
}

/* The bytes of a section, of a size that can be worked with; NULL: not there, or no such bytes. */
static const uint8_t *section(struct image *m, const char *name, const struct image_sect **s)
{
	*s = image_section(m, name);
	if (!*s || (*s)->type == SHT_NOBITS || (*s)->size > MAX_BYTES)
		return NULL;
	return image_range(m, (*s)->offset, (*s)->size);
}

/* A section that is not there is empty. */
static bool load(struct image *m, const char *name, struct bytes *out)
{
	const struct image_sect *s;
	const uint8_t *p = section(m, name, &s);

	if (p && s->flags & SHF_COMPRESSED)
		return unpack(p, s->size, m->is64, out);
	*out = (struct bytes){p, p ? s->size : 0, NULL};
	return p || !s || s->type == SHT_NOBITS;
}

static bool stream_open(struct image *m, const char *name, struct stream *in)
{
	const struct image_sect *s;
	const uint8_t *p = section(m, name, &s);
	size_t head;

	if (!p)
		return false;
	*in = (struct stream){.p = p, .n = s->size};
	if (!(s->flags & SHF_COMPRESSED))
		return in->n > 0;
	in->n = unpacked_size(p, s->size, m->is64, &head);
	if (!in->n || inflateInit(&in->z) != Z_OK)
		return false;
	in->packed = true;
	in->z.next_in = (Bytef *)p + head;
	in->z.avail_in = (uInt)(s->size - head);
	return true;
}

static void stream_close(struct stream *in)
{
	if (in->packed)
		inflateEnd(&in->z);
	free(in->buf);
}

/* The next `n` bytes, valid until the next call; NULL when there are not so many. */
static const uint8_t *stream_next(struct stream *in, size_t n)
{
	if (n > in->n - in->at)
		return NULL;
	in->at += n;
	if (!in->packed)
		return in->p + in->at - n;
	if (n > in->cap) {
		free(in->buf);
		in->cap = MAX(n, 65536);
		in->buf = malloc(in->cap);
	}
	in->z.next_out = in->buf;
	in->z.avail_out = in->buf ? (uInt)n : 0;
	while (in->z.avail_out && inflate(&in->z, Z_NO_FLUSH) == Z_OK)
		;
	return in->buf && !in->z.avail_out ? in->buf : NULL;
}

/* ---- reading ---------------------------------------------------------------------------------
 */

static uint64_t take(struct cursor *c, size_t n)
{
	uint64_t v = 0;

	if ((size_t)(c->end - c->p) < n) {
		c->bad = true;
		c->p = c->end;
		return 0;
	}
	memcpy(&v, c->p, MIN(n, sizeof(v)));
	c->p += n;
	return v;
}

static uint64_t take_leb(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; c->p < c->end && shift < 64; shift += 7) {
		uint8_t b = *c->p++;

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

static void pass(struct cursor *c, uint64_t n)
{
	if ((uint64_t)(c->end - c->p) < n)
		c->bad = true;
	c->p += c->bad ? 0 : n;
}

static void pass_text(struct cursor *c)
{
	const uint8_t *end = memchr(c->p, 0, (size_t)(c->end - c->p));

	c->bad |= !end;
	c->p = end ? end + 1 : c->end;
}

/* Bytes of a form; VARIES also where they are not known. */
static unsigned size_of(const struct unit *u, unsigned form)
{
	/* and one more */
	static const uint8_t sizes[MAX_FORM + 1] = {
		[DW_FORM_flag_present] = 1, [DW_FORM_implicit_const] = 1, [DW_FORM_data1] = 2,
		[DW_FORM_ref1] = 2,         [DW_FORM_flag] = 2,           [DW_FORM_strx1] = 2,
		[DW_FORM_addrx1] = 2,       [DW_FORM_data2] = 3,          [DW_FORM_ref2] = 3,
		[DW_FORM_strx2] = 3,        [DW_FORM_addrx2] = 3,         [DW_FORM_strx3] = 4,
		[DW_FORM_addrx3] = 4,       [DW_FORM_data4] = 5,          [DW_FORM_ref4] = 5,
		[DW_FORM_strx4] = 5,        [DW_FORM_addrx4] = 5,         [DW_FORM_ref_sup4] = 5,
		[DW_FORM_data8] = 9,        [DW_FORM_ref8] = 9,           [DW_FORM_ref_sig8] = 9,
		[DW_FORM_ref_sup8] = 9,     [DW_FORM_data16] = 17,
	};

	switch (form) {
	case DW_FORM_addr:
		return u->addr_size;
	case DW_FORM_ref_addr:
		return u->version == 2 ? u->addr_size : u->off_size;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_strp_alt:
	case DW_FORM_GNU_ref_alt:
		return u->off_size;
	}
	return form <= MAX_FORM && sizes[form] ? sizes[form] - 1u : VARIES;
}

static void pass_form(const struct unit *u, struct cursor *c, unsigned form)
{
	unsigned n = size_of(u, form);

	if (n != VARIES) {
		pass(c, n);
		return;
	}
	switch (form) {
	case DW_FORM_string:
		pass_text(c);
		break;
	case DW_FORM_exprloc:
	case DW_FORM_block:
		pass(c, take_leb(c));
		break;
	case DW_FORM_block1:
		pass(c, take(c, 1));
		break;
	case DW_FORM_block2:
		pass(c, take(c, 2));
		break;
	case DW_FORM_block4:
		pass(c, take(c, 4));
		break;
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		take_leb(c);
		break;
	default:
		c->bad = true;
	}
}

/* ---- abbreviations -------------------------------------------------------------------------- */

static enum kind kind_of(uint64_t tag)
{
	switch (tag) {
	case DW_TAG_compile_unit:
	case DW_TAG_partial_unit:
	case DW_TAG_type_unit:
	case DW_TAG_skeleton_unit:
		return UNIT;
	case DW_TAG_subprogram:
		return FUNCTION;
	case DW_TAG_inlined_subroutine:
		return COPY;
	default:
		return OTHER;
	}
}

static bool is_name(unsigned name)
{
	return name == DW_AT_name || name == DW_AT_linkage_name || name == DW_AT_MIPS_linkage_name;
}

static bool is_wanted(enum kind kind, unsigned name)
{
	switch (kind) {
	case UNIT:
		return name == DW_AT_str_offsets_base || name == DW_AT_dwo_name ||
		       name == DW_AT_GNU_dwo_name;
	case FUNCTION:
		return is_name(name) || name == DW_AT_specification ||
		       name == DW_AT_abstract_origin;
	case COPY:
		return name == DW_AT_abstract_origin;
	default:
		return false;
	}
}

static void read_attrs(struct scan *s, struct cursor *c, struct abbrev *ab)
{
	uint32_t skip = 0;

	ab->first = (uint32_t)s->attrs.n;
	while (!c->bad) {
		uint64_t name = take_leb(c), form = take_leb(c);
		unsigned size;

		if (!name && !form)
			break;
		if (form == DW_FORM_implicit_const)
			take_leb(c);
		size = form <= UINT16_MAX ? size_of(&s->unit, (unsigned)form) : VARIES;
		if (size != VARIES && !is_wanted(ab->kind, (unsigned)name)) {
			skip += size;
			continue;
		}
		hvec_push(&s->attrs, (struct attr){(uint16_t)MIN(name, UINT16_MAX),
						   (uint16_t)MIN(form, UINT16_MAX), skip});
		skip = 0;
	}
	ab->n = (uint32_t)s->attrs.n - ab->first;
	ab->tail = skip;
}

static bool same_table(const struct unit *a, const struct unit *b)
{
	return a->end && a->abbrevs == b->abbrevs && a->version == b->version &&
	       a->addr_size == b->addr_size && a->off_size == b->off_size;
}

/* Compilers number them from 1 on. */
static bool read_abbrevs(struct scan *s)
{
	struct cursor c = {.end = s->abbrev.p + s->abbrev.n};
	uint64_t code;

	if (same_table(&s->of, &s->unit))
		return true;
	if (s->unit.abbrevs >= s->abbrev.n)
		return false;
	s->of = s->unit;
	s->abbrevs.n = s->attrs.n = 0;
	c.p = s->abbrev.p + s->unit.abbrevs;
	while ((code = take_leb(&c)) && !c.bad) {
		struct abbrev ab = {.kind = kind_of(take_leb(&c))};

		if (code != s->abbrevs.n + 1)
			return false;
		take(&c, 1);
		read_attrs(s, &c, &ab);
		hvec_push(&s->abbrevs, ab);
	}
	s->work += (uint64_t)(c.p - s->abbrev.p) - s->unit.abbrevs;
	return !c.bad && s->work <= MAX_WORK;
}

/* ---- entries -------------------------------------------------------------------------------- */

static bool text_is(const struct scan *s, const struct bytes *in, uint64_t off)
{
	return off < in->n && in->n - off > s->name.n &&
	       memcmp(in->p + off, s->name.p, s->name.n) == 0 && !in->p[off + s->name.n];
}

static bool index_is(struct scan *s, uint64_t index)
{
	const struct unit *u = &s->unit;
	uint64_t at = u->base + index * u->off_size;

	if (!u->has_base || index > s->offsets.n || u->base > s->offsets.n ||
	    at + u->off_size > s->offsets.n) {
		s->unknown = true;
		return false;
	}
	return text_is(s, &s->str,
		       u->off_size == 8 ? image_u64(s->offsets.p + at)
					: image_u32(s->offsets.p + at));
}

static bool name_is(struct scan *s, struct cursor *c, unsigned form)
{
	bool same = false;

	switch (form) {
	case DW_FORM_string:
		same = (size_t)(c->end - c->p) > s->name.n && !c->p[s->name.n] &&
		       memcmp(c->p, s->name.p, s->name.n) == 0;
		pass_text(c);
		return same;
	case DW_FORM_strp:
		return text_is(s, &s->str, take(c, s->unit.off_size));
	case DW_FORM_strx:
		return index_is(s, take_leb(c));
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
		return index_is(s, take(c, size_of(&s->unit, form)));
	}
	s->unknown = true;
	return false;
}

static uint64_t target_of(struct scan *s, struct cursor *c, unsigned form)
{
	switch (form) {
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
		return s->unit.start + take(c, size_of(&s->unit, form));
	case DW_FORM_ref_udata:
		return s->unit.start + take_leb(c);
	case DW_FORM_ref_addr:
		return take(c, size_of(&s->unit, form));
	}
	s->unknown = true;
	return 0;
}

static bool is_marked(const struct scan *s, uint64_t die)
{
	return s->named[die / 8] & (1u << (die % 8));
}

static void mark(struct scan *s, uint64_t die)
{
	s->nnamed += !is_marked(s, die);
	s->named[die / 8] |= (uint8_t)(1u << (die % 8));
}

static void add_ref(struct scan *s, enum kind kind, uint64_t die, uint64_t to)
{
	struct ref r = {.to = (uint32_t)to, .copy = kind == COPY};

	if (to >= s->info.n)
		return;
	r.from = (uint32_t)(kind == COPY ? s->unit.start : die) & INT32_MAX;
	hvec_push(&s->refs, r);
}

static void look_at(struct scan *s, struct cursor *c, enum kind kind, const struct attr *at,
		    uint64_t die)
{
	if (at->name == DW_AT_str_offsets_base && size_of(&s->unit, at->form) != VARIES) {
		s->unit.has_base = true;
		s->unit.base = take(c, size_of(&s->unit, at->form));
	} else if (kind == UNIT) {
		s->unknown = true; /* a part of it is in another file */
	} else if (!is_name(at->name)) {
		add_ref(s, kind, die, target_of(s, c, at->form));
	} else if (name_is(s, c, at->form)) {
		mark(s, die);
	}
}

static void read_entry(struct scan *s, struct cursor *c, const struct abbrev *ab, uint64_t die)
{
	for (uint32_t i = 0; i < ab->n && !c->bad && !s->unknown; i++) {
		const struct attr *at = &s->attrs.v[ab->first + i];

		pass(c, at->skip);
		if (is_wanted(ab->kind, at->name))
			look_at(s, c, ab->kind, at, die);
		else
			pass_form(&s->unit, c, at->form);
	}
	pass(c, ab->tail);
}

static bool read_entries(struct scan *s, struct cursor *c)
{
	while (c->p < c->end && !c->bad && !s->unknown) {
		uint64_t die = s->unit.end - (uint64_t)(c->end - c->p), code = take_leb(c);

		if (code > s->abbrevs.n)
			return false;
		if (code)
			read_entry(s, c, &s->abbrevs.v[code - 1], die);
	}
	return !c->bad && !s->unknown;
}

/* ---- units ---------------------------------------------------------------------------------- */

static uint64_t read_length(struct scan *s)
{
	const uint8_t *p = stream_next(&s->info, 4);

	if (!p || image_u32(p) != UINT32_MAX)
		return p ? image_u32(p) : 0;
	s->unit.off_size = 8;
	p = stream_next(&s->info, 8);
	return p ? image_u64(p) : 0;
}

/* Leaves the cursor at the first entry. */
static bool read_header(struct scan *s, struct cursor *c)
{
	struct unit *u = &s->unit;
	uint64_t length, type = DW_UT_compile;

	*u = (struct unit){.start = s->info.at, .off_size = 4};
	length = read_length(s);
	c->p = length ? stream_next(&s->info, length) : NULL;
	if (!c->p)
		return false;
	c->end = c->p + length;
	u->end = s->info.at;
	u->version = (uint16_t)take(c, 2);
	if (u->version >= 5) {
		type = take(c, 1);
		u->addr_size = (uint8_t)take(c, 1);
		u->abbrevs = take(c, u->off_size);
	} else {
		u->abbrevs = take(c, u->off_size);
		u->addr_size = (uint8_t)take(c, 1);
	}
	if (type == DW_UT_type)
		pass(c, 8 + u->off_size);
	return !c->bad && u->version >= 2 && u->version <= 5 && u->addr_size <= 8 &&
	       (type == DW_UT_compile || type == DW_UT_partial || type == DW_UT_type);
}

static bool read_units(struct scan *s)
{
	while (s->info.at < s->info.n) {
		struct cursor c = {0};

		if (!read_header(s, &c) || !read_abbrevs(s) || !read_entries(s, &c))
			return false;
	}
	return true;
}

/* Functions that are described in two places are one. */
static bool follow_refs(struct scan *s)
{
	size_t before = SIZE_MAX;

	for (unsigned i = 0; i < MAX_ROUNDS && before != s->nnamed; i++) {
		before = s->nnamed;
		VEC_EACH (struct ref, r, &s->refs)
			if (!r->copy && is_marked(s, r->to))
				mark(s, r->from);
	}
	return before == s->nnamed;
}

static void collect(struct scan *s, struct arena *a, struct dwarf_units *out)
{
	VEC(uint64_t) v = {0};

	VEC_EACH (struct ref, r, &s->refs)
		if (r->copy && is_marked(s, r->to) && (!v.n || v.v[v.n - 1] != r->from))
			vec_push(a, &v, r->from);
	out->all = false;
	out->v = v.v;
	out->n = v.n;
}

static void look_for(struct scan *s, struct image *m, struct arena *a, struct dwarf_units *out)
{
	if (!stream_open(m, ".debug_info", &s->info) || !load(m, ".debug_str", &s->str) ||
	    !load(m, ".debug_abbrev", &s->abbrev) || !load(m, ".debug_str_offsets", &s->offsets))
		return;
	s->named = calloc(1, s->info.n / 8 + 1);
	if (s->named && s->abbrev.n && read_units(s) && follow_refs(s))
		collect(s, a, out);
}

static bool is_plain(struct str name)
{
	return name.n && !memchr(name.p, '*', name.n) && !memchr(name.p, '?', name.n);
}

void dwarf_units_with_copies(const char *path, const struct elf_pattern *wanted, struct arena *a,
			     struct dwarf_units *out)
{
	struct scan s = {.name = wanted->text};
	struct image *m;

	*out = (struct dwarf_units){.all = true};
	if (wanted->demangled || !is_plain(wanted->text) || !(m = image_open(path, NULL)))
		return;
	look_for(&s, m, a, out);
	image_free(m);
	stream_close(&s.info);
	free(s.abbrev.made);
	free(s.str.made);
	free(s.offsets.made);
	free(s.named);
	hvec_release(&s.abbrevs);
	hvec_release(&s.attrs);
	hvec_release(&s.refs);
}
