/* usdt:FILE:[PROVIDER:]NAME: probes that a program's authors placed (SystemTap's notes in ELF
 * files).
 *
 *   usdt:FILE:NAME  usdt:FILE:PROVIDER:NAME    of a program or library
 *   usdt:*:PROVIDER:NAME                       of whatever is running
 *   usdt:PROVIDER:NAME  usdt:NAME              with -p: of all files that the process has mapped,
 *                                              with images that it made in memory (usdt/udst.h,
 *                                              libstapsdt)
 *
 * A probe has one or more sites, each with its own description of where the arguments are (a
 * register, a memory operand, a constant) and perhaps a semaphore that the kernel raises while a
 * probe is attached. Sites whose descriptions agree share one program. Descriptions are turned into
 * loads at compile time. */
#include <errno.h>
#include "probe/user.h"

/* A site's description, copied out of the ELF file. */
struct site {
	uint64_t addr; /* link-time address of the probe */
	struct usdt_arg *args;
	size_t nargs;
	const char *bad;
};

/* What an attach point or a pattern asks for. */
struct wanted {
	struct str file; /* "": all files of the process */
	struct str provider, name;
	bool maybe_file; /* `provider` may be a file's name as well: usdt:libc:NAME with -p */
};

struct request {
	struct sema *s;
	const struct attach_point *ap;
	struct attach_targets *out;
	struct wanted want;
	struct nearest near;
	size_t unreadable;
	const char *refused; /* why a site that matches cannot be probed */
};

/* `moved`: by how much elf_place moved the probe. */
static struct site *site_copy(struct arena *a, const struct usdt_site *from, uint64_t moved)
{
	struct site *to = arena_new_of(a, struct site);

	to->addr = from->addr + moved;
	to->nargs = from->nargs;
	to->bad = from->bad ? arena_strdup(a, from->bad) : NULL;
	to->args = arena_memdup(a, from->args, from->nargs * sizeof(*from->args));
	for (size_t i = 0; i < to->nargs; i++)
		to->args[i].text = arena_strdup(a, from->args[i].text);
	return to;
}

/* Images in memory have no path that says anything: they go by provider and name alone, which is
 * what -p takes. */
static bool is_nameless(const char *path)
{
	return str_starts(str_of(path), STR("/proc/")) && strstr(path, "/map_files/");
}

static void full_name(struct buf *b, const char *path, const struct usdt_site *site)
{
	buf_reset(b);
	buf_adds(b, "usdt:");
	if (!is_nameless(path))
		buf_printf(b, "%s:", path);
	buf_printf(b, "%s:%s", site->provider, site->name);
}

static void push_site(struct request *r, struct elf *f, const struct usdt_site *site)
{
	struct arena *a = sema_arena(r->s);
	struct buf name = BUF_INIT;
	struct placement pl;

	elf_place(f, site->offset, 0, user_place_flags(r->s) | PLACE_SITE, &pl);
	if (pl.cost == COST_REFUSED) {
		r->refused = pl.why;
		return;
	}
	full_name(&name, elf_path(f), site);
	probe_push(r->s, r->out,
		   (struct attach_target){
			   .name = arena_strdup(a, buf_cstr(&name)),
			   .module = arena_strdup(a, elf_path(f)),
			   .symbol = arena_printf(a, "%s:%s", site->provider, site->name),
			   .addr = pl.offset,
			   .ref_ctr = site->sem_offset,
			   .b = pl.cost | (probe_is_glob(r->want.file) ? USER_OF_MANY : 0),
			   .pid = sema_input(r->s)->pid,
			   .data = site_copy(a, site, pl.offset - site->offset),
		   });
	buf_release(&name);
}

static bool site_matches(const struct wanted *w, const struct usdt_site *site)
{
	return str_glob(w->provider, str_of(site->provider)) &&
	       str_glob(w->name, str_of(site->name));
}

static void add_sites(struct request *r, struct elf *f, const struct usdt_site *sites, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *full = arena_printf(sema_arena(r->s), "%s:%s", sites[i].provider,
						sites[i].name);

		if (site_matches(&r->want, &sites[i]))
			push_site(r, f, &sites[i]);
		else
			probe_near(r->s, &r->near,
				   str_is(r->want.provider, "*") ? sites[i].name : full);
	}
}

