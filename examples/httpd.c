/* A small HTTP server with its own load, for something alive to trace.
 *
 *   httpd [seconds] [requests a second]      ends by itself; prints its pid and port first
 *
 * One process serves (a thread for each connection), a second one sends requests. Some answers read
 * a file, some compute, one in fifty is slow: so that latencies have a shape. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __clang__
#define NOINLINE __attribute__((noinline, used))
#else
#define NOINLINE __attribute__((noinline, noclone, externally_visible))
#endif

static const char *const paths[] = {"/",           "/about", "/search?q=bpf", "/static/logo.png",
				    "/api/orders", "/slow"};

int prepare_answer(const char *path, char *out, size_t size);
int read_static(const char *path, char *out, size_t size);

NOINLINE int read_static(const char *path, char *out, size_t size)
{
	int fd = open("/etc/services", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size);

	if (fd >= 0)
		close(fd);
	return n < 0 ? 0 : (int)n;
}

NOINLINE int prepare_answer(const char *path, char *out, size_t size)
{
	unsigned sum = 0;

	if (strcmp(path, "/slow") == 0)
		usleep(20000);
	if (strncmp(path, "/static", 7) == 0)
		return read_static(path, out, size);
	for (unsigned i = 0; i < 20000; i++)
		sum = sum * 31 + (unsigned char)path[i % strlen(path)];
	return snprintf(out, size, "path %s checksum %u\n", path, sum);
}

static void *serve(void *arg)
{
	int fd = (int)(long)arg, n;
	char request[1024], path[256], body[4096], answer[5000];

	for (;;) {
		ssize_t got = read(fd, request, sizeof(request) - 1);

		if (got <= 0)
			break;
		request[got] = '\0';
		if (sscanf(request, "GET %255s", path) != 1)
			break;
		n = prepare_answer(path, body, sizeof(body));
		n = snprintf(answer, sizeof(answer),
			     "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%.*s", n, n, body);
		if (write(fd, answer, (size_t)n) < 0)
			break;
	}
	close(fd);
	return NULL;
}

static int listen_on_loopback(unsigned short *port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
		perror("httpd: cannot listen");
		exit(1);
	}
	*port = ntohs(addr.sin_port);
	return fd;
}

static int connect_to(unsigned short port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				   .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -1 : fd;
}

static void load(unsigned short port, int rate, int seconds)
{
	time_t end = time(NULL) + seconds;
	int fd = connect_to(port);
	char buf[8192];

	for (unsigned i = 0; fd >= 0 && time(NULL) < end; i++) {
		const char *path = paths[i % 50 == 49 ? 5 : i % 5];
		int n = snprintf(buf, sizeof(buf), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
				 path);

		if (write(fd, buf, (size_t)n) < 0 || read(fd, buf, sizeof(buf)) <= 0)
			break;
		usleep((useconds_t)(1000000 / rate));
	}
	_exit(0);
}

static void on_child(int sig)
{
	_exit(0);
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 60, rate = argc > 2 ? atoi(argv[2]) : 500;
	unsigned short port;
	int fd = listen_on_loopback(&port);

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, on_child);
	printf("pid %d, http://127.0.0.1:%u/, for %d seconds\n", getpid(), port, seconds);
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		if (fork() == 0)
			load(port, rate > 0 ? rate : 1, seconds);
	}
	for (;;) {
		int conn = accept(fd, NULL, NULL);
		pthread_t t;

		if (conn >= 0 && pthread_create(&t, NULL, serve, (void *)(long)conn) == 0)
			pthread_detach(t);
	}
}
