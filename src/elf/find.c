/* From the name of a target to the file.
 *
 *   /usr/bin/redis-server     a path; links are followed, for a process inside of its root
 *   redis-server              mapped by the process, or in $PATH
 *   libssl  libssl.so.3       mapped by the process, in ld.so.cache, in the usual directories
 *   ""                        the program of the process
 *
 * The cache of the dynamic linker, ld.so.cache (glibc 2.2 and later, all words little-endian here):
 *
 *   ┌──────────────────────┬────────┬─────────┬─────────┬──────────────────────────┬─────────┐
 *   │ glibc-ld.so.cache1.1 │ nlibs  │ lenstrs │ 20 bytes│ nlibs × 24: flags, key,  │ strings │
 *   │ 20 bytes             │ 4      │ 4       │         │ value, osversion, hwcap  │         │
 *   └──────────────────────┴────────┴─────────┴─────────┴──────────────────────────┴─────────┘
 *
 * key and value are offsets from the start of this header. An older header may stand in front. */
#include "elf/find.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define CACHE_MAGIC  "glibc-ld.so.cache1.1"
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { CACHE_HEADER = 48, CACHE_ENTRY = 24, MAX_CACHE = 64 << 20 };

#if defined(__x86_64__)
#define CACHE_FLAGS 0x0303
#define LIB_TRIPLE  "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define CACHE_FLAGS 0x0a03
#define LIB_TRIPLE  "aarch64-linux-gnu"
#else
#define CACHE_FLAGS 0x0003
#define LIB_TRIPLE  "linux-gnu"
#endif

static const char *const lib_dirs[] = {
	"/lib/" LIB_TRIPLE, "/usr/lib/" LIB_TRIPLE, "/lib64", "/usr/lib64", "/lib",
	"/usr/lib",         "/usr/local/lib",
};

/* ---- ld.so.cache ---- */

