/* The plan to a program: every probe through gen and the back end, then descriptions of the maps.
 *
 * Maps of a program, in the order of their indices:
 *
 *   user maps (plan order) | ring | globals | scratch | stacks | packets | unwind | followed |
 *   cgroups | own maps of providers
 *
 * Internal ones are there only when needed.
 *
 * Internal indices are fixed before code is generated, their sizes known after it. */
#include <stdio.h>
#include "compile/assemble.h"
#include "compile/clock.h"
#include "compile/session.h"
#include "gen/gen.h"

enum {
	RING_DEFAULT = 4 << 20,
	RING_ONCE = 1 << 20, /* only begin, end and iter: nothing fires by itself */
	RING_UNIT = 64 << 10,
	STACK_ENTRIES = 16384,
	PREALLOC_MAX = 64 << 20,
	KEY_SHORT = 512, /* what a key may have on older kernels */
};

struct assembly {
	const struct compile_in *in;
	struct arena *arena;
	struct diag *diag;
	struct types *types;
	struct plan *plan;
	struct program *p;
	struct gen_in gen;
	struct ir_isa isa;
};

/* 4 MiB, less on machines with little memory; a power of two of pages. All of it is mapped. */
static uint32_t ring_size(struct kernel *k, const struct config *c, bool once)
{
	uint64_t usual = once ? RING_ONCE : RING_DEFAULT;
	uint64_t pages = c->perf_rb_pages;
	char key[32];

	snprintf(key, sizeof(key), "%llu%s", (unsigned long long)(pages ? pages : usual),
		 pages ? " pages" : "");
	return (uint32_t)kernel_host(k, FACT_RING, key) * RING_UNIT;
}

/* ---- maps ---- */

const struct map_spec program_unwind_image = {
	.name = "unwind_image",
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = 4,
	.value_size = UNWIND_CHUNK,
	.max_entries = 3,
	.flags = BPF_F_INNER_MAP,
};

static uint32_t map_add(struct assembly *a, struct program_map m)
{
	a->p->maps[a->p->nmaps] = m;
	return (uint32_t)a->p->nmaps++;
}

static bool is_percpu(const struct map_sym *m)
{
	return m->storage == MAP_PERCPU_HASH || m->storage == MAP_PERCPU_ARRAY;
}

/* Elements are allocated beforehand: without, the kernel takes them from a small cache that is
 * refilled later, and insertions in a burst or with interrupts off fail. Only very large maps do
 * without. */
static bool too_large(const struct map_spec *spec, bool percpu, uint64_t cpus)
{
	uint64_t each = spec->key_size +
			(uint64_t)ALIGN_UP(spec->value_size, 8u) * (percpu ? cpus : 1);

	return each * spec->max_entries > PREALLOC_MAX;
}

static void check_key(struct assembly *a, const struct map_sym *m, uint32_t size)
{
	struct diag_msg *msg;

	if (size <= KEY_SHORT || kernel_has(a->in->kernel, FEATURE_LONG_KEYS))
		return;
	msg = diag_report(a->diag, E_FEATURE, m->first,
			  "the key of @%.*s has %u bytes; this kernel takes at most %d",
			  STR_ARG(m->name), size, KEY_SHORT);
	diag_help(msg, "use shorter strings: str(p, 64), or config = { max_strlen = 64 }");
}

static void add_user_map(struct assembly *a, const struct map_sym *m)
{
	bool hash = m->storage == MAP_HASH || m->storage == MAP_PERCPU_HASH;
	bool lru = m->bpf_type == BPF_MAP_TYPE_LRU_HASH ||
		   m->bpf_type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	struct map_spec spec = {
		.name = arena_printf(a->arena, "AT_%.*s", STR_ARG(m->name)),
		.type = m->bpf_type,
		.key_size = m->key ? m->key->size : 4,
		.value_size = m->value_size,
		.max_entries = hash ? m->max_entries : 1,
	};

	check_key(a, m, spec.key_size);
	if (hash && !lru &&
	    too_large(&spec, is_percpu(m), kernel_host(a->in->kernel, FACT_CPUS, "")) &&
	    kernel_has(a->in->kernel, FEATURE_NO_PREALLOC))
		spec.flags |= BPF_F_NO_PREALLOC;
	map_add(a, (struct program_map){
			   .name = arena_printf(a->arena, "@%.*s", STR_ARG(m->name)),
			   .user = true,
			   .spec = spec,
			   .key = m->key,
			   .nkeys = m->nkeys,
			   .value = m->value,
			   .scalar = !hash,
			   .percpu = is_percpu(m),
			   .set_off = m->set_off,
			   .lost_off = m->lost_off,
		   });
}

