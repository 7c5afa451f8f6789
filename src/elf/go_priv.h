/* Private to src/elf: an opened Go program. */
#ifndef AWL_ELF_GO_PRIV_H
#define AWL_ELF_GO_PRIV_H

#include "elf/elf_priv.h"
#include "elf/go.h"

enum pcln_format { PCLN_1_2, PCLN_1_16, PCLN_1_18, PCLN_1_20 };

struct go {
	struct elf *f;
	struct arena *arena;
	char version[64];
	int minor;
	bool searched; /* the release was searched for in the data */
	enum pcln_format format;
	const uint8_t *tab; /* the pclntab, `ntab` bytes */
	size_t ntab;
	uint64_t tab_addr, text;
	uint64_t nfunc, names, records; /* offsets in the pclntab: of names, of functab */
	uint64_t pctab;                 /* the same of the pcdata, from 1.18 on */
	struct go_func *funcs;
	size_t nfuncs;
	struct strmap twins; /* name → the last function of it, plus one; then by twin[] */
	uint32_t *twin;      /* of each function: the one before it with its name, plus one */
	uint64_t more[8];    /* entries of runtime.morestack and its kin */
	size_t nmore;
	bool module_known, types_known; /* they have been looked for */
	uint64_t module;                /* address of the moduledata; 0: not found */
	uint64_t types;                 /* of runtime.types; 0: not found */
	bool funcdata_sought, funcdata_known;
	uint64_t funcdata; /* what offsets of funcdata are told from */
};

/* Bytes at a link-time address; NULL when they are not all in the file. */
const uint8_t *go_bytes(struct go *go, uint64_t addr, uint64_t n);
/* A pointer in the program's data: in position-independent programs it may be in the relocations
 * alone. */
bool go_pointer(struct go *go, uint64_t addr, uint64_t *out);
/* A name by its offset in the table of names; NULL. */
const char *go_name_at(const struct go *go, uint32_t offset);
/* From 1.18 on: where the function's pcdata `n` begins in the pctab, 0: it has none; and the
 * address of its funcdata `n`. */
uint32_t go_pcdata(const struct go *go, const struct go_func *fn, unsigned n);
bool go_funcdata(struct go *go, const struct go_func *fn, unsigned n, uint64_t *out);
void go_read_version(struct go *go);
void go_check_version(struct go *go); /* when the table has been found */
/* Out of the moduledata: the address of runtime.types, and what funcdata is told from. */
bool go_module_types(struct go *go, uint64_t *out);
bool go_module_funcdata(struct go *go, uint64_t *out);
/* Does the function call or jump to `addr`? */
bool go_leads_to(struct go *go, const struct go_func *fn, uint64_t addr);

#endif
