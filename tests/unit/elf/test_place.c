/* Where probes land and what they cost. */
#include "elf_test.h"
#include "elf/insn.h"

#include <elf.h>

static struct placement place_by(struct elf *f, const char *name, int64_t plus, unsigned flags)
{
	struct elf_func fn = must_find(f, name);
	struct placement p;

	elf_place(f, fn.offset + (uint64_t)plus, fn.size, flags, &p);
	p.offset -= fn.offset;
	return p;
}

static struct placement place(struct elf *f, const char *name, int64_t plus, bool exact)
{
	return place_by(f, name, plus, PLACE_CALLS | (exact ? PLACE_EXACT : 0));
}

static void test_moves(void **state)
{
	struct elf *f = subject_open();
	struct placement p = place(f, "subject_landing", 0, false);

	assert_int_equal(p.offset, 4);
	assert_int_equal(p.cost, COST_EMULATED);
	assert_true(p.moved);
	assert_string_equal(p.insn, "push %rbp");
	p = place(f, "subject_nop5", 0, false);
	assert_int_equal(p.offset, 4);
	assert_int_equal(p.cost, COST_CHEAP);
	p = place(f, "subject_jump", 0, false);
	assert_int_equal(p.offset, 4);
	assert_int_equal(p.cost, COST_EMULATED);
	elf_close(f);
}

static void test_stays(void **state)
{
	struct elf *f = subject_open();
	struct placement p = place(f, "subject_mov", 0, false);

	assert_int_equal(p.offset, 0);
	assert_int_equal(p.cost, COST_STEPPED);
	assert_false(p.moved);
	assert_string_equal(p.insn, "endbr64");
	/* Behind the mark is the head of a loop: a probe there would count rounds. */
	p = place(f, "subject_loop", 0, false);
	assert_int_equal(p.offset, 0);
	p = place(f, "subject_landing", 0, true);
	assert_int_equal(p.offset, 0);
	assert_int_equal(p.cost, COST_STEPPED);
	elf_close(f);
}

static void test_refused(void **state)
{
	struct elf *f = subject_open();
	struct placement p = place(f, "subject_lock", 0, false);
	struct elf_section s;

	assert_int_equal(p.cost, COST_REFUSED);
	assert_non_null(strstr(p.why, "lock prefix"));
	p = place(f, "subject_int3", 0, false);
	assert_int_equal(p.cost, COST_REFUSED);
	assert_non_null(strstr(p.why, "int3"));
	p = place(f, "subject_landing", 2, true);
	assert_int_equal(p.cost, COST_REFUSED);
	assert_non_null(strstr(p.why, "middle of an instruction"));
	p = place(f, "subject_landing", 4, true);
	assert_int_equal(p.cost, COST_EMULATED);
	assert_true(elf_section_find(f, ".data", &s));
	elf_place(f, s.offset, 0, PLACE_EXACT, &p);
	assert_int_equal(p.cost, COST_REFUSED);
	assert_non_null(strstr(p.why, "executable"));
	elf_close(f);
}

/* What the kernel makes of a nop5 writes below the stack pointer. */
static void test_red_zone(void **state)
{
	struct elf *f = subject_open();
	struct placement p = place(f, "subject_red_zone", 4, true);

	assert_int_equal(p.cost, COST_REFUSED);
	assert_non_null(strstr(p.why, "below the stack pointer"));
	p = place_by(f, "subject_red_zone", 4, PLACE_SITE | PLACE_CALLS);
	assert_int_equal(p.cost, COST_REFUSED);
	p = place_by(f, "subject_red_zone", 4, PLACE_EXACT);
	assert_int_equal(p.cost, COST_STEPPED);
	p = place(f, "subject_nop5", 4, true);
	assert_int_equal(p.cost, COST_CHEAP);
	if (insn_can_walk(EM_X86_64)) {
		p = place(f, "subject_caller", 1, true);
		assert_int_equal(p.cost, COST_CHEAP);
	}
	elf_close(f);
}

static void test_site(void **state)
{
	struct elf *f = subject_open();
	struct placement p = place_by(f, "subject_stub", 0, PLACE_SITE | PLACE_CALLS);

	assert_int_equal(p.offset, 1);
	assert_int_equal(p.cost, COST_CHEAP);
	p = place_by(f, "subject_stub", 0, PLACE_SITE);
	assert_int_equal(p.offset, 0);
	assert_int_equal(p.cost, COST_EMULATED);
	p = place_by(f, "subject_stub", 0, PLACE_EXACT | PLACE_CALLS);
	assert_int_equal(p.offset, 0);
	p = place_by(f, "subject_lock", 0, PLACE_SITE);
	assert_int_equal(p.cost, COST_REFUSED);
	elf_close(f);
}

struct insn_case {
	const char *bytes;
	size_t n;
	enum insn_kind kind;
	bool refused;
};

#define CASE(bytes, kind, refused)                      \
	{                                               \
		bytes, sizeof(bytes) - 1, kind, refused \
	}

