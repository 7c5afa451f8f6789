/* The links of a run: what keeps programs attached, and letting go of it.
 *
 * A link is a descriptor. Closing one of a multi uprobe or a perf event waits for grace periods in
 * the kernel (45–200 ms each), but those waits run in parallel when the closing threads do: a
 * hundred links take as long as one. Other links close in microseconds and are closed right here,
 * first.
 */
#include <pthread.h>
#include <unistd.h>

#include "runtime/priv.h"

#define CLOSERS 64 /* threads at most */

void links_own(struct run *r, int fd, bool slow)
{
	hvec_push(&r->links,
		  (struct owned){.fd = fd, .slow = slow, .prog = r->cur_prog, .addr = r->cur_addr});
}

struct closer {
	const struct owned *v;
	size_t n;
	_Atomic size_t next;
};

/* All close; the thread of the run tells how far they are. */
static bool close_next(struct closer *c)
{
	size_t i = c->next++;

	if (i >= c->n)
		return false;
	if (c->v[i].slow && c->v[i].fd >= 0)
		close(c->v[i].fd);
	return true;
}

static void *close_some(void *arg)
{
	struct closer *c = arg;

	while (close_next(c))
		;
	return NULL;
}

static size_t close_fast(struct owned *v, size_t n)
{
	size_t slow = 0;

	for (size_t i = 0; i < n; i++) {
		if (v[i].slow) {
			slow += v[i].fd >= 0;
		} else if (v[i].fd >= 0) {
			close(v[i].fd);
		}
	}
	return slow;
}

/* A descriptor that is no link has no such number. */
static uint64_t missed_of(const struct owned *v, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i].fd >= 0 ? bpf_link_missed(v[i].fd) : 0;
	return sum;
}

uint64_t links_missed(struct run *r)
{
	uint64_t n = r->missed + missed_of(r->links.v, r->links.n);

	for (size_t i = 0; !r->links_closed && i < r->p->nprogs; i++)
		n += r->prog_fds[i] >= 0 ? bpf_prog_missed(r->prog_fds[i]) : 0;
	return n;
}

static void close_links(struct run *r, struct owned *v, size_t all)
{
	struct closer c = {.v = v, .n = all};
	pthread_t threads[CLOSERS];
	size_t slow, n = 0;

	slow = close_fast(v, all);
	/* This thread closes too, so one link needs no other thread. */
	while (n + 1 < slow && n < CLOSERS &&
	       pthread_create(&threads[n], NULL, close_some, &c) == 0)
		n++;
	r->progress.next = 0;
	while (slow && close_next(&c))
		progress_say(r, "Detaching", MIN((size_t)c.next, c.n), c.n);
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

void links_close(struct run *r)
{
	r->missed = links_missed(r);
	r->links_closed = true;
	close_links(r, r->links.v, r->links.n);
	hvec_release(&r->links);
}

/* Those of one program, to the end of the list, which is cut off behind the others. */
void links_close_prog(struct run *r, uint32_t prog)
{
	size_t keep = 0;

	for (size_t i = 0; i < r->links.n; i++) {
		struct owned o = r->links.v[i];

		if (o.prog == prog)
			continue;
		r->links.v[i] = r->links.v[keep];
		r->links.v[keep++] = o;
	}
	r->missed += missed_of(r->links.v + keep, r->links.n - keep);
	close_links(r, r->links.v + keep, r->links.n - keep);
	r->links.n = keep;
}

bool links_have_addr(const struct run *r, uint32_t prog, uint64_t addr)
{
	for (size_t i = 0; i < r->links.n; i++)
		if (r->links.v[i].fd >= 0 && r->links.v[i].prog == prog &&
		    r->links.v[i].addr == addr)
			return true;
	return false;
}

/* Descriptors of a program with several targets were opened in the targets' order. */
void links_close_addr(struct run *r, uint64_t addr)
{
	for (size_t i = 0; i < r->links.n; i++) {
		struct owned *o = &r->links.v[i];
		const struct program_prog *p = &r->p->progs[o->prog];

		if (o->fd < 0 || p->type != BPF_PROG_TYPE_PERF_EVENT || p->ntargets == 0 ||
		    (o->addr ? o->addr : p->targets[0].addr) != addr)
			continue;
		close(o->fd);
		o->fd = -1;
	}
}
