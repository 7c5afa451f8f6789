/* The program, read from an image (image.c has the layout). Numbers are taken within the bounds
 * that reading needs; what they mean to one another is looked at afterwards (check.c). */
#include "aot/priv.h"
#include "sema/builtin.h"
#include "sema/sema.h"

struct parser {
	struct reader r;
	struct type_list types;
	struct program *p;
	struct aot_program *out;
};

static struct span get_span(struct parser *s)
{
	struct span v;

	v.off = get_u32(&s->r);
	v.len = get_u32(&s->r);
	v.file = get_u32(&s->r);
	return v;
}

static void parse_config(struct parser *s)
{
	struct config *c = &s->p->config;

	config_init(c, s->r.a);
	c->max_cat_bytes = get_u64(&s->r);
	c->log_size = get_u64(&s->r);
	c->missing_probes = (enum missing_probes)get_below(&s->r, MISSING_ANY + 1);
	c->print_maps_on_exit = get_bool(&s->r);
	c->cpp_demangle = get_bool(&s->r);
	c->printf_filter = get_text_or_none(&s->r);
	c->printf_limit = get_u64(&s->r);
	c->stack_frame = get_text_or_none(&s->r);
	c->stack_root_first = get_bool(&s->r);
	c->detach_last = get_bool(&s->r);
	c->begin_attached = get_bool(&s->r);
	c->probe_inline = get_bool(&s->r);
	c->str_trunc_trailer = get_text_or_none(&s->r);
	c->license = get_text_or_none(&s->r);
	c->script_applied = true;
}

/* The first one, the script, is there already. */
static void parse_sources(struct parser *s)
{
	uint32_t n = get_count(&s->r, 8);

	for (uint32_t i = 0; i < n && !s->r.bad; i++) {
		const char *name = get_text(&s->r);
		struct str text = get_str(&s->r);

		if (i)
			diag_add_source(s->p->diag, name, text);
	}
}

static void parse_spec(struct parser *s, struct map_spec *m)
{
	m->name = get_text(&s->r);
	m->type = (enum bpf_map_type)get_u32(&s->r);
	m->key_size = get_u32(&s->r);
	m->value_size = get_u32(&s->r);
	m->max_entries = get_u32(&s->r);
	m->flags = get_u32(&s->r);
}

static void parse_map(struct parser *s, struct program_map *m)
{
	m->name = get_text(&s->r);
	parse_spec(s, &m->spec);
	m->user = get_bool(&s->r);
	m->mmapable = get_bool(&s->r);
	m->own = get_bool(&s->r);
	m->key = get_type(&s->r, &s->types);
	m->nkeys = get_u32(&s->r);
	m->value = get_type(&s->r, &s->types);
	m->scalar = get_bool(&s->r);
	m->percpu = get_bool(&s->r);
	m->set_off = get_u32(&s->r);
	m->lost_off = get_u32(&s->r);
	m->subtract = get_bool(&s->r);
}

/* ---- events ---- */

static void parse_conv(struct parser *s, struct conv *c)
{
	uint32_t flags;

	c->literal = get_str(&s->r);
	c->spec = (char)get_below(&s->r, 128);
	c->variant = (char)get_below(&s->r, 128);
	flags = get_below(&s->r, 32);
	c->minus = flags & 1;
	c->plus = flags & 2;
	c->space = flags & 4;
	c->alt = flags & 8;
	c->zero = flags & 16;
	c->width = (int)get_u32(&s->r);
	c->prec = (int)get_u32(&s->r);
	c->bytes = (uint8_t)get_below(&s->r, 9);
}

static const struct format *parse_format(struct parser *s)
{
	uint32_t n = get_count(&s->r, 28);
	struct format *f = arena_new_of(s->r.a, struct format);

	if (!n)
		return NULL;
	f->n = n;
	f->convs = arena_array_of(s->r.a, struct conv, n);
	for (uint32_t i = 0; i < n; i++) {
		parse_conv(s, &f->convs[i]);
		f->nargs += f->convs[i].spec != 0;
	}
	return f;
}

static const struct print_opts *parse_print(struct parser *s)
{
	struct print_opts *o = arena_new_of(s->r.a, struct print_opts);

	if (!get_bool(&s->r))
		return NULL;
	o->top = (int64_t)get_u64(&s->r);
	o->div = (int64_t)get_u64(&s->r);
	o->by = get_below(&s->r, PRINT_BY_KEY + 1);
	o->desc = get_bool(&s->r);
	o->part = get_bool(&s->r);
	o->key = get_u32(&s->r);
	o->npercentiles = get_below(&s->r, ARRAY_SIZE(o->percentiles) + 1);
	for (uint32_t i = 0; i < o->npercentiles; i++)
		o->percentiles[i] = (uint8_t)get_below(&s->r, 101);
	o->format = parse_format(s);
	o->ncolumns = get_below(&s->r, COLUMNS_MAX + 1);
	for (uint32_t i = 0; i < o->ncolumns; i++)
		o->columns[i] = (int8_t)get_below(&s->r, 256);
	o->unit = get_text_or_none(&s->r);
	return o;
}

