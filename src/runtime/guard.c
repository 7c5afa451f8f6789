/* Limits on what probes may cost: --max-rate and --max-overhead.
 *
 * Ten times a second the words of each program (struct guard_words) are looked at and its gates are
 * opened for the next tenth:
 *
 *   rate       the gate behind the predicate lets max_rate / 10 hits through; the program itself
 *              counts and leaves out the others
 *   overhead   nanoseconds since the window began = hits × way to the program + time in the program
 *              more than the share of a whole second: something is done at once
 *              a second over: the next window begins
 *
 * The way to the program (the trap of a user probe, an interrupt) is known by measuring, see
 * kernel/trap.c; the time in the program is what the kernel counts, or an estimate where awl may
 * not ask for that. What is done: programs are thinned out by the gate in front of the predicate
 * when the ways alone stay well below the limit. Otherwise the most expensive ones are detached
 * until what is left fits.
 *
 * Probes that hand values to one another through a map (a time kept at the entry and taken at the
 * return) would combine hits that do not belong together if each were thinned out for itself. They
 * are detached, all of them. Whatever is done is told, when it is done and at the end. */
#include <stdlib.h>
#include <unistd.h>

#include "runtime/priv.h"

#define SECOND     1000000000ull
#define TICK       (SECOND / TICKS)
#define GATE_NS    10
#define HEADROOM   0.8 /* of the limit is aimed at */
#define WAYS_MOST  0.7 /* of the limit may be ways when programs are thinned out */
#define MANY_PROGS 64  /* are looked at once a second only */

enum { TICKS = 10 };

struct guarded {
	struct guard_words *words;
	uint64_t hits, ns;  /* as at the window's beginning */
	uint32_t way, body; /* ns of a hit */
	bool handed, off, told_rate;
	uint64_t budget;    /* hits a second before the predicate; UINT64_MAX: all */
	uint64_t all_taken; /* through that gate, ever */
	/* In the window that is looked at: */
	uint64_t taken;
	double way_ns, body_ns;
};

struct guard {
	struct guarded *v; /* by program; without words: not guarded */
	size_t n;
	int stats;
	uint64_t allowed; /* nanoseconds of a second; 0: no limit */
	uint64_t rate;
	uint64_t window, next;
	unsigned tick;
};

static uint64_t word(const uint64_t *w)
{
	return __atomic_load_n(w, __ATOMIC_RELAXED);
}

static void set_word(uint64_t *w, uint64_t v)
{
	__atomic_store_n(w, v, __ATOMIC_RELAXED);
}

static const char *title(const struct run *r, const struct guarded *p)
{
	return r->p->progs[p - r->guard->v].title;
}

/* ---- what is known before ------------------------------------------------------------------- */

static uint32_t mean_way(struct run *r, const struct program_prog *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; p->prov->cost && i < p->ntargets; i++)
		sum += p->prov->cost(r->o.kernel, &p->targets[i]);
	return (uint32_t)(p->ntargets ? sum / p->ntargets : 0) + GATE_NS;
}

static bool is_joined(const struct program_prog *p)
{
	return p->prov->session && p->attach_type == p->prov->session->both;
}

/* Is it a map whose values one probe writes and another reads? Aggregations are only added to. */
static bool keeps_values(const struct program *p, uint32_t map)
{
	return map < p->nmaps && p->maps[map].user && p->maps[map].value->kind != TYPE_AGG;
}

static bool uses_map(const struct program_prog *p, uint32_t map)
{
	for (size_t i = 0; i + 1 < p->code.n; i++) {
		const struct bpf_insn *in = &p->code.insns[i];

		if (in->code != (BPF_LD | BPF_IMM | BPF_DW))
			continue;
		if ((in->src_reg == BPF_PSEUDO_MAP_FD || in->src_reg == BPF_PSEUDO_MAP_VALUE) &&
		    (uint32_t)in->imm == map)
			return true;
		i++;
	}
	return false;
}

