/* The reader of files that others can write: a forked child that gives up every right before it
 * looks at the first byte.
 *
 *   capabilities    none, and none to be had again (no_new_privs)
 *   descriptors     its socket and the files that were opened for it
 *   system calls    those that read, write, manage memory and exit; the rest fail with EPERM
 *   memory          256 MB more than it has
 *   processor time  what the request may take, seen to by the parent; a minute at most
 *   blocking        two seconds without any progress end it (files on FUSE, network file systems)
 *
 * It is forked without an exec, so it costs a few hundred microseconds, and only when a file that
 * is not the system's own is looked into. Messages have a length in front:
 *
 *   ┌─────────┬───────────────┐
 *   │ u32 n   │ n bytes       │     both ways, one request at a time
 *   └─────────┴───────────────┘ */
#include "elf/reader.h"
#include "elf/elf.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_MEMORY  (256ull << 20)
#define MAX_REPLY   (64u << 20)
#define MAX_REQUEST (1u << 20)
#define MAX_CPU_S   60
#define STALL_NS    2000000000ull
#define MAX_KEPT    8

struct reader {
	char *path;
	int fd;    /* -1: it has ended */
	pid_t pid; /* 0: reaped */
	unsigned cpu_ms;
	struct buf reply;
	char why[160]; /* once it has ended: what happened */
};

bool reader_never;

void elf_without_readers(void)
{
	reader_never = true;
}

/* ---- the child -------------------------------------------------------------------------------
 */

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#define ALLOW(name)                                             \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static bool forbid_calls(void)
{
#ifdef OUR_ARCH
	static const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(read),
		ALLOW(write),
		ALLOW(pread64),
		ALLOW(lseek),
		ALLOW(fstat),
		ALLOW(mmap),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(mprotect),
		ALLOW(madvise),
		ALLOW(brk),
		ALLOW(futex),
		ALLOW(close),
		ALLOW(rt_sigprocmask),
		ALLOW(rt_sigreturn),
		ALLOW(exit),
		ALLOW(exit_group),
		/* How abort() begins: BUG(), or no memory. Signals go to nobody. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_tgkill, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog prog = {ARRAY_SIZE(filter), (struct sock_filter *)filter};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
#else
	return true;
#endif
}

static void limit(int what, uint64_t most)
{
	struct rlimit l = {most, most};

	setrlimit(what, &l);
}

#ifdef __SANITIZE_ADDRESS__ /* which reserves the whole address space */
static void limit_memory(void)
{
}
#else
/* Bytes of address space in use: the first number of statm, in pages. */
static uint64_t memory_now(void)
{
	struct buf b = BUF_INIT;
	uint64_t pages = 0;

	if (buf_read_file(&b, "/proc/self/statm", 4096) == 0)
		pages = strtoull(buf_cstr(&b), NULL, 10);
	buf_release(&b);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit_memory(void)
{
	uint64_t now = memory_now();

	if (now)
		limit(RLIMIT_AS, now + MAX_MEMORY);
}
#endif

static void set_limits(void)
{
	limit_memory();
	limit(RLIMIT_CPU, MAX_CPU_S);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, 0);
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	syscall(SYS_capset, &h, none);
}

static void close_between(unsigned from, unsigned to)
{
	if (from > to)
		return;
#ifdef SYS_close_range
	if (syscall(SYS_close_range, from, to, 0) == 0)
		return;
#endif
	for (unsigned fd = from; fd <= to && fd < 65536; fd++)
		close((int)fd);
}

static int fd_order(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void keep_only(int *fds, size_t n)
{
	unsigned from = 0;

	qsort(fds, n, sizeof(*fds), fd_order);
	for (size_t i = 0; i < n; i++) {
		if (fds[i] > 0)
			close_between(from, (unsigned)fds[i] - 1);
		from = (unsigned)fds[i] + 1;
	}
	close_between(from, UINT32_MAX);
}

/* Ctrl-C is for the parent: names are still asked for at the end of a run. */
static void default_signals(void)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool give_up_rights(const int *fds, size_t nfds, int sock)
{
	int keep[MAX_KEPT + 1];

	for (size_t i = 0; i < nfds; i++)
		keep[i] = fds[i];
	keep[nfds] = sock;
	default_signals();
	set_limits();
	keep_only(keep, nfds + 1);
	prctl(PR_SET_DUMPABLE, 0);
	drop_capabilities();
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && forbid_calls();
}

static bool read_fully(int fd, void *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = read(fd, (char *)buf + done, n - done);

		if (r == 0 || (r < 0 && errno != EINTR))
			return false;
		done += r > 0 ? (size_t)r : 0;
	}
	return true;
}

static bool write_fully(int fd, const void *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = write(fd, (const char *)buf + done, n - done);

		if (r < 0 && errno != EINTR)
			return false;
		done += r > 0 ? (size_t)r : 0;
	}
	return true;
}

static _Noreturn void child_main(int sock, reader_fn *serve, void *arg)
{
	struct buf in = BUF_INIT, out = BUF_INIT;
	uint32_t n;

	while (read_fully(sock, &n, sizeof(n)) && n <= MAX_REQUEST) {
		struct wire w;

		buf_reset(&in);
		if (!read_fully(sock, buf_reserve(&in, n + 1), n))
			break;
		w = (struct wire){.p = (const uint8_t *)in.p, .n = n};
		buf_reset(&out);
		wire_put(&out, 0, 4); /* the length */
		serve(arg, &w, &out);
		n = (uint32_t)(out.n - 4);
		if (out.n - 4 > MAX_REPLY)
			break;
		memcpy(out.p, &n, 4);
		if (!write_fully(sock, out.p, out.n))
			break;
	}
	_exit(0);
}

