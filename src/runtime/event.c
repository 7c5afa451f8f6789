/* Records of the ring buffer to their handlers, and the services that handlers get (struct host).
 *
 * A handler makes text or JSON and hands it to emit(): from there it goes to the output, or to the
 * caller's own function when the run has one. Control events (print, clear, exit) that found the
 * ring full left a count in the globals; they are carried out when the ring is empty, so that they
 * come after everything that was sent before them.
 *
 *   text   Hello\n
 *   JSON   {"type": "printf", "data": "Hello\n"}
 */
#include <string.h>

#include "runtime/priv.h"

/* ---- services -----------------------------------------------------------------------------------
 */

void event_deliver(struct run *r, const char *type, struct str text)
{
	if (r->capture) {
		buf_addstr(r->capture, text);
		return;
	}
	if (r->o.record) {
		r->o.record(r->o.arg, type, text.p ? text.p : "", text.n);
		return;
	}
	if (!r->o.out)
		return;
	out_str(r->o.out, text);
	out_commit(r->o.out);
}

static void open_json(struct buf *b, const char *type)
{
	buf_adds(b, "{\"type\": ");
	buf_add_json_str(b, str_of(type));
	buf_adds(b, ", \"data\": ");
}

static void deliver_json(struct run *r, const char *type, struct str data, bool quote)
{
	struct buf b = BUF_INIT;

	open_json(&b, type);
	if (quote)
		buf_add_json_str(&b, data);
	else
		buf_addstr(&b, data);
	buf_adds(&b, "}\n");
	event_deliver(r, type, (struct str){b.p, b.n});
	buf_release(&b);
}

static void host_emit(struct host *h, const char *type, struct str text)
{
	struct run *r = h->run;

	if (run_ndjson(r))
		ndjson_text(r, type, text);
	else if (run_json(r))
		deliver_json(r, type, text, true);
	else
		event_deliver(r, type, text);
}

/* A value is a line of its own. */
static void host_emit_value(struct host *h, const char *type, struct str text)
{
	struct run *r = h->run;
	struct buf b = BUF_INIT;

	if (run_ndjson(r)) {
		ndjson_value(r, text);
		return;
	}
	if (run_json(r)) {
		deliver_json(r, type, text, false);
		return;
	}
	if (text.n && text.p[text.n - 1] == '\n') {
		event_deliver(r, type, text);
		return;
	}
	buf_addstr(&b, text);
	buf_addc(&b, '\n');
	event_deliver(r, type, (struct str){b.p, b.n});
	buf_release(&b);
}

static void host_format(struct host *h, const struct event_def *def, const void *rec,
			struct buf *out)
{
	struct run *r = h->run;

	if (!r->formats[def->id])
		r->formats[def->id] = fmt_new(r->arena, def->format, def->fields, def->nfields);
	fmt_run(r->formats[def->id], &h->render, run_json(r) || (r->o.out && r->o.out->raw), rec,
		out);
}

static void host_print_map(struct host *h, uint32_t map, const struct print_opts *o)
{
	map_print(h->run, map, o);
}

static void host_clear_map(struct host *h, uint32_t map, bool printed)
{
	map_clear(h->run, map, false, printed);
}

static void host_zero_map(struct host *h, uint32_t map, bool printed)
{
	map_clear(h->run, map, true, printed);
}

static void host_exit(struct host *h, int code)
{
	struct run *r = h->run;

	if (!r->exit_called)
		r->exit_code = code;
	r->exit_called = true;
	r->done = true;
}

static uint64_t host_global(struct host *h, uint32_t off)
{
	uint64_t *p = run_global(h->run, off);

	return p ? __atomic_load_n(p, __ATOMIC_ACQUIRE) : 0;
}

static void host_unwatch(struct host *h, uint64_t addr)
{
	links_close_addr(h->run, addr);
}

static void host_watch(struct host *h, uint32_t which, uint64_t addr, bool stopped)
{
	watch_add(h->run, which, addr, stopped);
}

static void host_packet(struct host *h, const struct event_def *def, const struct packet *p)
{
	pcap_add(h->run, def, p);
}

static const char *place(struct run *r, const struct event_def *def, unsigned *line, unsigned *col)
{
	*line = *col = 0;
	if (!r->p->diag || def->span.file == UINT32_MAX)
		return "";
	diag_line_col(r->p->diag, def->span, line, col);
	return diag_source_name(r->p->diag, def->span.file);
}

static void message_json(struct run *r, const struct event_def *def, struct str text,
			 const char *file, unsigned line, unsigned col)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, "{\"type\": ");
	buf_add_json_str(&b, str_of(def->kind->name));
	buf_adds(&b, ", \"msg\": ");
	buf_add_json_str(&b, text);
	buf_adds(&b, ", \"filename\": ");
	buf_add_json_str(&b, str_of(file));
	buf_printf(&b, ", \"line\": %u, \"col\": %u}\n", line, col);
	event_deliver(r, def->kind->name, (struct str){b.p, b.n});
	buf_release(&b);
}

