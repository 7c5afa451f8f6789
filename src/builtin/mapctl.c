/* Maps as a whole and their entries: clear, zero, delete, has_key, len.
 *
 * clear and zero are control events: user space walks the map when it handles them, and they are
 * never lost. delete and has_key act at once; both accept f(@m[key]) and f(@m, key), and
 * sema_arg_map_key makes the two spellings one, so that the key is always inside of args[0]. */
#include <linux/bpf.h>
#include <string.h>
#include "builtin/builtin_priv.h"

/* ---- clear, zero ------------------------------------------------------------------------- */

static void handle_clear(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	h->clear_map(h, def->map, def->num[0]);
}

static void handle_zero(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	h->zero_map(h, def->map, def->num[0]);
}

const struct event_kind kind_clear = {"clear", true, handle_clear, .clears = true,
				      .needs = EVENT_MAP};
const struct event_kind kind_zero = {"zero", true, handle_zero, .clears = true, .needs = EVENT_MAP};

static void check_clear(struct sema *s, struct expr *e)
{
	e->type = &type_void;
	sema_arg_map(s, e, 0);
	sema_event(s, e, &kind_clear, NULL, 0);
}

static void check_zero(struct sema *s, struct expr *e)
{
	e->type = &type_void;
	sema_arg_map(s, e, 0);
	sema_event(s, e, &kind_zero, NULL, 0);
}

/* True when the same probe prints the map before: what is removed is then what was printed, and
 * what came in between is kept for the next time. */
static bool follows_print(struct gen *g, const struct event_def *def)
{
	const struct plan *p = gen_plan(g);
	struct span in = gen_probe_of(g)->decl->span;

	for (size_t i = 0; i < p->nevents; i++) {
		const struct event_def *d = p->events[i];

		if (d->map == def->map && strcmp(d->kind->name, "map") == 0 &&
		    d->span.file == in.file && d->span.off >= in.off && d->span.off < def->span.off)
			return true;
	}
	return false;
}

static struct val lower_control(struct gen *g, struct expr *e, struct val want)
{
	struct event_def *def = ((struct call_sem *)e->sem)->event;

	def->map = ((struct map_sym *)builtin_arg(e, 0)->sem)->index;
	def->num[0] = follows_print(g, def);
	gen_control(g, def);
	return VAL_VOID;
}

/* ---- delete, has_key --------------------------------------------------------------------- */

static void check_delete(struct sema *s, struct expr *e)
{
	struct expr *a = builtin_arg(e, 0);

	e->type = &type_bool;
	if (builtin_nargs(e) > 1 || (a->kind == EXPR_MAP && a->map.nkeys))
		sema_arg_map_key(s, e, 1);
	else
		sema_arg_map(s, e, 0);
}

static struct val lower_delete(struct gen *g, struct expr *e, struct val want)
{
	struct expr *map = builtin_arg(e, 0);
	const struct map_sym *m = map->sem;
	struct val key = m->key ? gen_map_key(g, map) : VAL_VOID;

	gen_map_looked_at(g, m);

	return val_scalar(e->type, gen_map_delete(g, m, key));
}

static void check_has_key(struct sema *s, struct expr *e)
{
	e->type = &type_bool;
	sema_arg_map_key(s, e, 1);
}

static struct val lower_has_key(struct gen *g, struct expr *e, struct val want)
{
	struct expr *map = builtin_arg(e, 0);
	ir_val p = gen_map_lookup(g, map->sem, gen_map_key(g, map));

	gen_map_looked_at(g, map->sem);
	return val_scalar(e->type, ir_bini(gen_ir(g), IR_NE, p, 0));
}

/* ---- find -------------------------------------------------------------------------------- */

/* What a variable gets that an element is assigned to: numbers for aggregations that are some. */
static const struct type *element_type(struct sema *s, const struct map_sym *m)
{
	if (m->value && m->value->kind == TYPE_AGG && m->value->agg.agg->fold != AGG_FOLD_NONE)
		return type_int(sema_types(s), 8, m->value->agg.is_signed);
	return m->value;
}

