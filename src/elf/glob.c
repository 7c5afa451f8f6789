/* All binaries whose names match a pattern.
 *
 *   /usr/lib/lib*crypto*.so.3    files, as the shell finds them
 *   *                            what running processes have mapped executable
 *   redis-*   libssl*            names in $PATH; names in the directories of the dynamic linker
 *
 * Each file is reported once, links resolved, and only when it is an ELF file. */
#include "elf/find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct globber {
	struct arena *arena;
	struct strmap seen;
	const char *pattern;
	int (*fn)(void *arg, const char *path);
	void *arg;
	int stop; /* what fn returned, when not zero */
};

static bool is_elf_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	char magic[4];
	bool ok;

	if (fd < 0)
		return false;
	ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read(fd, magic, 4) == 4 &&
	     memcmp(magic, "\177ELF", 4) == 0;
	close(fd);
	return ok;
}

static void report(struct globber *g, const char *path)
{
	char real[PATH_MAX];
	char *kept;

	if (g->stop || strmap_get(&g->seen, str_of(path)))
		return;
	kept = arena_strdup(g->arena, path);
	strmap_put(&g->seen, str_of(kept), kept);
	/* Links below /proc lead into other file systems than their text says. */
	if (strncmp(path, "/proc/", 6) != 0 && !realpath(path, real))
		return;
	if (strncmp(path, "/proc/", 6) != 0 && strcmp(real, path) != 0) {
		report(g, real);
		return;
	}
	if (is_elf_file(path))
		g->stop = g->fn(g->arg, path);
}

static void glob_files(struct globber *g)
{
	glob_t found = {0};

	if (glob(g->pattern, GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			report(g, found.gl_pathv[i]);
	globfree(&found);
}

static void glob_dir(struct globber *g, struct str dir)
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *h;

	snprintf(path, sizeof(path), "%.*s", STR_ARG(dir));
	h = opendir(path);
	while (h && (d = readdir(h)))
		if (fnmatch(g->pattern, d->d_name, FNM_PERIOD) == 0) {
			snprintf(path, sizeof(path), "%.*s/%s", STR_ARG(dir), d->d_name);
			report(g, path);
		}
	if (h)
		closedir(h);
}

static int glob_cached(void *arg, uint32_t flags, const char *name, const char *path)
{
	struct globber *g = arg;

	if (fnmatch(g->pattern, name, FNM_PERIOD) == 0)
		report(g, path);
	return g->stop;
}

static void glob_names(struct globber *g)
{
	struct str dirs = str_of(getenv("PATH")), dir;
	struct buf b = BUF_INIT;

	while (dirs.n) {
		dir = str_cut(&dirs, ':');
		if (dir.n && dir.p[0] == '/')
			glob_dir(g, dir);
	}
	if (buf_read_file(&b, "/etc/ld.so.cache", 64 << 20) >= 0)
		ldcache_each(b.p, b.n, glob_cached, g);
	buf_release(&b);
}

/* Is it the first time? Copies of a library under one path in several containers are several files,
 * one file under several paths is one. */
static bool is_new_file(struct globber *g, const struct proc_map *m)
{
	char key[64];

	snprintf(key, sizeof(key), "%x:%x:%" PRIu64, m->maj, m->min, m->ino);
	if (strmap_get(&g->seen, str_of(key)))
		return false;
	strmap_put(&g->seen, str_of(arena_strdup(g->arena, key)), g);
	return true;
}

static void glob_process(struct globber *g, int pid, struct str name)
{
	char path[PATH_MAX];
	map_vec maps = {0};

	maps_read(g->arena, pid, &maps);
	for (size_t i = 0; i < maps.n && !g->stop; i++)
		if (mapping_matches(name, &maps.v[i]) && is_new_file(g, &maps.v[i]) &&
		    find_mapping(pid, &maps.v[i], path, sizeof(path)))
			report(g, path);
	hvec_release(&maps);
}

static void glob_running(struct globber *g)
{
	DIR *h = opendir("/proc");
	struct dirent *d;

	while (h && (d = readdir(h))) {
		int pid = atoi(d->d_name);

		if (pid > 0)
			glob_process(g, pid, STR(""));
	}
	if (h)
		closedir(h);
}

int elf_glob(struct str pattern, int (*fn)(void *arg, const char *path), void *arg)
{
	struct globber g = {.arena = arena_new(), .fn = fn, .arg = arg};

	strmap_init(&g.seen, g.arena);
	g.pattern = arena_strndup(g.arena, pattern.p, pattern.n);
	if (strchr(g.pattern, '/'))
		glob_files(&g);
	else if (strcmp(g.pattern, "*") == 0)
		glob_running(&g);
	else
		glob_names(&g);
	arena_free(g.arena);
	return g.stop;
}

int elf_mapped(int pid, struct str name, int (*fn)(void *arg, const char *path), void *arg)
{
	struct globber g = {.arena = arena_new(), .fn = fn, .arg = arg};

	strmap_init(&g.seen, g.arena);
	glob_process(&g, pid, name);
	arena_free(g.arena);
	return g.stop;
}