static uint32_t add_internal(struct assembly *a, const char *name, enum bpf_map_type type)
{
	return map_add(a, (struct program_map){
				  .name = name,
				  .spec = {.name = name + 1, .type = type, .max_entries = 1}});
}

static void add_unwind_maps(struct assembly *a)
{
	struct map_spec *procs, *images;

	a->gen.maps.unwind_procs = add_internal(a, ".unwind_procs", BPF_MAP_TYPE_HASH);
	a->gen.maps.unwind_images = add_internal(a, ".unwind_images", BPF_MAP_TYPE_ARRAY_OF_MAPS);
	procs = &a->p->maps[a->gen.maps.unwind_procs].spec;
	procs->key_size = 4;
	procs->value_size = sizeof(struct unwind_proc);
	procs->max_entries = UNWIND_PROCS;
	procs->flags = BPF_F_NO_PREALLOC;
	images = &a->p->maps[a->gen.maps.unwind_images].spec;
	images->key_size = images->value_size = 4;
	images->max_entries = UNWIND_IMAGES;
	images->inner = &program_unwind_image;
}

static void add_own(struct assembly *a, struct own_map *m)
{
	uint32_t i = add_internal(a, m->name, m->type);
	struct map_spec *spec = &a->p->maps[i].spec;

	if (m->fill)
		m->fill(m->arg, m);
	a->p->maps[i].own = true;
	a->p->maps[i].keys = m->keys;
	a->p->maps[i].values = m->values;
	a->p->maps[i].filled = m->filled;
	spec->key_size = m->key_size;
	spec->value_size = m->value_size;
	spec->max_entries = m->max_entries;
}

static void add_maps(struct assembly *a)
{
	struct plan *plan = a->plan;

	a->p->maps = arena_array_of(a->arena, struct program_map,
				    plan->nmaps + plan->own_maps.n + 9);
	for (size_t i = 0; i < plan->nmaps; i++)
		add_user_map(a, plan->maps[i]);
	a->gen.maps.ring = plan->nevents || plan->config->helper_warnings
				   ? add_internal(a, ".ring", BPF_MAP_TYPE_RINGBUF)
				   : NO_MAP;
	a->gen.maps.globals = add_internal(a, ".globals", BPF_MAP_TYPE_ARRAY);
	a->gen.maps.scratch = add_internal(a, ".scratch", BPF_MAP_TYPE_ARRAY);
	a->gen.maps.stacks = plan->needs_stackmap ? add_internal(a, ".stacks", BPF_MAP_TYPE_HASH)
						  : NO_MAP;
	a->gen.maps.packets = plan->needs_packets
				      ? add_internal(a, ".packets", BPF_MAP_TYPE_PERF_EVENT_ARRAY)
				      : NO_MAP;
	a->gen.maps.unwind_procs = a->gen.maps.unwind_images = NO_MAP;
	if (plan->needs_unwind)
		add_unwind_maps(a);
	a->gen.maps.followed = whom_has_map(&a->in->whom)
				       ? add_internal(a, ".followed", BPF_MAP_TYPE_ARRAY)
				       : NO_MAP;
	a->gen.maps.cgroups = a->in->whom.ncgroups
				      ? add_internal(a, ".cgroups", BPF_MAP_TYPE_CGROUP_ARRAY)
				      : NO_MAP;
	a->gen.maps.own = (uint32_t)a->p->nmaps;
	for (size_t i = 0; i < plan->own_maps.n; i++)
		add_own(a, plan->own_maps.v[i]);
}

/* Aggregations that are sums of 64-bit words, in maps that keep their keys and that no program
 * looks at, are cleared by remembering what they were: see runtime/baseline.c. */
