/* uprobe:FILE:FUNCTION and uretprobe:FILE:FUNCTION: entry and return of functions of programs.
 *
 *   uprobe:/bin/bash:readline     a path, a name in $PATH, libNAME or a soname
 *   uprobe:libc:mem*              wildcards: one multi link for all of them
 *   uprobe:FILE:FUNCTION+OFFSET   an instruction inside; uprobe:FILE:0xADDRESS a link-time address
 *   uprobe:FILE:cpp:"ns::f(int)"  by demangled name
 *   uprobe:FILE@SOURCE:LINE       a line of the source (line.c)
 *   uprobe:FUNCTION               with -p: in that process's program
 *
 * Copies of functions that were inlined into others are looked for as well (inline.c).
 *
 * At a Go function's entry args is by Go's convention, and argN warned of (go_uprobe.c).
 *
 * A probe at a function's entry is put behind a leading endbr64 where that is cheaper. Indirect
 * functions (IFUNC) are refused: their symbol is the resolver. Return probes of Go programs are
 * refused: they move goroutine stacks, and the kernel's trampoline on the stack crashes them. */
#include <errno.h>
#include <stdlib.h>
#include "probe/gofn.h"
#include "probe/user.h"

/* What an attach point asks for. */
struct request {
	struct sema *s;
	const struct provider *prov;
	const struct attach_point *ap;
	struct attach_targets *out;
	struct elf_pattern func;
	uint64_t offset; /* FUNCTION+OFFSET */
	bool has_offset;
	uint64_t addr;
	bool by_addr;
	bool many; /* the files are those that a pattern matches */
	struct nearest near;
	size_t skipped;
	struct inlined inlined;
};

static bool is_return(const struct request *r)
{
	return r->prov == &provider_uretprobe;
}

static bool parse_place(struct request *r, struct str text)
{
	struct str rest = text;
	unsigned long long v;

	if (str_to_u64(text, &v)) {
		r->by_addr = true;
		r->addr = v;
		return !is_return(r) || probe_malformed(r->s, r->prov, r->ap,
							"a return probe needs a function's name");
	}
	r->func.text = str_cut(&rest, '+');
	if (!rest.p)
		return true;
	if (is_return(r))
		return probe_malformed(r->s, r->prov, r->ap, "a return probe takes no offset");
	if (!str_to_u64(rest, &v) || probe_is_glob(r->func.text))
		return probe_malformed(r->s, r->prov, r->ap,
				       "the offset is no number, or the function a wildcard");
	r->offset = v;
	r->has_offset = true;
	return true;
}

static void push_place(struct request *r, struct elf *f, const char *name,
		       const struct placement *pl, bool inside)
{
	struct arena *a = sema_arena(r->s);

	probe_push(r->s, r->out,
		   (struct attach_target){
			   .name = arena_printf(a, "%s:%s:%s", r->prov->name, elf_path(f), name),
			   .module = arena_strdup(a, elf_path(f)),
			   .symbol = arena_strdup(a, name),
			   .addr = pl->offset,
			   .a = is_return(r),
			   .b = pl->cost | (pl->moved ? USER_MOVED : 0) |
				(inside ? USER_INSIDE : 0) | (r->many ? USER_OF_MANY : 0) |
				(!inside && elf_is_go(f) ? USER_GO : 0),
			   .pid = sema_input(r->s)->pid,
		   });
}

static bool refuse(struct request *r, struct elf *f, const char *name, const char *why)
{
	struct diag_msg *m;

	if (r->many) {
		r->skipped++;
		return true;
	}
	m = sema_report(r->s, E_PROBE_TARGET, r->ap->span, "cannot probe %s in %s: %s", name,
			elf_path(f), why);
	diag_help(m, "awl -l '%s:%s:*' lists the functions that there are", r->prov->name,
		  elf_path(f));
	return false;
}

