/* Opening files, and files that lie: cut short, with flipped bytes, changed while they are read. */
#include "elf_test.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct buf read_subject(void)
{
	struct buf b = BUF_INIT;

	assert_true(buf_read_file(&b, subject_path(), 1 << 24) >= 0);
	return b;
}

static void exercise_bytes(const uint8_t *p, size_t n)
{
	/* A copy of the exact size, so that a read behind it is seen by the sanitizer. */
	uint8_t *copy = malloc(n ? n : 1);
	struct elf *f;

	memcpy(copy, p, n);
	f = elf_open_memory(copy, n, "bytes", NULL);
	if (f)
		exercise(f);
	elf_close(f);
	free(copy);
}

static void test_headers(void **state)
{
	struct elf *f = subject_open();
	struct elf_section s;
	uint64_t addr, offset;

	assert_int_equal(elf_machine(f), EM_X86_64);
	assert_true(elf_is_64(f));
	assert_false(elf_is_go(f));
	assert_true(elf_section_find(f, ".text", &s));
	assert_non_null(s.data);
	assert_true(elf_addr_to_offset(f, s.addr, &offset));
	assert_int_equal(offset, s.offset);
	assert_true(elf_offset_to_addr(f, s.offset, &addr));
	assert_int_equal(addr, s.addr);
	assert_true(elf_offset_is_text(f, s.offset));
	assert_true(elf_section_find(f, ".data", &s));
	assert_false(elf_offset_is_text(f, s.offset));
	assert_false(elf_addr_to_offset(f, 1ull << 60, &offset));
	elf_close(f);
}

static void test_not_elf(void **state)
{
	struct err e = {0};

	assert_null(elf_open("/etc/passwd", &e));
	assert_string_equal(e.what, "read /etc/passwd: not an ELF file");
	assert_null(elf_open("/nonexistent", &e));
	assert_string_equal(e.what, "open /nonexistent: No such file or directory");
	assert_null(elf_open("/dev/null", &e));
	assert_string_equal(e.what, "read /dev/null: not a regular file");
}

static void test_truncated(void **state)
{
	struct buf b = read_subject();

	for (size_t n = 0; n < b.n; n += n < 4096 ? 1 : 7)
		exercise_bytes((const uint8_t *)b.p, n);
	buf_release(&b);
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

/* One to four bytes each, half of them in the first 64 and the section headers. */
static void test_flipped(void **state)
{
	struct buf b = read_subject();
	uint8_t *p = malloc(b.n);
	uint64_t rng = 88172645463325252ull;
	uint64_t shoff;

	memcpy(&shoff, b.p + offsetof(Elf64_Ehdr, e_shoff), 8);
	for (int i = 0; i < 20000; i++) {
		memcpy(p, b.p, b.n);
		for (uint64_t k = 0; k < 1 + i % 4; k++) {
			uint64_t r = next_random(&rng), at = r % b.n;

			if (r & (1ull << 40))
				at = (r & (1ull << 41)) ? r % 64 : shoff + r % (b.n - shoff);
			p[at] = (uint8_t)(next_random(&rng) >> 24);
		}
		exercise_bytes(p, b.n);
	}
	free(p);
	buf_release(&b);
}

/* A file of others is read into memory; cutting it meanwhile must not raise SIGBUS. */
static void test_cut_while_open(void **state)
{
	struct buf b = read_subject();
	char path[] = "/tmp/awl-elf-XXXXXX";
	int fd = mkstemp(path);
	struct elf *f;

	assert_int_equal(write(fd, b.p, b.n), b.n);
	assert_int_equal(fchmod(fd, 0666), 0);
	f = elf_open(path, NULL);
	assert_non_null(f);
	must_find(f, "main");
	assert_int_equal(ftruncate(fd, 0), 0);
	exercise(f);
	elf_close(f);
	unlink(path);
	close(fd);
	buf_release(&b);
}

static void test_untrusted_is_the_same(void **state)
{
	struct buf b = read_subject();
	struct elf *f, *g = subject_open();
	const struct elf_func *fa, *fb;
	int fd = memfd_create("copy", 0);
	size_t na, nb;

	assert_int_equal(write(fd, b.p, b.n), b.n);
	f = elf_open_fd(fd, "/proc/self/fd/copy", NULL);
	assert_non_null(f);
	assert_int_equal(elf_funcs(f, &fa, &na, NULL), 0);
	assert_int_equal(elf_funcs(g, &fb, &nb, NULL), 0);
	assert_int_equal(na, nb);
	for (size_t i = 0; i < na; i++) {
		assert_string_equal(fa[i].name, fb[i].name);
		assert_int_equal(fa[i].offset, fb[i].offset);
	}
	elf_close(f);
	elf_close(g);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),        cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_truncated),      cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_cut_while_open), cmocka_unit_test(test_untrusted_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
