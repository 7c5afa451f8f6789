/* Arguments and results of Go functions by name, with Go's types.
 *
 *   go:FILE:"main.f"      args.name, args.p.x       out of the registers and the stack
 *   goret:FILE:"main.f"   args.name                 as it was at the call, kept beside it
 *                         retval, retval.0          one result, or several
 *
 * What is kept from call to return is the value itself, in the layout of memory, one after another;
 * only of arguments that the body names. Pointers into the goroutine's stack, which may have moved
 * in between, are moved along as the runtime moves them.
 *
 * A string is text, as much as fits. An interface is the address of its type's table: 0 is nil. */
#include <errno.h>
#include <string.h>
#include "probe/gofn.h"
#include "probe/location.h"

enum { KEPT_MAX = 160 };

struct kept {
	bool is;
	uint32_t off;
};

struct go_named {
	struct dwarf *dwarf;
	const struct go_place_info *info;
	struct go_signature sig;
	struct location_frame frame; /* of a copy */
	const struct type *args;
	const unsigned *of; /* of each member of args: its number in sig.args */
	struct kept *kept;  /* of each argument */
	uint32_t kept_size;
	const struct type *results;
	const struct type **result_types;
};

/* ---- finding out --------------------------------------------------------------------------- */

static const struct type *u64_of(struct types *ts)
{
	return type_int(ts, 8, false);
}

static bool is_interface(const struct type *t)
{
	return t->kind == TYPE_STRUCT && t->agr.name &&
	       (!strcmp(t->agr.name, "runtime.iface") || !strcmp(t->agr.name, "runtime.eface"));
}

static const struct type *value_type(struct types *ts, struct dwarf *d, const struct go_value *v)
{
	const struct type *t = type_from_dwarf(ts, d, v->ref);

	return t->kind == TYPE_FUNC || is_interface(t) ? u64_of(ts) : t;
}

/* The same, but whole: an interface has two words. */
static const struct type *value_bytes_type(struct types *ts, struct dwarf *d,
					   const struct go_value *v)
{
	return type_from_dwarf(ts, d, v->ref);
}

static int open_copy(struct go_named *n, struct arena *a, struct err *e)
{
	struct dwarf_func fn;
	int r = dwarf_func_at(n->dwarf, n->info->addr, n->info->func, a, &fn, e);

	if (r < 0)
		return r;
	n->frame = (struct location_frame){fn.frame_base, fn.cfa, n->info->addr + n->info->moved};
	go_copy_signature(n->dwarf, &fn, &n->frame, a, &n->sig);
	return 0;
}

static int open_named(struct go_named *n, struct types *ts, const struct go_place_info *info,
		      struct arena *a, struct err *e)
{
	struct dwarf_func fn;
	const char *why;
	int r;

	n->info = info;
	n->dwarf = info->told_types;
	if (info->told_types)
		return go_signature(n->dwarf, info->told, info, a, &n->sig, &why)
			       ? 0
			       : err_plain(e, EINVAL, "%s", why);
	n->dwarf = types_dwarf(ts, info->path, e);
	if (!n->dwarf)
		return -ENOENT;
	if (info->copy)
		return open_copy(n, a, e);
	r = dwarf_func_at(n->dwarf, info->addr, NULL, a, &fn, e);
	if (r < 0)
		return r;
	if (!go_signature(n->dwarf, &fn, info, a, &n->sig, &why))
		return err_plain(e, EINVAL, "%s", why);
	return 0;
}

static void add_args(struct go_named *n, struct types *ts, struct arena *a)
{
	struct member *m = arena_array_of(a, struct member, n->sig.nargs + 1);
	unsigned *of = arena_array_of(a, unsigned, n->sig.nargs + 1);
	uint32_t have = 0, size = 0;

	for (unsigned i = 0; i < n->sig.nargs; i++) {
		struct go_value *v = &n->sig.args[i];
		const struct type *t = value_type(ts, n->dwarf, v);

		if (!v->why && !t->size)
			v->why = "its type takes no memory";
		if (v->why)
			continue;
		of[have] = i;
		m[have++] = (struct member){.name = str_of(v->name), .type = t, .offset = size};
		size += ALIGN_UP(v->size, 8u);
	}
	n->of = of;
	n->args = type_struct_new(ts, "args", size, m, have);
}

