/* What the files of src/lang share; others include lang/lang.h only. */
#ifndef AWL_LANG_PRIV_H
#define AWL_LANG_PRIV_H

#include "lang/lang.h"

int binary_op_prec(enum binary_op op); /* 1 binds loosest */

#endif
