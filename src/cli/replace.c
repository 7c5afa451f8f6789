/* Writing a file whole or not at all: --fmt -o over the script itself must never leave half of it.
 * The text goes into a new file beside the old one, which then takes its name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/opts.h"

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t w = write(fd, text, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		text += w;
		n -= (size_t)w;
	}
	return 0;
}

static mode_t mode_for(const char *path)
{
	struct stat st;
	mode_t mask;

	if (stat(path, &st) == 0)
		return st.st_mode & 07777;
	mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

/* A link is followed: what it points to is replaced, not the link. */
int replace_file(const char *path, const char *text, size_t n)
{
	struct buf temp = BUF_INIT;
	char *real = realpath(path, NULL);
	const char *to = real ? real : path;
	int fd, r;

	buf_printf(&temp, "%s.XXXXXX", to);
	fd = mkstemp(temp.p);
	r = fd < 0 ? -errno : write_all(fd, text, n);
	if (fd >= 0) {
		if (r == 0 && (fchmod(fd, mode_for(to)) < 0 || fsync(fd) < 0))
			r = -errno;
		close(fd);
		if (r == 0 && rename(temp.p, to) < 0)
			r = -errno;
		if (r < 0)
			unlink(temp.p);
	}
	buf_release(&temp);
	free(real);
	return r;
}
