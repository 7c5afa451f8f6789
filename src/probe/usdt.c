/* usdt:FILE:[PROVIDER:]NAME: probes that a program's authors placed (SystemTap's notes in ELF
 * files).
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

struct request {
	struct sema *s;
	const struct attach_point *ap;
	struct attach_targets *out;
	struct str provider, name;
	struct nearest near;
};

static struct site *site_copy(struct arena *a, const struct usdt_site *from)
{
	struct site *to = arena_new_of(a, struct site);

	to->addr = from->addr;
	to->nargs = from->nargs;
	to->bad = from->bad ? arena_strdup(a, from->bad) : NULL;
	to->args = arena_memdup(a, from->args, from->nargs * sizeof(*from->args));
	for (size_t i = 0; i < to->nargs; i++)
		to->args[i].text = arena_strdup(a, from->args[i].text);
	return to;
}

static void push_site(struct request *r, struct elf *f, const struct usdt_site *site)
{
	struct arena *a = sema_arena(r->s);
	struct placement pl;

	elf_place(f, site->offset, 0, true, &pl);
	probe_push(r->s, r->out,
		   (struct attach_target){
			   .name = arena_printf(a, "usdt:%s:%s:%s", elf_path(f), site->provider,
						site->name),
			   .module = arena_strdup(a, elf_path(f)),
			   .symbol = arena_printf(a, "%s:%s", site->provider, site->name),
			   .addr = site->offset,
			   .ref_ctr = site->sem_offset,
			   .b = pl.cost == COST_REFUSED ? COST_STEPPED : pl.cost,
			   .pid = sema_input(r->s)->pid,
			   .data = site_copy(a, site),
		   });
}

static bool add_from_file(void *arg, struct elf *f)
{
	struct request *r = arg;
	const struct usdt_site *sites;
	struct err e = {0};
	struct diag_msg *m;
	size_t n;

	if (elf_usdt(f, &sites, &n, &e) < 0) {
		m = sema_report(r->s, E_PROBE_TARGET, r->ap->span,
				"the USDT probes of %s cannot be read: %s", elf_path(f), e.what);
		diag_help(m, "readelf -n shows the file's notes");
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		const char *full = arena_printf(sema_arena(r->s), "%s:%s", sites[i].provider,
						sites[i].name);

		if (str_glob(r->provider, str_of(sites[i].provider)) &&
		    str_glob(r->name, str_of(sites[i].name)))
			push_site(r, f, &sites[i]);
		else
			probe_near(r->s, &r->near, str_is(r->provider, "*") ? sites[i].name : full);
	}
	return true;
}

static bool usdt_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	struct request r = {.s = s, .ap = ap, .out = out, .provider = STR("*")};
	size_t before = out->n;
	struct str wanted;

	/* With -p the file may be left out. */
	if (!probe_parts(s, &provider_usdt, ap, sema_input(s)->pid > 0 ? 1 : 3, 4))
		return false;
	if (ap->nparts < 2)
		return probe_malformed(s, &provider_usdt, ap, "the name is missing");
	r.name = ap->parts[ap->nparts - 1];
	if (ap->nparts == 4 && ap->parts[2].n)
		r.provider = ap->parts[2];
	wanted = str_is(r.provider, "*")
			 ? r.name
			 : str_of(arena_printf(sema_arena(s), "%.*s:%.*s", STR_ARG(r.provider),
					       STR_ARG(r.name)));
	nearest_init(&r.near, wanted);
	if (!user_files(s, ap, ap->nparts > 2 ? ap->parts[1] : STR(""), add_from_file, &r))
		return false;
	return out->n > before || probe_none(s, ap, &r.near, "the file has no such USDT probe");
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
	struct str provider, name;
	bool verbose;
	list_fn fn;
	void *arg;
	struct err *e;
};

static const char *site_detail(struct buf *b, const struct usdt_site *site)
{
	buf_reset(b);
	buf_printf(b, "    site 0x%" PRIx64, site->addr);
	if (site->sem_addr)
		buf_printf(b, ", semaphore 0x%" PRIx64, site->sem_addr);
	buf_addc(b, '\n');
	for (size_t i = 0; i < site->nargs; i++)
		buf_printf(b, "    arg%zu %s\n", i, site->args[i].text);
	return buf_cstr(b);
}

static bool repeats(const struct usdt_site *sites, size_t i)
{
	return i && !strcmp(sites[i].provider, sites[i - 1].provider) &&
	       !strcmp(sites[i].name, sites[i - 1].name);
}

static int list_file(void *arg, const char *path)
{
	struct listing *l = arg;
	struct elf *f = elf_open(path, l->e);
	struct buf line = BUF_INIT, detail = BUF_INIT;
	const struct usdt_site *sites;
	size_t n = 0;
	int r = f ? elf_usdt(f, &sites, &n, l->e) : -EINVAL;

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!str_glob(l->provider, str_of(sites[i].provider)) ||
		    !str_glob(l->name, str_of(sites[i].name)))
			continue;
		if (!l->verbose && repeats(sites, i))
			continue;
		buf_reset(&line);
		buf_printf(&line, "usdt:%s:%s:%s", path, sites[i].provider, sites[i].name);
		r = l->fn(l->arg, buf_cstr(&line),
			  l->verbose ? site_detail(&detail, &sites[i]) : NULL);
	}
	buf_release(&line);
	buf_release(&detail);
	if (f)
		elf_close(f);
	return r;
}

static int usdt_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		     list_fn fn, void *arg, struct err *e)
{
	struct listing l = {STR("*"), STR("*"), verbose, fn, arg, e};
	char path[4096];
	int r;

	if (pattern->nparts < 2 && pid <= 0)
		return err_plain(e, EINVAL,
				 "USDT probes can be listed for one file: -l 'usdt:FILE:*'");
	if (pattern->nparts > 3)
		l.provider = probe_pattern(pattern, 2);
	if (pattern->nparts > 2)
		l.name = probe_pattern(pattern, pattern->nparts - 1);
	if (pattern->nparts > 1 && probe_is_glob(pattern->parts[1]))
		return elf_glob(pattern->parts[1], list_file, &l);
	r = elf_resolve(pattern->nparts > 1 ? pattern->parts[1] : STR(""), pid, path, sizeof(path),
			e);
	return r < 0 ? r : list_file(&l, path);
}

static const char *const usdt_aliases[] = {"U", NULL};

const struct provider provider_usdt = {
	.name = "usdt",
	.aliases = usdt_aliases,
	.form = "usdt:FILE:[PROVIDER:]NAME",
	.doc = "A probe that the program's authors placed in its source.\n\n"
	       "    usdt:/usr/bin/python3.11:python:gc__start { printf(\"gen %d\\n\", arg0); }",
	.space = SPACE_USER,
	.resolve = usdt_resolve,
	.share = usdt_share,
	.plan = user_plan,
	.name_type = usdt_name_type,
	.name_load = usdt_name_load,
	.attach = usdt_attach,
	.list = usdt_list,
	.explain = user_explain,
};
