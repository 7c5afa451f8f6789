/* `import "path";`: other scripts become part of this one.
 *
 *   import "lib.bt";      a script: its C definitions, maps, macros, functions and probes
 *   import "lib";         a directory: all *.bt files in it, in the order of their names
 *   import "lib.h";       a C header: as #include "lib.h"
 *
 * An import inside of a block is done as if it stood in front of the probes.
 * Paths are relative to the file that imports. What is imported stands in front of what imports it,
 * and each file is read once however often it is named. A file that others than its owner could
 * have put there is refused: scripts run as root. */
#include <stdlib.h>
#include "compile/import.h"
#include "lang/lang.h"

#define FILES_MAX  256
#define FILE_BYTES (4u << 20)

struct importer {
	struct arena *a;
	struct diag *d;
	struct files *files;
	struct script *into; /* all of them, in order */
	struct {
		uint64_t dev, ino;
	} seen[FILES_MAX];
	size_t nseen;
};

static void import_script(struct importer *im, struct script *s, const char *path);
static void import_path(struct importer *im, struct span at, const char *path);

static struct diag_msg *fail(struct importer *im, struct span at, const char *path, const char *why)
{
	return diag_report(im->d, E_IMPORT, at, "cannot import %s: %s", path, why);
}

static bool ends_with(const char *path, const char *end)
{
	size_t n = strlen(path), k = strlen(end);

	return n >= k && strcmp(path + n - k, end) == 0;
}

/* `name` as seen from the directory of `from`. */
static const char *beside(struct arena *a, const char *from, struct str name)
{
	const char *slash = strrchr(from, '/');

	if ((name.n && name.p[0] == '/') || !slash)
		return arena_strndup(a, name.p, name.n);
	return arena_printf(a, "%.*s/%.*s", (int)(slash - from), from, STR_ARG(name));
}

static bool is_writable_by_all(struct importer *im, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dir = slash == path ? "/"
			  : slash       ? arena_strndup(im->a, path, slash - path)
					: ".";
	struct files_stat st;

	return files_stat(im->files, dir, &st) == 0 && st.is_open;
}

/* True when the file is new. */
static bool remember(struct importer *im, const struct files_stat *st)
{
	for (size_t i = 0; i < im->nseen; i++)
		if (im->seen[i].dev == st->dev && im->seen[i].ino == st->ino)
			return false;
	im->seen[im->nseen].dev = st->dev;
	im->seen[im->nseen++].ino = st->ino;
	return true;
}

static void import_file(struct importer *im, struct span at, const char *path)
{
	struct buf b = BUF_INIT;
	int r = files_read(im->files, path, &b, FILE_BYTES);
	struct script *s;
	uint32_t file;

	if (r < 0) {
		fail(im, at, path, strerror(-r));
		buf_release(&b);
		return;
	}
	file = diag_add_source(im->d, path, (struct str){arena_strndup(im->a, b.p, b.n), b.n});
	buf_release(&b);
	s = lang_parse(im->a, im->d, file);
	if (s->has_config)
		diag_help(diag_report(im->d, E_ORDER, s->config_span,
				      "an imported script has no config block"),
			  "move it to the script that is run");
	import_script(im, s, path);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void import_dir(struct importer *im, struct span at, const char *path)
{
	VEC(const char *) names = {0};
	struct buf all = BUF_INIT;
	int r = files_list(im->files, path, &all);

	if (r < 0) {
		fail(im, at, path, strerror(-r));
		buf_release(&all);
		return;
	}
	for (const char *name = all.p; name < all.p + all.n; name += strlen(name) + 1)
		if (ends_with(name, ".bt") && name[0] != '.')
			vec_push(im->a, &names, arena_printf(im->a, "%s/%s", path, name));
	buf_release(&all);
	if (!names.n) {
		fail(im, at, path, "the directory has no .bt files");
		return;
	}
	qsort(names.v, names.n, sizeof(*names.v), by_name);
	for (size_t i = 0; i < names.n; i++)
		import_path(im, at, names.v[i]);
}

static void import_header(struct importer *im, struct span at, const char *path)
{
	const char *line = arena_printf(im->a, "#include \"%s\"", path);
	struct c_def def = {at, str_of(line), C_PREPROCESSOR};

	vec_push(im->a, &im->into->c_defs, def);
}

static void import_path(struct importer *im, struct span at, const char *path)
{
	struct files_stat st;
	int r;

	if (ends_with(path, ".bpf.c")) {
		diag_help(diag_report(im->d, E_UNSUPPORTED, at,
				      "cannot import %s: awl has no C compiler", path),
			  "write it in the script's language: fn name($a: uint64): uint64 { … }");
		return;
	}
	r = files_stat(im->files, path, &st);
	if (r < 0) {
		diag_help(fail(im, at, path, strerror(-r)),
			  "paths are relative to the file that imports");
		return;
	}
	if (is_writable_by_all(im, path)) {
		diag_help(fail(im, at, path, "everybody may write to its directory"),
			  "keep it where only its owner can change it: chmod o-w");
		return;
	}
	if (im->nseen == FILES_MAX) {
		fail(im, at, path, "too many files");
		return;
	}
	if (!remember(im, &st))
		return;
	if (st.is_dir)
		import_dir(im, at, path);
	else if (ends_with(path, ".h"))
		import_header(im, at, path);
	else
		import_file(im, at, path);
}

#define APPEND(im, s, what)                         \
	for (size_t i_ = 0; i_ < (s)->what.n; i_++) \
	vec_push((im)->a, &(im)->into->what, (s)->what.v[i_])

/* What `s` imports, then what it has itself. */
static void import_script(struct importer *im, struct script *s, const char *path)
{
	VEC_EACH (struct import_decl, i, &s->imports)
		import_path(im, i->span, beside(im->a, path, i->path));
	VEC_EACH (struct import_decl, i, &s->inner_imports)
		import_path(im, i->span, beside(im->a, path, i->path));
	APPEND(im, s, c_defs);
	APPEND(im, s, maps);
	APPEND(im, s, macros);
	APPEND(im, s, fns);
	APPEND(im, s, probes);
}

struct script *import_all(struct arena *a, struct diag *d, struct files *files, struct script *s,
			  const char *path)
{
	struct importer im = {.a = a, .d = d, .files = files};
	struct files_stat st;

	if (!s->imports.n && !s->inner_imports.n)
		return s;
	im.into = arena_memdup(a, s, sizeof(*s));
	memset(&im.into->c_defs, 0, sizeof(im.into->c_defs));
	memset(&im.into->maps, 0, sizeof(im.into->maps));
	memset(&im.into->macros, 0, sizeof(im.into->macros));
	memset(&im.into->fns, 0, sizeof(im.into->fns));
	memset(&im.into->probes, 0, sizeof(im.into->probes));
	if (files_stat(files, path, &st) == 0)
		remember(&im, &st);
	import_script(&im, s, path);
	return im.into;
}
