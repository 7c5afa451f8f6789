/* The description of a tracepoint event: tracefs/events/CATEGORY/NAME/format.
 *
 *     name: sched_switch
 *     ID: 316
 *     format:
 *             field:unsigned short common_type;	offset:0;	size:2;	signed:0;
 *             ...
 *             field:char prev_comm[16];	offset:8;	size:16;	signed:0;
 *             field:__data_loc char[] name;	offset:24;	size:4;	signed:0;
 *
 *     print fmt: "prev_comm=%s …
 *
 * A declaration is split into type and name: the name is the last identifier before the brackets of
 * an array; for the *_loc kinds the brackets belong to the type and the name comes last. The length
 * of an array may be a macro's name, so it is counted from the sizes where it is no number.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel/priv.h"

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool take_prefix(struct str *s, struct str prefix)
{
	if (!str_starts(*s, prefix))
		return false;
	*s = str_trim((struct str){s->p + prefix.n, s->n - prefix.n});
	return true;
}

/* Cuts the last identifier off `s`; empty when `s` does not end with one. */
static struct str cut_last_word(struct str *s)
{
	size_t n = s->n;
	struct str word;

	while (n && is_word(s->p[n - 1]))
		n--;
	word = (struct str){s->p + n, s->n - n};
	*s = str_trim((struct str){s->p, n});
	return word;
}

/* Bytes of one element, known for the plain C names; 0 for others. */
static uint32_t element_size(struct str type)
{
	static const struct {
		const char *word;
		uint32_t size;
	} sizes[] = {{"char", 1},  {"u8", 1},  {"s8", 1},    {"int8", 1},    {"bool", 1},
		     {"short", 2}, {"u16", 2}, {"s16", 2},   {"int16", 2},   {"long", 8},
		     {"u64", 8},   {"s64", 8}, {"int64", 8}, {"u32", 4},     {"s32", 4},
		     {"int32", 4}, {"*", 8},   {"int", 4},   {"unsigned", 4}};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		if (memmem(type.p, type.n, sizes[i].word, strlen(sizes[i].word)))
			return sizes[i].size;
	return 0;
}

static uint32_t count_elements(struct str length, struct str type, uint32_t size)
{
	unsigned long long n;
	uint32_t one;

	if (str_to_u64(str_trim(length), &n))
		return n <= UINT32_MAX ? n : 0;
	one = element_size(type);
	return one ? size / one : 0;
}

static bool is_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return true;
}

/* "char prev_comm[16]" → type "char[16]", name, count 16. */
static bool split_declaration(struct arena *a, struct str decl, struct tp_field *f)
{
	struct str name, suffix = {0};

	if (take_prefix(&decl, STR("__data_loc ")))
		f->loc = TP_DATA_LOC;
	else if (take_prefix(&decl, STR("__rel_loc ")))
		f->loc = TP_REL_LOC;
	if (f->loc == TP_PLAIN && decl.n && decl.p[decl.n - 1] == ']') {
		const char *open = memchr(decl.p, '[', decl.n);

		if (!open)
			return false;
		suffix = (struct str){open, decl.p + decl.n - open};
		decl = str_trim((struct str){decl.p, open - decl.p});
	}
	name = cut_last_word(&decl);
	if (!name.n || !decl.n)
		return false;
	f->name = arena_strndup(a, name.p, name.n);
	f->ctype = arena_printf(a, "%.*s%.*s", STR_ARG(decl), (int)suffix.n,
				suffix.n ? suffix.p : "");
	f->is_common = strncmp(f->name, "common_", 7) == 0;
	if (suffix.n > 2)
		f->count = count_elements((struct str){suffix.p + 1, suffix.n - 2}, decl, f->size);
	return true;
}

/* Cuts "key:VALUE;" off the line; the caller's order is the kernel's. */
static bool cut_number(struct str *line, struct str key, uint32_t *out)
{
	unsigned long long n;
	struct str item = str_trim(str_cut(line, ';'));

	if (!take_prefix(&item, key) || !str_to_u64(item, &n) || n > UINT32_MAX)
		return false;
	*out = n;
	return true;
}

