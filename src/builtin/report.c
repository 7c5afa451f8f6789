/* For those who write scripts: debugf, fail.
 *
 * debugf() goes to the kernel's trace log, /sys/kernel/tracing/trace_pipe, and not through awl. The
 * format lies on the program's stack, with every integer printed in full width:
 *
 *   debugf("%s %d\n", comm, pid)   →   bpf_trace_printk("%s %lld\n", 9, comm, pid)
 *
 * fail() is for macros: it stops compiling where it would be reached. */
#include <linux/bpf.h>
#include <string.h>
#include "builtin/builtin_priv.h"

/* ---- debugf ------------------------------------------------------------------------------ */

#define DEBUG_ARGS 3
#define DEBUG_TEXT 160

static void add_conv(struct buf *out, const struct conv *c)
{
	buf_addc(out, '%');
	buf_adds(out, c->minus ? "-" : "");
	buf_adds(out, c->plus ? "+" : "");
	buf_adds(out, c->space ? " " : "");
	buf_adds(out, c->alt ? "#" : "");
	buf_adds(out, c->zero ? "0" : "");
	if (c->width > 0)
		buf_printf(out, "%d", c->width);
	if (c->spec == 's' || c->spec == 'c')
		buf_addc(out, c->spec);
	else if (c->spec == 'p')
		buf_adds(out, "llx");
	else
		buf_printf(out, "ll%c", c->spec);
}

/* False for what the kernel cannot print. */
static bool kernel_format(const struct format *f, struct buf *out)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct conv *c = &f->convs[i];

		for (size_t k = 0; k < c->literal.n; k++) {
			if (c->literal.p[k] == '%')
				buf_addc(out, '%');
			buf_addc(out, c->literal.p[k]);
		}
		if (!c->spec)
			continue;
		if (!strchr("diuxXpsc", c->spec) || c->prec >= 0)
			return false;
		if (c->spec == 'p')
			buf_adds(out, "0x");
		add_conv(out, c);
	}
	return true;
}

static void check_debug_args(struct sema *s, struct expr *e)
{
	for (size_t i = 1; i < builtin_nargs(e); i++) {
		const struct type *t = builtin_argtype(e, i);

		if (t->kind != TYPE_POISON && t->kind != TYPE_STRING && !type_is_scalar(t))
			builtin_bad_arg(s, e, i, "numbers and strings");
	}
}

static void check_debugf(struct sema *s, struct expr *e)
{
	const struct format *f = NULL;
	struct buf text = BUF_INIT;
	struct str literal;

	e->type = &type_void;
	if (!sema_literal_str(s, e, 0, &literal) || !sema_format(s, e, literal, 1, &f))
		return;
	check_debug_args(s, e);
	if (!kernel_format(f, &text))
		diag_help(sema_report(s, E_FORMAT, builtin_arg(e, 0)->span,
				      "the kernel's log has no such conversion"),
			  "debugf() knows %%d %%u %%x %%p %%c %%s, with flags and a width");
	if (text.n >= DEBUG_TEXT)
		sema_report(s, E_SIZE, builtin_arg(e, 0)->span,
			    "debugf() takes a format of up to %d bytes", DEBUG_TEXT - 1);
	sema_call(s, e)->data = arena_strndup(sema_arena(s), buf_cstr(&text), text.n);
	buf_release(&text);
}

static ir_val debug_text(struct gen *g, const char *text, uint32_t size)
{
	struct ir *b = gen_ir(g);
	struct val m = gen_temp_bytes(g, ALIGN_UP(size, 8), 8, false);

	for (uint32_t i = 0; i < size; i += 8) {
		uint64_t word = 0;

		memcpy(&word, text + i, MIN(size - i, 8u));
		builtin_put(g, m, 8, (int32_t)i, ir_const(b, (int64_t)word));
	}
	return builtin_addr(g, m, 0);
}

