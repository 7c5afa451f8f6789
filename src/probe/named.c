/* Arguments and results of functions of programs, by name and type, out of debug information.
 *
 *   uprobe:redis-server:createObject   { args.type, args.ptr }
 *   uprobe:FILE:f+0x12                 what is where at that instruction
 *
 * At a function's entry the places that hold for the whole function are not filled yet (the code
 * that stores the arguments on the stack is still to come): there the calling convention tells.
 * Compilers that optimize list places by address; these are right at every instruction, also the
 * first.
 *
 * `args` is a struct with one member for each argument that can be read, at its natural place, as a
 * copy of it would be; its members are loaded one by one where the program has them. The others are
 * remembered with the reason why they cannot be read. */
#include <errno.h>
#include "probe/location.h"
#include "probe/user.h"

struct unread {
	struct str name;
	const char *why;
};

struct named {
	struct dwarf *dwarf;
	struct dwarf_func fn;
	struct location_frame frame;
	bool copy;               /* made by the compiler for certain callers */
	struct abi_place *abi;   /* of each parameter, at the entry */
	const struct type *args; /* NULL: the function takes none */
	const unsigned *params;  /* of each member of args: its number in fn.params */
	VEC(struct unread) unread;
};

/* ---- finding out --------------------------------------------------------------------------- */

/* At the entry the convention also stands in for expressions that are not understood, and for
 * arguments that the function does not use; not where it may have been changed so that it does not
 * get them: functions of one file, and copies (f.isra.0). */
static bool by_convention(const struct named *n, const struct dwarf_param *p)
{
	if (!n->fn.entry || p->constant)
		return false;
	if (!p->at.n)
		return n->fn.external && !n->copy;
	return p->always || location_check(&p->at, &n->frame);
}

static const char *check_abi(const struct abi_place *p)
{
	switch (p->kind) {
	case ABI_REGS:
	case ABI_STACK:
		return NULL;
	case ABI_VECTOR:
		return "floating point is in registers that probes do not see";
	default:
		return "the calling convention has no place for it";
	}
}

static const char *why_not(const struct named *n, unsigned i)
{
	const struct dwarf_param *p = &n->fn.params[i];

	if (p->constant)
		return NULL;
	return by_convention(n, p) ? check_abi(&n->abi[i]) : location_check(&p->at, &n->frame);
}

static void add_args(struct named *n, struct types *ts, struct arena *a)
{
	struct member *m = arena_array_of(a, struct member, n->fn.nparams + 1);
	unsigned *params = arena_array_of(a, unsigned, n->fn.nparams + 1);
	uint32_t have = 0, size = 0;

	for (unsigned i = 0; i < n->fn.nparams; i++) {
		const struct type *t = type_from_dwarf(ts, n->dwarf, n->fn.params[i].type);
		struct str name = str_of(n->fn.params[i].name);
		const char *why = t->size ? why_not(n, i) : "its type is not known";

		if (why) {
			vec_push(a, &n->unread, (struct unread){name, why});
			continue;
		}
		size = ALIGN_UP(size, 8);
		params[have] = i;
		m[have++] = (struct member){.name = name, .type = t, .offset = size};
		size += t->size;
	}
	n->params = params;
	n->args = type_struct_new(ts, "args", size, m, have);
}

/* The instruction that the probe is for: endbr64, which it may have been put behind, included. */
static uint64_t place_of(struct named *n, struct elf *f, const struct attach_target *t)
{
	struct elf_func fn;
	uint64_t addr = 0;

	if (!(t->b & USER_INSIDE) && elf_func_at(f, t->addr, &fn)) {
		n->copy = strchr(fn.name, '.') != NULL;
		return fn.addr;
	}
	elf_offset_to_addr(f, t->addr, &addr);
	return addr;
}

static void note_build(struct types *ts, struct elf *f)
{
	struct buf id = BUF_INIT;

	elf_identity(f, &id);
	kernel_fact(types_kernel(ts), FACT_FILE, elf_path(f), buf_cstr(&id), 0);
	buf_release(&id);
}

void user_note_build(struct types *ts, const char *path)
{
	struct elf *f = elf_open(path, NULL);

	if (!f)
		return;
	note_build(ts, f);
	elf_close(f);
}

static int open_named(struct named *n, struct types *ts, const struct attach_target *t,
		      struct arena *a, struct err *e)
{
	struct elf *f;
	uint64_t addr;
	uint16_t machine;
	int r;

	n->dwarf = types_dwarf(ts, t->module, e);
	f = n->dwarf ? elf_open(t->module, e) : NULL;
	if (!f)
		return -ENOENT;
	note_build(ts, f);
	addr = place_of(n, f, t);
	elf_offset_to_addr(f, t->addr, &n->frame.addr);
	machine = elf_machine(f);
	elf_close(f);
	r = dwarf_func_at(n->dwarf, addr, t->b & USER_COPY ? t->symbol : NULL, a, &n->fn, e);
	if (r < 0)
		return r;
	n->frame.base = n->fn.frame_base;
	n->frame.cfa = n->fn.cfa;
	n->abi = arena_array_of(a, struct abi_place, n->fn.nparams + 1);
	abi_params(n->dwarf, machine, &n->fn, n->abi);
	return 0;
}

static struct named *named_of(struct sema *s, struct probe *p, struct err *e)
{
	struct named *n = p->data;

