/* Output: printf, errorf, warnf, cat, print, join.
 *
 * Each call is one event. Its fields are the arguments, stored as their own types, and the literal
 * format stays in the program:
 *
 *   printf("%s %d\n", comm, pid)      | u32 id | comm[16] | u32 pid |     text "%s %d\n"
 *
 * print(@m) sends no data at all: it is a control event, and the map is read when it is handled. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "builtin/builtin_priv.h"

/* ---- formats ------------------------------------------------------------------------------------
 */

void builtin_check_format(struct sema *s, struct expr *e, const struct event_kind *kind)
{
	size_t n = builtin_nargs(e);
	const struct type **types = arena_array_of(sema_arena(s), const struct type *, n);
	const struct format *format = NULL;
	struct event_def *def;
	struct str text;

	e->type = &type_void;
	if (!sema_literal_str(s, e, 0, &text))
		return;
	for (size_t i = 1; i < n; i++)
		types[i - 1] = builtin_argtype(e, i);
	def = sema_event(s, e, kind, types, (uint32_t)n - 1);
	if (!def || !sema_format(s, e, text, 1, &format))
		return;
	def->text = arena_strndup(sema_arena(s), text.p, text.n);
	def->format = format;
}

/* %v shows values of Go as Go does. The text is looked through as it is, before it is checked. */
static void prepare_format(struct sema *s, struct expr *e)
{
	const struct expr *f = builtin_arg(e, 0);
	size_t arg = 1;

	if (f->kind != EXPR_STR)
		return;
	for (size_t i = 0; i < f->str.n; i++) {
		if (f->str.p[i] != '%')
			continue;
		for (i++; i < f->str.n && strchr("-+ #0123456789.hljztL", f->str.p[i]);)
			i++;
		if (i >= f->str.n || f->str.p[i] == '%')
			continue;
		if (f->str.p[i] == 'v' && arg < builtin_nargs(e))
			builtin_wrap_go(s, e, arg, true);
		arg++;
	}
}

static struct val lower_format(struct gen *g, struct expr *e, struct val want)
{
	gen_event_call(g, e, 1);
	return VAL_VOID;
}

#define FILTER_FROM '\x1f' /* in a format: what follows is what printf_filter looks at */

/* Takes the mark out; false when the text is not wanted. */
static bool passes_filter(const struct config *c, struct buf *b)
{
	char *mark = b->n ? memchr(b->p, FILTER_FROM, b->n) : NULL, *from = mark ? mark + 1 : b->p;
	size_t n = b->n - (size_t)(from - b->p);

	if (!memmem(from, n, c->printf_filter, strlen(c->printf_filter)))
		return false;
	if (mark) {
		memmove(mark, from, n + 1);
		b->n--;
	}
	return true;
}

static void filtered_printf(struct host *h, const struct event_def *def, const void *rec)
{
	const struct config *c = h->render.config;
	struct buf b = BUF_INIT;

	if (c->printf_limit && h->printed >= c->printf_limit)
		return;
	h->format(h, def, rec, &b);
	if (b.n && passes_filter(c, &b)) {
		h->emit(h, "printf", (struct str){b.p, b.n});
		h->printed++;
	}
	buf_release(&b);
	if (c->printf_limit && h->printed == c->printf_limit)
		h->exit(h, 0);
}

static void handle_printf(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	const struct config *c = h->render.config;

	if (c && ((c->printf_filter && c->printf_filter[0]) || c->printf_limit))
		filtered_printf(h, def, rec);
	else
		builtin_emit_format(h, def, rec, "printf");
}

static void handle_message(struct host *h, const struct event_def *def, const void *rec,
			   const char *severity)
{
	struct buf b = BUF_INIT;

	h->format(h, def, rec, &b);
	h->message(h, def, severity, (struct str){b.p, b.n});
	buf_release(&b);
}

static void handle_errorf(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	handle_message(h, def, rec, "error");
}

static void handle_warnf(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	handle_message(h, def, rec, "warning");
}

/* Reads what the path in `path` has, at most max_cat_bytes of it. The path may come from a traced
 * program: nothing that opening or reading could block on. */
static void cat_file(struct host *h, const char *path)
{
	size_t max = h->render.config->max_cat_bytes;
	struct buf b = BUF_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = 0;

	if (fd < 0) {
		buf_printf(&b, "cat: open %s: %s\n", path, strerror(errno));
		h->emit(h, "cat", (struct str){b.p, b.n});
		buf_release(&b);
		return;
	}
	while (b.n < max) {
		size_t room = MIN(max - b.n, (size_t)65536);

		n = read(fd, buf_reserve(&b, room), room);
		if (n <= 0)
			break;
		b.n += (size_t)n;
		b.p[b.n] = 0;
	}
	h->emit(h, "cat", (struct str){b.p, b.n});
	buf_release(&b);
	close(fd);
}