static struct val lower_debugf(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	const char *text = ((struct call_sem *)e->sem)->data;
	uint32_t size = (uint32_t)strlen(text) + 1;
	ir_val args[2 + DEBUG_ARGS];
	unsigned n = 2;

	for (size_t i = 1; i < builtin_nargs(e); i++) {
		struct expr *a = builtin_arg(e, i);
		struct val m;

		if (type_is_scalar(a->type)) {
			args[n++] = gen_scalar(g, a);
			continue;
		}
		m = gen_temp(g, a->type, true);
		gen_expr_to(g, a, m);
		args[n++] = builtin_addr(g, m, 0);
	}
	args[0] = debug_text(g, text, size);
	args[1] = ir_const(b, size);
	ir_call(b, BPF_FUNC_trace_printk, n, args);
	return VAL_VOID;
}

/* ---- fail -------------------------------------------------------------------------------- */

static void check_fail(struct sema *s, struct expr *e)
{
	struct str text;

	e->type = &type_void;
	for (size_t i = 1; i < builtin_nargs(e); i++) {
		const struct expr *a = builtin_arg(e, i);

		if (builtin_known(e, i) && !a->folded && a->kind != EXPR_STR)
			sema_report(s, E_ARG_LITERAL, a->span,
				    "fail() takes values that are known at compile time");
	}
	sema_literal_str(s, e, 0, &text);
}

/* Each conversion is replaced by the next argument as it reads. */
static const char *fail_text(struct gen *g, struct expr *e)
{
	struct str f = builtin_arg(e, 0)->str;
	struct buf out = BUF_INIT;
	const char *text;
	size_t next = 1;

	for (size_t i = 0; i < f.n; i++) {
		const struct expr *a = builtin_arg(e, next);

		if (f.p[i] != '%' || i + 1 >= f.n || !a || f.p[i + 1] == '%') {
			buf_addc(&out, f.p[i]);
			i += f.p[i] == '%' && i + 1 < f.n;
			continue;
		}
		while (i + 1 < f.n && strchr("0123456789lhjzt-+ #.", f.p[i + 1]))
			i++;
		i++;
		next++;
		if (a->kind == EXPR_STR)
			buf_addstr(&out, a->str);
		else if (type_is_signed(a->type))
			buf_addi64(&out, (int64_t)a->value);
		else
			buf_addu64(&out, a->value);
	}
	while (out.n && out.p[out.n - 1] == '\n')
		out.n--;
	text = arena_strndup(gen_arena(g), out.p ? out.p : "", out.n);
	buf_release(&out);
	return text;
}

static struct val lower_fail(struct gen *g, struct expr *e, struct val want)
{
	diag_report(gen_input(g)->diag, E_TYPE, e->span, "%s", fail_text(g, e));
	return VAL_VOID;
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_report[] = {
	{
		.name = "debugf",
		.proto = "void debugf(const string format, ...)",
		.doc = "Writes formatted text to the kernel's trace log, for debugging.\n\n"
		       "At most 3 values: numbers and strings. Read it with `cat "
		       "/sys/kernel/tracing/trace_pipe`.\n\n"
		       "    begin { debugf(\"started by %s, %d\", comm, pid); }\n",
		.examples = EXAMPLES("begin { debugf(\"%s %d %x\", comm, pid, 255); exit(); }",
				     "begin { debugf(\"here\"); exit(); }"),
		.flags = BI_STMT | BI_EFFECT,
		.min_args = 1,
		.max_args = 1 + DEBUG_ARGS,
		.check = check_debugf,
		.lower = lower_debugf,
	},
	{
		.name = "fail",
		.proto = "void fail(const string format, ...)",
		.doc = "Stops compiling with the message if it can be reached.\n\n"
		       "For macros: what stands in a branch that a constant condition rules out "
		       "is not reached.\n\n"
		       "    macro word_size(x) { if (sizeof(x) > 8) { fail(\"%d bytes are too "
		       "many\", "
		       "sizeof(x)); } sizeof(x) }\n"
		       "    begin { print(word_size(pid)); exit(); }\n",
		.examples = EXAMPLES(
			"begin { if (sizeof(pid) > 8) { fail(\"too large\"); } exit(); "
			"}"),
		.flags = BI_STMT | BI_EFFECT,
		.min_args = 1,
		.max_args = 128,
		.check = check_fail,
		.lower = lower_fail,
	},
	BUILTIN_END,
};
