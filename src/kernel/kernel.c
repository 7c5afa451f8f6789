/* Making and freeing the view of a kernel, and the helpers its files share (priv.h).
 *
 * A kernel is opened without touching the system: each cache fills when it is first asked for. With
 * kernel_paths a recorded ("fake") kernel is read instead of the running one, so that a compiler
 * can be tested against kernels that are not at hand:
 *
 *     struct kernel_paths p = {.btf = "mini/btf", .features = "mini/features"};
 *     struct kernel *k = kernel_new(&p);
 *
 * Paths that are NULL stay those of the running kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "kernel/priv.h"

static const char *copy(const char *s)
{
	char *c;

	if (!s)
		return NULL;
	c = strdup(s);
	if (!c)
		BUG("out of memory");
	return c;
}

struct kernel *kernel_new(const struct kernel_paths *paths)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		BUG("out of memory");
	k->tracefs = -1;
	k->cgroup_mount = -1;
	if (paths) {
		k->paths.btf = copy(paths->btf);
		k->paths.tracefs = copy(paths->tracefs);
		k->paths.kallsyms = copy(paths->kallsyms);
		k->paths.features = copy(paths->features);
		k->paths.functions = copy(paths->functions);
		k->paths.modules = copy(paths->modules);
		k->paths.given_btf = copy(paths->given_btf);
	}
	return k;
}

void kernel_free(struct kernel *k)
{
	if (!k)
		return;
	btf__free(k->btf);
	for (size_t i = 0; i < k->old_btfs.n; i++)
		btf__free(k->old_btfs.v[i]);
	for (size_t i = 0; i < k->modules.n; i++)
		free(k->modules.v[i].name);
	hvec_release(&k->old_btfs);
	hvec_release(&k->modules);
	btf_index_free(&k->by_type);
	btf_index_free(&k->by_func);
	btf_index_free(&k->by_enumerator);
	hvec_release(&k->enumerators);
	if (k->tracefs >= 0)
		close(k->tracefs);
	if (k->cgroup_mount >= 0)
		close(k->cgroup_mount);
	funcs_free(k->funcs);
	ksyms_free(k->syms);
	free((char *)k->paths.btf);
	free((char *)k->paths.tracefs);
	free((char *)k->paths.kallsyms);
	free((char *)k->paths.features);
	free((char *)k->paths.functions);
	free((char *)k->paths.modules);
	free((char *)k->paths.given_btf);
	free(k);
}

int kernel_read_at(int dirfd, const char *path, struct buf *out, size_t limit)
{
	size_t chunk = 4096;
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buf_reserve(out, chunk), chunk);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		out->n += n;
		out->p[out->n] = 0;
		if (out->n > limit) {
			err = -EFBIG;
			break;
		}
		chunk = out->n > 65536 ? 1 << 18 : 16384;
	}
	close(fd);
	return err;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void names_sort(struct name_list *l)
{
	size_t n = 0;

	if (!l->names.n)
		return;
	qsort(l->names.v, l->names.n, sizeof(*l->names.v), by_text);
	for (size_t i = 0; i < l->names.n; i++)
		if (!n || strcmp(l->names.v[i], l->names.v[n - 1]) != 0)
			l->names.v[n++] = l->names.v[i];
	l->names.n = n;
}
