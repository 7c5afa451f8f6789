/* go:FILE:FUNCTION and goret:FILE:FUNCTION: calls and returns of functions of Go programs.
 *
 *   go:./server:"main.prepareAnswer"        each call once, also when the stack grows meanwhile
 *   goret:./server:"main.(*Store).Load"     each return, with what it returns and how long it took
 *   go:./srv:"main.f(s string, n int) error"   the types, for a program without debug information
 *   go:1234:"net/http.*"                    a process; * and ? are wildcards where no function has
 *                                           just this name
 *
 * The places are found by elf/go.h. A return is never found by the kernel's return probes: Go moves
 * its stacks and checks the return addresses on them. Each instruction that returns has a probe,
 * and the call is paired with it by goroutine and depth (go_calls.c). */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "probe/gofn.h"

struct request {
	struct sema *s;
	const struct provider *prov;
	const struct attach_point *ap;
	struct attach_targets *out;
	struct str func;
	bool ret;
	int pid;
	struct dwarf *told_types; /* of the signature behind the name; NULL: there is none */
	struct dwarf_func *told;
	struct nearest near;
	size_t skipped;
	const char *why; /* of the last that was skipped */
};

/* One program while its functions are looked through. */
struct program {
	struct request *r;
	struct elf *f;
	struct go *go;
	const char *path;
	struct go_place_info like; /* what all its functions have in common */
	const struct go_func *end; /* runtime.goexit1 */
};

static const char *plain_name(struct arena *a, const char *name)
{
	char *out = arena_strdup(a, name), *to = out;

	for (const char *p = name; *p; p++) {
		bool dot = p[0] == '%' && p[1] == '2' && (p[2] == 'e' || p[2] == 'E');

		*to++ = dot ? '.' : *p;
		p += dot ? 2 : 0;
	}
	*to = 0;
	return out;
}

/* ---- targets ------------------------------------------------------------------------------- */

static void push_site(struct program *g, const struct go_place_info *info, const struct go_func *fn,
		      const struct go_site *site, uint32_t kind)
{
	struct request *r = g->r;
	struct arena *a = sema_arena(r->s);
	/* The end of goroutines is another function's. */
	uint32_t delta = kind & GO_END ? 0 : (uint32_t)(site->offset - fn->offset) & 0xffffff;

	if (fn->assembly)
		kind |= GO_ASSEMBLY;
	probe_push(r->s, r->out,
		   (struct attach_target){
			   .name = arena_printf(a, "%s:%s:%s", r->prov->name, g->path, info->func),
			   .module = g->path,
			   .symbol = info->func,
			   .addr = site->offset,
			   .b = site->cost,
			   .c = kind | delta << GO_DELTA,
			   .pid = r->pid,
			   .data = (void *)info,
		   });
}

/* What all functions of the program have in common. */
static void read_program(struct program *g, struct arena *a)
{
	g->path = arena_strdup(a, elf_path(g->f));
	g->like = (struct go_place_info){.path = g->path, .minor = go_minor(g->go)};
	g->like.layout_known = go_layout(g->go, &g->like.layout);
	g->like.tls_known = go_tls_offset(g->go, &g->like.tls);
	g->like.movable = go_is_movable(g->go);
	go_types_address(g->go, &g->like.types);
}

static struct go_place_info *info_new(struct program *g, struct arena *a, const struct go_func *fn)
{
	struct go_place_info *info = arena_memdup(a, &g->like, sizeof(g->like));
	bool all;

	info->func = plain_name(a, fn->name);
	info->addr = fn->addr;
	info->regs = go_has_registers(g->go) && !fn->assembly;
	info->nwords = go_arg_words(g->go, fn, info->words, &all);
	return info;
}

static struct go_place_info *function_at(struct program *g, struct arena *a, uint64_t offset)
{
	const struct go_func *v;
	size_t n = go_funcs(g->go, &v);

