/* The running kernel. What this machine or this user cannot do is skipped, with the reason. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/capability.h>
#include <cmocka.h>

#include "kernel/kernel.h"

static struct kernel *k;

static int setup(void **state)
{
	k = kernel_new(NULL);
	return 0;
}

static int teardown(void **state)
{
	kernel_free(k);
	return 0;
}

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	print_message("# skipped: no %s here\n", what);
	skip();
}

static bool may_bpf(void)
{
	static const int caps[] = {CAP_BPF, CAP_PERFMON};
	char missing[64];

	return caps_check(caps, 2, missing, sizeof(missing));
}

static void test_features_agree(void **state)
{
	need(may_bpf(), "right to use bpf(2)");
	for (int f = 1; f < FEATURE_COUNT; f++) {
		bool first = kernel_has(k, f);

		print_message("# %-20s %s\n", feature_name(f), first ? "yes" : "no");
		assert_int_equal(kernel_has(k, f), first);
	}
	/* What one implies, the other has. */
	if (kernel_has(k, FEATURE_UPROBE_SESSION))
		assert_true(kernel_has(k, FEATURE_UPROBE_MULTI));
	if (kernel_has(k, FEATURE_KPROBE_SESSION))
		assert_true(kernel_has(k, FEATURE_KPROBE_MULTI));
	if (kernel_has(k, FEATURE_TP_BTF))
		assert_true(kernel_has(k, FEATURE_BTF) && kernel_has(k, FEATURE_RAW_TP));
}

static void test_map(void **state)
{
	struct map_spec spec = {"a name/that is long", BPF_MAP_TYPE_HASH, 4, 8, 8, 0};
	uint32_t key = 1, next;
	uint64_t value = 11;
	struct err e = {0};
	int fd;

	need(may_bpf(), "right to use bpf(2)");
	fd = bpf_map_make(&spec, &e);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_set(fd, &key, &value, BPF_ANY), 0);
	value = 0;
	assert_int_equal(bpf_map_get(fd, &key, &value), 0);
	assert_int_equal(value, 11);
	assert_int_equal(bpf_map_next(fd, NULL, &next), 0);
	assert_int_equal(next, 1);
	assert_int_equal(bpf_map_next(fd, &next, &next), -ENOENT);
	assert_int_equal(bpf_map_del(fd, &key), 0);
	assert_int_equal(bpf_map_get(fd, &key, &value), -ENOENT);
	close(fd);
}

static void test_map_batch(void **state)
{
	struct map_spec spec = {"batch", BPF_MAP_TYPE_HASH, 4, 8, 100, 0};
	uint32_t keys[128], n = 128, out, key;
	uint64_t values[128], sum = 0;
	int fd;

	need(may_bpf() && kernel_has(k, FEATURE_BATCH), "batched map look-ups");
	fd = bpf_map_make(&spec, NULL);
	for (key = 0; key < 50; key++)
		assert_int_equal(bpf_map_set(fd, &key, &(uint64_t){key * 2}, BPF_ANY), 0);
	assert_int_equal(bpf_map_batch(fd, NULL, &out, keys, values, &n, true), -ENOENT);
	assert_int_equal(n, 50);
	for (uint32_t i = 0; i < n; i++)
		sum += values[i];
	assert_int_equal(sum, 49 * 50);
	assert_int_equal(bpf_map_next(fd, NULL, &key), -ENOENT); /* removed */
	close(fd);
}

static void test_map_error(void **state)
{
	struct map_spec spec = {"bad", BPF_MAP_TYPE_HASH, 0, 8, 100, 0};
	struct err e = {0};

	assert_true(bpf_map_make(&spec, &e) < 0);
	assert_non_null(strstr(e.what, "create BPF map bad (100 entries, key 0, value 8 bytes)"));
}

#define INSN(c, d, s, o, i)                                                         \
	{                                                                           \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) \
	}

static void test_program(void **state)
{
	static const struct bpf_insn insns[] = {INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 77),
						INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
	struct prog_load p = {
		.name = "test", .type = BPF_PROG_TYPE_RAW_TRACEPOINT, .insns = insns, .ninsns = 2};
	struct err e = {0};
	int32_t ret = 0;
	int fd, link;

	need(may_bpf() && kernel_has(k, FEATURE_TEST_RUN_RAW_TP),
	     "test runs of raw tracepoint programs");
	fd = bpf_prog_load_raw(&p);
	assert_true(fd >= 0);
	assert_int_equal(bpf_test_run(fd, NULL, 0, &ret, &e), 0);
	assert_int_equal(ret, 77);
	link = bpf_raw_tp_open("sched_switch", fd, 0, &e);
	assert_true(link >= 0);
	close(link);
	assert_int_equal(bpf_raw_tp_open("no_such_event", fd, 0, &e), -ENOENT);
	assert_non_null(strstr(e.what, "no_such_event"));
	assert_true(e.hint[0]);
	close(fd);
}

