/* What changes the run or the system: exit, signal, signal_thread, system, override, unwatch,
 * watch.
 *
 * exit(n) sets the flag in the globals at once, so that every program stops at its start, sends a
 * control event and leaves the program. A code that is not a literal goes through a global of its
 * own: control events have no fields. All but exit, unwatch and watch need --unsafe. */
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "builtin/builtin_priv.h"

/* ---- exit -------------------------------------------------------------------------------- */

enum { EXIT_CODE, EXIT_OFF, EXIT_DYNAMIC }; /* event_def.num */

static void handle_exit(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	int code = (int)def->num[EXIT_CODE];

	if (def->num[EXIT_DYNAMIC] && h->global)
		code = (int)(h->global(h, (uint32_t)def->num[EXIT_OFF]) & 0xff);
	h->exit(h, code);
}

const struct event_kind kind_exit = {"exit", true, handle_exit};

static void check_exit_code(struct sema *s, struct expr *e, struct event_def *def)
{
	const struct expr *a = builtin_arg(e, 0);

	if (!builtin_known(e, 0) || !sema_arg_int(s, e, 0))
		return;
	if (a->folded) {
		def->num[EXIT_CODE] = (int64_t)a->value;
		if (a->value > 255)
			sema_report(s, E_RANGE, a->span,
				    "exit() takes a code from 0 to 255, got %" PRId64,
				    (int64_t)a->value);
	} else if (!def->num[EXIT_DYNAMIC]) {
		def->num[EXIT_DYNAMIC] = 1;
		def->num[EXIT_OFF] = sema_global(s, 8);
	}
}

static void check_exit(struct sema *s, struct expr *e)
{
	struct event_def *def = sema_event(s, e, &kind_exit, NULL, 0);

	e->type = &type_void;
	sema_exits(s);
	if (def && builtin_nargs(e))
		check_exit_code(s, e, def);
}

static struct val lower_exit(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	const struct event_def *def = ((struct call_sem *)e->sem)->event;

	if (def->num[EXIT_DYNAMIC]) {
		ir_val code = gen_scalar(g, builtin_arg(e, 0));

		ir_store(b, 8, gen_global(g, (uint32_t)def->num[EXIT_OFF]), 0, code);
	}
	ir_store(b, 8, gen_global(g, gen_plan(g)->exit_off), 0, ir_const(b, 1));
	gen_control(g, def);
	gen_return(g, ir_const(b, 0));
	return VAL_VOID;
}

/* ---- signal ------------------------------------------------------------------------------ */

/* "KILL", "SIGKILL": the number, or 0. */
static int signal_number(struct str name)
{
	if (str_starts(name, STR("SIG")))
		name = (struct str){name.p + 3, name.n - 3};
	for (int i = 1; i < NSIG; i++) {
		const char *abbrev = sigabbrev_np(i);

		if (abbrev && str_case_eq(name, str_of(abbrev)))
			return i;
	}
	return 0;
}

static void check_signal(struct sema *s, struct expr *e)
{
	struct expr *a = builtin_arg(e, 0);
	struct call_sem *c = sema_call(s, e);

	e->type = &type_void;
	c->num[0] = 0;
	if (a->kind == EXPR_STR) {
		c->num[0] = (uint64_t)signal_number(a->str);
		if (!c->num[0])
			diag_help(sema_report(s, E_RANGE, a->span, "no signal is called \"%.*s\"",
					      STR_ARG(a->str)),
				  "names are as in signal(7): \"SIGKILL\" or \"KILL\"");
		return;
	}
	if (builtin_known(e, 0) && sema_arg_int(s, e, 0) && a->folded &&
	    (!a->value || a->value > 64))
		sema_report(s, E_RANGE, a->span, "signals are 1 to 64, got %" PRId64,
			    (int64_t)a->value);
}

static struct val send_signal(struct gen *g, struct expr *e, int helper)
{
	struct ir *b = gen_ir(g);
	uint64_t nr = ((struct call_sem *)e->sem)->num[0];
	ir_val sig = nr ? ir_const(b, (int64_t)nr) : gen_scalar(g, builtin_arg(e, 0));

	IR_CALL(b, helper, sig);
	return VAL_VOID;
}

static struct val lower_signal(struct gen *g, struct expr *e, struct val want)
{
	return send_signal(g, e, BPF_FUNC_send_signal);
}

static struct val lower_signal_thread(struct gen *g, struct expr *e, struct val want)
{
	return send_signal(g, e, BPF_FUNC_send_signal_thread);
}

