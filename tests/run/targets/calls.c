/* A program to be traced: calls its functions a known number of times with known arguments.
 *
 *   calls COUNT [go]      with "go": waits for a line on standard input first
 *
 * Prints "ready PID &watched" at the start and "done" at the end. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "usdt_note.h"

#ifdef __clang__
#define NOINLINE __attribute__((noinline, used))
#else
#define NOINLINE __attribute__((noinline, noclone, externally_visible))
#endif

volatile uint64_t watched;
unsigned short sem_demo __attribute__((section(".probes"), used)) = 0;

uint64_t add_numbers(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
		     uint64_t g, uint64_t h);
int say(const char *text, int n);
void tick(uint64_t i);
void outer(uint64_t i);

NOINLINE uint64_t add_numbers(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
			      uint64_t f, uint64_t g, uint64_t h)
{
	return a + b + c + d + e + f + g + h;
}

NOINLINE int say(const char *text, int n)
{
	return (int)strlen(text) + n;
}

NOINLINE void tick(uint64_t i)
{
	static volatile int32_t memory = -7;

	USDT_NOTE3("demo", "tick", sem_demo, (int64_t)i, (int32_t)-5, memory);
	__asm__ volatile("" ::: "memory");
}

NOINLINE void outer(uint64_t i)
{
	tick(i);
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 0) : 10, sum = 0;
	char line[16];

	printf("ready %d %p %p\n", getpid(), (void *)&watched, (void *)&sem_demo);
	fflush(stdout);
	if (argc > 2 && !fgets(line, sizeof(line), stdin))
		return 1;
	for (uint64_t i = 0; i < n; i++) {
		sum += add_numbers(i, i + 1, 3, 4, 5, 6, 7, 8);
		sum += (uint64_t)say(i % 2 ? "odd" : "even number", (int)i);
		outer(i);
		watched = i;
	}
	printf("done %llu semaphore %u\n", (unsigned long long)sum,
	       (unsigned)*(volatile unsigned short *)&sem_demo);
	return 0;
}