static bool add_exact(struct request *r, struct elf *f, const char *name, uint64_t offset,
		      uint64_t size, bool exact)
{
	struct placement pl;

	elf_place(f, offset, size, user_place_flags(r->s) | (exact ? PLACE_EXACT : 0), &pl);
	if (is_return(r)) { /* the kernel takes the return address at the very first instruction */
		pl.offset = offset;
		pl.moved = false;
	}
	if (pl.cost == COST_REFUSED)
		return refuse(r, f, name, pl.why);
	push_place(r, f, name, &pl, exact);
	return true;
}

static bool add_addr(struct request *r, struct elf *f)
{
	char name[32];
	uint64_t offset;

	snprintf(name, sizeof(name), "0x%" PRIx64, r->addr);
	if (!elf_addr_to_offset(f, r->addr, &offset))
		return refuse(r, f, name, "the address is in no segment of the file");
	return add_exact(r, f, name, offset, 0, true);
}

static bool add_func(struct request *r, struct elf *f, const struct elf_func *fn)
{
	char name[512];

	if (fn->ifunc)
		return refuse(r, f, fn->name,
			      "it is an indirect function: the symbol is only the resolver of the "
			      "implementations");
	if (!r->has_offset)
		return add_exact(r, f, fn->name, fn->offset, fn->size, false);
	snprintf(name, sizeof(name), "%s+%" PRIu64, fn->name, r->offset);
	if (fn->size && r->offset >= fn->size)
		return refuse(r, f, name, "the offset is beyond the end of the function");
	return add_exact(r, f, name, fn->offset + r->offset, fn->size ? fn->size - r->offset : 0,
			 true);
}

/* ---- wildcards ---- */

static int offset_order(const void *a, const void *b)
{
	const struct attach_target *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return strcmp(x->symbol, y->symbol);
}

/* Drops targets of the same place from `from` on: aliases, in the order of their names the first
 * stays. */
static void drop_aliases(struct attach_targets *out, size_t from)
{
	size_t n = from;

	if (out->n == from)
		return;
	qsort(out->v + from, out->n - from, sizeof(*out->v), offset_order);
	for (size_t i = from; i < out->n; i++) {
		if (n == from || out->v[n - 1].addr != out->v[i].addr)
			out->v[n++] = out->v[i];
	}
	out->n = n;
}

static void add_match(struct request *r, struct elf *f, const struct elf_func *fn)
{
	struct placement pl;

	elf_place(f, fn->offset, fn->size, user_place_flags(r->s), &pl);
	if (fn->ifunc || pl.cost == COST_REFUSED) {
		r->skipped++;
		return;
	}
	if (is_return(r))
		pl.offset = fn->offset;
	push_place(r, f, fn->name, &pl, false);
}

static bool add_matching(struct request *r, struct elf *f)
{
	const struct elf_func *funcs;
	size_t n, from = r->out->n;
	struct arena *tmp = arena_new();
	struct err e = {0};

	if (elf_funcs(f, &funcs, &n, &e) < 0) {
		arena_free(tmp);
		return refuse(r, f, "functions", e.what);
	}
	r->func.literal = elf_pattern_is_literal(&r->func, funcs, n);
	for (size_t i = 0; i < n; i++) {
		if (elf_pattern_matches(&r->func, tmp, funcs[i].name))
			add_match(r, f, &funcs[i]);
		else if (!probe_is_glob(r->func.text))
			probe_near(r->s, &r->near,
				   r->func.demangled ? elf_source_name(tmp, funcs[i].name)
						     : funcs[i].name);
	}
	arena_free(tmp);
	drop_aliases(r->out, from);
	return true;
}

static bool refuse_go(struct request *r, struct elf *f)
{
	struct diag_msg *m;

	if (r->many) {
		r->skipped++;
		return true;
	}
	m = sema_report(r->s, E_PROBE_TARGET, r->ap->span,
			"a return probe would crash the Go program %s", elf_path(f));
	diag_note(m, "Go moves goroutine stacks and finds the kernel's trampoline address "
		     "on them");
	diag_help(m, "goret probes each instruction that returns: goret:%s:\"%.*s\"", elf_path(f),
		  STR_ARG(r->func.text));
	return false;
}

