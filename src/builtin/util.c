/* Small things that the families of builtins share: arguments and types in checks, places and
 * addresses in lowering, fields of records in handlers.
 *
 * pid and tid are those of awl's own pid namespace, so that they mean the same in the output, in
 * /proc and to kill(1). In the initial namespace that is what the kernel has at hand; elsewhere the
 * kernel translates, given the device and inode of /proc/self/ns/pid:
 *
 *   bpf_get_ns_current_pid_tgid(dev, ino, &{ u32 tid; u32 pid }, 8)
 */
#include <linux/bpf.h>
#include <string.h>
#include "builtin/builtin_priv.h"

/* ---- checking ---------------------------------------------------------------------------- */

size_t builtin_nargs(const struct expr *e)
{
	size_t n;

	call_args(e, &n);
	return n;
}

struct expr *builtin_arg(const struct expr *e, size_t i)
{
	size_t n;
	struct expr **args = call_args(e, &n);

	return i < n ? args[i] : NULL;
}

const struct type *builtin_argtype(const struct expr *e, size_t i)
{
	struct expr *a = builtin_arg(e, i);

	return a && a->type ? a->type : &type_poison;
}

bool builtin_known(const struct expr *e, size_t i)
{
	return builtin_argtype(e, i)->kind != TYPE_POISON;
}

bool builtin_word(const struct expr *e, size_t i, struct str *word)
{
	const struct expr *a = builtin_arg(e, i);

	if (!a || (a->kind != EXPR_IDENT && a->kind != EXPR_STR))
		return false;
	*word = a->kind == EXPR_IDENT ? a->ident.name : a->str;
	return true;
}

void builtin_check_void(struct sema *s, struct expr *e)
{
	e->type = &type_void;
}

void builtin_set_int(struct sema *s, struct expr *e, unsigned bytes, bool is_signed)
{
	e->type = type_int(sema_types(s), bytes, is_signed);
}

void builtin_set_const(struct sema *s, struct expr *e, const struct type *t, uint64_t value)
{
	e->type = t;
	e->folded = true;
	e->value = value;
}

void builtin_bad_arg(struct sema *s, struct expr *e, size_t i, const char *wanted)
{
	struct expr *a = builtin_arg(e, i);
	struct str name = call_name(e);
	struct diag_msg *m = sema_report(s, E_ARG_TYPE, a ? a->span : e->span,
					 "%.*s() needs %s, got %s", STR_ARG(name), wanted,
					 type_text(sema_arena(s), builtin_argtype(e, i)));

	diag_primary(m, "this is %s", type_text(sema_arena(s), builtin_argtype(e, i)));
}

/* ---- generating -------------------------------------------------------------------------- */

struct val builtin_place(struct gen *g, struct expr *e, struct val want)
{
	return want.kind == VAL_MEM ? want : gen_temp(g, e->type, false);
}

ir_val builtin_addr(struct gen *g, struct val m, int32_t off)
{
	return ir_bini(gen_ir(g), IR_ADD, m.v, (int64_t)m.off + off);
}

void builtin_put(struct gen *g, struct val m, unsigned bytes, int32_t off, ir_val v)
{
	ir_store(gen_ir(g), bytes, m.v, m.off + off, v);
}

bool builtin_from_text(const struct expr *e, uint64_t *value)
{
	const struct call_sem *c = e->sem;

	if (!c || !c->num[3] || !c->data)
		return false;
	memcpy(value, c->data, sizeof(*value));
	return true;
}

struct val builtin_view_u64(struct gen *g, struct expr *e, struct val want, ir_val v)
{
	struct val dst = builtin_place(g, e, want);

	builtin_put(g, dst, 8, 0, v);
	return dst;
}

#define PROC_PID_INIT_INO 0xeffffffcU /* of the first pid namespace */

ir_val builtin_pid_tgid(struct gen *g)
{
	struct ir *b = gen_ir(g);
	uint64_t dev = kernel_host(gen_kernel(g), FACT_PID_NS, "device");
	uint64_t ino = kernel_host(gen_kernel(g), FACT_PID_NS, "inode");
	ir_val info, both;

	if (ino == PROC_PID_INIT_INO)
		return IR_CALL0(b, BPF_FUNC_get_current_pid_tgid);
	info = gen_temp_bytes(g, 8, 8, true).v;
	IR_CALL(b, BPF_FUNC_get_ns_current_pid_tgid, ir_const(b, (int64_t)dev),
		ir_const(b, (int64_t)ino), info, ir_const(b, 8));
	/* { u32 pid (of the thread); u32 tgid }: the same halves on a little-endian machine */
	both = ir_load(b, 8, info, 0, IR_MEM_NONE);
	return both;
}

