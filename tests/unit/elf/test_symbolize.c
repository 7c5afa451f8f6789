/* Names of addresses in running processes and in ones that are gone. */
#include "elf_test.h"
#include "elf/perfmap.h"
#include "elf/space.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct child {
	pid_t pid;
	int in, out;
	unsigned long long work, main;
};

static struct child start_subject(void)
{
	struct child c;
	int to[2], from[2];
	char line[100] = "";

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	c.pid = fork();
	if (c.pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execl(subject_path(), "subject", (char *)NULL);
		_exit(1);
	}
	close(to[0]);
	close(from[1]);
	c.in = to[1];
	c.out = from[0];
	assert_true(read(c.out, line, sizeof(line) - 1) > 0);
	assert_int_equal(sscanf(line, "%llx %llx", &c.work, &c.main), 2);
	return c;
}

static void end_subject(struct child *c)
{
	close(c->in);
	close(c->out);
	waitpid(c->pid, NULL, 0);
}

static void test_running_and_gone(void **state)
{
	struct symbolizer *s = symbolizer_new();
	struct child c = start_subject();
	struct symbol sym;

	symbolizer_remember(s, c.pid);
	assert_true(symbolizer_user(s, c.pid, c.work + 1, &sym));
	assert_string_equal(sym.name, "subject_work");
	assert_int_equal(sym.offset, 1);
	assert_string_equal(sym.module, subject_path());
	end_subject(&c);
	assert_true(symbolizer_user(s, c.pid, c.main, &sym));
	assert_string_equal(sym.name, "main");
	assert_int_equal(sym.offset, 0);
	symbolizer_free(s);
}

static void test_ourselves(void **state)
{
	struct symbolizer *s = symbolizer_new();
	struct symbol sym;

	assert_true(symbolizer_user(s, getpid(), (uintptr_t)end_subject, &sym));
	assert_string_equal(sym.name, "end_subject");
	assert_true(symbolizer_user(s, getpid(), (uintptr_t)getppid, &sym));
	assert_non_null(strstr(sym.module, "libc"));
	assert_non_null(strstr(sym.name, "getppid"));
	assert_false(symbolizer_user(s, getpid(), 16, &sym));
	assert_null(sym.name);
	assert_string_equal(sym.module, "");
	assert_false(symbolizer_user(s, 0x3fffffff, 0x400000, &sym));
	symbolizer_free(s);
}

static void test_vdso(void **state)
{
	char line[256];
	struct symbolizer *s = symbolizer_new();
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long long start = 0, end = 0, found = 0;
	struct symbol sym;

	while (fgets(line, sizeof(line), f))
		if (strstr(line, "[vdso]"))
			sscanf(line, "%llx-%llx", &start, &end);
	fclose(f);
	for (unsigned long long a = start; a < end; a += 16)
		if (symbolizer_user(s, getpid(), a, &sym)) {
			assert_string_equal(sym.module, "[vdso]");
			found += strstr(sym.name, "clock_gettime") != NULL;
		}
	assert_true(found > 0);
	symbolizer_free(s);
}

static void write_perf_map(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, mode);
}

static void test_perf_map(void **state)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct symbolizer *s = symbolizer_new();
	char path[64], text[128];
	struct symbol sym;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	snprintf(text, sizeof(text), "%llx 40 LazyCompile:~run /srv/app.js:1\n",
		 (unsigned long long)(uintptr_t)code);
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_false(symbolizer_user(s, getpid(), (uintptr_t)code + 8, &sym));
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	usleep(1100000);
	assert_false(
		symbolizer_user(s, getpid(), (uintptr_t)code + 8, &sym)); /* and does not hang */
	unlink(path);
	symbolizer_free(s);
	write_perf_map(path, text, 0600);
	if (geteuid() == 0) { /* of another user */
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_null(perfmap_read(getpid(), NULL));
		assert_int_equal(chown(path, 0, 0), 0);
	}
	s = symbolizer_new();
	assert_true(symbolizer_user(s, getpid(), (uintptr_t)code + 8, &sym));
	assert_string_equal(sym.name, "LazyCompile:~run /srv/app.js:1");
	assert_int_equal(sym.offset, 8);
	assert_false(symbolizer_user(s, getpid(), (uintptr_t)code + 0x40, &sym));
	unlink(path);
	symbolizer_free(s);
	munmap(code, 4096);
}

static void test_perf_map_text(void **state)
{
	static const char text[] =
		"1000 100 old\nbad line\nzz 1 x\n2000 10 other\n1080 20 newer code\n"
		"ffffffffffffff00 ffff wrap\n3000 0 empty\n4000 10";
	struct buf b = BUF_INIT;
	struct perfmap *m;
	uint64_t off;

	buf_adds(&b, text);
	m = perfmap_parse(&b);
	assert_string_equal(perfmap_find(m, 0x1004, &off), "old");
	assert_int_equal(off, 4);
	assert_string_equal(perfmap_find(m, 0x1084, &off), "newer code");
	assert_string_equal(perfmap_find(m, 0x10a0, &off), "old");
	assert_null(perfmap_find(m, 0x1100, &off));
	assert_null(perfmap_find(m, 0x3000, &off));
	assert_null(perfmap_find(m, 0x4004, &off));
	assert_null(perfmap_find(m, 0xfff, &off));
	perfmap_free(m);
}

