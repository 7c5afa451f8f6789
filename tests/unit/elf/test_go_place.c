/* Where calls and returns of Go functions are probed: code of several releases, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <elf.h>
#include "elf/go.h"

enum { BASE = 0x401000, MORE = 0x402000 };

static const uint64_t more[] = {MORE};

struct fixture {
	struct arena *a;
	uint8_t code[256];
	size_t n;
	uint16_t machine;
	bool no_calls;
	struct go_places pl;
};

static void bytes(struct fixture *f, const char *p, size_t n)
{
	memcpy(f->code + f->n, p, n);
	f->n += n;
}
#define CODE(f, text) bytes(f, text, sizeof(text) - 1)

/* call or jmp (e8, e9) to a link-time address */
static void branch(struct fixture *f, uint8_t opcode, uint64_t to)
{
	int32_t rel = (int32_t)(to - (BASE + f->n + 5));

	f->code[f->n++] = opcode;
	memcpy(f->code + f->n, &rel, 4);
	f->n += 4;
}

static void place(struct fixture *f)
{
	struct go_code c = {f->code, f->n, BASE, more, 1, f->machine, !f->no_calls};

	go_place_code(&c, f->a, &f->pl);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->a = arena_new();
	f->machine = EM_X86_64;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(f->a);
	free(f);
	return 0;
}

/* cmp 0x10(%r14),%rsp; jbe +N */
static void small_check(struct fixture *f, uint8_t to)
{
	CODE(f, "\x49\x3b\x66\x10");
	f->code[f->n++] = 0x76;
	f->code[f->n] = (uint8_t)(to - (f->n + 1));
	f->n++;
}

/* The block that asks for more stack, with a spilled argument. */
static void more_block(struct fixture *f)
{
	CODE(f, "\x48\x89\x44\x24\x08"); /* mov %rax,0x8(%rsp) */
	branch(f, 0xe8, MORE);
	CODE(f, "\x48\x8b\x44\x24\x08");
	branch(f, 0xe9, BASE);
}

static void test_branch_of_the_check(void **state)
{
	struct fixture *f = *state;

	small_check(f, 11);
	CODE(f, "\x48\x83\xec\x18"); /* sub $0x18,%rsp */
	CODE(f, "\xc3");
	more_block(f);
	CODE(f, "\xcc\xcc\xcc\xcc");
	place(f);
	assert_null(f->pl.no_entry);
	assert_int_equal(f->pl.kind, GO_ENTRY_BRANCH);
	assert_int_equal(f->pl.entry.offset, 4);
	assert_int_equal(f->pl.entry.cost, COST_EMULATED);
	assert_null(f->pl.no_exits);
	assert_int_equal(f->pl.nexits, 1);
	assert_int_equal(f->pl.exits[0].offset, 10);
	assert_false(f->pl.exits[0].tail);
}

static void test_push_behind_the_check(void **state)
{
	struct fixture *f = *state;

	small_check(f, 12);
	CODE(f, "\x55\x48\x89\xe5\x5d\xc3"); /* push %rbp; mov %rsp,%rbp; pop; ret */
	more_block(f);
	place(f);
	assert_null(f->pl.no_entry);
	assert_int_equal(f->pl.kind, GO_ENTRY_BEHIND);
	assert_int_equal(f->pl.entry.offset, 6);
}

/* A frame of more than 4 KiB: the subtraction may wrap, both branches lead to the same block. */
static void test_last_branch_of_a_large_frame(void **state)
{
	struct fixture *f = *state;

	CODE(f, "\x49\x89\xe4");                 /* mov %rsp,%r12 */
	CODE(f, "\x49\x81\xec\x00\x40\x00\x00"); /* sub $0x4000,%r12 */
	CODE(f, "\x72\x0e");                     /* jb 26 */
	CODE(f, "\x4d\x3b\x66\x10");             /* cmp 0x10(%r14),%r12 */
	CODE(f, "\x0f\x86\x04\x00\x00\x00");     /* jbe 26 */
	CODE(f, "\x90\x90\x90\xc3");
	more_block(f);
	place(f);
	assert_null(f->pl.no_entry);
	assert_int_equal(f->pl.kind, GO_ENTRY_BRANCH);
	assert_int_equal(f->pl.entry.offset, 16);
}

