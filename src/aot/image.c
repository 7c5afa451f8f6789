/* The image: a compiled program as words. What has a place in the kernel's memory or on this
 * machine is a word that relocations may move; the places of attach points are not here but found
 * anew (targets.c).
 *
 *   types      (types.c)
 *   config     what a run looks at: max_cat_bytes, log_size, missing_probes, print_maps_on_exit,
 *              cpp_demangle, trailer?, license?
 *   sources    n { name, text }, without the script: its text is in the source's section
 *   maps       n { name, user, mmapable, spec, key?, nkeys, value?, scalar, percpu, offsets … }
 *   events     n { kind, control, fields, size, text?, format?, map, num[4], print?, pending, span
 * } strings    n { text } programs   n { name, title, provider, types, target ids, code, spans,
 * functions } decls      n { attach points { parts } , targets { id, name, module?, symbol?, 8
 * numbers … } } offsets    ring, globals, scratch, stacks, unwind, lost, exit, start, once
 *
 * The types come first in the file and are known last, so they are written to a buffer of their
 * own.
 */
#include "aot/priv.h"
#include "sema/sema.h"

struct writer {
	struct type_writer types;
	struct buf *out;
	struct image *image;
	const struct program *p;
	const struct attach_target **by_id; /* as they are attached */
};

void image_release(struct image *i)
{
	buf_release(&i->bytes);
	hvec_release(&i->code);
}

static void put_span(struct writer *w, struct span s)
{
	put_u32(w->out, s.off);
	put_u32(w->out, s.len);
	put_u32(w->out, s.file);
}

static void put_type(struct writer *w, const struct type *t)
{
	put_u32(w->out, t ? type_number(&w->types, t) : NO_TYPE);
}

static void put_config(struct writer *w, const struct config *c)
{
	put_u64(w->out, c->max_cat_bytes);
	put_u64(w->out, c->log_size);
	put_u32(w->out, c->missing_probes);
	put_u32(w->out, c->print_maps_on_exit);
	put_u32(w->out, c->cpp_demangle);
	put_text(w->out, c->printf_filter);
	put_u64(w->out, c->printf_limit);
	put_text(w->out, c->stack_frame);
	put_u32(w->out, c->stack_root_first);
	put_u32(w->out, c->detach_last);
	put_u32(w->out, c->begin_attached);
	put_u32(w->out, c->probe_inline);
	put_text(w->out, c->str_trunc_trailer);
	put_text(w->out, c->license);
}

static void put_sources(struct writer *w)
{
	uint32_t n = diag_sources(w->p->diag);

	put_u32(w->out, n);
	for (uint32_t i = 0; i < n; i++) {
		put_text(w->out, diag_source_name(w->p->diag, i));
		put_str(w->out, i ? diag_source_text(w->p->diag, i) : (struct str){"", 0});
	}
}

static void put_spec(struct writer *w, const struct map_spec *s)
{
	put_text(w->out, s->name);
	put_u32(w->out, s->type);
	put_u32(w->out, s->key_size);
	put_u32(w->out, s->value_size);
	put_u32(w->out, s->max_entries);
	put_u32(w->out, s->flags);
}

static void put_map(struct writer *w, const struct program_map *m)
{
	put_text(w->out, m->name);
	put_spec(w, &m->spec);
	put_u32(w->out, m->user);
	put_u32(w->out, m->mmapable);
	put_u32(w->out, m->own);
	put_type(w, m->key);
	put_u32(w->out, m->nkeys);
	put_type(w, m->value);
	put_u32(w->out, m->scalar);
	put_u32(w->out, m->percpu);
	put_u32(w->out, m->set_off);
	put_u32(w->out, m->lost_off);
	put_u32(w->out, m->subtract);
}

/* ---- events ---- */

static void put_conv(struct writer *w, const struct conv *c)
{
	put_str(w->out, c->literal);
	put_u32(w->out, (uint8_t)c->spec);
	put_u32(w->out, (uint8_t)c->variant);
	put_u32(w->out, (uint32_t)c->minus | (uint32_t)c->plus << 1 | (uint32_t)c->space << 2 |
				(uint32_t)c->alt << 3 | (uint32_t)c->zero << 4);
	put_u32(w->out, (uint32_t)c->width);
	put_u32(w->out, (uint32_t)c->prec);
	put_u32(w->out, c->bytes);
}

