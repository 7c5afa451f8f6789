/* The library of dynamic USDT probes without a tracer: what it refuses, its images as awl reads
 * them, threads, reloading, fork. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "elf/elf.h"
#include "udst.h"

static const signed char some_types[UDST_MAX_ARGS] = {-1, 1, -2, 2, -4, 4, -8, 8, 8, 8, 8, 8};

static udst_provider *make(unsigned flags, unsigned nprobes, udst_probe **probes)
{
	udst_provider *p;
	char name[16];

	assert_int_equal(udst_provider_create("unit", flags, &p), 0);
	for (unsigned i = 0; i < nprobes; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		assert_int_equal(udst_probe_add(p, name, i % 13, some_types, &probes[i]), 0);
	}
	return p;
}

static void test_refuses(void **state)
{
	char longest[UDST_MAX_NAME + 2];
	udst_provider *p = NULL;
	udst_probe *q;
	signed char wrong = 3;

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(udst_provider_create(NULL, 0, &p), -EINVAL);
	assert_int_equal(udst_provider_create("", 0, &p), -EINVAL);
	assert_int_equal(udst_provider_create("a:b", 0, &p), -EINVAL);
	assert_int_equal(udst_provider_create("../x", 0, &p), -EINVAL);
	assert_int_equal(udst_provider_create(longest, 0, &p), -ENAMETOOLONG);
	assert_int_equal(udst_provider_create("ok", 1u << 20, &p), -EINVAL);
	assert_int_equal(udst_provider_create(longest + 1, 0, &p), 0);
	assert_int_equal(udst_probe_add(p, "x", UDST_MAX_ARGS + 1, some_types, &q), -EINVAL);
	assert_int_equal(udst_probe_add(p, "x", 1, NULL, &q), -EINVAL);
	assert_int_equal(udst_probe_add(p, "x", 1, &wrong, &q), -EINVAL);
	assert_int_equal(udst_probe_add(p, "x", 0, NULL, &q), 0);
	assert_int_equal(udst_probe_add(p, "x", 0, NULL, &q), -EEXIST);
	assert_int_equal(udst_provider_load(NULL), -EINVAL);
	assert_string_equal(udst_strerror(-EEXIST), udst_strerror(EEXIST));
	udst_provider_destroy(p);
	udst_provider_destroy(NULL);
}

/* Every probe is in the image, as awl reads it; arguments parse. */
static void check_image(udst_provider *p, unsigned n)
{
	const struct usdt_site *sites;
	char path[512];
	struct elf *f;
	size_t nsites;

	assert_int_equal(udst_provider_path(p, path, sizeof(path)), 0);
	f = elf_open(path, NULL);
	assert_non_null(f);
	assert_int_equal(elf_usdt(f, &sites, &nsites, NULL), 0);
	assert_int_equal(nsites, n);
	for (size_t i = 0; i < nsites; i++) {
		unsigned number = (unsigned)atoi(sites[i].name + 1);

		assert_string_equal(sites[i].provider, "unit");
		assert_null(sites[i].bad);
		assert_int_equal(sites[i].nargs, number % 13);
		assert_int_equal(sites[i].sem_offset, 288 + 2 * number);
		for (size_t a = 0; a < sites[i].nargs; a++) {
			assert_int_equal(sites[i].args[a].kind, USDT_MEM);
			assert_int_equal(sites[i].args[a].size, some_types[a]);
			assert_int_equal(sites[i].args[a].value, 8 * a);
		}
	}
	elf_close(f);
}

static void test_images(void **state)
{
	static udst_probe *probes[UDST_MAX_PROBES];
	static const unsigned counts[] = {0, 1, 13, 20, 200, UDST_MAX_PROBES};
	static const unsigned flags[] = {0, UDST_TMPFILE, UDST_NAMED};
	struct stat st;
	char path[512];

	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 3; k++) {
			udst_provider *p = make(flags[k], counts[i], probes);

			assert_int_equal(udst_provider_path(p, path, sizeof(path)), -ENOENT);
			assert_int_equal(udst_provider_load(p), 0);
			check_image(p, counts[i]);
			assert_int_equal(udst_provider_path(p, path, sizeof(path)), 0);
			assert_int_equal(stat(path, &st), 0);
			if (counts[i] == 20)
				assert_in_range(st.st_size, 1, 4096);
			udst_provider_destroy(p);
			assert_int_equal(stat(path, &st), -1); /* nothing is left */
		}
}