static bool add_from_file(void *arg, struct elf *f)
{
	struct request *r = arg;
	const struct usdt_site *sites;
	struct err e = {0};
	struct diag_msg *m;
	size_t n;

	if (elf_usdt(f, &sites, &n, &e) < 0) {
		if (probe_is_glob(r->want.file)) {
			r->unreadable++;
			return true;
		}
		m = sema_report(r->s, E_PROBE_TARGET, r->ap->span,
				"the USDT probes of %s cannot be read: %s", elf_path(f), e.what);
		diag_help(m, "readelf -n shows the file's notes");
		return false;
	}
	add_sites(r, f, sites, n);
	return true;
}

/* One of all files of a process: what cannot be read does not keep us from the others. */
static int add_mapped(void *arg, const char *path)
{
	struct request *r = arg;
	struct elf *f = elf_open(path, NULL);
	const struct usdt_site *sites;
	size_t n;

	if (f && elf_usdt(f, &sites, &n, NULL) == 0)
		add_sites(r, f, sites, n);
	else
		r->unreadable++;
	if (f)
		elf_close(f);
	return 0;
}

/* From the parts behind "usdt". */
static struct wanted wanted_of(const struct attach_point *ap, int pid)
{
	struct wanted w = {.file = STR(""), .provider = STR("*"), .name = STR("*")};

	if (ap->nparts > 1)
		w.name = ap->parts[ap->nparts - 1];
	if (ap->nparts == 2 && pid <= 0) { /* a list of one file: usdt:FILE */
		w.file = w.name;
		w.name = STR("*");
	}
	if (ap->nparts == 3 && pid > 0 && ap->parts[1].n &&
	    !memchr(ap->parts[1].p, '/', ap->parts[1].n)) {
		w.provider = ap->parts[1];
		w.maybe_file = !str_is(w.provider, "*");
	} else if (ap->nparts > 2) {
		w.file = ap->parts[1];
	}
	if (ap->nparts == 4 && ap->parts[2].n)
		w.provider = ap->parts[2];
	if (pid > 0 && str_is(w.file, "*"))
		w.file = STR("");
	return w;
}

/* No file of the process has the provider: is it the name of a file? */
static bool is_file(const struct wanted *w, int pid)
{
	char path[4096];

	return w->maybe_file && !probe_is_glob(w->provider) &&
	       elf_resolve(w->provider, pid, path, sizeof(path), NULL) == 0;
}

static void as_file(struct wanted *w)
{
	w->file = w->provider;
	w->provider = STR("*");
}

static bool resolve_wanted(struct request *r)
{
	int pid = sema_input(r->s)->pid;
	size_t before = r->out->n;

	if (!r->want.file.n && pid > 0) {
		elf_mapped(pid, STR(""), add_mapped, r);
		if (r->out->n > before || !is_file(&r->want, pid))
			return true;
		as_file(&r->want);
		nearest_init(&r->near, r->want.name);
	}
	return user_files(r->s, r->ap, r->want.file, add_from_file, r);
}

static const char *why_none(const struct request *r)
{
	if (r->refused)
		return r->refused;
	if (r->want.file.n)
		return "the file has no such USDT probe";
	return r->unreadable ? "no file of the process that can be read has such a USDT probe"
			     : "no file of the process has such a USDT probe";
}

static bool usdt_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	struct request r = {.s = s, .ap = ap, .out = out};
	size_t before = out->n;
	int pid = sema_input(s)->pid;
	struct str near;

	/* With -p the file may be left out. */
	if (!probe_parts(s, &provider_usdt, ap, pid > 0 ? 1 : 3, 4))
		return false;
	if (ap->nparts < 2)
		return probe_malformed(s, &provider_usdt, ap, "the name is missing");
	r.want = wanted_of(ap, pid);
	near = str_is(r.want.provider, "*")
		       ? r.want.name
		       : str_of(arena_printf(sema_arena(s), "%.*s:%.*s", STR_ARG(r.want.provider),
					     STR_ARG(r.want.name)));
	nearest_init(&r.near, near);
	if (!resolve_wanted(&r))
		return false;
	return out->n > before || probe_none(s, ap, &r.near, why_none(&r));
}

static bool same_args(const struct site *a, const struct site *b)
{
	if (a->nargs != b->nargs)
		return false;
	for (size_t i = 0; i < a->nargs; i++) {
		if (strcmp(a->args[i].text, b->args[i].text))
			return false;
		/* Relative to the site: two sites need two programs. */
		if (a->args[i].kind == USDT_ADDR)
			return false;
	}
	return true;
}

static bool usdt_share(struct kernel *k, unsigned uses, const struct attach_target *a,
		       const struct attach_target *b)
{
	if (probe_needs_cookie(k, uses, FEATURE_PERF_LINK))
		return false;
	return !(uses & USES_ARGN) || same_args(a->data, b->data);
}

