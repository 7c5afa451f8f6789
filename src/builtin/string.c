/* Strings: str, strlen, strcap, str_concat. (Comparing and searching is in match.c.)
 *
 * A string lies in memory as char[cap] with a NUL, unless it fills cap. str() is read by the
 * kernel's string helpers straight to where it is needed; they write an empty string when the
 * memory cannot be read. */
#include <linux/bpf.h>
#include "builtin/builtin_priv.h"

/* ---- str --------------------------------------------------------------------------------- */

static uint32_t str_capacity(struct sema *s, struct expr *e)
{
	uint64_t max = MAX(sema_config(s)->max_strlen, 1);
	struct expr *len = builtin_arg(e, 1);

	if (!len || !len->folded)
		return (uint32_t)max;
	if ((int64_t)len->value < 0) {
		sema_report(s, E_RANGE, len->span,
			    "str() takes a length of 0 or more, got %" PRId64, (int64_t)len->value);
		return (uint32_t)max;
	}
	return (uint32_t)MIN(len->value, max) + 1;
}

static bool is_char_array(const struct type *t)
{
	return t->kind == TYPE_ARRAY && type_is_char(t->array.of);
}

static void check_str(struct sema *s, struct expr *e)
{
	const struct type *t = builtin_argtype(e, 0);
	uint32_t cap = str_capacity(s, e);
	struct call_sem *c = sema_call(s, e);

	c->same = NULL;
	if (builtin_nargs(e) > 1 && builtin_known(e, 1))
		sema_arg_int(s, e, 1);
	if (t->kind == TYPE_STRING) {
		e->type = type_string(sema_types(s), MIN(cap, t->size));
		if (builtin_nargs(e) < 2)
			e->type = t;
		if (e->type == t)
			c->same = builtin_arg(e, 0);
		return;
	}
	if (t->kind != TYPE_POISON && !is_char_array(t))
		sema_arg_ptr(s, e, 0);
	if (is_char_array(t))
		cap = MIN(cap, t->size + 1);
	e->type = type_string(sema_types(s), cap);
}

/* How many bytes to read, with the NUL: 1 … cap, and the verifier knows. */
static ir_val str_size(struct gen *g, struct expr *e)
{
	struct ir *b = gen_ir(g);
	struct expr *len = builtin_arg(e, 1);
	uint32_t cap = e->type->size;

	if (!len || len->folded)
		return ir_const(b, cap);
	return ir_bini(b, IR_ADD, ir_bound(b, gen_scalar(g, len), cap - 1), 1);
}

void builtin_put_text(struct gen *g, struct val dst, const char *text)
{
	struct expr *e = arena_new_of(gen_arena(g), struct expr);

	e->kind = EXPR_STR;
	e->span = gen_ir(g)->span;
	e->str = (struct str){text, MIN(strlen(text), (size_t)dst.type->size - 1)};
	gen_expr_to(g, e, dst);
}

/* So many bytes of the setting count. */
#define UNREADABLE_MAX 64

void builtin_put_unreadable(struct gen *g, struct val dst)
{
	const char *text = gen_plan(g)->config->str_unreadable;
	size_t n = MIN(strlen(text), (size_t)UNREADABLE_MAX);

	builtin_put_text(g, dst, arena_strndup(gen_arena(g), text, n));
}

/* The setting's text where memory could not be read (r < 0), so that it does not pass for an empty
 * string. There is nothing to be read behind a null pointer: that stays empty. */
static void mark_unreadable(struct gen *g, struct val dst, ir_val p, ir_val r)
{
	struct ir_block *bad, *mark, *done;
	struct ir *b = gen_ir(g);

	if (!*gen_plan(g)->config->str_unreadable)
		return;
	bad = ir_block_new(b, "unreadable");
	mark = ir_block_new(b, NULL);
	done = ir_block_new(b, NULL);
	ir_br(b, ir_bini(b, IR_SLT, r, 0), bad, done, IR_LIKELY_NO);
	ir_at(b, bad);
	ir_br(b, p, mark, done, IR_LIKELY_YES);
	ir_at(b, mark);
	builtin_put_unreadable(g, dst);
	ir_jmp(b, done);
	ir_at(b, done);
}

static struct val lower_str(struct gen *g, struct expr *e, struct val want)
{
	struct expr *arg = builtin_arg(e, 0);
	struct val dst;
	enum space space;
	ir_val p, size, r;

	p = builtin_pointer(g, arg, &space);
	size = str_size(g, e);
	dst = builtin_place(g, e, want);
	if (space == SPACE_BPF || space == SPACE_CTX || space == SPACE_BTF)
		space = SPACE_KERNEL;
	r = gen_read_str(g, builtin_addr(g, dst, 0), size, p, space);
	mark_unreadable(g, dst, p, r);
	return dst;
}

/* ---- strlen, strcap ---------------------------------------------------------------------- */

static void check_strlen(struct sema *s, struct expr *e)
{
	builtin_set_int(s, e, 8, false);
	if (builtin_known(e, 0))
		sema_arg_string(s, e, 0);
}

/* The kernel's own string read finds the end. One byte more than the capacity is asked for: a
 * string that fills its capacity then counts in full, whatever comes behind it. */
static struct val lower_strlen(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct val s = gen_to_bpf(g, gen_expr(g, builtin_arg(e, 0)));
	uint32_t cap = s.type->size;
	struct val copy = gen_temp_bytes(g, cap + 1, 1, false);
	ir_val n = IR_CALL(b, BPF_FUNC_probe_read_kernel_str, builtin_addr(g, copy, 0),
			   ir_const(b, cap + 1), builtin_addr(g, s, 0));

	return val_scalar(e->type, ir_bound(b, ir_bini(b, IR_SUB, n, 1), cap));
}