static void put_format(struct writer *w, const struct format *f)
{
	put_u32(w->out, f ? (uint32_t)f->n : 0);
	for (size_t i = 0; f && i < f->n; i++)
		put_conv(w, &f->convs[i]);
}

static void put_print(struct writer *w, const struct print_opts *o)
{
	put_u32(w->out, o != NULL);
	if (!o)
		return;
	put_u64(w->out, (uint64_t)o->top);
	put_u64(w->out, (uint64_t)o->div);
	put_u32(w->out, o->by);
	put_u32(w->out, o->desc);
	put_u32(w->out, o->part);
	put_u32(w->out, o->key);
	put_u32(w->out, o->npercentiles);
	for (uint32_t i = 0; i < o->npercentiles; i++)
		put_u32(w->out, o->percentiles[i]);
	put_format(w, o->format);
	put_u32(w->out, o->ncolumns);
	for (uint32_t i = 0; i < o->ncolumns; i++)
		put_u32(w->out, (uint8_t)o->columns[i]);
	put_text(w->out, o->unit);
}

static void put_event(struct writer *w, const struct event_def *d)
{
	put_text(w->out, d->kind->name);
	put_u32(w->out, d->kind->control);
	put_u32(w->out, d->nfields);
	for (uint32_t i = 0; i < d->nfields; i++) {
		put_type(w, d->fields[i].type);
		put_u32(w->out, d->fields[i].off);
	}
	put_u32(w->out, d->size);
	put_text(w->out, d->text);
	put_format(w, d->format);
	put_u32(w->out, d->map);
	for (int i = 0; i < 4; i++)
		put_u64(w->out, (uint64_t)d->num[i]);
	put_print(w, d->print);
	put_u32(w->out, d->pending_off);
	put_span(w, d->span);
}

/* ---- programs ---- */

static bool same_span(struct span a, struct span b)
{
	return a.off == b.off && a.len == b.len && a.file == b.file;
}

/* Neighbours mostly come from one place: each run is written once. */
static void put_spans(struct writer *w, const struct ir_code *c)
{
	uint32_t runs = 0;

	for (size_t i = 0; i < c->n; i++)
		runs += !i || !same_span(c->spans[i], c->spans[i - 1]);
	put_u32(w->out, runs);
	for (size_t i = 0, from = 0; i < c->n; i++) {
		if (i + 1 < c->n && same_span(c->spans[i], c->spans[i + 1]))
			continue;
		put_u32(w->out, (uint32_t)(i + 1 - from));
		put_span(w, c->spans[i]);
		from = i + 1;
	}
}

static void put_code(struct writer *w, const struct ir_code *c)
{
	struct code_range range;

	put_u32(w->out, (uint32_t)c->n);
	range = (struct code_range){(uint32_t)(w->out->n / 4), (uint32_t)c->n * 2};
	hvec_push(&w->image->code, range);
	for (size_t i = 0; i < c->n; i++) {
		const struct bpf_insn *in = &c->insns[i];

		put_u32(w->out, in->code | (uint32_t)in->dst_reg << 8 |
					(uint32_t)in->src_reg << 12 |
					(uint32_t)(uint16_t)in->off << 16);
		put_u32(w->out, (uint32_t)in->imm);
	}
	put_spans(w, c);
	put_u32(w->out, (uint32_t)c->nfuncs);
	for (size_t i = 0; i < c->nfuncs; i++) {
		put_text(w->out, c->funcs[i].name);
		put_u32(w->out, c->funcs[i].insn_off);
		put_u32(w->out, c->funcs[i].kind);
		put_u32(w->out, c->funcs[i].nparams);
	}
	put_u32(w->out, c->stack);
}

static void put_prog(struct writer *w, const struct program_prog *p)
{
	put_text(w->out, p->name);
	put_text(w->out, p->title);
	put_text(w->out, p->prov->name);
	put_u32(w->out, p->type);
	put_u32(w->out, p->attach_type);
	put_u32(w->out, p->attach_btf_id);
	put_text(w->out, p->attach_module);
	put_u32(w->out, p->attach_prog);
	put_u32(w->out, (uint32_t)p->ntargets);
	for (size_t i = 0; i < p->ntargets; i++)
		put_u32(w->out, (uint32_t)p->targets[i].id);
	put_code(w, &p->code);
}

