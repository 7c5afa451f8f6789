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
#include "elf/codenames.h"
#include "elf/maps.h"

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

struct perfmap {
	struct buf text;
	code_names names;
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

static bool parse_line(char *line, struct code_name *out)
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

struct perfmap *perfmap_parse(struct buf *text)
{
	struct perfmap *m = calloc(1, sizeof(*m));
	char *line, *next;

	if (!m)
		BUG("out of memory");
	m->text = *text;
	for (line = m->text.p; line && *line && m->names.n < MAX_ENTRIES; line = next) {
		struct code_name e = {.order = (uint32_t)m->names.n};

		next = strchrnul(line, '\n');
		if (*next)
			*next++ = 0;
		if (parse_line(line, &e))
			hvec_push(&m->names, e);
	}
	code_names_sort(&m->names);
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
	hvec_release(&m->names);
	free(m);
}

const char *perfmap_find(const struct perfmap *m, uint64_t addr, uint64_t *offset)
{
	return code_names_find(&m->names, addr, offset);
}