/* As measured: kind by the cost of a probe, refusals by the answer of the kernel. */
static void test_x86_kinds(void **state)
{
	static const struct insn_case cases[] = {
		CASE("\x49\x90", INSN_OTHER, true), /* xchg %rax,%r8, to the kernel a nop */
		CASE("\x90", INSN_NOP, false),
		CASE("\x66\x90", INSN_NOP, false),
		CASE("\x0f\x1f\x40\x00", INSN_NOP, false),
		CASE("\x0f\x1f\x44\x00\x00", INSN_NOP5, false),
		CASE("\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", INSN_NOP, true),
		CASE("\x55", INSN_PUSH, false),
		CASE("\x41\x54", INSN_PUSH, false),
		CASE("\x40\x55", INSN_OTHER, false),
		CASE("\x6a\x00", INSN_OTHER, false),
		CASE("\xeb\x00", INSN_BRANCH, false),
		CASE("\x74\x00", INSN_BRANCH, false),
		CASE("\xe9\x00\x00\x00\x00", INSN_BRANCH, false),
		CASE("\x0f\x84\x00\x00\x00\x00", INSN_BRANCH, false),
		CASE("\xe8\x00\x00\x00\x00", INSN_BRANCH, false),
		CASE("\xe3\x00", INSN_OTHER, false),
		CASE("\xe2\x00", INSN_OTHER, false),
		CASE("\xf3\x0f\x1e\xfa", INSN_LANDING, false),
		CASE("\xc3", INSN_OTHER, false),
		CASE("\x0f\x05", INSN_OTHER, false),
		CASE("\xcc", INSN_OTHER, true),
		CASE("\xf4", INSN_OTHER, true),
		CASE("\xfa", INSN_OTHER, true),
		CASE("\xcd\x80", INSN_OTHER, true),
		CASE("\x8e\xd0", INSN_OTHER, true),
		CASE("\x8e\xd8", INSN_OTHER, false),
		CASE("\x3e\xff\xe0", INSN_OTHER, true),
		CASE("\xf0\x48\x0f\xb1\x0f", INSN_OTHER, true),
		/* Behind a vector prefix: vmovaps and vpaddd are stepped; vzeroupper, vpshufd,
		 * vpcmpeqb, vpbroadcastb, vcmpps, vfmsub132ps, vpor, which the kernel would take
		 * for jumps, a return and a call; vmovd, which it takes for outs. */
		CASE("\xc5\xf8\x28\xc1", INSN_OTHER, false),
		CASE("\xc5\xf9\xef\xc0", INSN_OTHER, true),
		CASE("\xc5\xf9\xfe\xc0", INSN_OTHER, false),
		CASE("\xc5\xf8\x77", INSN_OTHER, true),
		CASE("\xc5\xf9\x70\xc1\x10", INSN_OTHER, true),
		CASE("\xc5\xf9\x74\xc1", INSN_OTHER, true),
		CASE("\x62\xe2\x7d\x28\x7a\xce", INSN_OTHER, true),
		CASE("\xc5\xf8\xc2\xc1\x00", INSN_OTHER, true),
		CASE("\xc4\xe2\x71\x9a\xc2", INSN_OTHER, true),
		CASE("\xc5\xf9\xeb\xc1", INSN_OTHER, true),
		CASE("\xc5\xf9\x6e\xc7", INSN_OTHER, true),
	};

	if (!insn_can_walk(EM_X86_64))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct insn in;

		if (!insn_decode(EM_X86_64, true, (const uint8_t *)cases[i].bytes, cases[i].n, &in))
			fail_msg("case %zu is not decoded", i);
		assert_int_equal(in.len, cases[i].n);
		if (in.kind != cases[i].kind || !!in.refused != cases[i].refused)
			fail_msg("case %zu: kind %d, %s", i, in.kind,
				 in.refused ? in.refused : "taken");
	}
}

static void test_arm64(void **state)
{
	static const uint32_t words[] = {0xd503245f /* bti c */, 0xd503201f /* nop */,
					 0x14000002 /* b +8 */,  0x885f7c00 /* ldxr */,
					 0xa9bf7bfd /* stp */,   0x54ffffe1 /* b.ne -4 */};
	static const enum insn_kind kinds[] = {INSN_LANDING, INSN_NOP,   INSN_BRANCH,
					       INSN_OTHER,   INSN_OTHER, INSN_BRANCH};
	struct insn in;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		assert_true(insn_decode(EM_AARCH64, true, (const uint8_t *)&words[i], 4, &in));
		assert_int_equal(in.kind, kinds[i]);
		assert_int_equal(in.refused != NULL, i == 3);
		if (i == 2)
			assert_int_equal(in.target, 8);
		if (i == 5)
			assert_int_equal(in.target, -4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moves),   cmocka_unit_test(test_stays),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_x86_kinds),
		cmocka_unit_test(test_arm64),   cmocka_unit_test(test_red_zone),
		cmocka_unit_test(test_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