/* ---- being told ---- */

static void nothing_new(void *arg)
{
}

/* A pid far above what the kernel gives. */
enum { PID = 0x3ffffff0 };

static void tell(struct symbolizer *s, int pid, uint64_t start, uint64_t len, uint64_t pgoff)
{
	struct stat st;

	assert_int_equal(stat(subject_path(), &st), 0);
	symbolizer_mapping(s, pid,
			   &(struct sym_mapping){.start = start,
						 .len = len,
						 .pgoff = pgoff,
						 .maj = major(st.st_dev),
						 .min = minor(st.st_dev),
						 .ino = st.st_ino,
						 .generation = 1,
						 .path = subject_path()});
}

static bool named(struct symbolizer *s, int pid, uint64_t addr, const char *want)
{
	struct symbol sym;

	return symbolizer_user(s, pid, addr, &sym) && strcmp(sym.name, want) == 0;
}

static struct symbolizer *told_symbolizer(struct elf_func *work)
{
	struct elf *f = elf_open(subject_path(), NULL);
	struct symbolizer *s = symbolizer_new();

	assert_true(elf_func_find(f, STR("subject_work"), work));
	elf_close(f);
	symbolizer_follow(s, nothing_new, NULL);
	return s;
}

static void test_told_exec_and_exit(void **state)
{
	struct elf_func work;
	struct symbolizer *s = told_symbolizer(&work);

	symbolizer_exec(s, PID);
	tell(s, PID, 0x100000000, 1 << 20, 0);
	assert_true(named(s, PID, 0x100000000 + work.offset, "subject_work"));
	symbolizer_exec(s, PID); /* the first program's addresses are still known */
	tell(s, PID, 0x200000000, 1 << 20, 0);
	symbolizer_exit(s, PID);
	assert_true(named(s, PID, 0x100000000 + work.offset, "subject_work"));
	assert_true(named(s, PID, 0x200000000 + work.offset, "subject_work"));
	assert_false(named(s, PID, 0x300000000 + work.offset, "subject_work"));
	symbolizer_free(s);
}

static void test_told_fork(void **state)
{
	struct elf_func work;
	struct symbolizer *s = told_symbolizer(&work);

	symbolizer_exec(s, PID);
	tell(s, PID, 0x100000000, 1 << 20, 0);
	symbolizer_fork(s, PID, PID + 1);
	tell(s, PID, 0x200000000, 1 << 20, 0); /* the parent's alone */
	tell(s, PID + 1, 0x400000000, 1 << 20, 0);
	assert_true(named(s, PID + 1, 0x100000000 + work.offset, "subject_work"));
	assert_false(named(s, PID + 1, 0x200000000 + work.offset, "subject_work"));
	assert_false(named(s, PID, 0x400000000 + work.offset, "subject_work"));
	symbolizer_free(s);
}

static void test_told_many(void **state)
{
	struct elf_func work;
	struct symbolizer *s = told_symbolizer(&work);

	for (int i = 0; i < 70000; i++) {
		symbolizer_exec(s, PID - i);
		tell(s, PID - i, 0x100000000, 1 << 20, 0);
		symbolizer_exit(s, PID - i);
	}
	assert_true(named(s, PID - 69999, 0x100000000 + work.offset, "subject_work"));
	assert_false(named(s, PID, 0x100000000 + work.offset, "subject_work"));
	symbolizer_free(s);
}

static void expect_map(const struct space *s, uint64_t addr, uint64_t start, uint64_t end,
		       uint64_t offset)
{
	const struct mapping *m = space_find(s, addr);

	assert_non_null(m);
	assert_int_equal(m->start, start);
	assert_int_equal(m->end, end);
	assert_int_equal(m->offset, offset);
}

static void test_space_on_top(void **state)
{
	struct space *s = space_new(), *shared;

	space_map(s, &(struct mapping){.start = 0x1000, .end = 0x9000, .offset = 0x100});
	space_map(s, &(struct mapping){.start = 0x3000, .end = 0x4000, .offset = 0});
	expect_map(s, 0x2fff, 0x1000, 0x3000, 0x100);
	expect_map(s, 0x3000, 0x3000, 0x4000, 0);
	expect_map(s, 0x4000, 0x4000, 0x9000, 0x3100);
	shared = space_own(space_ref(s));
	assert_ptr_not_equal(shared, s);
	space_map(shared, &(struct mapping){.start = 0, .end = 0x8000, .offset = 0});
	expect_map(shared, 0x8000, 0x8000, 0x9000, 0x7100);
	expect_map(shared, 0x3000, 0, 0x8000, 0);
	expect_map(s, 0x3000, 0x3000, 0x4000, 0);
	assert_null(space_find(s, 0x9000));
	assert_null(space_find(s, 0xfff));
	space_unref(shared);
	space_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_exec_and_exit),
		cmocka_unit_test(test_told_fork),
		cmocka_unit_test(test_told_many),
		cmocka_unit_test(test_space_on_top),
		cmocka_unit_test(test_running_and_gone),
		cmocka_unit_test(test_ourselves),
		cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_perf_map),
		cmocka_unit_test(test_perf_map_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
