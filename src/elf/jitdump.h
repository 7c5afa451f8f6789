/* Names of generated code: jit-PID.dump. Private to src/elf. */
#ifndef AWL_ELF_JITDUMP_H
#define AWL_ELF_JITDUMP_H

#include <sys/stat.h>
#include "base/base.h"

struct jitdump;

/* Is this the name that jitdumps have? */
bool jitdump_is_name(const char *path);
struct jitdump *jitdump_new(void);
void jitdump_free(struct jitdump *d); /* NULL is fine */
/* Is it of this file, as far as that has been read? False for a new one. */
bool jitdump_is_of(const struct jitdump *d, const struct stat *st);
/* Reads what the file has more than when it was read before; does not take the descriptor. True:
 * there are new names. */
bool jitdump_read(struct jitdump *d, int fd, const char *path);
/* The name of an address, valid as long as the dump. */
const char *jitdump_find(const struct jitdump *d, uint64_t addr, uint64_t *offset);

#endif