/* ---- the parent ------------------------------------------------------------------------------
 */

struct reader *reader_start(const char *path, const int *fds, size_t nfds, unsigned cpu_ms,
			    reader_fn *serve, void *arg, struct err *e)
{
	struct reader *r = calloc(1, sizeof(*r));
	int socks[2];

	if (!r || !(r->path = strdup(path)) || nfds > MAX_KEPT)
		BUG("a reader of %zu files cannot be made", nfds);
	r->cpu_ms = cpu_ms;
	r->fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0) {
		err_set(e, errno, "read %s: make a socket", path);
		reader_stop(r);
		return NULL;
	}
	r->pid = fork();
	if (r->pid == 0) {
		if (give_up_rights(fds, nfds, socks[1]))
			child_main(socks[1], serve, arg);
		_exit(1);
	}
	close(socks[1]);
	r->fd = socks[0];
	if (r->pid > 0)
		return r;
	err_set(e, errno, "read %s: fork", path);
	r->pid = 0;
	reader_stop(r);
	return NULL;
}

static int failed(const struct reader *r, struct err *e)
{
	err_plain(e, EBADMSG, "read %s: %s", r->path, r->why);
	err_hint(e, "the file is damaged, or made to harm who reads it; awl reads such files in a "
		    "process without rights, and nothing else happened");
	return -EBADMSG;
}

/* How the child ended. One that waits for a file system cannot even be killed before that answers:
 * it is left to init. */
static int reap(pid_t pid)
{
	const struct timespec ms = {.tv_nsec = 1000000};
	int status = 0;

	for (int i = 0; i < 200; i++) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid || (got < 0 && errno != EINTR))
			break;
		nanosleep(&ms, NULL);
	}
	return status;
}

/* Ends the child; `why` NULL: its own end tells. */
static int end(struct reader *r, const char *why, struct err *e)
{
	int status = 0;

	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	if (r->pid > 0) {
		if (why)
			kill(r->pid, SIGKILL);
		status = reap(r->pid);
		r->pid = 0;
	}
	if (why)
		snprintf(r->why, sizeof(r->why), "%s", why);
	else if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGABRT || WTERMSIG(status) == SIGSYS))
		snprintf(r->why, sizeof(r->why),
			 "it takes more than the %llu MB of memory that a file may take",
			 MAX_MEMORY >> 20);
	else if (WIFSIGNALED(status))
		snprintf(r->why, sizeof(r->why), "what reads it ended with signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(r->why, sizeof(r->why), "what reads it gave up");
	return failed(r, e);
}

/* How long one request takes. */
struct patience {
	clockid_t cpu;
	uint64_t cpu_at_start, cpu_seen, moved_at;
};

static void patience_begin(struct patience *p, const struct reader *r)
{
	if (clock_getcpuclockid(r->pid, &p->cpu) != 0)
		p->cpu = CLOCK_MONOTONIC;
	p->cpu_at_start = p->cpu_seen = clock_ns(p->cpu);
	p->moved_at = clock_ns(CLOCK_MONOTONIC);
}

/* Waits for a byte. NULL, or why not to wait any longer. */
static const char *wait_for(struct reader *r, struct patience *p)
{
	for (;;) {
		struct pollfd fd = {.fd = r->fd, .events = POLLIN};
		int got = poll(&fd, 1, 100);
		uint64_t now = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(p->cpu);

		if (got > 0)
			p->moved_at = now;
		if (got > 0)
			return NULL;
		if (cpu > p->cpu_seen) {
			p->cpu_seen = cpu;
			p->moved_at = now;
		}
		if (cpu - p->cpu_at_start > r->cpu_ms * 1000000ull)
			return "to understand it takes longer than a file may take";
		if (now - p->moved_at > STALL_NS)
			return "its file system does not answer";
	}
}

/* 0; -EBADMSG after the reader was ended. */
static int receive(struct reader *r, struct patience *p, void *buf, size_t n, struct err *e)
{
	for (size_t done = 0; done < n;) {
		const char *why = wait_for(r, p);
		ssize_t got = why ? 0 : read(r->fd, (char *)buf + done, n - done);

		if (why || got == 0 || (got < 0 && errno != EINTR))
			return end(r, why, e);
		done += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

static bool send_request(struct reader *r, const struct buf *request)
{
	uint32_t n = (uint32_t)request->n;
	struct buf b = BUF_INIT;
	ssize_t sent;

	if (request->n > MAX_REQUEST)
		return false;
	buf_add(&b, &n, sizeof(n));
	buf_add(&b, request->p, request->n);
	sent = send(r->fd, b.p, b.n, MSG_NOSIGNAL);
	buf_release(&b);
	return sent == (ssize_t)(n + sizeof(n));
}

int reader_ask(struct reader *r, const struct buf *request, struct wire *reply, struct err *e)
{
	struct patience p;
	uint32_t n;
	int ret;

	if (r->fd < 0)
		return failed(r, e);
	patience_begin(&p, r);
	if (!send_request(r, request))
		return end(r, NULL, e);
	ret = receive(r, &p, &n, sizeof(n), e);
	if (ret < 0)
		return ret;
	if (n > MAX_REPLY)
		return reader_distrust(r, e);
	buf_release(&r->reply);
	ret = receive(r, &p, buf_reserve(&r->reply, n + 1), n, e);
	*reply = (struct wire){.p = (const uint8_t *)r->reply.p, .n = n};
	return ret;
}

int reader_distrust(struct reader *r, struct err *e)
{
	return r->fd < 0 ? failed(r, e) : end(r, "what reads it gave no sensible answer", e);
}

void reader_stop(struct reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0 || r->pid > 0)
		end(r, "it is not needed any more", NULL);
	buf_release(&r->reply);
	free(r->path);
	free(r);
}
