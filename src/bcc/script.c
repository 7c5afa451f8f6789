/* Pieces that the scripts of the commands have in common. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bcc/priv.h"

bool script_headers_exist(const struct bcc *b)
{
	for (size_t i = 0; i < b->o.headers.n; i++) {
		const char *h = b->o.headers.v[i];

		if ((h[0] == '/' || h[0] == '.') && access(h, R_OK)) {
			bcc_fail(b, "argument -I: cannot read %s: %s", h, strerror(errno));
			return false;
		}
	}
	return true;
}

void script_includes(struct bcc *b)
{
	for (size_t i = 0; i < b->o.headers.n; i++) {
		char *whole = realpath(b->o.headers.v[i], NULL);

		if (whole)
			buf_printf(&b->script, "#include \"%s\"\n", whole);
		else
			buf_printf(&b->script, "#include <%s>\n", b->o.headers.v[i]);
		free(whole);
	}
}

/* bcc has a ring of 64 pages, or of what -b says, for each CPU. Here it is one that all share:
 * never less than all of bcc's together, and enough for what a single CPU sends while others are
 * quiet. Tables need no large one: their lines are made when it is read. */
enum {
	RING_TABLE = 64,
	RING_EACH = 64,
	RING_LEAST = 512,
	RING_USUAL_MOST = 4096,
	RING_MOST = 1 << 20
};

static uint64_t ring_pages(const struct bcc *b)
{
	uint64_t cpus = (uint64_t)MAX(sysconf(_SC_NPROCESSORS_CONF), 1L), wanted, pages = 1;

	if (b->o.pages > 0)
		wanted = MIN((uint64_t)b->o.pages * cpus, (uint64_t)RING_MOST);
	else if (b->cmd->table)
		wanted = RING_TABLE;
	else
		wanted = MAX(MIN(RING_EACH * cpus, (uint64_t)RING_USUAL_MOST),
			     (uint64_t)RING_LEAST);
	while (pages < wanted)
		pages *= 2;
	return pages;
}

void script_config(struct bcc *b, const char *more)
{
	buf_printf(&b->script,
		   "config = { print_maps_on_exit = false; begin_attached = true; warn_inlined = "
		   "false; %sperf_rb_pages "
		   "= %llu; "
		   "max_map_keys = %llu; %s}\n",
		   b->cmd->table ? "detach_last = true; " : "", (unsigned long long)ring_pages(b),
		   (unsigned long long)b->max_keys, more);
}

void script_text(struct buf *out, const char *text, bool percent)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_addc(out, '\\');
		if (*p == '%' && percent)
			buf_addc(out, '%');
		if (*p < ' ')
			buf_printf(out, "\\x%02x", *p);
		else
			buf_addc(out, (char)*p);
	}
}

static void condition(struct buf *out, bool *any, const char *fmt, long long v)
{
	buf_adds(out, *any ? " && " : " / ");
	buf_printf(out, fmt, v);
	*any = true;
}

void script_filter(struct bcc *b, bool self)
{
	const struct opts *o = &b->o;
	struct buf *out = &b->script;
	bool any = false;

	if (o->pid > 0)
		condition(out, &any, "pid == %lld", o->pid);
	if (o->tid >= 0)
		condition(out, &any, "tid == %lld", o->tid);
	if (o->uid >= 0)
		condition(out, &any, "uid == %lld", o->uid);
	if (o->cpu >= 0)
		condition(out, &any, "cpu == %lld", o->cpu);
	if (self && o->pid < 0 && o->tid < 0)
		condition(out, &any, "pid != @self", 0);
	if (o->comm) {
		buf_adds(out, any ? " && " : " / ");
		any = true;
		buf_adds(out, "strcontains(comm, \"");
		script_text(out, o->comm, false);
		buf_adds(out, "\")");
	}
	if (o->cgroup) {
		buf_adds(out, any ? " && " : " / ");
		any = true;
		buf_adds(out, "cgroup == cgroupid(\"");
		script_text(out, o->cgroup, false);
		buf_adds(out, "\")");
	}
	if (any)
		buf_adds(out, " /");
}

static bool keeps(const struct cexpr *c)
{
	return c->kept.n || c->needs_latency;
}

/* User functions by thread and stack pointer, kernel functions by thread and depth, so that a
 * recursive function has what each of its calls was given. A thread is in one system call. */