static void host_message(struct host *h, const struct event_def *def, const char *severity,
			 struct str text)
{
	struct run *r = h->run;
	bool error = severity && (severity[0] == 'e' || severity[0] == 'E');
	unsigned line, col;
	const char *file = place(r, def, &line, &col);

	r->nerrors += error;
	if (run_ndjson(r)) {
		ndjson_errorf(r, def->kind->name, text, file, line, col);
		return;
	}
	if (run_json(r)) {
		message_json(r, def, text, file, line, col);
		return;
	}
	while (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (r->capture)
		buf_printf(r->capture, "%s:%u:%u: %.*s\n", file, line, col, STR_ARG(text));
	else
		run_message(r, error ? RUN_ERROR : RUN_WARN, "%s:%u:%u: %.*s", file, line, col,
			    STR_ARG(text));
}

static void helper_error_json(struct run *r, const struct event_def *def, const char *msg,
			      int32_t code)
{
	struct buf b = BUF_INIT;
	unsigned line, col;
	const char *file = place(r, def, &line, &col);

	buf_adds(&b, "{\"type\": \"helper_error\", \"msg\": ");
	buf_add_json_str(&b, str_of(msg));
	buf_printf(&b, ", \"helper\": \"%s\", \"retcode\": %d, \"filename\": ", def->text, code);
	buf_add_json_str(&b, str_of(file));
	buf_printf(&b, ", \"line\": %u, \"col\": %u}\n", line, col);
	event_deliver(r, "helper_error", (struct str){b.p, b.n});
	buf_release(&b);
}

static void host_helper_error(struct host *h, const struct event_def *def, int32_t code)
{
	struct run *r = h->run;
	const char *msg = code ? strerror(-code) : "the map has no such key";
	unsigned line, col;
	const char *file = place(r, def, &line, &col);

	if (run_ndjson(r))
		ndjson_helper_error(r, def->text, msg, code, file, line, col);
	else if (run_json(r))
		helper_error_json(r, def, msg, code);
	else
		run_message(r, RUN_WARN, "%s:%u:%u: %s\nAdditional Info - helper: %s, retcode: %d",
			    file, line, col, msg, def->text, code);
}

static void render_init(struct run *r)
{
	r->host.render = (struct render){
		.kernel = r->o.kernel,
		.syms = symbolizer_new(),
		.types = r->p->types,
		.config = &r->p->config,
		.arena = r->arena,
		.json = run_json(r),
		.ndjson = run_ndjson(r),
		.probe_names = r->p->target_names,
		.nprobe_names = r->p->ntargets,
		.strings = r->p->strings,
		.nstrings = r->p->nstrings,
		.stack = stack_render,
		.value = render_value,
		.run = r,
	};
	if (r->host.render.syms)
		symbolizer_demangle(r->host.render.syms, r->p->config.cpp_demangle);
}

void event_host_init(struct run *r)
{
	r->host = (struct host){
		.out = r->o.out,
		.emit = host_emit,
		.emit_value = host_emit_value,
		.format = host_format,
		.print_map = host_print_map,
		.clear_map = host_clear_map,
		.zero_map = host_zero_map,
		.exit = host_exit,
		.global = host_global,
		.message = host_message,
		.unwatch = host_unwatch,
		.watch = host_watch,
		.packet = host_packet,
		.helper_error = host_helper_error,
		.run = r,
	};
	render_init(r);
}

/* ---- dispatch -----------------------------------------------------------------------------------
 */

void event_record(struct run *r, const void *rec, size_t len)
{
	const struct event_def *def;
	uint32_t id;

	if (len < 4 || (id = *(const uint32_t *)rec) >= r->p->nevents) {
		r->bad_records++;
		return;
	}
	def = r->p->events[id];
	if (len < def->size) {
		r->bad_records++;
		return;
	}
	def->kind->handle(&r->host, def, rec, len);
}

static void handle_record(void *arg, const void *rec, size_t len)
{
	event_record(arg, rec, len);
}

static void run_pending(struct run *r, const struct event_def *def)
{
	uint64_t *count = def->kind->control ? run_global(r, def->pending_off) : NULL;
	uint64_t n = count && def->pending_off ? __atomic_exchange_n(count, 0, __ATOMIC_ACQ_REL)
					       : 0;

	for (; n > 0 && !(r->o.out && r->o.out->error); n--)
		def->kind->handle(&r->host, def, NULL, 0);
}

void event_pending(struct run *r)
{
	for (size_t i = 0; i < r->p->nevents; i++)
		run_pending(r, r->p->events[i]);
}

size_t event_drain(struct run *r, uint64_t limit)
{
	size_t n = ring_drain(&r->ring, limit, handle_record, r) + packets_drain(r);

	event_pending(r);
	return n;
}