/* ---- what to keep -------------------------------------------------------------------------- */

struct naming {
	struct go_named *n;
	unsigned names, fields; /* uses of args, and those as args.FIELD */
};

static void keep_named(void *arg, struct expr *e)
{
	struct naming *w = arg;

	w->names += e->kind == EXPR_IDENT && str_is(e->ident.name, "args");
	if (e->kind != EXPR_FIELD || e->field.e->kind != EXPR_IDENT ||
	    !str_is(e->field.e->ident.name, "args"))
		return;
	w->fields++;
	for (size_t i = 0; i < w->n->sig.nargs; i++)
		if (str_is(e->field.name, w->n->sig.args[i].name))
			w->n->kept[i].is = true;
}

/* All of them when args is used as a whole, or in a function of the script alone. */
static void choose_kept(struct go_named *n, struct probe *p, struct arena *a)
{
	struct naming w = {.n = n};

	n->kept = arena_array_of(a, struct kept, n->sig.nargs + 1);
	if (p->pred)
		ast_walk_expr(p->pred, keep_named, &w);
	ast_walk_block(p->body, keep_named, &w);
	for (size_t i = 0; i < n->sig.nargs; i++) {
		const struct go_value *v = &n->sig.args[i];
		uint32_t size = ALIGN_UP(v->size, 8u);

		n->kept[i].is |= !w.names || w.names > w.fields;
		if (v->why || !n->kept[i].is || n->kept_size + size > KEPT_MAX) {
			n->kept[i].is = false;
			continue;
		}
		n->kept[i].off = n->kept_size;
		n->kept_size += size;
	}
}

static struct go_named *named_of(struct sema *s, struct probe *p, struct err *e)
{
	struct go_probe *d = go_probe(s, p);
	struct arena *a = sema_arena(s);
	struct go_named *n;

	if (d->named)
		return d->named;
	n = arena_new_of(a, struct go_named);
	if (open_named(n, sema_types(s), p->targets[0].data, a, e) < 0)
		return NULL;
	add_args(n, sema_types(s), a);
	d->named = n;
	if (d->map && (p->uses & USES_ARGS)) {
		choose_kept(n, p, a);
		d->map->value_size += n->kept_size;
	}
	return n;
}

static const struct type *report_unnamed(struct sema *s, struct probe *p, const char *what,
					 const struct err *e)
{
	struct diag_msg *m = sema_report(s, E_PROBE_LIMIT, p->ap->span,
					 "the %s of %s have no names and types here: %s", what,
					 p->targets[0].symbol, e->what);

	if (p->prov == &provider_uprobe)
		diag_help(m, "go:FILE:\"FUNCTION\" has the words of the arguments as arg0, arg1 …");
	else
		diag_help(m,
			  "arg0, arg1 … are the words of the arguments at the entry, "
			  "reg(\"%s\"), reg(\"%s\") … the registers",
			  go_reg_name(0), go_reg_name(1));
	return &type_poison;
}

const struct type *go_args_type(struct sema *s, struct probe *p)
{
	struct err e = {0};
	struct go_named *n = named_of(s, p, &e);

	return n ? n->args : report_unnamed(s, p, "arguments", &e);
}

const struct go_signature *go_names(struct sema *s, struct probe *p, struct dwarf **d,
				    struct err *e)
{
	struct go_named *n = named_of(s, p, e);

	*d = n ? n->dwarf : NULL;
	return n ? &n->sig : NULL;
}

const struct go_signature *go_signature_of(const struct go_probe *d)
{
	return &d->named->sig;
}

const char *go_missing(struct probe *p, struct str name)
{
	const struct go_probe *d = p->data;

	for (size_t i = 0; d && d->named && i < d->named->sig.nargs; i++)
		if (str_is(name, d->named->sig.args[i].name))
			return d->named->sig.args[i].why;
	return d && d->named && d->named->info->minor < 23 && strstr(d->named->info->func, ".func")
		       ? "it is no parameter, and Go 1.23 is the first that tells what a function "
			 "literal has captured"
		       : NULL;
}

/* ---- reading a value ----------------------------------------------------------------------- */

