/* Facts of the machine rather than of its kernel: processors, memory, limits, clocks, the
 * environment. Code is made from them like from the kernel's types, so they are asked for in one
 * place and noted (fact.c).
 *
 * Example: the slots of scratch memory are found by a mask, FACT_CPUS_POWER - 1; the ring buffer is
 * a part of the memory there is, FACT_RING. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "kernel/priv.h"

enum {
	RING_UNIT = 64 << 10,
	RING_MAX = 64 << 20,
	STACK_DEFAULT = 127,
	STACK_MAX = 1024,
};

#define PID_INIT_INO 0xeffffffcU /* of the first pid namespace */

static uint64_t power_of_two(uint64_t n)
{
	uint64_t p = 1;

	while (p < n && p < (1u << 31))
		p *= 2;
	return p;
}

/* `key`: "4194304", at most a 256th of the memory; "16 pages", as it is. */
static uint64_t ring_units(const char *key)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), n = strtoull(key, NULL, 10);
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * page;
	uint64_t size = strstr(key, " pages") ? n * page : MIN(n, memory / 256);

	return power_of_two(MIN(MAX(size, (uint64_t)RING_UNIT), (uint64_t)RING_MAX)) / RING_UNIT;
}

/* What the kernel walks at most: kernel.perf_event_max_stack. Room for more would stay empty. */
static uint64_t stack_limit(void)
{
	struct buf b = BUF_INIT;
	unsigned long long n = 0;

	if (buf_read_file(&b, "/proc/sys/kernel/perf_event_max_stack", 64) == 0)
		str_to_u64(str_trim((struct str){b.p, b.n}), &n);
	buf_release(&b);
	return n >= 1 && n <= STACK_MAX ? n : STACK_DEFAULT;
}

/* What is between CLOCK_TAI and CLOCK_BOOTTIME, for kernels that cannot say so in BPF. */
static uint64_t tai_offset(void)
{
	struct timespec tai, boot;

	clock_gettime(CLOCK_TAI, &tai);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (uint64_t)((int64_t)(tai.tv_sec - boot.tv_sec) * 1000000000 + tai.tv_nsec -
			  boot.tv_nsec);
}

/* awl's own namespace stays the same: looked up once. */
static uint64_t pid_namespace(bool inode)
{
	static struct stat st;

	if (!st.st_ino && stat("/proc/self/ns/pid", &st) < 0)
		st.st_ino = PID_INIT_INO;
	return inode ? st.st_ino : (uint64_t)major(st.st_dev) << 20 | minor(st.st_dev);
}

static const char *build_of(struct utsname *u, char *to, size_t size)
{
	if (uname(u) < 0)
		return "";
	snprintf(to, size, "%s %s", u->release, u->version);
	return to;
}

static uint64_t ask(enum fact_kind kind, const char *key)
{
	switch (kind) {
	case FACT_CPUS:
		return (uint64_t)cpu_possible();
	case FACT_CPUS_POWER:
		return power_of_two((uint64_t)cpu_possible());
	case FACT_RING:
		return ring_units(key);
	case FACT_STACK_LIMIT:
		return stack_limit();
	case FACT_TAI:
		return tai_offset();
	case FACT_PID_NS:
		return pid_namespace(strcmp(key, "inode") == 0);
	case FACT_COMPAT:
		return access("/proc/sys/abi/vsyscall32", F_OK) == 0;
	default:
		return 0;
	}
}

uint64_t kernel_host(struct kernel *k, enum fact_kind kind, const char *key)
{
	char text[300];
	struct utsname u;

	return kernel_fact(k, kind, key,
			   kind == FACT_KERNEL ? build_of(&u, text, sizeof(text)) : "",
			   ask(kind, key));
}
