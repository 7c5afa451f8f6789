/* The functions of a Go program, out of its pclntab.
 *
 *   0      magic u32, 0, 0, quantum, pointer size
 *   8      words: nfunc nfiles [text] names cu files pc functab       (1.16; text from 1.18 on)
 *                 nfunc, and the functab follows                      (1.2 to 1.15)
 *   functab      { entry, record } …, and one entry more for the end
 *                u64 addresses up to 1.17, u32 offsets from `text` since
 *   record       entry, i32 name, i32 args, u32 deferreturn, pcsp, pcfile, pcln, npcdata, cu,
 *                [startline,] u8 funcID, flag, pad, nfuncdata; u32 pcdata[], u32 funcdata[]
 *
 * `text` is the address of runtime.text. The header's word for it is a relocation in
 * position-independent programs and 0 from 1.26 on; there the symbol tells, or the moduledata.
 *
 * Example: `main.main` at 0x47e140 with the record at 0x1a2c0 of the table. */
#include "elf/go_priv.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEAD = 8,
	MAX_FUNCS = 4 << 20,
	FLAG_ASM = 4,
	ARG_INFO = 5, /* number of the funcdata */
	MAX_PCDATA = 64,
	MODULE_TEXT = 22,
	TOO_FAR = 0xfb, /* marks in the words of arguments */
	DOTS,
	BLOCK_END,
	BLOCK_BEGIN,
};

/* ---- finding it ---------------------------------------------------------------------------- */

static bool is_header(const uint8_t *p)
{
	switch (image_u32(p)) {
	case 0xfffffffb:
	case 0xfffffffa:
	case 0xfffffff0:
	case 0xfffffff1:
		return p[4] == 0 && p[5] == 0 && (p[6] == 1 || p[6] == 4) && p[7] == 8;
	default:
		return false;
	}
}

static bool take_table(struct go *go, const struct image_sect *s, uint64_t at)
{
	const uint8_t *p = image_section_data(go->f->img, s);

	if (!p || s->size < 128 || at > s->size - 128 || !is_header(p + at))
		return false;
	go->tab = p + at;
	go->ntab = s->size - at;
	go->tab_addr = s->addr + at;
	return true;
}

/* Programs linked by another linker have it somewhere in the middle. */
static bool scan_section(struct go *go, const char *name)
{
	const struct image_sect *s = image_section(go->f->img, name);

	for (uint64_t at = 0; s && s->size >= 128 && at <= s->size - 128; at += 32)
		if (take_table(go, s, at))
			return true;
	return false;
}

static bool find_table(struct go *go)
{
	static const char *const names[] = {".gopclntab", ".data.rel.ro.gopclntab"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct image_sect *s = image_section(go->f->img, names[i]);

		if (s && take_table(go, s, 0))
			return true;
	}
	return scan_section(go, ".data.rel.ro") || scan_section(go, ".rodata");
}

/* ---- the header ---------------------------------------------------------------------------- */

static uint64_t word(const struct go *go, unsigned i)
{
	return image_u64(go->tab + HEAD + 8ul * i);
}

static bool is_text(struct go *go, uint64_t addr)
{
	uint64_t offset;

	return addr && image_addr_to_offset(go->f->img, addr, &offset) &&
	       image_offset_is_text(go->f->img, offset);
}

static bool find_text(struct go *go)
{
	const struct image_sect *module = image_section(go->f->img, ".go.module");
	uint64_t size;

	if (elf_sym_find(go->f, STR("runtime.text"), &go->text, &size) && is_text(go, go->text))
		return true;
	if (go_pointer(go, go->tab_addr + HEAD + 16, &go->text) && is_text(go, go->text))
		return true;
	return module && go_pointer(go, module->addr + 8 * MODULE_TEXT, &go->text) &&
	       is_text(go, go->text);
}

static bool read_header(struct go *go)
{
	go->nfunc = word(go, 0);
	switch (image_u32(go->tab)) {
	case 0xfffffffb:
		go->format = PCLN_1_2;
		go->records = HEAD + 8;
		break;
	case 0xfffffffa:
		go->format = PCLN_1_16;
		go->names = word(go, 2);
		go->records = word(go, 6);
		break;
	default:
		go->format = image_u32(go->tab) == 0xfffffff0 ? PCLN_1_18 : PCLN_1_20;
		go->names = word(go, 3);
		go->pctab = word(go, 6);
		go->records = word(go, 7);
	}
	return go->nfunc && go->nfunc <= MAX_FUNCS && go->names < go->ntab &&
	       go->records < go->ntab &&
	       (go->nfunc + 1) * 16 <=
		       (go->format < PCLN_1_18 ? 1u : 2u) * (go->ntab - go->records);
}