static void handle_cat(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	struct buf path = BUF_INIT;

	h->format(h, def, rec, &path);
	cat_file(h, buf_cstr(&path));
	buf_release(&path);
}

const struct event_kind kind_printf = {"printf", false, handle_printf, .needs = EVENT_FORMAT};
const struct event_kind kind_errorf = {"errorf", false, handle_errorf, .needs = EVENT_FORMAT};
const struct event_kind kind_warnf = {"warnf", false, handle_warnf, .needs = EVENT_FORMAT};
const struct event_kind kind_cat = {"cat", false, handle_cat, .needs = EVENT_FORMAT};

static void check_printf(struct sema *s, struct expr *e)
{
	builtin_check_format(s, e, &kind_printf);
}

static void check_errorf(struct sema *s, struct expr *e)
{
	builtin_check_format(s, e, &kind_errorf);
}

static void check_warnf(struct sema *s, struct expr *e)
{
	builtin_check_format(s, e, &kind_warnf);
}

static void check_cat(struct sema *s, struct expr *e)
{
	builtin_check_format(s, e, &kind_cat);
}

/* ---- print ------------------------------------------------------------------------------- */

static void handle_print_map(struct host *h, const struct event_def *def, const void *rec,
			     size_t len)
{
	h->print_map(h, def->map, def->print);
}

static void handle_print(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	const struct event_field *f = &def->fields[0];
	struct buf b = BUF_INIT;

	h->render.value(&h->render, f->type, (const char *)rec + f->off, &b);
	if (!h->render.json)
		buf_addc(&b, '\n');
	h->emit_value(h, "value", (struct str){b.p, b.n});
	buf_release(&b);
}

const struct event_kind kind_print_map = {"map", true, handle_print_map, .needs = EVENT_MAP};
const struct event_kind kind_print = {"value", false, handle_print, .min_fields = 1};

static bool is_whole_map(const struct expr *a)
{
	return a->kind == EXPR_MAP && a->map.nkeys == 0;
}

static void check_print_map(struct sema *s, struct expr *e)
{
	struct event_def *def = sema_event(s, e, &kind_print_map, NULL, 0);
	const struct print_opts *o = builtin_print_options(s, e, sema_arg_map(s, e, 0));

	if (def)
		def->print = o;
}

static void prepare_print(struct sema *s, struct expr *e)
{
	builtin_wrap_go(s, e, 0, false);
}

static void check_print(struct sema *s, struct expr *e)
{
	struct expr *a = builtin_arg(e, 0);
	const struct type *t;

	e->type = &type_void;
	if (is_whole_map(a)) {
		check_print_map(s, e);
		return;
	}
	if (a->kind == EXPR_MAP) /* one key's value, which is read here and now */
		sema_infer(s, a);
	if (!builtin_known(e, 0))
		return;
	if (builtin_nargs(e) > 1 || call_named(e))
		diag_help(sema_report(s, E_ARG_COUNT,
				      call_named(e) ? call_named(e)->span : builtin_arg(e, 1)->span,
				      "print() takes entries and divisor only with a map"),
			  "write print(@map, top, div)");
	t = a->type;
	if (t->kind == TYPE_VOID || t->kind == TYPE_AGG || t->kind == TYPE_FUNC)
		builtin_bad_arg(s, e, 0, "a map or a value");
	else
		sema_event(s, e, &kind_print, &t, 1);
}

static struct val lower_print(struct gen *g, struct expr *e, struct val want)
{
	struct event_def *def = ((struct call_sem *)e->sem)->event;
	struct expr *a = builtin_arg(e, 0);

	if (is_whole_map(a)) {
		def->map = ((struct map_sym *)a->sem)->index;
		gen_control(g, def);
	} else {
		gen_event_call(g, e, 0);
	}
	return VAL_VOID;
}

/* ---- join -------------------------------------------------------------------------------- */

#define JOIN_MAX 16  /* strings of one call */
#define JOIN_CAP 240 /* bytes of each, with its end: the record stays below 4 KiB */

/* Fields: the number of strings found (JOIN_MAX + 1: there are more), then the strings. */
static void handle_join(struct host *h, const struct event_def *def, const void *rec, size_t len)
{
	uint32_t n = builtin_u32((const char *)rec + def->fields[0].off);
	const char *trailer = h->render.config->str_trunc_trailer;
	struct buf b = BUF_INIT;

	for (uint32_t i = 0; i < MIN(n, JOIN_MAX); i++) {
		struct str s = builtin_field_str(def, rec, i + 1);

		if (i)
			buf_adds(&b, def->text);
		buf_addstr(&b, s);
		if (s.n >= JOIN_CAP - 1 && trailer)
			buf_adds(&b, trailer);
	}
	if (n > JOIN_MAX && trailer)
		buf_printf(&b, "%s%s", def->text, trailer);
	if (!h->render.json || h->render.ndjson) /* bpftrace's record has the words alone */
		buf_addc(&b, '\n');
	h->emit(h, "join", (struct str){b.p, b.n});
	buf_release(&b);
}