static bool add_named(struct request *r, struct elf *f)
{
	struct elf_func fn;

	if (!probe_is_glob(r->func.text) && !r->func.demangled &&
	    elf_func_find(f, r->func.text, &fn))
		return add_func(r, f, &fn);
	return add_matching(r, f);
}

static bool add_from_file(void *arg, struct elf *f)
{
	struct request *r = arg;
	bool ok;

	if (is_return(r) && elf_is_go(f))
		return refuse_go(r, f);
	if (r->by_addr)
		return add_addr(r, f);
	ok = add_named(r, f);
	if (ok && !r->has_offset)
		inlined_find(&r->inlined, r->s, f);
	return ok;
}

static bool report_none(struct request *r)
{
	const char *inlined = inlined_only(&r->inlined, sema_arena(r->s));

	return probe_none(r->s, r->ap, inlined ? NULL : &r->near,
			  inlined      ? inlined
			  : r->skipped ? "functions that match cannot be probed"
				       : "no function of the file has that name");
}

static bool uprobe_resolve_as(struct sema *s, const struct provider *prov,
			      const struct attach_point *ap, struct attach_targets *out)
{
	struct request r = {.s = s, .prov = prov, .ap = ap, .out = out};
	bool implied = ap->nparts == 2 && sema_input(s)->pid > 0;
	struct str file = implied ? STR("") : ap->nparts > 1 ? ap->parts[1] : STR("");
	size_t before = out->n;

	if (!implied && !probe_parts(s, prov, ap, 3, 4))
		return false;
	if (line_is_meant(s, ap))
		return is_return(&r) ? probe_malformed(s, prov, ap,
						       "a return probe needs a function's name")
				     : line_resolve(s, ap, out);
	if (ap->nparts == 4) {
		if (!str_is(ap->parts[2], "cpp") && !str_is(ap->parts[2], "rust"))
			return probe_malformed(
				s, prov, ap,
				"between file and function only cpp or rust may stand");
		r.func.demangled = true;
	}
	if (!parse_place(&r, ap->parts[ap->nparts - 1]))
		return false;
	nearest_init(&r.near, r.func.text);
	r.many = probe_is_glob(file);
	r.inlined = (struct inlined){ap, out, r.func, is_return(&r), r.many, 0};
	if (!user_files(s, ap, file, add_from_file, &r))
		return false;
	if (out->n == before)
		return report_none(&r);
	inlined_report(&r.inlined, s);
	return true;
}

static bool uprobe_resolve(struct sema *s, const struct attach_point *ap,
			   struct attach_targets *out)
{
	return uprobe_resolve_as(s, &provider_uprobe, ap, out);
}

static bool uretprobe_resolve(struct sema *s, const struct attach_point *ap,
			      struct attach_targets *out)
{
	return uprobe_resolve_as(s, &provider_uretprobe, ap, out);
}

/* ---- names ---- */

/* Functions have arguments of their own; inside of them there are none in registers, and a stack
 * begins otherwise. */
static bool uprobe_share(struct kernel *k, unsigned uses, const struct attach_target *a,
			 const struct attach_target *b)
{
	if (uses & USES_ARGS)
		return false;
	if (((a->b ^ b->b) & USER_INSIDE) && uses & (USES_ARGN | USES_USTACK))
		return false;
	return probe_share_perf(k, uses, a, b);
}

static const struct type *arg_type(struct sema *s, struct probe *p, unsigned index)
{
	struct diag_msg *m;

	go_uprobe_warn(s, p, index);
	if (!(p->targets[0].b & USER_COPY))
		return type_int(sema_types(s), 8, false);
	m = sema_report(s, E_PROBE_LIMIT, p->ap->span,
			"arg%u means nothing where %s was inlined: no call passes arguments there",
			index, p->targets[0].symbol);
	diag_help(m, "args.NAME is an argument, where the compiler tells of it");
	return &type_poison;
}