static void choose_clearing(struct assembly *a)
{
	for (size_t i = 0; i < a->plan->nmaps; i++) {
		const struct map_sym *m = a->plan->maps[i];
		bool lru = m->bpf_type == BPF_MAP_TYPE_LRU_HASH ||
			   m->bpf_type == BPF_MAP_TYPE_LRU_PERCPU_HASH;

		a->p->maps[i].subtract = m->value && m->value->kind == TYPE_AGG &&
					 m->value->agg.agg->additive && !m->looked_at && !lru;
	}
}

static void size_filter_maps(struct assembly *a)
{
	if (a->gen.maps.followed != NO_MAP) {
		struct program_map *m = &a->p->maps[a->gen.maps.followed];

		m->spec.key_size = 4;
		m->spec.value_size = FOLLOWED_SIZE;
		m->spec.flags = BPF_F_MMAPABLE;
		m->mmapable = true;
	}
	if (a->gen.maps.cgroups != NO_MAP) {
		struct map_spec *m = &a->p->maps[a->gen.maps.cgroups].spec;

		m->key_size = m->value_size = 4;
		m->max_entries = a->in->whom.ncgroups;
	}
}

/* Once code is generated. */
static void size_internal_maps(struct assembly *a)
{
	struct program *p = a->p;
	struct map_spec *globals = &p->maps[a->gen.maps.globals].spec;
	struct map_spec *scratch = &p->maps[a->gen.maps.scratch].spec;

	if (a->gen.maps.ring != NO_MAP)
		p->maps[a->gen.maps.ring].spec.max_entries = a->gen.ring_size;
	globals->key_size = scratch->key_size = 4;
	globals->value_size = ALIGN_UP(MAX(a->plan->globals_size, 8u), 8u);
	globals->flags = BPF_F_MMAPABLE;
	p->maps[a->gen.maps.globals].mmapable = true;
	scratch->value_size = gen_scratch_bytes(&a->gen);
	if (a->gen.maps.packets != NO_MAP) {
		struct map_spec *packets = &p->maps[a->gen.maps.packets].spec;

		packets->key_size = packets->value_size = 4;
		packets->max_entries = (uint32_t)kernel_host(a->in->kernel, FACT_CPUS, "");
	}
	if (a->gen.maps.stacks != NO_MAP) {
		struct map_spec *stacks = &p->maps[a->gen.maps.stacks].spec;

		stacks->key_size = 8;
		stacks->value_size = 8 + 8 * a->plan->stack_limit;
		stacks->max_entries = STACK_ENTRIES;
	}
	size_filter_maps(a);
}

/* ---- programs ---- */

static const char *map_name(void *arg, uint32_t map)
{
	const struct program *p = arg;

	return map < p->nmaps ? p->maps[map].name : NULL;
}

/* The line of the script that a span begins on. */
static void source_line(void *arg, struct span s, struct buf *out)
{
	const struct program *p = arg;
	struct str text, line;
	size_t end;

	if (s.file == UINT32_MAX)
		return;
	text = diag_source_text(p->diag, s.file);
	if (s.off >= text.n)
		return;
	line = (struct str){text.p + s.off, MIN((size_t)s.len, text.n - s.off)};
	for (end = 0; end < line.n && line.p[end] != '\n'; end++)
		;
	buf_adds(out, "; ");
	buf_addstr(out, str_trim((struct str){line.p, end}));
	buf_addc(out, '\n');
}

void compile_dump_code(const struct program *p, const struct program_prog *prog, struct buf *out)
{
	buf_printf(out, "; %s\n", prog->title);
	ir_disasm(&prog->code, map_name, source_line, (void *)p, out);
}

static void dump_probe(struct assembly *a, const struct probe *probe, const struct buf *trace,
		       const struct ir_code *code)
{
	struct buf *out = a->in->dump_to;

	if (!out)
		return;
	if (a->in->dump & (DUMP_IR | DUMP_BPF))
		buf_printf(out, "; %s\n", probe->name);
	if (a->in->dump & DUMP_IR)
		buf_addstr(out, (struct str){buf_cstr(trace), trace->n});
	if (a->in->dump & DUMP_BPF)
		ir_disasm(code, map_name, source_line, a->p, out);
}

static bool report_stack(struct assembly *a, const struct probe *probe, uint32_t need)
{
	struct diag_msg *m = diag_report(
		a->diag, E_STORAGE, probe->ap->span,
		"this probe needs %u bytes of stack, a BPF program has 512", need);

	diag_help(m, "use fewer or shorter strings and keys, or set config on_stack_limit lower");
	return false;
}

