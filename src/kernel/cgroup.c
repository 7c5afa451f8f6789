/* Control groups, version 2: from a path to its id and back.
 *
 * The id that BPF programs see is the node number of kernfs, which is both the inode number and the
 * content of a file handle (type 0xfe, 8 bytes). So an id is opened by open_by_handle_at, in one
 * step, and /proc/self/fd has its path. That needs CAP_DAC_READ_SEARCH; without it the tree is
 * walked for the inode number.
 *
 * Where cgroup v2 is mounted nowhere, a detached mount of our own is made, as for tracefs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kernel/priv.h"

#define HANDLE_KERNFS 0xfe

static bool is_cgroup2(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && (uint32_t)st.f_type == CGROUP2_SUPER_MAGIC;
}

/* A descriptor that open_by_handle_at takes: not O_PATH. */
static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && !is_cgroup2(fd)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int open_detached(void)
{
	int fs = syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC), mount = -1, fd = -1;

	if (fs < 0)
		return -1;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	if (mount >= 0) {
		fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(mount);
	}
	close(fs);
	return fd;
}

static int get_mount(struct kernel *k)
{
	if (k->cgroup_tried)
		return k->cgroup_mount;
	k->cgroup_tried = true;
	k->cgroup_mount = open_dir("/sys/fs/cgroup");
	if (k->cgroup_mount < 0)
		k->cgroup_mount = open_dir("/sys/fs/cgroup/unified"); /* both versions at once */
	if (k->cgroup_mount < 0)
		k->cgroup_mount = open_detached();
	return k->cgroup_mount;
}

static bool fd_path(int fd, char *buf, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, size - 1);
	if (n < 0)
		return false;
	buf[n] = 0;
	return true;
}

/* Path of `fd` below `mount`; the root is "". */
static bool relative_path(int mount, int fd, char *buf, size_t size)
{
	char root[4096], path[4096];
	size_t n;

	if (!fd_path(mount, root, sizeof(root)) || !fd_path(fd, path, sizeof(path)))
		return false;
	n = strcmp(root, "/") == 0 ? 0 : strlen(root);
	if (strncmp(path, root, n) != 0 || (path[n] && path[n] != '/'))
		return false;
	snprintf(buf, size, "%s", strcmp(path + n, "/") == 0 ? "" : path + n);
	return true;
}

static int open_by_id(int mount, uint64_t id)
{
	struct {
		struct file_handle h;
		unsigned char id[8];
	} handle;

	handle.h.handle_bytes = sizeof(id);
	handle.h.handle_type = HANDLE_KERNFS;
	memcpy(handle.id, &id, sizeof(id));
	return open_by_handle_at(mount, &handle.h, O_PATH | O_CLOEXEC);
}

/* Depth first, without following what is no directory; returns an fd or -1. */
static int walk(int dir, uint64_t id, int depth)
{
	DIR *d = depth < 32 ? fdopendir(dir) : NULL;
	struct dirent *ent;
	int found = -1;

	if (!d) {
		close(dir);
		return -1;
	}
	while (found < 0 && (ent = readdir(d))) {
		int sub;

		if (ent->d_type != DT_DIR || ent->d_name[0] == '.')
			continue;
		sub = openat(dirfd(d), ent->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sub < 0)
			continue;
		if (ent->d_ino == id)
			found = sub;
		else
			found = walk(sub, id, depth + 1);
	}
	closedir(d);
	return found;
}

bool cgroup_path(struct kernel *k, uint64_t id, char *buf, size_t size)
{
	int mount = get_mount(k), fd;
	struct stat st;
	bool ok;

	if (mount < 0 || !size)
		return false;
	if (fstat(mount, &st) == 0 && st.st_ino == id) {
		buf[0] = 0;
		return true;
	}
	fd = open_by_id(mount, id);
	if (fd < 0 && (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS))
		fd = walk(openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), id, 0);
	if (fd < 0)
		return false;
	ok = relative_path(mount, fd, buf, size);
	close(fd);
	return ok;
}

int cgroup_id(const char *path, uint64_t *id, struct err *e)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;
	int r = 0;

	if (fd < 0) {
		r = err_set(e, errno, "open cgroup %s", path);
		if (r == -ENOENT)
			err_hint(e, "give the path of a cgroup v2 directory, usually below "
				    "/sys/fs/cgroup");
		return r;
	}
	if (!is_cgroup2(fd)) {
		r = err_plain(e, EINVAL, "%s is no cgroup v2 directory", path);
		err_hint(e, "ids exist for version 2 only: look below the mount of type cgroup2");
	} else if (fstat(fd, &st) < 0) {
		r = err_set(e, errno, "stat cgroup %s", path);
	} else {
		*id = st.st_ino;
	}
	close(fd);
	return r;
}

int cgroup_open(struct kernel *k, const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), mount;
	int why = errno;

	/* As /proc/PID/cgroup has it: below the mount. */
	if (fd < 0 && (mount = get_mount(k)) >= 0) {
		const char *below = path + strspn(path, "/");

		fd = openat(mount, *below ? below : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0) {
		err_set(e, why, "open cgroup %s", path);
		err_hint(e, "give the path of a cgroup v2 directory, usually below /sys/fs/cgroup");
		return -e->code;
	}
	if (is_cgroup2(fd))
		return fd;
	close(fd);
	err_plain(e, EINVAL, "%s is no cgroup v2 directory", path);
	err_hint(e, "look below the mount of type cgroup2: mount -t cgroup2 shows it");
	return -EINVAL;
}

int cgroup_find(struct kernel *k, const char *id, bool pod, struct err *e)
{
	int mount = get_mount(k);
	int root = mount < 0 ? -1 : openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0) {
		err_plain(e, ENOENT, "containers cannot be found: no cgroup v2 is mounted");
		err_hint(e, "mount -t cgroup2 none /sys/fs/cgroup, or trace processes by -p");
		return -ENOENT;
	}
	return cgroup_find_under(root, id, pod, e);
}