static void test_program_log(void **state)
{
	static const struct bpf_insn insns[] = {INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
	char log[4096] = "";
	struct prog_load p = {.type = BPF_PROG_TYPE_KPROBE,
			      .insns = insns,
			      .ninsns = 1,
			      .log = log,
			      .log_size = sizeof(log),
			      .log_level = 1};

	need(may_bpf(), "right to use bpf(2)");
	assert_int_equal(bpf_prog_load_raw(&p), -EACCES);
	assert_non_null(strstr(log, "R0 !read_ok"));
}

static void test_perf(void **state)
{
	static const struct bpf_insn insns[] = {INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
						INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
	struct prog_load p = {.type = BPF_PROG_TYPE_PERF_EVENT, .insns = insns, .ninsns = 2};
	struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE,
				    .config = PERF_COUNT_SW_CPU_CLOCK,
				    .sample_period = 1000000};
	struct err e = {0};
	int event, prog, link;

	need(may_bpf(), "right to use bpf(2)");
	prog = bpf_prog_load_raw(&p);
	event = perf_open(&a, -1, 0, &e);
	assert_true(prog >= 0 && event >= 0);
	link = perf_attach(event, prog, 0, &e);
	assert_true(link >= 0);
	assert_int_equal(e.code, 0);
	if (link)
		close(link);
	close(event);
	close(prog);
	a.type = 12345;
	assert_true(perf_open(&a, -1, 0, &e) < 0);
	assert_non_null(strstr(e.what, "open a perf event (type 12345"));
	assert_true(perf_pmu_type("no_such_pmu", &e) < 0);
	assert_non_null(strstr(e.hint, "no_such_pmu"));
}

struct seen {
	int events, formats_failed;
	char last[512];
};

static int see_event(void *arg, const char *category, const char *name)
{
	struct arena *a = arena_new();
	struct seen *s = arg;
	struct tp_format f;
	struct err e = {0};
	char both[512];

	snprintf(both, sizeof(both), "%s:%s", category, name);
	s->events++;
	if (kernel_tp_format(k, a, category, name, &f, &e) < 0) {
		print_message("# %s: %s\n", both, e.what);
		s->formats_failed++;
	}
	arena_free(a);
	return 0;
}

static void test_every_event(void **state)
{
	struct seen s = {0};
	struct err e = {0};

	need(kernel_has(k, FEATURE_TRACEFS), "tracefs");
	assert_int_equal(kernel_tp_each(k, see_event, &s, &e), 0);
	print_message("# %d events\n", s.events);
	assert_true(s.events > 100);
	assert_int_equal(s.formats_failed, 0);
}

static int see_syscall(void *arg, const char *category, const char *name)
{
	static const char prefix[] = "sys_enter_";

	if (strcmp(category, "syscalls") != 0 || strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	if (kernel_syscall_nr(name + sizeof(prefix) - 1) < 0) {
		print_message("# no number for %s\n", name);
		++*(int *)arg;
	}
	return 0;
}

static void test_syscalls(void **state)
{
	int unknown = 0;

	assert_string_equal(kernel_syscall_name(kernel_syscall_nr("connect")), "connect");
	assert_int_equal(kernel_syscall_nr("newfstat"), kernel_syscall_nr("fstat"));
	assert_int_equal(kernel_syscall_nr("no_such_call"), -1);
	assert_null(kernel_syscall_name(-1));
	assert_null(kernel_syscall_name(99999));
	need(kernel_has(k, FEATURE_TRACEFS), "tracefs");
	kernel_tp_each(k, see_syscall, &unknown, NULL);
	assert_int_equal(unknown, 0);
}

static void test_symbols(void **state)
{
	const char *name, *module;
	uint64_t addr, offset;

	need(kernel_has(k, FEATURE_KALLSYMS), "readable kernel symbols");
	assert_true(kernel_kaddr(k, "vfs_read", &addr));
	assert_true(kernel_ksym(k, addr + 3, &name, &module, &offset));
	assert_string_equal(name, "vfs_read");
	assert_string_equal(module, "");
	assert_int_equal(offset, 3);
	assert_false(kernel_ksym(k, 0x400000, &name, &module, &offset));
	assert_false(kernel_ksym(k, UINT64_MAX, &name, &module, &offset) && module[0] == 0);
}

static void test_processors(void **state)
{
	int cpus[1024];
	int n = cpu_online(cpus, 1024);
	struct timespec real, boot;
	int64_t off;

	assert_true(n >= 1 && n <= cpu_possible());
	assert_true(cpus[n - 1] < cpu_possible());
	assert_int_equal(cpu_online(cpus, 1), 1);
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	off = (real.tv_sec - boot.tv_sec) * 1000000000ll + real.tv_nsec - boot.tv_nsec;
	assert_true(llabs(off - (int64_t)clock_offset_boot()) < 1000000000);
}

static void test_processes(void **state)
{
	char comm[16], user[64];
	int pid, status;

	assert_true(proc_alive(getpid()));
	assert_int_equal(proc_ppid(getpid()), getppid());
	assert_true(proc_comm(getpid(), comm));
	assert_string_equal(comm, "test_running");
	assert_true(user_name(0, user, sizeof(user)));
	assert_string_equal(user, "root");
	assert_false(user_name(4123456789u, user, sizeof(user)));
	pid = fork();
	if (!pid)
		_exit(0);
	for (int i = 0; i < 1000 && proc_alive(pid); i++)
		usleep(1000);
	assert_false(proc_alive(pid)); /* a zombie */
	waitpid(pid, &status, 0);
	assert_false(proc_alive(pid));
	assert_false(proc_alive(0));
	assert_int_equal(proc_ppid(pid), -1);
	assert_false(proc_comm(pid, comm));
}

static void test_cgroups(void **state)
{
	char path[4096];
	struct err e = {0};
	uint64_t id;

	assert_true(cgroup_id("/proc", &id, &e) == -EINVAL);
	assert_non_null(strstr(e.what, "/proc is no cgroup v2 directory"));
	assert_true(cgroup_id("/no/such", &id, &e) == -ENOENT);
	assert_false(cgroup_path(k, 0xfffffffff, path, sizeof(path)));
	if (cgroup_id("/sys/fs/cgroup", &id, &e) < 0 &&
	    cgroup_id("/sys/fs/cgroup/unified", &id, &e) < 0)
		need(false, "mounted cgroup v2");
	assert_true(cgroup_path(k, id, path, sizeof(path)));
	assert_string_equal(path, "");
}

static void test_cgroup_below(void **state)
{
	char dir[64] = "/sys/fs/cgroup/awl-test", path[4096];
	struct err e = {0};
	uint64_t id;
	bool found;

	if (cgroup_id("/sys/fs/cgroup", &id, &e) < 0)
		snprintf(dir, sizeof(dir), "/sys/fs/cgroup/unified/awl-test");
	rmdir(dir);
	if (mkdir(dir, 0755) < 0 || cgroup_id(dir, &id, &e) < 0)
		need(false, "right to make a cgroup");
	found = cgroup_path(k, id, path, sizeof(path));
	rmdir(dir);
	assert_true(found);
	assert_string_equal(path, "/awl-test");
	assert_false(cgroup_path(k, id, path, sizeof(path)));
}

static void test_caps(void **state)
{
	static const int wanted[] = {CAP_BPF, CAP_PERFMON};
	char missing[64];

	need(geteuid() == 0, "root");
	if (fork() == 0) {
		bool ok;

		if (setuid(65534) < 0)
			_exit(1);
		ok = caps_check(wanted, 2, missing, sizeof(missing));
		_exit(ok || strcmp(missing, "CAP_PERFMON, CAP_BPF") == 0 ||
		      strcmp(missing, "CAP_BPF, CAP_PERFMON") != 0);
	} else {
		int status = 0;

		wait(&status);
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_features_agree), TEST(test_map),          TEST(test_map_batch),
		TEST(test_map_error),      TEST(test_program),      TEST(test_program_log),
		TEST(test_perf),           TEST(test_every_event),  TEST(test_syscalls),
		TEST(test_symbols),        TEST(test_processors),   TEST(test_processes),
		TEST(test_cgroups),        TEST(test_cgroup_below), TEST(test_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