static ir_val register_of(struct gen *g, unsigned n)
{
	return probe_ctx_reg(g, u64_of(gen_types(g)), go_reg(n)).v;
}

/* Of a value that is in no registers: where it lies in the caller's frame, or in the closure. */
static struct val in_memory(struct gen *g, const struct go_value *v, const struct type *t)
{
	const struct type *u64 = u64_of(gen_types(g));

	if (v->captured)
		return val_mem(t, probe_ctx_reg(g, u64, go_closure_reg()).v, (int32_t)v->stack,
			       SPACE_USER);
	return val_mem(t, probe_ctx_reg(g, u64, regs_sp()).v, (int32_t)(8 + v->stack), SPACE_USER);
}

/* Writes the value to BPF memory of at least its size rounded up to 8 bytes. */
static void put_value(struct gen *g, const struct go_value *v, struct val dst)
{
	struct ir *b = gen_ir(g);
	uint32_t size = ALIGN_UP(v->size, 8u);
	struct val from;

	ir_zero(b, dst.v, dst.off, size, 8);
	if (!v->in_regs) {
		from = in_memory(g, v, &type_void);
		gen_read(g, ir_bini(b, IR_ADD, dst.v, dst.off), v->size,
			 ir_bini(b, IR_ADD, from.v, from.off), SPACE_USER);
		return;
	}
	for (unsigned i = 0; i < v->npieces; i++)
		ir_store(b, v->pieces[i].size, dst.v, dst.off + (int32_t)v->pieces[i].off,
			 register_of(g, v->pieces[i].reg));
}

static struct val load_value(struct gen *g, const struct go_named *n, const struct go_value *v,
			     const struct type *t)
{
	struct val m;

	if (v->at)
		return location_load(g, v->at, &n->frame, t);
	if (!v->in_regs)
		return in_memory(g, v, t);
	if (type_is_scalar(t))
		return location_narrowed(g, t, register_of(g, v->pieces[0].reg));
	m = gen_temp_bytes(g, ALIGN_UP(v->size, 8u), 8, false);
	put_value(g, v, m);
	m.type = t;
	return m;
}

/* ---- arguments ----------------------------------------------------------------------------- */

static struct val unreadable(struct gen *g, struct probe *p, const struct go_value *v,
			     const struct type *t, const char *why)
{
	diag_report(gen_input(g)->diag, E_PROBE_LIMIT, p->ap->span,
		    "args.%s cannot be read at the return: %s", v->name, why);
	return val_scalar(t, ir_const(gen_ir(g), 0));
}

static struct val kept_value(struct gen *g, struct probe *p, unsigned i, const struct type *t)
{
	const struct go_probe *d = p->data;
	const struct go_value *v = &d->named->sig.args[i];

	if (!d->named->kept[i].is)
		return unreadable(g, p, v, t,
				  "the arguments that this probe names are too large to be kept "
				  "from the call on; name fewer");
	if (!gen_in_main(g))
		return unreadable(g, p, v, t,
				  "this is in a function or a loop over a map; put it into a "
				  "variable in front of it");
	return val_mem(t, d->kept, (int32_t)d->named->kept[i].off, SPACE_BPF);
}

struct val go_arg_field(struct gen *g, struct probe *p, const struct member *m)
{
	const struct go_probe *d = p->data;
	uint32_t count;
	const struct member *v = type_members(gen_types(g), d->named->args, &count);

	for (uint32_t i = 0; i < count; i++) {
		unsigned of = d->named->of[i];

		if (v[i].offset != m->offset || v[i].type != m->type)
			continue;
		return d->map ? kept_value(g, p, of, m->type)
			      : load_value(g, d->named, &d->named->sig.args[of], m->type);
	}
	return VAL_VOID;
}

const char *go_arg_lost(const struct probe *p, unsigned index)
{
	const struct go_probe *d = p->data;
	const struct go_value *v = &d->named->sig.args[index];

	if (v->why || !d->map || d->named->kept[index].is)
		return v->why;
	return "the arguments are too large to be kept from the call on";
}

struct val go_args_load(struct gen *g, struct probe *p)
{
	const struct go_named *n = ((struct go_probe *)p->data)->named;
	struct val all = gen_temp(g, n->args, true);
	uint32_t count;
	const struct member *v = type_members(gen_types(g), n->args, &count);

