/* What the tests of src/elf share. */
#ifndef ELF_TEST_H
#define ELF_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "elf/elf.h"

static inline const char *subject_path(void)
{
	const char *p = getenv("ELF_SUBJECT");

	if (!p)
		fail_msg("ELF_SUBJECT is not set: run by meson test");
	return p;
}

static inline struct elf *subject_open(void)
{
	struct err e = {0};
	struct elf *f = elf_open(subject_path(), &e);

	if (!f)
		fail_msg("%s", e.what);
	return f;
}

static inline struct elf_func must_find(struct elf *f, const char *name)
{
	struct elf_func fn;

	if (!elf_func_find(f, str_of(name), &fn))
		fail_msg("no function %s", name ? name : "(null)");
	return fn;
}

/* Everything a reader can be asked about a file. */
static inline void exercise(struct elf *f)
{
	const struct elf_func *funcs;
	const struct usdt_site *sites;
	struct placement place;
	struct elf_func fn;
	uint8_t id[64];
	uint64_t a, b;
	size_t n = 0;

	elf_func_find(f, STR("main"), &fn);
	elf_func_find(f, STR("memcpy@GLIBC_2.2.5"), &fn);
	elf_sym_find(f, STR("environ"), &a, &b);
	elf_is_go(f);
	elf_build_id(f, id, sizeof(id));
	if (elf_funcs(f, &funcs, &n, NULL) == 0)
		for (size_t i = 0; i < n && i < 20; i++) {
			elf_place(f, funcs[i].offset, funcs[i].size, PLACE_CALLS, &place);
			elf_place(f, funcs[i].offset + 3, funcs[i].size, PLACE_EXACT, &place);
			elf_func_at(f, funcs[i].offset + 1, &fn);
			elf_func_find(f, str_of(funcs[i].name), &fn);
		}
	elf_usdt(f, &sites, &n, NULL);
}

#endif
