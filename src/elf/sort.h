/* Sorting of many symbols, by an integer key or by name. Private to src/elf. */
#ifndef AWL_ELF_SORT_H
#define AWL_ELF_SORT_H

#include <stddef.h>
#include <stdint.h>

struct sort_item {
	uint64_t key;     /* sort_by_key: what to sort by; sort_by_name: scratch */
	const char *name; /* sort_by_name: NUL-terminated */
	uint32_t idx;     /* the caller's */
	uint32_t rank;    /* among equal keys or names: smaller first, then smaller idx */
};

void sort_by_key(struct sort_item *v, size_t n);
void sort_by_name(struct sort_item *v, size_t n);

#endif