static const struct event_kind *parse_kind(struct parser *s)
{
	const char *name = get_text(&s->r);
	bool control = get_bool(&s->r);

	for (const struct event_kind *const *k = event_kinds; *k; k++)
		if (strcmp((*k)->name, name) == 0 && (*k)->control == control)
			return *k;
	s->r.bad = true;
	return event_kinds[0];
}

static void parse_fields(struct parser *s, struct event_def *d)
{
	d->nfields = get_count(&s->r, 8);
	d->fields = arena_array_of(s->r.a, struct event_field, d->nfields + 1);
	for (uint32_t i = 0; i < d->nfields; i++) {
		d->fields[i].type = get_type(&s->r, &s->types);
		d->fields[i].off = get_u32(&s->r);
	}
}

static struct event_def *parse_event(struct parser *s, uint32_t id)
{
	struct event_def *d = arena_new_of(s->r.a, struct event_def);

	d->id = id;
	d->kind = parse_kind(s);
	parse_fields(s, d);
	d->size = get_u32(&s->r);
	d->text = get_text_or_none(&s->r);
	d->format = parse_format(s);
	d->map = get_u32(&s->r);
	for (int i = 0; i < 4; i++)
		d->num[i] = (int64_t)get_u64(&s->r);
	d->print = parse_print(s);
	d->pending_off = get_u32(&s->r);
	d->span = get_span(s);
	return d;
}

/* ---- programs ---- */

static void parse_insns(struct parser *s, struct ir_code *c)
{
	c->n = get_count(&s->r, 8);
	c->insns = arena_array_of(s->r.a, struct bpf_insn, c->n + 1);
	c->spans = arena_array_of(s->r.a, struct span, c->n + 1);
	for (size_t i = 0; i < c->n; i++) {
		uint32_t word = get_u32(&s->r);

		c->insns[i] = (struct bpf_insn){.code = (uint8_t)word,
						.dst_reg = (word >> 8) & 15,
						.src_reg = (word >> 12) & 15,
						.off = (int16_t)(word >> 16),
						.imm = (int32_t)get_u32(&s->r)};
	}
}

static void parse_spans(struct parser *s, struct ir_code *c)
{
	uint32_t runs = get_count(&s->r, 16);
	size_t at = 0;

	for (uint32_t i = 0; i < runs && !s->r.bad; i++) {
		uint32_t n = get_u32(&s->r);
		struct span span = get_span(s);

		if (n > c->n - at)
			s->r.bad = true;
		for (uint32_t k = 0; k < n && !s->r.bad; k++)
			c->spans[at++] = span;
	}
	if (at != c->n)
		s->r.bad = true;
}

static void parse_code(struct parser *s, struct ir_code *c)
{
	parse_insns(s, c);
	parse_spans(s, c);
	c->nfuncs = get_count(&s->r, 16);
	c->funcs = arena_array_of(s->r.a, struct ir_func_info, c->nfuncs + 1);
	for (size_t i = 0; i < c->nfuncs; i++) {
		c->funcs[i].name = get_text(&s->r);
		c->funcs[i].insn_off = get_below(&s->r, (uint32_t)MAX(c->n, 1));
		c->funcs[i].kind = (enum ir_fn_kind)get_below(&s->r, IR_CALLBACK + 1);
		c->funcs[i].nparams = get_below(&s->r, 6);
	}
	c->stack = get_below(&s->r, 513);
}

static const struct provider *get_provider(struct parser *s)
{
	const char *name = get_text(&s->r);

	for (const struct provider *const *p = providers; *p; p++)
		if (strcmp((*p)->name, name) == 0)
			return *p;
	s->r.bad = true;
	return providers[0];
}

static void parse_prog(struct parser *s, struct program_prog *p)
{
	p->name = get_text(&s->r);
	p->title = get_text(&s->r);
	p->prov = get_provider(s);
	p->type = (enum bpf_prog_type)get_u32(&s->r);
	p->attach_type = get_u32(&s->r);
	p->attach_btf_id = get_u32(&s->r);
	p->attach_module = get_text_or_none(&s->r);
	p->attach_prog = get_u32(&s->r);
	p->ntargets = get_count(&s->r, 4);
	p->targets = arena_array_of(s->r.a, struct attach_target, p->ntargets + 1);
	for (size_t i = 0; i < p->ntargets; i++)
		p->targets[i].id = get_u32(&s->r);
	parse_code(s, &p->code);
}

/* ---- attach points ---- */

static void parse_point(struct parser *s, struct attach_point *ap)
{
	uint32_t n;

	ap->span = get_span(s);
	ap->text = get_str(&s->r);
	n = get_count(&s->r, 20);
	ap->nparts = n;
	ap->parts = arena_array_of(s->r.a, struct str, n + 1);
	ap->part_spans = arena_array_of(s->r.a, struct span, n + 1);
	ap->quoted = arena_array_of(s->r.a, bool, n + 1);
	for (uint32_t i = 0; i < n; i++) {
		ap->parts[i] = get_str(&s->r);
		ap->part_spans[i] = get_span(s);
		ap->quoted[i] = get_bool(&s->r);
	}
	if (!n)
		s->r.bad = true;
}

