/* perf maps: the file in which a JIT compiler tells the names of the code that it generates.
 *
 *   7f3a10001000 1c0 LazyCompile:~handler /srv/app.js:12
 *   start        size name to the end of the line
 *
 * The file is in a directory that everybody can write. It is opened below the root of the process,
 * without following a link at its end, and read only when it is a regular file that belongs to the
 * user of the process (or root), of a sane size. Of two ranges that overlap the later line is the
 * newer code and wins. */
#include "elf/perfmap.h"
#include "elf/maps.h"
#include "elf/sort.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE    (32ll << 20)
#define MAX_ENTRIES (512u << 10)
#define MAX_BACK    64 /* overlapping ranges looked at */

struct perfmap_entry {
	uint64_t start, size;
	const char *name;
	uint32_t line;
};

struct perfmap {
	struct buf text;
	struct perfmap_entry *entries;
	size_t n;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

static bool owner_ok(int pid, const struct stat *st)
{
	uint64_t uid;

	return st->st_uid == 0 || (proc_status(pid, "Uid:", false, &uid) && st->st_uid == uid);
}

static int perfmap_open(int pid, struct stat *st)
{
	uint64_t inner = (uint64_t)pid;
	char path[64];
	int fd;

	proc_status(pid, "NSpid:", true, &inner);
	snprintf(path, sizeof(path), "/tmp/perf-%llu.map", (unsigned long long)inner);
	fd = proc_open_in_root(pid, path, O_RDONLY | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_size <= MAX_FILE &&
	    owner_ok(pid, st))
		return fd;
	close(fd);
	return -EPERM;
}

static bool read_all(int fd, struct buf *b, size_t limit)
{
	ssize_t r = 1;

	while (r > 0 && b->n < limit) {
		char *p = buf_reserve(b, 65536);

		r = read(fd, p, MIN((size_t)65536, limit - b->n));
		if (r > 0)
			b->n += (size_t)r;
	}
	if (b->p)
		b->p[b->n] = 0;
	return r >= 0;
}

static bool parse_line(char *line, struct perfmap_entry *out)
{
	char *end;

	out->start = strtoull(line, &end, 16);
	if (end == line || *end != ' ')
		return false;
	line = end + 1;
	out->size = strtoull(line, &end, 16);
	if (end == line || *end != ' ' || !end[1] || !out->size)
		return false;
	out->name = end + 1;
	return true;
}

/* By address; of equal starts the later line last, so that a search from the right meets it first.
 */
static void sort_entries(struct perfmap *m)
{
	struct perfmap_entry *sorted = malloc(MAX(m->n, 1) * sizeof(*sorted));
	struct sort_item *v = malloc(MAX(m->n, 1) * sizeof(*v));

	if (!sorted || !v)
		BUG("out of memory");
	for (size_t i = 0; i < m->n; i++)
		v[i] = (struct sort_item){.key = m->entries[i].start, .idx = (uint32_t)i};
	sort_by_key(v, m->n);
	for (size_t i = 0; i < m->n; i++)
		sorted[i] = m->entries[v[i].idx];
	free(v);
	free(m->entries);
	m->entries = sorted;
}

struct perfmap *perfmap_parse(struct buf *text)
{
	struct perfmap *m = calloc(1, sizeof(*m));
	VEC(struct perfmap_entry) v = {0};
	char *line, *next;

	if (!m)
		BUG("out of memory");
	m->text = *text;
	for (line = m->text.p; line && *line && v.n < MAX_ENTRIES; line = next) {
		struct perfmap_entry e = {.line = (uint32_t)v.n};

		next = strchrnul(line, '\n');
		if (*next)
			*next++ = 0;
		if (parse_line(line, &e))
			hvec_push(&v, e);
	}
	m->entries = v.v;
	m->n = v.n;
	sort_entries(m);
	return m;
}

/* Takes the descriptor. */
static struct perfmap *read_fd(int fd, const struct stat *stat, const struct perfmap *unchanged)
{
	struct buf text = BUF_INIT;
	struct stat st = *stat;
	struct perfmap *m;

	if ((unchanged && unchanged->ino == st.st_ino && unchanged->size == st.st_size &&
	     unchanged->mtime.tv_sec == st.st_mtim.tv_sec &&
	     unchanged->mtime.tv_nsec == st.st_mtim.tv_nsec) ||
	    !read_all(fd, &text, MAX_FILE)) {
		buf_release(&text);
		close(fd);
		return NULL;
	}
	close(fd);
	m = perfmap_parse(&text);
	m->ino = st.st_ino;
	m->size = st.st_size;
	m->mtime = st.st_mtim;
	return m;
}

struct perfmap *perfmap_read(int pid, const struct perfmap *unchanged)
{
	struct stat st;
	int fd = perfmap_open(pid, &st);

	return fd < 0 ? NULL : read_fd(fd, &st, unchanged);
}

struct perfmap *perfmap_read_left(int pid, uint32_t uid)
{
	struct stat st;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", pid);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MAX_FILE &&
	    (st.st_uid == 0 || st.st_uid == uid))
		return read_fd(fd, &st, NULL);
	close(fd);
	return NULL;
}

void perfmap_free(struct perfmap *m)
{
	if (!m)
		return;
	buf_release(&m->text);
	free(m->entries);
	free(m);
}

const char *perfmap_find(const struct perfmap *m, uint64_t addr, uint64_t *offset)
{
	const struct perfmap_entry *best = NULL;
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->entries[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (int back = 0; lo && back < MAX_BACK; back++) {
		const struct perfmap_entry *e = &m->entries[--lo];

		if (addr - e->start < e->size && (!best || e->line > best->line))
			best = e;
	}
	if (!best)
		return NULL;
	*offset = addr - best->start;
	return best->name;
}