	for (size_t i = 0; go_is_known(g->go) && i < n; i++)
		if (v[i].offset == offset)
			return info_new(g, a, &v[i]);
	return NULL;
}

struct go_place_info *go_info_at(struct arena *a, const char *path, uint64_t offset)
{
	struct program g = {.f = elf_open(path, NULL)};
	struct go_place_info *info = NULL;

	g.go = g.f ? go_open(g.f, NULL) : NULL;
	if (g.go) {
		read_program(&g, a);
		info = function_at(&g, a, offset);
		go_close(g.go);
	}
	if (g.f)
		elf_close(g.f);
	return info;
}

/* Does the kernel make calls of nop5? */
static bool makes_calls(struct request *r)
{
	return user_place_flags(r->s) & PLACE_CALLS;
}

static void push_end(struct program *g, const struct go_place_info *info)
{
	struct go_places pl;

	if (!g->end)
		return;
	go_place(g->go, g->end, makes_calls(g->r), sema_arena(g->r->s), &pl);
	if (!pl.no_entry)
		push_site(g, info, g->end, &pl.entry,
			  GO_END | (pl.kind == GO_ENTRY_BRANCH ? GO_CHECKED : 0));
}

/* The exit at the place of the entry; NULL: there is none. */
static const struct go_site *empty_exit(const struct go_places *pl)
{
	for (size_t i = 0; i < pl->nexits; i++)
		if (pl->exits[i].offset == pl->entry.offset)
			return &pl->exits[i];
	return NULL;
}

/* What does nothing but return, or jump on, is entered and left by one instruction. Of two probes
 * at one place the kernel does not tell which goes first: it is one place, that is both. */
static void push_entry(struct program *g, const struct go_place_info *info,
		       const struct go_func *fn, const struct go_places *pl)
{
	const struct go_site *both = g->r->ret ? empty_exit(pl) : NULL;
	uint32_t kind = pl->kind == GO_ENTRY_BRANCH ? GO_CHECKED : 0;

	kind |= both ? GO_EMPTY : 0;
	push_site(g, info, fn, &pl->entry, kind | (both && both->tail ? GO_TAIL : 0));
}

static void push_exits(struct program *g, const struct go_place_info *info,
		       const struct go_func *fn, const struct go_places *pl)
{
	const struct go_site *both = empty_exit(pl);

	for (size_t i = 0; i < pl->nexits; i++)
		if (&pl->exits[i] != both)
			push_site(g, info, fn, &pl->exits[i],
				  GO_RETURN | (pl->exits[i].tail ? GO_TAIL : 0));
	push_end(g, info);
}

/* Why the function cannot be probed; NULL: its places are among the targets. */
static const char *add_func(struct program *g, const struct go_func *fn)
{
	struct arena *a = sema_arena(g->r->s);
	struct go_place_info *info;
	struct go_places pl;

	go_place(g->go, fn, makes_calls(g->r), a, &pl);
	if (pl.no_entry)
		return pl.no_entry;
	if (g->r->ret && pl.no_exits)
		return pl.no_exits;
	info = info_new(g, a, fn);
	push_entry(g, info, fn, &pl);
	if (g->r->ret)
		push_exits(g, info, fn, &pl);
	return NULL;
}

/* ---- looking functions up ------------------------------------------------------------------ */

static size_t add_matching(struct program *g, bool glob)
{
	const struct go_func *v;
	size_t n = go_funcs(g->go, &v), found = 0;

	for (size_t i = 0; i < n; i++) {
		const char *why;

		if (!go_name_is(v[i].name, g->r->func, glob)) {
			if (!glob)
				probe_near(g->r->s, &g->r->near, v[i].name);
			continue;
		}
		found++;
		if (go_is_wrapper(g->go, &v[i]))
			continue;
		why = add_func(g, &v[i]);
		g->r->skipped += why != NULL;
		g->r->why = why ? why : g->r->why;
	}
	return found;
}

