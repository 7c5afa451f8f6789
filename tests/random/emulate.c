/* Runs a program in the interpreter of BPF instead of the kernel: its maps and records are memory
 * of this process, its helpers the functions below. See emulate.h.
 *
 * Every access has to lie within one region: a stack, the context, a map's value, a record.
 *
 *   map       list of │ key │ value of each CPU, rounded up to 8 bytes │      arrays: one element
 *   records   handed to the runtime in the order of their reservation, when the probe is done
 *   maps      copied to the kernel's maps in the end, which the runtime reads and prints
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../interp/bpf.h"
#include "emulate.h"
#include "runtime/priv.h"

struct region {
	uintptr_t at;
	size_t n;
};

struct element {
	uint8_t *key, *value;
	bool gone;
};

struct memory {
	const struct map_spec *spec;
	size_t step, slots; /* bytes of a CPU's value, number of them */
	VEC(struct element) elements;
	size_t alive;
};

struct record {
	uint8_t *p;
	size_t n;
	bool submitted;
};

struct emu {
	struct arena *a;
	struct run *r;
	struct memory *maps;
	VEC(struct region) regions;
	VEC(struct record) records;
	struct region *last; /* that was accessed */
	const char *fault;
	uint64_t time;
};

/* ---- memory ---------------------------------------------------------------------------------- */

static void *take(struct emu *e, size_t n)
{
	void *p = arena_array_of(e->a, uint64_t, n / 8 + 2);

	vec_push(e->a, &e->regions, (struct region){(uintptr_t)p, n});
	e->last = NULL;
	return p;
}

static bool is_in(const struct region *r, uint64_t at, size_t n)
{
	return at >= r->at && n <= r->n && at - r->at <= r->n - n;
}

static bool allowed(struct emu *e, uint64_t at, size_t n)
{
	if (e->last && is_in(e->last, at, n))
		return true;
	for (size_t i = 0; i < e->regions.n; i++)
		if (is_in(&e->regions.v[i], at, n)) {
			e->last = &e->regions.v[i];
			return true;
		}
	return false;
}

static uint64_t load(void *w, uint64_t at, unsigned bytes)
{
	struct emu *e = w;
	uint64_t v = 0;

	if (allowed(e, at, bytes))
		memcpy(&v, (void *)(uintptr_t)at, bytes);
	else
		e->fault = "a load outside of memory";
	return v;
}

static void store(void *w, uint64_t at, unsigned bytes, uint64_t v)
{
	struct emu *e = w;

	if (allowed(e, at, bytes))
		memcpy((void *)(uintptr_t)at, &v, bytes);
	else
		e->fault = "a store outside of memory";
}

/* Memory that a helper is given. */
static void *given(struct emu *e, uint64_t at, uint64_t n)
{
	static uint8_t nothing[1 << 16];

	if (allowed(e, at, n))
		return (void *)(uintptr_t)at;
	e->fault = "a helper was given what is no memory";
	return nothing;
}

/* ---- maps ------------------------------------------------------------------------------------ */

