/* Statements, calls and probes of the walked tree. See random.h.
 *
 * begin probes run in their order, then end probes; exit() ends the one it is in and of the others
 * skips the begin probes. Statements are left by setting world.flow, which every loop over
 * statements looks at:
 *
 *   break, continue   taken back by the loop       return   by the probe       exit   by the run */
#include <stdio.h>
#include <stdlib.h>
#include "random.h"

/* ---- calls
 * ------------------------------------------------------------------------------------------- */

static struct str call_name_of(const struct expr *e)
{
	return e->kind == EXPR_CALL ? e->call.name : e->ident.name;
}

static void integer_text(const struct conv *c, const struct value *v, struct buf *out)
{
	char spec[32], *p = spec;
	uint64_t n = v->n;
	unsigned bytes = c->bytes, shift;

	if (bytes == 0)
		bytes = c->spec == 'd' || c->spec == 'i' ? 8 : v->type->size;
	shift = 64 - 8 * bytes;
	n = c->spec == 'd' || c->spec == 'i' ? (uint64_t)((int64_t)(n << shift) >> shift)
					     : n << shift >> shift;
	*p++ = '%';
	if (c->minus)
		*p++ = '-';
	if (c->plus)
		*p++ = '+';
	if (c->space)
		*p++ = ' ';
	if (c->alt)
		*p++ = '#';
	if (c->zero)
		*p++ = '0';
	snprintf(p, 16, "*.*ll%c", c->spec);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	buf_printf(out, spec, MAX(c->width, 0), c->prec, (long long)n);
#pragma GCC diagnostic pop
}

static void any_text(const struct conv *c, const struct value *v, struct buf *out)
{
	struct buf b = BUF_INIT;
	size_t n;

	if (c->spec == 'c')
		buf_addc(&b, (char)v->n);
	else
		value_text(v, &b);
	n = c->prec >= 0 ? MIN(b.n, (size_t)c->prec) : b.n;
	if (!c->minus && c->width > (int)n)
		buf_fill(out, ' ', (size_t)c->width - n);
	buf_add(out, buf_cstr(&b), n);
	if (c->minus && c->width > (int)n)
		buf_fill(out, ' ', (size_t)c->width - n);
	buf_release(&b);
}

static void call_printf(struct world *w, struct expr *e)
{
	const struct call_sem *cs = e->sem;
	const struct format *f = cs->event->format;
	struct value args[16];

	for (size_t i = 1; i < e->call.nargs; i++)
		args[i] = eval(w, e->call.args[i]);
	if (w->flow != FLOW_NEXT)
		return;
	for (size_t i = 0, at = 1; i < f->n; i++) {
		buf_addstr(w->out, f->convs[i].literal);
		if (!f->convs[i].spec)
			continue;
		if (f->convs[i].spec == 'r')
			buffer_text(args[at++].s, f->convs[i].variant, w->out);
		else if (f->convs[i].spec == 's' || f->convs[i].spec == 'c')
			any_text(&f->convs[i], &args[at++], w->out);
		else
			integer_text(&f->convs[i], &args[at++], w->out);
	}
}

static void call_print(struct world *w, struct expr *e)
{
	struct value v = eval(w, e->call.args[0]);

	if (w->flow != FLOW_NEXT)
		return;
	value_text(&v, w->out);
	buf_addc(w->out, '\n');
}

static uint64_t call_delete(struct world *w, struct expr *map)
{
	struct entry *at = table_find(w, table_of(w, map->sem), eval_key(w, map), false);

	if (at && w->flow == FLOW_NEXT)
		at->gone = true;
	return at != NULL;
}

static uint64_t call_strncmp(struct world *w, struct expr *e)
{
	struct value a = eval(w, e->call.args[0]), b = eval(w, e->call.args[1]);
	size_t n = eval_num(w, e->call.args[2]);

	a.s.n = MIN(a.s.n, n);
	b.s.n = MIN(b.s.n, n);
	return !str_eq(a.s, b.s);
}