/* Generic functions have a body for each shape of types: F means F[…] as well. */
static size_t add_shapes(struct program *g)
{
	struct request *r = g->r;
	struct str func = r->func;
	size_t found;

	r->func = str_of(arena_printf(sema_arena(r->s), "%.*s[*]", STR_ARG(func)));
	found = add_matching(g, true);
	r->func = func;
	return found;
}

/* ---- functions that are only inlined ----------------------------------------------------------
 */

static void push_copy(struct program *g, const struct dwarf_copy *c)
{
	struct request *r = g->r;
	struct arena *a = sema_arena(r->s);
	struct go_place_info *info = arena_memdup(a, &g->like, sizeof(g->like));
	struct placement pl;
	uint64_t offset;

	if (!elf_addr_to_offset(g->f, c->addr, &offset))
		return;
	info->moved = (uint32_t)(go_place_once(g->go, offset) - offset);
	elf_place(g->f, offset + info->moved, 0, user_place_flags(r->s) | PLACE_EXACT, &pl);
	r->skipped += pl.cost == COST_REFUSED;
	if (pl.cost == COST_REFUSED)
		return;
	info->func = c->func;
	info->addr = c->addr;
	info->regs = info->copy = true;
	info->nwords = -1;
	probe_push(r->s, r->out,
		   (struct attach_target){
			   .name = arena_printf(a, "%s:%s:%s", r->prov->name, g->path, info->func),
			   .module = g->path,
			   .symbol = info->func,
			   .addr = pl.offset,
			   .b = pl.cost,
			   .c = GO_COPY | info->moved << GO_DELTA,
			   .pid = r->pid,
			   .data = info,
		   });
}

/* Each copy is a place of its own, with the arguments elsewhere. */
static size_t add_copies(struct program *g)
{
	struct request *r = g->r;
	const struct elf_pattern wanted = {.text = r->func};
	struct dwarf_copies copies;
	struct err e = {0};
	struct dwarf *d = types_dwarf(sema_types(r->s), g->path, &e);
	size_t found = 0;

	if (!d || dwarf_copies_find(d, &wanted, sema_arena(r->s), &copies, &e) < 0)
		return 0;
	for (size_t i = 0; i < copies.n; i++) {
		if (!go_name_is(copies.v[i].func, r->func, false))
			continue;
		found++;
		if (!r->ret)
			push_copy(g, &copies.v[i]);
	}
	return found;
}

static bool refuse(struct request *r, const char *path, const char *why, const char *help)
{
	struct diag_msg *m = sema_report(r->s, E_PROBE_TARGET, r->ap->span,
					 "cannot probe %.*s in %s: %s", STR_ARG(r->func), path,
					 why);

	diag_help(m, "%s", help);
	return false;
}

static bool add_named(struct program *g)
{
	struct request *r = g->r;
	size_t before = r->out->n;
	bool glob = memchr(r->func.p, '*', r->func.n) || memchr(r->func.p, '?', r->func.n);
	size_t found = add_matching(g, false);

	if (!found)
		found = glob ? add_matching(g, true) : add_shapes(g);
	if (!found && add_copies(g) && r->ret)
		return refuse(r, g->path,
			      "it is only inlined into others, where its returns are no places",
			      "go: probes see where its copies begin");
	if (found && !glob && r->out->n == before)
		return refuse(r, g->path, r->why ? r->why : "it is a wrapper",
			      "another function near it may do: awl golist lists them");
	return true;
}

static const char *unknown_release(const struct go *go, struct arena *a)
{
	const char *version = go_version(go);

	return arena_printf(a, "it was built by %s, and awl knows the releases %s",
			    version[0] ? version : "a Go that does not tell its release",
			    go_known_text());
}

