/* Profiles as protocol buffers: pprof (compressed by gzip, as it must be) and a trace of Perfetto.
 *
 *   pprof       Profile { sample_type (one for each map), sample { location ids, innermost first;
 *               values; labels pid and other keys }, mapping, location { address }, function,
 * strings } Perfetto    Trace { TracePacket { ProfilePacket { tables of strings, mappings, frames,
 *               callstacks; for each process its samples } } }, shown as a flame graph of a process
 *
 * A field is a tag (number << 3 | kind) and a varint, or a length and bytes. Submessages are made
 * in a buffer of their own and added as bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "runtime/profile.h"

/* ---- fields --------------------------------------------------------------------------------- */

static void add_varint(struct buf *b, uint64_t v)
{
	for (; v > 127; v >>= 7)
		buf_addc(b, (char)(v | 128));
	buf_addc(b, (char)v);
}

static void put_num(struct buf *b, uint32_t field, uint64_t v)
{
	add_varint(b, field << 3);
	add_varint(b, v);
}

static void put_bytes(struct buf *b, uint32_t field, const void *p, size_t n)
{
	add_varint(b, field << 3 | 2);
	add_varint(b, n);
	buf_add(b, p, n);
}

static void put_text(struct buf *b, uint32_t field, const char *text)
{
	put_bytes(b, field, text, strlen(text));
}

/* Adds the message and empties it. */
static void put_message(struct buf *b, uint32_t field, struct buf *m)
{
	put_bytes(b, field, m->p ? m->p : "", m->n);
	buf_reset(m);
}

/* ---- numbers of strings --------------------------------------------------------------------- */

struct table {
	struct strmap index; /* string → its number */
	VEC(const char *) strings;
	struct arena *arena;
};

static uint64_t number_of(struct table *t, const char *text)
{
	uintptr_t have = (uintptr_t)strmap_get(&t->index, str_of(text));

	if (!have) {
		vec_push(t->arena, &t->strings, text);
		have = t->strings.n;
		strmap_put(&t->index, str_of(text), (void *)have);
	}
	return have;
}

static struct table *table_new(struct arena *a)
{
	struct table *t = arena_array_of(a, struct table, 1);

	t->arena = a;
	strmap_init(&t->index, a);
	return t;
}

/* ---- pprof ---------------------------------------------------------------------------------- */

enum pprof_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_TIME = 9,
	VALUE_TYPE = 1,
	VALUE_UNIT = 2,
	SAMPLE_LOCATION = 1,
	SAMPLE_VALUE = 2,
	SAMPLE_LABEL = 3,
	LABEL_KEY = 1,
	LABEL_TEXT = 2,
	LABEL_NUM = 3,
	MAPPING_ID = 1,
	MAPPING_FILE = 5,
	MAPPING_FUNCTIONS = 7,
	LOCATION_ID = 1,
	LOCATION_MAPPING = 2,
	LOCATION_ADDRESS = 3,
	LOCATION_LINE = 4,
	LINE_FUNCTION = 1,
	FUNCTION_ID = 1,
	FUNCTION_NAME = 2,
	FUNCTION_SYSTEM_NAME = 3,
	FUNCTION_FILE = 4,
};

struct pprof {
	const struct profile *p;
	struct table *strings;              /* numbered from 1: string 0 is "" */
	struct table *functions, *mappings; /* by name; by path */
	struct buf *out, msg, sub;
};

static uint64_t text_of(struct pprof *w, const char *text)
{
	return text[0] ? number_of(w->strings, text) : 0;
}

static void pprof_types(struct pprof *w)
{
	for (size_t i = 0; i < w->p->nmaps; i++) {
		if (!w->p->maps[i])
			continue;
		put_num(&w->msg, VALUE_TYPE, text_of(w, w->p->maps[i]));
		put_num(&w->msg, VALUE_UNIT, text_of(w, "count"));
		put_message(w->out, PROFILE_SAMPLE_TYPE, &w->msg);
	}
}

static void pprof_label(struct pprof *w, const char *key, const char *text, uint64_t num)
{
	put_num(&w->sub, LABEL_KEY, text_of(w, key));
	if (text)
		put_num(&w->sub, LABEL_TEXT, text_of(w, text));
	else
		put_num(&w->sub, LABEL_NUM, num);
	put_message(&w->msg, SAMPLE_LABEL, &w->sub);
}

/* Other parts of the key are labels, which pprof filters by, not frames. */
static void pprof_sample(struct pprof *w, const struct profile_sample *s)
{
	for (uint32_t i = s->n; i-- > 0;)
		if (profile_frame(w->p, s, i)->kind != FRAME_KEY)
			put_num(&w->msg, SAMPLE_LOCATION, s->path[i] + 1);
	for (uint32_t i = 0; i < w->p->nmaps; i++)
		if (w->p->maps[i])
			put_num(&w->msg, SAMPLE_VALUE, s->map == i ? s->value : 0);
	for (uint32_t i = 0; i < s->n; i++)
		if (profile_frame(w->p, s, i)->kind == FRAME_KEY)
			pprof_label(w, "key", profile_frame(w->p, s, i)->name, 0);
	if (s->pid)
		pprof_label(w, "pid", NULL, s->pid);
	put_message(w->out, PROFILE_SAMPLE, &w->msg);
}