/* find(@m, key, $x): what is found is the variable's. */
static uint64_t call_find(struct world *w, struct expr *e)
{
	const struct expr *map = e->call.args[0];
	const struct map_sym *m = map->sem;
	struct value key = map->map.nkeys ? eval_key(w, e->call.args[0])
					  : value_as(w->arena, eval(w, e->call.args[1]), m->key);
	struct entry *at = table_find(w, table_of(w, m), key, false);
	struct value *out = eval_slot(w, e->call.args[2]->sem);

	if (at && w->flow == FLOW_NEXT)
		*out = value_as(w->arena, at->value, out->type);
	return at != NULL;
}

/* buf(pointer, length) or buf(array). */
static struct value call_buf(struct world *w, struct expr *e)
{
	struct value from = eval(w, e->call.args[0]);
	struct value out = {.type = e->type, .s = from.s};
	uint64_t n = e->call.nargs > 1 ? eval_num(w, e->call.args[1]) : 0;

	if (from.type->kind == TYPE_PTR && w->flow == FLOW_NEXT)
		out.s = memory_bytes(w, from.n, MIN(n, (uint64_t)e->type->str.cap));
	return out;
}

static uint64_t call_len(struct world *w, const struct expr *map)
{
	const struct table *t = table_of(w, map->sem);
	uint64_t n = 0;

	for (size_t i = 0; i < t->entries.n; i++)
		n += !t->entries.v[i]->gone;
	return n;
}

static uint64_t call_strstr(struct world *w, struct expr *e)
{
	struct str hay = eval(w, e->call.args[0]).s, needle = eval(w, e->call.args[1]).s;
	const char *at;

	if (!hay.n || !needle.n)
		return needle.n ? UINT64_MAX : 0;
	at = memmem(hay.p, hay.n, needle.p, needle.n);
	return at ? (uint64_t)(at - hay.p) : UINT64_MAX;
}

static uint64_t call_bswap(struct world *w, struct expr *e)
{
	struct expr *arg = e->call.args[0];
	uint64_t n = eval_num(w, arg);

	return __builtin_bswap64(n) >> (64 - 8 * arg->type->size);
}

static bool contains(struct str hay, struct str needle)
{
	if (needle.n == 0)
		return true;
	return hay.n && memmem(hay.p, hay.n, needle.p, needle.n) != NULL;
}

/* A function of the script. What it leaves by `return` ends with it. */
static struct value call_fn(struct world *w, struct expr *e, const struct fn_inst *f)
{
	struct value args[5], v;

	for (size_t i = 0; i < f->nparams; i++)
		args[i] = value_as(w->arena, eval(w, e->call.args[i]), f->params[i]->type);
	if (w->flow != FLOW_NEXT)
		return value_zero(w->arena, f->result);
	for (size_t i = 0; i < f->nparams; i++)
		*eval_slot(w, f->params[i]) = args[i];
	v = eval_block(w, f->body);
	if (w->flow == FLOW_RETURN) {
		w->flow = FLOW_NEXT;
		v = w->result;
	}
	return v.type && f->result->kind != TYPE_VOID ? value_as(w->arena, v, f->result)
						      : (struct value){.type = f->result};
}

struct value eval_call(struct world *w, struct expr *e)
{
	const struct call_sem *cs = e->sem;

	if (cs && cs->kind == CALL_FN)
		return call_fn(w, e, cs->data);
	struct str f = call_name_of(e);
	struct expr **args = e->kind == EXPR_CALL ? e->call.args : NULL;
	struct value a;