/* ---- attach points ---- */

static void put_point(struct writer *w, const struct attach_point *ap)
{
	put_span(w, ap->span);
	put_str(w->out, ap->text);
	put_u32(w->out, (uint32_t)ap->nparts);
	for (size_t i = 0; i < ap->nparts; i++) {
		put_str(w->out, ap->parts[i]);
		put_span(w, ap->part_spans[i]);
		put_u32(w->out, ap->quoted[i]);
	}
}

static void index_targets(struct writer *w)
{
	const struct program *p = w->p;

	w->by_id = arena_array_of(w->types.a, const struct attach_target *, p->ntargets + 1);
	for (size_t i = 0; i < p->nprogs; i++)
		for (size_t k = 0; k < p->progs[i].ntargets; k++)
			w->by_id[p->progs[i].targets[k].id] = &p->progs[i].targets[k];
}

static void put_numbers(struct writer *w, const struct attach_target *t)
{
	put_u32(w->out, t->a);
	put_u32(w->out, t->b);
	put_u32(w->out, t->c);
	put_u32(w->out, (uint32_t)t->pid);
}

static void put_target(struct writer *w, const struct resolved_target *r)
{
	put_text(w->out, r->prov->name);
	put_u32(w->out, (uint32_t)r->t.id);
	put_u32(w->out, (uint32_t)r->t.said);
	put_text(w->out, r->t.name);
	put_u64(w->out, r->t.addr);
	put_u64(w->out, r->t.ref_ctr);
	put_numbers(w, &r->t);
	put_numbers(w, w->by_id[r->t.id]);
}

static void put_decl(struct writer *w, const struct resolved_decl *d)
{
	put_u32(w->out, (uint32_t)d->naps);
	for (size_t i = 0; i < d->naps; i++)
		put_point(w, &d->aps[i]);
	put_u32(w->out, (uint32_t)d->targets.n);
	VEC_EACH (const struct resolved_target, t, &d->targets)
		put_target(w, t);
}

static void put_rest(struct writer *w)
{
	const struct program *p = w->p;
	const uint32_t words[] = {
		p->ring,          p->globals,  p->scratch,  p->stacks,    p->unwind_procs,
		p->unwind_images, p->lost_off, p->exit_off, p->start_off, p->only_once,
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		put_u32(w->out, words[i]);
	put_text(w->out, p->help);
}

static void put_body(struct writer *w)
{
	const struct program *p = w->p;

	put_config(w, &p->config);
	put_sources(w);
	put_u32(w->out, (uint32_t)p->nmaps);
	for (size_t i = 0; i < p->nmaps; i++)
		put_map(w, &p->maps[i]);
	put_u32(w->out, (uint32_t)p->nevents);
	for (size_t i = 0; i < p->nevents; i++)
		put_event(w, p->events[i]);
	put_u32(w->out, (uint32_t)p->nstrings);
	for (size_t i = 0; i < p->nstrings; i++)
		put_text(w->out, p->strings[i]);
	put_u32(w->out, (uint32_t)p->nprogs);
	for (size_t i = 0; i < p->nprogs; i++)
		put_prog(w, &p->progs[i]);
	put_u32(w->out, (uint32_t)p->ntargets);
	put_u32(w->out, (uint32_t)p->nresolved);
	for (size_t i = 0; i < p->nresolved; i++)
		put_decl(w, &p->resolved[i]);
	put_rest(w);
}

void image_write(const struct program *p, struct image *out)
{
	struct arena *a = arena_new();
	struct buf body = BUF_INIT;
	struct writer w = {.types = {.a = a, .ts = p->types}, .out = &body, .image = out, .p = p};
	uint32_t shift;

	strmap_init(&w.types.numbers, a);
	index_targets(&w);
	put_body(&w);
	types_write(&w.types, &out->bytes);
	shift = (uint32_t)(out->bytes.n / 4);
	VEC_EACH (struct code_range, r, &out->code)
		r->at += shift;
	buf_addstr(&out->bytes, (struct str){body.p, body.n});
	buf_release(&body);
	arena_free(a);
}
