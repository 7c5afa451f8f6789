/* What is said while many places are attached to or let go of, one after the other: kernels without
 * multi links take milliseconds for each.
 *
 *   Attaching: 1200 of 5000 places
 *
 * Nothing in the first two seconds, then a line every two seconds. */
#include "runtime/priv.h"

#define EVERY 2000000000ull

bool progress_due(struct progress *p, uint64_t now)
{
	if (!p->next)
		p->next = now + EVERY;
	if (now < p->next)
		return false;
	p->next = now + EVERY;
	return true;
}

void progress_say(struct run *r, const char *what, size_t done, size_t all)
{
	if (r->o.quiet)
		return;
	if (progress_due(&r->progress, clock_ns(CLOCK_MONOTONIC)))
		run_message(r, RUN_INFO, "%s: %zu of %zu places", what, done, all);
}