static uint32_t u32_at(const char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static const char *cache_string(const char *p, size_t n, uint32_t at)
{
	return at < n && memchr(p + at, 0, n - at) ? p + at : NULL;
}

int ldcache_each(const char *p, size_t n,
		 int (*fn)(void *arg, uint32_t flags, const char *name, const char *path),
		 void *arg)
{
	const char *start = memmem(p, n, CACHE_MAGIC, sizeof(CACHE_MAGIC) - 1);
	uint32_t count;
	int r = 0;

	if (!start || n - (size_t)(start - p) < CACHE_HEADER)
		return 0;
	n -= (size_t)(start - p);
	count = u32_at(start + 20);
	if (count > (n - CACHE_HEADER) / CACHE_ENTRY)
		count = (uint32_t)((n - CACHE_HEADER) / CACHE_ENTRY);
	for (uint32_t i = 0; i < count && !r; i++) {
		const char *entry = start + CACHE_HEADER + (size_t)i * CACHE_ENTRY;
		const char *name = cache_string(start, n, u32_at(entry + 4));
		const char *path = cache_string(start, n, u32_at(entry + 8));

		if (name && path)
			r = fn(arg, u32_at(entry), name, path);
	}
	return r;
}

static bool cache_read(int pid, struct buf *b)
{
	char path[64];
	int fd, r;

	if (pid <= 0)
		return buf_read_file(b, "/etc/ld.so.cache", MAX_CACHE) >= 0;
	fd = proc_open_in_root(pid, "/etc/ld.so.cache", O_RDONLY);
	if (fd < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = buf_read_file(b, path, MAX_CACHE);
	close(fd);
	return r >= 0;
}

/* ---- matching names ---- */

/* libc: libc.so, libc.so.6, libc-2.31.so; with .so in the name: that name, or more version behind.
 */
bool lib_name_matches(struct str want, const char *file)
{
	struct str f = str_of(file), rest;

	if (!str_starts(f, want))
		return false;
	rest = (struct str){f.p + want.n, f.n - want.n};
	if (!rest.n)
		return true;
	if (memmem(want.p, want.n, ".so", 3))
		return rest.p[0] == '.';
	if (str_is(rest, ".so") || str_starts(rest, STR(".so.")))
		return true;
	return rest.p[0] == '-' && rest.n > 1 && rest.p[1] >= '0' && rest.p[1] <= '9' &&
	       str_ends(rest, STR(".so"));
}

static bool is_lib_name(struct str name)
{
	return str_starts(name, STR("lib")) || memmem(name.p, name.n, ".so", 3);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- one path ---- */

static bool same_as_fd(const char *path, int fd)
{
	struct stat a, b;

	return stat(path, &a) == 0 && fstat(fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* A name under which we reach an opened file of a process with another root. The kernel tells what
 * links led to in terms of the mount namespace, which is: our own path when the process is merely
 * chrooted, the process's own in a container, or one behind the root of a chroot in a container.
 * The name as the process gave it is the last try. A candidate counts when it leads to the same
 * file. */
static bool path_of_fd(int pid, int fd, const char *given, char *out, size_t size)
{
	char link[64], real[PATH_MAX], root[PATH_MAX];
	ssize_t n, nroot;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, real, sizeof(real) - 1);
	snprintf(link, sizeof(link), "/proc/%d/root", pid);
	nroot = readlink(link, root, sizeof(root) - 1);
	if (n <= 0 || nroot <= 0)
		return false;
	real[n] = root[nroot] = 0;
	snprintf(out, size, "%s", real);
	if (same_as_fd(out, fd))
		return true;
	snprintf(out, size, "%s%s", link, real);
	if (same_as_fd(out, fd))
		return true;
	snprintf(out, size, "%s%s", link, strncmp(real, root, nroot) == 0 ? real + nroot : real);
	if (same_as_fd(out, fd))
		return true;
	snprintf(out, size, "%s/%s", link, given);
	return same_as_fd(out, fd);
}

static bool find_named(int pid, const struct proc_map *m, const char *link, char *out, size_t size)
{
	bool ok;
	int fd;

	if (proc_shares_root(pid))
		return (size_t)snprintf(out, size, "%s", m->path) < size;
	fd = open(link, O_PATH | O_CLOEXEC);
	if (fd < 0) /* without the capability for that */
		fd = proc_open_in_root(pid, m->path, O_PATH);
	ok = fd >= 0 && path_of_fd(pid, fd, m->path, out, size);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool is_fd_of(const char *fd, const struct proc_map *m)
{
	size_t len = strlen(m->path);
	char text[PATH_MAX];
	struct stat st;
	ssize_t n = readlink(fd, text, sizeof(text));

	/* Looked at by text first: asking a file system of the process may take as long as it
	 * likes. */
	if (n < (ssize_t)len || memcmp(text, m->path, len) != 0)
		return false;
	return stat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == m->ino &&
	       major(st.st_dev) == m->maj && minor(st.st_dev) == m->min;
}

/* A descriptor of the process for a file without a name: what is left without the capability that
 * links of mappings need. udst and libstapsdt keep one. */
static bool find_by_fd(int pid, const struct proc_map *m, char *out, size_t size)
{
	char dir[64];
	DIR *h;
	struct dirent *d;
	bool found = false;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	h = opendir(dir);
	while (h && !found && (d = readdir(h)))
		found = d->d_name[0] != '.' &&
			(size_t)snprintf(out, size, "%s/%s", dir, d->d_name) < size &&
			is_fd_of(out, m);
	if (h)
		closedir(h);
	return found;
}

bool find_mapping(int pid, const struct proc_map *m, char *out, size_t size)
{
	struct stat st, named;
	char link[96];
	bool reached;

	snprintf(link, sizeof(link), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, m->start,
		 m->end);
	reached = stat(link, &st) == 0;
	if (reached && !S_ISREG(st.st_mode))
		return false;
	/* Another file may have the name by now. */
	if (!m->deleted && find_named(pid, m, link, out, size) &&
	    (!reached ||
	     (stat(out, &named) == 0 && named.st_dev == st.st_dev && named.st_ino == st.st_ino)))
		return true;
	if (!reached)
		return m->deleted && find_by_fd(pid, m, out, size);
	return (size_t)snprintf(out, size, "%s", link) < size;
}

static bool resolve_in_root(int pid, const char *path, char *out, size_t size)
{
	int fd = proc_open_in_root(pid, path, O_PATH);
	struct stat st;
	bool ok;

	if (fd < 0) {
		errno = -fd;
		return false;
	}
	ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && path_of_fd(pid, fd, path, out, size);
	close(fd);
	errno = ok ? 0 : ENOENT;
	return ok;
}

static bool resolve_here(const char *path, char *out, size_t size)
{
	char real[PATH_MAX];
	struct stat st, to;

	if (stat(path, &st) < 0)
		return false;
	/* A link of /proc may lead to a file that has no name any more. */
	if (!realpath(path, real))
		snprintf(real, sizeof(real), "%s", path);
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return false;
	}
	/* A link of /proc may lead into another file system, where its text means another file. */
	if (stat(real, &to) < 0 || to.st_dev != st.st_dev || to.st_ino != st.st_ino)
		snprintf(real, sizeof(real), "%s", path);
	return (size_t)snprintf(out, size, "%s", real) < size;
}

struct search {
	struct str name;
	int pid; /* 0: our own file system */
	char *out;
	size_t size;
};

static bool try_path(const struct search *s, const char *path)
{
	return s->pid ? resolve_in_root(s->pid, path, s->out, s->size)
		      : resolve_here(path, s->out, s->size);
}

/* ---- libraries and programs ---- */

static int cache_entry(void *arg, uint32_t flags, const char *name, const char *path)
{
	const struct search *s = arg;

	return flags == CACHE_FLAGS && lib_name_matches(s->name, name) && try_path(s, path);
}

static bool find_in_lib_dir(const struct search *s, const char *dir)
{
	char path[PATH_MAX];
	struct dirent *d;
	bool ok = false;
	DIR *h;

	snprintf(path, sizeof(path), "/proc/%d/root%s", s->pid, dir);
	h = opendir(s->pid ? path : dir);
	while (h && !ok && (d = readdir(h)))
		if (lib_name_matches(s->name, d->d_name)) {
			snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
			ok = try_path(s, path);
		}
	if (h)
		closedir(h);
	return ok;
}

static bool find_library(const struct search *s)
{
	struct buf b = BUF_INIT;
	bool ok = cache_read(s->pid, &b) && ldcache_each(b.p, b.n, cache_entry, (void *)s);

	buf_release(&b);
	for (size_t i = 0; i < ARRAY_SIZE(lib_dirs) && !ok; i++)
		ok = find_in_lib_dir(s, lib_dirs[i]);
	return ok;
}

static bool find_program(const struct search *s)
{
	const char *env = s->pid ? NULL : getenv("PATH");
	struct str dirs = str_of(env && *env ? env : DEFAULT_PATH), dir;
	char path[PATH_MAX];
	struct stat st;

	while (dirs.n) {
		dir = str_cut(&dirs, ':');
		/* Relative and empty elements depend on where we were started: not for root. */
		if (!dir.n || dir.p[0] != '/')
			continue;
		snprintf(path, sizeof(path), "%.*s/%.*s", STR_ARG(dir), STR_ARG(s->name));
		if (try_path(s, path) && stat(s->out, &st) == 0 && (st.st_mode & 0111))
			return true;
	}
	return false;
}

bool mapping_matches(struct str name, const struct proc_map *m)
{
	const char *base = base_name(m->path);

	if (!m->exec || !m->ino || m->path[0] != '/')
		return false;
	return !name.n || str_is(name, m->path) || str_is(name, base) ||
	       (is_lib_name(name) && lib_name_matches(name, base));
}

/* Among the files that the process has mapped executable. */
static bool find_mapped(const struct search *s, int pid)
{
	struct arena *a = arena_new();
	map_vec maps = {0};
	bool ok = false;

	maps_read(a, pid, &maps);
	for (size_t i = 0; i < maps.n && !ok; i++)
		ok = mapping_matches(s->name, &maps.v[i]) &&
		     find_mapping(pid, &maps.v[i], s->out, s->size);
	hvec_release(&maps);
	arena_free(a);
	return ok;
}

/* ---- the face ---- */

/* The link itself opens the file also when that was replaced, deleted, or is out of our sight. */
static int resolve_exe(const struct search *s, int pid, struct err *e)
{
	char link[64];
	int fd;

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	fd = open(link, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		err_set(e, errno, "find the program of process %d", pid);
		err_hint(e, "is the process still running, and is it not a kernel thread?");
		return -e->code;
	}
	if (!path_of_fd(pid, fd, "", s->out, s->size))
		snprintf(s->out, s->size, "%s", link);
	close(fd);
	return 0;
}

static int not_found(const struct search *s, int pid, bool lib, struct err *e)
{
	const char *what = lib ? "library" : "program";

	err_plain(e, ENOENT, "find %s %.*s: no such %s%s", what, STR_ARG(s->name),
		  lib ? "library in ld.so.cache or the library directories" : "program in $PATH",
		  pid > 0 ? ", nor is it mapped by the process" : "");
	err_hint(e, "give the full path of the file");
	return -ENOENT;
}

int elf_resolve(struct str name, int pid, char *out, size_t size, struct err *e)
{
	struct search s = {.name = name, .out = out, .size = size};
	char path[PATH_MAX];
	struct err local;
	int r;

	e = e ? e : &local;
	if (pid > 0 && !proc_shares_root(pid))
		s.pid = pid;
	if (!name.n && pid > 0)
		return resolve_exe(&s, pid, e);
	if (!name.n || name.n >= sizeof(path) || memchr(name.p, 0, name.n))
		return err_plain(e, EINVAL, "the name of a program or library is %s",
				 name.n ? "not valid" : "empty");
	if (memchr(name.p, '/', name.n)) {
		snprintf(path, sizeof(path), "%.*s", STR_ARG(name));
		if (try_path(&s, path))
			return 0;
		r = err_set(e, errno, "find %s", path);
		if (s.pid)
			err_hint(e, "paths are looked up in the file system of process %d", pid);
		return r;
	}
	if (pid > 0 && find_mapped(&s, pid))
		return 0;
	if (is_lib_name(name) ? find_library(&s) || find_program(&s) : find_program(&s))
		return 0;
	return not_found(&s, pid, is_lib_name(name), e);
}