/* Where the arguments are is what the notes of this build say. */
static void usdt_plan(struct sema *s, struct probe *p)
{
	struct err e = {0};

	user_plan(s, p);
	for (size_t i = 0; i < p->ntargets && kernel_recording(sema_kernel(s)); i++) {
		struct elf *f = elf_open(p->targets[i].module, &e);
		struct buf id = BUF_INIT;

		if (!f)
			continue;
		elf_identity(f, &id);
		sema_note_file(s, elf_path(f), &id);
		elf_close(f);
	}
}

static const struct usdt_arg *arg_find(const struct probe *p, unsigned index,
				       const struct site **site)
{
	*site = p->targets[0].data;
	return index < (*site)->nargs ? &(*site)->args[index] : NULL;
}

static const struct type *usdt_name_type(struct sema *s, struct probe *p, enum probe_name name,
					 unsigned index)
{
	const struct site *site;
	const struct usdt_arg *arg;
	unsigned size;

	if (name == NAME_CTX)
		return type_ptr(sema_types(s), &type_void, SPACE_CTX);
	if (name == NAME_UREGS)
		return type_int(sema_types(s), 8, false);
	if (name != NAME_ARG)
		return NULL;
	arg = arg_find(p, index, &site);
	if (!arg || site->bad || arg->is_float) {
		struct diag_msg *m = sema_report(s, E_PROBE_LIMIT, p->ap->span,
						 "%s has no readable arg%u", p->targets[0].name,
						 index);

		if (!arg)
			diag_note(m, "it has %zu argument%s", site->nargs,
				  site->nargs == 1 ? "" : "s");
		else
			diag_note(m, "%s",
				  arg->is_float
					  ? "it is a floating-point value, which BPF cannot read"
					  : site->bad);
		return &type_poison;
	}
	size = arg->size < 0 ? -(unsigned)arg->size : (unsigned)arg->size;
	return type_int(sema_types(s), size, arg->size < 0);
}

/* ---- loads ---- */

static ir_val reg(struct gen *g, int offset)
{
	return ir_load(gen_ir(g), 8, gen_ctx(g), offset, IR_MEM_INVARIANT);
}

static ir_val narrow(struct gen *g, const struct type *t, ir_val v)
{
	if (t->size >= 8)
		return v;
	return type_is_signed(t) ? ir_sext(gen_ir(g), v, t->size) : ir_zext(gen_ir(g), v, t->size);
}

static ir_val mem_addr(struct gen *g, const struct usdt_arg *arg)
{
	struct ir *b = gen_ir(g);
	ir_val v = arg->reg >= 0 ? reg(g, arg->reg) : ir_const(b, 0);

	if (arg->index >= 0)
		v = ir_bin(b, IR_ADD, v, ir_bini(b, IR_MUL, reg(g, arg->index), arg->scale));
	return ir_bini(b, IR_ADD, v, arg->value);
}

static ir_val usdt_load(struct gen *g, const struct site *site, const struct usdt_arg *arg,
			const struct type *t)
{
	struct ir *b = gen_ir(g);
	ir_val bias;

	switch (arg->kind) {
	case USDT_CONST:
		return narrow(g, t, ir_const(b, arg->value));
	case USDT_REG:
		return narrow(g, t, ir_bini(b, IR_LSHR, reg(g, arg->reg), arg->reg_off * 8));
	case USDT_MEM:
		return gen_load(g, val_mem(t, mem_addr(g, arg), 0, SPACE_USER));
	case USDT_ADDR:
		/* where the file is mapped: the address of the site now, less its link-time address
		 */
		bias = ir_bini(b, IR_SUB, reg(g, regs_named(STR("pc"))), (int64_t)site->addr);
		return gen_load(g, val_mem(t, ir_bini(b, IR_ADD, bias, arg->value), 0, SPACE_USER));
	}
	return ir_const(b, 0);
}

static struct val usdt_name_load(struct gen *g, struct probe *p, enum probe_name name,
				 unsigned index)
{
	const struct type *u64 = type_int(gen_types(g), 8, false), *t;
	const struct site *site;
	const struct usdt_arg *arg;

	if (name == NAME_UREGS)
		return val_mem(&type_void, gen_ctx(g), 0, SPACE_CTX);
	if (name != NAME_ARG)
		return val_scalar(u64, gen_ctx(g));
	arg = arg_find(p, index, &site);
	t = type_int(gen_types(g), arg->size < 0 ? -(unsigned)arg->size : (unsigned)arg->size,
		     arg->size < 0);
	return val_scalar(t, usdt_load(g, site, arg, t));
}

static int usdt_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	return user_attach(env, p, false, e);
}

