/* Files that a compilation reads: as they are, recorded while they are read, or played back.
 *
 * A script's imports and headers are read through here. A recorded list answers the same questions
 * again where the files are not: what was not asked for then does not exist.
 *
 *   f.mode = FILES_RECORD;  files_read(&f, "lib.bt", &b, limit) …     then f is written to a file
 *   f.mode = FILES_REPLAY;  files_read(&f, "lib.bt", &b, limit)       the same text, from memory
 */
#ifndef AWL_BASE_FILES_H
#define AWL_BASE_FILES_H

#include <stdint.h>
#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/vec.h"

enum files_mode { FILES_REAL, FILES_RECORD, FILES_REPLAY };
enum files_op { FILES_OP_READ, FILES_OP_ACCESS, FILES_OP_STAT, FILES_OP_LIST, FILES_OP_COUNT };

struct files_answer {
	enum files_op op;
	const char *path;
	int result; /* 0 or -errno */
	struct str data;
};

struct files {
	enum files_mode mode;
	struct arena *arena; /* of what is recorded */
	VEC(struct files_answer) answers;
};

struct files_stat {
	uint64_t dev, ino;
	uint32_t is_dir, is_open; /* everybody may write to it */
};

/* `f` may be NULL: the files as they are. 0 or -errno. */
int files_read(struct files *f, const char *path, struct buf *out, size_t limit);
bool files_exists(struct files *f, const char *path);
int files_stat(struct files *f, const char *path, struct files_stat *out);
/* Names in a directory, each with a NUL behind it. */
int files_list(struct files *f, const char *path, struct buf *out);

#endif
