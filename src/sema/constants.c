/* Constants of the kernel's and the C library's headers, by name: AF_INET, S_IFMT, O_CREAT, EAGAIN
 * …
 *
 * BTF has types and enumerators, but no macros. So the names are in constants.def, and the compiler
 * of awl puts in the values. The headers are those of the machine that awl is built on; all of
 * these values are ABI and never change.
 *
 * What only the kernel's own headers define is in the list below, with its value. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <poll.h>
#include <sched.h>
#include <limits.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/ioctl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/un.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/time.h>
#include <time.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/ip.h>
#include <linux/futex.h>
#include <linux/if_ether.h>
#include <linux/magic.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/audit.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_packet.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <linux/stat.h>
#include <linux/memfd.h>
#include <linux/sched.h>
#include <linux/major.h>

#include <stdlib.h>
#include "sema/sema_priv.h"

struct system_constant {
	const char *name;
	uint64_t value;
};

/* Sorted by name. */
static const struct system_constant system_constants[] = {
#define C(name) {#name, (uint64_t)(name)},
#ifdef __x86_64__
#define C_X86(name) C(name)
#else
#define C_X86(name)
#endif
#include "sema/constants.def"
#undef C
#undef C_X86
};

/* include/linux/sched.h, gfp_types.h, fs.h and blk_types.h of the kernel; and what in6.h hides from
 * programs that use the C library's header, in some releases. */
static const struct system_constant kernel_constants[] = {
	{"NULL", 0},
	{"TASK_RUNNING", 0},
	{"TASK_INTERRUPTIBLE", 1},
	{"TASK_UNINTERRUPTIBLE", 2},
	{"__TASK_STOPPED", 4},
	{"__TASK_TRACED", 8},
	{"TASK_COMM_LEN", 16},
	{"FMODE_READ", 1},
	{"FMODE_WRITE", 2},
	{"FMODE_EXEC", 0x20},
	{"MAX_ERRNO", 4095},
	{"MINORBITS", 20},
	{"MINORMASK", 0xfffff},
	{"IPV6_FLOWINFO", 11},
	{"IPV6_FLOWLABEL_MGR", 32},
	{"IPV6_FLOWINFO_SEND", 33},
};

static int order(const void *key, const void *row)
{
	const struct str *name = key;
	const struct system_constant *c = row;
	size_t n = strlen(c->name);
	int d = memcmp(name->p, c->name, MIN(name->n, n));

	return d ? d : (name->n > n) - (name->n < n);
}

bool sema_well_known(struct str name, uint64_t *value)
{
	const struct system_constant *c = bsearch(&name, system_constants,
						  ARRAY_SIZE(system_constants),
						  sizeof(system_constants[0]), order);

	for (size_t i = 0; !c && i < ARRAY_SIZE(kernel_constants); i++)
		if (str_is(name, kernel_constants[i].name))
			c = &kernel_constants[i];
	if (c)
		*value = c->value;
	return c != NULL;
}

void sema_nearest_constant(struct nearest *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(system_constants); i++)
		nearest_try(n, str_of(system_constants[i].name));
}
