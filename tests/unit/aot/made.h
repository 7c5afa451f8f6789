/* Kernels made for tests, and programs compiled ahead of time against them. */
#ifndef AWL_TESTS_AOT_MADE_H
#define AWL_TESTS_AOT_MADE_H

#include "aot/aot.h"

/* What one made kernel is like. Its struct task_struct has pid and comm, and `flag`, a bit-field;
 * it has a function vfs_read(struct task_struct *by, long count), and a module `disk` with
 * disk_write(struct disk *to), whose struct disk has a queue. */
struct made {
	uint32_t pid_at, comm_at, flag_bit; /* bytes, bytes, bits from the start */
	uint32_t pid_bytes;                 /* 0: there is no pid */
	const char *features;               /* names, one a line */
	unsigned types_before;              /* of the functions: their ids are higher */
	uint32_t queue_at;                  /* bytes */
	bool read_returns_long;             /* vfs_read() */
	bool no_module;                     /* `disk` has no types */
};

extern const struct made made_usual;

/* `dir` (at least 64 bytes) is filled with a directory that made_free() removes. */
struct kernel *made_kernel(const struct made *m, char *dir);
void made_free(struct kernel *k, const char *dir);

/* The file's bytes for a script; the test fails when it cannot be compiled. */
void made_build(struct kernel *k, const char *script, struct buf *out);

struct made_load {
	struct program *p;
	struct diag *diag;
	struct arena *arena;
	struct aot_report report;
	struct err e;
};
void made_load(struct kernel *k, struct str bytes, bool unsafe, struct made_load *out);
void made_load_free(struct made_load *l);

#endif
