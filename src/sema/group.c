/* Targets to programs. A declaration's targets of one provider go into one program where the
 * provider says that they can share it, given what the body uses: the instructions are then loaded
 * once and attached many times. Each program gets a body of its own (a clone), since types may
 * differ from target to target (args.x of two tracepoints). */
#include "sema/sema_priv.h"

struct usage {
	struct sema *s;
	unsigned uses;
	VEC(const struct fn_decl *) fns; /* already looked at */
};

static bool is_argn(struct str name, unsigned *n)
{
	unsigned long long v;
	struct str digits = {name.p + 3, name.n - 3};

	if (name.n < 4 || name.n > 6 || memcmp(name.p, "arg", 3) != 0 || digits.p[0] < '0' ||
	    digits.p[0] > '9')
		return false;
	for (size_t i = 0; i < digits.n; i++)
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
	if (digits.n > 1 && digits.p[0] == '0')
		return false;
	if (!str_to_u64(digits, &v))
		return false;
	*n = v;
	return true;
}

bool sema_go_name(struct str name, unsigned *which)
{
	static const char *const names[] = {
		[GO_ID] = "goid",
		[GO_DEPTH] = "godepth",
		[GO_PARENT] = "goparent",
		[GO_START] = "gostart",
	};

	for (*which = 0; *which < ARRAY_SIZE(names); ++*which)
		if (str_is(name, names[*which]))
			return true;
	return false;
}

unsigned sema_name_uses(struct str name)
{
	unsigned n;

	if (str_is(name, "args"))
		return USES_ARGS;
	if (str_is(name, "retval"))
		return USES_RETVAL;
	if (str_is(name, "ctx"))
		return USES_CTX;
	if (sema_go_name(name, &n))
		return USES_GOID;
	if (str_is(name, "func"))
		return USES_FUNC;
	return is_argn(name, &n) ? USES_ARGN : 0;
}

static void use(void *arg, struct expr *e);

static void use_fn(struct usage *u, const struct fn_decl *f)
{
	for (size_t i = 0; i < u->fns.n; i++)
		if (u->fns.v[i] == f)
			return;
	vec_push(u->s->a, &u->fns, f);
	ast_walk_block(f->body, use, u);
}

static void use(void *arg, struct expr *e)
{
	struct usage *u = arg;
	const struct builtin *b;

	if (e->kind != EXPR_IDENT && e->kind != EXPR_CALL)
		return;
	if (sema_fn(u->s, call_name(e)))
		use_fn(u, sema_fn(u->s, call_name(e)));
	b = sema_builtin(u->s, call_name(e));
	u->uses |= b ? b->uses : 0;
	if (b && e->kind == EXPR_CALL && e->call.nargs)
		u->uses |= b->arg_uses;
	u->uses |= sema_name_uses(call_name(e));
}

static unsigned body_uses(struct sema *s, const struct probe_decl *decl)
{
	struct usage u = {.s = s};

	ast_walk_expr(decl->pred, use, &u);
	ast_walk_block(decl->body, use, &u);
	return u.uses;
}

unsigned sema_block_uses(struct sema *s, struct block *b)
{
	struct usage u = {.s = s};

	ast_walk_block(b, use, &u);
	return u.uses;
}

/* A program to be: its targets, as a list of indices. */
struct group {
	VEC(uint32_t) members;
};

struct groups {
	VEC(struct group) g;
};

static bool may_share(struct kernel *k, const struct provider *prov, unsigned uses,
		      const struct attach_target *a, const struct attach_target *b)
{
	return !prov->share || prov->share(k, uses, a, b);
}

static bool add_to_group(struct sema *s, struct groups *all, const struct provider *prov,
			 unsigned uses, const struct attach_targets *t, uint32_t i)
{
	uint64_t limit = MIN(s->in->config->max_probes, s->in->config->max_bpf_progs);
	struct group fresh = {0};

	/* The newest group first: neighbours are alike. */
	for (size_t g = all->g.n; g-- > 0;)
		if (may_share(s->in->kernel, prov, uses, &t->v[all->g.v[g].members.v[0]],
			      &t->v[i])) {
			vec_push(s->a, &all->g.v[g].members, i);
			return true;
		}
	if (s->probes.n + all->g.n >= limit)
		return false;
	vec_push(s->a, &fresh.members, i);
	vec_push(s->a, &all->g, fresh);
	return true;
}

/* Places of one name are one value of `probe`: inlined copies, lines, the returns of a function. */
static uint64_t said_id(struct sema *s, const char *name, uint64_t id)
{
	uintptr_t first = (uintptr_t)strmap_get(&s->target_ids, str_of(name));

	if (first)
		return first - 1;
	strmap_put(&s->target_ids, str_of(name), (void *)(uintptr_t)(id + 1));
	return id;
}

static void take_targets(struct sema *s, struct probe *p, const struct attach_targets *t,
			 const struct group *g)
{
	p->ntargets = g->members.n;
	p->targets = arena_array_of(s->a, struct attach_target, g->members.n);
	for (size_t i = 0; i < g->members.n; i++) {
		struct attach_target *from = &t->v[g->members.v[i]];

		from->id = s->targets.n;
		from->said = said_id(s, from->name, from->id);
		p->targets[i] = *from;
		vec_push(s->a, &s->targets, &p->targets[i]);
	}
}

static struct probe *probe_new(struct sema *s, const struct probe_decl *decl,
			       const struct provider *prov, const struct attach_point *ap,
			       unsigned uses)
{
	struct probe *p = arena_new_of(s->a, struct probe);
	struct var_names *names = arena_new_of(s->a, struct var_names);

	strmap_init(&names->by_name, s->a);
	p->prov = prov;
	p->decl = decl;
	p->ap = ap;
	p->name = arena_strndup(s->a, ap->text.p, ap->text.n);
	p->pred = decl->pred ? ast_clone_expr(s->a, decl->pred) : NULL;
	p->body = ast_clone_block(s->a, decl->body);
	p->uses = uses;
	p->index = s->probes.n;
	p->sema = names;
	vec_push(s->a, &s->probes, p);
	return p;
}

static void report_many(struct sema *s, const struct attach_point *ap)
{
	struct config *c = s->in->config;
	bool progs = c->max_bpf_progs < c->max_probes;
	struct diag_msg *m;

	m = sema_report(s, E_PROBE_MANY, ap->span,
			"more programs would be needed than the limit of %llu",
			(unsigned long long)MIN(c->max_probes, c->max_bpf_progs));
	diag_primary(m, "the limit is passed here");
	diag_help(m, "name fewer probes, or raise the limit: config = { %s = %llu }",
		  progs ? "max_bpf_progs" : "max_probes",
		  (unsigned long long)MIN(c->max_probes, c->max_bpf_progs) * 8);
}

void sema_group(struct sema *s, const struct probe_decl *decl, const struct provider *prov,
		const struct attach_point *ap, struct attach_targets *targets)
{
	unsigned uses = body_uses(s, decl);
	struct groups all = {0};

	for (uint32_t i = 0; i < targets->n; i++)
		if (!add_to_group(s, &all, prov, uses, targets, i)) {
			if (!s->too_many)
				report_many(s, ap);
			s->too_many = true;
			return;
		}
	VEC_EACH (struct group, g, &all.g) {
		struct probe *p = probe_new(s, decl, prov, ap, uses);

		take_targets(s, p, targets, g);
		if (prov->plan)
			prov->plan(s, p);
	}
}

bool sema_argn(struct str name, unsigned *n)
{
	return is_argn(name, n);
}
