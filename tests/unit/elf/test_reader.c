/* The process that parses files for us: whatever it does, the one who asked gets an answer or an
 * error, soon. */
#include "elf/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static volatile uint64_t sink;

static void spin(void)
{
	for (;;)
		sink++;
}

/* Address space counts: pages that are touched take their time on a busy machine. */
static void take_memory(void)
{
	for (size_t n = 0;; n++) {
		void *p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED)
			abort();
	}
}

/* Which of the forbidden things went well. */
static uint8_t try_forbidden(void)
{
	uint8_t done = 0;

	done |= open("/etc/passwd", O_RDONLY) >= 0 ? 1 : 0;
	done |= socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 2 : 0;
	done |= kill(getppid(), 0) == 0 ? 4 : 0;
	done |= fork() > 0 ? 8 : 0;
	done |= setuid(0) == 0 ? 16 : 0;
	return done;
}

static void serve(void *arg, struct wire *in, struct buf *out)
{
	switch (wire_take(in, 1)) {
	case 'e': /* echo */
		buf_add(out, in->p, in->n);
		break;
	case 'c':
		raise(SIGSEGV); /* is not allowed to */
		*(volatile int *)arg = 1;
		break;
	case 's':
		spin();
		break;
	case 'm':
		take_memory();
		break;
	case 'x':
		_exit(3);
	case 'b': /* waits for what never comes */
		if (read(*(int *)arg, &(char){0}, 1) < 0)
			_exit(4);
		break;
	case 'l': /* more than may be said */
		buf_fill(out, 'x', 65 << 20);
		break;
	case 'f':
		wire_put(out, try_forbidden(), 1);
		break;
	}
}

static struct reader *start(int *fds, size_t n, void *arg)
{
	struct err e = {0};
	struct reader *r = reader_start("/some/file", fds, n, 500, serve, arg, &e);

	assert_non_null(r);
	return r;
}

static int ask(struct reader *r, const char *what, struct wire *w, struct err *e)
{
	struct buf q = BUF_INIT;
	int ret;

	buf_adds(&q, what);
	ret = reader_ask(r, &q, w, e);
	buf_release(&q);
	return ret;
}

static void it_answers(void **state)
{
	struct reader *r = start(NULL, 0, NULL);
	struct wire w;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(ask(r, "ehello", &w, NULL), 0);
		assert_int_equal(w.n, 5);
		assert_memory_equal(w.p, "hello", 5);
	}
	reader_stop(r);
}

static void it_may_do_nothing_else(void **state)
{
	struct reader *r = start(NULL, 0, NULL);
	struct wire w;

	assert_int_equal(ask(r, "f", &w, NULL), 0);
	assert_int_equal(wire_take(&w, 1), 0);
	reader_stop(r);
}

static void fails(const char *request, const char *why, bool shared)
{
	int fds[2];
	struct err e = {0};
	struct wire w;
	struct reader *r;

	assert_int_equal(pipe(fds), 0);
	r = start(fds, 2, shared ? &fds[0] : NULL);
	assert_int_equal(ask(r, "eok", &w, &e), 0);
	assert_int_equal(ask(r, request, &w, &e), -EBADMSG);
	if (!strstr(e.what, "/some/file") || !strstr(e.what, why))
		fail_msg("no %s in: %s", why, e.what);
	/* And so does every later request, at once. */
	memset(&e, 0, sizeof(e));
	assert_int_equal(ask(r, "eok", &w, &e), -EBADMSG);
	assert_non_null(strstr(e.what, why));
	reader_stop(r);
	close(fds[0]);
	close(fds[1]);
}

static void one_that_crashes(void **state)
{
	fails("c", "", false);
}

static void one_that_gives_up(void **state)
{
	fails("x", "gave up", false);
}

static void one_that_never_ends(void **state)
{
	fails("s", "takes longer", false);
}

static void one_that_waits_for_ever(void **state)
{
	fails("b", "does not answer", true);
}

static void one_that_takes_all_memory(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	skip();
#else
	fails("m", "256 MB", false);
#endif
}

static void one_that_says_too_much(void **state)
{
	fails("l", "gave up", false);
}

/* ---- replies that make no sense ---- */

static void nothing_is_taken_that_is_not_there(void **state)
{
	struct wire w = {.p = (const uint8_t *)"ab", .n = 2};

	assert_int_equal(wire_take(&w, 4), 0);
	assert_true(w.bad);
	assert_int_equal(wire_take(&w, 1), 0);
	assert_string_equal(wire_take_text(&w), "");
	w = (struct wire){.p = (const uint8_t *)"ab", .n = 2};
	assert_string_equal(wire_take_text(&w), ""); /* has no end */
	assert_true(w.bad);
}

static void no_more_things_follow_than_there_are_bytes(void **state)
{
	uint8_t bytes[24] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
	struct wire w = {.p = bytes, .n = sizeof(bytes)};

	assert_int_equal(wire_take_count(&w, 16), 0);
	assert_true(w.bad);
	bytes[7] = 0;
	memset(bytes, 0, 8);
	bytes[0] = 1;
	w = (struct wire){.p = bytes, .n = sizeof(bytes)};
	assert_int_equal(wire_take_count(&w, 16), 1);
	assert_false(w.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_answers),
		cmocka_unit_test(it_may_do_nothing_else),
		cmocka_unit_test(one_that_crashes),
		cmocka_unit_test(one_that_gives_up),
		cmocka_unit_test(one_that_never_ends),
		cmocka_unit_test(one_that_waits_for_ever),
		cmocka_unit_test(one_that_takes_all_memory),
		cmocka_unit_test(one_that_says_too_much),
		cmocka_unit_test(nothing_is_taken_that_is_not_there),
		cmocka_unit_test(no_more_things_follow_than_there_are_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