/* False: not a field's line, or one that is malformed. */
static bool parse_field(struct arena *a, struct str line, struct tp_field *f)
{
	struct str decl = str_trim(str_cut(&line, ';'));
	uint32_t is_signed = 0;

	*f = (struct tp_field){0};
	if (!take_prefix(&decl, STR("field:")) || !is_printable(decl))
		return false;
	if (!cut_number(&line, STR("offset:"), &f->offset) ||
	    !cut_number(&line, STR("size:"), &f->size))
		return false;
	cut_number(&line, STR("signed:"), &is_signed);
	f->is_signed = is_signed != 0;
	if (f->offset > 1 << 20 || f->size > 1 << 20)
		return false;
	return split_declaration(a, decl, f);
}

int tp_format_parse(struct arena *a, struct str text, struct tp_format *out, struct err *e)
{
	VEC(struct tp_field) fields = {0};
	bool has_id = false;

	while (text.n) {
		struct str line = str_trim(str_cut(&text, '\n'));
		unsigned long long id;
		struct tp_field f;

		if (str_starts(line, STR("print fmt:")))
			break;
		if (take_prefix(&line, STR("ID:"))) {
			has_id = str_to_u64(line, &id) && id <= UINT32_MAX;
			out->id = has_id ? id : 0;
		} else if (parse_field(a, line, &f)) {
			vec_push(a, &fields, f);
		} else if (str_starts(line, STR("field:"))) {
			return err_plain(e, EBADMSG,
					 "the format has a field that cannot be read: \"%.*s\"",
					 (int)MIN(line.n, 100), line.p);
		}
	}
	out->fields = fields.v;
	out->nfields = fields.n;
	if (!has_id)
		return err_plain(e, EBADMSG, "the format has no ID");
	return 0;
}

int kernel_tp_format(struct kernel *k, struct arena *a, const char *category, const char *name,
		     struct tp_format *out, struct err *e)
{
	static const int need[] = {CAP_DAC_READ_SEARCH};
	struct buf b = BUF_INIT;
	char path[512];
	int dir = kernel_tracefs(k, e), r;

	if (dir < 0)
		return dir;
	*out = (struct tp_format){arena_strdup(a, category), arena_strdup(a, name)};
	if (!kernel_tp_exists(k, category, name)) {
		r = err_plain(e, ENOENT, "there is no tracepoint %s:%s", category, name);
		err_hint(e, "list the tracepoints there are with -l 'tracepoint:%.64s:*'",
			 category);
		return r;
	}
	snprintf(path, sizeof(path), "events/%s/%s/format", category, name);
	r = kernel_read_at(dir, path, &b, 1 << 20);
	if (r < 0) {
		r = err_set(e, -r, "read the format of tracepoint %s:%s", category, name);
		kernel_hint_refused(e, need, ARRAY_SIZE(need));
	} else if ((r = tp_format_parse(a, (struct str){b.p, b.n}, out, e)) < 0) {
		r = err_wrap(e, "read the format of tracepoint %s:%s", category, name);
	}
	buf_release(&b);
	return r;
}

static bool is_raw(struct kernel *k, struct arena *a, const char *category, const char *name)
{
	struct tp_format f;
	struct err e = {0};

	if (kernel_tp_format(k, a, category, name, &f, &e) < 0)
		return e.code == EACCES || e.code == EPERM;
	for (size_t i = 0; i < f.nfields; i++) {
		if (str_starts(str_of(f.fields[i].name), STR("__probe_")))
			return false;
	}
	return strcmp(category, "synthetic") != 0;
}

bool kernel_tp_is_raw(struct kernel *k, const char *category, const char *name)
{
	struct arena *a = arena_new();
	const char *key = arena_printf(a, "%s:%s", category, name);
	bool raw = kernel_fact(k, FACT_RAW_EVENT, key, "", is_raw(k, a, category, name));

	arena_free(a);
	return raw;
}
