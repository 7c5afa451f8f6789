/* watch(): watchpoints on addresses that are known only while the script runs.
 *
 *   uprobe:increment { watch(arg1, 0, 1); }     an event { addr }, the process is stopped
 *   watchpoint:increment+arg1:4:w { … }         its program is attached to every thread at addr,
 *                                               then the process goes on
 *
 * An address is watched once by each program, however often its event comes. A processor has four
 * debug registers: what does not fit is said once. */
#include <signal.h>

#include "runtime/priv.h"

static int find(const struct run *r, uint32_t which)
{
	for (uint32_t i = 0; i < r->p->nprogs; i++) {
		const struct program_prog *p = &r->p->progs[i];

		if (p->prov->attach_at && p->ntargets && p->targets[0].symbol &&
		    p->targets[0].c == which)
			return (int)i;
	}
	return -1;
}

static int attach(struct run *r, uint32_t i, uint64_t addr, struct err *e)
{
	const struct program_prog *p = &r->p->progs[i];
	const struct attach_prog ap = attach_prog_of(r, i);
	int ret = 0;

	r->cur_prog = i;
	r->cur_addr = addr;
	for (size_t k = 0; k < r->o.npids && ret == 0; k++)
		ret = p->prov->attach_at(&r->env, &ap, addr, r->o.pids[k], e);
	r->cur_addr = 0;
	return ret;
}

void watch_add(struct run *r, uint32_t which, uint64_t addr, bool stopped)
{
	struct err e = {0};
	int i = find(r, which);

	if (i >= 0 && !r->stop && addr && !links_have_addr(r, (uint32_t)i, addr) &&
	    attach(r, (uint32_t)i, addr, &e) < 0 && !r->watch_failed) {
		r->watch_failed = true;
		run_message(r, RUN_WARN, "%s%s%s", e.what, e.hint[0] ? ": " : "", e.hint);
	}
	for (size_t k = 0; stopped && k < r->o.npids; k++)
		kill(r->o.pids[k], SIGCONT);
}