/* ---- functions ----------------------------------------------------------------------------- */

/* Entry `i` of the functab: the address, and the place of the record in the table. */
static uint64_t entry_of(const struct go *go, uint64_t i, uint64_t *record)
{
	const uint8_t *p = go->tab + go->records;

	if (go->format >= PCLN_1_18) {
		*record = go->records + image_u32(p + 8 * i + 4);
		return go->text + image_u32(p + 8 * i);
	}
	*record = image_u64(p + 16 * i + 8);
	if (go->format == PCLN_1_16)
		*record += go->records;
	return image_u64(p + 16 * i);
}

static size_t entry_size(const struct go *go)
{
	return go->format >= PCLN_1_18 ? 4 : 8;
}

const char *go_name_at(const struct go *go, uint32_t offset)
{
	uint64_t at = go->names + offset;

	if (at >= go->ntab)
		return NULL;
	return memchr(go->tab + at, 0, MIN(go->ntab - at, 4096u)) ? (const char *)go->tab + at
								  : NULL;
}

/* Place of funcID in a record: the flag is behind it. */
static size_t id_offset(const struct go *go)
{
	return entry_size(go) + (go->format == PCLN_1_2 ? 28 : go->format == PCLN_1_20 ? 36 : 32);
}

static const char *name_of(const struct go *go, uint64_t record)
{
	if (record > go->ntab || go->ntab - record < id_offset(go) + 4)
		return NULL; /* its fixed part, up to the count of its funcdata, is not there */
	return go_name_at(go, image_u32(go->tab + record + entry_size(go)));
}

static void add_func(struct go *go, uint64_t i)
{
	struct go_func *fn = &go->funcs[go->nfuncs];
	uint64_t record, next;

	fn->addr = entry_of(go, i, &record);
	fn->name = name_of(go, record);
	fn->size = entry_of(go, i + 1, &next) - fn->addr;
	fn->record = record;
	if (!fn->name || !fn->name[0] || fn->size > 1u << 26 ||
	    !image_addr_to_offset(go->f->img, fn->addr, &fn->offset))
		return;
	fn->assembly = go->minor >= 17 && (go->tab[record + id_offset(go) + 1] & FLAG_ASM);
	go->nfuncs++;
	if (go->nmore < ARRAY_SIZE(go->more) && !strncmp(fn->name, "runtime.morestack", 17))
		go->more[go->nmore++] = fn->addr;
}

static int open_table(struct go *go, struct err *e)
{
	const char *path = elf_path(go->f);

	if (!elf_is_64(go->f) || !find_table(go))
		return err_plain(e, ENOENT, "%s has no table of Go functions (pclntab)", path);
	if (!read_header(go))
		return err_plain(e, EINVAL, "the table of Go functions of %s is damaged", path);
	go_check_version(go);
	if (go->format >= PCLN_1_18 && !find_text(go))
		return err_plain(e, EINVAL, "cannot find where the Go code of %s begins", path);
	go->funcs = calloc(go->nfunc, sizeof(*go->funcs));
	if (!go->funcs)
		BUG("out of memory");
	for (uint64_t i = 0; i < go->nfunc; i++)
		add_func(go, i);
	if (!go->nfuncs || !go->nmore)
		return err_plain(e, EINVAL, "the table of Go functions of %s makes no sense", path);
	return 0;
}

struct go *go_open(struct elf *f, struct err *e)
{
	struct go *go = calloc(1, sizeof(*go));

	if (!go)
		BUG("out of memory");
	go->f = f;
	go->arena = arena_new();
	go_read_version(go);
	if (open_table(go, e) == 0)
		return go;
	go_close(go);
	return NULL;
}

void go_close(struct go *go)
{
	if (!go)
		return;
	free(go->funcs);
	arena_free(go->arena);
	free(go);
}

size_t go_funcs(struct go *go, const struct go_func **out)
{
	*out = go->funcs;
	return go->nfuncs;
}

/* ---- names --------------------------------------------------------------------------------- */

static bool is_escaped_dot(const char *p)
{
	return p[0] == '%' && p[1] == '2' && (p[2] == 'e' || p[2] == 'E');
}

/* The next character of a name, which `*p` moves behind. */
static char next_char(const char **p)
{
	char c = **p;

	if (!is_escaped_dot(*p)) {
		*p += c != 0;
		return c;
	}
	*p += 3;
	return '.';
}

