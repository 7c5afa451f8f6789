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

/* A function's addresses, in order, for elf_func_at. */
struct func_range {
	uint64_t addr, size;
	uint32_t func; /* index into funcs */
};

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
	struct func_range *ranges;
	size_t nranges;
	bool ranges_known;
	struct usdt_site *sites;
	size_t nsites;
	bool sites_known;
	unsigned usdt_symbols; /* symbols looked up for USDT arguments, limited */
	int8_t go;             /* 0: not looked yet, 1: yes, -1: no */
	struct reader *reader; /* parses the file for us; NULL: not needed, or not yet */
	bool is_reader;        /* this process is it */
	struct err bad;        /* why symbols cannot be read */
};

struct elf *elf_of_image(struct image *m);

/* Finds the debug file of `f` in the usual places and its MiniDebugInfo; each at most once. */
struct image *debug_find(struct image *m);
struct image *debug_mini(struct image *m);

void symtabs_load(struct elf *f);
/* The best symbol of a name, as versions and binding have it: a function, or any. */
bool symtab_scan(struct elf *f, struct str name, bool func, struct symtab_entry *out);
bool symtab_get(const struct symtab *t, size_t i, struct symtab_entry *out);

#endif