/* Go 1.16 and older: g comes from the thread. */
static void test_check_by_the_thread(void **state)
{
	struct fixture *f = *state;

	CODE(f, "\x64\x48\x8b\x0c\x25\xf8\xff\xff\xff"); /* mov %fs:-8,%rcx */
	CODE(f, "\x48\x3b\x61\x10");                     /* cmp 0x10(%rcx),%rsp */
	CODE(f, "\x76\x01\xc3");
	branch(f, 0xe8, MORE);
	branch(f, 0xe9, BASE);
	place(f);
	assert_null(f->pl.no_entry);
	assert_int_equal(f->pl.kind, GO_ENTRY_BRANCH);
	assert_int_equal(f->pl.entry.offset, 13);
}

static void test_without_a_check(void **state)
{
	struct fixture *f = *state;

	CODE(f, "\x48\x01\xd8\xc3");
	place(f);
	assert_int_equal(f->pl.kind, GO_ENTRY_FIRST);
	assert_int_equal(f->pl.entry.offset, 0);
	assert_int_equal(f->pl.nexits, 1);
}

static void test_unknown_check_is_refused(void **state)
{
	struct fixture *f = *state;

	CODE(f, "\x49\x3b\x66\x10\x77\x05"); /* ja over the call */
	branch(f, 0xe8, MORE);
	CODE(f, "\xc3");
	place(f);
	assert_non_null(f->pl.no_entry);
	assert_non_null(strstr(f->pl.no_entry, "stack check"));
}

static void test_loops_are_refused(void **state)
{
	struct fixture *f = *state;

	CODE(f, "\x48\xff\xc8\x75\xfb\xc3"); /* dec %rax; jne 0; ret */
	place(f);
	assert_non_null(strstr(f->pl.no_entry, "loop"));
	assert_null(f->pl.no_exits);
}

/* Back to the check itself, beside the way back from morestack. */
static void test_loop_over_the_check_is_refused(void **state)
{
	struct fixture *f = *state;

	small_check(f, 9);
	CODE(f, "\x75\xf8\xc3"); /* jne 0; ret */
	more_block(f);
	place(f);
	assert_non_null(strstr(f->pl.no_entry, "loop"));
}

static void test_tail_jump_is_an_exit(void **state)
{
	struct fixture *f = *state;

	CODE(f, "\x48\x89\xc3");
	branch(f, 0xe9, BASE + 0x500);
	place(f);
	assert_int_equal(f->pl.nexits, 1);
	assert_true(f->pl.exits[0].tail);
	assert_int_equal(f->pl.exits[0].cost, COST_EMULATED);
}

static void test_no_exits(void **state)
{
	struct fixture *f = *state;

	branch(f, 0xe8, BASE + 0x500);
	CODE(f, "\x0f\x0b\xcc\xcc"); /* ud2 */
	place(f);
	assert_int_equal(f->pl.nexits, 0);
	assert_non_null(strstr(f->pl.no_exits, "never returns"));
}

/* What is no instruction hides what follows. */
static void test_data_in_code(void **state)
{
	struct fixture *f = *state;

	CODE(f, "\xeb\x02\x06\x06\xc3"); /* jmp over two bytes that mean nothing */
	place(f);
	assert_int_equal(f->pl.nexits, 1);
	assert_non_null(f->pl.no_exits);
}

static void test_nothing(void **state)
{
	struct fixture *f = *state;

	CODE(f, "\xcc\xcc");
	place(f);
	assert_non_null(f->pl.no_entry);
	assert_non_null(f->pl.no_exits);
}

