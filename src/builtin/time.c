/* Clocks and times: nsecs, elapsed, time, strftime.
 *
 * The default clock is CLOCK_BOOTTIME: it goes on in suspend and never jumps. A time to be shown is
 * stored as that; the wall clock is added when it is rendered, so that time() and strftime() show
 * when the event happened and not when it was printed.
 *
 * strftime's value is a view of the u64; the number of its format in the program's strings is the
 * view's argument. Beyond strftime(3) it knows %f (microseconds), %k (nanoseconds) and %l
 * (milliseconds). */
#include <linux/bpf.h>
#include <string.h>
#include <time.h>
#include "builtin/builtin_priv.h"

#define NSEC_PER_SEC UINT64_C(1000000000)

/* ---- nsecs, elapsed ---------------------------------------------------------------------- */

enum clock_mode {
	CLOCK_MODE_BOOT,
	CLOCK_MODE_MONOTONIC,
	CLOCK_MODE_TAI,
	CLOCK_MODE_SW_TAI,
	CLOCK_MODES
};

static const char *const clock_names[CLOCK_MODES] = {"boot", "monotonic", "tai", "sw_tai"};

static enum clock_mode clock_mode(const struct expr *e)
{
	struct str word;

	if (builtin_nargs(e) == 0)
		return CLOCK_MODE_BOOT;
	if (builtin_word(e, 0, &word))
		for (unsigned i = 0; i < CLOCK_MODES; i++)
			if (str_is(word, clock_names[i]))
				return i;
	return CLOCK_MODES;
}

static void check_nsecs(struct sema *s, struct expr *e)
{
	enum clock_mode mode = clock_mode(e);

	builtin_set_int(s, e, 8, false);
	if (mode == CLOCK_MODES)
		diag_help(sema_report(s, E_ARG_TYPE, builtin_arg(e, 0)->span,
				      "nsecs() has no such clock"),
			  "the clocks are boot, monotonic, tai, sw_tai");
	if (mode == CLOCK_MODE_TAI && !kernel_has(sema_kernel(s), FEATURE_KTIME_TAI))
		diag_help(sema_report(s, E_FEATURE, e->span,
				      "nsecs(tai) needs %s, which this kernel lacks",
				      feature_text(FEATURE_KTIME_TAI)),
			  "nsecs(sw_tai) works without");
}

static ir_val boot_ns(struct gen *g)
{
	bool boot = kernel_has(gen_kernel(g), FEATURE_KTIME_BOOT);

	return IR_CALL0(gen_ir(g), boot ? BPF_FUNC_ktime_get_boot_ns : BPF_FUNC_ktime_get_ns);
}

static struct val lower_nsecs(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	ir_val v;

	switch (clock_mode(e)) {
	case CLOCK_MODE_MONOTONIC:
		v = IR_CALL0(b, BPF_FUNC_ktime_get_ns);
		break;
	case CLOCK_MODE_TAI:
		v = IR_CALL0(b, BPF_FUNC_ktime_get_tai_ns);
		break;
	case CLOCK_MODE_SW_TAI:
		v = ir_bin(b, IR_ADD, boot_ns(g),
			   ir_const(b, (int64_t)kernel_host(gen_kernel(g), FACT_TAI, "")));
		break;
	default:
		v = boot_ns(g);
		break;
	}
	return val_scalar(e->type, v);
}

static void check_elapsed(struct sema *s, struct expr *e)
{
	builtin_set_int(s, e, 8, false);
}

static struct val lower_elapsed(struct gen *g, struct expr *e, struct val want)
{
	struct probe *p = gen_probe_of(g);
	struct ir *b = gen_ir(g);
	ir_val start;

	if (p->prov->elapsed)
		return val_scalar(e->type, p->prov->elapsed(g, p));
	start = ir_load(b, 8, gen_global(g, gen_plan(g)->start_off), 0, IR_MEM_NONE);

	return val_scalar(e->type, ir_bin(b, IR_SUB, boot_ns(g), start));
}

/* ---- times as text ----------------------------------------------------------------------- */

/* Replaces %f, %k, %l; what is left is for strftime(3). */
static void expand_fractions(const char *format, unsigned long ns, struct buf *out)
{
	for (const char *p = format; *p; p++) {
		if (p[0] != '%' || !p[1]) {
			buf_addc(out, *p);
			continue;
		}
		p++;
		if (*p == 'f')
			buf_printf(out, "%06lu", ns / 1000);
		else if (*p == 'k')
			buf_printf(out, "%09lu", ns);
		else if (*p == 'l')
			buf_printf(out, "%03lu", ns / 1000000);
		else
			buf_printf(out, "%%%c", *p);
	}
}

static void format_time(const char *format, uint64_t boot, struct buf *out)
{
	uint64_t wall = boot + clock_offset_boot();
	time_t sec = (time_t)(wall / NSEC_PER_SEC);
	struct buf f = BUF_INIT;
	char text[1024];
	struct tm tm;
	size_t n;

	expand_fractions(format, (unsigned long)(wall % NSEC_PER_SEC), &f);
	localtime_r(&sec, &tm);
	n = strftime(text, sizeof(text), buf_cstr(&f), &tm);
	buf_add(out, text, n);
	buf_release(&f);
}

static void handle_time(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	struct buf b = BUF_INIT;

	format_time(def->text, builtin_u64((const char *)rec + def->fields[0].off), &b);
	h->emit(h, "time", (struct str){b.p, b.n});
	buf_release(&b);
}

const struct event_kind kind_time = {
	"time", false, handle_time, .needs = EVENT_TEXT, .min_fields = 1, .first_size = 8};