static void find_handed(struct run *r, uint32_t map)
{
	size_t users = 0;

	for (size_t i = 0; i < r->p->nprogs; i++)
		if (r->guard->v[i].words && uses_map(&r->p->progs[i], map))
			users += is_joined(&r->p->progs[i]) ? 2 : 1;
	for (size_t i = 0; users > 1 && i < r->p->nprogs; i++)
		if (r->guard->v[i].words && uses_map(&r->p->progs[i], map))
			r->guard->v[i].handed = true;
}

static void guard_prog(struct run *r, size_t i)
{
	const struct program_prog *p = &r->p->progs[i];
	struct guarded *g = &r->guard->v[i];

	g->words = (struct guard_words *)run_global(r, p->guard);
	g->way = mean_way(r, p);
	g->body = run_prog_ns(p);
	g->budget = UINT64_MAX;
	for (int w = 0; w < GUARD_GATES; w++)
		set_word(&g->words->gate[w].limit, UINT64_MAX);
}

void guard_start(struct run *r)
{
	const struct config *c = &r->p->config;
	struct guard *g;

	if (!c->max_rate && !r->p->overhead)
		return;
	g = r->guard = arena_new_of(r->arena, struct guard);
	g->v = arena_array_of(r->arena, struct guarded, r->p->nprogs + 1);
	g->n = r->p->nprogs;
	g->rate = c->max_rate;
	g->allowed = r->p->overhead * (SECOND / 100000);
	g->stats = g->allowed ? bpf_stats_enable() : -1;
	for (size_t i = 0; i < g->n; i++)
		if (r->p->progs[i].guard)
			guard_prog(r, i);
	for (uint32_t m = 0; m < r->p->nmaps; m++)
		if (keeps_values(r->p, m))
			find_handed(r, m);
	guard_turn(r);
}

void guard_end(struct run *r)
{
	if (r->guard && r->guard->stats >= 0)
		close(r->guard->stats);
	r->guard = NULL;
}

bool guard_detached(const struct run *r, uint32_t prog)
{
	return r->guard && r->guard->v[prog].off;
}

/* ---- detaching ------------------------------------------------------------------------------ */

static void detach(struct run *r, struct guarded *p)
{
	p->off = true;
	links_close_prog(r, (uint32_t)(p - r->guard->v));
}

static void detach_handed(struct run *r, const struct guarded *but)
{
	for (size_t i = 0; i < r->guard->n; i++) {
		struct guarded *p = &r->guard->v[i];

		if (!p->words || p->off || !p->handed || p == but)
			continue;
		run_message(r, RUN_WARN, "%s is detached, too: it shares maps with %s", title(r, p),
			    title(r, but));
		detach(r, p);
	}
}

/* The child of -c would be ended with the run; it is not to blame. */
static void leave_when_empty(struct run *r)
{
	for (size_t i = 0; i < r->guard->n; i++)
		if (r->guard->v[i].words && !r->guard->v[i].off)
			return;
	run_message(r, RUN_WARN, "No probe is left%s", r->o.child ? "" : ": leaving");
	r->done |= r->o.child == 0;
}

/* Detaching takes a while: until all are gone, no hit of one may meet what another left behind. */
static void close_gates(struct run *r)
{
	for (size_t i = 0; i < r->guard->n; i++)
		for (int w = 0; r->guard->v[i].handed && w < GUARD_GATES; w++)
			set_word(&r->guard->v[i].words->gate[w].limit, 0);
}

static void give_up(struct run *r, struct guarded *p)
{
	if (p->handed)
		close_gates(r);
	detach(r, p);
	if (p->handed)
		detach_handed(r, p);
	leave_when_empty(r);
}

/* ---- rate ----------------------------------------------------------------------------------- */

/* The tenth of `n` that tick `t` has: their sum over ten ticks is n. */
static uint64_t part(uint64_t n, unsigned t)
{
	return n * (t + 1) / TICKS - n * t / TICKS;
}

/* How many went through since it was opened last. */
static uint64_t open_gate(struct guarded *p, enum guard_gate which, uint64_t limit)
{
	set_word(&p->words->gate[which].limit, limit);
	return __atomic_exchange_n(&p->words->gate[which].taken, 0, __ATOMIC_RELAXED);
}