/* Registers that find no place are kept on the stack. When they are so many that it does not
 * suffice, objects have to make room: the program is generated again, with more of them in scratch
 * memory. Returns the bytes that are needed, 0 when all went well, UINT32_MAX after an error. */
static uint32_t generate(struct assembly *a, struct probe *probe, struct ir_code *code,
			 struct buf *trace)
{
	uint32_t need = 512;

	for (a->gen.reserve = 0; need && a->gen.reserve <= 512; a->gen.reserve += need - 512 + 8) {
		struct ir_module *m = gen_probe(&a->gen, probe);

		if (!m)
			return UINT32_MAX;
		if (trace)
			buf_reset(trace);
		pass_clock_lap(a->in->clock, PASS_GEN);
		need = ir_compile(m, &a->isa, code, trace);
		pass_clock_lap(a->in->clock, PASS_IR);
		if (!need)
			break;
	}
	return need;
}

static bool assemble_probe(struct assembly *a, struct probe *probe)
{
	struct program_prog *out = &a->p->progs[a->p->nprogs++];
	struct ir_code code;
	struct buf trace = BUF_INIT;
	uint32_t need = generate(a, probe, &code,
				 a->in->dump_to && (a->in->dump & DUMP_IR) ? &trace : NULL);

	if (need == UINT32_MAX) {
		buf_release(&trace);
		return false;
	}
	*out = (struct program_prog){
		.name = arena_printf(a->arena, "%s_%u", probe->prov->name, probe->index + 1),
		.title = probe->name,
		.prov = probe->prov,
		.targets = probe->targets,
		.ntargets = probe->ntargets,
		.type = probe->prog_type,
		.attach_type = probe->attach_type,
		.attach_btf_id = probe->attach_btf_id,
		.attach_module = probe->attach_module,
		.attach_prog = probe->attach_prog,
		.guard = probe->guard,
		.code = code,
	};
	if (need)
		report_stack(a, probe, need);
	else
		dump_probe(a, probe, &trace, &out->code);
	buf_release(&trace);
	return need == 0;
}

/* ---- following ---- */

static const struct {
	const char *event, *field;
} follow_events[FOLLOW_EVENTS] = {
	[FOLLOW_FORK] = {"sched_process_fork", "child_pid"},
	[FOLLOW_EXEC] = {"sched_process_exec", "pid"},
	[FOLLOW_FREE] = {"sched_process_free", "pid"},
};

/* Where the tracepoint's record has the number of the process. */
static bool follow_offset(struct assembly *a, enum follow_event ev, uint32_t *off)
{
	struct tp_format f = {0};
	struct err e = {0};
	struct diag_msg *m;

	if (kernel_tp_format(a->in->kernel, a->arena, "sched", follow_events[ev].event, &f, &e) < 0)
		f.nfields = 0;
	for (size_t i = 0; i < f.nfields; i++) {
		*off = f.fields[i].offset;
		if (strcmp(f.fields[i].name, follow_events[ev].field) == 0 && f.fields[i].size == 4)
			return true;
	}
	m = diag_report(a->diag, E_PROBE_TARGET, NO_SPAN,
			"processes cannot be followed by tracepoint:sched:%s: %s",
			follow_events[ev].event, e.what[0] ? e.what : "it has no such field");
	diag_help(m, "trace one process with -p PID, without -F, or all of them");
	return false;
}

static bool assemble_follower(struct assembly *a, enum follow_event ev)
{
	struct program_prog *out = &a->p->progs[a->p->nprogs];
	const char *event = follow_events[ev].event;
	struct attach_target *t = arena_new_of(a->arena, struct attach_target);
	uint32_t off = 0;

	if (!follow_offset(a, ev, &off))
		return false;
	*t = (struct attach_target){.name = arena_printf(a->arena, "tracepoint:sched:%s", event),
				    .module = "sched",
				    .symbol = event};
	*out = (struct program_prog){
		.name = arena_printf(a->arena, "follow_%d", (int)ev),
		.title = t->name,
		.prov = provider_of_follow,
		.targets = t,
		.ntargets = 1,
		.type = BPF_PROG_TYPE_TRACEPOINT,
		.follows = true,
	};
	if (ir_compile(gen_follow(&a->gen, ev, off), &a->isa, &out->code, NULL))
		BUG("a program that follows processes needs more stack than there is");
	a->p->nprogs++;
	return true;
}