	if (str_is(f, "printf"))
		call_printf(w, e);
	else if (str_is(f, "print"))
		call_print(w, e);
	else if (str_is(f, "exit"))
		w->flow = FLOW_EXIT;
	else if (str_is(f, "delete"))
		return value_num(e->type, call_delete(w, args[0]));
	else if (str_is(f, "has_key"))
		return value_num(e->type, table_find(w, table_of(w, args[0]->sem),
						     eval_key(w, args[0]), false) != NULL);
	else if (str_is(f, "strlen"))
		return value_num(e->type, eval(w, args[0]).s.n);
	else if (str_is(f, "strncmp"))
		return value_num(e->type, call_strncmp(w, e));
	else if (str_is(f, "find"))
		return value_num(e->type, call_find(w, e));
	else if (str_is(f, "len"))
		return value_num(e->type, call_len(w, args[0]));
	else if (str_is(f, "strstr"))
		return value_num(e->type, call_strstr(w, e));
	else if (str_is(f, "buf"))
		return call_buf(w, e);
	else if (str_is(f, "bswap"))
		return value_num(e->type, call_bswap(w, e));
	else if (e->folded)
		return value_num(e->type, e->value);
	else if (str_is(f, "strcontains")) {
		a = eval(w, args[0]);
		return value_num(e->type, contains(a.s, eval(w, args[1]).s));
	} else {
		fprintf(stderr, "random programs call %.*s, which cannot be walked\n", STR_ARG(f));
		abort();
	}
	return (struct value){.type = &type_void};
}

/* ---- assignments
 * --------------------------------------------------------------------------------------- */

static bool is_agg(const struct expr *e)
{
	const struct call_sem *c = e->sem;

	return (e->kind == EXPR_CALL || e->kind == EXPR_IDENT) && c && c->builtin &&
	       (c->builtin->flags & BI_AGG);
}

static void assign_map(struct world *w, struct stmt *s)
{
	struct expr *map = s->assign.lhs, *value = s->assign.value;
	const struct map_sym *m = map->sem;
	struct table *t = table_of(w, m);
	struct entry *at;
	struct value v;

	if (is_agg(value)) {
		bool has_arg = value->kind == EXPR_CALL && value->call.nargs;

		struct value key = eval_key(w, map);
		uint64_t arg = has_arg ? eval_num(w, value->call.args[0]) : 0;

		if (w->flow != FLOW_NEXT)
			return;
		at = table_find(w, t, key, true);
		tally_add(w->arena, at, value, arg);
		return;
	}
	v = eval(w, value);
	struct value key = eval_key(w, map);

	if (w->flow != FLOW_NEXT)
		return;
	at = table_find(w, t, key, true);
	if (s->assign.compound)
		v = value_num(m->value,
			      eval_arith(s->assign.op, at->value.n, v.n, m->value, value->type));
	at->value = value_as(w->arena, v, m->value);
}

static void assign(struct world *w, struct stmt *s)
{
	struct expr *lhs = s->assign.lhs;
	struct value v, *at;

	if (lhs->kind == EXPR_MAP) {
		assign_map(w, s);
		return;
	}
	v = eval(w, s->assign.value);
	if (w->flow != FLOW_NEXT)
		return;
	at = eval_slot(w, lhs->sem);
	if (s->assign.compound)
		v = value_num(at->type, eval_arith(s->assign.op, at->n, v.n, at->type,
						   s->assign.value->type));
	*at = value_as(w->arena, v, at->type);
}

static void let(struct world *w, struct stmt *s)
{
	const struct var_sym *v = s->let.var;
	struct value value;

	if (!s->let.value)
		return;
	value = eval(w, s->let.value);
	if (v && v->type && w->flow == FLOW_NEXT)
		*eval_slot(w, v) = value_as(w->arena, value, v->type);
}

/* ---- loops
 * ------------------------------------------------------------------------------------------------
 */

static void statements(struct world *w, struct block *b);

/* True when the loop goes on. */
static bool body(struct world *w, struct block *b)
{
	statements(w, b);
	if (b->value && w->flow == FLOW_NEXT)
		eval(w, b->value);
	if (w->flow == FLOW_CONTINUE)
		w->flow = FLOW_NEXT;
	if (w->flow == FLOW_BREAK) {
		w->flow = FLOW_NEXT;
		return false;
	}
	return w->flow == FLOW_NEXT;
}

