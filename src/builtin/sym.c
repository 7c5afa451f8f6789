/* Addresses and their names: ksym, usym, kaddr, uaddr; probe; registers: reg, usermode.
 *
 * ksym and usym are views: the address is stored and named when it is printed. usym remembers the
 * process too, because an address means nothing without it:
 *
 *      ksym    | u64 addr |
 *      usym    | u64 addr | u64 tgid (in awl's pid namespace) |
 *      probe   | u64 id of the target |
 */
#include <elf.h>
#include <linux/bpf.h>
#include <string.h>
#include "base/strmap.h"
#include "builtin/builtin_priv.h"
#include "elf/elf.h"

/* ---- ksym, usym -------------------------------------------------------------------------- */

static void add_symbol(struct buf *out, const char *name, uint64_t offset)
{
	buf_adds(out, name);
	if (offset)
		buf_printf(out, "+%" PRIu64, offset);
}

static void text_ksym(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	uint64_t addr = builtin_u64(v), offset;
	const char *name, *module;

	if (kernel_ksym(r->kernel, addr, &name, &module, &offset))
		add_symbol(out, name, offset);
	else
		buf_printf(out, "0x%" PRIx64, addr);
}

static void text_usym(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	uint64_t addr = builtin_u64(v), tgid = builtin_u64((const char *)v + 8);
	struct symbol sym = {0};

	if (r->syms && symbolizer_user(r->syms, (int)tgid, addr, &sym) && sym.name)
		add_symbol(out, sym.name, sym.offset);
	else
		buf_printf(out, "0x%" PRIx64, addr);
}

static bool first_word(const void *value, uint64_t *out)
{
	*out = builtin_u64(value);
	return true;
}

const struct view view_ksym = {
	.name = "ksym_t", .size = 8, .align = 8, .text = text_ksym, .to_int = first_word};
const struct view view_usym = {.name = "usym_t",
			       .size = 16,
			       .align = 8,
			       .text = text_usym,
			       .to_int = first_word,
			       .user_addr = true};

static void check_sym(struct sema *s, struct expr *e, const struct view *v)
{
	if (builtin_known(e, 0))
		sema_arg_ptr(s, e, 0);
	e->type = type_view(sema_types(s), v, 0);
}

static void check_ksym(struct sema *s, struct expr *e)
{
	check_sym(s, e, &view_ksym);
}

static void check_usym(struct sema *s, struct expr *e)
{
	check_sym(s, e, &view_usym);
}

static struct val lower_ksym(struct gen *g, struct expr *e, struct val want)
{
	return builtin_view_u64(g, e, want, gen_scalar(g, builtin_arg(e, 0)));
}

static struct val lower_usym(struct gen *g, struct expr *e, struct val want)
{
	ir_val addr = gen_scalar(g, builtin_arg(e, 0));
	struct val dst = builtin_view_u64(g, e, want, addr);

	builtin_put(g, dst, 8, 8, ir_bini(gen_ir(g), IR_LSHR, builtin_pid_tgid(g), 32));
	return dst;
}

/* ---- func --------------------------------------------------------------------------------
 *
 * The probed function: a symbol as of ksym or usym, shown by its name alone (a probe may sit a few
 * bytes into the function). */

static void text_kfunc(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	uint64_t addr = builtin_u64(v), offset;
	const char *name, *module;

	if (kernel_ksym(r->kernel, addr, &name, &module, &offset))
		buf_adds(out, name);
	else
		buf_printf(out, "0x%" PRIx64, addr);
}

static void text_ufunc(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	uint64_t addr = builtin_u64(v), tgid = builtin_u64((const char *)v + 8);
	struct symbol sym = {0};

	if (r->syms && symbolizer_user(r->syms, (int)tgid, addr, &sym) && sym.name)
		buf_adds(out, sym.name);
	else
		buf_printf(out, "0x%" PRIx64, addr);
}

const struct view view_kfunc = {
	.name = "func_t", .size = 8, .align = 8, .text = text_kfunc, .to_int = first_word};
const struct view view_ufunc = {.name = "ufunc_t",
				.size = 16,
				.align = 8,
				.text = text_ufunc,
				.to_int = first_word,
				.user_addr = true};

