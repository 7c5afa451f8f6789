/* timed: runs a command and tells its wall time, processor time and peak memory.
 *
 *   timed COMMAND [ARGUMENTS]      {"wall_ms": 9.81, "cpu_ms": 3.1, "rss_kb": 5120, "status": 0}
 *
 * A peak of memory that wait4() tells includes what the parent had at the fork, so the parent has
 * to be small: this program is, an interpreter is not. The output of the command goes where that of
 * timed goes, so the result is written to descriptor 3.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static double cpu_ms(const struct rusage *use)
{
	return (use->ru_utime.tv_sec + use->ru_stime.tv_sec) * 1e3 +
	       (use->ru_utime.tv_usec + use->ru_stime.tv_usec) / 1e3;
}

int main(int argc, char **argv)
{
	struct rusage use;
	double start = now_ms();
	int status;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: timed COMMAND [ARGUMENTS], result on descriptor 3\n");
		return 2;
	}
	pid = fork();
	if (pid == 0) {
		close(3);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &use) < 0) {
		perror("timed");
		return 2;
	}
	dprintf(3, "{\"wall_ms\": %.3f, \"cpu_ms\": %.3f, \"rss_kb\": %ld, \"status\": %d}\n",
		now_ms() - start, cpu_ms(&use), use.ru_maxrss,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
