/* Lines of the source to addresses, by the line tables of libdw; see dwarf.h.
 *
 * A line table has a row for each place where the line changes, sorted by address:
 *
 *   address  line          work(int n) in app.c, compiled without optimization
 *   0x1139   3             { of work
 *   0x1144   4             for (int i = 0; i < n; i++)     i = 0     ← the place of line 4
 *   0x114d   5                 total += i;
 *   0x1153   4                                             i++
 *   0x1157   4                                             i < n
 *
 * One line has several runs of rows. Of those in one function, or in one inlined copy, the first is
 * taken: where the line begins to be executed. Debuggers do the same. */
#include "elf/dwarf_priv.h"
#include "elf/dwarf_remote.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct search {
	struct dwarf *d;
	struct arena *a;
	struct str file;
	unsigned line, column;
	struct dwarf_lines *out;
	VEC(struct candidate) found;
};

struct candidate {
	struct dwarf_line line;
	const void *instance; /* the entry of the function or the inlined copy */
	bool before_entry;    /* in a part that was moved away, such as f.cold */
};

/* Is `wanted` the whole path or its last components? */
static bool is_file(const char *path, struct str wanted)
{
	size_t n = strlen(path);

	if (n < wanted.n || memcmp(path + n - wanted.n, wanted.p, wanted.n) != 0)
		return false;
	return n == wanted.n || path[n - wanted.n - 1] == '/' || wanted.p[0] == '/';
}

static void add_place(struct search *s, uint64_t addr, const char *file)
{
	struct candidate c = {.line = {.addr = addr, .file = arena_strdup(s->a, file)}};
	Dwarf_Die die, outer;
	Dwarf_Addr entry;
	const char *name;

	if (dwarf_instance_at(s->d, addr, NULL, &die, &outer)) {
		name = dwarf_symbol(s->d, &die);
		c.line.func = name ? arena_strdup(s->a, name) : NULL;
		c.line.inlined = die.addr != outer.addr;
		c.instance = die.addr;
		c.before_entry = dwarf_entrypc(&die, &entry) == 0 && addr < entry;
	}
	vec_push(s->a, &s->found, c);
}

struct row {
	const char *file;
	Dwarf_Addr addr;
	int line, column;
	bool is_stmt, ends;
};

static bool row_at(Dwarf_Lines *lines, size_t i, struct row *r)
{
	Dwarf_Line *l = dwarf_onesrcline(lines, i);

	*r = (struct row){0};
	if (!l || dwarf_lineaddr(l, &r->addr) != 0 || dwarf_lineno(l, &r->line) != 0)
		return false;
	r->file = dwarf_linesrc(l, NULL, NULL);
	dwarf_linecol(l, &r->column);
	dwarf_linebeginstatement(l, &r->is_stmt);
	dwarf_lineendsequence(l, &r->ends);
	return r->file != NULL;
}

static bool is_wanted(struct search *s, const struct row *r)
{
	if (r->ends || r->line <= 0 || !is_file(r->file, s->file))
		return false;
	s->out->known_file = true;
	if ((unsigned)r->line > s->line && (!s->out->next || (unsigned)r->line < s->out->next))
		s->out->next = (unsigned)r->line;
	return (unsigned)r->line == s->line && (!s->column || (unsigned)r->column == s->column);
}

/* The first statement of every run of rows of the line. Several lines may begin at one address,
 * where their instructions were mixed. */
static void search_unit(struct search *s, Dwarf_Die *cu)
{
	Dwarf_Lines *lines;
	bool in_run = false;
	struct row r;
	size_t n;

	if (dwarf_getsrclines(cu, &lines, &n) != 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!row_at(lines, i, &r) || !is_wanted(s, &r)) {
			in_run = false;
		} else if (r.is_stmt && !in_run) {
			add_place(s, r.addr, r.file);
			in_run = true;
		}
	}
}

static int by_instance(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->instance != y->instance)
		return x->instance < y->instance ? -1 : 1;
	if (x->before_entry != y->before_entry)
		return x->before_entry ? 1 : -1;
	return (x->line.addr > y->line.addr) - (x->line.addr < y->line.addr);
}

static int by_addr(const void *a, const void *b)
{
	const struct dwarf_line *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static void take_first(struct search *s)
{
	struct dwarf_lines *out = s->out;

	if (!s->found.n)
		return;
	qsort(s->found.v, s->found.n, sizeof(*s->found.v), by_instance);
	out->v = arena_array_of(s->a, struct dwarf_line, s->found.n);
	for (size_t i = 0; i < s->found.n; i++) {
		const struct candidate *c = &s->found.v[i];

		if (!i || !c->instance || c->instance != c[-1].instance)
			out->v[out->n++] = c->line;
	}
	qsort(out->v, out->n, sizeof(*out->v), by_addr);
}

/* Line tables stand in the file itself, also where the rest of a unit is in a .dwo file. */
static int each_unit(struct dwarf *d, int (*fn)(void *arg, Dwarf_Die *cu), void *arg)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;
	int r = 0;

	while (!r && dwarf_get_units(d->dw, cu, &cu, NULL, &type, &die, NULL) == 0)
		if (type != DW_UT_type)
			r = fn(arg, &die);
	return r;
}

static int search_one(void *arg, Dwarf_Die *cu)
{
	search_unit(arg, cu);
	return 0;
}

int dwarf_line_find(struct dwarf *d, struct str file, unsigned line, unsigned column,
		    struct arena *a, struct dwarf_lines *out, struct err *e)
{
	struct search s = {
		.d = d, .a = a, .file = file, .line = line, .column = column, .out = out};

	if (d->reader)
		return dwarf_remote_lines(d->reader, file, line, column, a, out, e);
	*out = (struct dwarf_lines){0};
	if (!file.n || !line)
		return err_plain(e, EINVAL, "lines are counted from 1");
	if (dwarf_ready(d, e) < 0)
		return -EINVAL;
	each_unit(d, search_one, &s);
	take_first(&s);
	return 0;
}

struct file_walk {
	int (*fn)(void *arg, const char *file);
	void *arg;
};

static int tell_files(void *arg, Dwarf_Die *cu)
{
	const struct file_walk *w = arg;
	Dwarf_Files *files;
	size_t n;
	int r = 0;

	if (dwarf_getsrcfiles(cu, &files, &n) != 0)
		return 0;
	for (size_t i = 0; !r && i < n; i++) {
		const char *name = dwarf_filesrc(files, i, NULL, NULL);

		if (name && strcmp(name, "???") != 0)
			r = w->fn(w->arg, name);
	}
	return r;
}

int dwarf_file_each(struct dwarf *d, int (*fn)(void *arg, const char *file), void *arg)
{
	struct file_walk w = {fn, arg};

	if (d->reader)
		return dwarf_remote_files(d->reader, fn, arg);
	if (dwarf_ready(d, NULL) < 0)
		return 0;
	return each_unit(d, tell_files, &w);
}
