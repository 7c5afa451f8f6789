/* Builtins about types and compiling: kptr, uptr, static_assert, is_str, is_ptr, is_array,
 * is_integer, is_unsigned_integer, is_literal. None of them makes code of its own.
 *
 * Example: `str(uptr(arg1))` reads user memory in a kprobe, where addresses are the kernel's
 * otherwise. */
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

/* ---- assert -------------------------------------------------------------------------- */

static void handle_assert(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	h->message(h, def, "error", str_of(def->text));
	h->exit(h, 1);
}

static const struct event_kind kind_assert = {"errorf", true, handle_assert};

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
