/* Processes and users.
 *
 * /proc/PID/stat is "42 (comm) S 1 …": the comm may hold any byte, also ')' and blanks, so fields
 * are counted from the last ')'. Zombies count as dead: nothing runs in them any more.
 *
 * /etc/passwd is read once, when a name is first asked for; user_name may be called from any
 * thread.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/priv.h"

static bool read_stat(int pid, char *state, int *ppid)
{
	struct buf b = BUF_INIT;
	const char *end;
	char path[64];
	bool ok = false;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (buf_read_file(&b, path, 65536) == 0 && b.n) {
		end = strrchr(b.p, ')');
		ok = end && sscanf(end + 1, " %c %d", state, ppid) == 2;
	}
	buf_release(&b);
	return ok;
}

bool proc_alive(int pid)
{
	char state;
	int ppid;

	if (pid <= 0)
		return false;
	if (read_stat(pid, &state, &ppid))
		return state != 'Z' && state != 'X';
	return kill(pid, 0) == 0 || errno == EPERM; /* no /proc */
}

int proc_ppid(int pid)
{
	char state;
	int ppid;

	return read_stat(pid, &state, &ppid) ? ppid : -1;
}

bool proc_comm(int pid, char comm[16])
{
	struct buf b = BUF_INIT;
	char path[64];
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	ok = buf_read_file(&b, path, 4096) == 0 && b.n > 0;
	if (ok) {
		if (b.p[b.n - 1] == '\n')
			b.p[--b.n] = 0;
		memset(comm, 0, 16);
		memcpy(comm, b.p, MIN(b.n, 15));
	}
	buf_release(&b);
	return ok;
}

/* ---- users ------------------------------------------------------------------------------------
 */

struct user {
	uint32_t uid;
	const char *name; /* into passwd's text */
};

static struct buf passwd;
static VEC(struct user) users;
static pthread_once_t users_once = PTHREAD_ONCE_INIT;

/* "name:password:uid:gid:…" */
static void add_user(char *line)
{
	char *sep = strchr(line, ':'), *uid = sep ? strchr(sep + 1, ':') : NULL, *end;
	unsigned long n;

	if (!uid || sep == line)
		return;
	n = strtoul(uid + 1, &end, 10);
	if (end == uid + 1 || *end != ':' || n > UINT32_MAX)
		return;
	*sep = 0;
	hvec_push(&users, (struct user){n, line});
}

static void read_users(void)
{
	char *save = NULL;

	if (buf_read_file(&passwd, "/etc/passwd", 64u << 20) < 0 || !passwd.n)
		return;
	for (char *l = strtok_r(passwd.p, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		add_user(l);
}

bool user_name(uint32_t uid, char *buf, size_t size)
{
	pthread_once(&users_once, read_users);
	for (size_t i = 0; i < users.n; i++) {
		if (users.v[i].uid != uid)
			continue;
		snprintf(buf, size, "%s", users.v[i].name);
		return true;
	}
	return false;
}