static bool check_release(struct program *g)
{
	struct request *r = g->r;

	if (elf_machine(g->f) != GO_MACHINE)
		return refuse(r, g->path, "it is a program for another kind of machine",
			      "awl golist shows its functions; probe them where it runs");
	if (go_is_known(g->go))
		return true;
	return refuse(r, g->path, unknown_release(g->go, sema_arena(r->s)),
		      "a newer awl may know it; uprobe:FILE:FUNCTION+OFFSET probes an instruction");
}

static void find_end(struct program *g)
{
	const struct go_func *v;
	size_t n = go_funcs(g->go, &v);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(v[i].name, "runtime.goexit1") && !go_is_wrapper(g->go, &v[i]))
			g->end = &v[i];
}

static bool add_from_file(void *arg, struct elf *f)
{
	struct program g = {.r = arg, .f = f};
	struct arena *a = sema_arena(g.r->s);
	struct err e = {0};
	bool ok;

	g.path = arena_strdup(a, elf_path(f));
	g.go = go_open(f, &e);
	if (!g.go)
		return refuse(
			g.r, g.path, e.what,
			"go and goret are for programs of the Go compiler; uprobe is for others");
	read_program(&g, a);
	g.like.told_types = g.r->told_types;
	g.like.told = g.r->told;
	find_end(&g);
	ok = check_release(&g) && add_named(&g);
	go_close(g.go);
	return ok;
}

/* ---- the attach point ---------------------------------------------------------------------- */

/* go:PID:FUNCTION */
static bool is_pid(struct str file, int *pid)
{
	unsigned long long v;

	if (!str_to_u64(file, &v) || !v || v > INT32_MAX)
		return false;
	*pid = (int)v;
	return true;
}

static bool find_file(struct request *r, struct str *file)
{
	char path[4096];
	struct err e = {0};

	if (!is_pid(*file, &r->pid))
		return true;
	if (elf_resolve(STR(""), r->pid, path, sizeof(path), &e) < 0) {
		sema_report(r->s, E_PROBE_TARGET, r->ap->span, "%s", e.what);
		return false;
	}
	*file = str_of(arena_strdup(sema_arena(r->s), path));
	return true;
}

/* Events of the runtime, and the functions that are called for them. */
static const struct {
	const char *name, *func;
} events[] = {
	{"@start", "runtime.newproc1"},
	{"@end", "runtime.goexit1"},
	{"@block", "runtime.gopark"},
	{"@unblock", "runtime.ready"},
	{"@panic", "runtime.gopanic"},
	{"@gcstart", "runtime.gcStart"},
	{"@gcend", "runtime.gcMarkTermination"},
};

static bool find_event(struct request *r)
{
	struct diag_msg *m;

	if (!r->func.n || r->func.p[0] != '@')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (str_is(r->func, events[i].name)) {
			r->func = str_of(events[i].func);
			return true;
		}
	m = sema_report(r->s, E_PROBE_TARGET, r->ap->span, "the Go runtime has no event %.*s",
			STR_ARG(r->func));
	diag_help(m, "there are @start, @end, @block, @unblock, @panic, @gcstart and @gcend");
	return false;
}

/* ---- a signature behind the name ---------------------------------------------------------------
 */

/* Where it begins: at a parenthesis that is no part of a name, main.(*T).f or F[func(int)]. */
static size_t signature_at(struct str func)
{
	unsigned depth = 0;

	for (size_t i = 0; i < func.n; i++) {
		depth += func.p[i] == '[';
		depth -= func.p[i] == ']' && depth;
		if (func.p[i] == '(' && i && func.p[i - 1] != '.' && !depth)
			return i;
	}
	return func.n;
}

