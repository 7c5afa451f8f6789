/* Which processes are traced, and whether any is left: the user-space half of gen/follow.c.
 *
 *   attach   programs that follow → bytes of the processes that are there → everything else
 *   loop     every process of the start has a descriptor; the run is over when all have ended and,
 *            with -F, none that they started is left
 *
 * A process that forks while /proc is read is not missed: its children are looked for until a whole
 * pass finds none, and those of processes that are already marked are marked by the kernel. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "runtime/priv.h"

#define LOOK_NS 100000000ull /* between two looks for processes that are left */

static bool mark(struct run *r, int pid)
{
	bool was = pid < 0 || pid >= (int)r->nfollowed || r->followed[pid];

	if (!was)
		__atomic_store_n(&r->followed[pid], 1, __ATOMIC_RELEASE);
	return !was;
}

static bool is_marked(const struct run *r, int pid)
{
	return pid > 0 && pid < (int)r->nfollowed &&
	       __atomic_load_n(&r->followed[pid], __ATOMIC_ACQUIRE);
}

/* Calls fn for each process and counts those for which it says true. */
static size_t each_process(struct run *r, bool (*fn)(struct run *r, int pid))
{
	DIR *d = opendir("/proc");
	struct dirent *ent;
	size_t n = 0;

	while (d && (ent = readdir(d))) {
		int pid = ent->d_name[0] >= '1' && ent->d_name[0] <= '9' ? atoi(ent->d_name) : 0;

		if (pid > 0)
			n += fn(r, pid);
	}
	if (d)
		closedir(d);
	return n;
}

static bool mark_child(struct run *r, int pid)
{
	return !is_marked(r, pid) && is_marked(r, proc_ppid(pid)) && mark(r, pid);
}

static bool mark_named(struct run *r, int pid)
{
	const char *want = r->o.name;
	size_t n = strlen(want);
	char comm[16];
	bool same;

	if (pid == getpid() || !proc_comm(pid, comm))
		return false;
	if (n && want[n - 1] == '*')
		same = strncmp(comm, want, MIN(n - 1, (size_t)15)) == 0;
	else
		same = strncmp(comm, want, 15) == 0;
	return same && mark(r, pid);
}

static void mark_present(struct run *r)
{
	for (size_t i = 0; i < r->o.npids; i++)
		mark(r, r->o.pids[i]);
	if (r->o.name && each_process(r, mark_named) == 0)
		run_message(r, RUN_INFO, "No process is called %s yet: those that start are traced",
			    r->o.name);
	while (r->o.follow && each_process(r, mark_child))
		;
}

static int map_bytes(struct run *r, struct err *e)
{
	size_t size = r->p->maps[r->p->followed].spec.value_size;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->map_fds[r->p->followed],
		       0);

	if (p == MAP_FAILED)
		return err_set(e, errno, "map the list of processes that are traced");
	r->followed = p;
	r->nfollowed = size;
	return 0;
}

static int set_cgroups(struct run *r, struct err *e)
{
	for (uint32_t i = 0; i < r->o.ncgroups; i++) {
		int ret = bpf_map_set(r->map_fds[r->p->cgroups], &i, &r->o.cgroups[i], 0);

		if (ret < 0) {
			err_set(e, -ret, "give the kernel the cgroup that is to be traced");
			err_hint(e, "only groups of cgroup version 2 can be told apart");
			return ret;
		}
	}
	return 0;
}

int follow_start(struct run *r, struct err *e)
{
	int ret = r->p->cgroups != NO_MAP ? set_cgroups(r, e) : 0;

	if (ret < 0 || r->p->followed == NO_MAP)
		return ret;
	ret = map_bytes(r, e);
	if (ret == 0)
		mark_present(r);
	return ret;
}

void follow_release(struct run *r)
{
	if (r->followed)
		munmap(r->followed, r->nfollowed);
	r->followed = NULL;
	for (size_t i = 0; i < r->npid_fds; i++)
		close(r->pid_fds[i]);
	r->npid_fds = 0;
}

/* ---- the end ---------------------------------------------------------------------------------
 */

int follow_watch(struct run *r, struct err *e)
{
	r->pid_fds = arena_array_of(r->arena, int, r->o.npids + 1);
	for (size_t i = 0; i < r->o.npids; i++) {
		int fd = (int)syscall(SYS_pidfd_open, r->o.pids[i], 0);

		symbolizer_remember(r->host.render.syms, r->o.pids[i]);
		if (fd >= 0) {
			r->pid_fds[r->npid_fds++] = fd;
			continue;
		}
		if (errno == ENOSYS)
			return 0;
		err_set(e, errno, "watch process %d", r->o.pids[i]);
		if (e->code == ESRCH)
			err_hint(e, "there is no such process: it may have ended");
		return -e->code;
	}
	return 0;
}

static bool any_left(const struct run *r)
{
	const uint8_t *p = r->followed, *end = p + r->nfollowed;

	while ((p = memchr(p, 1, (size_t)(end - p)))) {
		if (proc_alive((int)(p - r->followed)))
			return true;
		p++;
	}
	return false;
}

void follow_ended(struct run *r, size_t i)
{
	close(r->pid_fds[i]);
	r->pid_fds[i] = r->pid_fds[--r->npid_fds];
	if (r->npid_fds == 0)
		r->roots_ended = true;
}

bool follow_over(struct run *r)
{
	uint64_t now;

	if (!r->roots_ended || !r->o.follow || !r->followed)
		return r->roots_ended;
	now = clock_ns(CLOCK_MONOTONIC);
	if (now < r->look_at)
		return false;
	r->look_at = now + LOOK_NS;
	return !any_left(r);
}
