/* The C preprocessor of the C section: #include, #define, #undef, #if and its kin.
 *
 *   #include <net/sock.h>    -I directories, then the system's; what is not there is no error,
 * since the kernel's types are known from its BTF #define N 42             objects and functions,
 * with # and ##; replaced in declarations at once #if defined(X) && N > 2  expressions as in C
 * (cexpr.c)
 *
 * Text goes through line by line: continuation lines are joined and comments become blanks, then a
 * line is a directive, or text that is expanded and added to `out` when the conditions around it
 * are true. Headers are somebody else's: nothing in them is reported, what cannot be read is left
 * out. */
#include <sys/stat.h>
#include <unistd.h>
#include "sema/cpp.h"

#define FILES_MAX  2000
#define NEST_MAX   100
#define EXPAND_MAX 64
#define TEXT_MAX   (8u << 20)

/* ---- text ------------------------------------------------------------------------------------ */

static bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_word(char c)
{
	return is_word_start(c) || (c >= '0' && c <= '9');
}

static struct str from(struct str t, size_t n)
{
	return (struct str){t.p + n, t.n - n};
}

static size_t word_len(struct str t)
{
	size_t n = 0;

	while (n < t.n && is_word(t.p[n]))
		n++;
	return n;
}

/* Behind a string or a character that begins at 0. */
static size_t quoted_len(struct str t)
{
	size_t i = 1;

	while (i < t.n && t.p[i] != t.p[0])
		i += t.p[i] == '\\' ? 2 : 1;
	return MIN(i + 1, t.n);
}

static size_t comment_len(struct str t)
{
	size_t i = 2;

	if (t.n < 2 || t.p[0] != '/' || (t.p[1] != '/' && t.p[1] != '*'))
		return 0;
	if (t.p[1] == '/') {
		while (i < t.n && t.p[i] != '\n')
			i++;
		return i;
	}
	while (i + 1 < t.n && !(t.p[i] == '*' && t.p[i + 1] == '/'))
		i++;
	return MIN(i + 2, t.n);
}

/* The next logical line, without comments and continuations; what is left stays in *t. */
static bool next_line(struct str *t, struct buf *line)
{
	size_t i = 0, n;

	buf_reset(line);
	if (!t->n)
		return false;
	while (i < t->n && t->p[i] != '\n') {
		struct str rest = from(*t, i);

		if (rest.p[0] == '\\' && rest.n > 1 && rest.p[1] == '\n') {
			i += 2;
		} else if ((n = comment_len(rest))) {
			buf_addc(line, ' ');
			i += n;
		} else if (rest.p[0] == '"' || rest.p[0] == '\'') {
			n = quoted_len(rest);
			buf_addstr(line, (struct str){rest.p, n});
			i += n;
		} else {
			buf_addc(line, rest.p[0]);
			i++;
		}
	}
	*t = from(*t, MIN(i + 1, t->n));
	return true;
}

/* ---- expansion ------------------------------------------------------------------------------- */

struct expansion {
	struct cpp *c;
	struct buf *out;
	const struct cmacro *active[EXPAND_MAX];
	unsigned depth;
};

static void expand(struct expansion *x, struct str t);

static bool is_active(const struct expansion *x, const struct cmacro *m)
{
	for (unsigned i = 0; i < x->depth; i++)
		if (x->active[i] == m)
			return true;
	return x->depth == EXPAND_MAX;
}

/* Arguments between parentheses at the start of `t`; returns the bytes with both, 0: there are
 * none. */
static size_t split_args(struct str t, struct str *args, unsigned max, unsigned *n)
{
	size_t i = 1, start = 1;
	unsigned depth = 1;

	*n = 0;
	while (i < t.n && depth) {
		char ch = t.p[i];

		if (ch == '"' || ch == '\'') {
			i += quoted_len(from(t, i));
			continue;
		}
		depth += ch == '(';
		depth -= ch == ')';
		if (depth == 0 || (ch == ',' && depth == 1 && *n + 1 < max)) {
			args[(*n)++] = str_trim((struct str){t.p + start, i - start});
			start = i + 1;
		}
		i++;
	}
	return depth ? 0 : i;
}