static void pprof_location(struct pprof *w, uint32_t i)
{
	const struct profile_frame *f = &w->p->frames.v[i];

	if (f->kind == FRAME_KEY)
		return;
	put_num(&w->msg, LOCATION_ID, i + 1);
	if (f->module[0])
		put_num(&w->msg, LOCATION_MAPPING, number_of(w->mappings, f->module));
	put_num(&w->msg, LOCATION_ADDRESS, f->addr);
	put_num(&w->sub, LINE_FUNCTION, number_of(w->functions, f->name));
	put_message(&w->msg, LOCATION_LINE, &w->sub);
	put_message(w->out, PROFILE_LOCATION, &w->msg);
}

static void pprof_tables(struct pprof *w)
{
	for (size_t i = 0; i < w->mappings->strings.n; i++) {
		put_num(&w->msg, MAPPING_ID, i + 1);
		put_num(&w->msg, MAPPING_FILE, text_of(w, w->mappings->strings.v[i]));
		put_num(&w->msg, MAPPING_FUNCTIONS, 1);
		put_message(w->out, PROFILE_MAPPING, &w->msg);
	}
	for (size_t i = 0; i < w->functions->strings.n; i++) {
		put_num(&w->msg, FUNCTION_ID, i + 1);
		put_num(&w->msg, FUNCTION_NAME, text_of(w, w->functions->strings.v[i]));
		put_num(&w->msg, FUNCTION_SYSTEM_NAME, text_of(w, w->functions->strings.v[i]));
		put_message(w->out, PROFILE_FUNCTION, &w->msg);
	}
	put_text(w->out, PROFILE_STRING, "");
	for (size_t i = 0; i < w->strings->strings.n; i++)
		put_text(w->out, PROFILE_STRING, w->strings->strings.v[i]);
}

/* 15 + 16: the greatest window, and the header of gzip. */
static void gzip(const struct buf *plain, struct buf *out)
{
	z_stream z = {.next_in = (Bytef *)plain->p, .avail_in = (uInt)plain->n};
	uLong most;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		BUG("out of memory compressing a profile");
	most = deflateBound(&z, (uLong)plain->n) + 64;
	z.next_out = (Bytef *)buf_reserve(out, most);
	z.avail_out = (uInt)most;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		BUG("a profile of %zu bytes was not compressed in one piece", plain->n);
	out->n += z.total_out;
	deflateEnd(&z);
}

void profile_pprof(struct profile *p, struct buf *out)
{
	struct buf plain = BUF_INIT;
	struct pprof w = {.p = p, .out = &plain};

	w.strings = table_new(p->arena);
	w.functions = table_new(p->arena);
	w.mappings = table_new(p->arena);
	pprof_types(&w);
	for (size_t i = 0; i < p->samples.n; i++)
		pprof_sample(&w, &p->samples.v[i]);
	for (uint32_t i = 0; i < p->frames.n; i++)
		pprof_location(&w, i);
	pprof_tables(&w);
	put_num(&plain, PROFILE_TIME, clock_ns(CLOCK_REALTIME));
	gzip(&plain, out);
	buf_release(&plain);
	buf_release(&w.msg);
	buf_release(&w.sub);
}

/* ---- Perfetto ------------------------------------------------------------------------------- */

enum perfetto_field {
	TRACE_PACKET = 1,
	PACKET_TIMESTAMP = 8,
	PACKET_SEQUENCE = 10,
	PACKET_PROFILE = 37,
	DUMP_STRINGS = 1,
	DUMP_FRAMES = 2,
	DUMP_CALLSTACKS = 3,
	DUMP_MAPPINGS = 4,
	DUMP_PROCESSES = 5,
	DUMP_INDEX = 7,
	STRING_ID = 1,
	STRING_BYTES = 2,
	FRAME_ID = 1,
	FRAME_NAME = 2,
	FRAME_MAPPING = 3,
	FRAME_PC = 4,
	CALLSTACK_ID = 1,
	CALLSTACK_FRAMES = 2,
	MAP_ID = 1,
	MAP_PATH = 7,
	PROCESS_PID = 1,
	PROCESS_SAMPLES = 2,
	PROCESS_TIMESTAMP = 9,
	PROCESS_HEAP_NAME = 11,
	HEAP_CALLSTACK = 1,
	HEAP_SIZE = 2,
	HEAP_TIMESTAMP = 4,
	HEAP_COUNT = 5,
};