static bool take_signature(struct request *r)
{
	size_t at = signature_at(r->func);
	struct str sig = {r->func.p + at, r->func.n - at};
	struct arena *a = sema_arena(r->s);
	bool method = memmem(r->func.p, at, ".(*", 3) != NULL;
	const char *why;
	struct diag_msg *m;

	if (!sig.n)
		return true;
	r->func.n = at;
	r->told = arena_new_of(a, struct dwarf_func);
	r->told_types = dwarf_made_from(sig, method, a, r->told, &why);
	if (r->told_types) {
		types_take_dwarf(sema_types(r->s), r->told_types);
		return true;
	}
	m = sema_report(r->s, E_PROBE_TARGET, r->ap->span,
			"the signature of %.*s is not understood: %s", STR_ARG(r->func), why);
	diag_help(m,
		  "it has names and types as in Go: \"main.f(name string, n int) (int, error)\"");
	return false;
}

static bool resolve(struct request *r)
{
	const struct attach_point *ap = r->ap;
	bool implied = ap->nparts == 2 && r->pid > 0;
	struct str file = implied ? STR("") : ap->nparts > 1 ? ap->parts[1] : STR("");
	size_t before = r->out->n;

	if (!implied && !probe_parts(r->s, r->prov, ap, 3, 3))
		return false;
	r->func = ap->parts[ap->nparts - 1];
	if (!take_signature(r) || !find_event(r))
		return false;
	nearest_init(&r->near, r->func);
	if (!find_file(r, &file) || !user_files(r->s, ap, file, add_from_file, r))
		return false;
	if (r->out->n > before)
		return true;
	return probe_none(r->s, ap, &r->near,
			  r->skipped ? "functions that match cannot be probed"
				     : "no function of the program has that name; one that is only "
				       "inlined into others has no place of its own");
}

static bool go_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	struct request r = {
		.s = s, .prov = &provider_go, .ap = ap, .out = out, .pid = sema_input(s)->pid};

	return resolve(&r);
}

static bool goret_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	struct request r = {.s = s,
			    .prov = &provider_goret,
			    .ap = ap,
			    .out = out,
			    .ret = true,
			    .pid = sema_input(s)->pid};
	struct diag_msg *m;

	if (!kernel_has(sema_kernel(s), FEATURE_COOKIE)) {
		m = sema_report(s, E_FEATURE, ap->span, "goret needs %s, which this kernel lacks",
				feature_text(FEATURE_COOKIE));
		diag_help(m, "go probes see the calls");
		return false;
	}
	return resolve(&r);
}

/* ---- sharing, planning --------------------------------------------------------------------- */

static bool same_func(const struct attach_target *a, const struct attach_target *b)
{
	return a->data == b->data;
}

/* Functions of several programs have different layouts, those with names different arguments. */
static bool go_share(struct kernel *k, unsigned uses, const struct attach_target *a,
		     const struct attach_target *b)
{
	if (same_func(a, b))
		return true;
	if ((uses & (USES_ARGS | USES_RETVAL | USES_ARGN)) || strcmp(a->module, b->module))
		return false;
	if ((a->c ^ b->c) & GO_ASSEMBLY)
		return false;
	return kernel_has(k, FEATURE_COOKIE) ||
	       (!((a->c ^ b->c) & GO_KINDS) && !probe_needs_cookie(k, uses, FEATURE_COOKIE));
}

static void plan(struct sema *s, struct probe *p)
{
	const struct go_place_info *info = p->targets[0].data;
	struct diag_msg *m;

	user_plan(s, p);
	p->pid_filter = p->targets[0].pid != sema_input(s)->pid ? p->targets[0].pid : 0;
	if (!(p->uses & USES_GOID) && p->prov != &provider_goret)
		return;
	if (info->layout_known && info->tls_known)
		return;
	m = sema_report(s, E_PROBE_LIMIT, p->ap->span, "where %s keeps its goroutines is not known",
			info->path);
	diag_help(m, "go probes without goid work");
}

/* Places and registers are those of the build at hand. */
static void refuse_ahead_of_time(struct sema *s, struct probe *p)
{
	struct diag_msg *m;

	if (!kernel_recording(sema_kernel(s)))
		return;
	m = sema_report(s, E_PROBE_LIMIT, p->ap->span, "%s probes cannot be compiled ahead of time",
			p->prov->name);
	diag_help(m, "run the script itself: it is compiled for the Go program that is there");
}

