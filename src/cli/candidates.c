/* What may follow the text of a program that is being typed: `awl --complete TEXT`, asked by
 * shells.
 *
 *   TEXT ends with …                       each line is TEXT with its last word completed
 *   tracepoint:sched:sched_sw              probes (awl -l 'TYPED*')
 *   ke                                     kinds of probes, outside of all braces
 *   … { print(args.fi                      args.NAME of the probe before the brace
 *   … { pri                                functions and names of awl doc
 */
#include "cli/opts.h"

#define CANDIDATES_MAX 500

struct candidates {
	struct buf *out;
	struct str text; /* all that was typed */
	struct str typed;
	const char *kind;
	unsigned n;
};

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static void add(struct candidates *c, struct str name)
{
	if (str_starts(name, c->typed) && c->n++ < CANDIDATES_MAX)
		buf_printf(c->out, "%.*s%.*s\n", (int)(c->text.n - c->typed.n), c->text.p,
			   STR_ARG(name));
}

static int add_probe(void *arg, const char *probe, const char *detail)
{
	struct candidates *c = arg;

	add(c, str_of(probe));
	return c->n > CANDIDATES_MAX;
}

static void add_doc(void *arg, const char *kind, const char *name, const char *proto,
		    const char *doc)
{
	struct candidates *c = arg;

	if (strcmp(kind, c->kind) == 0 && strcmp(name, "args"))
		add(c, str_of(name));
}

/* The lines of `awl -lv PROBE` are "    TYPE NAME". */
static int add_fields(void *arg, const char *probe, const char *detail)
{
	struct str rest = str_of(detail ? detail : "");

	while (rest.n) {
		struct str line = str_cut(&rest, '\n');
		size_t n = 0;

		while (n < line.n && is_word(line.p[line.n - n - 1]))
			n++;
		if (n)
			add(arg, (struct str){line.p + line.n - n, n});
	}
	return 1; /* of one probe */
}

static struct str last_word(struct str text, bool probe)
{
	size_t n = 0;

	while (n < text.n) {
		char ch = text.p[text.n - n - 1];

		if (!is_word(ch) && !(probe && !strchr(" \t\n,{}", ch)))
			break;
		n++;
	}
	return (struct str){text.p + text.n - n, n};
}

/* Where the innermost open program begins: the offset of its first `{`, or the length. */
static size_t body_at(struct str text)
{
	size_t depth = 0, at = text.n;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '{' && depth++ == 0)
			at = i;
		if (text.p[i] == '}' && depth && --depth == 0)
			at = text.n;
	}
	return at;
}

static struct str probe_before(struct str text, size_t brace)
{
	struct str head = str_trim((struct str){text.p, brace});
	const char *slash = head.n && head.p[head.n - 1] == '/' ? head.p : NULL;

	if (slash) { /* PROBE /condition/ */
		size_t n = head.n - 1;

		while (n && !(head.p[n - 1] == '/' && (n < 2 || head.p[n - 2] == ' ')))
			n--;
		head = str_trim((struct str){head.p, n ? n - 1 : 0});
	}
	return last_word(head, true);
}

void complete_program(const char *typed, struct buf *out)
{
	AWL_OPTS(awl_opts, o, .quiet = 1, .verbose = 1);
	struct awl *awl = awl_new(&o);
	struct str text = str_of(typed);
	size_t brace = body_at(text);
	struct candidates c = {.out = out, .text = text, .kind = "builtin"};
	struct buf pattern = BUF_INIT;

	c.typed = last_word(text, brace == text.n);
	if (brace == text.n && !(c.typed.n && memchr(c.typed.p, ':', c.typed.n))) {
		c.kind = "probe";
		awl_doc(NULL, add_doc, &c);
	} else if (brace == text.n) {
		buf_printf(&pattern, "%.*s*", STR_ARG(c.typed));
		awl_list(awl, buf_cstr(&pattern), add_probe, &c);
	} else if (c.typed.p - typed >= 5 && memcmp(c.typed.p - 5, "args.", 5) == 0) {
		buf_addstr(&pattern, probe_before(text, brace));
		awl_list(awl, buf_cstr(&pattern), add_fields, &c);
	} else {
		awl_doc(NULL, add_doc, &c);
	}
	buf_release(&pattern);
	awl_free(awl);
}
