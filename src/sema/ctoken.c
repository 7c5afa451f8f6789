/* Words, brackets and attributes of C declarations.
 *
 *   struct __attribute__((packed, aligned(4))) x { … };      packed = true, align = 4
 *   _Alignas(16) char buf[64];                                align = 16
 *   typedef int di __attribute__((mode(DI)));                 mode = 8
 *
 * Attributes with leading and trailing underscores mean the same; unknown ones say nothing about
 * layout and are left out. */
#include "sema/cparse.h"

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

void c_advance(struct cparse *c, size_t n)
{
	c->t = (struct str){c->t.p + n, c->t.n - n};
}

static bool skip_comment(struct cparse *c)
{
	size_t i = 2;

	if (c->t.n < 2 || c->t.p[0] != '/' || (c->t.p[1] != '/' && c->t.p[1] != '*'))
		return false;
	if (c->t.p[1] == '/')
		while (i < c->t.n && c->t.p[i] != '\n')
			i++;
	else
		while (i < c->t.n && !(i >= 3 && c->t.p[i] == '/' && c->t.p[i - 1] == '*'))
			i++;
	c_advance(c, MIN(i + 1, c->t.n));
	return true;
}

void c_space(struct cparse *c)
{
	do {
		while (c->t.n && (unsigned char)c->t.p[0] <= ' ')
			c_advance(c, 1);
	} while (skip_comment(c));
}

struct str c_word(struct cparse *c)
{
	size_t n = 0;

	c_space(c);
	while (n < c->t.n && is_word_char(c->t.p[n]))
		n++;
	return (struct str){c->t.p, n};
}

bool c_at(struct cparse *c, char ch)
{
	c_space(c);
	return c->t.n && c->t.p[0] == ch;
}

bool c_take(struct cparse *c, char ch)
{
	if (!c_at(c, ch))
		return false;
	c_advance(c, 1);
	return true;
}

bool c_take_word(struct cparse *c, const char *word)
{
	struct str w = c_word(c);

	if (!str_is(w, word))
		return false;
	c_advance(c, w.n);
	return true;
}

static size_t line_rest(struct str t)
{
	const char *end = t.n ? memchr(t.p, '\n', t.n) : NULL;

	return MIN(end ? (size_t)(end - t.p) : t.n, 30);
}

bool c_fail(struct cparse *c, const char *what)
{
	struct diag_msg *m;

	if (!c->bad && !c->silent) {
		c_space(c);
		m = sema_report(c->s, E_SYNTAX, c->span,
				c->t.n ? "this C definition is not understood: expected %s, "
					 "found `%.*s`"
				       : "this C definition is not understood: expected %s at its "
					 "end%.*s",
				what, (int)line_rest(c->t), c->t.p);
		diag_help(m, "structs, unions, enums and typedefs are read as in C; variables and "
			     "functions are not");
	}
	c->bad = true;
	return false;
}

bool c_unsupported(struct cparse *c, const char *what)
{
	if (!c->bad && !c->silent)
		diag_help(sema_report(c->s, E_UNSUPPORTED, c->span, "%s cannot be used here", what),
			  "only what has a layout in memory is read of C: structs, unions, enums, "
			  "typedefs");
	c->bad = true;
	return false;
}

/* Behind a string or a character constant that begins here. */
static void skip_quoted(struct cparse *c)
{
	char quote = c->t.p[0];
	size_t i = 1;

	while (i < c->t.n && c->t.p[i] != quote)
		i += c->t.p[i] == '\\' ? 2 : 1;
	c_advance(c, MIN(i + 1, c->t.n));
}

static char next_char(struct cparse *c)
{
	char ch;

	c_space(c);
	if (!c->t.n)
		return 0;
	ch = c->t.p[0];
	if (ch == '"' || ch == '\'')
		skip_quoted(c);
	else
		c_advance(c, 1);
	return ch;
}

static int nesting(char ch)
{
	return ch == '(' || ch == '{' || ch == '['   ? 1
	       : ch == ')' || ch == '}' || ch == ']' ? -1
						     : 0;
}

void c_balanced(struct cparse *c)
{
	int depth = 0;
	char ch;

	do {
		ch = next_char(c);
		depth += nesting(ch);
	} while (ch && depth > 0);
}

void c_skip_declaration(struct cparse *c)
{
	int depth = 0;
	char ch;

	while ((ch = next_char(c))) {
		depth = MAX(depth + nesting(ch), 0);
		if (depth == 0 && (ch == ';' || ch == '}'))
			break;
	}
	c_take(c, ';');
}

