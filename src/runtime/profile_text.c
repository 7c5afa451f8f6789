/* Profiles as text: folded stacks, and the JSON of speedscope.
 *
 *   folded        demo;main;work;vfs_read_[k] 17          one line for each path, outermost first;
 *                 a `;` in a name is written `:`. flamegraph.pl, inferno and others read it.
 *   speedscope    {"shared": {"frames": [{"name": "main", "file": "/bin/demo"} …]},
 *                  "profiles": [{"name": "@", "samples": [[0, 1]], "weights": [17] …}]}
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/profile.h"

/* ---- folded --------------------------------------------------------------------------------- */

static bool is_kernel(const struct profile *p, const struct profile_sample *s, uint32_t i)
{
	return profile_frame(p, s, i)->kind == FRAME_KERNEL;
}

static void add_piece(struct buf *out, const char *name)
{
	for (; *name; name++)
		buf_addc(out, *name == ';' ? ':' : *name);
}

static void add_path(const struct profile *p, const struct profile_sample *s, struct buf *out)
{
	if (profile_rooted(p))
		add_piece(out, p->maps[s->map]);
	for (uint32_t i = 0; i < s->n; i++) {
		if (i || profile_rooted(p))
			buf_addc(out, ';');
		add_piece(out, profile_frame(p, s, i)->name);
		if (is_kernel(p, s, i))
			buf_adds(out, "_[k]");
	}
	if (s->n == 0 && !profile_rooted(p))
		buf_adds(out, "[no stack]");
}

/* Paths that differ in addresses only are one line. */
void profile_folded(struct profile *p, struct buf *out)
{
	struct buf line = BUF_INIT, last = BUF_INIT, swap;
	uint64_t sum = 0;

	for (size_t i = 0; i <= p->samples.n; i++) {
		buf_reset(&line);
		if (i < p->samples.n)
			add_path(p, &p->samples.v[i], &line);
		if (i && (i == p->samples.n || strcmp(buf_cstr(&line), buf_cstr(&last)) != 0)) {
			buf_printf(out, "%s %" PRIu64 "\n", buf_cstr(&last), sum);
			sum = 0;
		}
		if (i < p->samples.n)
			sum += p->samples.v[i].value;
		swap = last;
		last = line;
		line = swap;
	}
	buf_release(&line);
	buf_release(&last);
}

/* ---- speedscope ----------------------------------------------------------------------------- */

static void add_frames(const struct profile *p, struct buf *out)
{
	for (size_t i = 0; i < p->frames.n; i++) {
		const struct profile_frame *f = &p->frames.v[i];

		buf_adds(out, i ? ",\n{\"name\": " : "\n{\"name\": ");
		buf_add_json_str(out, str_of(f->name));
		if (f->module[0]) {
			buf_adds(out, ", \"file\": ");
			buf_add_json_str(out, str_of(f->module));
		}
		buf_addc(out, '}');
	}
}

static void add_samples(const struct profile *p, uint32_t map, bool weights, struct buf *out)
{
	const char *comma = "";

	for (size_t i = 0; i < p->samples.n; i++) {
		const struct profile_sample *s = &p->samples.v[i];

		if (s->map != map)
			continue;
		buf_adds(out, comma);
		comma = ", ";
		if (weights) {
			buf_addu64(out, s->value);
			continue;
		}
		for (uint32_t k = 0; k < s->n; k++)
			buf_printf(out, "%s%u", k ? "," : "[", s->path[k]);
		buf_adds(out, s->n ? "]" : "[]");
	}
}

static uint64_t total_of(const struct profile *p, uint32_t map)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->samples.n; i++)
		sum += p->samples.v[i].map == map ? p->samples.v[i].value : 0;
	return sum;
}

static void add_profile(const struct profile *p, uint32_t map, struct buf *out)
{
	buf_adds(out, "{\"type\": \"sampled\", \"name\": ");
	buf_add_json_str(out, str_of(p->maps[map]));
	buf_printf(out, ", \"unit\": \"none\", \"startValue\": 0, \"endValue\": %" PRIu64,
		   total_of(p, map));
	buf_adds(out, ",\n\"samples\": [");
	add_samples(p, map, false, out);
	buf_adds(out, "],\n\"weights\": [");
	add_samples(p, map, true, out);
	buf_adds(out, "]}");
}

void profile_speedscope(const struct profile *p, struct buf *out)
{
	const char *comma = "\n";

	buf_adds(out, "{\"$schema\": \"https://www.speedscope.app/file-format-schema.json\", "
		      "\"exporter\": \"awl\",\n\"shared\": {\"frames\": [");
	add_frames(p, out);
	buf_adds(out, "]},\n\"profiles\": [");
	for (size_t i = 0; i < p->nmaps; i++) {
		if (!p->maps[i])
			continue;
		buf_adds(out, comma);
		comma = ",\n";
		add_profile(p, (uint32_t)i, out);
	}
	buf_adds(out, "]}\n");
}
