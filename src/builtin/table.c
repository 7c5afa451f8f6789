/* The families of builtins, in the order of the manual. A new builtin is a row in its family's
 * file; a new family is a line here and in builtin_priv.h. */
#include "builtin/builtin_priv.h"

const struct builtin *const builtin_families[] = {
	builtins_print,  builtins_agg,  builtins_hist,  builtins_tseries, builtins_mapctl,
	builtins_ctl,    builtins_proc, builtins_task,  builtins_time,    builtins_string,
	builtins_match,  builtins_buf,  builtins_stack, builtins_sym,     builtins_net,
	builtins_errno,  builtins_meta, builtins_reach, builtins_getopt,  builtins_report,
	builtins_packet, NULL,
};
