/* From a mapping to the file behind it, opened once.
 *
 *   mapping of /proc/PID/maps    /proc/PID/map_files/START-END, or the path below the process's
 * root mapping that was told        path below the root of the process, of its parents, below ours;
 *                                device, inode and generation of one seen before need no opening
 *
 * A path counts only when the inode number is that of the mapping: what the process (or somebody
 * who can rename its files) put there since is another file. The files that a script probes are
 * offered beforehand, and need no path. Files stay open (or mapped) for good,
 * because they may be deleted before their names are asked for; only so many, though: the process
 * being traced must not use up our descriptors. What comes after is opened when it is needed. */
#include "elf/elf_priv.h"
#include "elf/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	MAX_EAGER = 400,  /* modules beyond this are opened when a name is wanted */
	MAX_PARENTS = 16, /* looked at for a root in which a path makes sense */
};

/* From an O_PATH descriptor, which it takes (negative: none), to one for reading; -1 when it is not
 * the file wanted (`ino` 0: any). Looks before opening: to open a device can have effects. */
static int open_regular(int fd, uint64_t ino)
{
	char path[64];
	struct stat st;
	int r = -1;

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (!ino || st.st_ino == ino))
		r = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	close(fd);
	return r;
}

static int open_by_path(struct symbolizer *s, int pid, const char *path, uint64_t ino)
{
	int fd = -1;

	for (int i = 0; fd < 0 && pid > 0 && i < MAX_PARENTS; i++) {
		struct process *p = process_find(s, pid);

		fd = open_regular(proc_open_in_root(pid, path, O_PATH), ino);
		pid = p ? p->parent : 0;
	}
	return fd >= 0 ? fd : open_regular(open(path, O_PATH | O_CLOEXEC), ino);
}

int symbolizer_open_mapped(struct symbolizer *s, int pid, const struct sym_mapping *m)
{
	return open_by_path(s, pid, m->path, m->ino);
}

int mapped_file_open(struct symbolizer *s, int pid, const struct mapped_file *f)
{
	return open_by_path(s, pid, f->path, f->ino);
}

/* The very file that is mapped: through map_files when we may, else by path and inode number. */
static int open_mapped(int pid, const struct proc_map *m)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, m->start,
		 m->end);
	if (stat(path, &st) == 0)
		return S_ISREG(st.st_mode) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	return open_regular(proc_open_in_root(pid, m->path, O_PATH), m->ino);
}

/* Takes the descriptor. */
static struct module *module_of(struct symbolizer *s, int fd, const char *path)
{
	struct module *m;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		close(fd);
		return NULL;
	}
	for (size_t i = 0; i < s->modules.n; i++) {
		m = s->modules.v[i];
		if (m->dev == st.st_dev && m->ino == st.st_ino &&
		    m->mtime.tv_sec == st.st_mtim.tv_sec &&
		    m->mtime.tv_nsec == st.st_mtim.tv_nsec) {
			close(fd);
			return m;
		}
	}
	m = calloc(1, sizeof(*m));
	if (!m)
		BUG("out of memory");
	*m = (struct module){.dev = st.st_dev, .ino = st.st_ino, .mtime = st.st_mtim};
	m->elf = elf_open_fd(fd, path, NULL);
	hvec_push(&s->modules, m);
	return m;
}

struct elf *symbolizer_offer(struct symbolizer *s, const char *path)
{
	int fd = open_regular(open(path, O_PATH | O_CLOEXEC), 0);
	struct module *m = fd >= 0 ? module_of(s, fd, path) : NULL;

	if (m)
		hvec_push(&s->offered, m);
	return m ? m->elf : NULL;
}

static struct module *find_offered(const struct symbolizer *s, const struct sym_mapping *m)
{
	for (size_t i = 0; i < s->offered.n; i++)
		if (s->offered.v[i]->ino == m->ino &&
		    s->offered.v[i]->dev == makedev(m->maj, m->min))
			return s->offered.v[i];
	return NULL;
}

static void *intern(struct strmap *map, struct buf *key)
{
	return strmap_get(map, (struct str){key->p, key->n});
}

static void intern_put(struct symbolizer *s, struct strmap *map, struct buf *key, void *value)
{
	strmap_put(map, (struct str){arena_strdup(s->arena, buf_cstr(key)), key->n}, value);
}

/* The same module under the same path is the same file. */
static struct mapped_file *file_get(struct symbolizer *s, struct module *m, uint64_t ino,
				    const char *path)
{
	struct buf key = BUF_INIT;
	struct mapped_file *f;

	buf_printf(&key, "%p %" PRIx64 " %s", (void *)m, m ? 0 : ino, path);
	f = intern(&s->files, &key);
	if (!f) {
		f = arena_alloc(s->arena, sizeof(*f));
		*f = (struct mapped_file){arena_strdup(s->arena, path), ino, m, m != NULL};
		intern_put(s, &s->files, &key, f);
	}
	buf_release(&key);
	return f;
}

struct mapped_file *file_of_proc_map(struct symbolizer *s, int pid, const struct proc_map *m)
{
	int fd = m->path[0] == '/' ? open_mapped(pid, m) : -1;

	return file_get(s, fd >= 0 ? module_of(s, fd, m->path) : NULL, m->ino, m->path);
}

/* Without a generation an inode number may be that of another file by now: it is opened, if it can
 * be, and only then what was seen before is taken. */
struct mapped_file *file_of_told(struct symbolizer *s, int pid, const struct sym_mapping *m)
{
	struct buf key = BUF_INIT;
	struct mapped_file *f;
	struct module *known;
	int fd = -1;

	if (m->path[0] != '/')
		return file_get(s, NULL, 0, m->path);
	known = find_offered(s, m);
	if (known)
		return file_get(s, known, m->ino, m->path);
	buf_printf(&key, "%x:%x %" PRIx64 " %" PRIx64 " %s", m->maj, m->min, m->ino, m->generation,
		   m->path);
	f = intern(&s->inodes, &key);
	if ((!f || !m->generation) && s->modules.n < MAX_EAGER)
		fd = open_by_path(s, pid, m->path, m->ino);
	if (fd >= 0) {
		f = file_get(s, module_of(s, fd, m->path), m->ino, m->path);
		intern_put(s, &s->inodes, &key, f);
	} else if (!f) {
		f = file_get(s, NULL, m->ino, m->path);
	}
	buf_release(&key);
	return f;
}

struct module *file_module(struct symbolizer *s, int pid, struct mapped_file *f)
{
	int fd;

	if (f->tried || f->path[0] != '/')
		return f->module;
	f->tried = true;
	fd = open_by_path(s, pid, f->path, f->ino);
	if (fd >= 0)
		f->module = module_of(s, fd, f->path);
	return f->module;
}
