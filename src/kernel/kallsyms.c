/* The kernel's symbols, from /proc/kallsyms.
 *
 *     ffffffff81000000 T _stext
 *     ffffffffc0201000 t ftrace_trampoline	[__builtin__ftrace]
 *
 * The text is read whole, once, and stays: each line's name and module are cut out of it in place
 * by NULs. Beside it is one array, sorted by address (where several symbols share one address, the
 * first of the file wins: the kernel puts the best name first).
 *
 *      text   │ …ffffffff81000000 T _stext␀ffffffff81000040 T startup_64␀…
 *      syms   │ address, offset of the name, module │ …      16 bytes each
 *
 * Readers without CAP_SYSLOG see zeros for addresses (kptr_restrict): then there are no symbols to
 * resolve with, but the names still serve listings.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kernel/priv.h"

struct ksym {
	uint64_t addr;
	uint32_t name;   /* offset in the text */
	uint16_t module; /* offset from the name; 0: none. Names are at most 511 bytes */
	char kind;       /* as nm prints it */
};

struct ksyms {
	struct buf text;
	VEC(struct ksym) syms; /* by address */
	uint64_t end;          /* of the kernel's own text and data, 0 when unknown */
	bool hidden;           /* all addresses are zero */
};

static bool parse_hex(const char **p, uint64_t *out)
{
	const char *s = *p;
	uint64_t v = 0;

	for (;; s++) {
		if (*s >= '0' && *s <= '9')
			v = v << 4 | (*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			v = v << 4 | (*s - 'a' + 10);
		else
			break;
	}
	if (s == *p || s - *p > 16)
		return false;
	*p = s;
	*out = v;
	return true;
}

/* Cuts "[module]" at the end of a name; 0 when there is none. */
static uint16_t cut_module(char *name)
{
	char *tab = strpbrk(name, "\t "), *open, *close;

	if (!tab)
		return 0;
	*tab = 0;
	open = strchr(tab + 1, '[');
	close = open ? strchr(open, ']') : NULL;
	if (!close || open + 1 - name > UINT16_MAX)
		return 0;
	*close = 0;
	return open + 1 - name;
}

static void add_line(struct ksyms *s, char *line, const char *end)
{
	struct ksym sym = {0};
	const char *p = line;

	if (!parse_hex(&p, &sym.addr) || p[0] != ' ' || !p[1] || p[2] != ' ' || !p[3])
		return;
	sym.kind = p[1];
	sym.name = p + 3 - s->text.p;
	sym.module = end[-1] == ']' ? cut_module(s->text.p + sym.name) : 0;
	s->hidden &= sym.addr == 0;
	hvec_push(&s->syms, sym);
}

static const char *name_of(const struct ksyms *s, const struct ksym *sym)
{
	return s->text.p + sym->name;
}

static const char *module_of(const struct ksyms *s, const struct ksym *sym)
{
	return sym->module ? name_of(s, sym) + sym->module : "";
}

static int by_addr(const void *pa, const void *pb)
{
	const struct ksym *a = pa, *b = pb;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

/* vmlinux comes sorted, so the sort is for what modules and BPF programs follow with. */
static void sort_syms(struct ksyms *s)
{
	for (size_t i = 1; i < s->syms.n; i++) {
		if (by_addr(&s->syms.v[i - 1], &s->syms.v[i]) <= 0)
			continue;
		qsort(s->syms.v, s->syms.n, sizeof(*s->syms.v), by_addr);
		return;
	}
}

/* Where vmlinux ends: an address behind it must not be taken for one of its last symbol. */
static void find_end(struct ksyms *s)
{
	static const char *const names[] = {"_end", "_einittext", "_etext"};

	for (size_t n = 0; n < ARRAY_SIZE(names) && !s->end; n++)
		for (size_t i = s->syms.n; i-- > 0 && !s->end;)
			if (strcmp(name_of(s, &s->syms.v[i]), names[n]) == 0)
				s->end = s->syms.v[i].addr;
}

/* Some megabytes are written once and read once: large pages spare the faults of small ones. What
 * is not used is never there. */
static void expect_text(struct buf *text)
{
	enum { USUAL = 12 << 20, HUGE = 2 << 20 };
	uintptr_t p = (uintptr_t)buf_reserve(text, USUAL), from = ALIGN_UP(p, (uintptr_t)HUGE);

	madvise((void *)from, (p + USUAL - from) / HUGE * HUGE, MADV_HUGEPAGE);
}

static struct ksyms *read_ksyms(const char *path)
{
	struct ksyms *s = calloc(1, sizeof(*s));

	if (!s)
		BUG("out of memory");
	expect_text(&s->text);
	if (kernel_read_at(AT_FDCWD, path, &s->text, 512u << 20) < 0 || !s->text.n) {
		ksyms_free(s);
		return NULL;
	}
	s->hidden = true;
	for (char *line = s->text.p, *stop = line + s->text.n; line < stop;) {
		char *end = memchr(line, '\n', (size_t)(stop - line));

		end = end ? end : stop;
		*end = 0;
		if (end > line)
			add_line(s, line, end);
		line = end + 1;
	}
	return s;
}

void ksyms_free(struct ksyms *s)
{
	if (!s)
		return;
	buf_release(&s->text);
	hvec_release(&s->syms);
	free(s);
}

static struct ksyms *get_ksyms(struct kernel *k)
{
	if (!k->syms_tried) {
		k->syms_tried = true;
		k->syms = read_ksyms(k->paths.kallsyms ? k->paths.kallsyms : "/proc/kallsyms");
	}
	return k->syms;
}

/* The order of the file is needed by ksyms_each_text only, which sorts names itself. */
static struct ksyms *get_sorted(struct kernel *k)
{
	struct ksyms *s = get_ksyms(k);

	if (!s || s->hidden)
		return NULL;
	if (!s->end) {
		sort_syms(s);
		find_end(s);
		s->end = s->end ? s->end : UINT64_MAX;
	}
	return s;
}

bool kernel_ksym(struct kernel *k, uint64_t addr, const char **name, const char **module,
		 uint64_t *offset)
{
	struct ksyms *s = get_sorted(k);
	size_t lo = 0, hi;
	const struct ksym *sym;

	if (!s)
		return false;
	for (hi = s->syms.n; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->syms.v[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return false;
	sym = &s->syms.v[lo - 1];
	while (sym > s->syms.v && sym[-1].addr == sym->addr)
		sym--;
	/* Absolute symbols are numbers, not places. */
	if (!sym->addr || sym->kind == 'A' || sym->kind == 'a' || (!sym->module && addr >= s->end))
		return false;
	*name = name_of(s, sym);
	*module = module_of(s, sym);
	*offset = addr - sym->addr;
	return true;
}

static bool find_addr(struct ksyms *s, const char *name, uint64_t *addr)
{
	for (size_t i = 0; s && i < s->syms.n; i++) {
		if (strcmp(name_of(s, &s->syms.v[i]), name) != 0)
			continue;
		*addr = s->syms.v[i].addr;
		return true;
	}
	return false;
}

bool kernel_kaddr(struct kernel *k, const char *name, uint64_t *addr)
{
	uint64_t found = 0;
	bool ok = find_addr(get_sorted(k), name, &found);

	found = kernel_fact(k, FACT_SYMBOL, name, ok ? "there" : "none", found);
	if (ok)
		*addr = found;
	return ok;
}

static bool is_text(char kind)
{
	return kind == 't' || kind == 'T' || kind == 'w' || kind == 'W';
}

/* Code of the kernel that no probe may be put into: entries, what must not be instrumented, what
 * kprobes themselves run, and what was thrown away after booting. */
static const struct refused {
	const char *from, *to;
} refused[] = {
	{"__entry_text_start", "__entry_text_end"},
	{"__noinstr_text_start", "__noinstr_text_end"},
	{"__kprobes_text_start", "__kprobes_text_end"},
	{"_sinittext", "_einittext"},
};

struct range {
	uint64_t from, to;
};

/* A look at the first letters passes nearly all symbols by. */
static bool may_bound(const char *name)
{
	if (name[0] != '_')
		return false;
	if (name[1] == '_')
		return name[2] == 'e' || name[2] == 'n' || name[2] == 'k';
	return name[1] == 's' || name[1] == 'e';
}

static void find_refused(const struct ksyms *s, struct range *r)
{
	for (size_t i = 0; i < s->syms.n; i++) {
		const char *name = name_of(s, &s->syms.v[i]);

		if (!may_bound(name) || s->syms.v[i].module)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(refused); k++) {
			if (strcmp(name, refused[k].from) == 0)
				r[k].from = s->syms.v[i].addr;
			else if (strcmp(name, refused[k].to) == 0)
				r[k].to = s->syms.v[i].addr;
		}
	}
}

static bool is_refused(const struct ksym *sym, const struct range *r)
{
	for (size_t k = 0; k < ARRAY_SIZE(refused); k++)
		if (sym->addr >= r[k].from && sym->addr < r[k].to)
			return true;
	return false;
}

int ksyms_each_text(struct kernel *k, bool all,
		    int (*fn)(void *arg, const char *module, const char *name), void *arg,
		    struct err *e)
{
	struct range ranges[ARRAY_SIZE(refused)] = {0};
	struct ksyms *s = get_ksyms(k);
	int r = 0;

	if (!s)
		return err_plain(e, ENOENT, "read %s: there are no kernel symbols",
				 k->paths.kallsyms ? k->paths.kallsyms : "/proc/kallsyms");
	find_refused(s, ranges);
	for (size_t i = 0; i < s->syms.n && !r; i++) {
		const struct ksym *sym = &s->syms.v[i];

		if (is_text(sym->kind) && (all || !is_refused(sym, ranges)))
			r = fn(arg, sym->module ? module_of(s, sym) : NULL, name_of(s, sym));
	}
	return r;
}
