/* The kernel functions that kprobes may be put on.
 *
 * tracefs/available_filter_functions lists what ftrace can reach, "name [module]" a line:
 *
 *     vfs_read
 *     xfs_file_open [xfs]
 *
 * The user may give a file of the same form (--traceable-functions) where that one is slow or
 * wrong. It may be missing or unreadable (no ftrace, lockdown). Then text symbols stand in, without
 * those that the compiler makes beside functions and the sections that kprobes refuse.
 *
 * The result is sorted by module (the kernel itself first) and name, each once, and is kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <pthread.h>
#include <stdlib.h>

#include "kernel/priv.h"

struct func {
	const char *module; /* NULL: the kernel itself */
	const char *name;
	uint64_t head[2]; /* the name's first bytes as numbers that sort like them */
};

struct func_list {
	VEC(struct func) funcs;
	struct buf text; /* that the names lie in, where they are not in the symbols' */
};

/* The bounds of sections: _stext, __sched_text_start. */
static bool is_label(const char *name)
{
	static const char *const labels[] = {"_text", "_stext", "_etext", "_sinittext",
					     "_einittext"};
	struct str s;

	if (name[0] != '_')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		if (strcmp(name, labels[i]) == 0)
			return true;
	s = str_of(name);
	return str_ends(s, STR("_text_start")) || str_ends(s, STR("_text_end"));
}

/* Parts of functions and stubs that are no functions of their own, and places that ftrace has
 * given up. */
static bool is_function(const char *name)
{
	static const char *const not_these[] = {
		"__pfx_",  "__cfi_",    "__kcfi", "__SCT__",
		"__SCK__", "__ksymtab", "$",      "__ftrace_invalid_address_"};

	for (size_t i = 0; i < ARRAY_SIZE(not_these) && (name[0] == '_' || name[0] == '$'); i++)
		if (strncmp(name, not_these[i], strlen(not_these[i])) == 0)
			return false;
	if (name[0] == '.' || (strchr(name, '.') && strstr(name, ".cold")))
		return false;
	return !strstr(name, "__UNIQUE_ID") && !is_label(name);
}

/* Sorting looks at the names themselves only when their first sixteen bytes are the same. */
static struct func func_of(const char *module, const char *name)
{
	struct func f = {module, name, {0, 0}};

	for (unsigned i = 0; i < 16 && name[i]; i++)
		f.head[i / 8] |= (uint64_t)(uint8_t)name[i] << (56 - 8 * (i % 8));
	return f;
}

static int add_func(void *arg, const char *module, const char *name)
{
	struct func_list *l = arg;

	if (is_function(name) && (!module || strncmp(module, "__builtin__", 11) != 0) &&
	    (!module || strcmp(module, "bpf") != 0))
		hvec_push(&l->funcs, func_of(module, name));
	return 0;
}

/* Lines are cut in place. */
static void add_lines(struct func_list *l, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *module = strchr(line, '[');

		line[strcspn(line, " \t")] = 0;
		if (module)
			module[strcspn(module, "]")] = 0;
		add_func(l, module ? module + 1 : NULL, line);
	}
}

