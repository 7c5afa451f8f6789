/* Names of generated code: /tmp/perf-PID.map. Private to src/elf. */
#ifndef AWL_ELF_PERFMAP_H
#define AWL_ELF_PERFMAP_H

#include "elf/elf.h"

struct perfmap;

/* Reads the map of a process; NULL when there is none that can be trusted. `unchanged`: the result
 * of an earlier reading; when the file has not changed since, NULL is returned. */
struct perfmap *perfmap_read(int pid, const struct perfmap *unchanged);
/* The map that a process of this user, in our root and pid namespace, left behind. */
struct perfmap *perfmap_read_left(int pid, uint32_t uid);
void perfmap_free(struct perfmap *m);
/* The name of an address, valid as long as the map. */
const char *perfmap_find(const struct perfmap *m, uint64_t addr, uint64_t *offset);
/* From the text of a file, for tests; takes the buffer over. */
struct perfmap *perfmap_parse(struct buf *text);

#endif
