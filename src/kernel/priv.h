/* What the files of src/kernel share: the state behind `struct kernel`, and small helpers.
 *
 * Every cache has a flag (or a pointer) that says whether it was tried: a failure is remembered
 * with its error and is not tried again. Nothing here is thread-safe: a `struct kernel` belongs to
 * the thread that compiles; what the event loop asks (kernel_ksym) must come from one thread too.
 */
#ifndef AWL_KERNEL_PRIV_H
#define AWL_KERNEL_PRIV_H

#include "kernel/kernel.h"

/* Open addressing over names that lie in BTF's own string section: a slot has the number of an
 * entry, 0 is free, and its name's hash, so that the names of others are not looked at. `slots` is
 * NULL until the index is built.
 *
 * Functions lie in BTF in the order of their names, mostly, and whoever lists them asks in that
 * order: the one behind the last that was found is looked at first. `later` has a bit for each type
 * that is perhaps not the first of its name, which is the one that is found. */
struct btf_slot {
	uint32_t what, hash;
};

struct btf_index {
	struct btf_slot *slots;
	uint32_t mask;
	uint32_t last; /* that was found; 0: none */
	uint8_t *later;
};

/* One enumerator: the `index`-th value of enum `id`. */
struct enumerator {
	uint32_t id, index;
};

/* A module whose types are part of the kernel's BTF here: ids `first` to `end` - 1 are `shift` less
 * in the kernel's own numbering. */
struct btf_module {
	char *name;
	uint32_t first, end, shift;
};

struct ksyms;
struct func_list;

struct kernel {
	struct kernel_paths paths;      /* owned copies */
	signed char has[FEATURE_COUNT]; /* 0 not tried, 1 yes, -1 no */

	struct btf *btf;
	bool btf_tried, btf_given; /* `btf` is what kernel_paths.given_btf has */
	struct err btf_err;
	struct btf_index by_type, by_func; /* slot: type id */
	struct btf_index by_enumerator;    /* slot: index into enumerators plus one */
	VEC(struct enumerator) enumerators;
	VEC(struct btf_module) modules;
	VEC(struct btf *) old_btfs; /* before modules came: names in use point into them */

	int tracefs; /* fd, -1 when not open */
	bool tracefs_tried;
	struct err tracefs_err;

	struct ksyms *syms;
	bool syms_tried;

	struct func_list *funcs; /* sorted, each once */

	struct facts *facts; /* of the compilation that is recorded; NULL: none */
	int facts_paused;

	uint32_t trap_ns[TRAP_COUNT];
	bool trap_tried, trap_measured;

	int cgroup_mount; /* fd of the cgroup v2 root, -1 */
	bool cgroup_tried;
};

/* Reads all of a file below `dirfd` (or AT_FDCWD); 0 or -errno. */
int kernel_read_at(int dirfd, const char *path, struct buf *out, size_t limit);

/* After a refused system call: adds what to do to `e`, when EPERM or EACCES has a known cause:
 * capabilities of `need` that are missing, a lockdown, a seccomp filter. */
void kernel_hint_refused(struct err *e, const int *need, size_t n);
void kernel_hint_bpf(struct err *e); /* for bpf(2) and perf_event_open(2) */

/* Sorted set of names that point into a buffer; for listings. */
struct name_list {
	VEC(const char *) names;
};
void names_sort(struct name_list *l); /* and removes duplicates */

bool btf_is_shown(const struct kernel *k); /* by the kernel itself */
void btf_index_free(struct btf_index *ix);
void ksyms_free(struct ksyms *s);
void funcs_free(struct func_list *l);
/* Calls fn for each text symbol in the order of the file; those of sections that kprobes refuse
 * only when `all`. */
int ksyms_each_text(struct kernel *k, bool all,
		    int (*fn)(void *arg, const char *module, const char *name), void *arg,
		    struct err *e);

#endif