static bool is_user(const struct probe *p)
{
	return p->prov->space == SPACE_USER;
}

static void check_func(struct sema *s, struct expr *e)
{
	struct probe *p = sema_probe(s);

	if (p->prov->name_type && p->prov->name_type(s, p, NAME_FUNC, 0)) {
		e->type = type_view(sema_types(s), is_user(p) ? &view_ufunc : &view_kfunc, 0);
		return;
	}
	diag_help(sema_report(s, E_PROBE_LIMIT, e->span, "func is not available in %s probes",
			      p->prov->name),
		  "func is there in kprobe, uprobe, fentry and their return probes");
	e->type = &type_poison;
}

static struct val lower_func(struct gen *g, struct expr *e, struct val want)
{
	struct probe *p = gen_probe_of(g);
	struct val dst = builtin_view_u64(g, e, want, p->prov->name_load(g, p, NAME_FUNC, 0).v);

	if (is_user(p))
		builtin_put(g, dst, 8, 8, ir_bini(gen_ir(g), IR_LSHR, builtin_pid_tgid(g), 32));
	return dst;
}

/* ---- kaddr ------------------------------------------------------------------------------- */

static void check_kaddr(struct sema *s, struct expr *e)
{
	struct str name;
	uint64_t addr = 0;

	builtin_set_int(s, e, 8, false);
	if (!sema_literal_str(s, e, 0, &name))
		return;
	if (!kernel_kaddr(sema_kernel(s), arena_strndup(sema_arena(s), name.p, name.n), &addr))
		diag_help(sema_report(s, E_NAME, builtin_arg(e, 0)->span,
				      "the kernel has no symbol %.*s", STR_ARG(name)),
			  "see /proc/kallsyms: variables are there only in kernels with "
			  "CONFIG_KALLSYMS_ALL, and "
			  "addresses are hidden without CAP_SYSLOG");
	builtin_set_const(s, e, e->type, addr);
}

/* ---- uaddr ------------------------------------------------------------------------------- */

/* Where a symbol of the probed binary is. A position-independent one has been moved by the
 * difference between where the probe hit and where its target was linked. */
struct uaddr {
	uint64_t addr, size;
	uint64_t target; /* link-time address of the probe's target */
	bool moved;
};

static bool uaddr_find(struct sema *s, struct expr *e, struct str name, struct uaddr *u)
{
	const struct probe *p = sema_probe(s);
	const struct attach_target *t = p && p->ntargets ? &p->targets[0] : NULL;
	struct err err = {0};
	struct buf id = BUF_INIT;
	struct elf *f;
	uint16_t type = 0;
	bool found;

	if (!t || !t->module || !p->prov->name_type || p->prov->space != SPACE_USER) {
		sema_report(s, E_CALL_CONTEXT, e->span,
			    "uaddr() works in uprobe and usdt probes only");
		return false;
	}
	f = elf_open(t->module, &err);
	if (!f) {
		sema_report(s, E_PROBE_TARGET, e->span, "%s", err.what);
		return false;
	}
	elf_identity(f, &id);
	sema_note_file(s, elf_path(f), &id);
	found = elf_sym_find(f, name, &u->addr, &u->size);
	elf_read(f, offsetof(Elf64_Ehdr, e_type), &type, sizeof(type));
	u->moved = type == ET_DYN;
	if (!found)
		sema_report(s, E_NAME, builtin_arg(e, 0)->span, "%s has no symbol %.*s", t->module,
			    STR_ARG(name));
	else if (u->moved && (p->ntargets != 1 || !elf_offset_to_addr(f, t->addr, &u->target)))
		diag_help(
			sema_report(s, E_CALL_CONTEXT, e->span,
				    "uaddr() cannot tell where %s is loaded", t->module),
			"in a position-independent program it needs a uprobe on a single function");
	elf_close(f);
	return found;
}

static void check_uaddr(struct sema *s, struct expr *e)
{
	struct call_sem *c = sema_call(s, e);
	struct types *ts = sema_types(s);
	struct uaddr *u = c->data;
	struct str name;

	e->type = type_ptr(ts, type_int(ts, 8, false), SPACE_USER);
	if (!sema_literal_str(s, e, 0, &name))
		return;
	if (!u) {
		u = arena_new_of(sema_arena(s), struct uaddr);
		if (!uaddr_find(s, e, name, u))
			return;
		if (sema_final(s) || !u->moved || u->target)
			c->data = u;
	}
	if (u->size == 1 || u->size == 2 || u->size == 4)
		e->type = type_ptr(ts, type_int(ts, (unsigned)u->size, false), SPACE_USER);
}