static void check_strcap(struct sema *s, struct expr *e)
{
	const struct type *t = builtin_argtype(e, 0);

	builtin_set_int(s, e, 8, false);
	if (t->kind == TYPE_POISON)
		return;
	if (t->kind != TYPE_STRING && t->kind != TYPE_BUF)
		builtin_bad_arg(s, e, 0, "a string");
	else
		builtin_set_const(s, e, e->type, t->str.cap);
}

/* ---- str_concat -------------------------------------------------------------------------- */

/* Room for both and two NULs, rounded up to a power of two, so that `@s = str_concat(@s, "x")`
 * comes to a size in a few rounds of the inference; max_strlen at most. */
static void check_str_concat(struct sema *s, struct expr *e)
{
	uint64_t max = MAX(sema_config(s)->max_strlen, 1), cap = 2, need = 1;

	for (unsigned i = 0; i < 2; i++) {
		sema_infer(s, builtin_arg(e, i));
		if (!builtin_known(e, i)) /* a map that only this is assigned to: empty as yet */
			continue;
		e->type = &type_poison;
		if (!sema_arg_string(s, e, i))
			return;
		need += builtin_argtype(e, i)->size;
	}
	while (cap < need)
		cap *= 2;
	e->type = type_string(sema_types(s), (uint32_t)MIN(cap, max));
}

/* Appends the string `s` at dst + at, with a NUL; the offset of the NUL, at most `max` behind `at`.
 */
static ir_val append(struct gen *g, struct val dst, ir_val at, struct val s, uint32_t max)
{
	struct ir *b = gen_ir(g);
	enum space space = s.space == SPACE_USER ? SPACE_USER : SPACE_KERNEL;
	ir_val to = ir_bin(b, IR_ADD, builtin_addr(g, dst, 0), at);
	ir_val n = gen_read_str(g, to, ir_const(b, max + 1), builtin_addr(g, s, 0), space);

	return ir_bin(b, IR_ADD, at, ir_bound(b, ir_bini(b, IR_SUB, n, 1), max));
}

/* Where both cannot fit, they are put together in memory of that size and cut. */
static struct val lower_str_concat(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct val x = gen_to_bpf(g, gen_expr(g, builtin_arg(e, 0)));
	struct val y = gen_to_bpf(g, gen_expr(g, builtin_arg(e, 1)));
	uint32_t need = x.type->size + y.type->size + 1;
	bool fits = need <= e->type->size;
	struct val dst = builtin_place(g, e, want);
	struct val both = fits ? dst : gen_temp_bytes(g, need, 8, false);
	ir_val end = append(g, both, ir_const(b, 0), x, x.type->size);

	append(g, both, end, y, y.type->size);
	if (fits)
		return dst;
	both.type = type_string(gen_types(g), need);
	gen_store(g, dst, both, false);
	return dst;
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_string[] = {
	{
		.name = "str",
		.proto = "string str(ptr p [, int length])",
		.doc = "Reads the string that p points to.\n\n"
		       "At most `length` bytes, or max_strlen (1024). A literal length makes a "
		       "small string; give one for\n"
		       "strings that are kept in maps. The string is empty when the memory cannot "
		       "be read.\n\n"
		       "    tracepoint:syscalls:sys_enter_openat { printf(\"%s\\n\", "
		       "str(args.filename)); }\n",
		.examples = EXAMPLES("tracepoint:syscalls:sys_enter_openat { printf(\"%s\\n\", "
				     "str(args.filename)); }",
				     "tracepoint:syscalls:sys_enter_openat { @[str(args.filename, "
				     "32)] = count(); }",
				     "tracepoint:syscalls:sys_enter_write { printf(\"%s\\n\", "
				     "str(args.buf, args.count)); }"),
		.flags = BI_EFFECT,
		.min_args = 1,
		.max_args = 2,
		.check = check_str,
		.lower = lower_str,
	},
	{
		.name = "strlen",
		.proto = "uint64 strlen(string s)",
		.doc = "The length of a string in bytes.\n\n"
		       "    tracepoint:syscalls:sys_enter_openat { @ = "
		       "hist(strlen(str(args.filename))); }\n",
		.examples = EXAMPLES("begin { printf(\"%d\\n\", strlen(comm)); exit(); }",
				     "tracepoint:syscalls:sys_enter_openat { @ = "
				     "hist(strlen(str(args.filename))); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_strlen,
		.lower = lower_strlen,
	},
	{
		.name = "strcap",
		.proto = "uint64 strcap(string s)",
		.doc = "The bytes that are set aside for a string; a constant.\n\n"
		       "    begin { printf(\"%d\\n\", strcap(comm)); exit(); }\n",
		.examples = EXAMPLES("begin { printf(\"%d\\n\", strcap(comm)); exit(); }"),
		.flags = BI_CONST,
		.min_args = 1,
		.max_args = 1,
		.check = check_strcap,
	},
	{
		.name = "str_concat",
		.proto = "string str_concat(string a, string b)",
		.doc = "The two strings one behind the other, at most max_strlen bytes.\n\n"
		       "    tracepoint:syscalls:sys_enter_chdir { @[str_concat(\"to \", "
		       "str(args.filename, 64))] = count(); }\n",
		.examples = EXAMPLES("begin { print(str_concat(comm, \"!\")); exit(); }",
				     "tracepoint:syscalls:sys_enter_chdir { @[str_concat(\"to \", "
				     "str(args.filename, 64))] = count(); }",
				     "tracepoint:syscalls:sys_enter_chdir { @s = str_concat(@s, "
				     "str(args.filename)); }"),
		.flags = BI_LAZY_ARGS,
		.min_args = 2,
		.max_args = 2,
		.check = check_str_concat,
		.lower = lower_str_concat,
	},
	BUILTIN_END,
};