	for (uint32_t i = 0; i < count; i++) {
		struct val m = all;

		m.type = v[i].type;
		m.off += (int32_t)v[i].offset;
		gen_store(g, m, go_arg_field(g, p, &v[i]), true);
	}
	return all;
}

uint32_t go_kept_size(struct probe *p)
{
	const struct go_probe *d = p->data;

	return d->named ? d->named->kept_size : 0;
}

void go_keep(struct gen *g, struct probe *p, struct val dst)
{
	const struct go_named *n = ((struct go_probe *)p->data)->named;

	for (size_t i = 0; i < n->sig.nargs; i++) {
		struct val at = dst;

		at.off += (int32_t)n->kept[i].off;
		if (n->kept[i].is)
			put_value(g, &n->sig.args[i], at);
	}
}

/* A pointer into the stack as it was moves with it: `p - lo < size` tells, and the distance is the
 * same for all. */
static void move_pointer(struct gen *g, const struct go_probe *d, int32_t off)
{
	struct ir *b = gen_ir(g);
	ir_val v = ir_load(b, 8, d->kept, off, IR_MEM_NONE);
	ir_val inside = ir_bin(b, IR_ULT, ir_bin(b, IR_SUB, v, d->old_lo), d->old_size);

	v = ir_bin(b, IR_ADD, v, ir_bin(b, IR_MUL, inside, d->delta));
	ir_store(b, 8, d->kept, off, v);
}

void go_move_kept(struct gen *g, struct probe *p)
{
	const struct go_probe *d = p->data;

	for (size_t i = 0; i < d->named->sig.nargs; i++) {
		const struct go_value *v = &d->named->sig.args[i];

		for (unsigned k = 0; d->named->kept[i].is && k < v->npieces; k++)
			if (v->pieces[k].is_ptr)
				move_pointer(g, d,
					     (int32_t)(d->named->kept[i].off + v->pieces[k].off));
	}
}

/* ---- results ------------------------------------------------------------------------------- */

static const struct type *result_type(struct sema *s, struct go_named *n, const struct go_value *v)
{
	const struct type *t = value_type(sema_types(s), n->dwarf, v);

	return type_is_go_string(t) ? type_string(sema_types(s), sema_config(s)->max_strlen) : t;
}

/* ~r0 is how the compiler calls a result without a name. */
static struct str result_name(struct arena *a, const struct go_value *v)
{
	return str_of(v->name[0] == '~' ? v->name + 1 : v->name);
}

static const struct type *make_results(struct sema *s, struct go_named *n)
{
	struct arena *a = sema_arena(s);
	size_t count = n->sig.nresults;
	struct str *names = arena_array_of(a, struct str, count + 1);

	n->result_types = arena_array_of(a, const struct type *, count + 1);
	for (size_t i = 0; i < count; i++) {
		names[i] = result_name(a, &n->sig.results[i]);
		n->result_types[i] = n->sig.results[i].why ? u64_of(sema_types(s))
							   : result_type(s, n, &n->sig.results[i]);
	}
	return count == 1 ? n->result_types[0]
			  : type_record(sema_types(s), names, n->result_types, (uint32_t)count);
}

static const struct type *refuse_results(struct sema *s, struct probe *p, const char *why)
{
	diag_note(sema_report(s, E_PROBE_LIMIT, p->ap->span, "%s has no readable retval",
			      p->targets[0].symbol),
		  "%s", why);
	return &type_poison;
}

static const char *why_no_results(const struct go_named *n, const struct probe *p)
{
	for (size_t i = 0; i < p->ntargets; i++)
		if (p->targets[i].c & GO_TAIL)
			return "it ends by jumping into another function, whose result it is";
	if (!n->sig.nresults)
		return "the function has no results";
	return n->sig.nresults == 1 ? n->sig.results[0].why : NULL;
}

const struct type *go_results_type(struct sema *s, struct probe *p)
{
	struct err e = {0};
	struct go_named *n = named_of(s, p, &e);
	const char *why;

	if (!n)
		return report_unnamed(s, p, "results", &e);
	why = why_no_results(n, p);
	if (why)
		return refuse_results(s, p, why);
	if (!n->results)
		n->results = make_results(s, n);
	return n->results;
}

