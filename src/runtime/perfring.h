/* The ring of one perf event, as the kernel fills it: pages mapped behind a page with head and
 * tail.
 *
 *   perf_ring_look(r);                     what is there now
 *   while (perf_ring_next(r, &h)) {        a whole record at r->tail
 *           perf_ring_copy(r, r->tail, to, h.size);
 *           r->tail += h.size;
 *   }
 *   perf_ring_release(r);                  the kernel may write there again
 */
#ifndef AWL_RUNTIME_PERFRING_H
#define AWL_RUNTIME_PERFRING_H

#include <linux/perf_event.h>
#include "base/base.h"
#include "base/err.h"

struct perf_ring {
	int fd;
	struct perf_event_mmap_page *page;
	const uint8_t *data;
	uint64_t size; /* of the data, a power of two */
	uint64_t tail, head;
};

#define PERF_RECORD_MAX 65536

/* Opens an event of all processes on `cpu` with a ring of `size` bytes. -errno. */
int perf_ring_open(struct perf_ring *r, struct perf_event_attr *attr, int cpu, uint64_t size,
		   struct err *e);
void perf_ring_close(struct perf_ring *r);
bool perf_ring_new(const struct perf_ring *r); /* there is something behind r->tail */
void perf_ring_look(struct perf_ring *r);
bool perf_ring_next(struct perf_ring *r, struct perf_event_header *h);
void perf_ring_copy(const struct perf_ring *r, uint64_t at, void *to, size_t n);
void perf_ring_release(struct perf_ring *r);

#endif
