/* Private to src/compile: import statements. */
#ifndef AWL_COMPILE_IMPORT_H
#define AWL_COMPILE_IMPORT_H

#include "lang/ast.h"

/* The script with everything that it imports, directly and indirectly; `path` is its own, or no
 * file's name: then paths are relative to the working directory. `files`: base/files.h. */
struct script *import_all(struct arena *a, struct diag *d, struct files *files, struct script *s,
			  const char *path);

#endif