static void check_time(struct sema *s, struct expr *e)
{
	const struct type *t = type_int(sema_types(s), 8, false);
	struct event_def *def = sema_event(s, e, &kind_time, &t, 1);
	struct str format = STR("%H:%M:%S\n");

	e->type = &type_void;
	if (builtin_nargs(e))
		sema_literal_str(s, e, 0, &format);
	if (def)
		def->text = arena_strndup(sema_arena(s), format.p, format.n);
}

static struct val lower_time(struct gen *g, struct expr *e, struct val want)
{
	struct event_build ev;

	ev = gen_event_begin(g, ((struct call_sem *)e->sem)->event);
	builtin_put(g, gen_event_field(g, &ev, 0), 8, 0, boot_ns(g));
	gen_event_submit(g, &ev);
	return VAL_VOID;
}

static void text_strftime(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	if (t->view.arg < r->nstrings)
		format_time(r->strings[t->view.arg], builtin_u64(v), out);
	else
		buf_addu64(out, builtin_u64(v));
}

static bool strftime_number(const void *value, uint64_t *out)
{
	*out = builtin_u64(value);
	return true;
}

/* 12.345678: the nanoseconds are left out. */
static void text_seconds(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	uint64_t ns = builtin_u64(v);

	buf_printf(out, "%" PRIu64 ".%06" PRIu64, ns / NSEC_PER_SEC, ns % NSEC_PER_SEC / 1000);
}

const struct view view_strftime = {.name = "timestamp_t",
				   .size = 8,
				   .align = 8,
				   .text = text_strftime,
				   .to_int = strftime_number};

static void check_strftime(struct sema *s, struct expr *e)
{
	struct str format;
	uint32_t i = 0;

	if (sema_literal_str(s, e, 0, &format))
		i = sema_string(s, arena_strndup(sema_arena(s), format.p, format.n));
	if (builtin_known(e, 1))
		sema_arg_int(s, e, 1);
	e->type = type_view(sema_types(s), &view_strftime, i);
}

static struct val lower_strftime(struct gen *g, struct expr *e, struct val want)
{
	return builtin_view_u64(g, e, want, gen_scalar(g, builtin_arg(e, 1)));
}

const struct view view_seconds = {.name = "seconds_t",
				  .size = 8,
				  .align = 8,
				  .text = text_seconds,
				  .to_int = strftime_number};

static void check_seconds(struct sema *s, struct expr *e)
{
	if (builtin_known(e, 0))
		sema_arg_int(s, e, 0);
	e->type = type_view(sema_types(s), &view_seconds, 0);
}

static struct val lower_seconds(struct gen *g, struct expr *e, struct val want)
{
	return builtin_view_u64(g, e, want, gen_scalar(g, builtin_arg(e, 0)));
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_time[] = {
	{
		.name = "nsecs",
		.proto = "uint64 nsecs [(boot | monotonic | tai | sw_tai)]",
		.doc = "Nanoseconds on the clock that started with the system.\n\n"
		       "boot (the default) goes on during suspend, monotonic stops. tai is "
		       "wall-clock time without leap\n"
		       "seconds; sw_tai computes it from boot for kernels without that clock in "
		       "BPF.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @start[tid] = nsecs; }\n",
		.examples = EXAMPLES("begin { printf(\"%u\\n\", nsecs); exit(); }",
				     "begin { printf(\"%u\\n\", nsecs(monotonic)); exit(); }",
				     "begin { printf(\"%u\\n\", nsecs(sw_tai)); exit(); }"),
		.flags = BI_NAME | BI_EFFECT | BI_LAZY_ARGS,
		.max_args = 1,
		.check = check_nsecs,
		.lower = lower_nsecs,
	},
	{
		.name = "elapsed",
		.proto = "uint64 elapsed",
		.doc = "Nanoseconds since awl started to trace.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { printf(\"%d ms\\n\", elapsed / "
		       "1000000); }\n",
		.examples = EXAMPLES("begin { printf(\"%d\\n\", elapsed); exit(); }"),
		.flags = BI_NAME | BI_EFFECT,
		.check = check_elapsed,
		.lower = lower_elapsed,
	},
	{
		.name = "time",
		.proto = "void time([const string format])",
		.doc = "Prints the time of the event, \"%H:%M:%S\\n\" unless a format for "
		       "strftime(3) is given.\n\n"
		       "    tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }\n"
		       "    interval:s:1 { time(\"%H:%M:%S  \"); print(@); }\n",
		.examples = EXAMPLES("begin { time(); exit(); }",
				     "begin { time(\"%F %T.%f\\n\"); exit(); }"),
		.flags = BI_STMT | BI_EFFECT,
		.max_args = 1,
		.check = check_time,
		.lower = lower_time,
	},
	{
		.name = "strftime",
		.proto = "timestamp_t strftime(const string format, uint64 nsecs)",
		.doc = "A time of the boot clock as text.\n\n"
		       "The format is that of strftime(3), and %f for microseconds, %k "
		       "nanoseconds, %l milliseconds.\n\n"
		       "    begin { printf(\"%s\\n\", strftime(\"%H:%M:%S.%f\", nsecs)); }\n",
		.examples = EXAMPLES(
			"begin { printf(\"%s\\n\", strftime(\"%H:%M:%S.%f\", nsecs)); exit(); }"),
		.min_args = 2,
		.max_args = 2,
		.check = check_strftime,
		.lower = lower_strftime,
	},
	{
		.name = "seconds",
		.proto = "seconds_t seconds(uint64 nsecs)",
		.doc = "A length of time as text: seconds and microseconds, 1.500000.\n\n"
		       "    begin { printf(\"%8.8s\\n\", seconds(elapsed)); }\n",
		.examples = EXAMPLES("begin { printf(\"%.8s\\n\", seconds(1500ms)); exit(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_seconds,
		.lower = lower_seconds,
	},
	BUILTIN_END,
};
