/* ready: starts a tracer and tells when it traces, and how long it takes to leave.
 *
 *   ready [-w] [-u MS] [-t SECONDS] COMMAND [ARGUMENTS]
 *   {"line_ms": 18.2, "effect_ms": 17.9, "exit_ms": 9.4, "status": 0}      (descriptor 3; -1: not
 * seen)
 *
 * line_ms     until the command wrote a line that begins with "Attached" or "attached"
 * effect_ms   until a BPF program that the command holds has been run by the kernel; the same
 * yardstick for tools that say nothing of use. The kernel counts runs while statistics are on;
 * programs of others are told apart by the descriptors in /proc/PID/fdinfo. The looking itself
 * makes system calls, so that a program on sys_enter runs at once exit_ms     from SIGINT, sent
 * when the tracer is ready, to its end -w          ready is the line alone; the effect is not
 * waited for -u MS       how long it is left running before SIGINT (default 50)
 *
 * The command's standard output and error are read and thrown away, so that it never waits for a
 * reader.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct watch {
	pid_t pid;
	int out; /* both outputs of the command */
	double start;
	double line, effect; /* since the start; -1 */
	uint32_t last_id;    /* programs up to this one were there before */
};

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static uint32_t prog_next(uint32_t id)
{
	union bpf_attr attr = {.start_id = id};

	return bpf(BPF_PROG_GET_NEXT_ID, &attr) ? 0 : attr.next_id;
}

static bool prog_has_run(uint32_t id)
{
	union bpf_attr attr = {.prog_id = id};
	struct bpf_prog_info info = {0};
	int fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
	bool ok;

	if (fd < 0)
		return false;
	attr = (union bpf_attr){.info = {.bpf_fd = (uint32_t)fd,
					 .info_len = sizeof(info),
					 .info = (uintptr_t)&info}};
	ok = bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 && info.run_cnt > 0;
	close(fd);
	return ok;
}

static bool fd_is_prog(int dir, const char *name, uint32_t id)
{
	char text[2048], want[32];
	int fd = openat(dir, name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	snprintf(want, sizeof(want), "prog_id:\t%u\n", id);
	return strstr(text, want) != NULL;
}

/* Does the process hold the program, itself or through a link? */
static bool is_held(pid_t pid, uint32_t id)
{
	struct dirent *e;
	char path[64];
	bool held = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = opendir(path);
	while (dir && !held && (e = readdir(dir)))
		held = e->d_name[0] != '.' && fd_is_prog(dirfd(dir), e->d_name, id);
	if (dir)
		closedir(dir);
	return held;
}

static bool look_for_effect(struct watch *w)
{
	for (uint32_t id = prog_next(w->last_id); id; id = prog_next(id))
		if (prog_has_run(id) && is_held(w->pid, id))
			return true;
	return false;
}

/* Reads what there is. False at the end of the output. A line may come in pieces: what counts is
 * its first word, and that is written whole. */
static bool read_output(struct watch *w, int timeout_ms)
{
	struct pollfd p = {.fd = w->out, .events = POLLIN};
	char text[65536];
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return true;
	n = read(w->out, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	if (w->line < 0 && strstr(text, "ttached"))
		w->line = now_ms() - w->start;
	return true;
}

static void start(struct watch *w, char **argv)
{
	int pipes[2];

	for (uint32_t id = prog_next(0); id; id = prog_next(id))
		w->last_id = id;
	if (pipe2(pipes, O_CLOEXEC)) {
		perror("ready: pipe");
		exit(2);
	}
	w->start = now_ms();
	w->pid = fork();
	if (w->pid == 0) {
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		close(3);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(pipes[1]);
	w->out = pipes[0];
}

static void wait_ready(struct watch *w, bool line_only, double limit_ms)
{
	struct timespec pause = {.tv_nsec = 50000};

	while (now_ms() - w->start < limit_ms) {
		if (!read_output(w, 0))
			return;
		if (!line_only && w->effect < 0 && look_for_effect(w))
			w->effect = now_ms() - w->start;
		if (line_only ? w->line >= 0 : w->effect >= 0)
			return;
		nanosleep(&pause, NULL);
	}
}

static void drain(struct watch *w, double ms)
{
	double end = now_ms() + ms;

	while (now_ms() < end && read_output(w, 1))
		;
}

/* Milliseconds from SIGINT to the end. Reads on meanwhile. */
static double leave(struct watch *w, double limit_ms, int *status)
{
	double begin = now_ms();

	kill(w->pid, SIGINT);
	while (waitpid(w->pid, status, WNOHANG) == 0) {
		if (now_ms() - begin > limit_ms)
			kill(w->pid, SIGKILL);
		read_output(w, 1);
	}
	return now_ms() - begin;
}

static int enable_stats(void)
{
	union bpf_attr attr = {.enable_stats = {.type = BPF_STATS_RUN_TIME}};

	return bpf(BPF_ENABLE_STATS, &attr);
}

int main(int argc, char **argv)
{
	struct watch w = {.line = -1, .effect = -1};
	bool line_only = false;
	double limit = 30000, run = 50, left;
	int opt, status = 0;

	while ((opt = getopt(argc, argv, "+wu:t:")) != -1) {
		switch (opt) {
		case 'w':
			line_only = true;
			break;
		case 'u':
			run = atof(optarg);
			break;
		case 't':
			limit = atof(optarg) * 1e3;
			break;
		default:
			return 2;
		}
	}
	if (optind >= argc || (!line_only && enable_stats() < 0)) {
		fprintf(stderr, "ready: %s\n", optind >= argc ? "no command" : strerror(errno));
		return 2;
	}
	start(&w, argv + optind);
	wait_ready(&w, line_only, limit);
	drain(&w, run);
	left = leave(&w, limit, &status);
	dprintf(3, "{\"line_ms\": %.3f, \"effect_ms\": %.3f, \"exit_ms\": %.3f, \"status\": %d}\n",
		w.line, w.effect, left,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
