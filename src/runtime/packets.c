/* Packets that programs hand over whole: bpf_skb_output() writes an event's record and the bytes of
 * the packet behind it to the ring of a perf event, one for each processor.
 *
 *   | struct perf_event_header | u32 size | record (event.h) | bytes of the packet | padding |
 *
 * They go the way of the other records from there. The rings are looked at each time that the
 * ring buffer is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/perfring.h"
#include "runtime/priv.h"

#define RING_SIZE (1u << 20) /* of each processor */

struct packets {
	struct perf_ring *rings;
	size_t n;
	uint64_t lost;
	uint8_t *rec;
};

static int packets_map(const struct run *r)
{
	for (size_t i = 0; i < r->p->nmaps; i++)
		if (r->p->maps[i].spec.type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
			return r->map_fds[i];
	return -1;
}

static int add_ring(struct packets *p, int map, int cpu, struct err *e)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.watermark = 1,
		.wakeup_watermark = RING_SIZE,
	};
	struct perf_ring *r = &p->rings[p->n];
	int ret = perf_ring_open(r, &attr, cpu, RING_SIZE, e);

	if (ret == -ENODEV) { /* a processor that is not there */
		err_clear(e);
		return 0;
	}
	if (ret < 0)
		return ret;
	p->n++;
	ret = bpf_map_set(map, &cpu, &r->fd, BPF_ANY);
	return ret < 0 ? err_set(e, -ret, "hand a ring for packets to the kernel") : 0;
}

int packets_open(struct run *r, struct err *e)
{
	int map = packets_map(r), ret = 0;
	struct packets *p;

	if (map < 0)
		return 0;
	p = r->packets = calloc(1, sizeof(*p));
	if (p) {
		p->rings = calloc((size_t)cpu_possible(), sizeof(*p->rings));
		p->rec = malloc(PERF_RECORD_MAX);
	}
	if (!p || !p->rings || !p->rec)
		return err_set(e, ENOMEM, "make room for packets");
	for (int cpu = 0; cpu < cpu_possible() && ret == 0; cpu++)
		ret = add_ring(p, map, cpu, e);
	return ret;
}

void packets_close(struct run *r)
{
	struct packets *p = r->packets;

	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		perf_ring_close(&p->rings[i]);
	free(p->rings);
	free(p->rec);
	free(p);
	r->packets = NULL;
}

uint64_t packets_lost(const struct run *r)
{
	return r->packets ? r->packets->lost : 0;
}

static size_t take_one(struct run *r, struct packets *p, const struct perf_event_header *h)
{
	const uint8_t *body = p->rec + sizeof(*h);
	uint64_t lost;
	uint32_t size;

	if (h->type == PERF_RECORD_LOST && h->size >= sizeof(*h) + 16) {
		memcpy(&lost, body + 8, sizeof(lost));
		p->lost += lost;
	} else if (h->type == PERF_RECORD_SAMPLE) {
		memcpy(&size, body, sizeof(size));
		/* the record is aligned to 4 bytes there, and to 8 where it belongs */
		memmove(p->rec, body + 4, MIN(size, h->size - sizeof(*h) - 4));
		event_record(r, p->rec, MIN(size, h->size - sizeof(*h) - 4));
		return 1;
	}
	return 0;
}

size_t packets_drain(struct run *r)
{
	struct packets *p = r->packets;
	struct perf_event_header h;
	size_t n = 0;

	for (size_t i = 0; p && i < p->n; i++) {
		struct perf_ring *ring = &p->rings[i];

		if (!perf_ring_new(ring))
			continue;
		perf_ring_look(ring);
		while (perf_ring_next(ring, &h)) {
			perf_ring_copy(ring, ring->tail, p->rec, h.size);
			ring->tail += h.size;
			n += take_one(r, p, &h);
		}
		perf_ring_release(ring);
	}
	if (n)
		pcap_flush(r);
	return n;
}