static void plan_call(struct sema *s, struct probe *p)
{
	plan(s, p);
	refuse_ahead_of_time(s, p);
	go_probe(s, p);
}

static void plan_return(struct sema *s, struct probe *p)
{
	plan(s, p);
	refuse_ahead_of_time(s, p);
	goret_plan(s, p);
}

/* ---- names --------------------------------------------------------------------------------- */

/* Words of arguments: in their registers, or in order on the stack. */
static const struct type *word_type(struct sema *s, struct probe *p, unsigned index)
{
	const struct go_place_info *info = p->targets[0].data;
	struct diag_msg *m;

	if (info->copy) {
		m = sema_report(s, E_PROBE_LIMIT, p->ap->span,
				"%s is inlined: its copies have no words of arguments", info->func);
		diag_help(m, "args.NAME finds those that the debug information tells of");
		return &type_poison;
	}
	if (!info->regs || go_reg(index) >= 0)
		return type_int(sema_types(s), 8, false);
	m = sema_report(s, E_PROBE_LIMIT, p->ap->span,
			"arg%u of %s is in no register: there are %d, arg0 to arg%d", index,
			info->func, GO_INTS, GO_INTS - 1);
	diag_help(m, "args.NAME finds arguments on the stack, too");
	return &type_poison;
}

static const struct type *go_word_type(struct sema *s, struct probe *p, enum go_name name)
{
	const struct go_place_info *info = p->targets[0].data;
	struct diag_msg *m;

	if (name != GO_PARENT || info->layout.parent)
		return type_int(sema_types(s), 8, false);
	m = sema_report(s, E_PROBE_LIMIT, p->ap->span,
			"%s does not keep who started a goroutine: it was built by Go 1.%d, and "
			"Go 1.21 is the first that does",
			info->path, info->minor);
	diag_help(m, "go:FILE:@start tells of each goroutine that is made; goid is its parent's");
	return &type_poison;
}

static const struct type *go_name_type(struct sema *s, struct probe *p, enum probe_name name,
				       unsigned index)
{
	switch (name) {
	case NAME_ARGS:
		return go_args_type(s, p);
	case NAME_ARG:
		return p->prov == &provider_go ? word_type(s, p, index) : NULL;
	case NAME_RETVAL:
		return p->prov == &provider_goret ? go_results_type(s, p) : NULL;
	case NAME_GOID:
		return go_word_type(s, p, (enum go_name)index);
	default:
		return probe_func_name(s, name);
	}
}

static struct val load_word(struct gen *g, struct probe *p, unsigned index)
{
	const struct go_place_info *info = p->targets[0].data;
	const struct type *u64 = type_int(gen_types(g), 8, false);
	ir_val sp;

	if (info->regs)
		return probe_ctx_reg(g, u64, go_reg(index));
	sp = probe_ctx_reg(g, u64, regs_sp()).v;
	return val_scalar(u64, gen_load(g, val_mem(u64, sp, (int32_t)(8 + 8 * index), SPACE_USER)));
}

/* The function that was hit: known where there is one; a table is not looked through for it. */
static struct val load_func(struct gen *g, struct probe *p, enum probe_name name)
{
	return probe_func_load(g, name, FEATURE_GET_FUNC_IP);
}

static struct val go_name_load(struct gen *g, struct probe *p, enum probe_name name, unsigned index)
{
	const struct type *u64 = type_int(gen_types(g), 8, false);

	switch (name) {
	case NAME_ARG:
		return load_word(g, p, index);
	case NAME_ARGS:
		return go_args_load(g, p);
	case NAME_RETVAL:
		return go_results(g, p);
	case NAME_GOID:
		return val_scalar(u64, go_name_value(g, p, (enum go_name)index));
	default:
		return load_func(g, p, name);
	}
}