/* Pids of processes begin with 1: what has none is put to that. */
static uint64_t dump_pid(const struct profile_sample *s)
{
	return s->pid ? s->pid : 1;
}

static void perfetto_frame(struct pprof *w, uint32_t i)
{
	const struct profile_frame *f = &w->p->frames.v[i];
	const char *module = f->module[0] ? f->module : f->kind == FRAME_KERNEL ? "[kernel]" : "?";

	put_num(&w->msg, FRAME_ID, i + 1);
	put_num(&w->msg, FRAME_NAME, number_of(w->strings, f->name));
	put_num(&w->msg, FRAME_MAPPING, number_of(w->mappings, module));
	put_num(&w->msg, FRAME_PC, f->addr);
	put_message(w->out, DUMP_FRAMES, &w->msg);
}

static void perfetto_callstack(struct pprof *w, size_t i)
{
	const struct profile_sample *s = &w->p->samples.v[i];

	put_num(&w->msg, CALLSTACK_ID, i + 1);
	for (uint32_t k = 0; k < s->n; k++)
		put_num(&w->msg, CALLSTACK_FRAMES, s->path[k] + 1);
	put_message(w->out, DUMP_CALLSTACKS, &w->msg);
}

static int compare_owners(const void *x, const void *y, void *arg)
{
	const struct profile *p = arg;
	const struct profile_sample *a = &p->samples.v[*(const uint32_t *)x];
	const struct profile_sample *b = &p->samples.v[*(const uint32_t *)y];

	if (a->map != b->map)
		return a->map < b->map ? -1 : 1;
	return (dump_pid(a) > dump_pid(b)) - (dump_pid(a) < dump_pid(b));
}

static void perfetto_sample(struct pprof *w, uint32_t i, uint64_t now)
{
	put_num(&w->sub, HEAP_CALLSTACK, i + 1);
	put_num(&w->sub, HEAP_SIZE, w->p->samples.v[i].value);
	put_num(&w->sub, HEAP_TIMESTAMP, now);
	put_num(&w->sub, HEAP_COUNT, w->p->samples.v[i].value);
	put_message(&w->msg, PROCESS_SAMPLES, &w->sub);
}

/* One for each map and process. */
static void perfetto_processes(struct pprof *w, uint64_t now)
{
	size_t n = w->p->samples.n;
	uint32_t *order = arena_array_of(w->p->arena, uint32_t, n + 1);

	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	if (n)
		qsort_r(order, n, sizeof(*order), compare_owners, (void *)w->p);
	for (size_t i = 0; i < n; i++) {
		const struct profile_sample *s = &w->p->samples.v[order[i]];

		if (i == 0 || compare_owners(&order[i - 1], &order[i], (void *)w->p)) {
			put_num(&w->msg, PROCESS_PID, dump_pid(s));
			put_num(&w->msg, PROCESS_TIMESTAMP, now);
			put_text(&w->msg, PROCESS_HEAP_NAME, w->p->maps[s->map]);
		}
		perfetto_sample(w, order[i], now);
		if (i + 1 == n || compare_owners(&order[i], &order[i + 1], (void *)w->p))
			put_message(w->out, DUMP_PROCESSES, &w->msg);
	}
}

static void perfetto_tables(struct pprof *w)
{
	for (size_t i = 0; i < w->mappings->strings.n; i++) {
		put_num(&w->msg, MAP_ID, i + 1);
		put_num(&w->msg, MAP_PATH, number_of(w->strings, w->mappings->strings.v[i]));
		put_message(w->out, DUMP_MAPPINGS, &w->msg);
	}
	for (size_t i = 0; i < w->strings->strings.n; i++) {
		put_num(&w->msg, STRING_ID, i + 1);
		put_text(&w->msg, STRING_BYTES, w->strings->strings.v[i]);
		put_message(w->out, DUMP_STRINGS, &w->msg);
	}
}

void profile_perfetto(struct profile *p, struct buf *out)
{
	uint64_t now = clock_ns(CLOCK_BOOTTIME);
	struct buf dump = BUF_INIT, packet = BUF_INIT;
	struct pprof w = {.p = p, .out = &dump};

	w.strings = table_new(p->arena);
	w.mappings = table_new(p->arena);
	for (uint32_t i = 0; i < p->frames.n; i++)
		perfetto_frame(&w, i);
	for (size_t i = 0; i < p->samples.n; i++)
		perfetto_callstack(&w, i);
	perfetto_tables(&w);
	perfetto_processes(&w, now);
	put_num(&dump, DUMP_INDEX, 0);
	put_num(&packet, PACKET_TIMESTAMP, now);
	put_num(&packet, PACKET_SEQUENCE, 1);
	put_message(&packet, PACKET_PROFILE, &dump);
	put_message(out, TRACE_PACKET, &packet);
	buf_release(&dump);
	buf_release(&packet);
	buf_release(&w.msg);
	buf_release(&w.sub);
}
