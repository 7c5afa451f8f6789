/* What the files of src/elf share about one opened binary. */
#ifndef AWL_ELF_PRIV_H
#define AWL_ELF_PRIV_H

#include "elf/image.h"

/* One table of symbols with its names. Every offset below `nstrs` is the start of a terminated
 * string: a table whose last name is not terminated is cut at its last NUL. */
struct symtab {
	const uint8_t *syms;
	size_t n;
	bool is64;
	const char *strs;
	size_t nstrs;
	const uint8_t *versym; /* one 16-bit version for each symbol, of .dynsym; or NULL */
};

struct symtab_entry {
	const char *name;
	uint64_t value, size;
	uint8_t type, bind;
	uint16_t shndx;
};

enum { MAX_SYMTABS = 4 };

struct func_places; /* symaddr.c */

struct elf {
	struct image *img;
	struct image *debug; /* the separate debug file */
	struct image *mini;  /* the unpacked .gnu_debugdata */
	struct arena *arena;
	struct symtab tabs[MAX_SYMTABS];
	size_t ntabs;
	bool tabs_known;
	unsigned finds; /* look-ups by name so far: after a few the sorted array pays */
	struct elf_func *funcs;
	size_t nfuncs;
	bool funcs_known, too_many;
	struct func_places *places; /* NULL: not made yet */
	struct usdt_site *sites;
	size_t nsites;
	bool sites_known;
	unsigned usdt_symbols; /* symbols looked up for USDT arguments, limited */
	int8_t go;             /* 0: not looked yet, 1: yes, -1: no */
	struct reader *reader; /* parses the file for us; NULL: not needed, or not yet */
	bool is_reader;        /* this process is it */
	struct err bad;        /* why symbols cannot be read */
	struct {               /* inlined.c */
		struct go *go; /* NULL: not looked at yet, or not readable */
		bool tried;
		struct strmap known; /* offset in the file → what is inlined there */
	} inlined;
};

struct elf *elf_of_image(struct image *m);

/* inlined.c: what it keeps. */
void inlined_free(struct elf *f);

/* Finds the debug file of `f` in the usual places and its MiniDebugInfo; each at most once. */
struct image *debug_find(struct image *m);
struct image *debug_mini(struct image *m);

void symtabs_load(struct elf *f);
/* The best symbol of a name, as versions and binding have it: a function, or any. */
bool symtab_scan(struct elf *f, struct str name, bool func, struct symtab_entry *out);
bool symtab_get(const struct symtab *t, size_t i, struct symtab_entry *out);

#define SYMTAB_MAX_FUNCS (4u << 20)
#define SYMTAB_MAX_NAME  8192 /* longer names are left out */

/* The same without a look at the name, of which `name` is the place in the table's names. */
struct symtab_raw {
	uint64_t value, size;
	uint32_t name;
	uint8_t type, bind;
	uint16_t shndx;
};
bool symtab_get_raw(const struct symtab *t, size_t i, struct symtab_raw *out);

/* Are its functions those of a Go program without symbols, told by the runtime's table? */
bool symtab_is_of_go(struct elf *f);
static inline bool symtab_is_func(uint8_t type)
{
	return type == STT_FUNC || type == STT_GNU_IFUNC;
}

void symaddr_free(struct elf *f);

#endif