static void rate_of_handed(struct run *r, struct guarded *p)
{
	uint64_t taken = word(&p->words->gate[GUARD_BODY].taken);

	if (taken > r->guard->rate) {
		run_message(
			r, RUN_WARN,
			"%s is detached: it was hit more than %" PRIu64
			" times in a second (max_rate), and hands values to other probes through "
			"maps, so that hits cannot be left out",
			title(r, p), r->guard->rate);
		give_up(r, p);
	}
	if (r->guard->tick == TICKS - 1 && !p->off)
		open_gate(p, GUARD_BODY, UINT64_MAX);
}

static void rate_of(struct run *r, struct guarded *p)
{
	struct guard *g = r->guard;

	if (p->handed) {
		rate_of_handed(r, p);
		return;
	}
	if (!p->told_rate && word(&p->words->gate[GUARD_BODY].left_out)) {
		p->told_rate = true;
		run_message(r, RUN_WARN,
			    "%s is hit more than %" PRIu64
			    " times a second (max_rate): what is beyond is left out, and counted",
			    title(r, p), g->rate);
	}
	open_gate(p, GUARD_BODY, part(g->rate, g->tick));
}

/* ---- overhead ------------------------------------------------------------------------------- */

static uint64_t program_ns(struct run *r, const struct guarded *p)
{
	struct bpf_prog_stats s;

	if (r->guard->stats >= 0 && bpf_prog_stats(r->prog_fds[p - r->guard->v], &s))
		return s.ns;
	return p->all_taken * p->body;
}

static void begin_window(struct run *r, uint64_t now)
{
	r->guard->window = now;
	for (size_t i = 0; i < r->guard->n; i++) {
		struct guarded *p = &r->guard->v[i];

		if (!p->words)
			continue;
		p->hits = word(&p->words->hits);
		p->taken = 0;
		p->ns = program_ns(r, p);
	}
}

/* What all that is attached took since the window began. */
static double look(struct run *r)
{
	double sum = 0;

	for (size_t i = 0; i < r->guard->n; i++) {
		struct guarded *p = &r->guard->v[i];

		p->way_ns = p->body_ns = 0;
		if (!p->words || p->off)
			continue;
		p->way_ns = (double)(word(&p->words->hits) - p->hits) * p->way;
		p->body_ns = (double)(program_ns(r, p) - p->ns);
		sum += p->way_ns + p->body_ns;
	}
	return sum;
}

static double seconds_of(const struct guard *g, uint64_t now)
{
	return (double)MAX(now - g->window, TICK) / SECOND;
}

static void tell_share(struct run *r, double ns, double seconds)
{
	run_message(r, RUN_WARN,
		    "The probes took %.2f%% of a processor (%s), more than max_overhead %s",
		    ns / seconds / (SECOND / 100),
		    r->guard->stats >= 0 ? "measured" : "estimated from their hits",
		    r->p->config.max_overhead);
}

/* The share of hits that programs may go on with; 0: thinning out does not help. */
static double how_many(const struct run *r, double seconds)
{
	double goal = (double)r->guard->allowed * HEADROOM * seconds, fixed = 0, body = 0;

	for (size_t i = 0; i < r->guard->n; i++) {
		const struct guarded *p = &r->guard->v[i];
		bool can = !p->handed && p->taken;

		fixed += p->way_ns + (can ? 0 : p->body_ns);
		body += can ? p->body_ns : 0;
	}
	return fixed > (double)r->guard->allowed * WAYS_MOST * seconds || body <= 0
		       ? 0
		       : (goal - fixed) / body;
}

static void thin_out(struct run *r, double share, double seconds)
{
	for (size_t i = 0; i < r->guard->n; i++) {
		struct guarded *p = &r->guard->v[i];

		if (!p->taken || p->handed || p->off || !p->words)
			continue;
		p->budget = (uint64_t)((double)p->taken / seconds * share);
		run_message(r, RUN_WARN,
			    "%s runs for at most %" PRIu64 " hits a second from now on; the others "
			    "are left out, and counted",
			    title(r, p), p->budget);
	}
}

static struct guarded *costliest(struct guard *g)
{
	struct guarded *most = NULL;