uint64_t c_number(struct cparse *c, const char *ends)
{
	struct cparse ahead = *c;
	struct cvalue v = {0};
	struct str text;
	int depth = 0;

	c_space(&ahead);
	*c = ahead;
	while (c_space(&ahead), ahead.t.n && (depth || !strchr(ends, ahead.t.p[0])))
		depth += nesting(next_char(&ahead));
	text = str_trim((struct str){c->t.p, (size_t)(ahead.t.p - c->t.p)});
	if (!cexpr_value(c->s, text, false, &v))
		c_fail(c, "a constant number");
	c->t = ahead.t;
	return v.value;
}

/* ---- attributes ----------------------------------------------------------------------------- */

bool c_is_qualifier(struct str w)
{
	static const char *const words[] = {
		"const",         "volatile",   "__user",       "__rcu",         "__percpu",
		"__kernel",      "__const",    "__volatile",   "__iomem",       "__volatile__",
		"__const__",     "restrict",   "__restrict",   "_Atomic",       "__restrict__",
		"__bitwise",     "register",   "static",       "extern",        "inline",
		"__inline",      "__inline__", "_Noreturn",    "_Thread_local", "__thread",
		"__extension__", "__force",    "__counted_by", "__nonstring",   "auto"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_is(w, words[i]))
			return true;
	return false;
}

static struct str bare(struct str w)
{
	while (w.n > 2 && w.p[0] == '_')
		w = (struct str){w.p + 1, w.n - 1};
	while (w.n > 2 && w.p[w.n - 1] == '_')
		w.n--;
	return w;
}

static uint32_t power_of_two(struct cparse *c, uint64_t n)
{
	if (n && n <= 1 << 16 && !(n & (n - 1)))
		return (uint32_t)n;
	c_fail(c, "an alignment that is a power of two");
	return 1;
}

/* aligned(N), aligned(type) as _Alignas has it, or nothing: the most that any type wants. */
static uint32_t alignment(struct cparse *c)
{
	const struct type *t;
	struct cparse ahead = *c;
	struct str text;
	uint32_t n;

	if (!c_take(c, '('))
		return 16;
	c_balanced(&ahead);
	text = (struct str){c->t.p, (size_t)(ahead.t.p - c->t.p) - (ahead.t.p > c->t.p)};
	t = sema_c_type(c->s, text);
	n = t ? MAX(t->align, 1) : power_of_two(c, c_number(c, ")"));
	*c = ahead;
	return n;
}

static void raise_alignment(struct cparse *c, struct cattr *a)
{
	uint32_t n = alignment(c);

	a->align = MAX(a->align, n);
}

static uint32_t mode_bytes(struct str w)
{
	static const struct {
		const char *name;
		uint32_t bytes;
	} modes[] = {{"QI", 1}, {"byte", 1}, {"HI", 2},     {"SI", 4},
		     {"DI", 8}, {"word", 8}, {"pointer", 8}};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (str_is(w, modes[i].name))
			return modes[i].bytes;
	return 0;
}

static void one_attribute(struct cparse *c, struct cattr *a)
{
	struct str w = bare(c_word(c));

	c_advance(c, c_word(c).n);
	c_space(c);
	if (str_is(w, "packed")) {
		a->packed = true;
	} else if (str_is(w, "aligned")) {
		raise_alignment(c, a);
	} else if (str_is(w, "vector_size") && c_take(c, '(')) {
		a->vector = (uint32_t)c_number(c, ")");
		c_take(c, ')');
	} else if (str_is(w, "mode") && c_take(c, '(')) {
		a->mode = mode_bytes(bare(c_word(c)));
		c_advance(c, c_word(c).n);
		c_take(c, ')');
	} else if (c->t.n && c->t.p[0] == '(') {
		c_balanced(c);
	}
}

static void attribute_list(struct cparse *c, struct cattr *a)
{
	if (!c_take(c, '(') || !c_take(c, '('))
		return;
	while (!c->bad && c->t.n && !c_take(c, ')')) {
		if (c_word(c).n)
			one_attribute(c, a);
		else if (!c_take(c, ','))
			c_advance(c, c->t.n ? 1 : 0);
	}
	c_take(c, ')');
}

void c_attributes(struct cparse *c, struct cattr *a)
{
	struct str w;

	while (w = c_word(c), w.n && !c->bad) {
		if (str_is(w, "__attribute__") || str_is(w, "__attribute")) {
			c_advance(c, w.n);
			attribute_list(c, a);
		} else if (str_is(w, "_Alignas") || str_is(w, "alignas")) {
			c_advance(c, w.n);
			raise_alignment(c, a);
		} else if (str_is(w, "__packed")) {
			c_advance(c, w.n);
			a->packed = true;
		} else if (str_is(w, "__asm__") || str_is(w, "__asm") || str_is(w, "asm")) {
			c_advance(c, w.n);
			c_balanced(c);
		} else {
			return;
		}
	}
}