static bool is_array(const struct memory *m)
{
	return m->spec->type == BPF_MAP_TYPE_ARRAY || m->spec->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static struct element *add(struct emu *e, struct memory *m, const void *key)
{
	struct element x = {.key = take(e, m->spec->key_size),
			    .value = take(e, m->step * m->slots)};

	memcpy(x.key, key, m->spec->key_size);
	vec_push(e->a, &m->elements, x);
	m->alive++;
	return &m->elements.v[m->elements.n - 1];
}

static struct element *find(const struct memory *m, const void *key)
{
	for (size_t i = 0; i < m->elements.n; i++)
		if (!m->elements.v[i].gone &&
		    memcmp(m->elements.v[i].key, key, m->spec->key_size) == 0)
			return &m->elements.v[i];
	return NULL;
}

static void make_map(struct emu *e, uint32_t n)
{
	struct memory *m = &e->maps[n];
	uint32_t zero = 0;

	m->spec = &e->r->p->maps[n].spec;
	m->slots = e->r->p->maps[n].percpu ? (size_t)cpu_possible() : 1;
	m->step = ALIGN_UP(m->spec->value_size, 8);
	if (!is_array(m))
		return;
	add(e, m, &zero);
	if (n == e->r->p->globals) {
		m->elements.v[0].value = e->r->globals;
		vec_push(e->a, &e->regions,
			 (struct region){(uintptr_t)e->r->globals, m->spec->value_size});
	}
}

static uint64_t map_address(void *w, uint32_t map)
{
	return (uintptr_t) & ((struct emu *)w)->maps[map];
}

static uint64_t map_value(void *w, uint32_t map, uint32_t off)
{
	return (uintptr_t)((struct emu *)w)->maps[map].elements.v[0].value + off;
}

static struct memory *map_of(struct emu *e, uint64_t at)
{
	size_t n = (at - (uintptr_t)e->maps) / sizeof(*e->maps);

	if (at < (uintptr_t)e->maps || n >= e->r->p->nmaps) {
		e->fault = "a helper was given what is no map";
		n = 0;
	}
	return &e->maps[n];
}

static uint64_t update(struct emu *e, const uint64_t *args)
{
	struct memory *m = map_of(e, args[0]);
	const void *key = given(e, args[1], m->spec->key_size);
	const void *value = given(e, args[2], m->spec->value_size);
	struct element *x = find(m, key);

	if (x && args[3] == BPF_NOEXIST)
		return (uint64_t)-EEXIST;
	if (!x && args[3] == BPF_EXIST)
		return (uint64_t)-ENOENT;
	if (!x && m->alive >= m->spec->max_entries)
		return (uint64_t)-E2BIG;
	if (!x)
		x = add(e, m, key);
	memcpy(x->value, value, m->spec->value_size);
	return 0;
}

static uint64_t look_up(struct emu *e, const uint64_t *args, uint64_t cpu)
{
	struct memory *m = map_of(e, args[0]);
	struct element *x = find(m, given(e, args[1], m->spec->key_size));

	return x && cpu < m->slots ? (uintptr_t)x->value + cpu * m->step : 0;
}

static uint64_t delete_key(struct emu *e, const uint64_t *args)
{
	struct memory *m = map_of(e, args[0]);
	struct element *x = find(m, given(e, args[1], m->spec->key_size));

	if (!x || is_array(m))
		return (uint64_t)-ENOENT;
	x->gone = true;
	m->alive--;
	return 0;
}

static uint64_t for_each(struct emu *e, struct bpf_vm *vm, const uint64_t *args)
{
	struct memory *m = map_of(e, args[0]);
	uint64_t n = 0, end = m->elements.n;

	for (size_t i = 0; i < end && !e->fault; i++) {
		const struct element *x = &m->elements.v[i];
		uint64_t given_args[4] = {args[0], (uintptr_t)x->key, (uintptr_t)x->value, args[2]};

		if (x->gone)
			continue;
		n++;
		if (bpf_callback(vm, args[1], given_args))
			break;
	}
	return n;
}

/* ---- other helpers --------------------------------------------------------------------------- */

static uint64_t read_bytes(struct emu *e, const uint64_t *args)
{
	void *dst = given(e, args[0], args[1]);

	if (!allowed(e, args[2], args[1])) {
		memset(dst, 0, args[1]);
		return (uint64_t)-EFAULT;
	}
	memcpy(dst, (void *)(uintptr_t)args[2], args[1]);
	return 0;
}

static uint64_t read_string(struct emu *e, const uint64_t *args)
{
	char *dst = given(e, args[0], args[1]);

	for (uint64_t i = 0; i < args[1]; i++) {
		if (!allowed(e, args[2] + i, 1)) {
			memset(dst, 0, args[1]);
			return (uint64_t)-EFAULT;
		}
		dst[i] = i + 1 < args[1] ? ((char *)(uintptr_t)args[2])[i] : 0;
		if (!dst[i])
			return i + 1;
	}
	return 0;
}

static uint64_t reserve(struct emu *e, const uint64_t *args)
{
	uint8_t *p = take(e, args[1]);

	memset(p, 0xa5, args[1]);
	vec_push(e->a, &e->records, (struct record){p, args[1], false});
	return (uintptr_t)p;
}

static uint64_t submit(struct emu *e, uint64_t at, bool keep)
{
	for (size_t i = e->records.n; i-- > 0;)
		if ((uintptr_t)e->records.v[i].p == at && !e->records.v[i].submitted) {
			e->records.v[i].submitted = true;
			e->records.v[i].n = keep ? e->records.v[i].n : 0;
			return 0;
		}
	e->fault = "a record was submitted that was not reserved";
	return 0;
}

static uint64_t helper(void *w, struct bpf_vm *vm, int n, const uint64_t *args)
{
	struct emu *e = w;

	switch (n) {
	case BPF_FUNC_map_lookup_elem:
		return look_up(e, args, 0);
	case BPF_FUNC_map_lookup_percpu_elem:
		return look_up(e, args, (uint32_t)args[2]);
	case BPF_FUNC_map_update_elem:
		return update(e, args);
	case BPF_FUNC_map_delete_elem:
		return delete_key(e, args);
	case BPF_FUNC_for_each_map_elem:
		return for_each(e, vm, args);
	case BPF_FUNC_probe_read_kernel:
		return read_bytes(e, args);
	case BPF_FUNC_probe_read_kernel_str:
		return read_string(e, args);
	case BPF_FUNC_ringbuf_reserve:
		return reserve(e, args);
	case BPF_FUNC_ringbuf_submit:
	case BPF_FUNC_ringbuf_discard:
		return submit(e, args[0], n == BPF_FUNC_ringbuf_submit);
	case BPF_FUNC_ktime_get_ns:
	case BPF_FUNC_ktime_get_boot_ns:
		return e->time += 1000;
	case BPF_FUNC_get_smp_processor_id:
		return 0;
	default:
		e->fault = ir_helper_name(n) ? ir_helper_name(n) : "an unknown helper";
		return 0;
	}
}

/* ---- programs -------------------------------------------------------------------------------- */

static void deliver(struct emu *e)
{
	const struct program *p = e->r->p;

	for (size_t i = 0; i < e->records.n; i++) {
		const struct record *x = &e->records.v[i];
		const struct event_def *def;
		uint32_t id;

		if (!x->submitted) {
			e->fault = "a record was reserved and not submitted";
			return;
		}
		if (!x->n)
			continue;
		memcpy(&id, x->p, 4);
		if (id >= p->nevents) {
			e->fault = "a record of no known kind";
			return;
		}
		def = p->events[id];
		def->kind->handle(&e->r->host, def, x->p, x->n);
	}
	e->records.n = 0;
}

static void run_one(struct emu *e, const struct program_prog *p)
{
	struct bpf_env env = {e, load, store, map_address, map_value, helper};

	env.ctx = (uintptr_t)take(e, 256);
	env.stack = (uintptr_t)take(e, BPF_FRAMES * 512);
	memset((void *)(uintptr_t)env.stack, 0xa5, BPF_FRAMES * 512);
	env.limit = 50000000;
	env.fault = &e->fault;
	bpf_run(&p->code, &env);
	if (!e->fault)
		deliver(e);
}

static void run_kind(struct emu *e, const char *name)
{
	const struct program *p = e->r->p;

	for (size_t i = 0; i < p->nprogs && !e->fault; i++) {
		if (strcmp(p->progs[i].prov->name, name) != 0)
			continue;
		if (strcmp(name, "begin") == 0 && e->r->exit_called)
			return;
		run_one(e, &p->progs[i]);
	}
}

static void to_kernel(struct emu *e, uint32_t n)
{
	struct memory *m = &e->maps[n];

	if (!e->r->p->maps[n].user)
		return;
	for (size_t i = 0; i < m->elements.n; i++)
		if (!m->elements.v[i].gone &&
		    bpf_map_set(e->r->map_fds[n], m->elements.v[i].key, m->elements.v[i].value, 0))
			e->fault = "an element that the kernel's map does not take";
}

const char *emulate(struct run *r, struct err *err)
{
	struct emu e = {.a = arena_new(), .r = r, .time = 1000000};
	const char *fault;

	if (load_maps(r, err) < 0) {
		arena_free(e.a);
		return "the maps cannot be made";
	}
	e.maps = arena_array_of(e.a, struct memory, r->p->nmaps + 1);
	for (uint32_t i = 0; i < r->p->nmaps; i++)
		make_map(&e, i);
	run_kind(&e, "begin");
	run_kind(&e, "end");
	for (uint32_t i = 0; i < r->p->nmaps && !e.fault; i++)
		to_kernel(&e, i);
	fault = e.fault;
	if (!fault) {
		map_print_all(r);
		lost_report(r);
	}
	arena_free(e.a);
	return fault;
}
