/* The text of values that only their builtin can print: addresses, times, names of numbers. A
 * script that prints one is compiled; the type of its event's field then leads to the view, which
 * gets bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include "compile/compile.h"

static struct kernel *kernel;

static struct program *compile(const char *script)
{
	struct compile_in in = {.kernel = kernel, .name = "-e", .text = str_of(script)};
	struct arena *a = NULL;
	struct diag *d;
	struct program *p = compile_script(&in, &d, &a);

	if (!p) {
		struct buf b = BUF_INIT;

		diag_render(d, &b, DIAG_TEXT);
		fail_msg("%s", buf_cstr(&b));
	}
	return p;
}

/* Expects `value` to be shown as `want` by what print(`call`) prints with. */
static void expect(const char *call, const void *value, const char *want)
{
	char script[256];
	struct program *p;
	const struct type *t;
	struct buf b = BUF_INIT;

	snprintf(script, sizeof(script), "begin { print(%s); exit(); }", call);
	p = compile(script);
	t = p->events[0]->fields[0].type;
	struct render r = {.kernel = kernel,
			   .config = &p->config,
			   .strings = p->strings,
			   .nstrings = p->nstrings,
			   .probe_names = p->target_names,
			   .nprobe_names = p->ntargets};

	assert_int_equal(t->kind, TYPE_VIEW);
	assert_int_equal(t->size, t->view.view->size);
	t->view.view->text(&r, t, value, &b);
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
	program_free(p);
}

static void expect_number(const char *call, uint64_t value, const char *want)
{
	expect(call, &value, want);
}

struct inet {
	uint32_t family;
	uint8_t bytes[16];
};

static void internet_addresses(void **state)
{
	struct inet v4 = {AF_INET, {192, 0, 2, 1}}, v6 = {AF_INET6, {0x20, 0x01, 0xd, 0xb8}};
	struct inet odd = {99, {0}};

	v6.bytes[15] = 1;
	expect("ntop(1)", &v4, "192.0.2.1");
	expect("ntop(1)", &v6, "2001:db8::1");
	expect("ntop(1)", &odd, "unknown address family 99");
}

static void mac_addresses(void **state)
{
	const uint8_t mac[6] = {0, 0x1a, 0xff, 3, 4, 0xe5};

	expect("macaddr(curtask)", mac, "00:1A:FF:03:04:E5");
}

static void error_numbers(void **state)
{
	expect_number("strerror(0)", 2, "No such file or directory");
	expect_number("strerror(0)", (uint64_t)-2, "Unknown error -2");
	expect_number("strerror(0)", UINT64_C(1) << 40, "Unknown error 1099511627776");
}

static void system_calls(void **state)
{
	expect_number("syscall_name(0)", (uint64_t)kernel_syscall_nr("openat"), "openat");
	expect_number("syscall_name(0)", 99999, "syscall_99999");
	expect_number("syscall_name(0)", (uint64_t)-1, "syscall_-1");
}

static void signals(void **state)
{
	expect_number("signal_name(1)", 15, "SIGTERM");
	expect_number("signal_name(1)", 34, "SIGRTMIN");
	expect_number("signal_name(1)", 64, "SIGRTMIN+30");
	expect_number("signal_name(1)", 0, "signal 0");
	expect_number("signal_name(1)", 65, "signal 65");
}

static void users(void **state)
{
	expect_number("username", 0, "root");
	expect_number("username", 4123456789, "4123456789");
}

static void kernel_addresses(void **state)
{
	expect_number("ksym(0)", 0, "0x0");
	expect_number("ksym(0)", 0x1234, "0x1234");
	expect("usym(0)", (uint64_t[2]){0xabc, 0}, "0xabc");
}

static void probes(void **state)
{
	expect_number("probe", 0, "begin");
	expect_number("probe", 77, "probe 77");
}

/* A boot time whose wall time is `sec` and `ns` of the epoch. */
static uint64_t boot_of(uint64_t sec, uint64_t ns)
{
	return sec * 1000000000 + ns - clock_offset_boot();
}

static void times(void **state)
{
	/* the two clocks are read one after the other: keep away from the edges */
	expect_number("strftime(\"%F %T\", nsecs)", boot_of(86400 * 365, 500000000),
		      "1971-01-01 00:00:00");
	expect_number("strftime(\"%T.%l\", nsecs)", boot_of(3661, 123500000), "01:01:01.123");
	expect_number("strftime(\"%%f %H\", nsecs)", boot_of(3661, 500000000), "%f 01");
	expect_number("strftime(\"\", nsecs)", boot_of(3661, 0), "");
	expect_number("strftime(\"100%\", nsecs)", boot_of(3661, 0), "100%");
}

static int start(void **state)
{
	setenv("TZ", "UTC", 1);
	tzset();
	kernel = kernel_new(NULL);
	return 0;
}

static int stop(void **state)
{
	kernel_free(kernel);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(internet_addresses),
		cmocka_unit_test(mac_addresses),
		cmocka_unit_test(error_numbers),
		cmocka_unit_test(system_calls),
		cmocka_unit_test(signals),
		cmocka_unit_test(users),
		cmocka_unit_test(kernel_addresses),
		cmocka_unit_test(probes),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