static int param_index(const struct cmacro *m, struct str word)
{
	for (unsigned i = 0; i < m->nparams; i++)
		if (str_eq(m->params[i], word))
			return (int)i;
	return -1;
}

static void drop_blanks(struct buf *b)
{
	while (b->n && (b->p[b->n - 1] == ' ' || b->p[b->n - 1] == '\t'))
		b->n--;
}

static void add_expanded(struct expansion *x, struct buf *to, struct str arg)
{
	struct expansion inner = *x;

	inner.out = to;
	expand(&inner, arg);
}

/* The body with the arguments in it. Beside # and ## arguments go in as they are. */
static void substitute(struct expansion *x, const struct cmacro *m, const struct str *args,
		       struct buf *to)
{
	struct str t = m->body;
	bool paste = false;

	while (t.n && to->n < TEXT_MAX) {
		size_t n = is_word(t.p[0])                   ? word_len(t)
			   : t.p[0] == '"' || t.p[0] == '\'' ? quoted_len(t)
							     : 1;
		int i = is_word_start(t.p[0]) ? param_index(m, (struct str){t.p, n}) : -1;
		struct str ahead = str_trim(from(t, n));

		if (str_starts(t, STR("##"))) {
			drop_blanks(to);
			t = str_trim(from(t, 2));
			paste = true;
			continue;
		}
		if (t.p[0] == '#' && m->fn && ahead.n &&
		    param_index(m, (struct str){ahead.p, word_len(ahead)}) >= 0) {
			size_t k = word_len(ahead);

			i = param_index(m, (struct str){ahead.p, k});
			buf_printf(to, "\"%.*s\"", STR_ARG(args[i]));
			t = from(ahead, k);
			continue;
		}
		if (i < 0)
			buf_addstr(to, (struct str){t.p, n});
		else if (paste || str_starts(ahead, STR("##")))
			buf_addstr(to, args[i]);
		else
			add_expanded(x, to, args[i]);
		paste = false;
		t = from(t, n);
	}
}

static void rescan(struct expansion *x, const struct cmacro *m, struct str text)
{
	struct expansion inner = *x;

	inner.active[inner.depth++] = m;
	expand(&inner, text);
}

/* `#define _SIO _IO` and then _SIO('C', 1): what it stands for takes the arguments. */
static const struct cmacro *aliased(const struct expansion *x, const struct cmacro *m)
{
	for (unsigned i = 0; i < 8 && m && !m->fn && m->body.n; i++) {
		if (is_active(x, m) || word_len(m->body) != m->body.n)
			return m;
		m = strmap_get(&x->c->macros, m->body);
	}
	return m && m->fn ? m : NULL;
}

/* A word that may be a macro's name; returns the bytes that were used up. */
static size_t expand_word(struct expansion *x, struct str t)
{
	size_t n = word_len(t), blanks = n, used;
	const struct cmacro *m = strmap_get(&x->c->macros, (struct str){t.p, n});
	struct str args[CPP_PARAMS];
	struct buf b = BUF_INIT;
	unsigned nargs = 0;

	while (blanks < t.n && memchr(" \t\n", t.p[blanks], 3))
		blanks++;
	if (str_is((struct str){t.p, n}, "_Pragma") && blanks < t.n && t.p[blanks] == '(')
		return blanks + split_args(from(t, blanks), args, 1, &nargs);
	if (m && !m->fn && blanks < t.n && t.p[blanks] == '(' && aliased(x, m))
		m = aliased(x, m);
	if (!m || is_active(x, m) || (m->fn && (blanks >= t.n || t.p[blanks] != '('))) {
		buf_addstr(x->out, (struct str){t.p, n});
		return n;
	}
	used = n;
	if (m->fn) {
		used = split_args(from(t, blanks), args, MAX(m->nparams, 1u), &nargs);
		if (used && m->variadic && nargs + 1 == m->nparams)
			args[nargs++] = (struct str){NULL, 0};
		if (!used || (nargs != m->nparams && !(m->nparams == 0 && nargs == 1))) {
			buf_addstr(x->out, (struct str){t.p, n});
			return n;
		}
		used += blanks;
	}
	substitute(x, m, args, &b);
	rescan(x, m, (struct str){buf_cstr(&b), b.n});
	buf_release(&b);
	return used;
}

