/* The storage of maps, once all types are known.
 *
 *   with keys       MAP_HASH, values updated in place     aggregations: one value for each CPU
 *   without         MAP_SCALAR { value; u64 set }         aggregations: one value for each CPU
 *
 * `let @m = lruhash(100)` chooses another kind of hash; an aggregation is kept for each CPU
 * whatever kind was declared. Maps are numbered in order of their names: that is the order they are
 * printed in. */
#include <stdlib.h>

#include "sema/sema_priv.h"

#define VALUE_MAX (1u << 20)

static int by_name(const void *a, const void *b)
{
	const struct map_sym *x = *(struct map_sym *const *)a, *y = *(struct map_sym *const *)b;
	int c = memcmp(x->name.p, y->name.p, MIN(x->name.n, y->name.n));

	return c ? c : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

static bool is_declared(const struct map_sym *m, const char *kind)
{
	return m->decl && str_is(m->decl->kind, kind);
}

static void plan_hash(struct sema *s, struct map_sym *m, bool agg)
{
	bool lru = is_declared(m, "lruhash") || is_declared(m, "percpulruhash");
	bool percpu = is_declared(m, "percpuhash") || is_declared(m, "percpulruhash");
	struct diag_msg *msg;

	m->max_entries = m->decl && m->decl->has_entries ? m->decl->entries
							 : s->in->config->max_map_keys;
	m->storage = agg ? MAP_PERCPU_HASH : MAP_HASH;
	m->bpf_type = agg ? (lru ? BPF_MAP_TYPE_LRU_PERCPU_HASH : BPF_MAP_TYPE_PERCPU_HASH)
			  : (lru ? BPF_MAP_TYPE_LRU_HASH : BPF_MAP_TYPE_HASH);
	if (!agg && percpu) {
		msg = sema_report(
			s, E_MAP_KIND, m->decl->kind_span,
			"@%.*s keeps values of type %s: one for each CPU would be ambiguous",
			STR_ARG(m->name), sema_type_text(s, m->value));
		diag_label(msg, m->first, "used here");
		diag_help(msg, "declare it as %s, or assign an aggregation such as count()",
			  lru ? "lruhash" : "hash");
	}
}

static void report_large(struct sema *s, const struct map_sym *m)
{
	bool key = m->key && m->key->size > VALUE_MAX;
	struct diag_msg *d = sema_report(s, E_SIZE, m->first, "the %s of @%.*s have %u bytes",
					 key ? "keys" : "values", STR_ARG(m->name),
					 key ? m->key->size : m->value_size);

	diag_primary(d, "at most %u are possible", (unsigned)VALUE_MAX);
	diag_help(d, "use shorter strings: str(p, 64), or config = { max_strlen = 64 }");
}

static void plan_one(struct sema *s, struct map_sym *m)
{
	bool agg = m->value->kind == TYPE_AGG;

	m->value_size = MAX(m->value->size, 1);
	if (m->keyed) {
		plan_hash(s, m, agg);
	} else if (agg) {
		m->storage = MAP_PERCPU_ARRAY;
		m->bpf_type = BPF_MAP_TYPE_PERCPU_ARRAY;
		m->max_entries = 1;
	} else {
		m->storage = MAP_SCALAR;
		m->bpf_type = BPF_MAP_TYPE_ARRAY;
		m->max_entries = 1;
		m->set_off = ALIGN_UP(m->value_size, 8);
		m->value_size = m->set_off + 8;
	}
	if (m->storage == MAP_PERCPU_HASH || m->storage == MAP_PERCPU_ARRAY)
		m->value_size = ALIGN_UP(m->value_size, 8);
	if (m->value_size > VALUE_MAX || (m->key && m->key->size > VALUE_MAX))
		report_large(s, m);
	m->lost_off = sema_global(s, 8);
}

static void warn_unused(struct sema *s)
{
	STRMAP_EACH (it, &s->map_decls) {
		struct map_decl *d = it->value;

		if (!strmap_get(&s->maps, it->key))
			sema_report(s, W_UNUSED, d->span, "the map @%.*s is never used",
				    STR_ARG(it->key));
	}
}

void sema_plan(struct sema *s)
{
	struct plan *p = s->plan;
	size_t n = 0;

	p->maps = arena_array_of(s->a, struct map_sym *, s->maps.n + 1);
	STRMAP_EACH (it, &s->maps) {
		struct map_sym *m = &((struct map_info *)it->value)->sym;

		if (m->value && m->value->kind != TYPE_POISON)
			p->maps[n++] = m;
	}
	p->nmaps = n;
	qsort(p->maps, n, sizeof(*p->maps), by_name);
	for (size_t i = 0; i < n; i++) {
		p->maps[i]->index = i;
		plan_one(s, p->maps[i]);
	}
	warn_unused(s);
}
