/* Declares probes while it runs (usdt/udst.h) and fires them every millisecond.
 *
 *   udst_shop [FLAGS [fork]]    SIGUSR1: unloads and loads again; SIGUSR2: adds a probe `late` */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "udst.h"

static volatile sig_atomic_t reload, add;

static void on_signal(int n)
{
	if (n == SIGUSR1)
		reload = 1;
	else
		add = 1;
}

static void check(int r, const char *what)
{
	if (r == 0)
		return;
	printf("%s: %s\n", what, udst_strerror(r));
	exit(1);
}

int main(int argc, char **argv)
{
	static const signed char query_types[] = {UDST_U64, UDST_I32, UDST_U8, UDST_I16};
	static const signed char twelve_types[] = {-1, 1, -2, 2, -4, 4, -8, 8, -1, 1, -2, 2};
	static const uint64_t twelve_args[] = {-1, 255, -2, 65535, -4, 4, -8, 8, -9, 9, -11, 12};
	udst_probe *query, *twelve, *empty, *late = NULL;
	udst_provider *p;
	char path[512];

	check(udst_provider_create("shop", (argc > 1 ? atoi(argv[1]) : 0) | UDST_FORCE, &p),
	      "create");
	check(udst_probe_add(p, "query", 4, query_types, &query), "query");
	check(udst_probe_add(p, "twelve", 12, twelve_types, &twelve), "twelve");
	check(udst_probe_add(p, "empty", 0, NULL, &empty), "empty");
	check(udst_provider_load(p), "load");
	check(udst_provider_path(p, path, sizeof(path)), "path");
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	printf("ready %d %s\n", getpid(), path);
	fflush(stdout);
	if (argc > 2)
		fork();
	for (uint64_t i = 0; getppid() != 1; i++) {
		UDST_FIRE(query, (uintptr_t) "hello", -i, 200 + i % 8, (uint64_t)-5);
		udst_fire(twelve, twelve_args);
		udst_fire(empty, NULL);
		if (late)
			udst_fire(late, NULL);
		usleep(1000);
		if (reload) {
			check(udst_provider_unload(p), "unload");
			usleep(1000);
			check(udst_provider_load(p), "reload");
			reload = 0;
		}
		if (add && !late) {
			check(udst_probe_add(p, "late", 0, NULL, &late), "late");
			check(udst_provider_load(p), "load with late");
		}
	}
	udst_provider_destroy(p);
	return 0;
}
