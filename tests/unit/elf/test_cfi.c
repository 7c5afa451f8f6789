/* Unwinding rows against libdw's reading of the same .eh_frame, and malformed tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "elf/elf.h"

/* ---- what libdw says ------------------------------------------------------------------------- */

static bool cfa_is(Dwarf_Frame *frame, const struct elf_unwind_row *row)
{
	uint64_t reg = row->kind == ELF_UNWIND_BP || row->kind == ELF_UNWIND_DEREF_BP ? 6 : 7;
	int64_t off = row->cfa * 8;
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_frame_cfa(frame, &ops, &n) != 0 || n == 0)
		return row->kind == ELF_UNWIND_BAD;
	if (row->kind == ELF_UNWIND_PLT)
		return n > 8 && ops[0].atom == DW_OP_breg7 && ops[0].number == 8;
	if (row->kind == ELF_UNWIND_DEREF_BP)
		return n == 2 && ops[0].atom == DW_OP_breg6 && (int64_t)ops[0].number == off &&
		       ops[1].atom == DW_OP_deref;
	if (ops[0].atom == DW_OP_bregx)
		return n == 1 && ops[0].number == reg && (int64_t)ops[0].number2 == off;
	return n == 1 && ops[0].atom == DW_OP_breg0 + reg && (int64_t)ops[0].number == off;
}

/* libdw gives the place of a saved register as an expression that begins with the CFA on the stack:
 * call_frame_cfa, plus_uconst or const and plus. */
static bool bp_is(Dwarf_Frame *frame, const struct elf_unwind_row *row)
{
	Dwarf_Op mem[3], *ops;
	size_t n;

	if (dwarf_frame_register(frame, 6, mem, &ops, &n) != 0)
		return false;
	if (n == 0)
		return row->bp == ELF_BP_SAME;
	if (row->bp == ELF_BP_THERE)
		return ops[0].atom == DW_OP_breg6 && ops[0].number == 0;
	return ops[0].atom == DW_OP_call_frame_cfa && n == 2 && ops[1].atom == DW_OP_plus_uconst &&
	       (int64_t)ops[1].number == -8 * (int64_t)row->bp;
}

static bool ra_undefined(Dwarf_Frame *frame)
{
	Dwarf_Op mem[3], *ops;
	size_t n;

	return dwarf_frame_register(frame, 16, mem, &ops, &n) == 0 && n == 0 && ops == mem;
}

static bool row_is(Dwarf_CFI *cfi, uint64_t addr, const struct elf_unwind_row *row)
{
	Dwarf_Frame *frame = NULL;
	bool ok, signal;

	if (dwarf_cfi_addrframe(cfi, addr, &frame) != 0)
		return row->kind == ELF_UNWIND_NONE;
	dwarf_frame_info(frame, NULL, NULL, &signal);
	if (row->kind == ELF_UNWIND_BAD)
		ok = true; /* counted by the caller */
	else if (row->kind == ELF_UNWIND_SIGNAL)
		ok = signal;
	else if (row->kind == ELF_UNWIND_END)
		ok = ra_undefined(frame);
	else
		ok = cfa_is(frame, row) && bp_is(frame, row);
	free(frame);
	return ok;
}

/* At the first and the last byte of each row. */
static void compare(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct elf *f = elf_open(path, NULL);
	struct elf_unwind u;
	Dwarf_CFI *cfi;
	size_t bad = 0;
	Elf *e;

	assert_true(fd >= 0);
	assert_non_null(f);
	assert_int_equal(elf_unwind_read(f, &u, NULL), 0);
	assert_true(u.n > 10);
	elf_version(EV_CURRENT);
	e = elf_begin(fd, ELF_C_READ, NULL);
	cfi = dwarf_getcfi_elf(e);
	assert_non_null(cfi);
	for (size_t i = 0; i + 1 < u.n; i++) {
		const struct elf_unwind_row *row = &u.rows[i];

		assert_true(row->pc < u.rows[i + 1].pc);
		if (!row_is(cfi, u.base + row->pc, row) ||
		    !row_is(cfi, u.base + u.rows[i + 1].pc - 1, row))
			fail_msg("%s: row %zu at %lx: kind %u cfa %d bp %u", path, i,
				 (unsigned long)(u.base + row->pc), row->kind, row->cfa, row->bp);
		bad += row->kind == ELF_UNWIND_BAD;
	}
	assert_true(bad * 100 <= u.n); /* nearly all code can be unwound */
	dwarf_cfi_end(cfi);
	elf_end(e);
	close(fd);
	elf_unwind_free(&u);
	elf_close(f);
}

static void test_subject_as_libdw(void **state)
{
	compare(getenv("ELF_SUBJECT"));
}

static void test_libc_as_libdw(void **state)
{
	char path[4096];

	if (elf_resolve(STR("libc.so.6"), 0, path, sizeof(path), NULL) < 0)
		skip();
	compare(path);
	assert_int_equal(elf_resolve(STR("libstdc++.so.6"), 0, path, sizeof(path), NULL), 0);
	compare(path);
}

static void test_frame_pointers_are_seen(void **state)
{
	struct elf_unwind_row sp[] = {
		{0, 1, 0, ELF_UNWIND_SP}, {90, 2, 2, ELF_UNWIND_BP}, {100, 0, 0, ELF_UNWIND_NONE}};
	struct elf_unwind u = {0, sp, 3};

	assert_true(elf_unwind_lacks_bp(&u));
	sp[1].pc = 5;
	assert_false(elf_unwind_lacks_bp(&u));
}

/* ---- malformed ------------------------------------------------------------------------------- */

/* Every byte of the section, one after the other, set to something else: no crash, rows in order.
 */
static void test_broken_tables(void **state)
{
	struct buf b = BUF_INIT;
	struct elf_section s;
	struct elf *f;

	assert_int_equal(buf_read_file(&b, getenv("ELF_SUBJECT"), 16 << 20), 0);
	f = elf_open_memory(b.p, b.n, "subject", NULL);
	assert_non_null(f);
	assert_true(elf_section_find(f, ".eh_frame", &s));
	for (size_t i = 0; i < s.size * 4; i++) {
		static const char with[] = {0, (char)0xff, 0x7f, 0x41};
		char *at = b.p + s.offset + i / 4, old = *at;
		struct elf_unwind u;

		*at = with[i % 4];
		if (elf_unwind_read(f, &u, NULL) == 0) {
			for (size_t k = 0; k + 1 < u.n; k++)
				assert_true(u.rows[k].pc < u.rows[k + 1].pc);
		}
		elf_unwind_free(&u);
		*at = old;
	}
	elf_close(f);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subject_as_libdw),
		cmocka_unit_test(test_libc_as_libdw),
		cmocka_unit_test(test_frame_pointers_are_seen),
		cmocka_unit_test(test_broken_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
