/* Builtins about types and compiling: kptr, uptr, static_assert, is_str, is_ptr, is_array,
 * is_integer, is_unsigned_integer, is_literal. None of them makes code of its own.
 *
 * Example: `str(uptr(arg1))` reads user memory in a kprobe, where addresses are the kernel's
 * otherwise. */
#include <linux/btf.h>
#include <string.h>
#include "builtin/builtin_priv.h"

/* ---- kptr, uptr -------------------------------------------------------------------------- */

static void check_space(struct sema *s, struct expr *e, enum space space)
{
	const struct type *t = builtin_argtype(e, 0);

	e->type = &type_poison;
	if (t->kind == TYPE_POISON || !sema_arg_ptr(s, e, 0))
		return;
	e->type = type_ptr(sema_types(s), t->kind == TYPE_PTR ? t->ptr.to : &type_void, space);
}

static void check_kptr(struct sema *s, struct expr *e)
{
	check_space(s, e, SPACE_KERNEL);
}

static void check_uptr(struct sema *s, struct expr *e)
{
	check_space(s, e, SPACE_USER);
}

static struct val lower_space(struct gen *g, struct expr *e, struct val want)
{
	return val_scalar(e->type, gen_scalar(g, builtin_arg(e, 0)));
}

/* ---- questions about types --------------------------------------------------------------- */

static void answer(struct sema *s, struct expr *e, bool yes)
{
	if (builtin_known(e, 0))
		builtin_set_const(s, e, &type_bool, yes);
	else
		e->type = &type_bool;
}

static void check_is_str(struct sema *s, struct expr *e)
{
	answer(s, e, builtin_argtype(e, 0)->kind == TYPE_STRING);
}

static void check_is_ptr(struct sema *s, struct expr *e)
{
	answer(s, e, builtin_argtype(e, 0)->kind == TYPE_PTR);
}

static void check_is_array(struct sema *s, struct expr *e)
{
	answer(s, e, builtin_argtype(e, 0)->kind == TYPE_ARRAY);
}

static void check_is_integer(struct sema *s, struct expr *e)
{
	answer(s, e, builtin_argtype(e, 0)->kind == TYPE_INT);
}

static void check_is_unsigned(struct sema *s, struct expr *e)
{
	const struct type *t = builtin_argtype(e, 0);

	answer(s, e, t->kind == TYPE_INT && !t->num.is_signed);
}

static void check_is_literal(struct sema *s, struct expr *e)
{
	const struct expr *a = builtin_arg(e, 0);

	answer(s, e, a->kind == EXPR_INT || a->kind == EXPR_STR || a->kind == EXPR_BOOL);
}

/* ---- is_err ------------------------------------------------------------------------------ */

#define MAX_ERRNO 4095

static void check_is_err(struct sema *s, struct expr *e)
{
	e->type = &type_bool;
	if (builtin_known(e, 0))
		sema_arg_ptr(s, e, 0);
}

static struct val lower_is_err(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	enum space space;
	ir_val p = builtin_pointer(g, builtin_arg(e, 0), &space);

	return val_scalar(e->type, ir_bin(b, IR_UGE, p, ir_const(b, -MAX_ERRNO)));
}

/* ---- kernel functions -------------------------------------------------------------------- */

static uint32_t kfunc_id(struct sema *s, struct str name)
{
	return kernel_btf_find(sema_kernel(s), arena_strndup(sema_arena(s), name.p, name.n),
			       BTF_KIND_FUNC);
}

static void check_kfunc_exist(struct sema *s, struct expr *e)
{
	struct str name;

	e->type = &type_bool;
	if (sema_literal_str(s, e, 0, &name))
		builtin_set_const(s, e, &type_bool, kfunc_id(s, name) != 0);
}

static void check_kfunc_allowed(struct sema *s, struct expr *e)
{
	struct call_sem *c = sema_call(s, e);
	const struct probe *p = sema_probe(s);
	struct str name;

	e->type = &type_bool;
	if (!sema_literal_str(s, e, 0, &name))
		return;
	if (!c->num[0])
		c->num[0] = 1 + (p && sema_kfunc_allowed(
					      s, arena_strndup(sema_arena(s), name.p, name.n)));
	builtin_set_const(s, e, &type_bool, c->num[0] - 1);
}

