/* What was inlined at a place of a file. The answers are kept: stacks come by the same places. */
#include "elf/elf_priv.h"
#include "elf/go.h"
#include "elf/remote.h"

#include <string.h>

struct answer {
	size_t n;
	const char **names;
};

static struct go *go_of(struct elf *f)
{
	if (!f->inlined.tried) {
		f->inlined.tried = true;
		f->inlined.go = go_open(f, NULL);
	}
	return f->inlined.go;
}

/* In this process. */
static size_t look(struct elf *f, uint64_t offset, const char **out)
{
	struct go *go = go_of(f);
	uint64_t addr;

	return go && elf_offset_to_addr(f, offset, &addr)
		       ? go_inlined_at(go, addr, out, ELF_MAX_INLINED)
		       : 0;
}

static struct answer *answer(struct elf *f, uint64_t offset)
{
	const char *names[ELF_MAX_INLINED];
	struct answer *a = arena_new_of(f->arena, struct answer);

	*a = (struct answer){0};
	a->n = remote_wanted(f) ? remote_inlined(f, offset, names) : look(f, offset, names);
	a->names = arena_memdup(f->arena, names, MAX(a->n, 1u) * sizeof(*names));
	return a;
}

size_t elf_inlined_at(struct elf *f, uint64_t offset, const char *const **names)
{
	struct str key = {(const char *)&offset, sizeof(offset)};
	struct answer *a;

	*names = NULL;
	if (!elf_is_go(f))
		return 0;
	if (!f->inlined.known.arena)
		strmap_init(&f->inlined.known, f->arena);
	a = strmap_get(&f->inlined.known, key);
	if (!a) {
		a = answer(f, offset);
		key.p = arena_memdup(f->arena, &offset, sizeof(offset));
		strmap_put(&f->inlined.known, key, a);
	}
	*names = a->names;
	return a->n;
}

void inlined_free(struct elf *f)
{
	go_close(f->inlined.go);
}
