/* govalue(): a value of a Go function with what it leads to, shown as Go's %v shows it.
 *
 *   printf("%v\n", retval.1)     is     printf("%s\n", govalue(retval.1))
 *
 * The value is a record (gotype.h): the bytes of the value itself, and behind them those of the
 * strings, slices and interfaces in it, as far as there is room. What is read is decided by tables
 * that are made of the program's debug information: while the program runs govalue_follow.c walks
 * them, and govalue_text.c makes text of the record later. */
#include <string.h>
#include "builtin/govalue.h"

struct shown {
	struct go_place pl;
	uint32_t size; /* bytes of the record */
	uint32_t root; /* bytes of the value in it */
};

static struct gotypes *table_of(struct types *ts)
{
	return gotypes_of(ts, (struct gotype_limits){0});
}

/* ---- checking -------------------------------------------------------------------------------- */

static bool place_of(struct sema *s, struct expr *e, struct go_place *out)
{
	struct probe *p = sema_probe(s);

	return p && p->prov && p->prov->go_place && p->prov->go_place(s, p, e, out);
}

static void fill_block(void *arg, struct own_map *m)
{
	static const uint32_t key;
	const struct gotypes_data *d = gotypes_data(arg);

	m->keys = &key;
	m->values = d->block;
	m->filled = 1;
	m->value_size = d->block_size;
}

static void fill_dyns(void *arg, struct own_map *m)
{
	const struct gotypes_data *d = gotypes_data(arg);

	m->keys = d->keys;
	m->values = d->dyns;
	m->filled = d->ndyns;
	m->max_entries = MAX(d->ndyns, 1u);
}

static void make_maps(struct sema *s, struct gotypes *gt)
{
	struct gotypes_maps *maps = gotypes_maps(gt);
	struct own_map *m;

	if (maps->made)
		return;
	maps->made = true;
	m = sema_own_map(s, ".gotypes", BPF_MAP_TYPE_ARRAY, &maps->block);
	*m = (struct own_map){m->name, m->type, 4, 8, 1, fill_block, gt, NULL, NULL, 0};
	m = sema_own_map(s, ".godyns", BPF_MAP_TYPE_HASH, &maps->dyns);
	*m = (struct own_map){m->name, m->type, 8, sizeof(struct gotype_dyn), 1, fill_dyns, gt,
			      NULL,    NULL,    0};
}

static void size_record(struct sema *s, struct gotypes *gt, struct shown *v)
{
	const struct gotype *t = gotype_get(gt, v->pl.type);
	uint32_t head = GO_REC_HEAD + GO_CHUNK_HEAD;

	v->root = MIN(t->size, (uint32_t)GO_CHUNK_MAX);
	v->size = t->nops ? (uint32_t)ALIGN_UP(sema_config(s)->go_value_size, 8u)
			  : head + ALIGN_UP(v->root, 8u);
}

static struct shown *shown_of(struct sema *s, struct expr *e)
{
	struct call_sem *cs = sema_call(s, e);
	struct shown *v = cs->data;
	struct gotypes *gt;

	if (v)
		return v;
	v = arena_new_of(sema_arena(s), struct shown);
	if (!place_of(s, builtin_arg(e, 0), &v->pl))
		return NULL;
	cs->data = v;
	if (!v->pl.type)
		return v;
	gt = table_of(sema_types(s));
	gotype_show(gt, v->pl.type);
	make_maps(s, gt);
	size_record(s, gt, v);
	return v;
}

static void check_govalue(struct sema *s, struct expr *e)
{
	const struct shown *v = shown_of(s, e);
	struct expr *a = builtin_arg(e, 0);

	a->type = a->type ? a->type : &type_void;
	if (v && v->pl.type) {
		e->type = type_view_sized(sema_types(s), &view_govalue, 0, v->size);
		return;
	}
	e->type = &type_poison;
	if (v)
		sema_report(s, E_PROBE_LIMIT, a->span, "this value cannot be shown: %s", v->pl.why);
	else
		diag_help(sema_report(s, E_ARG_TYPE, a->span,
				      "govalue() shows values of Go functions, this is none"),
			  "in go and goret probes: args.NAME, retval, and their fields");
}