static const struct type *uprobe_name_type(struct sema *s, struct probe *p, enum probe_name name,
					   unsigned index)
{
	if (name == NAME_ARGS)
		return go_uprobe_info(s, p) ? go_uprobe_args(s, p) : named_args(s, p);
	return name == NAME_ARG ? arg_type(s, p, index) : probe_func_name(s, name);
}

static const struct type *uretprobe_name_type(struct sema *s, struct probe *p, enum probe_name name,
					      unsigned index)
{
	return name == NAME_RETVAL ? named_retval(s, p) : probe_func_name(s, name);
}

static struct val uprobe_arg_field(struct gen *g, struct probe *p, const struct member *m)
{
	return go_uprobe_is(p) ? go_arg_field(g, p, m) : named_field(g, p, m);
}

static const char *uprobe_no_arg(struct probe *p, struct str name)
{
	return go_uprobe_is(p) ? go_missing(p, name) : named_missing(p, name);
}

static struct val uprobe_name_load(struct gen *g, struct probe *p, enum probe_name name,
				   unsigned index)
{
	switch (name) {
	case NAME_ARG:
		return user_arg(g, index);
	case NAME_ARGS:
		return go_uprobe_is(p) ? go_args_load(g, p) : named_all(g, p);
	case NAME_RETVAL:
		return named_retval_load(g, p);
	default:
		return probe_func_load(g, name, FEATURE_GET_FUNC_IP);
	}
}

static int uprobe_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	return user_attach(env, p, false, e);
}

static int uretprobe_attach(struct attach_env *env, const struct attach_prog *p, struct err *e)
{
	return user_attach(env, p, true, e);
}

/* ---- listing ---- */

struct listing {
	const char *prov;
	struct types *types; /* of -lv; NULL: names only */
	struct arena *arena;
	struct elf_pattern func;
	bool many, by_addr;
	uint64_t addr;
	list_fn fn;
	void *arg;
	struct err *e;
};

static int list_func(struct listing *l, const char *path, const struct elf_func *fn)
{
	struct buf line = BUF_INIT, detail = BUF_INIT;
	int r;

	buf_printf(&line, "%s:%s:%s", l->prov, path, fn->name);
	if (l->by_addr && l->addr > fn->addr)
		buf_printf(&line, "+0x%" PRIx64, l->addr - fn->addr);
	if (l->types)
		named_describe(l->types, l->arena, path, fn, l->prov[1] == 'r', &detail);
	r = l->fn(l->arg, buf_cstr(&line), detail.n ? buf_cstr(&detail) : NULL);
	buf_release(&detail);
	buf_release(&line);
	return r;
}

/* An address lists the function that has it. */
static bool is_listed(const struct listing *l, struct arena *tmp, const struct elf_func *fn)
{
	if (l->by_addr)
		return l->addr - fn->addr < MAX(fn->size, UINT64_C(1));
	return elf_pattern_matches(&l->func, tmp, fn->name);
}

static int list_funcs(struct listing *l, const char *path, const struct elf_func *funcs, size_t n)
{
	struct arena *tmp = arena_new();
	int r = 0;

	l->func.literal = elf_pattern_is_literal(&l->func, funcs, n);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (is_listed(l, tmp, &funcs[i]))
			r = list_func(l, path, &funcs[i]);
	arena_free(tmp);
	return r;
}

static int list_file(void *arg, const char *path)
{
	struct listing *l = arg;
	struct elf *f = elf_open(path, l->e);
	const struct elf_func *funcs = NULL;
	size_t n = 0;
	int r = f ? elf_funcs(f, &funcs, &n, l->e) : -EINVAL;

	if (r < 0 && l->many) { /* of the files that a pattern matches some cannot be read */
		err_clear(l->e);
		r = 0;
	}
	r = r < 0 ? r : list_funcs(l, path, funcs, n);
	if (f)
		elf_close(f);
	return r;
}