ir_val builtin_pointer(struct gen *g, struct expr *arg, enum space *space)
{
	const struct type *t = arg->type;
	struct val v;

	if (type_is_scalar(t)) {
		*space = t->kind == TYPE_PTR ? t->ptr.space : SPACE_NONE;
		v = gen_expr(g, arg);
		if (v.kind == VAL_SCALAR && v.space != SPACE_NONE)
			*space = v.space;
		return v.kind == VAL_SCALAR ? v.v : gen_load(g, v);
	}
	v = gen_expr(g, arg);
	*space = v.space;
	return builtin_addr(g, v, 0);
}

static struct builtin_loop loop_new(struct ir *b, uint64_t max)
{
	return (struct builtin_loop){.i = ir_cell_new(b, "i", false),
				     .head = ir_block_new(b, "loop"),
				     .next = ir_block_new(b, "next"),
				     .done = ir_block_new(b, "done"),
				     .max = max};
}

ir_val builtin_long_loop_begin(struct gen *g, struct builtin_loop *l, uint64_t max,
			       struct ir_block *cut)
{
	struct ir *b = gen_ir(g);
	struct ir_block *body;
	ir_val i, zero;

	if (!kernel_has(gen_kernel(g), FEATURE_MAY_GOTO))
		return builtin_loop_begin(g, l, ir_const(b, (int64_t)max), max);
	*l = loop_new(b, max);
	l->guarded = true;
	body = ir_block_new(b, "body");
	zero = gen_unknown_zero(g);
	ir_set(b, l->i, ir_const(b, 0));
	ir_jmp(b, l->head);
	ir_at(b, l->head);
	gen_may_goto(g, cut ? cut : l->done);
	i = ir_bin(b, IR_ADD, ir_get(b, l->i), zero);
	ir_br(b, ir_bini(b, IR_ULT, i, (int64_t)max), body, l->done, IR_LIKELY_YES);
	ir_at(b, body);
	i = ir_index(b, i, max);
	ir_set(b, l->i, i);
	return i;
}

ir_val builtin_loop_begin(struct gen *g, struct builtin_loop *l, ir_val n, uint64_t max)
{
	struct ir *b = gen_ir(g);
	struct ir_block *body;
	ir_val i;

	*l = loop_new(b, max);
	body = ir_block_new(b, "body");
	ir_set(b, l->i, ir_const(b, 0));
	ir_jmp(b, l->head);
	ir_at(b, l->head);
	i = ir_get(b, l->i);
	ir_br(b, ir_bin(b, IR_ULT, i, n), body, l->done, IR_LIKELY_YES);
	ir_at(b, body);
	return i;
}

void builtin_loop_end(struct gen *g, struct builtin_loop *l)
{
	struct ir *b = gen_ir(g);
	ir_val i;

	if (b->block)
		ir_jmp(b, l->next);
	ir_at(b, l->next);
	i = ir_bini(b, IR_ADD, ir_get(b, l->i), 1);
	ir_set(b, l->i, i);
	if (l->guarded) {
		ir_jmp(b, l->head);
		ir_at(b, l->done);
		return;
	}
	/* `max` again at the end: the verifier sees the bound whatever n is */
	ir_br(b, ir_bini(b, IR_ULT, i, (int64_t)l->max), l->head, l->done, IR_LIKELY_YES);
	ir_at(b, l->done);
}

/* ---- rendering --------------------------------------------------------------------------- */

uint64_t builtin_u64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

uint32_t builtin_u32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

void builtin_emit_format(struct host *h, const struct event_def *def, const void *rec,
			 const char *type)
{
	struct buf b = BUF_INIT;

	h->format(h, def, rec, &b);
	h->emit(h, type, (struct str){b.p, b.n});
	buf_release(&b);
}

struct str builtin_field_str(const struct event_def *def, const void *rec, uint32_t i)
{
	const struct event_field *f = &def->fields[i];
	const char *p = (const char *)rec + f->off;

	return (struct str){p, strnlen(p, f->type->size)};
}
