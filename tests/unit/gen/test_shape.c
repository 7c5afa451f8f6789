/* The code itself: what is read how, what is built where, how much of it there is; and that the
 * kernel takes it. */
#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include "script.h"

#define SYS_ENTER "rawtracepoint:sys_enter "

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

/* The IR as generated, before any pass. */
static const char *ir_of(const char *script, struct buf *b)
{
	struct program *p = script_compile(script, b);

	assert_non_null(p);
	program_free(p);
	char *text = (char *)buf_cstr(b);
	char *second = strstr(text + 1, "; after ");
	second = second ? strstr(second + 1, "; after ") : NULL;
	if (second)
		*second = '\0';
	return text;
}

static void assert_calls(const char *script, const char *what, unsigned n)
{
	struct buf b = BUF_INIT;
	unsigned got = count(ir_of(script, &b), what);

	if (got != n)
		fail_msg("%s: %u times '%s', not %u\n%s", script, got, what, n, buf_cstr(&b));
	buf_release(&b);
}

/* A string goes straight into the record: no copy, no temporary. */
static void test_record_in_place(void **state)
{
	assert_calls("begin { printf(\"%s\", comm); }", "get_current_comm", 1);
	assert_calls("begin { printf(\"%s\", comm); }", " obj ", 0);
	assert_calls("begin { printf(\"%s\", str(0x1000)); }", "probe_read_", 1);
	assert_calls("begin { printf(\"%s\", str(0x1000)); }", "xchg", 0);
}

static void test_shared_keys(void **state)
{
	assert_calls("begin { @s[tid] = 1; @n = @s[tid]; delete(@s, tid); }",
		     "get_current_pid_tgid", 1);
	assert_calls("begin { @s[tid] = 1; }", "get_current_pid_tgid", 1);
}

/* comm fills its sixteen bytes: a key needs no zeroes under it. */
static void test_key_not_zeroed(void **state)
{
	if (!script_can_load())
		skip(); /* a map that a kernel without ring buffers has is another one */
	assert_calls("begin { @[comm] = 1; }", "store8", 1);
}

static void test_scratch_released(void **state)
{
	const char *script =
		"begin { $s = str(0x1000, 200); if ($s == \"x\") { return; } @s = $s; }";

	assert_calls(script, "fetch_xchg8", 4);
	if (script_can_load())
		assert_null(script_load(script));
}

/* Variables that need more than one slot of the smallest size: the program is generated again. */
static void test_scratch_grows(void **state)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "begin { ");
	for (unsigned i = 0; i < 20; i++)
		buf_printf(&b, "$s%u = str(0x1000, 1000); ", i);
	for (unsigned i = 0; i < 20; i++)
		buf_printf(&b, "printf(\"%%s\", $s%u); ", i);
	buf_printf(&b, "}");
	struct program *p = script_compile(buf_cstr(&b), NULL);
	assert_non_null(p);
	assert_true(p->scratch != NO_MAP);
	assert_true(p->maps[p->scratch].spec.value_size > 20000u);
	program_free(p);
	if (script_can_load())
		assert_null(script_load(buf_cstr(&b)));
	buf_release(&b);
}

static void test_sizes(void **state)
{
	assert_in_range(script_slots("begin { @[comm] = count(); }"), 20, 31);
	assert_in_range(script_slots("begin { @start[tid] = nsecs; }"), 12, 21);
	assert_in_range(script_slots("begin { @x++; }"), 4, 7);
}

static void test_accepted(void **state)
{
	static const char *const scripts[] = {
		SYS_ENTER "{ $t = curtask; @[$t.comm, $t->real_parent->pid] = count(); }",
		SYS_ENTER "{ printf(\"%s %d\", curtask.comm, curtask.real_parent.pid); }",
		SYS_ENTER "{ @z = (uint64)curtask & 0xff; @b = curtask.sched_reset_on_fork; }",
		SYS_ENTER "{ if (curtask.comm == \"cat\") { @++; } }",
		"rawtracepoint:sched_switch { @[args.next.comm] = count(); printf(\"%d\", "
		"args.prev.pid); }",
		"tracepoint:sched:sched_switch /args.prev_comm == \"cat\"/ { @[args.next_comm] = "
		"max(args.next_pid); }",
		"tracepoint:raw_syscalls:sys_enter { @a = args.args[pid % 6]; @b = args.args[tid]; "
		"}",
		"iter:task { printf(\"%s %d\", ctx.task.comm, ctx.task.pid); }",
		"interval:s:1 { @m[1] = 1; for ($kv : @m) { $x = $kv; @s[$x.0] = $x.1; } }",
		SYS_ENTER "/str(0x1000) == \"x\"/ { $a = str(0x1000); $b = str(0x2000); if ($a == "
			  "$b) { @++; } }",
		SYS_ENTER "{ @s[pid] = str(0x1000); @t = @s[pid]; @u[@s[pid]] = 1; printf(\"%s\", "
			  "@s[pid]); }",
		SYS_ENTER "{ @c = count(); if (@c > 100) { exit(); } @x[pid] = stats(5); }",
	};

	if (!script_can_load())
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		const char *why = script_load(scripts[i]);
		if (why)
			fail_msg("%s: %s", scripts[i], why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_in_place), cmocka_unit_test(test_shared_keys),
		cmocka_unit_test(test_key_not_zeroed),  cmocka_unit_test(test_scratch_released),
		cmocka_unit_test(test_scratch_grows),   cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