/* ---- static_assert ----------------------------------------------------------------------- */

static void check_static_assert(struct sema *s, struct expr *e)
{
	const struct expr *cond = builtin_arg(e, 0);
	struct str text = STR("");

	e->type = &type_void;
	if (builtin_nargs(e) > 1 && !sema_literal_str(s, e, 1, &text))
		return;
	if (!builtin_known(e, 0))
		return;
	if (!cond->folded)
		sema_report(s, E_ARG_LITERAL, cond->span,
			    "static_assert() needs a constant condition");
	else if (!cond->value)
		diag_primary(sema_report(s, E_TYPE, e->span, "static assertion failed%s%.*s",
					 text.n ? ": " : "", STR_ARG(text)),
			     "this is false");
}

/* assert_str(x): for macros that take texts only. */
static void check_assert_str(struct sema *s, struct expr *e)
{
	e->type = &type_void;
	if (builtin_known(e, 0) && builtin_argtype(e, 0)->kind != TYPE_STRING)
		builtin_bad_arg(s, e, 0, "a string");
}

/* ---- assert -------------------------------------------------------------------------- */

static void handle_assert(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	h->message(h, def, "error", str_of(def->text));
	h->exit(h, 1);
}

const struct event_kind kind_assert = {"errorf", true, handle_assert, .needs = EVENT_TEXT};

static void check_assert(struct sema *s, struct expr *e)
{
	struct event_def *def = sema_event(s, e, &kind_assert, NULL, 0);
	const struct type *t = builtin_argtype(e, 0);
	struct str text = STR("");

	e->type = &type_void;
	sema_exits(s);
	if (t->kind != TYPE_POISON && !type_is_scalar(t))
		builtin_bad_arg(s, e, 0, "a condition");
	if (sema_literal_str(s, e, 1, &text) && def)
		def->text = arena_printf(sema_arena(s), "assertion failed: %.*s", STR_ARG(text));
}

static struct val lower_assert(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	struct ir_block *broken = ir_block_new(b, "broken"), *holds = ir_block_new(b, "holds");

	ir_br(b, gen_truth(g, builtin_arg(e, 0)), holds, broken, IR_LIKELY_YES);
	ir_at(b, broken);
	ir_store(b, 8, gen_global(g, gen_plan(g)->exit_off), 0, ir_const(b, 1));
	gen_control(g, ((struct call_sem *)e->sem)->event);
	gen_return(g, ir_const(b, 0));
	ir_at(b, holds);
	return VAL_VOID;
}

/* ---- constants ----------------------------------------------------------------------------- */

/* Becomes a string literal. */
static void check_probetype(struct sema *s, struct expr *e)
{
	const struct probe *p = sema_probe(s);
	struct str name = str_of(p ? p->prov->name : "");

	e->type = type_string(sema_types(s), (uint32_t)name.n + 1);
	e->kind = EXPR_STR;
	e->str = name;
}

static void check_default_str_length(struct sema *s, struct expr *e)
{
	builtin_set_const(s, e, type_int(sema_types(s), 8, false), sema_config(s)->max_strlen);
}

/* Becomes a record of literals, one for each setting. */
static void check_config(struct sema *s, struct expr *e)
{
	struct arena *a = sema_arena(s);
	struct record_field *f = arena_array_of(a, struct record_field, config_count());
	struct config_value v;
	size_t n = 0;

	for (size_t i = 0; i < config_count(); i++) {
		struct expr *x = arena_new_of(a, struct expr);

		if (!config_get(sema_config(s), i, &v))
			continue;
		*x = (struct expr){.kind = v.text                  ? EXPR_STR
					   : v.kind == CONFIG_BOOL ? EXPR_BOOL
								   : EXPR_INT,
				   .span = e->span,
				   .folded = !v.text,
				   .value = v.num};
		if (v.text)
			x->str = str_of(v.text);
		f[n++] = (struct record_field){e->span, str_of(v.name), x};
	}
	e->kind = EXPR_RECORD;
	e->sem = NULL;
	e->record.fields = f;
	e->record.n = n;
	e->record.named = false;
	sema_infer(s, e);
}

