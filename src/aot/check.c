/* Is what was read from a file a program that the runtime can be given? The runtime trusts the
 * compiler; a file may come from anybody. So everything that it uses as an index, an offset or a
 * size, and everything that a handler takes for granted, is looked at here. Whether the code is
 * safe for the kernel is the verifier's business. */
#include <linux/bpf.h>
#include "aot/priv.h"
#include "sema/builtin.h"
#include "sema/sema.h"
#include "sema/unwind.h"

enum {
	KEY_MAX = 1 << 20,
	VALUE_MAX = 1 << 26,
	RECORD_MAX = 1 << 20,
	PAD_MAX = 1 << 16, /* width and precision of a conversion */
	NAME_BYTES = 256,
};

/* ---- maps ---- */

static bool is_percpu(enum bpf_map_type t)
{
	return t == BPF_MAP_TYPE_PERCPU_HASH || t == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       t == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static bool is_array(enum bpf_map_type t)
{
	return t == BPF_MAP_TYPE_ARRAY || t == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static bool is_table(enum bpf_map_type t)
{
	return is_percpu(t) || is_array(t) || t == BPF_MAP_TYPE_HASH || t == BPF_MAP_TYPE_LRU_HASH;
}

static bool spec_ok(const struct program_map *m)
{
	const struct map_spec *s = &m->spec;

	return is_table(s->type) && s->key_size && s->key_size <= KEY_MAX && s->value_size &&
	       s->value_size <= VALUE_MAX && s->max_entries && m->percpu == is_percpu(s->type) &&
	       !(s->flags & ~(uint32_t)(BPF_F_NO_PREALLOC | BPF_F_MMAPABLE));
}

static bool key_ok(const struct program_map *m)
{
	if (!m->key)
		return m->scalar && m->spec.key_size == 4;
	if (m->scalar || m->key->kind == TYPE_AGG || m->key->size != m->spec.key_size)
		return false;
	return m->nkeys <= 1 || (m->key->kind == TYPE_TUPLE && m->nkeys <= m->key->tuple.n);
}

static bool user_map_ok(const struct program_map *m)
{
	const struct type *v = m->value;
	bool sums = v && v->kind == TYPE_AGG && v->agg.agg->additive;

	if (!v || !spec_ok(m) || !key_ok(m) || v->size > m->spec.value_size ||
	    m->scalar != is_array(m->spec.type) || (m->scalar && m->spec.max_entries != 1))
		return false;
	if (m->set_off && (m->set_off % 8 || (uint64_t)m->set_off + 8 > m->spec.value_size))
		return false;
	return !m->subtract || (sums && v->size == m->spec.value_size && v->size % 8 == 0);
}

static bool is_map(const struct program *p, uint32_t i, enum bpf_map_type type)
{
	return i < p->nmaps && !p->maps[i].user && p->maps[i].spec.type == type;
}

static bool globals_ok(const struct program *p)
{
	const struct program_map *m;

	if (!is_map(p, p->globals, BPF_MAP_TYPE_ARRAY))
		return false;
	m = &p->maps[p->globals];
	return m->spec.value_size <= VALUE_MAX && m->spec.value_size % 8 == 0 &&
	       (uint64_t)p->lost_off + 8 * LOST_COUNT <= m->spec.value_size &&
	       (uint64_t)p->exit_off + 8 <= m->spec.value_size &&
	       (uint64_t)p->start_off + 8 <= m->spec.value_size && p->lost_off % 8 == 0 &&
	       p->exit_off % 8 == 0 && p->start_off % 8 == 0 && m->spec.key_size == 4 &&
	       m->spec.max_entries == 1 && (m->spec.flags & BPF_F_MMAPABLE);
}

static bool ring_ok(const struct program *p)
{
	uint32_t size = p->ring < p->nmaps ? p->maps[p->ring].spec.max_entries : 0;

	if (p->ring == NO_MAP)
		return p->nevents == 0;
	return is_map(p, p->ring, BPF_MAP_TYPE_RINGBUF) && size >= 4096 && size <= 1u << 30 &&
	       (size & (size - 1)) == 0;
}

static bool stacks_ok(const struct program *p)
{
	const struct program_map *m = p->stacks < p->nmaps ? &p->maps[p->stacks] : NULL;

	return p->stacks == NO_MAP ||
	       (is_map(p, p->stacks, BPF_MAP_TYPE_HASH) && m->spec.key_size == 8 &&
		m->spec.value_size >= 16 && m->spec.value_size % 8 == 0 &&
		m->spec.value_size <= 1 << 20);
}

static bool unwind_ok(const struct program *p)
{
	const struct map_spec *procs, *images;

	if (p->unwind_procs == NO_MAP && p->unwind_images == NO_MAP)
		return true;
	if (!is_map(p, p->unwind_procs, BPF_MAP_TYPE_HASH) ||
	    !is_map(p, p->unwind_images, BPF_MAP_TYPE_ARRAY_OF_MAPS))
		return false;
	procs = &p->maps[p->unwind_procs].spec;
	images = &p->maps[p->unwind_images].spec;
	return procs->key_size == 4 && procs->value_size == sizeof(struct unwind_proc) &&
	       procs->max_entries == UNWIND_PROCS && images->key_size == 4 &&
	       images->value_size == 4 && images->max_entries == UNWIND_IMAGES;
}

/* What the runtime makes a map of: rings for packets in one, the others have their places above. */
static bool internal_ok(const struct program_map *m)
{
	if (m->spec.type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		return m->spec.key_size == 4 && m->spec.value_size == 4;
	return m->spec.type == BPF_MAP_TYPE_RINGBUF || m->spec.type == BPF_MAP_TYPE_HASH ||
	       m->spec.type == BPF_MAP_TYPE_ARRAY || m->spec.inner ||
	       (m->own && m->spec.type == BPF_MAP_TYPE_LRU_HASH);
}

static bool maps_ok(const struct program *p)
{
	for (size_t i = 0; i < p->nmaps; i++) {
		const struct program_map *m = &p->maps[i];

		if (!m->name[0] || !(m->user ? user_map_ok(m) : internal_ok(m)) ||
		    m->lost_off % 8 || (uint64_t)m->lost_off + 8 > VALUE_MAX)
			return false;
	}
	return globals_ok(p) && ring_ok(p) && stacks_ok(p) && unwind_ok(p) &&
	       (p->scratch == NO_MAP || is_map(p, p->scratch, BPF_MAP_TYPE_ARRAY));
}

/* ---- events ---- */

static bool conv_ok(const struct conv *c)
{
	return (!c->spec || strchr("diuoxXcpsr", c->spec)) &&
	       (!c->variant || strchr("xhg", c->variant)) && c->width >= -1 &&
	       c->width <= PAD_MAX && c->prec >= -1 && c->prec <= PAD_MAX &&
	       (c->bytes <= 2 || c->bytes == 4 || c->bytes == 8);
}

static bool convs_ok(const struct format *f)
{
	if (f->convs[f->n - 1].spec)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (!conv_ok(&f->convs[i]))
			return false;
	return true;
}

static bool format_ok(const struct event_def *d)
{
	return d->format->nargs <= d->nfields && convs_ok(d->format);
}

static bool fields_ok(const struct event_def *d)
{
	for (uint32_t i = 0; i < d->nfields; i++) {
		const struct event_field *f = &d->fields[i];

		if (!f->type || f->type->kind == TYPE_AGG || f->off < 4 ||
		    (uint64_t)f->off + f->type->size > d->size)
			return false;
	}
	return true;
}

/* Values that there are not are no harm to a format. */
static bool columns_ok(const struct type *key, const struct print_opts *o)
{
	for (uint32_t i = 0; i < o->ncolumns; i++) {
		int c = o->columns[i];

		if (c != COLUMN_VALUE &&
		    (!key || c < COLUMN_KEY || (key->kind == TYPE_TUPLE && c >= (int)key->tuple.n)))
			return false;
	}
	return true;
}

static bool print_ok(const struct program *p, const struct event_def *d)
{
	const struct print_opts *o = d->print;
	const struct type *key = d->map < p->nmaps ? p->maps[d->map].key : NULL;
	bool keyed = d->map < p->nmaps && !p->maps[d->map].scalar;

	if (!o)
		return true;
	if ((o->format && !convs_ok(o->format)) || !columns_ok(keyed ? key : NULL, o))
		return false;
	return o->top >= 0 && o->div >= 1 &&
	       (!o->part || (key && key->kind == TYPE_TUPLE && o->key < key->tuple.n));
}

static bool event_ok(const struct program *p, const struct event_def *d)
{
	const struct event_kind *k = d->kind;

	if (d->size < 8 || d->size > RECORD_MAX || d->size % 8 || !fields_ok(d) ||
	    (d->format && !format_ok(d)) || !print_ok(p, d) || d->pending_off % 8)
		return false;
	if (d->nfields < k->min_fields || (k->control && d->nfields) ||
	    (k->min_fields && d->fields[0].type->size < k->first_size))
		return false;
	return (!(k->needs & EVENT_TEXT) || d->text) && (!(k->needs & EVENT_FORMAT) || d->format) &&
	       (!(k->needs & EVENT_MAP) || (d->map < p->nmaps && p->maps[d->map].user)) &&
	       (d->map == NO_MAP || d->map < p->nmaps);
}

/* ---- programs ---- */

static bool type_ok(enum bpf_prog_type t)
{
	return t == BPF_PROG_TYPE_KPROBE || t == BPF_PROG_TYPE_TRACEPOINT ||
	       t == BPF_PROG_TYPE_RAW_TRACEPOINT || t == BPF_PROG_TYPE_PERF_EVENT ||
	       t == BPF_PROG_TYPE_TRACING;
}

/* Map references are indices here; the loader puts descriptors in their place. Any other way of
 * naming a map, a function or a type of the kernel does not come from the compiler. */
static bool insn_ok(const struct program *p, const struct ir_code *c, size_t i)
{
	const struct bpf_insn *in = &c->insns[i];

	if (in->code != (BPF_LD | BPF_IMM | BPF_DW))
		return true;
	if (i + 1 >= c->n || c->insns[i + 1].code)
		return false;
	if (in->src_reg == BPF_PSEUDO_MAP_FD || in->src_reg == BPF_PSEUDO_MAP_VALUE)
		return in->imm >= 0 && (size_t)in->imm < p->nmaps;
	return in->src_reg == 0 || in->src_reg == BPF_PSEUDO_FUNC;
}

static bool code_ok(const struct program *p, const struct ir_code *c)
{
	if (!c->n || c->n > 1u << 20 || !c->nfuncs || c->funcs[0].insn_off)
		return false;
	for (size_t i = 1; i < c->nfuncs; i++)
		if (c->funcs[i].insn_off <= c->funcs[i - 1].insn_off)
			return false;
	for (size_t i = 0; i < c->n; i++) {
		if (!insn_ok(p, c, i))
			return false;
		i += c->insns[i].code == (BPF_LD | BPF_IMM | BPF_DW);
	}
	return true;
}

static bool progs_ok(const struct program *p)
{
	size_t targets = 0;

	for (size_t i = 0; i < p->nprogs; i++) {
		const struct program_prog *g = &p->progs[i];

		if (!type_ok(g->type) || !g->ntargets || !code_ok(p, &g->code) ||
		    strlen(g->name) >= NAME_BYTES)
			return false;
		for (size_t k = 0; k < g->ntargets; k++)
			if (g->targets[k].id >= p->ntargets)
				return false;
		targets += g->ntargets;
	}
	return p->nprogs && targets == p->ntargets;
}

/* Places in the script are for messages only: what lies outside of its text becomes none. */
static void trim_span(const struct program *p, struct span *s)
{
	struct str text = diag_source_text(p->diag, s->file);

	if (s->file != UINT32_MAX &&
	    (s->file >= diag_sources(p->diag) || (uint64_t)s->off + s->len > text.n))
		*s = NO_SPAN;
}

static void trim_spans(const struct program *p)
{
	for (size_t i = 0; i < p->nevents; i++)
		trim_span(p, &p->events[i]->span);
	for (size_t i = 0; i < p->nprogs; i++)
		for (size_t k = 0; k < p->progs[i].code.n; k++)
			trim_span(p, &p->progs[i].code.spans[k]);
}

static bool events_ok(const struct program *p)
{
	for (size_t i = 0; i < p->nevents; i++)
		if (!event_ok(p, p->events[i]))
			return false;
	return true;
}

bool image_check(const struct program *p)
{
	trim_spans(p);
	return maps_ok(p) && events_ok(p) && progs_ok(p);
}

/* ---- what needs to be asked for ---- */

/* What the compiler calls without --unsafe. */
static bool is_plain_helper(int helper)
{
	static const int plain[] = {
		BPF_FUNC_d_path,
		BPF_FUNC_for_each_map_elem,
		BPF_FUNC_get_attach_cookie,
		BPF_FUNC_get_current_cgroup_id,
		BPF_FUNC_get_current_comm,
		BPF_FUNC_get_current_pid_tgid,
		BPF_FUNC_get_current_task,
		BPF_FUNC_get_current_task_btf,
		BPF_FUNC_get_current_uid_gid,
		BPF_FUNC_get_func_ip,
		BPF_FUNC_get_func_ret,
		BPF_FUNC_get_ns_current_pid_tgid,
		BPF_FUNC_get_numa_node_id,
		BPF_FUNC_get_prandom_u32,
		BPF_FUNC_get_smp_processor_id,
		BPF_FUNC_get_socket_cookie,
		BPF_FUNC_get_stack,
		BPF_FUNC_jiffies64,
		BPF_FUNC_ktime_get_boot_ns,
		BPF_FUNC_ktime_get_ns,
		BPF_FUNC_ktime_get_tai_ns,
		BPF_FUNC_loop,
		BPF_FUNC_map_delete_elem,
		BPF_FUNC_map_lookup_elem,
		BPF_FUNC_map_lookup_percpu_elem,
		BPF_FUNC_map_update_elem,
		BPF_FUNC_probe_read,
		BPF_FUNC_probe_read_kernel,
		BPF_FUNC_probe_read_kernel_str,
		BPF_FUNC_probe_read_str,
		BPF_FUNC_probe_read_user,
		BPF_FUNC_probe_read_user_str,
		BPF_FUNC_ringbuf_discard,
		BPF_FUNC_ringbuf_output,
		BPF_FUNC_ringbuf_reserve,
		BPF_FUNC_ringbuf_submit,
		BPF_FUNC_skb_output,
		BPF_FUNC_strncmp,
		BPF_FUNC_task_pt_regs,
		BPF_FUNC_trace_printk,
	};

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (plain[i] == helper)
			return true;
	return false;
}

static bool is_plain(struct kernel *k, const struct bpf_insn *in)
{
	if (in->code != (BPF_JMP | BPF_CALL) || in->src_reg == BPF_PSEUDO_CALL)
		return true;
	if (in->src_reg == BPF_PSEUDO_KFUNC_CALL)
		return !in->off && kernel_kfunc_is_plain(kernel_kfunc_name(k, (uint32_t)in->imm));
	return !in->src_reg && is_plain_helper(in->imm);
}

const char *image_unsafe(const struct program *p, struct kernel *k)
{
	for (size_t i = 0; i < p->nevents; i++)
		if (p->events[i]->kind->needs & EVENT_UNSAFE)
			return p->events[i]->kind->name;
	for (size_t i = 0; i < p->nprogs; i++) {
		const struct ir_code *c = &p->progs[i].code;

		for (size_t n = 0; n < c->n; n++) {
			if (!is_plain(k, &c->insns[n]))
				return "a call that changes the system";
			n += c->insns[n].code == (BPF_LD | BPF_IMM | BPF_DW);
		}
	}
	return NULL;
}