static void for_range(struct world *w, struct stmt *s)
{
	const struct var_sym *v = s->loop.sym;
	int64_t from = (int64_t)eval_num(w, s->loop.from), to = (int64_t)eval_num(w, s->loop.to);

	for (int64_t i = from; i < to; i++) {
		*eval_slot(w, v) = value_num(v->type, (uint64_t)i);
		if (!body(w, s->loop.body))
			break;
	}
}

static void for_map(struct world *w, struct stmt *s)
{
	const struct var_sym *v = s->loop.sym;
	struct table *t = table_of(w, s->loop.map->sem);
	size_t n = t->entries.n;

	for (size_t i = 0; i < n; i++) {
		struct entry *e = t->entries.v[i];
		struct value pair = value_zero(w->arena, v->type);

		if (e->gone)
			continue;
		pair.items[0] = value_as(w->arena, e->key, pair.items[0].type);
		pair.items[1] = value_as(w->arena, e->value, pair.items[1].type);
		*eval_slot(w, v) = pair;
		if (!body(w, s->loop.body))
			break;
	}
}

static void repeat(struct world *w, struct stmt *s)
{
	uint64_t n = s->kind == STMT_UNROLL ? eval_num(w, s->repeat.cond) : 0;

	if (s->kind == STMT_UNROLL) {
		while (n-- && body(w, s->repeat.body))
			;
		return;
	}
	while (eval_num(w, s->repeat.cond) && body(w, s->repeat.body))
		;
}

/* ---- statements
 * --------------------------------------------------------------------------------------------- */

static void jump(struct world *w, struct stmt *s)
{
	if (s->kind == STMT_RETURN && s->expr)
		w->result = eval(w, s->expr);
	if (w->flow != FLOW_NEXT)
		return;
	w->flow = s->kind == STMT_BREAK      ? FLOW_BREAK
		  : s->kind == STMT_CONTINUE ? FLOW_CONTINUE
					     : FLOW_RETURN;
}

static void statement(struct world *w, struct stmt *s)
{
	switch (s->kind) {
	case STMT_EXPR:
	case STMT_DISCARD:
		eval(w, s->expr);
		break;
	case STMT_LET:
		let(w, s);
		break;
	case STMT_ASSIGN:
		assign(w, s);
		break;
	case STMT_FOR_RANGE:
		for_range(w, s);
		break;
	case STMT_FOR_MAP:
		for_map(w, s);
		break;
	case STMT_WHILE:
	case STMT_UNROLL:
		repeat(w, s);
		break;
	case STMT_BREAK:
	case STMT_CONTINUE:
	case STMT_RETURN:
		jump(w, s);
		break;
	default:
		abort();
	}
}

static void statements(struct world *w, struct block *b)
{
	for (size_t i = 0; i < b->n && w->flow == FLOW_NEXT; i++)
		statement(w, b->stmts[i]);
}

struct value eval_block(struct world *w, struct block *b)
{
	statements(w, b);
	if (b->value && w->flow == FLOW_NEXT)
		return eval(w, b->value);
	return (struct value){.type = &type_void};
}

/* ---- the program
 * ---------------------------------------------------------------------------------------------- */

static void probe(struct world *w, struct probe *p)
{
	w->slots.n = 0;
	w->flow = FLOW_NEXT;
	if (!p->pred || eval_num(w, p->pred))
		eval_block(w, p->body);
}

static void probes(struct world *w, struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->nprobes; i++) {
		if (strncmp(plan->probes[i]->prov->name, name, strlen(name)) != 0)
			continue;
		probe(w, plan->probes[i]);
		if (w->flow == FLOW_EXIT && strcmp(name, "begin") == 0)
			return;
	}
}

void expect_output(struct arena *a, struct plan *plan, struct buf *out)
{
	struct world w = {.arena = a, .out = out};

	probes(&w, plan, "begin");
	probes(&w, plan, "end");
	for (size_t i = 0; i < w.tables.n; i++)
		table_text(w.tables.v[i], out);
}
