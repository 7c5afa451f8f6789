/* Keys that are used more than once: `@start[tid]` in the predicate, in the body, in delete().
 *
 * A key that is one name whose value stays the same all through a program (tid, pid, cpu …) is
 * built once, in front of everything that uses it. Look-ups with it are then look-ups of one
 * object, which the optimiser merges.
 *
 *   /@start[tid]/ { @ = hist(nsecs - @start[tid]); delete(@start, tid); }      one pid_tgid, one
 * look-up
 */
#include "gen/gen_impl.h"

/* The builtin that is the one key of `map`, when its value cannot change. */
static const struct builtin *constant_key(const struct expr *map)
{
	const struct map_sym *m = map->sem;
	const struct expr *k = map->map.nkeys == 1 ? map->map.keys[0] : NULL;
	const struct call_sem *c;

	if (!k || !m || !m->key || !type_is_scalar(m->key))
		return NULL;
	if (k->kind != EXPR_IDENT && !(k->kind == EXPR_CALL && k->call.nargs == 0))
		return NULL;
	c = k->sem;
	if (k->folded || !c || c->kind != CALL_BUILTIN || (c->builtin->flags & BI_EFFECT))
		return NULL;
	return c->builtin;
}

static struct shared_key *find(struct gen *g, const struct builtin *bi, const struct type *t)
{
	for (unsigned i = 0; i < g->nkeys; i++)
		if (g->keys[i].builtin == bi && g->keys[i].type->size == t->size)
			return &g->keys[i];
	return NULL;
}

static void count_use(void *arg, struct expr *e)
{
	struct gen *g = arg;
	const struct builtin *bi = e->kind == EXPR_MAP ? constant_key(e) : NULL;

	if (!bi)
		return;
	const struct type *t = ((const struct map_sym *)e->sem)->key;
	struct shared_key *k = find(g, bi, t);
	if (!k && g->nkeys < ARRAY_SIZE(g->keys)) {
		k = &g->keys[g->nkeys++];
		*k = (struct shared_key){bi, t, e->map.keys[0]};
	}
	if (k)
		k->uses++;
}

void keys_plan(struct gen *g)
{
	if (g->p->pred)
		ast_walk_expr(g->p->pred, count_use, g);
	for (unsigned i = 0; i < g->nkeys; i++)
		g->keys[i].early = true;
	ast_walk_block(g->p->body, count_use, g);
}

void keys_build(struct gen *g, bool early)
{
	for (unsigned i = 0; i < g->nkeys; i++) {
		struct shared_key *k = &g->keys[i];
		if (k->uses < 2 || k->early != early)
			continue;
		k->object = ir_object(&g->b, k->type->size, MAX(k->type->align, 1u));
		gen_build(g, k->expr, val_mem(k->type, k->object, 0, SPACE_BPF), true);
	}
}

bool keys_find(struct gen *g, const struct expr *map, struct val *out)
{
	const struct builtin *bi = g->in_callback ? NULL : constant_key(map);
	const struct type *t = ((const struct map_sym *)map->sem)->key;
	const struct shared_key *k = bi ? find(g, bi, t) : NULL;

	if (!k || !k->object)
		return false;
	*out = val_mem(t, k->object, 0, SPACE_BPF);
	return true;
}