static ir_val load_register(struct gen *g, int32_t off)
{
	struct probe *p = gen_probe_of(g);
	struct val regs = p->prov->name_load(g, p, NAME_UREGS, 0);
	const struct type *t = type_int(gen_types(g), 8, false);

	return gen_load(g, val_mem(t, regs.v, regs.off + off, regs.space));
}

static struct val lower_uaddr(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	const struct uaddr *u = ((struct call_sem *)e->sem)->data;
	ir_val addr = ir_const(b, (int64_t)u->addr);

	if (u->moved) {
		ir_val here = load_register(g, regs_named(STR("pc")));

		addr = ir_bin(b, IR_ADD, here, ir_const(b, (int64_t)(u->addr - u->target)));
	}
	return val_scalar(e->type, addr);
}

/* ---- reg, usermode ----------------------------------------------------------------------- */

static bool has_registers(struct sema *s, struct expr *e)
{
	struct probe *p = sema_probe(s);

	if (!p ||
	    (p->prov->name_type && p->prov->name_load && p->prov->name_type(s, p, NAME_UREGS, 0)))
		return true;
	sema_report(s, E_CALL_CONTEXT, e->span, "a %s probe has no registers", p->prov->name);
	return false;
}

static void check_reg(struct sema *s, struct expr *e)
{
	struct str name;

	builtin_set_int(s, e, 8, false);
	has_registers(s, e);
	if (sema_literal_str(s, e, 0, &name) && regs_named(name) < 0) {
		struct nearest near;
		struct diag_msg *m = sema_report(s, E_NAME, builtin_arg(e, 0)->span,
						 "there is no register %.*s", STR_ARG(name));

		nearest_init(&near, name);
		for (unsigned i = 0; regs_name(i); i++)
			nearest_try(&near, str_of(regs_name(i)));
		if (nearest_found(&near))
			diag_help(m, "did you mean \"%.*s\"?", STR_ARG(near.best));
	}
}

static struct val lower_reg(struct gen *g, struct expr *e, struct val want)
{
	return val_scalar(e->type, load_register(g, regs_named(builtin_arg(e, 0)->str)));
}

static void check_usermode(struct sema *s, struct expr *e)
{
	struct probe *p = sema_probe(s);

	e->type = &type_bool;
	if (p && !p->prov->name_type) /* begin, end, …: awl itself, which is user space */
		builtin_set_const(s, e, &type_bool, true);
	else
		has_registers(s, e);
}

static struct val lower_usermode(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
#if defined(__x86_64__)
	ir_val ring = ir_bini(b, IR_AND, load_register(g, regs_named(STR("cs"))), 3);

	return val_scalar(e->type, ir_bini(b, IR_EQ, ring, 3));
#else
	ir_val level = ir_bini(b, IR_AND, load_register(g, regs_named(STR("pstate"))), 0xf);

	return val_scalar(e->type, ir_bini(b, IR_EQ, level, 0));
#endif
}

/* ---- probe ------------------------------------------------------------------------------- */

static void text_probe(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	uint64_t id = builtin_u64(v);

	if (id < r->nprobe_names)
		buf_adds(out, r->probe_names[id]);
	else
		buf_printf(out, "probe %" PRIu64, id);
}

/* A probe's name is that of one of its targets. */
static bool find_probe(struct sema *s, struct str text, uint64_t *out)
{
	const struct probe *p = sema_probe(s);

	for (size_t i = 0; p && i < p->ntargets; i++)
		if (str_is(text, p->targets[i].name)) {
			*out = p->targets[i].said;
			return true;
		}
	return false;
}

const struct view view_probe = {.name = "probe_t",
				.size = 8,
				.align = 8,
				.text = text_probe,
				.to_int = first_word,
				.from_text = find_probe,
				.maker = "probe"};

/* The name behind kind and file: sched:sched_switch, malloc. Files may have colons, functions of Go
 * and events' categories do not begin behind the last one: kinds tell how many parts there are. */
