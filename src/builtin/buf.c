/* buf(): bytes of memory, also zero ones. The value is { u32 len; u8 data[cap] }; len is 0 when the
 * memory cannot be read. It is printed with %r (escaped), %rx (all escaped) or %rh (hex).
 *
 * Example: `buf(args.buf, args.count)` has the capacity max_strlen and the length of the write;
 * `buf(p, 16)` takes 20 bytes. */
#include <linux/bpf.h>
#include "builtin/builtin_priv.h"

static uint32_t buf_capacity(struct sema *s, struct expr *e)
{
	uint64_t max = MAX(sema_config(s)->max_strlen, 5) - 4;
	const struct type *t = builtin_argtype(e, 0);
	struct expr *len = builtin_arg(e, 1);

	if (!len) {
		if (t->kind == TYPE_ARRAY || t->kind == TYPE_STRING)
			return (uint32_t)MIN(t->size, max);
		if (t->kind != TYPE_POISON)
			diag_help(sema_report(s, E_ARG_COUNT, e->span,
					      "buf() of a pointer needs a length"),
				  "write buf(p, length); only arrays know their size");
		return 1;
	}
	if (!len->folded) /* behind the end of a text is nothing to see */
		return (uint32_t)(t->kind == TYPE_STRING ? MIN(t->size, max) : max);
	if ((int64_t)len->value <= 0 || len->value > max) {
		sema_report(s, E_RANGE, len->span,
			    "buf() takes a length from 1 to %" PRIu64
			    " (max_strlen - 4), got %" PRId64,
			    max, (int64_t)len->value);
		return 1;
	}
	return (uint32_t)len->value;
}

static void check_buf(struct sema *s, struct expr *e)
{
	const struct type *t = builtin_argtype(e, 0);

	if (t->kind != TYPE_ARRAY && t->kind != TYPE_STRING && t->kind != TYPE_POISON)
		sema_arg_ptr(s, e, 0);
	if (builtin_nargs(e) > 1 && builtin_known(e, 1))
		sema_arg_int(s, e, 1);
	e->type = type_buf(sema_types(s), buf_capacity(s, e));
}

/* The length of the result: at most the capacity, and the verifier knows. */
static ir_val buf_length(struct gen *g, struct expr *e)
{
	struct ir *b = gen_ir(g);
	struct expr *len = builtin_arg(e, 1);
	uint32_t cap = e->type->str.cap;

	if (!len || len->folded)
		return ir_const(b, cap);
	return ir_bound(b, gen_scalar(g, len), cap);
}

/* What there is to read of a text that is shorter than a literal length: zeros follow it. */
static ir_val readable(struct gen *g, struct expr *e, struct val dst, ir_val len)
{
	const struct type *t = builtin_argtype(e, 0);
	uint32_t cap = e->type->str.cap;

	if (t->kind != TYPE_STRING || t->size >= cap)
		return len;
	for (uint32_t i = t->size, n; i < cap; i += n) {
		n = i % 4 == 0 && cap - i >= 4 ? 4 : 1;
		builtin_put(g, dst, n, (int32_t)(4 + i), ir_const(gen_ir(g), 0));
	}
	return ir_const(gen_ir(g), t->size);
}

static struct val lower_buf(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct ir_block *fault = ir_block_new(b, "fault"), *done = ir_block_new(b, "read");
	enum space space;
	ir_val p = builtin_pointer(g, builtin_arg(e, 0), &space);
	ir_val len = buf_length(g, e), n, r;
	struct val dst = builtin_place(g, e, want);

	if (space == SPACE_NONE)
		space = gen_probe_of(g)->prov->space;
	n = readable(g, e, dst, len);
	r = IR_CALL(b, space == SPACE_USER ? BPF_FUNC_probe_read_user : BPF_FUNC_probe_read_kernel,
		    builtin_addr(g, dst, 4), n, p);
	builtin_put(g, dst, 4, 0, len);
	ir_br(b, r, fault, done, IR_LIKELY_NO);
	ir_at(b, fault);
	gen_lost(g, LOST_FAULT);
	gen_warn(g, space == SPACE_USER ? "probe_read_user" : "probe_read_kernel", r);
	builtin_put(g, dst, 4, 0, ir_const(b, 0));
	ir_jmp(b, done);
	ir_at(b, done);
	return dst;
}

const struct builtin builtins_buf[] = {
	{
		.name = "buf",
		.proto = "buffer buf(ptr p, int length) | buf(array a)",
		.doc = "Reads bytes from memory.\n\n"
		       "Print them with %r (escaped), %rx (all escaped) or %rh (hex). At most "
		       "max_strlen - 4 bytes; a\n"
		       "literal length makes a small buffer.\n\n"
		       "    tracepoint:syscalls:sys_enter_write { printf(\"%r\\n\", buf(args.buf, "
		       "args.count)); }\n",
		.examples = EXAMPLES("tracepoint:syscalls:sys_enter_write { printf(\"%r\\n\", "
				     "buf(args.buf, args.count)); }",
				     "tracepoint:syscalls:sys_enter_write { printf(\"%rh\\n\", "
				     "buf(args.buf, 16)); }"),
		.flags = BI_EFFECT,
		.min_args = 1,
		.max_args = 2,
		.check = check_buf,
		.lower = lower_buf,
	},
	BUILTIN_END,
};
