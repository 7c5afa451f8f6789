/* tracefs: reaching it, and the tree of events in it.
 *
 *      tracefs/
 *        available_filter_functions
 *        events/
 *          sched/                     category
 *            sched_switch/            name
 *              format                 (tpformat.c)
 *              id
 *
 * A mount that is there is used. When there is none (containers, small systems), a detached mount
 * is made with fsopen and fsmount: a file system that only this process's descriptor reaches and
 * that vanishes with it. All access goes by openat below that descriptor.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kernel/priv.h"

static int open_dir(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* An empty /sys/kernel/tracing is there even when nothing is mounted on it. */
static int open_if_tracefs(const char *path)
{
	int fd = open_dir(path);
	struct statfs st;

	if (fd < 0)
		return -1;
	if (fstatfs(fd, &st) == 0 && (uint32_t)st.f_type == TRACEFS_MAGIC)
		return fd;
	close(fd);
	return -1;
}

/* A line of mountinfo: "31 23 0:28 / /mount/point rw,relatime shared:1 - tracefs tracefs rw". */
static int open_mount_of(char *line)
{
	char *fs = strstr(line, " - "), *point = line;

	if (!fs || strncmp(fs, " - tracefs ", 11) != 0)
		return -1;
	for (int i = 0; i < 4 && point; i++)
		point = strchr(point + (i > 0), ' ');
	if (!point)
		return -1;
	point++;
	point[strcspn(point, " ")] = 0;
	return open_if_tracefs(point);
}

static int open_any_mount(void)
{
	struct buf b = BUF_INIT;
	int fd = -1;

	if (buf_read_file(&b, "/proc/self/mountinfo", 16u << 20) == 0 && b.n) {
		char *save = NULL;

		for (char *l = strtok_r(b.p, "\n", &save); l && fd < 0;
		     l = strtok_r(NULL, "\n", &save))
			fd = open_mount_of(l);
	}
	buf_release(&b);
	return fd;
}

static int open_detached(void)
{
	int fs = syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
	int fd, err = 0;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		err = -errno;
	fd = err ? -1 : syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (!err && fd < 0)
		err = -errno;
	close(fs);
	return err ? err : fd;
}

static int open_tracefs(struct err *e)
{
	int fd = open_if_tracefs("/sys/kernel/tracing"), err;

	if (fd < 0)
		fd = open_any_mount();
	if (fd >= 0)
		return fd;
	err = open_detached();
	if (err >= 0)
		return err;
	fd = open_if_tracefs("/sys/kernel/debug/tracing"); /* mounts itself when entered */
	if (fd >= 0)
		return fd;
	err_set(e, -err, "mount tracefs");
	if (err == -ENODEV)
		err_hint(e, "this kernel was built without tracing (CONFIG_FTRACE)");
	else
		err_hint(e, "run as root, or have it mounted: mount -t tracefs tracefs "
			    "/sys/kernel/tracing");
	return err;
}

int kernel_tracefs(struct kernel *k, struct err *e)
{
	if (!k->tracefs_tried) {
		k->tracefs_tried = true;
		if (!k->paths.tracefs) {
			k->tracefs = open_tracefs(&k->tracefs_err);
		} else {
			k->tracefs = open_dir(k->paths.tracefs);
			if (k->tracefs < 0)
				err_set(&k->tracefs_err, errno, "open %s", k->paths.tracefs);
		}
	}
	if (k->tracefs >= 0)
		return k->tracefs;
	if (e)
		*e = k->tracefs_err;
	return -k->tracefs_err.code;
}

/* Names come from scripts: they must stay one path component each. */
static bool is_name(const char *s)
{
	return *s && *s != '.' && !strchr(s, '/') && strlen(s) < 128;
}

bool kernel_tp_exists(struct kernel *k, const char *category, const char *name)
{
	int dir = kernel_tracefs(k, NULL);
	char path[512];

	if (dir < 0 || !is_name(category) || !is_name(name))
		return false;
	snprintf(path, sizeof(path), "events/%s/%s/format", category, name);
	/* What may not be looked at may be there: reading it gives the right message. */
	return faccessat(dir, path, F_OK, 0) == 0 || errno == EACCES;
}

static int keep_visible(const struct dirent *d)
{
	return d->d_name[0] != '.' && (d->d_type == DT_DIR || d->d_type == DT_UNKNOWN);
}

/* "tp_each" by byte order, not by locale: the order of a listing is part of its contract. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void free_entries(struct dirent **list, int n)
{
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

typedef int tp_fn(void *arg, const char *category, const char *name);

static int each_event(int events, const char *category, tp_fn *fn, void *arg)
{
	struct dirent **list;
	int n = scandirat(events, category, &list, keep_visible, by_name);
	int r = 0;

	if (n < 0)
		return 0; /* gone meanwhile, or a file */
	for (int i = 0; i < n && !r; i++)
		r = fn(arg, category, list[i]->d_name);
	free_entries(list, n);
	return r;
}

int kernel_tp_each(struct kernel *k, tp_fn *fn, void *arg, struct err *e)
{
	static const int need[] = {CAP_DAC_READ_SEARCH};
	int dir = kernel_tracefs(k, e), events, n, r = 0;
	struct dirent **list;

	if (dir < 0)
		return dir;
	events = openat(dir, "events", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (events < 0) {
		r = err_set(e, errno, "open the events of tracefs");
		kernel_hint_refused(e, need, ARRAY_SIZE(need));
		return r;
	}
	n = scandirat(events, ".", &list, keep_visible, by_name);
	if (n < 0) {
		r = err_set(e, errno, "read the events of tracefs");
		close(events);
		return r;
	}
	for (int i = 0; i < n && !r; i++)
		r = each_event(events, list[i]->d_name, fn, arg);
	free_entries(list, n);
	close(events);
	return r;
}