static struct str short_name(struct str name)
{
	struct str rest = name, kind = str_cut(&rest, ':');
	bool two = str_is(kind, "tracepoint") || str_is(kind, "usdt");
	size_t i = rest.n, colons = 0;

	if (str_is(kind, "profile") || str_is(kind, "interval") || str_is(kind, "software") ||
	    str_is(kind, "hardware"))
		return rest;
	while (i > 0 && (rest.p[i - 1] != ':' || ++colons < (two ? 2u : 1u)))
		i--;
	return rest.n ? (struct str){rest.p + i, rest.n - i} : name;
}

/* _ZN2ns1fEi+24: the name behind which the offset stands. */
static const char *source_name(struct arena *a, const char *linked)
{
	struct str rest = str_of(linked), name = str_cut(&rest, '+');
	const char *text;

	if (linked[0] != '_')
		return linked;
	text = elf_demangle(a, arena_strndup(a, name.p, name.n));
	return rest.p ? arena_printf(a, "%s+%.*s", text, STR_ARG(rest)) : text;
}

/* Functions of C++, Rust and D as in their source. Where several have one name there (a constructor
 * is two functions), they stay as they are linked. */
static const char **source_names(struct render *r)
{
	const char **names = arena_array_of(r->arena, const char *, r->nprobe_names);
	struct strmap first; /* by the name in the source: as linked, "" when there are several */

	strmap_init(&first, r->arena);
	for (size_t i = 0; i < r->nprobe_names; i++) {
		const char *linked = short_name(str_of(r->probe_names[i])).p, *other;

		names[i] = source_name(r->arena, linked);
		other = strmap_get(&first, str_of(names[i]));
		if (!other || strcmp(other, linked) != 0)
			strmap_put(&first, str_of(names[i]), (void *)(other ? "" : linked));
	}
	for (size_t i = 0; i < r->nprobe_names; i++)
		if (!*(const char *)strmap_get(&first, str_of(names[i])))
			names[i] = short_name(str_of(r->probe_names[i])).p;
	return names;
}

static void text_probename(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	uint64_t id = builtin_u64(v);

	if (id >= r->nprobe_names) {
		text_probe(r, t, v, out);
		return;
	}
	if (r->config->cpp_demangle && !r->source_names)
		r->source_names = source_names(r);
	if (r->config->cpp_demangle)
		buf_adds(out, r->source_names[id]);
	else
		buf_addstr(out, short_name(str_of(r->probe_names[id])));
}

const struct view view_probename = {.name = "probename_t",
				    .size = 8,
				    .align = 8,
				    .text = text_probename,
				    .to_int = first_word,
				    .maker = "probename"};

static void check_probename(struct sema *s, struct expr *e)
{
	e->type = type_view(sema_types(s), &view_probename, 0);
}

static void check_probe(struct sema *s, struct expr *e)
{
	e->type = type_view(sema_types(s), &view_probe, 0);
}

static struct val lower_probe(struct gen *g, struct expr *e, struct val want)
{
	struct probe *p = gen_probe_of(g);
	struct ir *b = gen_ir(g);
	uint64_t known;
	ir_val id;

