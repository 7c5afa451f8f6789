/* How long names of addresses in a large program take, and how much memory.
 *
 *   symbolize FILE COUNT    maps the text of FILE as a program would, and asks for the names of
 * COUNT addresses spread over it
 *
 * Prints "ms N named N kb N": processor time, addresses that got a name, and by how much the peak
 * of the memory in use grew, pages of the file included. Mapping the file touches none of it. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "elf/elf.h"

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static long peak_kb(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

/* The executable segment. */
static uint64_t map_text(const char *path, uint64_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh))
		fail(path);
	for (int i = 0; i < eh.e_phnum; i++) {
		void *p;

		if (pread(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + (uint64_t)i * sizeof(ph))) !=
		    sizeof(ph))
			fail(path);
		if (ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		*size = ph.p_filesz;
		p = mmap(NULL, ph.p_filesz, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd,
			 (off_t)ph.p_offset);
		if (p == MAP_FAILED)
			fail("mmap");
		close(fd);
		return (uintptr_t)p;
	}
	fprintf(stderr, "%s has no code\n", path);
	exit(1);
}

int main(int argc, char **argv)
{
	long count = argc == 3 ? atol(argv[2]) : 0, named = 0, before;
	uint64_t size, base, state = 1, start;
	struct symbolizer *s;
	struct symbol sym;

	if (count <= 0) {
		fprintf(stderr, "usage: symbolize FILE COUNT\n");
		return 2;
	}
	base = map_text(argv[1], &size);
	before = peak_kb();
	start = now_us();
	s = symbolizer_new();
	for (long i = 0; i < count; i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		named += symbolizer_user(s, getpid(), base + (state >> 11) % size, &sym);
	}
	printf("ms %.1f named %ld kb %ld\n", (double)(now_us() - start) / 1000, named,
	       peak_kb() - before);
	symbolizer_free(s);
	return 0;
}