static int compare(const void *pa, const void *pb)
{
	const struct func *a = pa, *b = pb;
	int r;

	if (!a->module != !b->module)
		return a->module ? 1 : -1;
	r = a->module ? strcmp(a->module, b->module) : 0;
	if (r)
		return r;
	for (unsigned i = 0; i < ARRAY_SIZE(a->head); i++)
		if (a->head[i] != b->head[i])
			return a->head[i] < b->head[i] ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int read_list(struct kernel *k, struct buf *b)
{
	int dir;

	if (k->paths.functions)
		return buf_read_file(b, k->paths.functions, 512u << 20);
	if (k->paths.kallsyms && !k->paths.tracefs)
		return -ENOENT;
	dir = kernel_tracefs(k, NULL);
	return dir < 0 ? dir : kernel_read_at(dir, "available_filter_functions", b, 512u << 20);
}

void funcs_free(struct func_list *l)
{
	if (!l)
		return;
	hvec_release(&l->funcs);
	buf_release(&l->text);
	free(l);
}

static void sort_funcs(struct func_list *l)
{
	size_t n = 0;

	qsort(l->funcs.v, l->funcs.n, sizeof(*l->funcs.v), compare);
	for (size_t i = 0; i < l->funcs.n; i++)
		if (!n || compare(&l->funcs.v[n - 1], &l->funcs.v[i]) != 0)
			l->funcs.v[n++] = l->funcs.v[i];
	l->funcs.n = n;
}

static int make_funcs(struct kernel *k, struct err *e)
{
	struct func_list *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		BUG("out of memory");
	r = read_list(k, &l->text);
	if (r == 0 && l->text.n)
		add_lines(l, l->text.p);
	r = l->funcs.n ? 0 : ksyms_each_text(k, false, add_func, l, e);
	if (r == 0 && l->funcs.n)
		sort_funcs(l);
	if (r == 0)
		k->funcs = l;
	else
		funcs_free(l);
	return r;
}

int kernel_func_each(struct kernel *k, int (*fn)(void *arg, const char *module, const char *name),
		     void *arg, struct err *e)
{
	int r = k->funcs ? 0 : make_funcs(k, e);

	for (size_t i = 0; r == 0 && i < k->funcs->funcs.n; i++)
		r = fn(arg, k->funcs->funcs.v[i].module, k->funcs->funcs.v[i].name);
	return r;
}

/* ---- what became of a function ------------------------------------------------------------------
 */

struct fate_scan {
	struct str name;
	struct func_fate *out;
};

static int look_at(void *arg, const char *module, const char *name)
{
	struct fate_scan *s = arg;
	const char *suffix = name + s->name.n;

	if (strncmp(name, s->name.p, s->name.n) != 0)
		return 0;
	if (!*suffix)
		s->out->symbols += !module;
	else if (strncmp(suffix, ".cold", 5) == 0)
		s->out->cold = true;
	else if (strncmp(suffix, ".part.", 6) == 0 && !strstr(suffix, ".cold"))
		s->out->part = name;
	else if (*suffix == '.' && !strstr(suffix, ".cold"))
		s->out->copy = name;
	return 0;
}

/* Lines are "0xffffffff81000000-0xffffffff81000040\tname". */
static bool is_blacklisted(struct str name)
{
	struct buf b = BUF_INIT;
	bool found = false;
	struct str rest, line;

	if (kernel_read_at(AT_FDCWD, "/sys/kernel/debug/kprobes/blacklist", &b, 16u << 20) == 0) {
		rest = (struct str){b.p, b.n};
		while (!found && rest.n) {
			line = str_cut(&rest, '\n');
			str_cut(&line, '\t');
			found = line.p && line.n == name.n && memcmp(line.p, name.p, name.n) == 0;
		}
	}
	buf_release(&b);
	return found;
}

void kernel_func_fate(struct kernel *k, struct str name, struct func_fate *out)
{
	struct fate_scan s = {name, out};

	*out = (struct func_fate){0};
	ksyms_each_text(k, true, look_at, &s, NULL);
	out->blacklisted = !k->paths.kallsyms && is_blacklisted(name);
}

static void *make_in_thread(void *arg)
{
	struct err e = {0};

	make_funcs(arg, &e); /* what failed is tried again, and told, when the list is used */
	return NULL;
}

/* The list touches the symbols and tracefs, the index BTF alone. */
void kernel_func_prepare(struct kernel *k)
{
	pthread_t thread;

	if (k->funcs || pthread_create(&thread, NULL, make_in_thread, k) != 0)
		return;
	kernel_btf_find(k, "vfs_read", BTF_KIND_FUNC);
	pthread_join(thread, NULL);
}