static void expand(struct expansion *x, struct str t)
{
	while (t.n && x->out->n < TEXT_MAX) {
		size_t n = 1;

		if (is_word_start(t.p[0])) {
			n = expand_word(x, t);
		} else {
			if (is_word(t.p[0]))
				n = word_len(t);
			else if (t.p[0] == '"' || t.p[0] == '\'')
				n = quoted_len(t);
			buf_addstr(x->out, (struct str){t.p, n});
		}
		t = from(t, n);
	}
}

void cpp_expand(struct cpp *c, struct str text, struct buf *out)
{
	struct expansion x = {.c = c, .out = out};

	expand(&x, text);
}

/* ---- directives ------------------------------------------------------------------------------ */

static bool take_word(struct str *t, struct str *word)
{
	*t = str_trim(*t);
	*word = (struct str){t->p, word_len(*t)};
	*t = from(*t, word->n);
	return word->n != 0;
}

static struct str keep(struct cpp *c, struct str t)
{
	return (struct str){arena_strndup(c->s->a, t.p, t.n), t.n};
}

/* The parameter list, which begins right behind the name. */
static bool parse_params(struct cpp *c, struct cmacro *m, struct str *t)
{
	struct str args[CPP_PARAMS + 1];
	unsigned n;
	size_t used = split_args(*t, args, CPP_PARAMS + 1, &n);

	if (!used || n > CPP_PARAMS)
		return false;
	if (n == 1 && !args[0].n)
		n = 0;
	m->params = arena_array_of(c->s->a, struct str, n);
	for (unsigned i = 0; i < n; i++) {
		bool rest = args[i].n >= 3 && memcmp(args[i].p + args[i].n - 3, "...", 3) == 0;
		struct str word = {args[i].p, word_len(args[i])};

		m->variadic |= rest;
		m->params[i] = rest && !word.n ? STR("__VA_ARGS__") : keep(c, word);
		if (!rest && word.n != args[i].n)
			return false;
	}
	m->nparams = n;
	*t = from(*t, used);
	return true;
}

static void define(struct cpp *c, struct str t)
{
	struct cmacro *m = arena_new_of(c->s->a, struct cmacro);
	struct str name;

	if (!take_word(&t, &name))
		return;
	m->name = keep(c, name);
	m->fn = t.n && t.p[0] == '(';
	if (m->fn && !parse_params(c, m, &t))
		return;
	m->body = keep(c, str_trim(t));
	cpp_flush(c);
	strmap_put(&c->macros, m->name, m);
}

/* What was read means what the macros say now: `#define si_pid _sifields._kill.si_pid` behind a
 * struct does not change the name of its member. */
void cpp_flush(struct cpp *c)
{
	if (c->out->n && c->done->n < TEXT_MAX)
		cpp_expand(c, (struct str){buf_cstr(c->out), c->out->n}, c->done);
	buf_reset(c->out);
}

void cpp_define(struct cpp *c, const char *text)
{
	define(c, str_of(text));
}

static bool has_header(struct cpp *c, struct str arg);

/* __has_include(<x>) is known; attributes, builtins and features of a compiler are none here. */
static struct str answer_has(struct cpp *c, struct str word, struct str t, struct buf *out)
{
	struct str arg;
	unsigned n;
	size_t used;

	t = str_trim(t);
	used = t.n && t.p[0] == '(' ? split_args(t, &arg, 1, &n) : 0;
	if (!used)
		buf_addstr(out, word);
	else
		buf_adds(out, str_starts(word, STR("__has_include")) && has_header(c, arg) ? " 1 "
											   : " 0 ");
	return from(t, used);
}

static bool is_defined(const struct cpp *c, struct str name)
{
	return strmap_get(&c->macros, name) || str_is(name, "__has_include");
}

/* `defined X` is answered before macros are expanded. */
static void answer_defined(struct cpp *c, struct str t, struct buf *out)
{
	while (t.n) {
		size_t n = is_word(t.p[0]) ? word_len(t) : 1;
		struct str word = {t.p, n};
		bool parens;

		t = from(t, n);
		if (str_starts(word, STR("__has_"))) {
			t = answer_has(c, word, t, out);
			continue;
		}
		if (!str_is(word, "defined")) {
			buf_addstr(out, word);
			continue;
		}
		t = str_trim(t);
		parens = t.n && t.p[0] == '(';
		t = parens ? from(t, 1) : t;
		take_word(&t, &word);
		buf_adds(out, is_defined(c, word) ? " 1 " : " 0 ");
		t = str_trim(t);
		if (parens && t.n && t.p[0] == ')')
			t = from(t, 1);
	}
}

