/* Names of targets to files. */
#include "elf_test.h"
#include "elf/find.h"
#include "elf/maps.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char out[PATH_MAX];

static void test_resolve(void **state)
{
	char real[PATH_MAX];
	struct err e = {0};

	assert_non_null(realpath("/bin/sh", real));
	assert_int_equal(elf_resolve(STR("/bin/sh"), 0, out, sizeof(out), &e), 0);
	assert_string_equal(out, real);
	assert_int_equal(elf_resolve(STR("sh"), 0, out, sizeof(out), &e), 0);
	assert_string_equal(out, real);
	assert_int_equal(elf_resolve(STR("libc"), 0, out, sizeof(out), &e), 0);
	assert_non_null(strstr(out, "/libc.so.6"));
	assert_int_equal(elf_resolve(STR("libc.so.6"), 0, out, sizeof(out), &e), 0);
	assert_non_null(strstr(out, "/libc.so.6"));
	assert_int_equal(elf_resolve(STR("libc.so"), 0, out, sizeof(out), &e), 0);
}

static void test_resolve_process(void **state)
{
	char exe[PATH_MAX] = "";

	assert_true(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	assert_int_equal(elf_resolve(STR(""), getpid(), out, sizeof(out), NULL), 0);
	assert_string_equal(out, exe);
	assert_int_equal(elf_resolve(STR("libc"), getpid(), out, sizeof(out), NULL), 0);
	assert_non_null(strstr(out, "/libc"));
	assert_int_equal(elf_resolve(STR("libcmocka"), getpid(), out, sizeof(out), NULL), 0);
}

/* Of a process with another root: links lead to files of that root, never to ours. */
static void test_resolve_chroot(void **state)
{
	char dir[] = "/tmp/awl-elf-XXXXXX", cmd[PATH_MAX + 256], want[64];
	pid_t child;

	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(cmd, sizeof(cmd),
		 "cd %s && mkdir bin && cp %s bin/x && ln -s /bin/x bin/link && "
		 "ln -s /etc/passwd bin/evil && ln -s ../../../../etc/passwd bin/up",
		 dir, subject_path());
	assert_int_equal(system(cmd), 0);
	child = fork();
	if (child == 0) {
		if (chroot(dir) < 0 || chdir("/") < 0)
			_exit(1);
		kill(getpid(), SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, WUNTRACED), child);
	snprintf(want, sizeof(want), "%s/bin/x", dir);
	assert_int_equal(elf_resolve(STR("/bin/link"), child, out, sizeof(out), NULL), 0);
	assert_string_equal(out, want);
	assert_int_equal(elf_resolve(STR("x"), child, out, sizeof(out), NULL), 0);
	assert_string_equal(out, want);
	assert_true(elf_resolve(STR("/bin/evil"), child, out, sizeof(out), NULL) < 0);
	assert_true(elf_resolve(STR("/bin/up"), child, out, sizeof(out), NULL) < 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
}

static void test_not_found(void **state)
{
	struct err e = {0};

	assert_true(elf_resolve(STR("no-such-program"), 0, out, sizeof(out), &e) < 0);
	assert_string_equal(e.what, "find program no-such-program: no such program in $PATH");
	assert_string_equal(e.hint, "give the full path of the file");
	assert_true(elf_resolve(STR("libnosuch"), 0, out, sizeof(out), &e) < 0);
	assert_true(elf_resolve(STR("/tmp"), 0, out, sizeof(out), &e) < 0);
	assert_string_equal(e.what, "find /tmp: Is a directory");
	assert_true(elf_resolve(STR(""), 0, out, sizeof(out), &e) < 0);
}

static void test_lib_names(void **state)
{
	assert_true(lib_name_matches(STR("libc"), "libc.so.6"));
	assert_true(lib_name_matches(STR("libc"), "libc.so"));
	assert_true(lib_name_matches(STR("libc"), "libc-2.31.so"));
	assert_false(lib_name_matches(STR("libc"), "libcap.so.2"));
	assert_false(lib_name_matches(STR("libc"), "libc-client.so.2007e"));
	assert_false(lib_name_matches(STR("libc"), "libc_malloc.so"));
	assert_true(lib_name_matches(STR("libssl.so"), "libssl.so.3"));
	assert_true(lib_name_matches(STR("libssl.so.3"), "libssl.so.3"));
	assert_false(lib_name_matches(STR("libssl.so.3"), "libssl.so.30"));
}

struct glob_seen {
	int n;
	bool libc;
};

static int seen(void *arg, const char *path)
{
	struct glob_seen *s = arg;

	s->n++;
	s->libc |= strstr(path, "/libc.so.6") != NULL;
	return 0;
}

static void test_glob(void **state)
{
	struct glob_seen s = {0};
	char pattern[PATH_MAX];

	snprintf(pattern, sizeof(pattern), "%s*", subject_path());
	assert_int_equal(elf_glob(str_of(pattern), seen, &s), 0);
	assert_int_equal(s.n, 1);
	s = (struct glob_seen){0};
	elf_glob(STR("*"), seen, &s); /* running: ourselves at least */
	assert_true(s.libc && s.n >= 2);
	s = (struct glob_seen){0};
	elf_glob(STR("libc.so*"), seen, &s);
	assert_true(s.libc);
	s = (struct glob_seen){0};
	elf_glob(STR("/etc/pass*"), seen, &s); /* not ELF */
	assert_int_equal(s.n, 0);
}

static int count(void *arg, uint32_t flags, const char *name, const char *path)
{
	++*(int *)arg;
	return 0;
}

/* A cache cut anywhere or with wild offsets is read without harm. */
static void test_broken_cache(void **state)
{
	struct buf b = BUF_INIT;
	int all = 0, some;

	assert_true(buf_read_file(&b, "/etc/ld.so.cache", 1 << 26) >= 0);
	ldcache_each(b.p, b.n, count, &all);
	assert_true(all > 10);
	for (size_t n = 0; n < b.n; n += 97) {
		char *copy = malloc(n + 1);

		memcpy(copy, b.p, n);
		some = 0;
		ldcache_each(copy, n, count, &some);
		assert_true(some <= all);
		free(copy);
	}
	for (size_t i = 20; i < 4096 && i < b.n; i += 3) {
		b.p[i] ^= 0xff;
		ldcache_each(b.p, b.n, count, &some);
	}
	buf_release(&b);
}

static void test_maps_line(void **state)
{
	char a[] = "7f00-8f00 r-xp 00026000 fe:00 1234    /usr/lib/a\\012b (deleted)";
	char b[] = "7ffd0000-7ffd1000 r-xp 00000000 00:00 0                  [vdso]";
	char c[] = "7f00-8f00 rw-p 00000000 00:00 0 ";
	char d[] = "nonsense", e[] = "8f00-7f00 r-xp 0 0:0 0 x";
	struct proc_map m;

	assert_true(maps_parse_line(a, &m));
	assert_string_equal(m.path, "/usr/lib/a\nb");
	assert_true(m.deleted && m.exec);
	assert_int_equal(m.offset, 0x26000);
	assert_int_equal(m.ino, 1234);
	assert_true(maps_parse_line(b, &m));
	assert_string_equal(m.path, "[vdso]");
	assert_true(maps_parse_line(c, &m));
	assert_string_equal(m.path, "");
	assert_false(m.exec);
	assert_false(maps_parse_line(d, &m));
	assert_false(maps_parse_line(e, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolve),   cmocka_unit_test(test_resolve_process),
		cmocka_unit_test(test_not_found), cmocka_unit_test(test_lib_names),
		cmocka_unit_test(test_glob),      cmocka_unit_test(test_broken_cache),
		cmocka_unit_test(test_maps_line), cmocka_unit_test(test_resolve_chroot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
