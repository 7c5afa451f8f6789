/* The process of -c: forked at once, so that its pid is known to the compiler, and held at a pipe
 * until everything is attached. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "api/session.h"

enum { MAX_WORDS = 256 };

/* Splits at white space; '…' and "…" keep it, a backslash takes the next character as it is. */
static int split_words(char *s, char **words, int max)
{
	int n = 0;

	for (;;) {
		char *to, quote = 0;

		while (*s == ' ' || *s == '\t' || *s == '\n')
			s++;
		if (!*s || n + 1 >= max)
			break;
		words[n++] = to = s;
		for (; *s && (quote || (*s != ' ' && *s != '\t' && *s != '\n')); s++) {
			if (*s == '\\' && s[1] && quote != '\'')
				*to++ = *++s;
			else if (quote ? *s == quote : *s == '\'' || *s == '"')
				quote = quote ? 0 : *s;
			else
				*to++ = *s;
		}
		if (*s)
			s++;
		*to = '\0';
	}
	words[n] = NULL;
	return n;
}

static _Noreturn void child_main(char **words, int wait_fd)
{
	sigset_t none;
	char byte;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (read(wait_fd, &byte, 1) != 1)
		_exit(127);
	execvp(words[0], words);
	fprintf(stderr, "awl: cannot start %s: %s\n", words[0], strerror(errno));
	_exit(127);
}

/* 0, or the errno that tells most about why the file cannot be run. */
static int cannot_run(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	return !S_ISREG(st.st_mode) || access(path, X_OK) < 0 ? EACCES : 0;
}

/* As execvp() looks for it. */
static int search_path(const char *name)
{
	struct str dirs = str_of(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	int why = ENOENT;
	char path[4096];

	if (strchr(name, '/'))
		return cannot_run(name);
	while (dirs.p && dirs.n) {
		struct str dir = str_cut(&dirs, ':');
		int r;

		snprintf(path, sizeof(path), "%.*s/%s", (int)dir.n, dir.p, name);
		r = cannot_run(path);
		if (r == 0)
			return 0;
		if (r == EACCES)
			why = r;
	}
	return why;
}

/* An error when there is no such program: found out before anything is attached. */
static int check_program(const char *name, struct err *e)
{
	int why = search_path(name);

	if (why == 0)
		return 0;
	if (why != ENOENT)
		err_plain(e, why, "cannot start \"%s\": it is not an executable file", name);
	else if (strchr(name, '/'))
		err_plain(e, why, "cannot start \"%s\": no such file", name);
	else
		err_plain(e, why, "cannot start \"%s\": no such program in $PATH", name);
	err_hint(
		e,
		"-c takes a program and its arguments; a shell's work needs one: -c 'sh -c \"…\"'");
	return -why;
}

int child_spawn(const char *command, int *pid, int *go, struct err *e)
{
	char *copy = strdup(command), *words[MAX_WORDS];
	int fds[2], r;

	if (!copy || split_words(copy, words, MAX_WORDS) == 0) {
		free(copy);
		err_plain(e, EINVAL, "the command of -c is empty");
		err_hint(e, "-c takes a program and its arguments: -c 'ls -l'");
		return -EINVAL;
	}
	r = check_program(words[0], e);
	if (r == 0 && pipe2(fds, O_CLOEXEC) < 0)
		r = err_set(e, errno, "cannot make a pipe");
	if (r < 0) {
		free(copy);
		return r;
	}
	*pid = fork();
	if (*pid == 0) {
		close(fds[1]);
		child_main(words, fds[0]);
	}
	free(copy);
	close(fds[0]);
	if (*pid < 0) {
		close(fds[1]);
		return err_set(e, errno, "cannot fork");
	}
	*go = fds[1];
	return 0;
}

void child_release(struct awl *awl)
{
	if (awl->child_go >= 0)
		close(awl->child_go); /* one that still waits reads the end of the pipe and leaves
				       */
	awl->child_go = -1;
	if (awl->child > 0)
		waitpid(awl->child, NULL, WNOHANG);
	awl->child = 0;
}