/* What macros expand to may ask again: `#define HAS(h) __has_include(h)`. */
static bool condition(struct cpp *c, struct str t)
{
	struct buf defined = BUF_INIT, text = BUF_INIT;
	struct cvalue v;
	bool ok;

	answer_defined(c, t, &defined);
	cpp_expand(c, (struct str){buf_cstr(&defined), defined.n}, &text);
	buf_reset(&defined);
	answer_defined(c, (struct str){buf_cstr(&text), text.n}, &defined);
	buf_reset(&text);
	buf_addstr(&text, (struct str){buf_cstr(&defined), defined.n});
	ok = cexpr_value(c->s, (struct str){buf_cstr(&text), text.n}, true, &v) && v.value != 0;
	buf_release(&defined);
	buf_release(&text);
	return ok;
}

static bool is_on(const struct cpp *c)
{
	return !c->nest.n || c->nest.v[c->nest.n - 1].on;
}

static void open_level(struct cpp *c, bool yes)
{
	bool outer = is_on(c);
	struct cpp_level l = {outer && yes, yes, outer};

	vec_push(c->s->a, &c->nest, l);
}

static void other_branch(struct cpp *c, bool yes)
{
	struct cpp_level *l = c->nest.n ? &c->nest.v[c->nest.n - 1] : NULL;

	if (!l)
		return;
	l->on = l->outer && !l->taken && yes;
	l->taken |= yes;
}

static bool conditional(struct cpp *c, struct str word, struct str t)
{
	struct str name = t;

	if (str_is(word, "if")) {
		open_level(c, is_on(c) && condition(c, t));
	} else if (str_is(word, "ifdef") || str_is(word, "ifndef")) {
		take_word(&t, &name);
		open_level(c, is_defined(c, name) == str_is(word, "ifdef"));
	} else if (str_is(word, "elif")) {
		other_branch(c, c->nest.n && !c->nest.v[c->nest.n - 1].taken && condition(c, t));
	} else if (str_is(word, "else")) {
		other_branch(c, true);
	} else if (str_is(word, "endif")) {
		c->nest.n -= c->nest.n > c->nest_base;
	} else {
		return false;
	}
	return true;
}

static const char *beside(struct cpp *c, struct str name)
{
	const char *slash = c->path ? strrchr(c->path, '/') : NULL;

	if (!slash || name.p[0] == '/')
		return arena_strndup(c->s->a, name.p, name.n);
	return arena_printf(c->s->a, "%.*s/%.*s", (int)(slash - c->path), c->path, STR_ARG(name));
}

static const char *in_dir(struct cpp *c, const char *dir, struct str name)
{
	const char *path = arena_printf(c->s->a, "%s/%.*s", dir, STR_ARG(name));

	return files_exists(c->s->in->files, path) ? path : NULL;
}

/* In the system's directories; behind the one of the current file when `next` (#include_next). */
static const char *in_system(struct cpp *c, struct str name, bool next)
{
	static const char *const dirs[] = {"/usr/local/include", ("/usr/include/" CPP_TRIPLET),
					   "/usr/include"};
	const char *path;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		path = in_dir(c, dirs[i], name);
		if (path && !next)
			return path;
		next &= !path || strcmp(path, c->path);
	}
	return NULL;
}

/* Where a header is; *own tells that it is the script's, not the system's. */
static const char *find_header(struct cpp *c, struct str name, bool quotes, bool *own)
{
	const char *path;

	*own = true;
	if (quotes && files_exists(c->s->in->files, beside(c, name)))
		return beside(c, name);
	for (const char *const *d = c->s->in->include_dirs; d && *d; d++)
		if ((path = in_dir(c, *d, name)))
			return path;
	path = in_system(c, name, false);
	*own = false;
	return path;
}

