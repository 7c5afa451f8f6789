/* Programs for the entry and the return of the same functions, joined. */
#ifndef AWL_COMPILE_SESSION_H
#define AWL_COMPILE_SESSION_H

#include "compile/program.h"

void session_pairs(struct program *p, struct kernel *k);

#endif