static int list_files(struct listing *l, int pid, const struct attach_point *pattern)
{
	char path[4096];
	int r;

	if (pattern->nparts < 2 && pid <= 0)
		return err_plain(l->e, EINVAL,
				 "functions can be listed for one file: -l '%s:FILE:*'", l->prov);
	l->many = pattern->nparts > 1 && probe_is_glob(pattern->parts[1]);
	if (l->many)
		return elf_glob(pattern->parts[1], list_file, l);
	r = elf_resolve(pattern->nparts > 1 ? pattern->parts[1] : STR(""), pid, path, sizeof(path),
			l->e);
	return r < 0 ? r : list_file(l, path);
}

static int list_as(struct listing *l, struct kernel *k, int pid, const struct attach_point *pattern,
		   bool verbose)
{
	unsigned long long v;
	int r;

	l->func.demangled = pattern->nparts == 4;
	l->func.text = probe_pattern(pattern, l->func.demangled ? 3 : 2);
	l->by_addr = str_to_u64(l->func.text, &v);
	l->addr = l->by_addr ? v : 0;
	l->arena = arena_new();
	l->types = verbose ? types_new(l->arena, k) : NULL;
	r = list_files(l, pid, pattern);
	arena_free(l->arena);
	return r;
}

static int uprobe_list(struct kernel *k, int pid, const struct attach_point *pattern, bool verbose,
		       list_fn fn, void *arg, struct err *e)
{
	struct listing l = {.prov = "uprobe", .fn = fn, .arg = arg, .e = e};

	return list_as(&l, k, pid, pattern, verbose);
}

static int uretprobe_list(struct kernel *k, int pid, const struct attach_point *pattern,
			  bool verbose, list_fn fn, void *arg, struct err *e)
{
	struct listing l = {.prov = "uretprobe", .fn = fn, .arg = arg, .e = e};

	return list_as(&l, k, pid, pattern, verbose);
}

static const char *const uprobe_aliases[] = {"u", NULL};
static const char *const uretprobe_aliases[] = {"ur", NULL};

const struct provider provider_uprobe = {
	.name = "uprobe",
	.aliases = uprobe_aliases,
	.form = "uprobe:FILE:FUNCTION[+OFFSET] or uprobe:FILE@SOURCE:LINE[:COLUMN]",
	.doc = "The entry of a function, an instruction, or a line of the source of a program or "
	       "library: uprobe:./server@http.c:212 is where line 212 of http.c begins.\n\n"
	       "    uprobe:/bin/bash:readline { @[pid] = count(); }",
	.space = SPACE_USER,
	.resolve = uprobe_resolve,
	.share = uprobe_share,
	.plan = user_plan,
	.name_type = uprobe_name_type,
	.name_load = uprobe_name_load,
	.arg_field = uprobe_arg_field,
	.no_arg = uprobe_no_arg,
	.caller = user_caller,
	.attach = uprobe_attach,
	.move = user_move_entry,
	.list = uprobe_list,
	.cost = user_cost,
	.explain = user_explain,
};

const struct provider provider_uretprobe = {
	.name = "uretprobe",
	.trampolines = true,
	.aliases = uretprobe_aliases,
	.form = "uretprobe:FILE:FUNCTION",
	.doc = "The return of a function of a program or library; retval is what it returns.\n\n"
	       "    uretprobe:/bin/bash:readline { printf(\"%s\\n\", str(retval)); }",
	.space = SPACE_USER,
	.resolve = uretprobe_resolve,
	.share = probe_share_perf,
	.plan = user_plan,
	.name_type = uretprobe_name_type,
	.name_load = uprobe_name_load,
	.attach = uretprobe_attach,
	.move = user_move_return,
	.list = uretprobe_list,
	.cost = user_cost,
	.explain = user_explain,
};
