/* /proc/PID/maps and files as a process sees them. Private to src/elf. */
#ifndef AWL_ELF_MAPS_H
#define AWL_ELF_MAPS_H

#include "elf/elf.h"

struct proc_map {
	uint64_t start, end, offset;
	uint64_t ino;
	uint32_t maj, min;
	bool exec, deleted;
	const char *path; /* "" for anonymous memory; "[vdso]" and the like */
};

typedef VEC(struct proc_map) map_vec;

/* Appends the mappings of a process; paths are in the arena. 0 or -errno. */
int maps_read(struct arena *a, int pid, map_vec *out);
/* One line of the file; false when it is none. `line` is cut and unescaped in place. */
bool maps_parse_line(char *line, struct proc_map *out);

/* Opens a path as the process sees it, never leaving its root. -errno on failure. */
int proc_open_in_root(int pid, const char *path, int flags);
/* Does the process see the same file system tree as we do? */
bool proc_shares_root(int pid);
/* Start time in clock ticks since boot; 0: no such process. With the pid it names one process. */
uint64_t proc_start_time(int pid);
/* A number of /proc/PID/status: the first ("Uid:"), or the last ("NSpid:") of the line. */
bool proc_status(int pid, const char *key, bool last, uint64_t *out);

#endif
