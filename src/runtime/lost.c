/* What was lost, by cause, told at the end of a run.
 *
 * Programs count losses in the globals (u64 for each cause, and one for each map of the script),
 * the kernel those that no program saw (LOST_MISSED): printed + lost = happened. One line for each
 * cause with a number, what it means and what to do.
 */
#include <stdarg.h>

#include "runtime/priv.h"

static uint64_t counter(struct run *r, uint32_t off)
{
	uint64_t *p = run_global(r, off);

	return p ? __atomic_load_n(p, __ATOMIC_RELAXED) : 0;
}

static uint64_t map_lost(struct run *r, const struct program_map *m)
{
	return m->user && m->lost_off ? counter(r, m->lost_off) : 0;
}

uint64_t run_lost(struct run *r, enum lost cause)
{
	uint64_t n = 0;

	if (cause == LOST_MISSED)
		return links_missed(r) + ticker_missed(r);
	if (cause != LOST_MAP)
		return counter(r, r->p->lost_off + 8u * (uint32_t)cause);
	for (size_t i = 0; i < r->p->nmaps; i++)
		n += map_lost(r, &r->p->maps[i]);
	return n;
}

/* What was lost, to the caller and, where the format has it, as a record. */
static void __attribute__((format(printf, 5, 6)))
tell(struct run *r, const char *cause, const char *map, uint64_t n, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	if (run_ndjson(r))
		ndjson_lost(r, cause, map, n);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	run_tell(r, RUN_WARN, buf_cstr(&b));
	buf_release(&b);
}

static void report_ring(struct run *r, uint64_t n)
{
	struct buf b = BUF_INIT;

	if (run_json(r) && !run_ndjson(r)) {
		buf_printf(&b,
			   "{\"type\": \"lost_events\", \"count\": %" PRIu64
			   ", \"data\": {\"events\": %" PRIu64 "}}\n",
			   n, n);
		event_deliver(r, "lost_events", (struct str){b.p, b.n});
		buf_release(&b);
	}
	tell(r, "ring_buffer", NULL, n,
	     "Lost %" PRIu64 " event%s: the ring buffer (%" PRIu64 " KiB) was full; print less, "
	     "filter in the script, or raise the setting perf_rb_pages",
	     n, n == 1 ? "" : "s", r->ring.size >> 10);
}

static void report_maps(struct run *r)
{
	for (size_t i = 0; i < r->p->nmaps; i++) {
		const struct program_map *m = &r->p->maps[i];
		uint64_t n = map_lost(r, m);

		if (n)
			tell(r, "map", m->name, n,
			     "Lost %" PRIu64 " update%s of %s: the map was full (%u keys); "
			     "delete keys, or raise "
			     "the setting max_map_keys",
			     n, n == 1 ? "" : "s", m->name, m->spec.max_entries);
	}
}

/* Not a loss of events: -q leaves the message out. */
static void report_faults(struct run *r, uint64_t n)
{
	if (!r->o.quiet)
		tell(r, "fault", NULL, n,
		     "%" PRIu64 " read%s of the target's memory failed: the value is empty or 0 "
		     "(the page was not in memory, or the pointer was wrong)",
		     n, n == 1 ? "" : "s");
	else if (run_ndjson(r))
		ndjson_lost(r, "fault", NULL, n);
}

/* "Lost 3 stacks: why; what to do." */
struct loss {
	const char *kind; /* of the NDJSON record; NULL: none */
	const char *verb, *noun, *rest;
};

static const struct loss losses[] = {
	[LOST_STACK] = {"stack", "Lost", "stack",
			": the map of stacks was full; raise the setting max_map_keys"},
	[LOST_SCRATCH] =
		{"scratch", "Lost", "event",
		 ": too many probes were active inside one another on one processor; probe "
		 "fewer functions that call each other"},
	[LOST_CONTEND] = {"contention", "Lost", "map update",
			  ": too many processors wrote one key at once; use an aggregation (count, "
			  "min, max …) or more keys"},
	[LOST_LOOP] = {"loop", "Cut off", "loop",
		       ": the kernel ends loops that take too long (8388608 turns, or a quarter of "
		       "a second), and the rest of a body runs without what was left; take fewer "
		       "turns"},
	[LOST_MISSED] = {NULL, "Missed", "hit",
			 ": the kernel had no room for so many returns at once, or the probe was "
			 "hit inside of another; probe fewer functions, or entries only"},
	[LOST_UNPAIRED] = {NULL, "Left out", "return",
			   " of calls that had begun before the probe was there, or had no room in "
			   "the map of calls"},
};

static void report_loss(struct run *r, const struct loss *l, uint64_t n)
{
	const char *s = n == 1 ? "" : "s";

	if (l->kind)
		tell(r, l->kind, NULL, n, "%s %" PRIu64 " %s%s%s", l->verb, n, l->noun, s, l->rest);
	else
		run_message(r, RUN_WARN, "%s %" PRIu64 " %s%s%s", l->verb, n, l->noun, s, l->rest);
}

static void report_one(struct run *r, enum lost cause, uint64_t n)
{
	switch (cause) {
	case LOST_RING:
		report_ring(r, n);
		break;
	case LOST_FAULT:
		report_faults(r, n);
		break;
	case LOST_UNWOUND: /* no loss: a fact */
		run_message(r, RUN_WARN,
			    "%" PRIu64 " call%s did not return: a panic or runtime.Goexit ended %s",
			    n, n == 1 ? "" : "s", n == 1 ? "it" : "them");
		break;
	default:
		if (cause < ARRAY_SIZE(losses) && losses[cause].verb)
			report_loss(r, &losses[cause], n);
		break;
	}
}

static void report_mappings(struct run *r, uint64_t n)
{
	if (n)
		tell(r, "mappings", NULL, n,
		     "Lost %" PRIu64
		     " record%s of what processes mapped: frames of short-lived processes "
		     "may have no names",
		     n, n == 1 ? "" : "s");
}

static void report_packets(struct run *r, uint64_t n)
{
	if (n)
		run_message(r, RUN_WARN,
			    "Lost %" PRIu64
			    " packet%s of skboutput(): the ring of a processor was full; capture "
			    "fewer bytes, or filter in the script",
			    n, n == 1 ? "" : "s");
}

void lost_report(struct run *r)
{
	for (enum lost c = 0; c < LOST_COUNT; c++) {
		uint64_t n = run_lost(r, c);

		if (c == LOST_MAP)
			report_maps(r);
		else if (n)
			report_one(r, c, n);
	}
	guard_report(r);
	report_mappings(r, remember_lost(r));
	report_packets(r, packets_lost(r));
	if (r->bad_records)
		run_message(
			r, RUN_ERROR,
			"%" PRIu64
			" malformed records came through the ring buffer: this is a bug of awl, "
			"please report it",
			r->bad_records);
}
