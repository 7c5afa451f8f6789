/* The arguments of a tracepoint event, from its format (kernel/tpformat.c).
 *
 * The format says of each field where it lies, how long it is and whether it is signed; its C type
 * says what it means. Both are needed:
 *
 *      int fd; offset:16; size:8        a system call's argument fills a register: the kernel
 * itself takes the low four bytes as int, and so do we struct sockaddr * addr           a pointer
 * to a struct known by name only; BTF is opened when a member is asked for pid_t pid; size:4;
 * signed:1      an int32 xfs_ino_t ino; size:8            unknown: an integer of the format's size
 * and sign char comm[16]                    an array of int8
 *      __data_loc char[] name           an array without length, marked with its kind of place
 *
 * Fields whose size fits no integer become arrays of bytes.
 */
#include <stdio.h>

#include "type/priv.h"

/* A declarator: words, then stars. */
struct ctype {
	struct str words; /* "unsigned long", "struct sockaddr", without qualifiers */
	unsigned stars;
};

static bool is_qualifier(struct str word)
{
	static const char *const skip[] = {"const",  "volatile", "restrict", "__restrict",
					   "__user", "__kernel", "__iomem",  "__percpu",
					   "__rcu",  "__seg_gs", "__seg_fs", "__attribute",
					   "static"};

	for (size_t i = 0; i < ARRAY_SIZE(skip); i++)
		if (str_is(word, skip[i]))
			return true;
	return false;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static struct str next_word(struct str *s)
{
	size_t n = 0;
	struct str word;

	while (n < s->n && is_word(s->p[n]))
		n++;
	word = (struct str){s->p, n};
	*s = (struct str){s->p + n, s->n - n};
	return word;
}

/* Brackets end the declarator; their number is the format's business. */
static struct ctype parse(struct types *ts, struct str text)
{
	struct buf words = BUF_INIT;
	struct ctype c = {0};

	while (text.n && text.p[0] != '[') {
		struct str word = next_word(&text);

		if (!word.n) {
			c.stars += text.p[0] == '*';
			text = (struct str){text.p + 1, text.n - 1};
		} else if (!is_qualifier(word) && !c.stars) {
			if (words.n)
				buf_addc(&words, ' ');
			buf_addstr(&words, word);
		}
	}
	c.words = str_of(arena_strdup(ts->arena, buf_cstr(&words)));
	c.stars = MIN(c.stars, 8);
	buf_release(&words);
	return c;
}

static bool tagged(struct str *words, enum type_lookup *tag)
{
	static const struct {
		struct str word;
		enum type_lookup tag;
	} tags[] = {{{"struct ", 7}, LOOKUP_STRUCT},
		    {{"union ", 6}, LOOKUP_UNION},
		    {{"enum ", 5}, LOOKUP_ENUM}};

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		if (!str_starts(*words, tags[i].word))
			continue;
		*words = (struct str){words->p + tags[i].word.n, words->n - tags[i].word.n};
		*tag = tags[i].tag;
		return words->n > 0;
	}
	return false;
}

/* What a pointer points to, without opening BTF. A typedef that is not known may well be a struct:
 * it is looked up by that name when a member is asked for. */
static const struct type *pointee(struct types *ts, struct str words)
{
	enum type_lookup tag;
	const struct type *t;

	if (tagged(&words, &tag))
		return &agr_named(ts, tag, words)->t;
	t = type_builtin(ts, words);
	if (t || !words.n)
		return t ? t : &type_void;
	t = strmap_get(&ts->typedefs, words);
	return t ? t : &agr_named(ts, LOOKUP_STRUCT, words)->t;
}

static const struct type *pointer(struct types *ts, const struct ctype *c, enum space space)
{
	const struct type *t = pointee(ts, c->words);

	for (unsigned i = 0; i < c->stars; i++)
		t = type_ptr(ts, t, space);
	return t;
}

static bool fits_int(uint32_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* An enum by name; one of another size than the field's (a register) is taken as an integer. */
static const struct type *enumeration(struct types *ts, struct str name, uint32_t size,
				      bool is_signed)
{
	struct agr *a = agr_named(ts, LOOKUP_ENUM, name);

	if (a->state == AGR_NAME && !a->t.size && size == 4) {
		a->t.size = a->t.align = size;
		a->t.enm.is_signed = is_signed;
	}
	if (a->t.size == size || (a->t.size && a->t.size < size))
		return &a->t;
	return type_int(ts, size, is_signed);
}

static const struct type *bytes(struct types *ts, uint32_t size)
{
	return type_array(ts, type_int(ts, 1, false), size);
}

/* A value of `size` bytes that is no pointer and no array. A narrower type is believed in a
 * register only: elsewhere a name that means another size here than in that kernel would cut the
 * value. */
static const struct type *value(struct types *ts, struct str words, uint32_t size, bool is_signed,
				bool is_register)
{
	const struct type *t = type_builtin(ts, words);
	enum type_lookup tag;

	if (t && t->size && (t->size == size || (is_register && t->size < size)))
		return t;
	if (!fits_int(size))
		return bytes(ts, size);
	if (tagged(&words, &tag) && tag == LOOKUP_ENUM)
		return enumeration(ts, words, size, is_signed);
	return type_int(ts, size, is_signed);
}

static uint32_t element_size(struct types *ts, const struct ctype *c, const struct tp_field *f)
{
	const struct type *t = c->stars ? NULL : type_builtin(ts, c->words);

	if (c->stars)
		return 8;
	if (t && t->size)
		return t->size;
	return f->count && f->loc == TP_PLAIN && f->size % f->count == 0 ? f->size / f->count : 1;
}

static const struct type *array(struct types *ts, const struct ctype *c, const struct tp_field *f,
				enum space space)
{
	uint32_t one = element_size(ts, c, f);
	const struct type *of = c->stars ? pointer(ts, c, space)
					 : value(ts, c->words, one, f->is_signed, false);

	if (f->loc != TP_PLAIN)
		return type_array(ts, of, 0);
	if (!of->size || f->size % of->size)
		return bytes(ts, f->size);
	return type_array(ts, of, f->size / of->size);
}

static const struct type *field_type(struct types *ts, const struct tp_field *f, enum space space)
{
	struct ctype c = parse(ts, str_of(f->ctype));

	if (f->loc != TP_PLAIN || strchr(f->ctype, '['))
		return array(ts, &c, f, space);
	if (c.stars && f->size == 8)
		return pointer(ts, &c, space);
	return value(ts, c.words, f->size, f->is_signed, space == SPACE_USER && f->size == 8);
}

const struct type *type_from_tracepoint(struct types *ts, const struct tp_format *f)
{
	enum space space = strcmp(f->category, "syscalls") == 0 ? SPACE_USER : SPACE_KERNEL;
	struct member *members = arena_array_of(ts->arena, struct member, f->nfields);
	const struct type *t;
	uint32_t n = 0, size = 0;

	for (size_t i = 0; i < f->nfields; i++) {
		const struct tp_field *field = &f->fields[i];

		size = MAX(size, field->offset + field->size);
		if (field->is_common)
			continue;
		members[n++] = (struct member){.name = str_of(field->name),
					       .type = field_type(ts, field, space),
					       .offset = field->offset,
					       .loc = field->loc};
	}
	t = type_struct_new(ts, arena_printf(ts->arena, "_tracepoint_%s_%s", f->category, f->name),
			    size, members, n);
	fact_path(ts, t, "tracepoint", arena_printf(ts->arena, "%s:%s", f->category, f->name));
	return t;
}