static void entry_key(struct buf *out, const struct cexpr *c)
{
	const char *map = c->map;

	if (c->probe->go)
		buf_adds(out, "\t$k = " GO_KEY ";\n");
	else if (c->probe->kind == PROBE_USER)
		buf_printf(out, "\t$k = (tid, %s);\n", SP_AT_ENTRY);
	else if (c->probe->syscall)
		buf_adds(out, "\t$k = (tid, (uint64)0);\n");
	else
		buf_printf(out,
			   "\t$d = %s_depth[tid];\n\t%s_depth[tid] = $d + 1;\n"
			   "\t$k = (tid, (uint64)$d);\n",
			   map, map);
}

static void return_key(struct buf *out, const struct cexpr *c)
{
	const char *map = c->map;

	if (c->probe->go)
		buf_adds(out, "\t$k = " GO_KEY ";\n");
	else if (c->probe->kind == PROBE_USER)
		buf_adds(out, "\t$k = (tid, reg(\"sp\"));\n");
	else if (c->probe->syscall)
		buf_adds(out, "\t$k = (tid, (uint64)0);\n");
	else
		buf_printf(
			out,
			"\t$d = %s_depth[tid];\n\tif ($d == 0) { return; }\n"
			"\tif ($d == 1) { delete(%s_depth, tid); } else { %s_depth[tid] = $d - 1; "
			"}\n\t$k = (tid, (uint64)($d - 1));\n",
			map, map, map);
}

void script_entry(struct bcc *b, const struct cexpr *c)
{
	struct buf *out = &b->script;

	if (!keeps(c))
		return;
	buf_adds(out, c->probe->entry);
	script_filter(b, false);
	buf_adds(out, "\n{\n");
	entry_key(out, c);
	buf_printf(out, "\t%s[$k] = (nsecs", c->map);
	for (size_t i = 0; i < c->kept.n; i++)
		buf_printf(out, ", %s", c->kept.v[i].value);
	buf_adds(out, c->kept.n ? ");\n}\n" : ", (uint64)0);\n}\n");
}

void script_entry_found(struct bcc *b, const struct cexpr *c)
{
	if (!keeps(c))
		return;
	return_key(&b->script, c);
	buf_printf(&b->script, "\tif (!find(%s, $k, $e)) { return; }\n\tdelete(%s, $k);\n", c->map,
		   c->map);
}

void script_report_head(struct bcc *b)
{
	buf_adds(&b->script, "\tprintf(\"\\n\");\n");
	if (b->o.timestamp)
		buf_adds(&b->script, "\ttime(\"%H:%M:%S\\n\");\n");
}

static void interval(struct bcc *b, int64_t ns)
{
	if (ns % 1000000000 == 0)
		buf_printf(&b->script, "interval:s:%lld", (long long)ns / 1000000000);
	else if (ns % 1000000 == 0)
		buf_printf(&b->script, "interval:ms:%lld", (long long)ns / 1000000);
	else
		buf_printf(&b->script, "interval:us:%lld", (long long)(ns + 999) / 1000);
}

void script_begin(struct bcc *b, const char *pattern, long n)
{
	struct buf *out = &b->script;

	buf_printf(out, "begin { printf(\"Tracing %ld functions for \\\"", n);
	script_text(out, pattern, true);
	buf_adds(out, "\\\"... Hit Ctrl-C to end.\\n\"); }\n");
}

/* The last report is that of `end`, so that it is there after Ctrl-C and after the time alike.
 * Where the duration is a multiple of the interval, one probe counts: of two, either could come
 * first. */
void script_reports(struct bcc *b, void (*report)(struct bcc *b), const char *last)
{
	int64_t every = b->o.interval, whole = b->o.duration;
	bool counts = every > 0 && whole > 0 && whole % every == 0;

	if (every > 0 && (whole < 0 || every < whole)) {
		interval(b, every);
		buf_adds(&b->script, "\n{\n");
		if (counts)
			buf_printf(&b->script, "\tif (++@turns == %lld) { exit(); }\n",
				   (long long)(whole / every));
		report(b);
		buf_adds(&b->script, "}\n");
	}
	if (whole > 0 && !(counts && every < whole)) {
		interval(b, whole);
		buf_adds(&b->script, " { exit(); }\n");
	}
	buf_adds(&b->script, "end\n{\n");
	report(b);
	buf_printf(&b->script, "%s}\n", last);
}