static void get_numbers(struct parser *s, struct attach_target *t)
{
	t->a = get_u32(&s->r);
	t->b = get_u32(&s->r);
	t->c = get_u32(&s->r);
	t->pid = (int)get_u32(&s->r);
}

static void parse_target(struct parser *s, uint32_t decl, uint32_t seq)
{
	const struct provider *prov = get_provider(s);
	uint32_t id = get_below(&s->r, (uint32_t)MAX(s->p->ntargets, 1));
	struct aot_target *t = &s->out->targets[id];

	if (!s->p->ntargets || t->prov)
		s->r.bad = true;
	t->prov = prov;
	t->decl = decl;
	t->seq = seq;
	t->after.said = get_below(&s->r, (uint32_t)MAX(s->p->ntargets, 1));
	t->before.name = get_text(&s->r);
	t->before.addr = get_u64(&s->r);
	t->before.ref_ctr = get_u64(&s->r);
	get_numbers(s, &t->before);
	get_numbers(s, &t->after);
}

static void parse_decl(struct parser *s, uint32_t number)
{
	struct resolved_decl *d = &s->out->decls[number];
	uint32_t n;

	d->naps = get_count(&s->r, 20);
	d->aps = arena_array_of(s->r.a, struct attach_point, d->naps + 1);
	for (size_t i = 0; i < d->naps; i++)
		parse_point(s, &d->aps[i]);
	n = get_count(&s->r, 64);
	for (uint32_t i = 0; i < n && !s->r.bad; i++)
		parse_target(s, number, i);
}

static void parse_decls(struct parser *s)
{
	s->p->ntargets = get_count(&s->r, 60);
	s->out->targets = arena_array_of(s->r.a, struct aot_target, s->p->ntargets + 1);
	s->out->ndecls = get_count(&s->r, 8);
	s->out->decls = arena_array_of(s->r.a, struct resolved_decl, s->out->ndecls + 1);
	for (uint32_t i = 0; i < s->out->ndecls; i++)
		parse_decl(s, i);
	for (size_t i = 0; i < s->p->ntargets; i++)
		if (!s->out->targets[i].prov)
			s->r.bad = true;
}

static void parse_rest(struct parser *s)
{
	struct program *p = s->p;

	p->ring = get_u32(&s->r);
	p->globals = get_u32(&s->r);
	p->scratch = get_u32(&s->r);
	p->stacks = get_u32(&s->r);
	p->followed = p->cgroups = NO_MAP; /* those who are followed compile again */
	p->unwind_procs = get_u32(&s->r);
	p->unwind_images = get_u32(&s->r);
	if (p->unwind_images < p->nmaps)
		p->maps[p->unwind_images].spec.inner = &program_unwind_image;
	p->lost_off = get_u32(&s->r);
	p->exit_off = get_u32(&s->r);
	p->start_off = get_u32(&s->r);
	p->only_once = get_bool(&s->r);
	p->help = get_text_or_none(&s->r);
}

/* ---- the whole ---- */

static void parse_lists(struct parser *s)
{
	struct program *p = s->p;

	p->nmaps = get_count(&s->r, 60);
	p->maps = arena_array_of(s->r.a, struct program_map, p->nmaps + 1);
	for (size_t i = 0; i < p->nmaps; i++)
		parse_map(s, &p->maps[i]);
	p->nevents = get_count(&s->r, 80);
	p->events = arena_array_of(s->r.a, struct event_def *, p->nevents + 1);
	for (size_t i = 0; i < p->nevents; i++)
		p->events[i] = parse_event(s, (uint32_t)i);
	p->nstrings = get_count(&s->r, 4);
	p->strings = arena_array_of(s->r.a, const char *, p->nstrings + 1);
	for (size_t i = 0; i < p->nstrings; i++)
		p->strings[i] = get_text(&s->r);
	p->nprogs = get_count(&s->r, 40);
	p->progs = arena_array_of(s->r.a, struct program_prog, p->nprogs + 1);
	for (size_t i = 0; i < p->nprogs; i++)
		parse_prog(s, &p->progs[i]);
}

bool image_parse(struct str bytes, struct arena *a, struct kernel *k, struct aot_program *out)
{
	struct parser s = {
		.r = {(const uint8_t *)bytes.p, bytes.n, 0, false, a}, .p = out->p, .out = out};

	out->p->types = types_new(a, k);
	if (!types_read(&s.r, out->p->types, &s.types))
		return false;
	parse_config(&s);
	parse_sources(&s);
	parse_lists(&s);
	parse_decls(&s);
	parse_rest(&s);
	return !s.r.bad && s.r.at == s.r.n && image_check(out->p);
}