	if (builtin_from_text(e, &known))
		id = ir_const(b, (int64_t)known);
	else if (p->ntargets == 1)
		id = ir_const(b, (int64_t)p->targets[0].said);
	else if (p->prov->target_id)
		id = p->prov->target_id(g, p);
	else
		id = IR_CALL(b, BPF_FUNC_get_attach_cookie, gen_ctx(g));
	return builtin_view_u64(g, e, want, id);
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_sym[] = {
	{
		.name = "ksym",
		.proto = "ksym_t ksym(uint64 addr)",
		.doc = "A kernel address by name, function+offset.\n\n"
		       "    begin { printf(\"%s\\n\", ksym(kaddr(\"vfs_read\"))); exit(); }\n",
		.examples = EXAMPLES(
			"begin { printf(\"%s\\n\", ksym(0)); @[ksym(1)] = count(); exit(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_ksym,
		.lower = lower_ksym,
	},
	{
		.name = "usym",
		.proto = "usym_t usym(uint64 addr)",
		.doc = "An address of the current process by name, function+offset.\n\n"
		       "    uprobe:/bin/bash:readline { printf(\"%s\\n\", usym(reg(\"ip\"))); }\n",
		.examples = EXAMPLES(
			"begin { printf(\"%s\\n\", usym(0)); @[usym(1)] = count(); exit(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_usym,
		.lower = lower_usym,
	},
	{
		.name = "func",
		.proto = "func_t func",
		.doc = "The function that is probed, by name.\n\n"
		       "    uprobe:libc:mem* { @[func] = count(); }\n",
		.examples = EXAMPLES(
			"uprobe:libc:malloc { @[func] = count(); printf(\"%s\\n\", func); }"),
		.flags = BI_NAME,
		.uses = USES_FUNC,
		.check = check_func,
		.lower = lower_func,
	},
	{
		.name = "kaddr",
		.proto = "uint64 kaddr(const string symbol)",
		.doc = "The address of a kernel symbol, found while compiling.\n\n"
		       "    begin { printf(\"%p\\n\", kaddr(\"vfs_read\")); exit(); }\n",
		.examples = NULL,
		.flags = BI_CONST,
		.min_args = 1,
		.max_args = 1,
		.check = check_kaddr,
	},
	{
		.name = "uaddr",
		.proto = "uint64 *uaddr(const string symbol)",
		.doc = "The address of a symbol of the probed program, as a pointer to an integer "
		       "of the symbol's size.\n\n"
		       "    uprobe:/bin/bash:readline { printf(\"%s\\n\", "
		       "str(*uaddr(\"ps1_prompt\"))); }\n",
		.examples = EXAMPLES("uprobe:/bin/bash:readline { printf(\"%s\\n\", "
				     "str(*uaddr(\"ps1_prompt\"))); }"),
		.flags = BI_EFFECT,
		.min_args = 1,
		.max_args = 1,
		.uses = USES_REGS,
		.check = check_uaddr,
		.lower = lower_uaddr,
	},
	{
		.name = "reg",
		.proto = "uint64 reg(const string name)",
		.doc = "A register at the probe.\n\n"
		       "x86_64: r8 to r15, bp, bx, ax, cx, dx, si, di, orig_rax, ip, pc, cs, "
		       "flags, sp, ss. arm64: r0 to\n"
		       "r30, sp, pc, pstate.\n\n"
		       "    uprobe:/bin/bash:readline { printf(\"%p\\n\", reg(\"sp\")); }\n",
		.examples = EXAMPLES(
			"uprobe:/bin/bash:readline { printf(\"%p\\n\", reg(\"sp\")); }"),
		.min_args = 1,
		.max_args = 1,
		.uses = USES_REGS,
		.check = check_reg,
		.lower = lower_reg,
	},
	{
		.name = "usermode",
		.proto = "bool usermode",
		.doc = "True when the probe interrupted a program and not the kernel.\n\n"
		       "    profile:hz:99 { @[usermode] = count(); }\n",
		.examples = EXAMPLES("profile:hz:99 { @[usermode] = count(); }"),
		.flags = BI_NAME,
		.uses = USES_REGS,
		.check = check_usermode,
		.lower = lower_usermode,
	},
	{
		.name = "probe",
		.proto = "probe_t probe",
		.doc = "The name of the probe that fired, wildcards filled in.\n\n"
		       "    tracepoint:sched:sched_* { @[probe] = count(); }\n",
		.examples = EXAMPLES("tracepoint:sched:sched_* { @[probe] = count(); }"),
		.flags = BI_NAME,
		.uses = USES_PROBE,
		.check = check_probe,
		.lower = lower_probe,
	},
	{
		.name = "probename",
		.proto = "probename_t probename",
		.doc = "The name of the probe that fired without its kind and file: malloc, "
		       "sched:sched_switch. Functions of C++, Rust and D have the name of their "
		       "source, unless several functions have it or cpp_demangle is off.\n\n"
		       "    tracepoint:sched:sched_* { @[probename] = count(); }\n",
		.examples = EXAMPLES("tracepoint:sched:sched_* { @[probename] = count(); }"),
		.flags = BI_NAME,
		.uses = USES_PROBE,
		.check = check_probename,
		.lower = lower_probe,
	},
	BUILTIN_END,
};
