/* What the kernel tells about a process: its mappings, its root, its identity.
 *
 *   7f1c2a000000-7f1c2a1d0000 r-xp 00026000 fe:00 1234   /usr/lib/libc.so.6
 *   start        end          ││└x offset   dev   inode  path, "\012" for newline, " (deleted)"
 *
 * Paths of a process are opened below its root with openat2(RESOLVE_IN_ROOT): symbolic links in a
 * container lead to other files of that container, never to ours. */
#include "elf/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_MAPS_FILE (256u << 20)

/* The kernel writes a newline in a path as \012; nothing else is escaped. */
static void unescape(char *s)
{
	char *out = s;

	while (*s) {
		if (strncmp(s, "\\012", 4) == 0) {
			*out++ = '\n';
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = 0;
}

bool maps_parse_line(char *line, struct proc_map *out)
{
	static const char gone[] = " (deleted)";
	unsigned long long start, end, offset, ino;
	unsigned major, minor;
	char perm[5];
	int at = 0;
	size_t n;

	if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, perm, &offset, &major,
		   &minor, &ino, &at) < 7 ||
	    end <= start)
		return false;
	*out = (struct proc_map){.start = start, .end = end, .offset = offset, .ino = ino};
	out->maj = major;
	out->min = minor;
	out->exec = strchr(perm, 'x') != NULL;
	line += at ? at : (int)strlen(line);
	n = strlen(line);
	if (ino && n > sizeof(gone) - 1 && strcmp(line + n - (sizeof(gone) - 1), gone) == 0) {
		line[n - (sizeof(gone) - 1)] = 0;
		out->deleted = true;
	}
	unescape(line);
	out->path = line;
	return true;
}

int maps_read(struct arena *a, int pid, map_vec *out)
{
	struct buf b = BUF_INIT;
	char path[64], *line, *next;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	r = buf_read_file(&b, path, MAX_MAPS_FILE);
	for (line = b.p; r >= 0 && line && *line; line = next) {
		struct proc_map m;

		next = strchrnul(line, '\n');
		if (*next)
			*next++ = 0;
		if (!maps_parse_line(line, &m))
			continue;
		if (out->n && strcmp(out->v[out->n - 1].path, m.path) == 0)
			m.path = out->v[out->n - 1].path;
		else
			m.path = arena_strdup(a, m.path);
		hvec_push(out, m);
	}
	buf_release(&b);
	return r < 0 ? r : 0;
}

int proc_open_in_root(int pid, const char *path, int flags)
{
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY),
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	char root[64];
	int dir, fd;

	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	if (flags & O_PATH)
		how.flags &= ~(uint64_t)(O_NONBLOCK | O_NOCTTY);
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (fd < 0)
		fd = -errno;
	close(dir);
	return fd;
}

static bool same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

bool proc_shares_root(int pid)
{
	char root[64], ns[64];

	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	snprintf(ns, sizeof(ns), "/proc/%d/ns/mnt", pid);
	return same_file(root, "/proc/self/root") && same_file(ns, "/proc/self/ns/mnt");
}

uint64_t proc_start_time(int pid)
{
	struct buf b = BUF_INIT;
	unsigned long long t = 0;
	char path[64], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (buf_read_file(&b, path, 4096) >= 0 && b.p) {
		p = strrchr(b.p, ')'); /* the name may hold blanks and parentheses */
		for (int i = 0; p && i < 20; i++)
			p = strchr(p + 1, ' ');
		t = p ? strtoull(p, NULL, 10) : 0;
	}
	buf_release(&b);
	return t;
}

bool proc_status(int pid, const char *key, bool last, uint64_t *out)
{
	struct buf b = BUF_INIT;
	char path[64], *line = NULL, *end;
	bool ok = false;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (buf_read_file(&b, path, 65536) >= 0 && b.p)
		for (line = b.p; line && strncmp(line, key, strlen(key)) != 0;) {
			line = strchr(line, '\n');
			line = line ? line + 1 : NULL;
		}
	if (line) {
		line += strlen(key);
		do {
			*out = strtoull(line, &end, 10);
			ok |= end != line;
			line = end;
		} while (last && *line == '\t');
	}
	buf_release(&b);
	return ok;
}
