/* Are user stacks to be walked by frame pointers? Programs that are built without them have
 * registers of any content where the next frame should be.
 *
 *   gcc -O2 server.c              rows of .eh_frame are about rsp     by tables
 *   gcc -O2 -fno-omit-frame-…     rows of .eh_frame are about rbp     by frame pointers
 *   Go                            no .eh_frame                        by frame pointers
 *   Go with a part in C           .eh_frame of that part              in go probes by frame
 * pointers
 *
 * Known before the script runs are the files that it probes, the program of -c and the processes of
 * -p; one of them without frame pointers decides. Tables serve files with frame pointers as well,
 * so the choice is one for the script. Everything else is left to frame pointers, which cost
 * nothing to set up: scripts about all processes, kernels on which the verifier would have to walk
 * through every frame, and scripts with return probes, whose trampolines on the stack the tables
 * know nothing of. */
#include "elf/elf.h"
#include "sema/sema_priv.h"

#include <stdio.h>

enum { MAX_FILES = 16, MAX_EH_FRAME = 16 << 20 };

static bool file_lacks(const char *path)
{
	struct elf *f = elf_open(path, NULL);
	struct elf_section eh;
	struct elf_unwind u;
	bool lacks = false;

	if (f && elf_section_find(f, ".eh_frame", &eh) && eh.size <= MAX_EH_FRAME &&
	    elf_unwind_read(f, &u, NULL) == 0) {
		lacks = elf_unwind_lacks_bp(&u);
		elf_unwind_free(&u);
	}
	elf_close(f);
	return lacks;
}

/* The path, when it is of such a file. A file is looked into once. */
static const char *lacking(struct sema *s, const char *path)
{
	static const char no[] = "";
	const char *known = strmap_get(&s->frameless, str_of(path));

	if (!known && s->frameless.n == MAX_FILES)
		return NULL;
	if (!known) {
		path = arena_strdup(s->a, path);
		known = file_lacks(path) ? path : no;
		strmap_put(&s->frameless, str_of(path), (void *)known);
	}
	return known == no ? NULL : known;
}

static const char *lacking_probed(struct sema *s)
{
	const struct probe *p = s->probe;
	const char *found = NULL;

	for (size_t i = 0; p && p->prov->space == SPACE_USER && !found && i < p->ntargets; i++)
		if (p->targets[i].module && p->targets[i].module[0] == '/')
			found = lacking(s, p->targets[i].module);
	return found;
}

struct str sema_command_program(const struct sema *s)
{
	struct str rest = str_trim(str_of(s->in->command ? s->in->command : ""));

	return str_cut(&rest, ' ');
}

static const char *lacking_traced(struct sema *s)
{
	const struct sema_in *in = s->in;
	struct str program = sema_command_program(s);
	const char *found = NULL;
	char path[4096];

	if (program.n && elf_resolve(program, 0, path, sizeof(path), NULL) == 0)
		found = lacking(s, path);
	for (size_t i = 0; !found && i < in->whom.npids; i++)
		if (in->whom.pids[i] != in->child &&
		    elf_resolve(STR(""), in->whom.pids[i], path, sizeof(path), NULL) == 0)
			found = lacking(s, path);
	return found;
}

static bool has_trampolines(struct sema *s)
{
	for (size_t i = 0; i < s->probes.n; i++)
		if (s->probes.v[i]->prov->trampolines)
			return true;
	return false;
}

const char *sema_frameless(struct sema *s)
{
	const char *found;

	/* A program for other machines cannot know their files. */
	if (kernel_recording(s->in->kernel) || has_trampolines(s))
		return NULL;
	found = lacking_probed(s);
	return found ? found : lacking_traced(s);
}
