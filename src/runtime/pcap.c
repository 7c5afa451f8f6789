/* Capture files of skboutput(): the format of libpcap, with nanoseconds.
 *
 *   header   | u32 0xa1b23c4d | u16 2 | u16 4 | i32 0 | u32 0 | u32 longest | u32 link type |
 *   packet   | u32 s | u32 ns | u32 captured | u32 on the wire | bytes …
 *
 * A file has one link type. The first packet chooses it: 1 (Ethernet) when it begins with the link
 * layer's header, 101 (raw) when it begins with that of IP. The header is written with it, or at
 * the end when nothing came. Statements that name the same file share it.
 *
 * Files are made before anything is attached, so that a path that cannot be written is an error
 * then.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "runtime/priv.h"

#define PCAP_MAGIC_NS 0xa1b23c4du
#define PCAP_LONGEST  262144

enum { LINK_ETHERNET = 1, LINK_RAW = 101 };

struct pcap_file {
	const char *path;
	FILE *f;
	bool begun; /* the header is written */
	int error;
	struct pcap_file *next;
};

struct pcap_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, sigfigs, longest, link;
};

struct pcap_packet {
	uint32_t s, ns, captured, wire;
};

static struct pcap_file *find(struct run *r, const char *path)
{
	struct pcap_file *p = r->pcaps;

	while (p && strcmp(p->path, path) != 0)
		p = p->next;
	return p;
}

static int open_one(struct run *r, const char *path, struct err *e)
{
	struct pcap_file *p;
	FILE *f;

	if (find(r, path))
		return 0;
	f = fopen(path, "we");
	if (!f) {
		int code = errno;

		err_set(e, code, "write the capture file %s of skboutput()", path);
		err_hint(e, "the directory must exist, and the file be writable");
		return -code;
	}
	p = arena_new_of(r->arena, struct pcap_file);
	*p = (struct pcap_file){.path = path, .f = f, .next = r->pcaps};
	r->pcaps = p;
	return 0;
}

int pcap_open_all(struct run *r, struct err *e)
{
	int ret = 0;

	for (size_t i = 0; i < r->p->nevents && ret == 0; i++)
		if (r->p->events[i]->kind->captures && !r->o.dry_run)
			ret = open_one(r, r->p->events[i]->text, e);
	return ret;
}

static void put(struct pcap_file *p, const void *bytes, size_t n)
{
	if (!p->error && n && fwrite(bytes, n, 1, p->f) != 1)
		p->error = errno ? errno : EIO;
}

static void begin(struct pcap_file *p, uint32_t link)
{
	const struct pcap_header h = {PCAP_MAGIC_NS, 2, 4, 0, 0, PCAP_LONGEST, link};

	put(p, &h, sizeof(h));
	p->begun = true;
}

/* The wall clock at `ns` since boot. */
static uint64_t wall_clock(uint64_t ns)
{
	struct timespec boot, wall;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	return (uint64_t)(wall.tv_sec - boot.tv_sec) * 1000000000u +
	       (uint64_t)(wall.tv_nsec - boot.tv_nsec) + ns;
}

void pcap_add(struct run *r, const struct event_def *def, const struct packet *p)
{
	struct pcap_file *f = find(r, def->text);
	uint64_t t = wall_clock(p->ns);
	const struct pcap_packet h = {(uint32_t)(t / 1000000000u), (uint32_t)(t % 1000000000u),
				      p->n, p->wire};

	if (!f)
		return;
	if (!f->begun)
		begin(f, p->link ? LINK_ETHERNET : LINK_RAW);
	put(f, &h, sizeof(h));
	put(f, p->bytes, p->n);
}

/* What is written so far can be read by others. */
void pcap_flush(struct run *r)
{
	for (struct pcap_file *p = r->pcaps; p; p = p->next)
		if (!p->error && fflush(p->f) != 0)
			p->error = errno;
}

void pcap_close_all(struct run *r)
{
	for (struct pcap_file *p = r->pcaps; p; p = p->next) {
		if (!p->begun)
			begin(p, LINK_RAW);
		if (fclose(p->f) != 0 && !p->error)
			p->error = errno;
		if (p->error)
			run_message(r, RUN_ERROR,
				    "the capture file %s is not complete: %s; free space, or "
				    "capture to another disk",
				    p->path, strerror(p->error));
	}
	r->pcaps = NULL;
}
