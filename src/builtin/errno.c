/* Numbers that have names: strerror, syscall_name, signal_name. Each is a view around the number,
 * named when it is printed.
 *
 * Example: `@[syscall_name(args.id)] = count()` keeps 8 bytes for each key and prints `@[openat]:
 * 12`. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "builtin/builtin_priv.h"

static void text_strerror(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	int64_t n = (int64_t)builtin_u64(v);
	const char *text = n >= 0 && n < 4096 ? strerrordesc_np((int)n) : NULL;

	if (text)
		buf_adds(out, text);
	else
		buf_printf(out, "Unknown error %" PRId64, n);
}

static void text_syscall(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	int64_t n = (int64_t)builtin_u64(v);
	const char *name = n >= 0 && n <= INT32_MAX ? kernel_syscall_name((int)n) : NULL;

	if (name)
		buf_adds(out, name);
	else
		buf_printf(out, "syscall_%" PRId64, n);
}

static void text_signal(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	int64_t n = (int64_t)builtin_u64(v);
	const char *name = n > 0 && n < NSIG ? sigabbrev_np((int)n) : NULL;

	if (name)
		buf_printf(out, "SIG%s", name);
	else if (n >= 34 &&
		 n <= 64) /* as the kernel numbers them, whatever libc keeps for itself */
		buf_printf(out, n == 34 ? "SIGRTMIN" : "SIGRTMIN+%" PRId64, n - 34);
	else
		buf_printf(out, "signal %" PRId64, n);
}

static bool number(const void *value, uint64_t *out)
{
	*out = builtin_u64(value);
	return true;
}

/* Texts back to numbers: what the text function makes of it is compared. */
static bool search(void (*text)(struct render *, const struct type *, const void *, struct buf *),
		   uint64_t end, struct str wanted, uint64_t *out)
{
	struct buf b = BUF_INIT;
	bool found = false;

	for (uint64_t n = 0; n < end && !found; n++) {
		b.n = 0;
		text(NULL, NULL, &n, &b);
		found = str_eq((struct str){b.p, b.n}, wanted);
		*out = n;
	}
	buf_release(&b);
	return found;
}

static bool find_strerror(struct sema *s, struct str text, uint64_t *out)
{
	return search(text_strerror, 4096, text, out);
}

static bool find_signal(struct sema *s, struct str text, uint64_t *out)
{
	return search(text_signal, 65, text, out);
}

static bool find_syscall(struct sema *s, struct str text, uint64_t *out)
{
	int nr = kernel_syscall_nr(arena_strndup(sema_arena(s), text.p, text.n));

	*out = (uint64_t)nr;
	return nr >= 0;
}

#define NUMBER_VIEW(name_, text_, find_, maker_)                                       \
	{                                                                              \
		.name = name_, .size = 8, .align = 8, .text = text_, .to_int = number, \
		.from_text = find_, .maker = maker_                                    \
	}

const struct view view_strerror = NUMBER_VIEW("strerror_t", text_strerror, find_strerror,
					      "strerror");
const struct view view_syscall = NUMBER_VIEW("syscall_name_t", text_syscall, find_syscall,
					     "syscall_name");
const struct view view_signal = NUMBER_VIEW("signal_name_t", text_signal, find_signal,
					    "signal_name");

static void check_named(struct sema *s, struct expr *e, const struct view *v)
{
	if (builtin_known(e, 0))
		sema_arg_int(s, e, 0);
	e->type = type_view(sema_types(s), v, 0);
}

static void check_strerror(struct sema *s, struct expr *e)
{
	check_named(s, e, &view_strerror);
}

static void check_syscall_name(struct sema *s, struct expr *e)
{
	check_named(s, e, &view_syscall);
}

static void check_signal_name(struct sema *s, struct expr *e)
{
	check_named(s, e, &view_signal);
}

static struct val lower_named(struct gen *g, struct expr *e, struct val want)
{
	uint64_t n;

	if (builtin_from_text(e, &n))
		return builtin_view_u64(g, e, want, ir_const(gen_ir(g), (int64_t)n));
	return builtin_view_u64(g, e, want, gen_scalar(g, builtin_arg(e, 0)));
}

const struct builtin builtins_errno[] = {
	{
		.name = "strerror",
		.proto = "strerror_t strerror(int errno)",
		.doc = "The description of an error number.\n\n"
		       "    tracepoint:raw_syscalls:sys_exit /args.ret < 0/ { "
		       "@[strerror(-args.ret)] = count(); }\n",
		.examples = EXAMPLES("begin { printf(\"%s\\n\", strerror(2)); exit(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_strerror,
		.lower = lower_named,
	},
	{
		.name = "syscall_name",
		.proto = "syscall_name_t syscall_name(int nr)",
		.doc = "The name of a system call by its number.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @[syscall_name(args.id)] = "
		       "count(); }\n",
		.examples = EXAMPLES("tracepoint:raw_syscalls:sys_enter { @[syscall_name(args.id)] "
				     "= count(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_syscall_name,
		.lower = lower_named,
	},
	{
		.name = "signal_name",
		.proto = "signal_name_t signal_name(int number)",
		.doc = "The name of a signal, with SIG in front.\n\n"
		       "    tracepoint:signal:signal_generate { @[signal_name(args.sig)] = "
		       "count(); }\n",
		.examples = EXAMPLES("begin { printf(\"%s\\n\", signal_name(9)); exit(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_signal_name,
		.lower = lower_named,
	},
	BUILTIN_END,
};
