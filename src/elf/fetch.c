/* Files on file systems that somebody answers for: FUSE, network. Reading one may never end, and
 * then nothing ends the one who reads but being killed. So a reader reads it, and what it read is
 * kept in memory; a file system that does not answer is an error.
 *
 *   request  u64 offset, u32 n      reply  up to n bytes */
#include "elf/fetch.h"
#include "elf/reader.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CHUNK    (1u << 20)
#define MAX_FILE (256ull << 20)
#define CPU_MS   5000

bool fetch_wanted(int fd)
{
	static const uint32_t answered[] = {0x65735546 /* FUSE */, NFS_SUPER_MAGIC, V9FS_MAGIC,
					    0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */};
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return true; /* whoever answers for it would not */
	for (size_t i = 0; i < ARRAY_SIZE(answered); i++)
		if ((uint32_t)st.f_type == answered[i])
			return true;
	return false;
}

static void serve(void *arg, struct wire *in, struct buf *out)
{
	const int *fd = arg;
	uint64_t offset = wire_take(in, 8);
	size_t n = MIN((size_t)wire_take(in, 4), (size_t)CHUNK);
	ssize_t got = pread(*fd, buf_reserve(out, n), n, (off_t)offset);

	out->n += got > 0 ? (size_t)got : 0;
}

static bool keep(int to, const struct wire *w)
{
	for (size_t done = 0; done < w->n;) {
		ssize_t r = write(to, w->p + done, w->n - done);

		if (r < 0 && errno != EINTR)
			return false;
		done += r > 0 ? (size_t)r : 0;
	}
	return true;
}

static int copy(struct reader *r, int to, uint64_t size, const char *path, struct err *e)
{
	struct wire w = {.n = 1};
	int ret = 0;

	for (uint64_t at = 0; at < size && w.n && ret == 0; at += w.n) {
		struct buf q = BUF_INIT;

		wire_put(&q, at, 8);
		wire_put(&q, CHUNK, 4);
		ret = reader_ask(r, &q, &w, e);
		buf_release(&q);
		if (ret == 0 && w.n > CHUNK)
			ret = reader_distrust(r, e);
		else if (ret == 0 && !keep(to, &w))
			ret = err_set(e, errno, "read %s: keep it in memory", path);
	}
	return ret;
}

int fetch_file(int fd, uint64_t size, const char *path, struct err *e)
{
	struct reader *r;
	int to, ret;

	if (size > MAX_FILE) {
		ret = err_plain(e, EFBIG, "read %s: it has more than %llu MB", path,
				MAX_FILE >> 20);
		err_hint(e, "on FUSE and on network file systems files are read whole; copy it to "
			    "a local one");
		return ret;
	}
	to = memfd_create("awl-file", MFD_CLOEXEC);
	if (to < 0)
		return err_set(e, errno, "read %s: keep it in memory", path);
	r = reader_start(path, &fd, 1, CPU_MS, serve, &fd, e);
	ret = r ? copy(r, to, size, path, e) : -EIO;
	reader_stop(r);
	if (ret == 0)
		return to;
	close(to);
	return ret;
}
