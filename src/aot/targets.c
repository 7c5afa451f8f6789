/* Attach points, resolved on the machine where the program runs: a symbol is elsewhere in another
 * build of a library, a wildcard matches other functions, an event may not exist. The providers do
 * it as they do for a script, with the same messages, from the attach points that the file has.
 *
 *   as in the file     uprobe:/bin/x:f  0x1180        here: 0x11c0     the place is taken over
 *                      kprobe:vfs_*     34 functions  here: 35         compiled again
 *
 * What tells one kind of place from another (a, b, c) may have decided what code was made, so it
 * must be the same; a provider's plan may have changed it afterwards, which is kept. */
#include "aot/priv.h"
#include "sema/sema.h"

static bool same_kind(const struct attach_target *a, const struct attach_target *b)
{
	return a->a == b->a && a->b == b->b && a->c == b->c && a->pid == b->pid &&
	       !a->addr == !b->addr && !a->ref_ctr == !b->ref_ctr;
}

static bool take(struct aot_target *t, const struct resolved_target *here)
{
	if (here->prov != t->prov || strcmp(here->t.name, t->before.name) != 0 ||
	    !same_kind(&here->t, &t->before))
		return false;
	t->after.name = here->t.name;
	t->after.module = here->t.module;
	t->after.symbol = here->t.symbol;
	t->after.addr = here->t.addr;
	t->after.ref_ctr = here->t.ref_ctr;
	return true;
}

static enum targets_result resolve(struct aot_program *ap, const struct compile_in *in)
{
	struct program *p = ap->p;
	struct sema_in s = {.arena = p->arena,
			    .diag = p->diag,
			    .kernel = in->kernel,
			    .types = p->types,
			    .config = &p->config,
			    .providers = providers,
			    .unsafe = in->unsafe};

	for (size_t i = 0; i < ap->ndecls; i++)
		if (!sema_resolve_again(&s, ap->decls[i].aps, ap->decls[i].naps, &ap->decls[i]))
			return TARGETS_FAILED;
	return TARGETS_OK;
}

static bool take_all(struct aot_program *ap)
{
	size_t n = 0;

	for (size_t i = 0; i < ap->ndecls; i++)
		n += ap->decls[i].targets.n;
	if (n != ap->p->ntargets)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct aot_target *t = &ap->targets[i];
		const struct resolved_decl *d = &ap->decls[t->decl];

		if (t->seq >= d->targets.n || !take(t, &d->targets.v[t->seq]))
			return false;
	}
	return true;
}

/* Each target belongs to one program, of its provider. */
static bool hand_out(struct aot_program *ap)
{
	struct program *p = ap->p;
	bool *taken = arena_array_of(p->arena, bool, p->ntargets + 1);

	p->target_names = arena_array_of(p->arena, const char *, p->ntargets + 1);
	for (size_t i = 0; i < p->nprogs; i++) {
		struct program_prog *g = &p->progs[i];

		for (size_t k = 0; k < g->ntargets; k++) {
			uint64_t id = g->targets[k].id;

			if (taken[id] || ap->targets[id].prov != g->prov)
				return false;
			taken[id] = true;
			g->targets[k] = ap->targets[id].after;
			g->targets[k].id = id;
			p->target_names[id] = g->targets[k].name;
		}
	}
	return true;
}

enum targets_result targets_resolve(struct aot_program *ap, const struct compile_in *in,
				    const char **why)
{
	enum targets_result r = resolve(ap, in);

	*why = "its probes are not the same here";
	if (r != TARGETS_OK)
		return r;
	return take_all(ap) && hand_out(ap) ? TARGETS_OK : TARGETS_DIFFER;
}