static void test_names(void **state)
{
	assert_true(go_name_is("main.(*T).Load", STR("main.(*T).Load"), false));
	assert_true(go_name_is("gopkg.in/yaml%2ev3.Parse", STR("gopkg.in/yaml.v3.Parse"), false));
	assert_true(go_name_is("gopkg.in/yaml%2ev3.Parse", STR("gopkg.in/yaml%2ev3.Parse"), false));
	assert_false(go_name_is("main.T", STR("main.*"), false));
	assert_true(go_name_is("main.(*T).Load", STR("main.*Load"), true));
	assert_true(go_name_is("main.f[go.shape.int_0]", STR("main.f[*]"), true));
	assert_true(go_name_is("a/b%2ec.F", STR("*b.c.?"), true));
	assert_true(go_name_is("main.f", STR("*"), true));
	assert_false(go_name_is("main.f", STR("main.f?"), true));
	assert_false(go_name_is("main.ff", STR("main.f"), true));
	assert_false(go_name_is("", STR("main.f"), true));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- arm64 ---------------------------------------------------------------------------------- */

static void word(struct fixture *f, uint32_t w)
{
	memcpy(f->code + f->n, &w, 4);
	f->n += 4;
}

/* bl (0x94000000), b (0x14000000) to a link-time address */
static void branch_arm64(struct fixture *f, uint32_t opcode, uint64_t to)
{
	word(f, opcode | ((uint32_t)((int64_t)(to - (BASE + f->n)) / 4) & 0x3ffffff));
}

/* b.COND to an offset in the function */
static void cond_arm64(struct fixture *f, uint32_t cond, uint32_t to)
{
	word(f, 0x54000000 | (to - (uint32_t)f->n) / 4 << 5 | cond);
}

static void more_block_arm64(struct fixture *f)
{
	word(f, 0xf90007e0); /* str x0, [sp, #8] */
	word(f, 0xaa1e03e3); /* mov x3, x30 */
	branch_arm64(f, 0x94000000, MORE);
	word(f, 0xf94007e0); /* ldr x0, [sp, #8] */
	branch_arm64(f, 0x14000000, BASE);
	word(f, 0); /* padding */
	word(f, 0);
}

static void small_check_arm64(struct fixture *f, uint32_t cond, uint32_t to)
{
	f->machine = EM_AARCH64;
	word(f, 0xf9400b90); /* ldr x16, [x28, #16] */
	word(f, 0xeb3063ff); /* cmp sp, x16 */
	cond_arm64(f, cond, to);
}

static void test_arm64_branch_of_the_check(void **state)
{
	struct fixture *f = *state;

	small_check_arm64(f, 9, 24);
	word(f, 0xf81b0ffe); /* str x30, [sp, #-80]! */
	word(f, 0xd65f03c0); /* ret */
	word(f, 0xd65f03c0);
	more_block_arm64(f);
	place(f);
	assert_null(f->pl.no_entry);
	assert_int_equal(f->pl.kind, GO_ENTRY_BRANCH);
	assert_int_equal(f->pl.entry.offset, 8);
	assert_int_equal(f->pl.entry.cost, COST_EMULATED);
	assert_null(f->pl.no_exits);
	assert_int_equal(f->pl.nexits, 2);
	assert_int_equal(f->pl.exits[0].offset, 16);
	assert_int_equal(f->pl.exits[1].offset, 20);
	assert_int_equal(f->pl.exits[0].cost, COST_EMULATED);
}

static void test_arm64_last_branch_of_a_large_frame(void **state)
{
	struct fixture *f = *state;

	f->machine = EM_AARCH64;
	word(f, 0xd2883811);  /* mov x17, #16832 */
	word(f, 0xeb3163f1);  /* subs x17, sp, x17 */
	cond_arm64(f, 3, 32); /* b.lo */
	word(f, 0xf9400b90);  /* ldr x16, [x28, #16] */
	word(f, 0xeb10023f);  /* cmp x17, x16 */
	cond_arm64(f, 9, 32); /* b.ls */
	word(f, 0xd503201f);  /* nop */
	word(f, 0xd65f03c0);  /* ret */
	more_block_arm64(f);
	place(f);
	assert_null(f->pl.no_entry);
	assert_int_equal(f->pl.entry.offset, 20);
	assert_int_equal(f->pl.nexits, 1);
}

static void test_arm64_check_of_another_form(void **state)
{
	struct fixture *f = *state;

	small_check_arm64(f, 0, 16); /* b.eq */
	word(f, 0xd65f03c0);
	more_block_arm64(f);
	place(f);
	assert_non_null(f->pl.no_entry);
}

/* Without a check; the jump leads to another function, which returns to the caller. */
static void test_arm64_jump_out(void **state)
{
	struct fixture *f = *state;

	f->machine = EM_AARCH64;
	word(f, 0xf9001be1); /* str x1, [sp, #48] */
	branch_arm64(f, 0x14000000, BASE + 0x4000);
	place(f);
	assert_int_equal(f->pl.kind, GO_ENTRY_FIRST);
	assert_int_equal(f->pl.entry.cost, COST_STEPPED);
	assert_int_equal(f->pl.nexits, 1);
	assert_true(f->pl.exits[0].tail);
}

/* A constant behind the code that looks like a return, one like a conditional jump far away. */
static void test_arm64_constants_are_no_code(void **state)
{
	struct fixture *f = *state;

	f->machine = EM_AARCH64;
	word(f, 0x58000060); /* ldr x0, 12 */
	word(f, 0xd65f03c0); /* ret */
	word(f, 0xd503201f); /* nop */
	word(f, 0xd65f03c0); /* eight bytes of data */
	word(f, 0x5400fff9);
	place(f);
	assert_null(f->pl.no_exits);
	assert_int_equal(f->pl.nexits, 1);
	assert_int_equal(f->pl.exits[0].offset, 4);
}

/* A call by a register is no way out; a jump by one is, where there is no other. */
static void test_arm64_registers(void **state)
{
	struct fixture *f = *state;

	f->machine = EM_AARCH64;
	word(f, 0xd63f0340); /* blr x26 */
	word(f, 0xd61f0360); /* br x27 */
	place(f);
	assert_int_equal(f->pl.nexits, 1);
	assert_int_equal(f->pl.exits[0].offset, 4);
	assert_true(f->pl.exits[0].tail);
	assert_int_equal(f->pl.exits[0].cost, COST_EMULATED);
}

/* A goroutine that is preempted while an address is made in x27 goes back to the first instruction.
 */
static void test_arm64_behind_what_is_done_again(void **state)
{
	struct fixture *f = *state;

	f->machine = EM_AARCH64;
	word(f, 0xb000073b); /* adrp x27, … */
	word(f, 0x913fa37b); /* add x27, x27, #0xfe8 */
	word(f, 0xf9400361); /* ldr x1, [x27] */
	word(f, 0xd65f03c0);
	place(f);
	assert_int_equal(f->pl.kind, GO_ENTRY_FIRST);
	assert_int_equal(f->pl.entry.offset, 8);

	f->n = 0;
	word(f, 0xd282005b); /* mov x27, #0x1002 */
	word(f, 0xf2a2005b); /* movk x27, #0x1002, lsl #16 */
	word(f, 0x8b1b0000); /* add x0, x0, x27 */
	word(f, 0xd65f03c0);
	place(f);
	assert_int_equal(f->pl.entry.offset, 8);

	f->n = 0;
	word(f, 0xf90003fb); /* str x27, [sp]: nothing is made */
	word(f, 0xd65f03c0);
	place(f);
	assert_int_equal(f->pl.entry.offset, 0);
}

/* An exclusive load takes no probe. */
static void test_arm64_refused(void **state)
{
	struct fixture *f = *state;

	f->machine = EM_AARCH64;
	word(f, 0xc85ffc02); /* ldaxr x2, [x0] */
	word(f, 0xd65f03c0);
	place(f);
	assert_non_null(f->pl.no_entry);
	assert_null(f->pl.no_exits);
}

/* ---- what a place costs -----------------------------------------------------------------------
 */

static void test_nop5_is_a_call_on_some_kernels_only(void **state)
{
	struct fixture *f = *state;

	CODE(f, "\x0f\x1f\x44\x00\x00\xc3");
	place(f);
	assert_int_equal(f->pl.entry.cost, COST_CHEAP);
	f->no_calls = true;
	place(f);
	assert_int_equal(f->pl.entry.cost, COST_STEPPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_branch_of_the_check),
		TEST(test_push_behind_the_check),
		TEST(test_last_branch_of_a_large_frame),
		TEST(test_check_by_the_thread),
		TEST(test_without_a_check),
		TEST(test_unknown_check_is_refused),
		TEST(test_loops_are_refused),
		TEST(test_loop_over_the_check_is_refused),
		TEST(test_tail_jump_is_an_exit),
		TEST(test_no_exits),
		TEST(test_data_in_code),
		TEST(test_nothing),
		TEST(test_arm64_branch_of_the_check),
		TEST(test_arm64_last_branch_of_a_large_frame),
		TEST(test_arm64_check_of_another_form),
		TEST(test_arm64_jump_out),
		TEST(test_arm64_constants_are_no_code),
		TEST(test_arm64_registers),
		TEST(test_arm64_behind_what_is_done_again),
		TEST(test_arm64_refused),
		TEST(test_nop5_is_a_call_on_some_kernels_only),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
