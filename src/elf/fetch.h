/* Files of file systems that may not answer. Private to src/elf. */
#ifndef AWL_ELF_FETCH_H
#define AWL_ELF_FETCH_H

#include "base/base.h"

bool fetch_wanted(int fd);
/* A descriptor of a copy in memory, or -errno; `fd` stays the caller's. */
int fetch_file(int fd, uint64_t size, const char *path, struct err *e);

#endif