/* ---- listing ---- */

struct listing {
	struct wanted want;
	bool verbose;
	bool many; /* of several files: those that cannot be read are left out */
	list_fn fn;
	void *arg;
	size_t n;
	struct err *e;
};

static void arg_detail(struct buf *b, size_t i, const struct usdt_arg *arg)
{
	buf_printf(b, "    arg%zu %s%s\n", i, arg->text,
		   arg->is_float ? " (floating point: cannot be read)" : "");
}

static void site_detail(struct buf *b, const struct usdt_site *site)
{
	buf_printf(b, "    site 0x%" PRIx64, site->addr);
	if (site->sem_addr)
		buf_printf(b, ", semaphore 0x%" PRIx64, site->sem_addr);
	buf_addc(b, '\n');
	for (size_t i = 0; i < site->nargs; i++)
		arg_detail(b, i, &site->args[i]);
	if (site->bad)
		buf_printf(b, "    arguments cannot be read: %s\n", site->bad);
}

/* How many sites there are of the first one's probe: they come sorted. */
static size_t sites_of_one(const struct usdt_site *sites, size_t n)
{
	size_t i = 1;

	while (i < n && !strcmp(sites[i].provider, sites[0].provider) &&
	       !strcmp(sites[i].name, sites[0].name))
		i++;
	return i;
}

static const char *probe_detail(struct buf *b, const char *path, const struct usdt_site *sites,
				size_t n)
{
	buf_reset(b);
	if (is_nameless(path))
		buf_printf(b, "    file %s\n", path);
	for (size_t i = 0; i < n; i++)
		site_detail(b, &sites[i]);
	return buf_cstr(b);
}

static int list_sites(struct listing *l, const char *path, const struct usdt_site *sites, size_t n)
{
	struct buf line = BUF_INIT, detail = BUF_INIT;
	size_t same;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i += same) {
		same = sites_of_one(&sites[i], n - i);
		if (!site_matches(&l->want, &sites[i]))
			continue;
		full_name(&line, path, &sites[i]);
		l->n++;
		r = l->fn(l->arg, buf_cstr(&line),
			  l->verbose ? probe_detail(&detail, path, &sites[i], same) : NULL);
	}
	buf_release(&line);
	buf_release(&detail);
	return r;
}

static int list_file(void *arg, const char *path)
{
	struct listing *l = arg;
	struct err skipped = {0}, *e = l->many ? &skipped : l->e;
	struct elf *f = elf_open(path, e);
	const struct usdt_site *sites;
	size_t n = 0;
	int r = f ? elf_usdt(f, &sites, &n, e) : -EINVAL;

	if (r == 0)
		r = list_sites(l, path, sites, n);
	else if (l->many)
		r = 0;
	if (f)
		elf_close(f);
	return r;
}

static int usdt_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		     list_fn fn, void *arg, struct err *e)
{
	struct listing l = {wanted_of(pattern, pid), verbose, pid > 0, fn, arg, 0, e};
	char path[4096];
	int r;

	if (pattern->nparts < 2 && pid <= 0)
		return err_plain(e, EINVAL,
				 "USDT probes can be listed for one file: -l 'usdt:FILE:*'");
	if (pid > 0 && !l.want.file.n) {
		r = elf_mapped(pid, STR(""), list_file, &l);
		if (r || l.n || !is_file(&l.want, pid))
			return r;
		as_file(&l.want);
	}
	l.many = probe_is_glob(l.want.file);
	if (probe_is_glob(l.want.file))
		return elf_glob(l.want.file, list_file, &l);
	r = elf_resolve(l.want.file, pid, path, sizeof(path), e);
	return r < 0 ? r : list_file(&l, path);
}

static const char *const usdt_aliases[] = {"U", NULL};

const struct provider provider_usdt = {
	.name = "usdt",
	.aliases = usdt_aliases,
	.form = "usdt:FILE:[PROVIDER:]NAME",
	.doc = "A probe that the program's authors placed in its source, or that the program "
	       "declared while it ran. With `-p PID` the file may be left out: "
	       "`usdt:PROVIDER:NAME`.\n\n"
	       "    usdt:/usr/bin/python3.11:python:gc__start { printf(\"gen %d\\n\", arg0); }",
	.space = SPACE_USER,
	.resolve = usdt_resolve,
	.share = usdt_share,
	.plan = usdt_plan,
	.name_type = usdt_name_type,
	.name_load = usdt_name_load,
	.attach = usdt_attach,
	.move = user_move_same,
	.list = usdt_list,
	.cost = user_cost,
	.explain = user_explain,
};
