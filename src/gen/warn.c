/* Warnings of a run (-k): a helper of the kernel that failed, and where in the script.
 *
 *   str(8) with nothing there   →   an event { id, i32 -14 } of the kind helper_error, whose text
 *                                   is the helper's name
 *
 * The events are made while code is generated, one for each place and helper, behind those of the
 * script's own statements. Without -k there is neither code nor event. */
#include <string.h>
#include "gen/gen_impl.h"

static void handle(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	int32_t code;

	memcpy(&code, (const char *)rec + def->fields[0].off, sizeof(code));
	h->helper_error(h, def, code);
}

static const struct event_kind kind_helper_error = {.name = "helper_error", .handle = handle};

static struct event_def *make(struct gen *g, const char *helper)
{
	struct arena *a = g->in->arena;
	struct plan *p = g->in->plan;
	struct event_def *def = arena_new_of(a, struct event_def);
	struct event_def **all = arena_array_of(a, struct event_def *, p->nevents + 1);

	def->fields = arena_new_of(a, struct event_field);
	def->fields[0] = (struct event_field){type_int(g->in->types, 4, true), 4};
	def->nfields = 1;
	def->size = 8;
	def->id = (uint32_t)p->nevents;
	def->kind = &kind_helper_error;
	def->map = NO_MAP;
	def->text = helper;
	def->span = g->b.span;
	if (p->nevents)
		memcpy(all, p->events, p->nevents * sizeof(*all));
	all[p->nevents++] = def;
	p->events = all;
	return def;
}

/* A probe may be generated twice: its events are those of the first time. */
static struct event_def *event_of(struct gen *g, const char *helper)
{
	const struct plan *p = g->in->plan;

	for (size_t i = 0; i < p->nevents; i++) {
		struct event_def *d = p->events[i];

		if (d->kind == &kind_helper_error && d->span.file == g->b.span.file &&
		    d->span.off == g->b.span.off && d->span.len == g->b.span.len &&
		    strcmp(d->text, helper) == 0)
			return d;
	}
	return make(g, helper);
}

bool gen_warns(const struct gen *g)
{
	return g->in->plan->config->helper_warnings;
}

void gen_warn(struct gen *g, const char *helper, ir_val code)
{
	struct event_build ev;

	if (!gen_warns(g))
		return;
	ev = gen_event_begin(g, event_of(g, helper));
	ir_store(&g->b, 4, ev.rec, (int32_t)ev.def->fields[0].off, code);
	gen_event_submit(g, &ev);
}
