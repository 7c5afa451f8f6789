/* The face of src/builtin: all families, each an array of rows ended by name == NULL, in the order
 * of the manual; NULL ends the list. */
#ifndef AWL_BUILTIN_TABLE_H
#define AWL_BUILTIN_TABLE_H

#include "sema/builtin.h"

extern const struct builtin *const builtin_families[];

#endif