static bool has_header(struct cpp *c, struct str arg)
{
	bool own;

	return arg.n > 2 &&
	       find_header(c, (struct str){arg.p + 1, arg.n - 2}, arg.p[0] == '"', &own);
}

static void run_text(struct cpp *c, struct str text);

bool cpp_file(struct cpp *c, const char *path, bool own)
{
	struct buf b = BUF_INIT;
	const char *outer = c->path;
	size_t base = c->nest_base;
	bool outer_own = c->own;

	if (c->files++ >= FILES_MAX || c->depth >= NEST_MAX || c->out->n + c->done->n >= TEXT_MAX ||
	    files_read(c->s->in->files, path, &b, TEXT_MAX) < 0)
		return false;
	c->path = path;
	c->own = own;
	c->depth++;
	c->nest_base = c->nest.n;
	run_text(c, (struct str){buf_cstr(&b), b.n});
	c->nest.n = c->nest_base;
	c->nest_base = base;
	c->depth--;
	c->path = outer;
	c->own = outer_own;
	buf_release(&b);
	return true;
}

bool cpp_given_header(struct cpp *c, const char *name)
{
	const char *path = name;
	bool own = true;

	if (!files_exists(c->s->in->files, name))
		path = find_header(c, str_of(name), false, &own);
	return path && cpp_file(c, path, own);
}

static void include(struct cpp *c, struct str t, bool next)
{
	struct buf text = BUF_INIT;
	const char *path, *end;
	struct str name;
	bool own;

	t = str_trim(t);
	if (t.n && is_word_start(t.p[0])) {
		cpp_expand(c, t, &text);
		t = str_trim(keep(c, (struct str){buf_cstr(&text), text.n}));
		buf_release(&text);
	}
	if (t.n < 3 || (t.p[0] != '"' && t.p[0] != '<'))
		return;
	end = memchr(t.p + 1, t.p[0] == '<' ? '>' : '"', t.n - 1);
	name = (struct str){t.p + 1, end ? (size_t)(end - t.p - 1) : 0};
	if (!name.n)
		return;
	if (next && c->path) {
		path = in_system(c, name, true);
		own = false;
	} else {
		path = find_header(c, name, t.p[0] == '"', &own);
		cpp_compiler_header(c, name);
	}
	if (path && !strmap_get(&c->once, str_of(path)))
		cpp_file(c, path, own);
	else if (!path && t.p[0] == '"' && !c->depth)
		cpp_missing(c, name);
	else if (!path && !c->depth) /* often BTF has all that is asked of it */
		c->s->missing_header = str_of(arena_strndup(c->s->a, name.p, name.n));
}

static void pragma(struct cpp *c, struct str t)
{
	struct str word;

	if (str_is(t, "once") && c->path)
		strmap_put(&c->once, str_of(c->path), (void *)c->path);
	else if (take_word(&t, &word) && str_is(word, "pack"))
		buf_printf(c->out, " " CPP_PACK "%.*s\n", STR_ARG(t));
}

static void directive(struct cpp *c, struct str t)
{
	struct str word, name;

	take_word(&t, &word);
	if (conditional(c, word, t) || !is_on(c))
		return;
	if (str_is(word, "define")) {
		define(c, t);
	} else if (str_is(word, "undef")) {
		take_word(&t, &name);
		cpp_flush(c);
		strmap_put(&c->macros, keep(c, name), NULL);
	} else if (str_is(word, "include") || str_is(word, "include_next")) {
		include(c, t, str_is(word, "include_next"));
	} else if (str_is(word, "pragma")) {
		pragma(c, str_trim(t));
	}
}

static void run_text(struct cpp *c, struct str text)
{
	struct buf line = BUF_INIT;

	while (next_line(&text, &line)) {
		struct str t = str_trim((struct str){buf_cstr(&line), line.n});

		if (t.n && t.p[0] == '#') {
			directive(c, from(t, 1));
		} else if (t.n && is_on(c)) {
			buf_addstr(c->out, t);
			buf_addc(c->out, '\n');
		}
	}
	buf_release(&line);
}

void cpp_run(struct cpp *c, struct str text)
{
	run_text(c, text);
}

bool cpp_is_on(const struct cpp *c)
{
	return is_on(c);
}