static int go_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	struct attach_target *v = calloc(p->ntargets, sizeof(*v));
	struct attach_prog some = *p;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < p->ntargets; i++)
		if (!(p->targets[i].c & GO_REPEATED))
			v[n++] = p->targets[i];
	some.targets = v;
	some.ntargets = n;
	r = user_attach(env, &some, false, e);
	free(v);
	return r;
}

/* ---- listing ------------------------------------------------------------------------------- */

struct listing {
	const char *prov;
	struct str func;
	struct types *types; /* of -lv */
	struct arena *arena;
	list_fn fn;
	void *arg;
	struct err *e;
};

static void list_places(struct go *go, const struct go_func *fn, struct arena *a, struct buf *out)
{
	static const char *const kinds[] = {
		[GO_ENTRY_FIRST] = "at its first instruction",
		[GO_ENTRY_BRANCH] = "at the branch of its stack check",
		[GO_ENTRY_BEHIND] = "behind its stack check",
	};
	struct go_places pl;

	go_place(go, fn, false, a, &pl);
	if (pl.no_entry)
		buf_printf(out, "    no calls: %s\n", pl.no_entry);
	else
		buf_printf(out, "    calls %s, 0x%" PRIx64 "\n", kinds[pl.kind], pl.entry.offset);
	if (pl.no_exits)
		buf_printf(out, "    no returns: %s\n", pl.no_exits);
	else
		buf_printf(out, "    returns at %zu place%s\n", pl.nexits,
			   pl.nexits == 1 ? "" : "s");
}

static void list_detail(struct listing *l, struct go *go, const char *path,
			const struct go_func *fn, struct buf *out)
{
	struct go_place_info info = {.path = path,
				     .func = plain_name(l->arena, fn->name),
				     .addr = fn->addr,
				     .minor = go_minor(go),
				     .regs = go_has_registers(go) && !fn->assembly};
	size_t before;
	bool all;

	info.nwords = go_arg_words(go, fn, info.words, &all);
	buf_printf(out, "    func ");
	before = out->n;
	go_describe(l->types, l->arena, &info, out);
	if (out->n == before)
		buf_printf(out, "(its arguments are not told)");
	buf_addc(out, '\n');
	list_places(go, fn, l->arena, out);
}

static int list_funcs(struct listing *l, struct go *go, const char *path)
{
	const struct go_func *v;
	size_t n = go_funcs(go, &v);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct buf line = BUF_INIT, detail = BUF_INIT;

		if (!go_name_is(v[i].name, l->func, true) && !go_name_is(v[i].name, l->func, false))
			continue;
		buf_printf(&line, "%s:%s:\"%s\"", l->prov, path, plain_name(l->arena, v[i].name));
		if (l->types)
			list_detail(l, go, path, &v[i], &detail);
		r = l->fn(l->arg, buf_cstr(&line), detail.n ? buf_cstr(&detail) : NULL);
		buf_release(&line);
		buf_release(&detail);
	}
	return r;
}

static int list_file(void *arg, const char *path)
{
	struct listing *l = arg;
	struct elf *f = elf_open(path, l->e);
	struct go *go = f ? go_open(f, l->e) : NULL;
	int r = -EINVAL;

	if (go && !go_is_known(go))
		err_plain(l->e, ENOTSUP, "cannot probe %s: %s", path,
			  unknown_release(go, l->arena));
	else if (go)
		r = list_funcs(l, go, path);
	go_close(go);
	if (f)
		elf_close(f);
	return r;
}