/* Probes added later are in the next image; addresses of those before stay. */
static void test_adds_later(void **state)
{
	udst_probe *probes[3], *late;
	udst_provider *p = make(0, 2, probes);
	const volatile uint16_t *counter = probes[1]->semaphore;

	assert_int_equal(udst_enabled(probes[1]), 0);
	assert_int_equal(udst_provider_load(p), 0);
	assert_int_equal(udst_probe_add(p, "p2", 2, some_types, &late), 0);
	udst_fire(late, NULL);
	assert_int_equal(udst_provider_load(p), 0);
	check_image(p, 3);
	assert_int_equal(udst_provider_unload(p), 0);
	assert_int_equal(udst_enabled(probes[1]), 0);
	assert_ptr_equal(probes[1]->semaphore, counter);
	udst_provider_destroy(p);
}

/* What a tracer would do to the counter. */
static void arm(udst_probe *q, int by)
{
	__atomic_add_fetch((uint16_t *)(uintptr_t)q->semaphore, (uint16_t)by, __ATOMIC_SEQ_CST);
}

static void test_busy(void **state)
{
	udst_probe *probes[2];
	udst_provider *p = make(0, 2, probes);
	uint64_t args[UDST_MAX_ARGS] = {0};

	assert_int_equal(udst_provider_load(p), 0);
	arm(probes[1], 1);
	assert_int_equal(udst_enabled(probes[1]), 1);
	udst_fire(probes[1], args);
	assert_int_equal(udst_provider_unload(p), -EBUSY);
	arm(probes[1], -1);
	assert_int_equal(udst_provider_unload(p), 0);
	udst_provider_destroy(p);
}

struct storm {
	udst_probe *probe;
	int stop;
};

static void *storm_main(void *arg)
{
	uint64_t args[UDST_MAX_ARGS] = {0};
	struct storm *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED))
		udst_fire(s->probe, args);
	return NULL;
}

/* Eight threads fire an armed probe while it is loaded and unloaded. */
static void test_threads(void **state)
{
	struct storm s = {0};
	udst_provider *p = make(UDST_FORCE, 1, &s.probe);
	pthread_t threads[8];

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, storm_main, &s), 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(udst_provider_load(p), 0);
		arm(s.probe, 1);
		assert_int_equal(udst_provider_unload(p), 0);
	}
	s.stop = 1;
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	udst_provider_destroy(p);
}

static long mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	long n = 0;

	for (int c; f && (c = getc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static void test_leaves_nothing(void **state)
{
	udst_probe *probes[3];
	int fd = open("/dev/null", O_RDONLY), again;
	long before = mappings();

	close(fd);
	for (int i = 0; i < 2000; i++) {
		udst_provider *p = make(0, 3, probes);

		assert_int_equal(udst_provider_load(p), 0);
		assert_int_equal(udst_provider_unload(p), 0);
		assert_int_equal(udst_provider_load(p), 0);
		udst_provider_destroy(p);
	}
	again = open("/dev/null", O_RDONLY);
	assert_int_equal(again, fd);
	close(again);
	assert_in_range(mappings(), before - 2, before + 2);
}

/* The child fires and reloads although other threads of its parent were in the midst of that. */
static void test_fork(void **state)
{
	struct storm s = {0};
	udst_provider *p = make(UDST_FORCE, 1, &s.probe);
	pthread_t thread;

	assert_int_equal(udst_provider_load(p), 0);
	arm(s.probe, 1);
	assert_int_equal(pthread_create(&thread, NULL, storm_main, &s), 0);
	for (int i = 0; i < 50; i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			uint64_t args[UDST_MAX_ARGS] = {0};

			alarm(20);
			udst_fire(s.probe, args);
			_exit(udst_provider_unload(p) || udst_provider_load(p));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	s.stop = 1;
	pthread_join(thread, NULL);
	udst_provider_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses),    cmocka_unit_test(test_images),
		cmocka_unit_test(test_adds_later), cmocka_unit_test(test_busy),
		cmocka_unit_test(test_threads),    cmocka_unit_test(test_leaves_nothing),
		cmocka_unit_test(test_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
