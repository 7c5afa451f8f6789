/* The source's section: the script and the files that it was read with, so that it can be compiled
 * again on a machine that has none of them.
 *
 *   text name, str script, list params, list include_dirs, list includes
 *   u32 answers { u32 op, text path, u32 -errno, str data }        (base/files.h)
 *
 *   list: u32 n, texts
 *
 * This section stays readable by every later awl of the same container version: a file that an
 * older awl has made is compiled again. */
#include "aot/priv.h"

static size_t list_length(const char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

static void put_list(struct buf *b, const char *const *v, size_t n)
{
	put_u32(b, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		put_text(b, v[i]);
}

void source_write(const struct compile_in *in, struct buf *out)
{
	put_text(out, in->name);
	put_str(out, in->text);
	put_list(out, in->params.v, in->params.n);
	put_list(out, in->include_dirs, list_length(in->include_dirs));
	put_list(out, in->includes, list_length(in->includes));
	put_u32(out, (uint32_t)in->files->answers.n);
	VEC_EACH (struct files_answer, f, &in->files->answers) {
		put_u32(out, f->op);
		put_text(out, f->path);
		put_u32(out, (uint32_t)-f->result);
		put_str(out, f->data);
	}
}

static const char **get_list(struct reader *r, size_t *n)
{
	uint32_t count = get_count(r, 4);
	const char **v = arena_array_of(r->a, const char *, count + 1);

	for (uint32_t i = 0; i < count; i++)
		v[i] = get_text(r);
	v[count] = NULL;
	if (n)
		*n = count;
	return v;
}

static void get_files(struct reader *r, struct files *f)
{
	uint32_t n = get_count(r, 16);

	*f = (struct files){.mode = FILES_REPLAY, .arena = r->a};
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		struct files_answer answer;

		answer.op = (enum files_op)get_below(r, FILES_OP_COUNT);
		answer.path = get_text(r);
		answer.result = -(int)get_below(r, 4096);
		answer.data = get_str(r);
		vec_push(r->a, &f->answers, answer);
	}
}

bool source_read(struct str bytes, struct arena *a, struct aot_source *s)
{
	struct reader r = {(const uint8_t *)bytes.p, bytes.n, 0, false, a};

	s->name = get_text(&r);
	s->text = get_str(&r);
	s->params = get_list(&r, &s->nparams);
	s->include_dirs = get_list(&r, NULL);
	s->includes = get_list(&r, NULL);
	get_files(&r, &s->files);
	return !r.bad && r.at == r.n && !memchr(s->text.p, '\0', s->text.n);
}