	if (n)
		return n;
	n = arena_new_of(sema_arena(s), struct named);
	if (open_named(n, sema_types(s), &p->targets[0], sema_arena(s), e) < 0)
		return NULL;
	add_args(n, sema_types(s), sema_arena(s));
	p->data = n;
	for (size_t i = 0; i < p->ntargets; i++)
		p->targets[i].b |= USER_BUILD;
	return n;
}

const struct type *named_args(struct sema *s, struct probe *p)
{
	struct err e = {0};
	struct named *n = named_of(s, p, &e);
	struct diag_msg *m;

	if (n)
		return n->args;
	m = sema_report(s, E_PROBE_LIMIT, p->ap->span, "the arguments of %s have no names here: %s",
			p->targets[0].symbol, e.what);
	diag_help(m, "arg0, arg1 … are there without names");
	if (e.hint[0])
		diag_note(m, "%s", e.hint);
	return &type_poison;
}

const char *named_missing(struct probe *p, struct str name)
{
	const struct named *n = p->data;

	for (size_t i = 0; n && i < n->unread.n; i++)
		if (str_eq(n->unread.v[i].name, name))
			return n->unread.v[i].why;
	return NULL;
}

/* ---- results ------------------------------------------------------------------------------- */

static bool readable_result(const struct type *t)
{
	return type_is_scalar(t) && t->size <= 8;
}

const struct type *named_retval(struct sema *s, struct probe *p)
{
	struct err e = {0};
	struct named *n = p->ntargets == 1 ? named_of(s, p, &e) : NULL;
	const struct type *t = n ? type_from_dwarf(sema_types(s), n->dwarf, n->fn.ret) : NULL;

	return t && readable_result(t) ? t : type_int(sema_types(s), 8, false);
}

struct val named_retval_load(struct gen *g, struct probe *p)
{
	const struct type *u64 = type_int(gen_types(g), 8, false), *t = NULL;
	const struct named *n = p->data;
	struct val v = probe_ctx_reg(g, u64, regs_retval());

	if (n && p->ntargets == 1)
		t = type_from_dwarf(gen_types(g), n->dwarf, n->fn.ret);
	return t && readable_result(t) ? location_narrowed(g, t, v.v) : v;
}

/* ---- loading ------------------------------------------------------------------------------- */

static ir_val arg_reg(struct gen *g, unsigned n)
{
	return probe_ctx_reg(g, type_int(gen_types(g), 8, false), regs_arg(n)).v;
}

/* The caller's stack pointer before the call. */
static ir_val stack_args(struct gen *g, uint32_t offset)
{
	ir_val sp = probe_ctx_reg(g, type_int(gen_types(g), 8, false), regs_sp()).v;
#if defined(__x86_64__)
	offset += 8; /* the return address is on top */
#endif
	return ir_bini(gen_ir(g), IR_ADD, sp, offset);
}

static struct val load_abi(struct gen *g, const struct abi_place *p, const struct type *t)
{
	ir_val at;

	if (p->kind == ABI_REGS && !p->indirect)
		return location_pair(g, t, arg_reg(g, p->reg),
				     p->nregs > 1 ? arg_reg(g, p->reg + 1)
						  : ir_const(gen_ir(g), 0));
	at = p->kind == ABI_REGS ? arg_reg(g, p->reg) : stack_args(g, p->offset);
	if (p->kind == ABI_STACK && p->indirect)
		at = gen_load(g, val_mem(type_int(gen_types(g), 8, false), at, 0, SPACE_USER));
	return val_mem(t, at, 0, SPACE_USER);
}

static struct val load_param(struct gen *g, const struct named *n, unsigned i, const struct type *t)
{
	const struct dwarf_param *p = &n->fn.params[i];

	if (p->constant)
		return location_pair(g, t, ir_const(gen_ir(g), (int64_t)p->value),
				     ir_const(gen_ir(g), 0));
	if (by_convention(n, p))
		return load_abi(g, &n->abi[i], t);
	return location_load(g, &p->at, &n->frame, t);
}

struct val named_field(struct gen *g, struct probe *p, const struct member *m)
{
	const struct named *n = p->data;
	uint32_t count;
	const struct member *v = type_members(gen_types(g), n->args, &count);

	for (uint32_t i = 0; i < count; i++)
		if (v[i].offset == m->offset && v[i].type == m->type)
			return load_param(g, n, n->params[i], m->type);
	return VAL_VOID;
}

/* All of them in one copy. */
struct val named_all(struct gen *g, struct probe *p)
{
	const struct named *n = p->data;
	struct val all = gen_temp(g, n->args, true);
	uint32_t count;
	const struct member *v = type_members(gen_types(g), n->args, &count);

	for (uint32_t i = 0; i < count; i++) {
		struct val m = all;

		m.type = v[i].type;
		m.off += (int32_t)v[i].offset;
		gen_store(g, m, load_param(g, n, n->params[i], v[i].type), true);
	}
	return all;
}

/* ---- listing ------------------------------------------------------------------------------- */

void named_describe(struct types *ts, struct arena *a, const char *path, const struct elf_func *fn,
		    bool is_return, struct buf *out)
{
	struct attach_target t = {.module = path, .symbol = fn->name, .addr = fn->offset};
	struct named *n = arena_new_of(a, struct named);
	const struct type *ret;

	if (open_named(n, ts, &t, a, NULL) < 0)
		return;
	if (!is_return) {
		add_args(n, ts, a);
		probe_list_members(ts, a, n->args, out);
		return;
	}
	ret = type_from_dwarf(ts, n->dwarf, n->fn.ret);
	if (readable_result(ret))
		buf_printf(out, "    %s retval\n", type_text(a, ret));
}