static bool assemble_follow(struct assembly *a)
{
	bool ok = true;

	a->p->progs = arena_array_of(a->arena, struct program_prog,
				     a->plan->nprobes + FOLLOW_EVENTS);
	for (int ev = 0; ev < FOLLOW_EVENTS && a->plan->nprobes; ev++)
		if (gen_follow_needs(&a->in->whom, (enum follow_event)ev))
			ok &= assemble_follower(a, (enum follow_event)ev);
	return ok;
}

static bool assemble_probes(struct assembly *a)
{
	bool ok = true;

	for (size_t i = 0; i < a->plan->nprobes; i++)
		ok &= assemble_probe(a, a->plan->probes[i]);
	return ok;
}

/* ---- the whole ---- */

static void copy_plan(struct program *p, struct plan *plan)
{
	p->config = *plan->config;
	p->overhead = config_overhead(plan->config);
	p->events = plan->events;
	p->nevents = plan->nevents;
	p->resolved = plan->resolved;
	p->nresolved = plan->nresolved;
	p->strings = plan->strings;
	p->nstrings = plan->nstrings;
	p->lost_off = plan->lost_off;
	p->exit_off = plan->exit_off;
	p->start_off = plan->start_off;
	p->help = plan->help;
	p->frameless = plan->frameless ? arena_strdup(p->arena, plan->frameless) : NULL;
	p->ntargets = plan->ntargets;
	p->target_names = arena_array_of(p->arena, const char *, plan->ntargets);
	for (size_t i = 0; i < plan->ntargets; i++)
		p->target_names[i] = plan->targets[i]->name;
	p->only_once = true;
	for (size_t i = 0; i < plan->nprobes; i++)
		p->only_once &= plan->probes[i]->prov->once;
}

static struct ir_isa isa_of(struct kernel *k)
{
	/* Asking costs a program load each: only loops need may_goto, only signed division needs
	 * v4. */
	return (struct ir_isa){
		.cpu = kernel_has(k, FEATURE_CPU_V4) ? 4 : 3,
		.may_goto = kernel_has(k, FEATURE_MAY_GOTO),
		.plain_atomics = !kernel_has(k, FEATURE_ATOMIC_FETCH),
	};
}

struct program *assemble(const struct compile_in *in, struct arena *a, struct diag *d,
			 struct types *ts, struct plan *plan)
{
	struct assembly as = {.in = in, .arena = a, .diag = d, .types = ts, .plan = plan};

	as.p = arena_new_of(a, struct program);
	as.p->arena = a;
	as.p->diag = d;
	as.p->types = ts;
	as.isa = isa_of(in->kernel);
	as.gen = (struct gen_in){
		.thrifty = in->thrifty,
		.arena = a,
		.diag = d,
		.plan = plan,
		.kernel = in->kernel,
		.types = ts,
		.whom = &in->whom,
		.ncpus = (uint32_t)kernel_host(in->kernel, FACT_CPUS_POWER, ""),
	};
	copy_plan(as.p, plan);
	as.gen.ring_size = ring_size(in->kernel, plan->config, as.p->only_once);
	add_maps(&as);
	if (!assemble_follow(&as) || !assemble_probes(&as) || diag_errors(d))
		return NULL;
	as.p->events = plan->events; /* code may have brought some */
	as.p->nevents = plan->nevents;
	session_pairs(as.p, in->kernel);
	size_internal_maps(&as);
	choose_clearing(&as);
	as.p->ring = as.gen.maps.ring;
	as.p->globals = as.gen.maps.globals;
	as.p->scratch = as.gen.scratch_slot ? as.gen.maps.scratch : NO_MAP;
	as.p->stacks = as.gen.maps.stacks;
	as.p->unwind_procs = as.gen.maps.unwind_procs;
	as.p->unwind_images = as.gen.maps.unwind_images;
	as.p->followed = as.gen.maps.followed;
	as.p->cgroups = as.gen.maps.cgroups;
	return as.p;
}