static void check_find(struct sema *s, struct expr *e)
{
	struct map_sym *m = sema_arg_map_key(s, e, 1);
	const struct type *t = m ? element_type(s, m) : NULL;

	e->type = &type_bool;
	if (!t)
		return;
	if (t->kind == TYPE_AGG)
		builtin_bad_arg(s, e, 0, "a map whose values can be read");
	else
		sema_arg_out(s, e, 2, t);
}

static struct val lower_find(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct ir_block *hit = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	struct expr *map = builtin_arg(e, 0);
	ir_cell found = ir_cell_new(b, "found", false);
	struct val key = gen_map_key(g, map);
	ir_val p = gen_map_lookup(g, map->sem, key);

	gen_map_looked_at(g, map->sem);
	ir_set(b, found, ir_const(b, 0));
	ir_br(b, p, hit, done, IR_LIKELY_YES);
	ir_at(b, hit);
	gen_set_var(g, builtin_arg(e, 2),
		    gen_map_value(g, map->sem, key, p, builtin_argtype(e, 2)));
	ir_set(b, found, ir_const(b, 1));
	ir_jmp(b, done);
	ir_at(b, done);
	return val_scalar(e->type, ir_get(b, found));
}

/* ---- len --------------------------------------------------------------------------------- */

static bool is_map(const struct expr *a)
{
	return a->kind == EXPR_MAP && a->map.nkeys == 0;
}

static void check_len(struct sema *s, struct expr *e)
{
	struct expr *a = builtin_arg(e, 0);

	builtin_set_int(s, e, 8, false);
	if (is_map(a)) {
		struct map_sym *m = sema_arg_map(s, e, 0);

		if (m && m->scalar && !m->keyed)
			diag_help(sema_report(s, E_ARG_TYPE, a->span, "@%.*s has no keys to count",
					      STR_ARG(m->name)),
				  "len() takes a map with keys, or a stack");
		if (!kernel_has(sema_kernel(s), FEATURE_FOR_EACH_MAP))
			sema_report(s, E_FEATURE, e->span,
				    "len() needs %s, which this kernel lacks",
				    feature_text(FEATURE_FOR_EACH_MAP));
		return;
	}
	if (builtin_known(e, 0) && a->type->kind != TYPE_STACK && !builtin_check_go_len(s, e))
		builtin_bad_arg(s, e, 0, "a map, a stack, or a value of Go that has a length");
}

/* The kernel counts the elements that it gives to a callback, which has nothing to do. */
static ir_val count_entries(struct gen *g, const struct map_sym *m)
{
	struct ir *b = gen_ir(g);
	struct ir_fn *fn = ir_fn_new(b->m, "each", IR_CALLBACK, 4, 0xf);
	struct ir cb = ir_begin(fn);

	gen_map_looked_at(g, m);
	cb.span = b->span;
	ir_ret(&cb, ir_const(&cb, 0));
	return IR_CALL(b, BPF_FUNC_for_each_map_elem, gen_map_ref(g, m->index), ir_fnptr(b, fn),
		       ir_const(b, 0), ir_const(b, 0));
}

static struct val lower_len(struct gen *g, struct expr *e, struct val want)
{
	struct expr *a = builtin_arg(e, 0);
	struct val stack;

