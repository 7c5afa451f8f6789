/* many: a program with a thousand functions, many_000 to many_999, to attach to by a wildcard.
 *
 *   many [SECONDS]      calls each of them in turn, once a millisecond, for SECONDS (default: for
 * ever)
 *
 * Each begins with a push, as compiled functions do. They are in one table, written by counting in
 * base ten.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define BODY "push %rbp\n mov %rdi, %rax\n pop %rbp\n ret\n"
#else
#define BODY "nop\n ret\n"
#endif

#define TEXT(n)                                                                             \
	asm(".text\n.p2align 4\n.globl many_" #n "\n.type many_" #n ", %function\nmany_" #n \
	    ":\n" BODY ".size many_" #n ", .-many_" #n "\n");                               \
	uint64_t many_##n(uint64_t turn);
#define NAME(n) many_##n,

#define TEN(M, n) M(n##0) M(n##1) M(n##2) M(n##3) M(n##4) M(n##5) M(n##6) M(n##7) M(n##8) M(n##9)
/* clang-format does not come to rest on these. */
// clang-format off
#define HUNDRED(M, n)                                                                              \
	TEN(M, n##0)                                                                               \
	TEN(M, n##1) TEN(M, n##2) TEN(M, n##3) TEN(M, n##4) TEN(M, n##5) TEN(M, n##6) TEN(M, n##7) \
		TEN(M, n##8) TEN(M, n##9)
#define THOUSAND(M)                                                                         \
	HUNDRED(M, 0)                                                                       \
	HUNDRED(M, 1) HUNDRED(M, 2) HUNDRED(M, 3) HUNDRED(M, 4) HUNDRED(M, 5) HUNDRED(M, 6) \
		HUNDRED(M, 7) HUNDRED(M, 8) HUNDRED(M, 9)
// clang-format on

THOUSAND(TEXT)

static uint64_t (*const functions[])(uint64_t) = {THOUSAND(NAME)};

int main(int argc, char **argv)
{
	size_t count = sizeof(functions) / sizeof(*functions);
	time_t end = argc > 1 ? time(NULL) + atoi(argv[1]) : 0;
	uint64_t sum = 0;

	while (!end || time(NULL) < end) {
		for (size_t i = 0; i < count; i++)
			sum += functions[i](i);
		usleep(1000);
	}
	return sum == 1;
}