const struct event_kind kind_join = {
	"join",         false, handle_join, .needs = EVENT_TEXT, .min_fields = JOIN_MAX + 1,
	.first_size = 4};

static void check_join(struct sema *s, struct expr *e)
{
	const struct type *types[JOIN_MAX + 1] = {type_int(sema_types(s), 4, false)};
	struct str sep = STR(" ");
	struct event_def *def;

	e->type = &type_void;
	if (builtin_known(e, 0))
		sema_arg_ptr(s, e, 0);
	if (builtin_nargs(e) > 1)
		sema_literal_str(s, e, 1, &sep);
	for (size_t i = 1; i <= JOIN_MAX; i++)
		types[i] = type_string(sema_types(s), JOIN_CAP);
	def = sema_event(s, e, &kind_join, types, JOIN_MAX + 1);
	if (def)
		def->text = arena_strndup(sema_arena(s), sep.p, sep.n);
}

/* Pointer number `i` of the vector; the loop is left when it is NULL. */
static ir_val join_pointer(struct gen *g, ir_val argv, unsigned i, enum space space,
			   struct ir_block *end)
{
	struct ir *b = gen_ir(g);
	struct ir_block *more = ir_block_new(b, "more");
	const struct type *t = type_int(gen_types(g), 8, false);
	ir_val p = gen_load(g, val_mem(t, argv, (int32_t)(8 * i), space));

	ir_br(b, p, more, end, IR_LIKELY_EVEN);
	ir_at(b, more);
	return p;
}

