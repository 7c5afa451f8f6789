/* SPDX-License-Identifier: BSD-2-Clause */
/* udst: USDT probes that a program declares while it runs.
 *
 * A provider with its probes becomes a small ELF image in memory, with the notes that tracers know
 * from <sys/sdt.h>: awl, bpftrace, bcc, perf and libbpf find and trace it as they do static probes.
 * It is one header and one source file, needs nothing but libc (glibc or musl, also static), and is
 * meant for interpreted languages and plugins, whose probes no compiler sees.
 *
 *	udst_provider *prov;
 *	udst_probe *query;
 *	static const signed char types[] = {UDST_U64, UDST_I32};
 *
 *	udst_provider_create("shop", 0, &prov);
 *	udst_probe_add(prov, "query", 2, types, &query);
 *	udst_provider_load(prov);
 *	…
 *	UDST_FIRE(query, (uintptr_t)text, (uint64_t)rows);
 *
 *	awl -p PID -e 'usdt:shop:query { printf("%s %d\n", str(arg0), arg1); }'
 *
 * A probe that nobody traces costs two loads and a branch. Functions return 0 or -errno. A program
 * should not care when load fails: its probes then are never enabled.
 *
 * Threads: all functions may be called by any thread at any time, except that nothing may use a
 * provider, or its probes, that is being destroyed. udst_fire and udst_enabled may be called in
 * signal handlers, the others not. A child made by fork has the probes as well. */
#ifndef UDST_H
#define UDST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { UDST_MAX_ARGS = 12, UDST_MAX_PROBES = 1024, UDST_MAX_NAME = 127 };

/* Sizes in bytes; negative: signed. Pointers and strings are UDST_U64. */
enum udst_type {
	UDST_I8 = -1,
	UDST_U8 = 1,
	UDST_I16 = -2,
	UDST_U16 = 2,
	UDST_I32 = -4,
	UDST_U32 = 4,
	UDST_I64 = -8,
	UDST_U64 = 8
};

enum udst_flags {
	UDST_FORCE = 1,   /* unload, and load with new probes, although a tracer is attached */
	UDST_TMPFILE = 2, /* an unlinked temporary file instead of a memfd */
	UDST_NAMED = 4 /* a file with a name, in a new directory, for tools that must be given one:
			  perf */
};

typedef struct udst_provider udst_provider;

/* Has the same address from udst_probe_add to udst_provider_destroy, loaded or not; so has the
 * counter that it points to. Bindings may read the counter themselves. */
typedef struct udst_probe {
	const volatile uint16_t *semaphore; /* how many tracers there are */
} udst_probe;

/* Names are 1 to 127 of A-Z a-z 0-9 _ . - */
int udst_provider_create(const char *name, unsigned flags, udst_provider **out);
/* Also while the provider is loaded; the probe is there from the next load on. -EEXIST: it has a
 * probe of this name; -ENOSPC: it has UDST_MAX_PROBES. */
int udst_probe_add(udst_provider *p, const char *name, unsigned argc, const signed char *types,
		   udst_probe **out);
/* Makes the probes visible. Nothing happens when they are already. -EBUSY: there are new probes,
 * but old ones are being traced and UDST_FORCE is not set. */
int udst_provider_load(udst_provider *p);
/* Takes them away, waiting for threads that are in udst_fire. Tracers stay attached: when the same
 * probes are loaded again they go on. -EBUSY: a probe is traced and UDST_FORCE is not set. */
int udst_provider_unload(udst_provider *p);
void udst_provider_destroy(udst_provider *p);
/* Where the image is, for tracers that are told: /proc/PID/fd/N, or the file of UDST_NAMED.
 * -ENOENT: it was not loaded yet. */
int udst_provider_path(udst_provider *p, char *out, size_t size);

/* `args` are as many as the probe was added with; each is cut to its type. Does nothing when the
 * probe is not enabled. */
void udst_fire(const udst_probe *p, const uint64_t *args);

static inline int udst_enabled(const udst_probe *p)
{
	return *p->semaphore != 0;
}

/* Arguments are evaluated only when somebody traces the probe. At least one. */
#define UDST_FIRE(probe, ...)                                       \
	do {                                                        \
		if (udst_enabled(probe)) {                          \
			const uint64_t udst_args[] = {__VA_ARGS__}; \
			udst_fire(probe, udst_args);                \
		}                                                   \
	} while (0)

/* A short text for a result of these functions, never NULL. */
const char *udst_strerror(int error);

/* For children made without fork(), by the bare system call: frees locks that other threads held,
 * and forgets those threads. fork() does it by itself. */
int udst_after_fork_child(void);

#ifdef __cplusplus
}
#endif

#endif
