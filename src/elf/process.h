/* What the symbolizer knows about processes and the files they map. Private to src/elf.
 *
 *   symbolizer ─ processes (by pid) ─ spaces (oldest first) ─ mappings ─ mapped_file ─ module
 *   symbolize.c  process.c            space.c                            module.c      struct elf
 */
#ifndef AWL_ELF_PROCESS_H
#define AWL_ELF_PROCESS_H

#include <sys/stat.h>
#include "elf/jitdump.h"
#include "elf/perfmap.h"
#include "elf/space.h"

/* A file by its device, inode and time of change. */
struct module {
	dev_t dev;
	ino_t ino;
	struct timespec mtime;
	struct elf *elf; /* NULL: not readable, no names */
};

/* A process has a space for each program that it has been, newest last. */
enum { MAX_SPACES = 8 };

struct process {
	int pid, parent; /* parent 0: unknown */
	uint64_t start_time;
	uint64_t read_at, checked_at; /* ms */
	uint64_t reread_ms;           /* how long to wait before the next reading */
	struct space *spaces[MAX_SPACES];
	unsigned nspaces;
	bool followed;   /* every mapping comes through symbolizer_mapping() */
	uint32_t exited; /* not 0: how many had exited when it did */
	struct perfmap *perfmap;
	struct jitdump *jitdump;
	uint64_t generated_at, generated_ms; /* when looked at last, how long to wait */
	bool jit_known;   /* it has generated code, is in our root and pid namespace … */
	uint32_t jit_uid; /* … and is this user's: what it left behind can be told */
};

struct symbolizer {
	struct arena *arena;
	bool demangle;
	struct strmap names;             /* mangled → demangled */
	VEC(struct process *) processes; /* sorted by pid */
	VEC(struct module *) modules;
	VEC(struct perfmap *) old_perfmaps; /* replaced, but their names are in use */
	VEC(struct jitdump *) old_jitdumps;
	struct strmap files;          /* "MODULE PATH" → struct mapped_file */
	struct strmap inodes;         /* "DEVICE INODE GENERATION PATH" → the same */
	VEC(struct module *) offered; /* modules known before anybody mapped them */
	bool following;               /* somebody tells us what processes do */
	uint32_t nexited, nkept;      /* exits so far, exited processes still in `processes` */
	void (*update)(void *arg);
	void *update_arg;
	void (*changed)(void *arg, int pid, bool gone);
	void *changed_arg;
	struct elf *vdso;
	bool vdso_tried;
};

/* symbolize.c: our own, of 64-bit programs; NULL */
struct elf *symbolizer_vdso(struct symbolizer *s);

/* process.c */
uint64_t now_ms(void);
struct process *process_get(struct symbolizer *s, int pid);
struct process *process_find(const struct symbolizer *s, int pid); /* NULL when unknown */
void process_free(struct process *p);
bool process_may_reread(const struct process *p);
/* Reads the mappings again. Of a process that is gone the old ones stay. */
void process_read(struct symbolizer *s, struct process *p);
/* Notices that a pid was used again. */
void process_check(struct symbolizer *s, struct process *p);
/* In the newest program of the process that has something there. */
const struct mapping *process_mapping(const struct process *p, uint64_t addr);

/* generated.c */
bool name_of_generated(struct symbolizer *s, struct process *p, uint64_t addr, struct symbol *out);
void process_forget_generated(struct symbolizer *s, struct process *p);

/* module.c */
/* Of a mapping read from /proc; `m` is that of the process now. */
struct mapped_file *file_of_proc_map(struct symbolizer *s, int pid, const struct proc_map *m);
/* Of a mapping that was told; the process may be gone. */
struct mapped_file *file_of_told(struct symbolizer *s, int pid, const struct sym_mapping *m);
/* The file's module, looked for now when it was not before. */
struct module *file_module(struct symbolizer *s, int pid, struct mapped_file *f);
/* Opens it anew, if it still is where it was; -1. */
int mapped_file_open(struct symbolizer *s, int pid, const struct mapped_file *f);

#endif
