/* The list of providers, in the order of -l. */
#include "probe/probe.h"

const struct provider *const providers[] = {
	&provider_begin,         &provider_end,
	&provider_self,          &provider_test,
	&provider_bench,         &provider_tracepoint,
	&provider_software,      &provider_hardware,
	&provider_rawtracepoint, &provider_iter,
	&provider_profile,       &provider_interval,
	&provider_watchpoint,    &provider_asyncwatchpoint,
	&provider_uprobe,        &provider_uretprobe,
	&provider_usdt,          &provider_go,
	&provider_goret,         &provider_kprobe,
	&provider_kretprobe,     &provider_fentry,
	&provider_fexit,         NULL,
};

const struct provider *const provider_of_follow = &provider_tracepoint;