/* ---- system ------------------------------------------------------------------------------ */

static void run_command(struct host *h, const char *command)
{
	struct buf b = BUF_INIT;
	char chunk[4096];
	FILE *f;
	size_t n;

	out_flush(h->out); /* what was printed before stands before what the command prints */
	f = popen(command, "re");
	if (!f)
		return;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	pclose(f);
	h->emit(h, "syscall", (struct str){b.p, b.n});
	buf_release(&b);
}

static void handle_system(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	struct buf command = BUF_INIT;

	h->format(h, def, rec, &command);
	run_command(h, buf_cstr(&command));
	buf_release(&command);
}

const struct event_kind kind_system = {"syscall", false, handle_system,
				       .needs = EVENT_FORMAT | EVENT_UNSAFE};

static void check_system(struct sema *s, struct expr *e)
{
	builtin_check_format(s, e, &kind_system);
}

static struct val lower_system(struct gen *g, struct expr *e, struct val want)
{
	gen_event_call(g, e, 1);
	return VAL_VOID;
}

/* ---- override, unwatch ------------------------------------------------------------------- */

static void check_override(struct sema *s, struct expr *e)
{
	const struct probe *p = sema_probe(s);

	e->type = &type_void;
	if (builtin_known(e, 0))
		sema_arg_int(s, e, 0);
	if (p && strcmp(p->prov->name, "kprobe") != 0)
		sema_report(s, E_CALL_CONTEXT, e->span,
			    "override() works in kprobes only, this is a %s", p->prov->name);
}

static struct val lower_override(struct gen *g, struct expr *e, struct val want)
{
	ir_val rc = gen_scalar(g, builtin_arg(e, 0));

	IR_CALL(gen_ir(g), BPF_FUNC_override_return, gen_ctx(g), rc);
	return VAL_VOID;
}

static void handle_unwatch(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	h->unwatch(h, builtin_u64((const char *)rec + def->fields[0].off));
}

const struct event_kind kind_unwatch = {"unwatch", false, handle_unwatch, .min_fields = 1,
					.first_size = 8};

static void check_unwatch(struct sema *s, struct expr *e)
{
	const struct type *t = type_int(sema_types(s), 8, false);

	e->type = &type_void;
	if (builtin_known(e, 0))
		sema_arg_ptr(s, e, 0);
	sema_event(s, e, &kind_unwatch, &t, 1);
}

static struct val lower_unwatch(struct gen *g, struct expr *e, struct val want)
{
	gen_event_call(g, e, 0);
	return VAL_VOID;
}

/* The place in the event is the address; which watchpoint, and whether the process waits, stand in
 * its definition. It is stopped behind the reservation: an event that is lost stops nothing. */
static void handle_watch(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	h->watch(h, (uint32_t)def->num[0], builtin_u64((const char *)rec + def->fields[0].off),
		 def->num[1] != 0);
}

const struct event_kind kind_watch = {"watch", false, handle_watch, .min_fields = 1,
				      .first_size = 8};

static void check_watch(struct sema *s, struct expr *e)
{
	const struct type *t = type_int(sema_types(s), 8, false);
	struct event_def *def;
	int64_t num[2] = {0};

	e->type = &type_void;
	if (builtin_known(e, 0))
		sema_arg_ptr(s, e, 0);
	for (size_t i = 1; i < builtin_nargs(e); i++)
		if (!sema_literal_int(s, e, i, &num[i - 1]))
			return;
	def = sema_event(s, e, &kind_watch, &t, 1);
	for (size_t i = 0; def && i < 2; i++)
		def->num[i] = num[i];
}

static struct val lower_watch(struct gen *g, struct expr *e, struct val want)
{
	const struct event_def *def = ((struct call_sem *)e->sem)->event;
	ir_val addr = gen_scalar(g, builtin_arg(e, 0));
	struct event_build ev = gen_event_begin(g, def);

