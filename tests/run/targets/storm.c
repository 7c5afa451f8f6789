/* Calls a function as fast as it can, from several threads: storm CALLS THREADS. Says nothing: its
 * output would mix with that of awl. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __clang__
#define NOINLINE __attribute__((noinline, used))
#else
#define NOINLINE __attribute__((noinline, noclone, externally_visible))
#endif

void hit(uint64_t i, const char *text);

NOINLINE void hit(uint64_t i, const char *text)
{
	__asm__ volatile("nop" ::"r"(i), "r"(text) : "memory");
}

static uint64_t calls;

static void *work(void *arg)
{
	/* Copied, so that its page is there to be read: a page that was never touched is not. */
	char text[64] = "sixty-three bytes of text to be read out of the traced program";

	for (uint64_t i = 0; i < calls; i++)
		hit(i, text);
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[2]) : 1;
	pthread_t t[64];

	calls = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
	if (threads < 1 || threads > 64)
		return 1;
	for (int i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, work, NULL);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	return 0;
}
