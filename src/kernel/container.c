/* Control groups of containers and pods, by the names that the runtimes give to directories:
 *
 *   docker-<id>.scope  cri-containerd-<id>.scope  crio-<id>.scope  libpod-<id>.scope   systemd
 *   docker/<id>  kubepods/burstable/pod<uid>/<id>                                      cgroupfs
 *   kubepods-burstable-pod<uid with _ for ->.slice                                     pods
 *   machine-<name>.scope  lxc.payload.<name>                                           by name
 *
 * The start of an id is enough when it names one: `docker ps` shows twelve digits. Monitors of
 * containers (crio-conmon-<id>.scope) are none. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel/priv.h"

enum { ID_LEN = 64, MIN_PREFIX = 4, MAX_DEPTH = 32 };

struct search {
	struct str want;
	bool pod;
	int fd;         /* of the one found; -1: none yet */
	char name[256]; /* its directory */
	char other[256];
};

static bool is_id(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return s.n == ID_LEN;
}

static struct str behind_last(struct str s, char c)
{
	const char *at = memrchr(s.p, c, s.n);

	return at ? (struct str){at + 1, (size_t)(s.p + s.n - at - 1)} : s;
}

static struct str without_suffix(struct str s)
{
	const char *const suffixes[] = {".scope", ".slice", ".service"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (str_ends(s, str_of(suffixes[i])))
			s.n -= strlen(suffixes[i]);
	return s;
}

static bool container_matches(struct str dir, struct str want)
{
	struct str base = without_suffix(dir), id = behind_last(base, '-');
	const char *const prefixes[] = {"machine-", "lxc.payload.", "lxc/"};

	if (is_id(id))
		return want.n >= MIN_PREFIX && str_starts(id, want) &&
		       !memmem(base.p, base.n, "-conmon-", 8);
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		struct str p = str_of(prefixes[i]);

		if (str_starts(base, p) && str_eq((struct str){base.p + p.n, base.n - p.n}, want))
			return true;
	}
	return false;
}

/* The uid of a pod, with - or _ between its parts, or its beginning. */
static bool pod_matches(struct str dir, struct str want)
{
	struct str base = without_suffix(dir);
	const char *at = memmem(base.p, base.n, "pod", 3);

	/* "kubepods-burstable-podUID": the last one begins the uid. */
	for (const char *p = at; p; p = memmem(p + 1, (size_t)(base.p + base.n - p - 1), "pod", 3))
		at = p;
	if (!at || want.n < MIN_PREFIX)
		return false;
	at += 3;
	if ((size_t)(base.p + base.n - at) < want.n)
		return false;
	for (size_t i = 0; i < want.n; i++)
		if ((at[i] == '_' ? '-' : at[i]) != (want.p[i] == '_' ? '-' : want.p[i]))
			return false;
	return true;
}

static void found(struct search *s, int fd, const char *name)
{
	if (s->fd < 0) {
		s->fd = fd;
		snprintf(s->name, sizeof(s->name), "%s", name);
	} else {
		snprintf(s->other, sizeof(s->other), "%s", name);
		close(fd);
	}
}

/* Takes `dir` over. What is below one that matches belongs to it. */
static void search(struct search *s, int dir, int depth)
{
	DIR *d = depth < MAX_DEPTH ? fdopendir(dir) : NULL;
	struct dirent *ent;

	if (!d) {
		close(dir);
		return;
	}
	while (!s->other[0] && (ent = readdir(d))) {
		struct str name = str_of(ent->d_name);
		int sub;

		if (ent->d_type != DT_DIR || ent->d_name[0] == '.')
			continue;
		sub = openat(dirfd(d), ent->d_name,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			continue;
		if (s->pod ? pod_matches(name, s->want) : container_matches(name, s->want))
			found(s, sub, ent->d_name);
		else
			search(s, sub, depth + 1);
	}
	closedir(d);
}

int cgroup_find_under(int root, const char *want, bool pod, struct err *e)
{
	struct search s = {.want = str_of(want), .pod = pod, .fd = -1};
	const char *what = pod ? "pod" : "container";

	search(&s, root, 0);
	if (s.other[0]) {
		close(s.fd);
		err_plain(e, EINVAL, "more than one %s is meant by %s: %s and %s", what, want,
			  s.name, s.other);
		err_hint(e, "give more of the id");
		return -EINVAL;
	}
	if (s.fd < 0) {
		err_plain(e, ENOENT, "no cgroup belongs to the %s %s", what, want);
		err_hint(e, "%s; or give the path of its cgroup with --cgroup",
			 pod ? "kubectl get pod NAME -o jsonpath={.metadata.uid} tells a pod's uid"
			     : "docker ps, podman ps and crictl ps show the ids of containers that "
			       "run; awl does not know their names");
		return -ENOENT;
	}
	return s.fd;
}