static bool is_plain(enum go_kind k)
{
	return (k >= GO_BOOL && k <= GO_UINTPTR) || k == GO_STRING || k == GO_UNSAFE_POINTER ||
	       k == GO_FUNC;
}

void builtin_wrap_go(struct sema *s, struct expr *e, size_t i, bool all)
{
	struct expr *a = builtin_arg(e, i), *call;
	struct go_place pl;

	if (!place_of(s, a, &pl) || (!pl.type && !all))
		return;
	if (!all && is_plain(gotype_get(table_of(sema_types(s)), pl.type)->kind))
		return;
	call = arena_new_of(sema_arena(s), struct expr);
	call->kind = EXPR_CALL;
	call->span = a->span;
	call->height = a->height;
	call->call.name = STR("govalue");
	call->call.name_span = a->span;
	call->call.nargs = 1;
	call->call.args = arena_new_of(sema_arena(s), struct expr *);
	call->call.args[0] = a;
	e->call.args[i] = call;
}

/* ---- code -------------------------------------------------------------------------------------
 */

static void put_head(struct gen *g, struct val rec, const struct shown *v, uint32_t type)
{
	uint32_t used = GO_REC_HEAD + GO_CHUNK_HEAD + ALIGN_UP(v->root, 8u);
	struct ir *b = gen_ir(g);

	builtin_put(g, rec, 4, 0, ir_const(b, used));
	builtin_put(g, rec, 4, 4, ir_const(b, GO_REC_HEAD));
	builtin_put(g, rec, 8, 8, ir_const(b, 0));
	builtin_put(g, rec, 4, GO_REC_HEAD, ir_const(b, 0));
	builtin_put(g, rec, 4, GO_REC_HEAD + 4, ir_const(b, type));
	builtin_put(g, rec, 8, GO_REC_HEAD + 8, ir_const(b, v->root));
}

static void copy_root(struct gen *g, struct val rec, struct val from, uint32_t n)
{
	struct ir *b = gen_ir(g);

	for (uint32_t at = 0; at < ALIGN_UP(n, 8u); at += 8)
		builtin_put(g, rec, 8, GO_REC_HEAD + GO_CHUNK_HEAD + (int32_t)at,
			    ir_load(b, 8, from.v, from.off + (int32_t)at, IR_MEM_NONE));
}

/* Of a root that cannot be read the mark is all there is. */
static void put_mark(struct gen *g, struct val rec, const struct shown *v)
{
	struct ir *b = gen_ir(g);

	builtin_put(g, rec, 4, GO_REC_HEAD + 4, ir_const(b, v->pl.type | GO_CHUNK_FAULT));
	builtin_put(g, rec, 8, GO_REC_HEAD + 8, ir_const(b, 0));
}

static void read_root(struct gen *g, struct val rec, struct val from, const struct shown *v)
{
	struct ir *b = gen_ir(g);
	struct ir_block *fault = ir_block_new(b, "fault"), *done = ir_block_new(b, NULL);
	ir_val r;

	if (v->root % 8) /* no byte of the record is left as it was */
		builtin_put(g, rec, 8,
			    (int32_t)(GO_REC_HEAD + GO_CHUNK_HEAD + ALIGN_UP(v->root, 8u) - 8),
			    ir_const(b, 0));
	r = IR_CALL(b, BPF_FUNC_probe_read_user, builtin_addr(g, rec, GO_REC_HEAD + GO_CHUNK_HEAD),
		    ir_const(b, v->root), builtin_addr(g, from, 0));

	ir_br(b, r, fault, done, IR_LIKELY_NO);
	ir_at(b, fault);
	gen_lost(g, LOST_FAULT);
	put_mark(g, rec, v);
	ir_jmp(b, done);
	ir_at(b, done);
}

static struct val lower_govalue(struct gen *g, struct expr *e, struct val want)
{
	const struct shown *v = ((struct call_sem *)e->sem)->data;
	const struct provider *prov = gen_probe_of(g)->prov;
	struct gotypes *gt = table_of(gen_types(g));
	const struct gotype *t = gotype_get(gt, v->pl.type);
	struct val rec = builtin_place(g, e, want), from;

