/* uprobe:FILE@SOURCE:LINE[:COLUMN]: the instruction where a line of the source begins.
 *
 *   uprobe:./server@http.c:212        { printf("%s %d\n", str(args.path), args.status); }
 *   uprobe:./server@src/http.c:212:9
 *
 * SOURCE is a path or the end of one. The probe sits in each function that has code of the line: in
 * the function itself and in its copies that were inlined into others. There args has the
 * function's arguments, where they are by then, and those of its variables that are in scope.
 *
 * A FILE that exists with the `@` in its name is not meant so. */
#include <unistd.h>
#include "elf/dwarf.h"
#include "probe/user.h"

struct request {
	struct sema *s;
	const struct attach_point *ap;
	struct attach_targets *out;
	struct str source;
	unsigned line, column;
};

static bool parse_number(struct str t, unsigned *out)
{
	unsigned long long v;

	if (!str_to_u64(t, &v) || v == 0 || v > INT32_MAX)
		return false;
	*out = (unsigned)v;
	return true;
}

/* "FILE@SOURCE" at the last @. */
static bool split(struct str part, struct str *file, struct str *source)
{
	size_t at = part.n;

	while (at && part.p[at - 1] != '@')
		at--;
	if (at < 2 || at == part.n)
		return false;
	*file = (struct str){part.p, at - 1};
	*source = (struct str){part.p + at, part.n - at};
	return true;
}

static bool parse(struct request *r, struct str *file)
{
	const struct attach_point *ap = r->ap;

	return (ap->nparts == 3 || ap->nparts == 4) && split(ap->parts[1], file, &r->source) &&
	       parse_number(ap->parts[2], &r->line) &&
	       (ap->nparts == 3 || parse_number(ap->parts[3], &r->column)) &&
	       access(probe_cstr(r->s, ap->parts[1]), F_OK) != 0;
}

bool line_is_meant(struct sema *s, const struct attach_point *ap)
{
	struct request r = {.s = s, .ap = ap};
	struct str file;

	return parse(&r, &file);
}

/* ---- what is not there ---- */

struct near_file {
	struct arena *a;
	struct nearest *n;
};

static int try_file(void *arg, const char *path)
{
	struct near_file *x = arg;
	const char *slash = strrchr(path, '/');
	struct str name = str_of(slash ? slash + 1 : path);

	nearest_try(x->n, name);
	if (x->n->best.p == name.p)
		x->n->best.p = arena_strndup(x->a, name.p, name.n);
	return 0;
}

static bool report_no_file(struct request *r, struct elf *f, struct dwarf *d)
{
	struct diag_msg *m;
	struct nearest n;
	struct near_file x = {sema_arena(r->s), &n};

	m = sema_report(r->s, E_PROBE_TARGET, r->ap->span,
			"the debug information of %s knows no source file %.*s", elf_path(f),
			STR_ARG(r->source));
	nearest_init(&n, r->source);
	dwarf_file_each(d, try_file, &x);
	if (nearest_found(&n))
		diag_help(m, "did you mean `%.*s`?", STR_ARG(n.best));
	else
		diag_help(m, "give its name, or the end of its path: main.c, src/main.c");
	return false;
}

static bool report_no_code(struct request *r, struct elf *f, const struct dwarf_lines *lines)
{
	struct diag_msg *m;

	m = sema_report(r->s, E_PROBE_TARGET, r->ap->span, "line %u of %.*s has no code in %s",
			r->line, STR_ARG(r->source), elf_path(f));
	if (r->column)
		diag_help(m, "leave out the column, which may be another");
	else if (lines->next)
		diag_help(m, "the next line that has code is %u", lines->next);
	else
		diag_help(m, "no line behind it has code either");
	return false;
}

static bool report_refused(struct request *r, struct elf *f, const char *why)
{
	sema_report(r->s, E_PROBE_TARGET, r->ap->span, "cannot probe line %u of %.*s in %s: %s",
		    r->line, STR_ARG(r->source), elf_path(f), why);
	return false;
}

static bool report_no_info(struct request *r, struct elf *f, const struct err *e)
{
	struct diag_msg *m = sema_report(r->s, E_PROBE_TARGET, r->ap->span,
					 "the lines of %s are not known: %s", elf_path(f), e->what);

	diag_help(m, "%s", e->hint[0] ? e->hint : "build it with -g");
	return false;
}

/* ---- places ---- */

static void push_place(struct request *r, struct elf *f, const struct dwarf_line *l,
		       const struct placement *pl, bool inside)
{
	struct arena *a = sema_arena(r->s);
	const char *where = arena_printf(a, "%.*s:%u", STR_ARG(r->source), r->line);

	probe_push(
		r->s, r->out,
		(struct attach_target){
			.name = arena_printf(a, "uprobe:%s@%s", elf_path(f), where),
			.module = arena_strdup(a, elf_path(f)),
			.symbol = l->func ? l->func : where,
			.addr = pl->offset,
			.b = pl->cost | (pl->moved ? USER_MOVED : 0) | (inside ? USER_INSIDE : 0),
			.pid = sema_input(r->s)->pid,
		});
}

/* The opening line of a function is its entry, with the arguments where the caller put them. */
static bool add_place(struct request *r, struct elf *f, const struct dwarf_line *l,
		      const char **why)
{
	struct placement pl = {.why = "the address is in no segment of the file"};
	struct elf_func fn;
	uint64_t offset;
	bool entry;

	*why = pl.why;
	if (!elf_addr_to_offset(f, l->addr, &offset))
		return false;
	entry = elf_func_at(f, offset, &fn) && fn.offset == offset;
	elf_place(f, offset, entry ? fn.size : 0,
		  user_place_flags(r->s) | (entry ? 0 : PLACE_EXACT), &pl);
	*why = pl.why;
	if (pl.cost == COST_REFUSED)
		return false;
	push_place(r, f, l, &pl, !entry);
	return true;
}

static bool add_places(struct request *r, struct elf *f, const struct dwarf_lines *lines)
{
	const char *why = NULL;
	size_t added = 0;

	for (size_t i = 0; i < lines->n; i++)
		added += add_place(r, f, &lines->v[i], &why);
	if (added && added < lines->n)
		sema_report(r->s, W_PROBE_NONE, r->ap->span,
			    "%zu of the %zu places of line %u are not probed: %s", lines->n - added,
			    lines->n, r->line, why);
	return added || report_refused(r, f, why);
}

static bool add_from_file(void *arg, struct elf *f)
{
	struct request *r = arg;
	struct err e = {0};
	struct dwarf *d = types_dwarf(sema_types(r->s), elf_path(f), &e);
	struct dwarf_lines lines;

	if (!d ||
	    dwarf_line_find(d, r->source, r->line, r->column, sema_arena(r->s), &lines, &e) < 0)
		return report_no_info(r, f, &e);
	if (lines.n)
		return add_places(r, f, &lines);
	return lines.known_file ? report_no_code(r, f, &lines) : report_no_file(r, f, d);
}

bool line_resolve(struct sema *s, const struct attach_point *ap, struct attach_targets *out)
{
	struct request r = {.s = s, .ap = ap, .out = out};
	struct str file;

	return parse(&r, &file) && user_files(s, ap, file, add_from_file, &r);
}
