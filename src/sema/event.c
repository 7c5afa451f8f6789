/* Event records, global memory, strings of the program: what builtins ask sema for.
 *
 *      0        4
 *     +--------+----------+----------------------+
 *     | u32 id | field 0  | … natural alignment  |   the size is a multiple of 8
 *     +--------+----------+----------------------+
 *
 * An event belongs to one call in one program and keeps its id over the rounds; the types of its
 * fields may grow from round to round, so the layout is made anew each time. */
#include "sema/sema_priv.h"

#define RECORD_MAX (1u << 20)

static void layout(struct sema *s, struct event_def *def, const struct type *const *types,
		   uint32_t n)
{
	uint32_t off = sizeof(uint32_t);

	if (def->nfields != n || !def->fields)
		def->fields = arena_array_of(s->a, struct event_field, n + 1);
	def->nfields = n;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t align = types[i]->align ? types[i]->align : 1;

		off = ALIGN_UP(off, align);
		def->fields[i] = (struct event_field){types[i], off};
		off += types[i]->size;
	}
	def->size = ALIGN_UP(off, 8);
}

struct event_def *sema_event(struct sema *s, struct expr *call, const struct event_kind *kind,
			     const struct type *const *fields, uint32_t nfields)
{
	struct call_sem *cs = sema_call(s, call);
	struct diag_msg *m;

	if (!cs->event) {
		cs->event = arena_new_of(s->a, struct event_def);
		cs->event->id = s->events.n;
		cs->event->map = NO_MAP;
		cs->event->span = call->span;
		if (kind->control)
			cs->event->pending_off = sema_global(s, 8);
		vec_push(s->a, &s->events, cs->event);
	}
	cs->event->kind = kind;
	layout(s, cs->event, fields, nfields);
	if (cs->event->size > RECORD_MAX) {
		m = sema_report(s, E_SIZE, call->span,
				"this makes an event of %u bytes; at most %u are possible",
				cs->event->size, RECORD_MAX);
		diag_help(m, "lower max_strlen, or give str() and buf() a length");
	}
	return cs->event;
}

uint32_t sema_string(struct sema *s, const char *text)
{
	for (size_t i = 0; i < s->strings.n; i++)
		if (strcmp(s->strings.v[i], text) == 0)
			return i;
	vec_push(s->a, &s->strings, text);
	return s->strings.n - 1;
}

uint32_t sema_global(struct sema *s, uint32_t size)
{
	uint32_t off = s->plan->globals_size;

	s->plan->globals_size += ALIGN_UP(size, 8);
	return off;
}

void sema_need_unwind(struct sema *s, const char *frameless)
{
	s->plan->needs_unwind = true;
	if (frameless)
		s->plan->frameless = frameless;
}

struct own_map *sema_own_map(struct sema *s, const char *name, enum bpf_map_type type,
			     uint32_t *index)
{
	struct own_map *m = arena_new_of(s->a, struct own_map);

	m->name = name;
	m->type = type;
	*index = (uint32_t)s->plan->own_maps.n;
	vec_push(s->a, &s->plan->own_maps, m);
	return m;
}

void sema_need_stack(struct sema *s, uint32_t limit)
{
	s->plan->needs_stackmap = true;
	s->plan->stack_limit = MAX(s->plan->stack_limit, limit);
}

void sema_exits(struct sema *s)
{
	s->plan->uses_exit = true;
}

void sema_need_packets(struct sema *s)
{
	s->plan->needs_packets = true;
}