static struct val lower_nothing(struct gen *g, struct expr *e, struct val want)
{
	return VAL_VOID;
}

/* ---- rows -------------------------------------------------------------------------------- */

#define QUESTION(name_, doc_, example_, check_)                                                  \
	{                                                                                        \
		.name = name_, .proto = "bool " name_ "(any value)", .doc = doc_,                \
		.examples = EXAMPLES(example_), .flags = BI_CONST, .min_args = 1, .max_args = 1, \
		.check = check_                                                                  \
	}

const struct builtin builtins_meta[] = {
	{
		.name = "kptr",
		.proto = "T *kptr(T *p)",
		.doc = "Says that a pointer leads into kernel memory.\n\n"
		       "    uprobe:/bin/bash:readline { printf(\"%s\\n\", str(kptr(arg0))); }\n",
		.examples = EXAMPLES("begin { printf(\"%p\\n\", kptr(0)); exit(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_kptr,
		.lower = lower_space,
	},
	{
		.name = "uptr",
		.proto = "T *uptr(T *p)",
		.doc = "Says that a pointer leads into user memory.\n\n"
		       "    kprobe:do_sys_openat2 { printf(\"%s\\n\", str(uptr(arg1))); }\n",
		.examples = EXAMPLES("begin { printf(\"%s\\n\", str(uptr(0))); exit(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_uptr,
		.lower = lower_space,
	},
	{
		.name = "is_err",
		.proto = "bool is_err(void *p)",
		.doc = "Tells whether a kernel function gave an error in place of a pointer.\n\n"
		       "    fexit:do_filp_open { if (is_err(retval)) { @[strerror(-(int64)retval)] "
		       "= "
		       "count(); } }\n",
		.examples = EXAMPLES("begin { print(is_err(0)); exit(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_is_err,
		.lower = lower_is_err,
	},
	{
		.name = "kfunc_exist",
		.proto = "bool kfunc_exist(const string name)",
		.doc = "Tells whether the kernel has a function of that name in its BTF; a "
		       "constant.\n\n"
		       "    begin { print(kfunc_exist(\"bpf_task_from_pid\")); exit(); }\n",
		.examples = EXAMPLES(
			"begin { print(kfunc_exist(\"bpf_task_from_pid\")); exit(); }"),
		.flags = BI_CONST,
		.min_args = 1,
		.max_args = 1,
		.check = check_kfunc_exist,
	},
	{
		.name = "kfunc_allowed",
		.proto = "bool kfunc_allowed(const string name)",
		.doc = "Tells whether programs of this probe's type may call a kernel function; a "
		       "constant.\n\n"
		       "    interval:s:1 { if (kfunc_allowed(\"bpf_task_from_pid\")) { "
		       "print(comm(1)); } exit(); }\n",
		.examples = EXAMPLES(
			"begin { print(kfunc_allowed(\"bpf_task_from_pid\")); exit(); }"),
		.flags = BI_CONST,
		.min_args = 1,
		.max_args = 1,
		.check = check_kfunc_allowed,
	},
	{
		.name = "static_assert",
		.proto = "void static_assert(const bool condition [, const string message])",
		.doc = "Stops compiling with the message unless the condition is true.\n\n"
		       "    begin { static_assert(sizeof(uint64) == 8, \"odd machine\"); exit(); "
		       "}\n",
		.examples = EXAMPLES(
			"begin { static_assert(sizeof(uint64) == 8, \"odd machine\"); exit(); }"),
		.flags = BI_STMT,
		.min_args = 1,
		.max_args = 2,
		.check = check_static_assert,
		.lower = lower_nothing,
	},
	{
		.name = "assert",
		.proto = "void assert(bool condition, const string message)",
		.doc = "Ends the run with an error and exit status 1 unless the condition is "
		       "true.\n\n"
		       "    begin { assert(pid > 0, \"no pid\"); exit(); }\n",
		.examples = EXAMPLES("begin { assert(pid > 0, \"no pid\"); exit(); }"),
		.flags = BI_STMT | BI_EFFECT,
		.min_args = 2,
		.max_args = 2,
		.check = check_assert,
		.lower = lower_assert,
	},
	{
		.name = "probetype",
		.proto = "string probetype",
		.doc = "The type of the probe, such as \"tracepoint\"; a constant.\n\n"
		       "    begin { printf(\"%s\\n\", probetype); exit(); }\n",
		.examples = EXAMPLES("begin { printf(\"%s\\n\", probetype); exit(); }"),
		.flags = BI_NAME | BI_CONST,
		.check = check_probetype,
	},
	{
		.name = "assert_str",
		.proto = "void assert_str(string s)",
		.doc = "Stops compiling unless it is given a string: for macros.\n\n"
		       "    macro shout(s) { assert_str(s); str_concat(s, \"!\") }\n"
		       "    begin { print(shout(\"ready\")); exit(); }\n",
		.examples = EXAMPLES("macro shout(s) { assert_str(s); str_concat(s, \"!\") } "
				     "begin { print(shout(\"ready\")); exit(); }"),
		.flags = BI_STMT,
		.min_args = 1,
		.max_args = 1,
		.check = check_assert_str,
		.lower = lower_nothing,
	},
	{
		.name = "config",
		.proto = "record config",
		.doc = "The settings of the script, as they are after the config block and the "
		       "environment; constants.\n\n"
		       "    begin { print(config.max_strlen); print(config); exit(); }\n",
		.examples = EXAMPLES("begin { print(config.max_strlen); exit(); }",
				     "begin { print(config()); exit(); }"),
		.flags = BI_NAME | BI_CONST,
		.check = check_config,
	},
	{
		.name = "default_str_length",
		.proto = "uint64 default_str_length()",
		.doc = "The setting max_strlen: what str() reads without a length; a constant.\n\n"
		       "    begin { printf(\"%d\\n\", default_str_length()); exit(); }\n",
		.examples = EXAMPLES("begin { printf(\"%d\\n\", default_str_length()); exit(); }"),
		.flags = BI_NAME | BI_CONST,
		.check = check_default_str_length,
	},
	QUESTION("is_str",
		 "True for a string.\n\n    begin { if (is_str(comm)) { print(1); } exit(); }\n",
		 "begin { if (is_str(comm)) { print(1); } exit(); }", check_is_str),
	QUESTION(
		"is_ptr",
		"True for a pointer.\n\n    begin { if (is_ptr(curtask)) { print(1); } exit(); }\n",
		"begin { if (is_ptr(curtask)) { print(1); } exit(); }", check_is_ptr),
	QUESTION("is_array",
		 "True for an array.\n\n    begin { if (is_array(pton(\"::1\"))) { print(1); } "
		 "exit(); }\n",
		 "begin { if (is_array(pton(\"::1\"))) { print(1); } exit(); }", check_is_array),
	QUESTION("is_integer",
		 "True for an integer.\n\n    begin { if (is_integer(pid)) { print(1); } exit(); "
		 "}\n",
		 "begin { if (is_integer(pid)) { print(1); } exit(); }", check_is_integer),
	QUESTION("is_unsigned_integer",
		 "True for an unsigned integer.\n\n    begin { if (is_unsigned_integer(pid)) { "
		 "print(1); } exit(); }\n",
		 "begin { if (is_unsigned_integer(pid)) { print(1); } exit(); }",
		 check_is_unsigned),
	QUESTION("is_literal",
		 "True for a literal.\n\n    begin { if (is_literal(5)) { print(1); } exit(); }\n",
		 "begin { if (is_literal(5)) { print(1); } exit(); }", check_is_literal),
	BUILTIN_END,
};