const char *go_no_results(struct sema *s, struct probe *p)
{
	struct err e = {0};
	const struct go_named *n = named_of(s, p, &e);

	for (size_t i = 0; i < p->ntargets; i++)
		if (p->targets[i].c & GO_TAIL)
			return why_no_results(n, p);
	return n && n->sig.nresults ? NULL : "the function has no results";
}

/* Of a copy: a value in a register is put into memory. */
static struct val located_bytes(struct gen *g, const struct go_named *n, const struct go_value *v)
{
	struct val m,
		r = location_load(g, v->at, &n->frame, value_bytes_type(gen_types(g), n->dwarf, v));

	if (r.kind == VAL_MEM)
		return r;
	m = gen_temp_bytes(g, 8, 8, false);
	ir_store(gen_ir(g), 8, m.v, m.off, r.v);
	return m;
}

struct val go_bytes_of(struct gen *g, struct probe *p, bool result, unsigned index)
{
	const struct go_probe *d = p->data;
	const struct go_signature *sig = &d->named->sig;
	const struct go_value *v = result ? &sig->results[index] : &sig->args[index];
	struct val m;

	if (!result && d->map)
		return kept_value(g, p, index, u64_of(gen_types(g)));
	if (v->at)
		return located_bytes(g, d->named, v);
	if (!v->in_regs)
		return in_memory(g, v, &type_void);
	m = gen_temp_bytes(g, ALIGN_UP(MAX(v->size, 1u), 8u), 8, false);
	put_value(g, v, m);
	return m;
}

static struct val load_result(struct gen *g, const struct go_named *n, size_t i)
{
	const struct go_value *v = &n->sig.results[i];
	const struct type *t = n->result_types[i];
	struct val header;

	if (t->kind != TYPE_STRING)
		return load_value(g, n, v, t);
	header = load_value(g, n, v, type_array(gen_types(g), u64_of(gen_types(g)), 2));
	return gen_go_string(g, header, t);
}

struct val go_results(struct gen *g, struct probe *p)
{
	const struct go_named *n = ((struct go_probe *)p->data)->named;
	struct val all;

	if (n->sig.nresults == 1)
		return load_result(g, n, 0);
	all = gen_temp(g, n->results, true);
	for (size_t i = 0; i < n->sig.nresults; i++) {
		struct val m = all;

		m.type = n->result_types[i];
		m.off += (int32_t)n->results->tuple.members[i].offset;
		if (!n->sig.results[i].why)
			gen_store(g, m, load_result(g, n, i), true);
	}
	return all;
}

/* ---- describing ---------------------------------------------------------------------------- */

static const char *type_name(struct dwarf *d, dwarf_ref ref)
{
	struct dwarf_type t;

	if (!dwarf_type_get(d, ref, &t))
		return "?";
	return t.name ? t.name : t.kind == DWARF_FUNC ? "func" : "?";
}

static void describe_values(struct go_named *n, const struct go_value *v, size_t count, bool names,
			    struct buf *out)
{
	for (size_t i = 0; i < count && !v[i].captured; i++) {
		buf_adds(out, i ? ", " : "");
		if (names)
			buf_printf(out, "%s ", v[i].name);
		buf_adds(out, type_name(n->dwarf, v[i].ref));
	}
}

void go_describe(struct types *ts, struct arena *a, const struct go_place_info *info,
		 struct buf *out)
{
	struct go_named *n = arena_new_of(a, struct go_named);
	bool named = false;

	if (open_named(n, ts, info, a, NULL) < 0)
		return;
	for (size_t i = 0; i < n->sig.nresults; i++)
		named |= n->sig.results[i].name[0] && n->sig.results[i].name[0] != '~';
	buf_adds(out, "(");
	describe_values(n, n->sig.args, n->sig.nargs, true, out);
	buf_adds(out, ")");
	if (!n->sig.nresults)
		return;
	buf_adds(out, n->sig.nresults > 1 || named ? " (" : " ");
	describe_values(n, n->sig.results, n->sig.nresults, named, out);
	buf_adds(out, n->sig.nresults > 1 || named ? ")" : "");
}