static struct val lower_join(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	const struct event_def *def = ((struct call_sem *)e->sem)->event;
	ir_cell n = ir_cell_new(b, "joined", false);
	struct ir_block *end = ir_block_new(b, "joined");
	enum space space;
	ir_val argv = builtin_pointer(g, builtin_arg(e, 0), &space);
	struct event_build ev = gen_event_begin(g, def);

	/* argv of a user process is in its memory, but argv of exec tracepoints is typed so */
	if (space == SPACE_NONE)
		space = gen_probe_of(g)->prov->space;
	ir_set(b, n, ir_const(b, 0));
	for (unsigned i = 0; i <= JOIN_MAX; i++) {
		ir_val p = join_pointer(g, argv, i, space, end);

		if (i < JOIN_MAX) {
			struct val slot = gen_event_field(g, &ev, i + 1);

			gen_read_str(g, builtin_addr(g, slot, 0), ir_const(b, JOIN_CAP), p, space);
		}
		ir_set(b, n, ir_const(b, i + 1));
	}
	ir_jmp(b, end);
	ir_at(b, end);
	builtin_put(g, gen_event_field(g, &ev, 0), 4, 0, ir_get(b, n));
	gen_event_submit(g, &ev);
	return VAL_VOID;
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_print[] = {
	{
		.name = "printf",
		.proto = "void printf(const string format, ...)",
		.doc = "Prints formatted text.\n\n"
		       "Conversions: %d %i %u %o %x %X %c %p %s, %r (buffer with \\x escapes), %rx "
		       "(all escaped), %rh\n"
		       "(hex dump), %%. Flags `-`, `+`, space, `#`, `0`, a width and a precision "
		       "may stand between. Integers\n"
		       "are printed in full width; hh, h cut them. %s takes a value of any type "
		       "and prints it as\n"
		       "print() does. %v does, too, but for values of Go functions, which it "
		       "prints as Go does: govalue().\n\n"
		       "    tracepoint:syscalls:sys_enter_openat { printf(\"%-16s %s\\n\", comm, "
		       "str(args.filename)); }\n",
		.examples = EXAMPLES("begin { printf(\"hello\\n\"); exit(); }",
				     "begin { printf(\"%-16s %6d %s\\n\", comm, pid, "
				     "ntop(16777343)); exit(); }"),
		.flags = BI_STMT | BI_EFFECT,
		.min_args = 1,
		.max_args = 128,
		.prepare = prepare_format,
		.check = check_printf,
		.lower = lower_format,
	},
	{
		.name = "errorf",
		.proto = "void errorf(const string format, ...)",
		.doc = "Prints formatted text as an error, with the place in the script.\n\n"
		       "    begin { errorf(\"no target given\\n\"); exit(1); }\n",
		.examples = EXAMPLES("begin { errorf(\"bad pid %d\\n\", pid); exit(1); }"),
		.flags = BI_STMT | BI_EFFECT,
		.min_args = 1,
		.max_args = 128,
		.prepare = prepare_format,
		.check = check_errorf,
		.lower = lower_format,
	},
	{
		.name = "warnf",
		.proto = "void warnf(const string format, ...)",
		.doc = "Prints formatted text as a warning, with the place in the script.\n\n"
		       "    begin { warnf(\"nothing to do for %s\\n\", comm); }\n",
		.examples = EXAMPLES("begin { warnf(\"odd pid %d\\n\", pid); exit(); }"),
		.flags = BI_STMT | BI_EFFECT,
		.min_args = 1,
		.max_args = 128,
		.prepare = prepare_format,
		.check = check_warnf,
		.lower = lower_format,
	},
	{
		.name = "cat",
		.proto = "void cat(const string format, ...)",
		.doc = "Prints a file whose path is made by the format.\n\n"
		       "The file is read when the event is handled, after the fact. At most "
		       "max_cat_bytes (10240) are\n"
		       "printed.\n\n"
		       "    begin { cat(\"/proc/%d/maps\", pid); }\n",
		.examples = EXAMPLES("begin { cat(\"/proc/loadavg\"); exit(); }",
				     "begin { cat(\"/proc/%d/stat\", pid); exit(); }"),
		.flags = BI_STMT | BI_EFFECT,
		.min_args = 1,
		.max_args = 128,
		.prepare = prepare_format,
		.check = check_cat,
		.lower = lower_format,
	},
	{
		.name = "print",
		.proto = "void print(any value) | print(map @m [, int top [, int div]] [, "
			 "option=…])",
		.doc = "Prints a map or a value.\n\n"
		       "A map is printed when the event is handled, sorted; `top` keeps the "
		       "largest entries (0: all) and\n"
		       "`div` divides the values shown. Both may be given by name, and so may\n\n"
		       "- by=value, by=key, by=key[1]: what is sorted by, also one part of the "
		       "key\n"
		       "- desc: the greatest first\n"
		       "- p50, p99 …, or percentiles=(50, 99): of hist and lhist, what that many "
		       "percent of the values do not\n"
		       "exceed, as far as the buckets tell\n"
		       "- format=\"%-20s %8d\\n\": how an entry is written, in text output. The "
		       "values are the parts\n"
		       "of the key and then the value (of stats: average, total, count)\n"
		       "- columns=(value, key[0]): these values for the format instead\n"
		       "- unit=\"us\": buckets of hist as `lo -> hi : count` under a heading "
		       "with that unit; the format\n"
		       "shows them by %s\n\n"
		       "A value, also that of one key, is printed "
		       "as it was at the\n"
		       "time of the call, on a line of its own.\n\n"
		       "    tracepoint:syscalls:sys_enter_read { @reads[comm] = count(); }\n"
		       "    interval:s:1 { print(@reads, 10); clear(@reads); }\n"
		       "    interval:s:9 { print(@reads, top=10, desc); exit(); }\n"
		       "    interval:s:2 { print(@reads, format=\"%-16s %8d\\n\"); }\n"
		       "    begin { print((pid, comm)); }\n",
		.examples = EXAMPLES(
			"begin { @[pid] = count(); print(@, 5, 2); exit(); }",
			"begin { print((pid, comm)); print(\"text\"); exit(); }",
			"begin { @x[1] = 2; print(@x[1]); exit(); }",
			"begin { @x[1, 2] = 2; print(@x, top=5, by=key[1], desc=true); "
			"exit(); }",
			"begin { @ = hist(5); print(@, percentiles=(50, 99)); exit(); }",
			"begin { @ = hist(5); print(@, top=3, p50, p99); exit(); }"),
		.flags = BI_STMT | BI_EFFECT | BI_MAP_ARG | BI_NAMED,
		.min_args = 1,
		.max_args = 3 + 9, /* top, div, and options that are a word */
		.is_word = builtin_is_print_word,
		.prepare = prepare_print,
		.check = check_print,
		.lower = lower_print,
	},
	{
		.name = "join",
		.proto = "void join(char *strings[] [, const string separator])",
		.doc = "Prints the strings of a vector that ends with NULL, such as argv, and a "
		       "newline.\n\n"
		       "At most 16 strings of 239 bytes; what is cut is marked by "
		       "str_trunc_trailer.\n\n"
		       "    tracepoint:syscalls:sys_enter_execve { join(args.argv); }\n",
		.examples = EXAMPLES(
			"tracepoint:syscalls:sys_enter_execve { join(args.argv); }",
			"tracepoint:syscalls:sys_enter_execve { join(args.argv, \",\"); }"),
		.flags = BI_STMT | BI_EFFECT,
		.min_args = 1,
		.max_args = 2,
		.check = check_join,
		.lower = lower_join,
	},
	BUILTIN_END,
};