	builtin_put(g, gen_event_field(g, &ev, 0), 8, 0, addr);
	if (def->num[1])
		IR_CALL(gen_ir(g), BPF_FUNC_send_signal, ir_const(gen_ir(g), SIGSTOP));
	gen_event_submit(g, &ev);
	return VAL_VOID;
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_ctl[] = {
	{
		.name = "exit",
		.proto = "void exit([int code])",
		.doc = "Ends the run; code is awl's exit status.\n\n"
		       "What was printed before is still delivered. No other probe runs "
		       "afterwards, except `end`.\n\n"
		       "    interval:s:10 { exit(); }\n",
		.examples = EXAMPLES("begin { exit(); }", "begin { exit(3); }",
				     "begin { exit(pid & 1); }"),
		.flags = BI_STMT | BI_EFFECT,
		.max_args = 1,
		.check = check_exit,
		.lower = lower_exit,
	},
	{
		.name = "signal",
		.proto = "void signal(int number | const string name)",
		.doc = "Sends a signal to the current process.\n\n"
		       "    tracepoint:syscalls:sys_enter_execve /uid == 1000/ { "
		       "signal(\"SIGSTOP\"); }\n",
		.examples = EXAMPLES(
			"tracepoint:syscalls:sys_enter_execve /comm == \"x\"/ { signal(\"KILL\"); "
			"}",
			"tracepoint:syscalls:sys_enter_execve /comm == \"x\"/ { signal(9); }"),
		.flags = BI_STMT | BI_EFFECT | BI_UNSAFE,
		.min_args = 1,
		.max_args = 1,
		.needs = FEATURE_SEND_SIGNAL,
		.uses = USES_SIGNAL,
		.check = check_signal,
		.lower = lower_signal,
	},
	{
		.name = "signal_thread",
		.proto = "void signal_thread(int number | const string name)",
		.doc = "Sends a signal to the current thread.\n\n"
		       "    tracepoint:syscalls:sys_enter_execve /uid == 1000/ { "
		       "signal_thread(\"SIGSTOP\"); }\n",
		.examples = EXAMPLES("tracepoint:syscalls:sys_enter_execve /comm == \"x\"/ { "
				     "signal_thread(9); }"),
		.flags = BI_STMT | BI_EFFECT | BI_UNSAFE,
		.min_args = 1,
		.max_args = 1,
		.needs = FEATURE_SEND_SIGNAL,
		.uses = USES_SIGNAL,
		.check = check_signal,
		.lower = lower_signal_thread,
	},
	{
		.name = "system",
		.proto = "void system(const string format, ...)",
		.doc = "Runs a shell command when the event is handled, and prints what it "
		       "prints.\n\n"
		       "Other events wait until it has ended.\n\n"
		       "    interval:s:5 { system(\"ps -p %d\", pid); }\n",
		.examples = EXAMPLES("begin { system(\"echo %d\", pid); exit(); }"),
		.flags = BI_STMT | BI_EFFECT | BI_UNSAFE,
		.min_args = 1,
		.max_args = 128,
		.check = check_system,
		.lower = lower_system,
	},
	{
		.name = "override",
		.proto = "void override(uint64 rc)",
		.doc = "Makes the probed kernel function return rc without running it.\n\n"
		       "Only functions that the kernel allows error injection for.\n\n"
		       "    kprobe:should_failslab /comm == \"test\"/ { override(-12); }\n",
		.examples = NULL,
		.flags = BI_STMT | BI_EFFECT | BI_UNSAFE,
		.min_args = 1,
		.max_args = 1,
		.needs = FEATURE_OVERRIDE,
		.check = check_override,
		.lower = lower_override,
	},
	{
		.name = "unwatch",
		.proto = "void unwatch(uint64 addr)",
		.doc = "Removes the watchpoint on an address.\n\n"
		       "    begin { unwatch(0x10000); }\n",
		.examples = EXAMPLES("begin { unwatch(0x10000); exit(); }"),
		.flags = BI_STMT | BI_EFFECT,
		.min_args = 1,
		.max_args = 1,
		.check = check_unwatch,
		.lower = lower_unwatch,
	},
	{
		.name = "watch",
		.proto = "void watch(uint64 addr [, const int which [, const int stop]])",
		.doc = "Puts a watchpoint on an address of the traced process.\n\n"
		       "It fires the probe watchpoint:watched:LENGTH:MODE; which counts those that "
		       "have no address of their\n"
		       "own, from 0 on. With a stop that is not 0 the process waits (SIGSTOP, "
		       "SIGCONT) until the address is\n"
		       "watched; without, the first accesses are missed. The processor has four "
		       "watchpoints: unwatch().\n\n"
		       "    uprobe:libc:free { watch(arg0); }\n",
		.examples = EXAMPLES("begin { watch(0x10000); exit(); }"),
		.flags = BI_STMT | BI_EFFECT,
		.min_args = 1,
		.max_args = 3,
		.check = check_watch,
		.lower = lower_watch,
	},
	BUILTIN_END,
};
