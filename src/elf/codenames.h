/* Names of ranges of generated code, as perf maps and jitdumps tell them. Private to src/elf.
 *
 *   7f3a10001000 1c0 compiled first        Ranges overlap, where memory was used again: of those
 * that 7f3a10001100  80 compiled later        cover an address the latest wins. */
#ifndef AWL_ELF_CODENAMES_H
#define AWL_ELF_CODENAMES_H

#include "base/base.h"

struct code_name {
	uint64_t start, size;
	const char *name;
	uint32_t order; /* greater: later */
};

typedef VEC(struct code_name) code_names;

/* Before anything is looked for. What has the same start stays in order. */
void code_names_sort(code_names *v);
/* The name of an address, and how far it is from its start; NULL: none. */
const char *code_names_find(const code_names *v, uint64_t addr, uint64_t *offset);

#endif
