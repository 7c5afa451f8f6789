/* Unwinding without frame pointers: the maps between the programs, which walk (builtin/unwind.c),
 * and the runtime, which knows files and processes (runtime/unwind.c). Interface only.
 *
 *   procs     tgid → struct unwind_proc: executable mappings, by address
 *   images    number → a map of chunks: the rows of one file (elf.h, struct elf_unwind_row)
 *
 * The chunks of an image are a tree of three levels, so that three look-ups find any row:
 *
 *   0                    root      u32 pc[512]: where each index begins
 *   1 + i * 513          index i   u32 pc[512]: where each chunk of rows begins
 *   2 + i * 513 + j      rows      struct elf_unwind_row[256]
 *
 * Everything is searched by halving powers of two, so all places are filled: unused ones have the
 * greatest address (UNWIND_NEVER). What is found is the last that is not behind the address. */
#ifndef AWL_SEMA_UNWIND_H
#define AWL_SEMA_UNWIND_H

#include <stdint.h>

enum {
	UNWIND_CHUNK = 2048, /* bytes */
	UNWIND_FAN_LOG = 9,
	UNWIND_FAN = 1 << UNWIND_FAN_LOG, /* addresses in a root or index */
	UNWIND_ROWS_LOG = 8,
	UNWIND_ROWS = 1 << UNWIND_ROWS_LOG, /* rows in a chunk */
	UNWIND_MAPPINGS_LOG = 8,
	UNWIND_MAPPINGS = 1 << UNWIND_MAPPINGS_LOG, /* of a process; what is more is not unwound */
	UNWIND_PROCS = 16384,
	UNWIND_IMAGES = 4096, /* image 0: code without a table, walked by frame pointers */
};

#define UNWIND_NEVER (INT64_MAX) /* start of an unused mapping */

struct unwind_mapping {
	uint64_t start, len;
	uint64_t bias; /* address - bias is what rows have as pc */
	uint64_t image;
};

struct unwind_proc {
	struct unwind_mapping maps[UNWIND_MAPPINGS];
};

#endif
