/* The families of builtins, in the order of the manual. A new builtin is a row in its family's
 * file; a new family is a line here and in builtin_priv.h. Views and kinds of events are found by
 * their names when a compiled program is read from a file. */
#include "builtin/builtin_priv.h"

const struct builtin *const builtin_families[] = {
	builtins_print,  builtins_agg,  builtins_hist,    builtins_tseries, builtins_mapctl,
	builtins_ctl,    builtins_proc, builtins_task,    builtins_time,    builtins_string,
	builtins_match,  builtins_buf,  builtins_stack,   builtins_sym,     builtins_net,
	builtins_errno,  builtins_meta, builtins_reach,   builtins_getopt,  builtins_report,
	builtins_packet, builtins_go,   builtins_golabel, builtins_govalue, NULL,
};

const struct view *const value_views[] = {
	&view_cgroup_path, &view_govalue,  &view_inet,      &view_kfunc,   &view_ksym,
	&view_mac,         &view_probe,    &view_probename, &view_seconds, &view_signal,
	&view_strerror,    &view_strftime, &view_syscall,   &view_ufunc,   &view_username,
	&view_usym,        NULL,
};

const struct event_kind *const event_kinds[] = {
	&kind_assert,  &kind_cat,       &kind_clear,  &kind_errorf,    &kind_exit,   &kind_join,
	&kind_print,   &kind_print_map, &kind_printf, &kind_skboutput, &kind_system, &kind_time,
	&kind_unwatch, &kind_watch,     &kind_warnf,  &kind_zero,      NULL,
};
