/* Reading the rings of perf events (perfring.h). Records may wrap around the end of the ring: they
 * are copied out. What the kernel says of sizes is checked all the same: a record that cannot be
 * ends the reading of what is there, not the run. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/perfring.h"
#include "runtime/priv.h"

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int perf_ring_open(struct perf_ring *r, struct perf_event_attr *attr, int cpu, uint64_t size,
		   struct err *e)
{
	int fd = perf_open(attr, -1, cpu, e);
	void *p;

	if (fd < 0)
		return fd;
	p = mmap(NULL, page_size() + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		int code = errno;

		close(fd);
		err_set(e, code, "map the ring of a perf event (%" PRIu64 " KiB)", size >> 10);
		return -code;
	}
	*r = (struct perf_ring){
		.fd = fd, .page = p, .data = (uint8_t *)p + page_size(), .size = size};
	return 0;
}

void perf_ring_close(struct perf_ring *r)
{
	if (!r->page)
		return;
	munmap(r->page, page_size() + r->size);
	close(r->fd);
	*r = (struct perf_ring){.fd = -1};
}

bool perf_ring_new(const struct perf_ring *r)
{
	return __atomic_load_n(&r->page->data_head, __ATOMIC_RELAXED) != r->tail;
}

void perf_ring_look(struct perf_ring *r)
{
	r->head = __atomic_load_n(&r->page->data_head, __ATOMIC_ACQUIRE);
}

void perf_ring_copy(const struct perf_ring *r, uint64_t at, void *to, size_t n)
{
	size_t off = at & (r->size - 1), first = MIN(n, r->size - off);

	memcpy(to, r->data + off, first);
	memcpy((uint8_t *)to + first, r->data, n - first);
}

bool perf_ring_next(struct perf_ring *r, struct perf_event_header *h)
{
	if (r->head - r->tail < sizeof(*h))
		return false;
	perf_ring_copy(r, r->tail, h, sizeof(*h));
	if (h->size >= sizeof(*h) + 8 && h->size <= r->head - r->tail)
		return true;
	r->tail = r->head; /* cannot be; would never end */
	return false;
}

void perf_ring_release(struct perf_ring *r)
{
	__atomic_store_n(&r->page->data_tail, r->tail, __ATOMIC_RELEASE);
}
