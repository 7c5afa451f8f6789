/* Which processes a session traces: checked and looked up once, before anything is compiled. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "api/session.h"

static int check_pid(struct awl *awl, int pid)
{
	struct err e = {0};

	if (pid > 0 && proc_alive(pid))
		return 0;
	err_plain(&e, ESRCH, "there is no process %d", pid);
	err_hint(&e, "ps or pgrep shows the processes there are");
	return session_fail(awl, &e);
}

static int start_child(struct awl *awl)
{
	struct err e = {0};

	if (!awl->opts.command || awl->child)
		return 0;
	return child_spawn(awl->opts.command, &awl->child, &awl->child_go, &e) < 0
		       ? session_fail(awl, &e)
		       : 0;
}

static bool has_pid(const struct awl *awl, int pid)
{
	for (size_t i = 0; i < awl->npids; i++)
		if (awl->pids[i] == pid)
			return true;
	return false;
}

static int gather_pids(struct awl *awl)
{
	size_t n = awl->opts.npids + 2;
	int r = 0;

	free(awl->pids);
	awl->npids = 0;
	awl->pids = calloc(n, sizeof(*awl->pids));
	if (!awl->pids)
		abort();
	if (awl->child)
		awl->pids[awl->npids++] = awl->child;
	if (awl->opts.pid > 0 && (r = check_pid(awl, awl->opts.pid)) == 0)
		awl->pids[awl->npids++] = awl->opts.pid;
	for (size_t i = 0; i < awl->opts.npids && r == 0; i++) {
		r = check_pid(awl, awl->opts.pids[i]);
		if (r == 0 && !has_pid(awl, awl->opts.pids[i]))
			awl->pids[awl->npids++] = awl->opts.pids[i];
	}
	return r;
}

enum group_kind { BY_PATH, CONTAINER, POD };

static int gather_cgroups(struct awl *awl, const char *const *names, enum group_kind kind)
{
	struct err e = {0};

	for (; names && *names; names++) {
		int fd = kind == BY_PATH ? cgroup_open(awl->kernel, *names, &e)
					 : cgroup_find(awl->kernel, *names, kind == POD, &e);

		if (fd < 0)
			return session_fail(awl, &e);
		hvec_push(&awl->cgroups, fd);
	}
	return 0;
}

static void close_cgroups(struct awl *awl)
{
	for (size_t i = 0; i < awl->cgroups.n; i++)
		close(awl->cgroups.v[i]);
	hvec_release(&awl->cgroups);
}

/* The child comes last: it is made only when all else is right. */
int session_targets(struct awl *awl)
{
	int r;

	close_cgroups(awl);
	r = gather_cgroups(awl, awl->opts.cgroups, BY_PATH);
	if (r == 0)
		r = gather_cgroups(awl, awl->opts.containers, CONTAINER);
	if (r == 0)
		r = gather_cgroups(awl, awl->opts.pods, POD);
	if (r == 0)
		r = gather_pids(awl);
	if (r == 0 && awl->opts.command && !awl->child) {
		r = start_child(awl);
		if (r == 0)
			r = gather_pids(awl);
	}
	return r;
}

struct whom session_whom(const struct awl *awl)
{
	return (struct whom){
		.pids = awl->pids,
		.npids = awl->npids,
		.follow = awl->opts.follow,
		.name = awl->opts.process_name,
		.ncgroups = (uint32_t)awl->cgroups.n,
	};
}

int session_pid(const struct awl *awl)
{
	return awl->opts.pid > 0 ? awl->opts.pid : awl->opts.npids ? awl->opts.pids[0] : 0;
}

void session_release_targets(struct awl *awl)
{
	close_cgroups(awl);
	free(awl->pids);
	awl->pids = NULL;
	awl->npids = 0;
}