	if (is_map(a))
		return val_scalar(e->type, count_entries(g, a->sem));
	if (a->type->kind != TYPE_STACK)
		return builtin_lower_go_len(g, e);
	stack = gen_expr(g, a);
	return val_scalar(e->type, ir_load(gen_ir(g), 2, stack.v, stack.off + 12, IR_MEM_NONE));
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_mapctl[] = {
	{
		.name = "clear",
		.proto = "void clear(map @m)",
		.doc = "Removes all entries of a map, when the event is handled.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }\n"
		       "    interval:s:1 { print(@); clear(@); }\n",
		.examples = EXAMPLES("begin { @[pid] = count(); clear(@); exit(); }"),
		.flags = BI_STMT | BI_EFFECT | BI_MAP_ARG,
		.min_args = 1,
		.max_args = 1,
		.check = check_clear,
		.lower = lower_control,
	},
	{
		.name = "zero",
		.proto = "void zero(map @m)",
		.doc = "Sets all values of a map to zero and keeps the keys, when the event is "
		       "handled.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }\n"
		       "    interval:s:1 { print(@); zero(@); }\n",
		.examples = EXAMPLES("begin { @[pid] = count(); zero(@); exit(); }"),
		.flags = BI_STMT | BI_EFFECT | BI_MAP_ARG,
		.min_args = 1,
		.max_args = 1,
		.check = check_zero,
		.lower = lower_control,
	},
	{
		.name = "delete",
		.proto = "bool delete(map @m, key) | delete(@m[key]) | delete(@scalar)",
		.doc = "Removes one entry; true when it was there.\n\n"
		       "    tracepoint:sched:sched_process_fork { @start[args.child_pid] = nsecs; "
		       "}\n"
		       "    tracepoint:sched:sched_process_exit { delete(@start, args.pid); }\n",
		.examples = EXAMPLES("begin { @start[tid] = nsecs; delete(@start, tid); exit(); }",
				     "begin { @[1, comm] = 1; delete(@[1, comm]); exit(); }",
				     "begin { @x = 1; delete(@x); exit(); }"),
		.flags = BI_EFFECT | BI_MAP_ARG,
		.min_args = 1,
		.max_args = 2,
		.check = check_delete,
		.lower = lower_delete,
	},
	{
		.name = "has_key",
		.proto = "bool has_key(map @m, key)",
		.doc = "Tells whether a map has an entry for the key, also when its value is 0.\n\n"
		       "    begin { @[1] = 0; if (has_key(@, 1)) { printf(\"there\\n\"); } }\n",
		.examples = EXAMPLES(
			"begin { @[1] = 0; if (has_key(@, 1)) { printf(\"there\\n\"); } exit(); }",
			"begin { @[1, 2] = 0; if (has_key(@, (1, 2))) { printf(\"there\\n\"); } "
			"exit(); }"),
		.flags = BI_EFFECT | BI_MAP_ARG,
		.min_args = 1,
		.max_args = 2,
		.check = check_has_key,
		.lower = lower_has_key,
	},
	{
		.name = "find",
		.proto = "bool find(map @m, key, $variable)",
		.doc = "Looks a key up: true when it is there, and the variable then has its "
		       "value.\n\n"
		       "When it is not there the variable stays as it was.\n\n"
		       "    tracepoint:syscalls:sys_enter_read { @start[tid] = nsecs; }\n"
		       "    tracepoint:syscalls:sys_exit_read {\n"
		       "        if (find(@start, tid, $t)) { @ns = hist(nsecs - $t); }\n"
		       "    }\n",
		.examples = EXAMPLES(
			"begin { @[1] = 5; if (find(@, 1, $x)) { print($x); } exit(); }",
			"begin { @[1, comm] = comm; if (find(@, (1, comm), $x)) { "
			"print($x); } exit(); }"),
		.flags = BI_EFFECT | BI_MAP_ARG | BI_OUT_ARG,
		.min_args = 3,
		.max_args = 3,
		.check = check_find,
		.lower = lower_find,
	},
	{
		.name = "len",
		.proto = "uint64 len(map @m) | len(stack s) | len(value v)",
		.doc = "The number of entries of a map, of frames of a stack, or of elements of a "
		       "Go value.\n\n"
		       "A map is counted entry by entry: do not do it at every event. In go and "
		       "goret probes v is a string,\n"
		       "slice, array, map or channel of Go: args.NAME, retval, and their "
		       "fields.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @seen[tid] = 1; }\n"
		       "    interval:s:1 { printf(\"%d threads\\n\", len(@seen)); }\n",
		.examples = EXAMPLES("begin { @[pid] = 1; printf(\"%d\\n\", len(@)); exit(); }",
				     "begin { printf(\"%d\\n\", len(kstack)); exit(); }"),
		.flags = BI_EFFECT | BI_MAP_ARG,
		.min_args = 1,
		.max_args = 1,
		.check = check_len,
		.lower = lower_len,
	},
	BUILTIN_END,
};
