/* The file of a compiled program: what is written is read again, and whatever else the bytes are,
 * reading ends with a message and touches nothing that is not there (run under the sanitizers). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "aot/wire.h"
#include "made.h"

static const char script[] =
	"let @h = hash(100);\n"
	"begin { @a[comm, pid] = count(); @h[1] = 2; @q = hist(pid); @l = lhist(pid, 0, 10, 1);\n"
	"  printf(\"%-5d|%s|%r\\n\", pid, comm, buf(\"ab\", 2)); print(@a, 3, 2); "
	"time(\"%H\\n\");\n"
	"  @t = tseries(3, 1s, 4); @r = (a=1, b=comm); print((1, \"x\", nsecs)); exit(3); }\n"
	"interval:s:1 { print(@q); clear(@a); @s[kstack(3)] = avg(1); }\n"
	"end { for ($kv : @h) { print($kv.0); } print(strftime(\"%S\", nsecs)); }\n";

static struct kernel *kernel;
static char dir[64];
static struct buf file;

static int setup(void **state)
{
	struct made m = made_usual;

	m.features = "BTF\nRINGBUF\nMMAPABLE\nATOMIC_FETCH\nLONG_KEYS\nPROBE_READ_KERNEL\n"
		     "KTIME_BOOT\nTEST_RUN_RAW_TP\nRAW_TP\nCOMM_PADS\nFOR_EACH_MAP\n";
	kernel = made_kernel(&m, dir);
	made_build(kernel, script, &file);
	return 0;
}

static int teardown(void **state)
{
	buf_release(&file);
	made_free(kernel, dir);
	return 0;
}

static struct str bytes_of(const struct buf *b)
{
	return (struct str){b->p, b->n};
}

/* A copy of just the size, so that a sanitizer sees reads behind the end. */
static char *copy_of(size_t n)
{
	char *copy = malloc(n + !n);

	memcpy(copy, file.p, n);
	return copy;
}

static void expect_refused(const char *p, size_t n, const char *why)
{
	struct made_load l;

	made_load(kernel, (struct str){p, n}, true, &l);
	assert_null(l.p);
	assert_int_equal(l.e.code, EBADMSG);
	assert_non_null(strstr(l.e.what, why));
	assert_true(l.e.hint[0]);
	made_load_free(&l);
}

static void test_round_trip(void **state)
{
	const struct compile_in in = {.kernel = kernel, .name = "-e", .text = str_of(script)};
	struct arena *a;
	struct diag *d;
	struct program *fresh = compile_script(&in, &d, &a);
	struct made_load l;

	made_load(kernel, bytes_of(&file), false, &l);
	assert_non_null(l.p);
	assert_false(l.report.recompiled);
	assert_int_equal(l.report.moved, 0);
	assert_int_equal(l.p->nprogs, fresh->nprogs);
	assert_int_equal(l.p->nmaps, fresh->nmaps);
	assert_int_equal(l.p->nevents, fresh->nevents);
	for (size_t i = 0; i < fresh->nprogs; i++) {
		assert_int_equal(l.p->progs[i].code.n, fresh->progs[i].code.n);
		assert_memory_equal(l.p->progs[i].code.insns, fresh->progs[i].code.insns,
				    fresh->progs[i].code.n * sizeof(struct bpf_insn));
		assert_memory_equal(l.p->progs[i].code.spans, fresh->progs[i].code.spans,
				    fresh->progs[i].code.n * sizeof(struct span));
	}
	made_load_free(&l);
	program_free(fresh);
}

static void test_same_bytes_each_time(void **state)
{
	struct buf again = BUF_INIT;

	made_build(kernel, script, &again);
	assert_int_equal(again.n, file.n);
	assert_memory_equal(again.p, file.p, file.n);
	buf_release(&again);
}

static void test_cut_anywhere(void **state)
{
	for (size_t n = 0; n < file.n; n++) {
		char *copy = copy_of(n);

		expect_refused(copy, n, n < 8 ? "no compiled program" : "cut short");
		free(copy);
	}
}

static void test_longer(void **state)
{
	char *more = malloc(file.n + 8);

	memcpy(more, file.p, file.n);
	memset(more + file.n, 0, 8);
	expect_refused(more, file.n + 8, "added at its end");
	free(more);
}

static void test_each_bit(void **state)
{
	char *copy = copy_of(file.n);

	for (size_t bit = 0; bit < file.n * 8; bit++) {
		copy[bit / 8] ^= (char)(1 << (bit % 8));
		expect_refused(copy, file.n, "");
		copy[bit / 8] ^= (char)(1 << (bit % 8));
	}
	free(copy);
}

static void put_sum(char *p, size_t n)
{
	uint64_t h = wire_checksum(wire_checksum(WIRE_CHECKSUM, p, 24), p + 32, n - 32);

	for (int i = 0; i < 8; i++)
		p[24 + i] = (char)(h >> (8 * i));
}

/* With the checksum made right, as somebody who means harm would: either it is refused, or it is a
 * program whose parts fit together; the sanitizers watch. */
static void test_each_bit_with_its_sum(void **state)
{
	char *copy = copy_of(file.n);
	size_t loaded = 0, refused = 0;

	for (size_t bit = 32 * 8; bit < file.n * 8; bit += 3) {
		struct made_load l;

		copy[bit / 8] ^= (char)(1 << (bit % 8));
		put_sum(copy, file.n);
		made_load(kernel, (struct str){copy, file.n}, false, &l);
		if (l.p)
			loaded++;
		else
			refused++;
		assert_true(l.p || l.e.code || diag_errors(l.diag));
		made_load_free(&l);
		copy[bit / 8] ^= (char)(1 << (bit % 8));
	}
	assert_true(loaded > 0 && refused > 0);
	free(copy);
}

static void patched(size_t at, uint8_t value, const char *why)
{
	char *copy = copy_of(file.n);

	copy[at] = (char)value;
	put_sum(copy, file.n);
	expect_refused(copy, file.n, why);
	free(copy);
}

static void test_header(void **state)
{
	patched(0, 'x', "no compiled program");
	patched(8, 2, "newer than this awl");
	patched(8, 0, "newer than this awl");
	patched(10, 0x12, "byte order");
	patched(12, 8, "another kind of processor");
	patched(48, 1, "table of sections");
}

/* A file of another awl is no reason to refuse: its script is compiled again. */
static void test_made_by_another(void **state)
{
	char *copy = copy_of(file.n);
	struct made_load l;

	copy[32] = '9';
	put_sum(copy, file.n);
	made_load(kernel, (struct str){copy, file.n}, false, &l);
	assert_non_null(l.p);
	assert_true(l.report.recompiled);
	assert_string_equal(l.report.why, "awl 9.1.0 made it");
	made_load_free(&l);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_same_bytes_each_time),
		cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_longer),
		cmocka_unit_test(test_each_bit),     cmocka_unit_test(test_each_bit_with_its_sum),
		cmocka_unit_test(test_header),       cmocka_unit_test(test_made_by_another),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