static int list_as(struct listing *l, struct kernel *k, int pid, const struct attach_point *pattern,
		   bool verbose)
{
	struct str file = pattern->nparts > 1 ? pattern->parts[1] : STR("");
	char path[4096];
	int r;

	if (pattern->nparts < 2 && pid <= 0)
		return err_plain(l->e, EINVAL,
				 "functions of Go are listed for one program: -l '%s:FILE:*'",
				 l->prov);
	if (is_pid(file, &pid))
		file = STR("");
	l->func = probe_pattern(pattern, 2);
	l->arena = arena_new();
	l->types = verbose ? types_new(l->arena, k) : NULL;
	r = elf_resolve(file, pid, path, sizeof(path), l->e);
	if (r >= 0)
		r = list_file(l, path);
	arena_free(l->arena);
	return r;
}

static int go_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		   list_fn fn, void *arg, struct err *e)
{
	struct listing l = {.prov = "go", .fn = fn, .arg = arg, .e = e};

	return list_as(&l, k, pid, pattern, verbose);
}

static int goret_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		      list_fn fn, void *arg, struct err *e)
{
	struct listing l = {.prov = "goret", .fn = fn, .arg = arg, .e = e};

	return list_as(&l, k, pid, pattern, verbose);
}

static void go_explain(struct kernel *k, const struct attach_target *t, struct buf *out)
{
	if (t->c & GO_REPEATED)
		return;
	buf_adds(out, t->c & GO_END       ? "ends of goroutines, "
		      : t->c & GO_EMPTY   ? "calls and returns, at one instruction, "
		      : t->c & GO_TAIL    ? "a jump to another function, "
		      : t->c & GO_RETURN  ? "a return, "
		      : t->c & GO_COPY    ? "an inlined copy, "
		      : t->c & GO_CHECKED ? "calls at the stack check's branch, "
					  : "calls, ");
	user_explain(k, t, out);
}

/* At the entry and at a return the caller's frame is the current one: its return address is on top
 * of the stack. A copy is in the middle of a function. */
static bool go_caller(struct gen *g, struct probe *p, ir_val_t *out)
{
	const struct go_place_info *info = p->targets[0].data;

	return !info->copy && user_caller(g, p, out);
}

const struct provider provider_go = {
	.name = "go",
	.form = "go:FILE:\"FUNCTION\"",
	.doc = "A call of a function of a Go program; args has its arguments by name.\n\n"
	       "    go:./server:\"main.prepareAnswer\" { printf(\"%s\\n\", args.name); }",
	.space = SPACE_USER,
	.resolve = go_resolve,
	.share = go_share,
	.plan = plan_call,
	.name_type = go_name_type,
	.name_load = go_name_load,
	.enter = go_enter,
	.target_id = go_target_id,
	.arg_field = go_arg_field,
	.no_arg = go_missing,
	.go_place = go_value_place,
	.go_load = go_value_load,
	.go_bias = go_value_bias,
	.go_labels = go_labels_of,
	.caller = go_caller,
	.framed = true,
	.attach = go_attach,
	.list = go_list,
	.cost = user_cost,
	.explain = go_explain,
};

const struct provider provider_goret = {
	.name = "goret",
	.form = "goret:FILE:\"FUNCTION\"",
	.doc = "A return of a function of a Go program: retval, args as at the call, and elapsed, "
	       "the "
	       "time since.\n\n"
	       "    goret:./server:\"main.prepareAnswer\" { @us = hist(elapsed / 1000); }",
	.space = SPACE_USER,
	.resolve = goret_resolve,
	.share = go_share,
	.plan = plan_return,
	.name_type = go_name_type,
	.name_load = go_name_load,
	.enter = goret_enter,
	.target_id = go_target_id,
	.elapsed = goret_elapsed,
	.arg_field = go_arg_field,
	.no_arg = go_missing,
	.go_place = go_value_place,
	.go_load = go_value_load,
	.go_bias = go_value_bias,
	.go_labels = go_labels_of,
	.caller = go_caller,
	.framed = true,
	.attach = go_attach,
	.list = goret_list,
	.cost = user_cost,
	.explain = go_explain,
};