bool go_name_is(const char *name, struct str wanted, bool glob)
{
	const char *again_name = NULL;
	size_t i = 0, again = 0;

	for (;;) {
		const char *at = name;
		char c;

		if (glob && i < wanted.n && wanted.p[i] == '*') {
			again = ++i;
			again_name = name;
			continue;
		}
		c = next_char(&name);
		if (!c && i == wanted.n)
			return true;
		if (c && i < wanted.n && (wanted.p[i] == c || (glob && wanted.p[i] == '?'))) {
			i++;
			continue;
		}
		/* A wanted name may be spelled with the escape, too. */
		if (c && is_escaped_dot(at) && i + 3 <= wanted.n && !memcmp(wanted.p + i, at, 3)) {
			i += 3;
			continue;
		}
		if (!again_name || !*again_name)
			return false;
		next_char(&again_name);
		name = again_name;
		i = again;
	}
}

/* ---- functions of one name ----------------------------------------------------------------- */

static void find_twins(struct go *go)
{
	go->twin = arena_array_of(go->arena, uint32_t, go->nfuncs);
	strmap_init(&go->twins, go->arena);
	for (size_t i = 0; i < go->nfuncs; i++) {
		struct str name = str_of(go->funcs[i].name);

		go->twin[i] = (uint32_t)(uintptr_t)strmap_get(&go->twins, name);
		strmap_put(&go->twins, name, (void *)(uintptr_t)(i + 1));
	}
}

bool go_is_wrapper(struct go *go, const struct go_func *fn)
{
	uintptr_t i;

	if (!go->twin)
		find_twins(go);
	i = (uintptr_t)strmap_get(&go->twins, str_of(fn->name));
	for (; i; i = go->twin[i - 1])
		if (&go->funcs[i - 1] != fn && go_leads_to(go, fn, go->funcs[i - 1].addr))
			return true;
	return false;
}

/* ---- words of arguments -------------------------------------------------------------------- */

/* The base of funcdata: a symbol of the linker, "go:func.*" or in older releases "go.func.*";
 * stripped programs have lost it, the runtime's own table has not. */
static bool funcdata_base(struct go *go, uint64_t *out)
{
	uint64_t size;

	if (!go->funcdata_sought)
		go->funcdata_known = elf_sym_find(go->f, STR("go:func.*"), &go->funcdata, &size) ||
				     elf_sym_find(go->f, STR("go.func.*"), &go->funcdata, &size) ||
				     go_module_funcdata(go, &go->funcdata);
	go->funcdata_sought = true;
	*out = go->funcdata;
	return go->funcdata_known;
}

/* Word `n` of those behind the record's fixed part; UINT32_MAX: it is not in the table. */
static uint32_t record_word(const struct go *go, const struct go_func *fn, uint32_t n)
{
	uint64_t at = fn->record + id_offset(go) + 4 + 4ull * n;

	return at + 4 <= go->ntab ? image_u32(go->tab + at) : UINT32_MAX;
}

static uint32_t count_pcdata(const struct go *go, const struct go_func *fn)
{
	return image_u32(go->tab + fn->record + 28);
}

uint32_t go_pcdata(const struct go *go, const struct go_func *fn, unsigned n)
{
	return n < count_pcdata(go, fn) ? record_word(go, fn, n) : 0;
}

bool go_funcdata(struct go *go, const struct go_func *fn, unsigned n, uint64_t *out)
{
	uint32_t npcdata = count_pcdata(go, fn), offset;

	if (go->tab[fn->record + id_offset(go) + 3] <= n || npcdata > MAX_PCDATA)
		return false;
	offset = record_word(go, fn, npcdata + n);
	if (offset == UINT32_MAX || !funcdata_base(go, out))
		return false;
	*out += offset;
	return true;
}

static int read_words(const uint8_t *p, struct go_word *out, bool *all)
{
	const uint8_t *end = p + 4 * GO_WORDS;
	int n = 0;

	*all = true;
	while (p + 1 < end && *p != 0xff) {
		uint8_t c = *p++;

		if (c == BLOCK_BEGIN || c == BLOCK_END)
			continue;
		*all = *all && c != DOTS && c != TOO_FAR && n < GO_WORDS;
		if (c == DOTS || c == TOO_FAR)
			continue;
		if (*all)
			out[n++] = (struct go_word){c, *p};
		p++;
	}
	return p < end && *p == 0xff ? n : -1;
}

int go_arg_words(struct go *go, const struct go_func *fn, struct go_word *out, bool *all)
{
	const uint8_t *p;
	uint64_t at;

	*all = true;
	if (go->format < PCLN_1_18 || fn->assembly || !funcdata_base(go, &at))
		return -1;
	if (!go_funcdata(go, fn, ARG_INFO, &at))
		return 0; /* it has no arguments */
	p = go_bytes(go, at, 4 * GO_WORDS);
	return p ? read_words(p, out, all) : -1;
}
