/* -d types: what sema found out, as text. */
#include "compile/assemble.h"

static const char *storage_text(enum map_storage s)
{
	switch (s) {
	case MAP_HASH:
		return "hash";
	case MAP_PERCPU_HASH:
		return "percpu hash";
	case MAP_SCALAR:
		return "scalar";
	case MAP_PERCPU_ARRAY:
		return "percpu array";
	}
	return "?";
}

static void dump_map(const struct map_sym *m, struct arena *a, struct buf *out)
{
	buf_printf(out, "map @%.*s", STR_ARG(m->name));
	if (m->key)
		buf_printf(out, "[%s]", type_text(a, m->key));
	buf_printf(out, ": %s (%s", m->value ? type_text(a, m->value) : "?",
		   storage_text(m->storage));
	if (m->key)
		buf_printf(out, ", %u entries", m->max_entries);
	buf_adds(out, ")\n");
}

static void dump_event(const struct event_def *e, struct arena *a, struct buf *out)
{
	buf_printf(out, "event %u %s: %u bytes", e->id, e->kind->name, e->size);
	for (uint32_t i = 0; i < e->nfields; i++)
		buf_printf(out, ", %s at %u", type_text(a, e->fields[i].type), e->fields[i].off);
	buf_addc(out, '\n');
}

static void dump_probe(const struct probe *p, struct buf *out)
{
	buf_printf(out, "probe %s (%zu target%s)\n", p->name, p->ntargets,
		   p->ntargets == 1 ? "" : "s");
	for (size_t i = 0; i < p->ntargets && i < 16; i++)
		buf_printf(out, "  %s\n", p->targets[i].name);
	if (p->ntargets > 16)
		buf_printf(out, "  … and %zu more\n", p->ntargets - 16);
}

void plan_dump(const struct plan *plan, struct arena *a, struct buf *out)
{
	for (size_t i = 0; i < plan->nprobes; i++)
		dump_probe(plan->probes[i], out);
	for (size_t i = 0; i < plan->nmaps; i++)
		dump_map(plan->maps[i], a, out);
	for (size_t i = 0; i < plan->nevents; i++)
		dump_event(plan->events[i], a, out);
}