	rec.type = e->type;
	put_head(g, rec, v, v->pl.type);
	if (v->pl.lost) {
		put_mark(g, rec, v);
		return rec;
	}
	from = prov->go_load(g, gen_probe_of(g), &v->pl);
	if (from.space == SPACE_BPF)
		copy_root(g, rec, from, v->root);
	else if (v->root)
		read_root(g, rec, from, v);
	if (t->nops)
		govalue_follow(g, rec, v->size, gt, v->pl.type, v->pl.file);
	return rec;
}

/* ---- len() ------------------------------------------------------------------------------------
 */

static bool has_length(enum go_kind k)
{
	return k == GO_STRING || k == GO_SLICE || k == GO_MAP || k == GO_CHAN || k == GO_ARRAY;
}

bool builtin_check_go_len(struct sema *s, struct expr *e)
{
	struct call_sem *cs = sema_call(s, e);
	struct go_place *pl = cs->data;

	if (!pl) {
		pl = arena_new_of(sema_arena(s), struct go_place);
		if (!place_of(s, builtin_arg(e, 0), pl))
			return false;
		cs->data = pl;
	}
	return !pl->lost && has_length(gotype_get(table_of(sema_types(s)), pl->type)->kind);
}

/* A map or channel is a pointer to a structure that begins with the number of its elements, in all
 * releases; nil has none. */
static ir_val length_behind(struct gen *g, ir_val p)
{
	struct ir *b = gen_ir(g);
	struct ir_block *some = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	const struct type *u64 = type_int(gen_types(g), 8, false);
	ir_cell n = ir_cell_new(b, "len", false);

	ir_set(b, n, p);
	ir_br(b, p, some, done, IR_LIKELY_YES);
	ir_at(b, some);
	ir_set(b, n, gen_load(g, val_mem(u64, p, 0, SPACE_USER)));
	ir_jmp(b, done);
	ir_at(b, done);
	return ir_get(b, n);
}

struct val builtin_lower_go_len(struct gen *g, struct expr *e)
{
	const struct go_place *pl = ((struct call_sem *)e->sem)->data;
	const struct gotype *t = gotype_get(table_of(gen_types(g)), pl->type);
	struct probe *p = gen_probe_of(g);
	struct val m;

	if (t->kind == GO_ARRAY)
		return val_scalar(e->type, ir_const(gen_ir(g), t->count));
	m = p->prov->go_load(g, p, pl);
	m.type = e->type;
	if (t->kind == GO_MAP || t->kind == GO_CHAN)
		return val_scalar(e->type, length_behind(g, gen_load(g, m)));
	m.off += 8;
	return val_scalar(e->type, gen_load(g, m));
}

/* ---- rows -------------------------------------------------------------------------------------
 */

const struct builtin builtins_govalue[] = {
	{
		.name = "govalue",
		.proto = "govalue_t govalue(value v)",
		.doc = "A value of a Go function as Go's %v shows it.\n\n"
		       "`v` is args.NAME, retval, retval.N, or a field of these, in a go or goret "
		       "probe. printf's %v and\n"
		       "print() do this by themselves. Numbers, texts, slices, arrays and structs "
		       "are shown with what is in\n"
		       "them, a pointer with what it leads to, maps and channels by their length, "
		       "interfaces by type and\n"
		       "value, errors of the standard library by their text. What is cut ends "
		       "in \"...\", what cannot be read\n"
		       "is (unreadable).\n\n"
		       "The settings go_value_size, go_max_string and go_max_elems are its "
		       "limits; with go_max_map_elems\n"
		       "maps are shown with up to so many elements.\n\n"
		       "    goret:./server:\"main.(*Store).Load\" { printf(\"%v\\n\", retval.1); "
		       "}\n",
		.examples = EXAMPLES(NULL),
		.flags = BI_LAZY_ARGS,
		.min_args = 1,
		.max_args = 1,
		.check = check_govalue,
		.lower = lower_govalue,
	},
	BUILTIN_END,
};
