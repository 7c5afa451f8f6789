/* Why a function of the kernel cannot be probed, by what is there under its name.
 *
 *   f.isra.0, f.constprop.0     the compiler made a copy of f whose arguments are others
 *   f.part.0                    the beginning of f is inlined into its callers, the rest is this
 *   f.cold                      code of f that seldom runs: no function
 *   f, not to be traced         notrace and noinstr code, or on the blacklist of kprobes
 *   nothing                     inlined everywhere, in a module that is not loaded, or no function
 */
#include "probe/probe.h"

const char *probe_why_none(struct sema *s, const char *prov, struct str func)
{
	struct arena *a = sema_arena(s);
	struct func_fate f;

	if (probe_is_glob(func))
		return "no function that can be traced has such a name";
	kernel_func_fate(sema_kernel(s), func, &f);
	if (f.copy)
		return arena_printf(a,
				    "the compiler made a copy of it, with arguments of its own: "
				    "kprobe:%s",
				    f.copy);
	if (f.part)
		return arena_printf(
			a,
			"its beginning is inlined into its callers; the rest is a function "
			"of its own: kprobe:%s",
			f.part);
	if (f.symbols)
		return f.blacklisted
			       ? "the kernel has it on its list of functions that probes would "
				 "crash "
				 "(/sys/kernel/debug/kprobes/blacklist): probe one that calls it"
			       : "the kernel has it, but it is not open to tracing (notrace or "
				 "noinstr "
				 "code): probe a function that calls it";
	if (f.cold)
		return "only its part that seldom runs has a symbol: the rest is inlined into its "
		       "callers, which can be probed";
	return "the function is not there: it is inlined into all of its callers, in a module that "
	       "is "
	       "not loaded, or not in this kernel";
}

bool probe_no_feature(struct sema *s, const struct attach_point *ap, const char *what)
{
	struct diag_msg *m = sema_report(s, E_FEATURE, ap->span, "%s", what);

	diag_help(m, "kprobe:, tracepoint: or rawtracepoint: probes may do: awl -l");
	return false;
}
