/* What to say when the kernel refuses a program.
 *
 * The verifier's log ends with the instruction it stopped at and the reason; the code's spans lead
 * from there to the script:
 *
 *   17: (71) r1 = *(u8 *)(r2 +0)
 *   R2 invalid mem access 'scalar'
 *
 *   the kernel's verifier refused kprobe:vfs_read: R2 invalid mem access 'scalar'
 *     --> x.bt:3:9
 *      |
 *    3 |         @a[$p->x] = 1
 *      |            ^^^^^
 *      = the end of the verifier's log: …
 *      = this is a bug of awl, not of the script: …
 *
 * Refusals that are not about the code (rights, memory, size) have their own words and no log.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/priv.h"

#define TAIL_LINES 12
#define LINE_WIDTH 160u
#define BUG_HINT \
	"this is a bug of awl, not of the script: please report it with the script and this text"

/* The number of the last instruction in the log, -1 when there is none: lines "17: (71) …". */
static long last_insn(const char *log)
{
	long last = -1;

	for (const char *line = log; line && *line;) {
		char *end;
		long n = strtol(line, &end, 10);

		if (end > line && end[0] == ':' && end[1] == ' ' && end[2] == '(')
			last = n;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return last;
}

static bool is_statistics(struct str line)
{
	return str_starts(line, STR("processed ")) || str_starts(line, STR("verification time")) ||
	       str_starts(line, STR("stack depth")) || line.n == 0;
}

/* The last line that says something: the verifier's reason. */
static struct str reason_of(const char *log)
{
	struct str rest = str_of(log), reason = STR("no reason given");

	while (rest.p) {
		struct str line = str_cut(&rest, '\n');

		if (!is_statistics(line))
			reason = line;
	}
	return reason;
}

static const char *tail_of(const char *log)
{
	const char *p = log + strlen(log);

	for (int lines = 0; p > log; p--)
		if (p[-1] == '\n' && lines++ == TAIL_LINES)
			break;
	return p;
}

static struct str source_line(struct diag *d, struct span s)
{
	struct str text = diag_source_text(d, s.file);
	size_t start = MIN(s.off, text.n), end = start;

	while (start > 0 && text.p[start - 1] != '\n')
		start--;
	while (end < text.n && text.p[end] != '\n')
		end++;
	return (struct str){text.p + start, end - start};
}

/* The part of a line of any length that is worth showing: where the span begins is in it. */
static struct str crop(struct str line, unsigned *col)
{
	size_t skip = *col > LINE_WIDTH ? *col - LINE_WIDTH / 2 : 0;

	skip = MIN(skip, line.n);
	*col -= (unsigned)skip;
	return (struct str){line.p + skip, MIN(line.n - skip, LINE_WIDTH)};
}

/* The line of the script with carets below the span. Tabs stay tabs, so that the carets stand
 * right. */
static void add_place(struct diag *d, struct span s, struct buf *out)
{
	struct str line = source_line(d, s);
	unsigned ln, col;
	size_t carets;

	diag_line_col(d, s, &ln, &col);
	buf_printf(out, "  --> %s:%u:%u\n     |\n%4u | ", diag_source_name(d, s.file), ln, col, ln);
	line = crop(line, &col);
	carets = MIN(MAX(s.len, 1u), line.n >= col ? line.n - col + 1 : 1);
	buf_addstr(out, line);
	buf_adds(out, "\n     | ");
	for (unsigned i = 1; i < col; i++)
		buf_addc(out, i <= line.n && line.p[i - 1] == '\t' ? '\t' : ' ');
	buf_fill(out, '^', carets);
	buf_addc(out, '\n');
}

static void add_log(const char *log, struct buf *out)
{
	struct str rest = str_of(tail_of(log));

	buf_adds(out, "     = the end of the verifier's log:\n");
	while (rest.p && rest.n) {
		struct str line = str_cut(&rest, '\n');

		buf_adds(out, "         ");
		buf_add_text(out, line, false);
		buf_addc(out, '\n');
	}
	buf_adds(out, "     = " BUG_HINT);
}

/* Refusals that say nothing about the code. True when `error` was one. */
static bool environment(const struct program_prog *p, int error, const char *log, struct err *e)
{
	if (strstr(log, "too complex") || strstr(log, "program is too large"))
		error = E2BIG;
	switch (error) {
	case EPERM:
		err_set(e, error, "load %s", p->title);
		err_hint(e, "loading BPF programs needs CAP_BPF and CAP_PERFMON (or root), and a "
			    "kernel that is not "
			    "locked down");
		return true;
	case ENOMEM:
		err_set(e, error, "load %s", p->title);
		err_hint(e, "the verifier ran out of memory: shorten the probe's loops, or raise "
			    "the memory limit of this cgroup");
		return true;
	case E2BIG:
		err_plain(e, error,
			  "load %s: the program is too large or too branched for the verifier (%zu "
			  "instructions)",
			  p->title, p->code.n);
		err_hint(e,
			 "shorten the probe's body or its loops, or split it into several probes");
		return true;
	default:
		return error != EACCES && error != EINVAL && log[0] == 0 &&
		       (err_set(e, error, "load %s", p->title), true);
	}
}

static const struct span *place_of(struct diag *d, const struct program_prog *p, const char *log)
{
	long insn = last_insn(log);

	if (!d || !p->code.spans || insn < 0 || (size_t)insn >= p->code.n ||
	    p->code.spans[insn].file == UINT32_MAX)
		return NULL;
	return &p->code.spans[insn];
}

int reject_explain(struct diag *d, const struct program_prog *p, int error, const char *log,
		   struct buf *text, struct err *e)
{
	struct str reason = reason_of(log);
	const struct span *place = place_of(d, p, log);
	unsigned line, col;

	if (environment(p, error, log, e)) {
		if (e->code == E2BIG && place) {
			buf_adds(text, "the kernel's verifier gave up here:\n");
			add_place(d, *place, text);
		}
		if (text->n && text->p[text->n - 1] == '\n')
			text->p[--text->n] = 0;
		return -error;
	}
	buf_printf(text, "the kernel's verifier refused %s: %.*s\n", p->title, STR_ARG(reason));
	if (place)
		add_place(d, *place, text);
	add_log(log, text);
	if (place) {
		diag_line_col(d, *place, &line, &col);
		err_plain(e, error, "load %s: refused by the kernel's verifier at %s:%u:%u: %.*s",
			  p->title, diag_source_name(d, place->file), line, col, STR_ARG(reason));
	} else {
		err_plain(e, error, "load %s: refused by the kernel's verifier: %.*s", p->title,
			  STR_ARG(reason));
	}
	err_hint(e, "%s", BUG_HINT);
	return -error;
}
