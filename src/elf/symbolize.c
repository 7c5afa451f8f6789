/* Names of user addresses.
 *
 *   pid, addr ─ process ─→ mapping ─ file offset ─→ module ─ link-time address ─→ function
 *               process.c  space.c                  module.c, struct elf
 *                             └ code that a program made itself: generated.c
 *
 * Modules, and names of JIT-compiled code, live as long as the symbolizer: names of symbols point
 * into them. Example: 0x7f3a1c0a6010 in process 4711 is in libc.so.6, mapped from offset 0x26000 on
 * at 0x7f3a1c026000: file offset 0xa6010, `malloc`+0. */
#include "elf/elf_priv.h"
#include "elf/process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

enum { REREAD_MS = 10, REREAD_MAX_MS = 1000 };

struct symbolizer *symbolizer_new(void)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		BUG("out of memory");
	s->arena = arena_new();
	strmap_init(&s->names, s->arena);
	strmap_init(&s->files, s->arena);
	strmap_init(&s->inodes, s->arena);
	return s;
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->processes.n; i++)
		process_free(s->processes.v[i]);
	for (size_t i = 0; i < s->modules.n; i++) {
		elf_close(s->modules.v[i]->elf);
		free(s->modules.v[i]);
	}
	for (size_t i = 0; i < s->old_perfmaps.n; i++)
		perfmap_free(s->old_perfmaps.v[i]);
	for (size_t i = 0; i < s->old_jitdumps.n; i++)
		jitdump_free(s->old_jitdumps.v[i]);
	hvec_release(&s->processes);
	hvec_release(&s->modules);
	hvec_release(&s->offered);
	hvec_release(&s->old_perfmaps);
	hvec_release(&s->old_jitdumps);
	elf_close(s->vdso);
	arena_free(s->arena);
	free(s);
}

void symbolizer_demangle(struct symbolizer *s, bool on)
{
	s->demangle = on;
}

/* ---- names ---- */

static const char *display_name(struct symbolizer *s, const char *name)
{
	const char *text;

	if (!s->demangle || name[0] != '_')
		return name;
	text = strmap_get(&s->names, str_of(name));
	if (!text) {
		text = elf_demangle(s->arena, name);
		strmap_put(&s->names, str_of(name), (void *)text);
	}
	return text;
}

/* The kernel maps one vDSO into all processes of a class; ours is the one of 64-bit programs. */
struct elf *symbolizer_vdso(struct symbolizer *s)
{
	const uint8_t *p = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	struct arena *scratch;
	map_vec maps = {0};

	if (s->vdso_tried || !p)
		return s->vdso;
	s->vdso_tried = true;
	scratch = arena_new();
	maps_read(scratch, getpid(), &maps);
	for (size_t i = 0; i < maps.n; i++)
		if (maps.v[i].start == (uintptr_t)p)
			s->vdso = elf_open_memory(p, maps.v[i].end - maps.v[i].start, "[vdso]",
						  NULL);
	hvec_release(&maps);
	arena_free(scratch);
	return s->vdso;
}

static bool name_in_elf(struct symbolizer *s, struct elf *f, uint64_t offset, struct symbol *out)
{
	struct elf_func fn;
	uint64_t addr;

	if (!f || !elf_func_at(f, offset, &fn) || !elf_offset_to_addr(f, offset, &addr))
		return false;
	out->name = display_name(s, fn.name);
	out->offset = addr - fn.addr;
	return true;
}

static const struct mapping *find_mapping(struct symbolizer *s, struct process *p, uint64_t addr)
{
	const struct mapping *m;

	process_check(s, p);
	m = process_mapping(p, addr);
	if (!m && process_may_reread(p)) {
		process_read(s, p);
		m = process_mapping(p, addr);
		p->reread_ms = m ? REREAD_MS : MIN(p->reread_ms * 2, REREAD_MAX_MS);
	}
	return m;
}

bool symbolizer_user(struct symbolizer *s, int pid, uint64_t addr, struct symbol *out)
{
	const struct mapping *m;
	struct process *p;
	struct module *module;

	*out = (struct symbol){.module = ""};
	if (s->update)
		s->update(s->update_arg);
	p = process_get(s, pid);
	m = find_mapping(s, p, addr);
	if (!m)
		return false;
	out->module = m->file->path;
	module = file_module(s, pid, m->file);
	if (module && module->elf) {
		out->file = module->elf;
		out->file_offset = addr - m->start + m->offset;
		return name_in_elf(s, out->file, out->file_offset, out);
	}
	if (strcmp(m->file->path, "[vdso]") == 0)
		return m->start >> 32 && name_in_elf(s, symbolizer_vdso(s), addr - m->start, out);
	return name_of_generated(s, p, addr, out);
}
