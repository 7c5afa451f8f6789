/* Numbers and names of system calls, for syscalls:sys_enter_NAME served from one raw tracepoint.
 *
 * Events are named after the kernel's own function names, which differ from the numbers' names in a
 * few places (sys_enter_newfstat is fstat): `aliases` has those. kernel_syscall_nr takes both,
 * kernel_syscall_name gives the usual one.
 */
#include "kernel/priv.h"

static const char *const names[] = {
#define SYSCALL(nr, name) [nr] = #name,
#if defined(__x86_64__)
#include "kernel/syscalls_x86_64.def"
#elif defined(__aarch64__)
#include "kernel/syscalls_aarch64.def"
#else
#error "no table of system calls for this architecture"
#endif
#undef SYSCALL
};

static const struct {
	const char *event, *name;
} aliases[] = {
	{"newstat", "stat"},   {"newfstat", "fstat"},         {"newlstat", "lstat"},
	{"newuname", "uname"}, {"sendfile64", "sendfile"},    {"umount", "umount2"},
	{"sysctl", "_sysctl"}, {"fadvise64_64", "fadvise64"},
};

static int find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return i;
	return -1;
}

int kernel_syscall_nr(const char *name)
{
	int nr = find(name);

	for (size_t i = 0; nr < 0 && i < ARRAY_SIZE(aliases); i++)
		if (strcmp(aliases[i].event, name) == 0)
			nr = find(aliases[i].name);
	return nr;
}

const char *kernel_syscall_name(int nr)
{
	return nr >= 0 && (size_t)nr < ARRAY_SIZE(names) ? names[nr] : NULL;
}