	for (size_t i = 0; i < g->n; i++) {
		struct guarded *p = &g->v[i];

		if (p->words && !p->off &&
		    (!most || p->way_ns + p->body_ns > most->way_ns + most->body_ns))
			most = p;
	}
	return most;
}

static double still_attached(const struct guard *g)
{
	double sum = 0;

	for (size_t i = 0; i < g->n; i++)
		sum += g->v[i].off ? 0 : g->v[i].way_ns + g->v[i].body_ns;
	return sum;
}

static void detach_costliest(struct run *r, double seconds)
{
	double goal = (double)r->guard->allowed * HEADROOM * seconds;
	struct guarded *p;

	while (still_attached(r->guard) > goal && (p = costliest(r->guard))) {
		run_message(r, RUN_WARN,
			    "%s is detached: it took %.2f%%, %.0f ns for each of %" PRIu64
			    " hits a second",
			    title(r, p), (p->way_ns + p->body_ns) / seconds / (SECOND / 100),
			    p->way + p->body_ns / (double)MAX(p->taken, 1u),
			    (uint64_t)(p->way_ns / p->way / seconds));
		give_up(r, p);
	}
}

static void overhead(struct run *r, uint64_t now)
{
	struct guard *g = r->guard;
	double seconds = seconds_of(g, now), ns = look(r), share;

	if (ns <= (double)g->allowed * MAX(seconds, 1.0)) {
		if (seconds >= 1)
			begin_window(r, now);
		return;
	}
	tell_share(r, ns, seconds);
	share = how_many(r, seconds);
	if (share > 0)
		thin_out(r, share, seconds);
	else
		detach_costliest(r, seconds);
	begin_window(r, clock_ns(CLOCK_MONOTONIC));
}

/* ---- the turn ------------------------------------------------------------------------------- */

static void open_gates(struct run *r)
{
	struct guard *g = r->guard;

	for (size_t i = 0; i < g->n; i++) {
		struct guarded *p = &g->v[i];
		uint64_t taken;

		if (!p->words || p->off)
			continue;
		if (g->rate)
			rate_of(r, p);
		taken = open_gate(p, GUARD_EARLY,
				  p->budget == UINT64_MAX ? UINT64_MAX : part(p->budget, g->tick));
		p->taken += taken;
		p->all_taken += taken;
	}
	g->tick = (g->tick + 1) % TICKS;
}

uint64_t guard_wait(const struct run *r)
{
	uint64_t now;

	if (!r->guard)
		return UINT64_MAX;
	now = clock_ns(CLOCK_MONOTONIC);
	return r->guard->next > now ? r->guard->next - now : 0;
}

void guard_turn(struct run *r)
{
	struct guard *g = r->guard;
	uint64_t now;

	if (!g || r->state == RUN_FINISHED)
		return;
	now = clock_ns(CLOCK_MONOTONIC);
	if (now < g->next)
		return;
	if (!g->next)
		begin_window(r, now);
	g->next = now + TICK;
	open_gates(r);
	if (g->allowed && (g->n <= MANY_PROGS || g->tick == 0))
		overhead(r, now);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void report_gate(struct run *r, const struct guarded *p, enum guard_gate which)
{
	uint64_t n = word(&p->words->gate[which].left_out);

	if (!n)
		return;
	if (run_ndjson(r))
		ndjson_lost(r, which == GUARD_BODY ? "max_rate" : "max_overhead", NULL, n);
	run_message(r, RUN_WARN, "Left out %" PRIu64 " of %" PRIu64 " hits of %s: the limit %s", n,
		    word(&p->words->hits), title(r, p),
		    which == GUARD_BODY ? "max_rate" : "max_overhead");
}

void guard_report(struct run *r)
{
	for (size_t i = 0; r->guard && i < r->guard->n; i++) {
		const struct guarded *p = &r->guard->v[i];

		for (int w = 0; p->words && w < GUARD_GATES; w++)
			report_gate(r, p, (enum guard_gate)w);
		if (p->off)
			run_message(r, RUN_WARN,
				    "%s was detached before the end: what it did after its %" PRIu64
				    " hits is not in the output",
				    title(r, p), word(&p->words->hits));
	}
}
