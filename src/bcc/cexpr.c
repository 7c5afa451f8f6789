/* C expressions of trace and argdist as awl's language has them.
 *
 * Both languages share operators, casts, -> and sizeof, so the text is copied word by word and only
 * what has another name is replaced:
 *
 *   arg1                      arg0                 bcc counts from 1
 *   p->x  (struct point *p)   ((struct point *)arg0)->x      named in the signature
 *   retval  $retval           retval
 *   $pid $tgid                tid pid              bcc's $pid is the thread
 *   $uid $gid $cpu $task      uid gid cpu curtask
 *   STRCMP("odd", arg2)       (str(arg1, 80) == "odd")
 *   s == "odd"  "odd" == s    str(s, 80) == "odd"
 *   args->f                   args.f
 *   arg1@user                 uptr(arg0)           and of a parameter `char __user *s`
 *   ctx->dx                   reg("dx")
 *   p->x                      args.p->x            named in debug information or BTF
 *   $entry(n)  $latency       what the entry probe kept
 *   (unsigned long)x  'a'     (uint64)x  97
 *
 * bcc replaces inside of longer words, too; here a word is a word. */
#include <ctype.h>
#include <string.h>
#include "base/diag.h"
#include "bcc/priv.h"

struct walk {
	struct cexpr *c;
	struct str in;
	size_t at;
	struct buf out;
	size_t operand;    /* where in `out` the operand begins that was written last */
	bool after_member; /* the word before was . or -> */
	bool in_operand;
};

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static bool fail(struct cexpr *c, const char *why)
{
	if (!c->error)
		c->error = why;
	return false;
}

/* ---- brackets and separators ---- */

/* Past a quoted text that begins at `i`. */
static size_t past_quote(struct str s, size_t i)
{
	char q = s.p[i++];

	while (i < s.n && s.p[i] != q)
		i += s.p[i] == '\\' ? 2 : 1;
	return MIN(i + 1, s.n);
}

size_t cexpr_close(struct str s, size_t open)
{
	size_t depth = 0, i = open;

	while (i < s.n) {
		if (s.p[i] == '"' || s.p[i] == '\'') {
			i = past_quote(s, i);
			continue;
		}
		if (strchr("([{", s.p[i]))
			depth++;
		else if (strchr(")]}", s.p[i]) && --depth == 0)
			return i;
		i++;
	}
	return s.n;
}

struct str cexpr_cut(struct str *s, char sep)
{
	size_t i = 0, questions = 0;
	struct str head;

	while (i < s->n) {
		char c = s->p[i];

		if (c == '"' || c == '\'') {
			i = past_quote(*s, i);
		} else if (strchr("([{", c)) {
			i = MIN(cexpr_close(*s, i) + 1, s->n);
		} else if (c == ':' && i + 1 < s->n && s->p[i + 1] == ':' && sep == ':' &&
			   i + 2 < s->n && is_word(s->p[i + 2]) && i > 1 && is_word(s->p[i - 1])) {
			i += 2;
		} else if (c == sep && !(sep == ':' && questions)) {
			break;
		} else {
			questions += c == '?';
			questions -= c == ':' && questions;
			i++;
		}
	}
	head = (struct str){s->p, MIN(i, s->n)};
	*s = i < s->n ? (struct str){s->p + i + 1, s->n - i - 1} : (struct str){0};
	return head;
}

/* ---- types ---- */

static bool is_type_word(struct str w)
{
	static const char *const known[] = {
		"unsigned",  "signed",   "char",     "short",  "int",     "long",    "const",
		"volatile",  "u8",       "u16",      "u32",    "u64",     "s8",      "s16",
		"s32",       "s64",      "__u8",     "__u16",  "__u32",   "__u64",   "__s32",
		"__s64",     "size_t",   "ssize_t",  "bool",   "double",  "float",   "void",
		"pid_t",     "uid_t",    "loff_t",   "struct", "union",   "enum",    "uint8_t",
		"uint16_t",  "uint32_t", "uint64_t", "int8_t", "int16_t", "int32_t", "int64_t",
		"uintptr_t", "intptr_t", "off_t"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_is(w, known[i]))
			return true;
	return false;
}

struct type_words {
	bool is_unsigned, is_char, is_short, is_int, other;
	unsigned longs, stars;
	struct buf rest; /* struct point, u32 */
};

static void type_word(struct type_words *t, struct str w)
{
	if (str_is(w, "unsigned"))
		t->is_unsigned = true;
	else if (str_is(w, "char"))
		t->is_char = true;
	else if (str_is(w, "short"))
		t->is_short = true;
	else if (str_is(w, "long"))
		t->longs++;
	else if (str_is(w, "int"))
		t->is_int = true;
	else if (!str_is(w, "const") && !str_is(w, "volatile") && !str_is(w, "signed") &&
		 !str_is(w, "__user")) {
		buf_adds(&t->rest, t->other ? " " : "");
		buf_addstr(&t->rest, w);
		t->other = true;
	}
}

static const char *type_base(struct arena *a, const struct type_words *t)
{
	unsigned bits = t->longs ? 64 : t->is_short ? 16 : t->is_char ? 8 : 32;

	return t->other ? arena_strdup(a, buf_cstr(&t->rest))
			: arena_printf(a, "%sint%u", t->is_unsigned ? "u" : "", bits);
}

const char *cexpr_type(struct arena *a, struct str s)
{
	struct type_words t = {.rest = BUF_INIT};
	struct buf out = BUF_INIT;
	char *text;

	for (size_t i = 0; i < s.n;) {
		size_t from = i;

		while (i < s.n && is_word(s.p[i]))
			i++;
		if (i > from)
			type_word(&t, (struct str){s.p + from, i - from});
		else
			t.stars += s.p[i++] == '*';
	}
	buf_adds(&out, type_base(a, &t));
	buf_adds(&out, t.stars ? " " : "");
	buf_fill(&out, '*', t.stars);
	text = arena_strdup(a, buf_cstr(&out));
	buf_release(&out);
	buf_release(&t.rest);
	return text;
}

/* A type in an expression. Structures that programs and tutorials have, and that the kernel's types
 * have under another name with the same layout, unless a header says what they are. */
static const char *expr_type(const struct cexpr *c, struct str s)
{
	static const char *const names[][2] = {
		{"struct timespec", "struct __kernel_timespec"},
		{"struct timeval", "struct __kernel_old_timeval"},
	};
	const char *type = cexpr_type(c->b->a, s);
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !c->b->o.headers.n; i++) {
		n = strlen(names[i][0]);
		if (strncmp(type, names[i][0], n) == 0 && strchr(" *", type[n]))
			return arena_printf(c->b->a, "%s%s", names[i][1], type + n);
	}
	return type;
}

/* ---- signatures ---- */

bool cexpr_signature(struct cexpr *c, struct str text)
{
	text = str_trim(text);
	while (text.n) {
		struct str one = str_trim(cexpr_cut(&text, ','));
		size_t i = one.n;

		while (i > 0 && is_word(one.p[i - 1]))
			i--;
		if (str_is(one, "void"))
			continue;
		if (i == one.n || str_trim((struct str){one.p, i}).n == 0)
			return fail(
				c, arena_printf(c->b->a,
						"the signature's \"%.*s\" is not a type and a name",
						STR_ARG(one)));
		vec_push(c->b->a, &c->b->names, arena_strndup(c->b->a, one.p + i, one.n - i));
		vec_push(c->b->a, &c->params,
			 (struct param){str_trim((struct str){one.p, i}),
					(struct str){one.p + i, one.n - i}});
	}
	return true;
}

/* ---- parameters that debug information or BTF name ---- */

/* "struct point * p" */
static void found_line(struct cexpr *c, struct str line)
{
	struct arena *a = c->b->a;
	size_t i = line.n;
	struct param p;

	while (i > 0 && is_word(line.p[i - 1]))
		i--;
	if (i == line.n || i == 0)
		return;
	p.name = str_of(arena_strndup(a, line.p + i, line.n - i));
	p.type = str_trim(str_of(arena_strndup(a, line.p, i)));
	if (str_is(p.name, "retval") || str_is(p.name, "__syscall_nr"))
		return;
	vec_push(a, &c->found, p);
	vec_push(a, &c->b->names, p.name.p);
}

static int found_list(void *arg, const char *probe, const char *detail)
{
	struct cexpr *c = arg;
	struct str rest = str_of(detail ? detail : "");

	while (rest.n)
		found_line(c, str_trim(str_cut(&rest, '\n')));
	return c->found.n > 0;
}

static void list_params(struct cexpr *c, const char *pattern)
{
	struct awl *awl = bcc_session(c->b, true);

	awl_list(awl, pattern, found_list, c);
	awl_free(awl);
}

/* Names and types of a Go function, its results too. */
static int found_go(void *arg, const char *probe, const char *detail)
{
	struct cexpr *c = arg;
	struct gosig sig = {0};

	if (detail)
		gosig_read(c->b->a, detail, &sig);
	for (size_t i = 0; i < sig.args.n; i++) {
		struct str name = sig.args.v[i].name;

		vec_push(c->b->a, &c->found, sig.args.v[i]);
		vec_push(c->b->a, &c->b->names, arena_strndup(c->b->a, name.p, name.n));
	}
	c->results = sig.results.n;
	return sig.told;
}

static void look_up_go(struct cexpr *c, const char *entry)
{
	struct awl *awl;

	if (c->probe->sig) {
		found_go(c, NULL, arena_printf(c->b->a, "func %s", c->probe->sig));
		return;
	}
	awl = bcc_session(c->b, true);
	awl_list(awl, entry, found_go, c);
	awl_free(awl);
}

/* Looked up once, and only when an expression has a word that nothing else explains. */
static void look_up(struct cexpr *c)
{
	const struct probe *p = c->probe;
	const char *entry = p->is_return ? p->entry : p->place;

	if (c->looked || p->many || !entry || p->offset[0])
		return;
	c->looked = true;
	if (p->go)
		look_up_go(c, entry);
	else if (p->kind == PROBE_USER)
		list_params(c, entry);
	else if (p->syscall)
		list_params(c, p->entry);
	else if (p->kind == PROBE_KERNEL)
		list_params(c, arena_printf(c->b->a, "fentry:%s", p->func));
}

/* The parameter as an entry probe has it; NULL when there is none of that name. Of programs the
 * type comes with it, for kernel functions BTF has told the type. */
static const char *found_value(struct cexpr *c, struct str name)
{
	struct arena *a = c->b->a;

	look_up(c);
	for (size_t i = 0; i < c->found.n; i++) {
		if (!str_eq(c->found.v[i].name, name))
			continue;
		if (c->probe->kind == PROBE_USER || c->probe->syscall)
			return arena_printf(a, "args.%.*s", STR_ARG(name));
		return arena_printf(a, "((%.*s)arg%zu)", STR_ARG(c->found.v[i].type), i);
	}
	return NULL;
}

/* `const char __user *filename`: an address of the process, in a kernel function. */
static bool is_user(const struct cexpr *c, struct str type)
{
	return c->probe->kind == PROBE_KERNEL && type.n && memmem(type.p, type.n, "__user", 6);
}

static int find_param(const struct cexpr *c, struct str name)
{
	for (size_t i = 0; i < c->params.n; i++)
		if (str_eq(c->params.v[i].name, name))
			return (int)i;
	return -1;
}

/* ---- words ---- */

static const struct {
	const char *from, *to;
} simple_words[] = {
	{"$pid", "tid"},       {"$tgid", "pid"},  {"$PID", "pid"},
	{"$uid", "uid"},       {"$gid", "gid"},   {"$cpu", "cpu"},
	{"$task", "curtask"},  {"$COMM", "comm"}, {"$comm", "comm"},
	{"$retval", "retval"}, {"NULL", "0"},     {"bpf_ktime_get_ns", "nsecs"},
	{"$tid", "tid"},
};

static const char *simple_word(struct str w)
{
	for (size_t i = 0; i < ARRAY_SIZE(simple_words); i++)
		if (str_is(w, simple_words[i].from))
			return simple_words[i].to;
	return NULL;
}

static const char *did_you_mean(struct arena *a, struct nearest *near)
{
	return nearest_found(near) ? arena_printf(a, "; did you mean %.*s?", STR_ARG(near->best))
				   : "";
}

static const char *near_word(struct arena *a, struct str w)
{
	static const char *const others[] = {"$entry", "$latency"};
	struct nearest near;

	nearest_init(&near, w);
	for (size_t i = 0; i < ARRAY_SIZE(simple_words); i++)
		nearest_try(&near, str_of(simple_words[i].from));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		nearest_try(&near, str_of(others[i]));
	return did_you_mean(a, &near);
}

/* 1 of "arg1", 0 for other words. */
static unsigned arg_number(struct str w)
{
	unsigned long long n;

	if (!str_starts(w, STR("arg")) || !str_to_u64((struct str){w.p + 3, w.n - 3}, &n) || n > 99)
		return 0;
	return (unsigned)n;
}

static void skip_blanks(struct walk *w)
{
	while (w->at < w->in.n && isspace((unsigned char)w->in.p[w->at]))
		w->at++;
}

static bool followed_by(struct walk *w, const char *text)
{
	size_t at = w->at;

	while (at < w->in.n && isspace((unsigned char)w->in.p[at]))
		at++;
	if (!str_starts((struct str){w->in.p + at, w->in.n - at}, str_of(text)))
		return false;
	w->at = at + strlen(text);
	return true;
}

/* What stands in the brackets that come now; false without brackets. */
static bool in_brackets(struct walk *w, struct str *out)
{
	size_t end;

	skip_blanks(w);
	if (w->at >= w->in.n || w->in.p[w->at] != '(')
		return false;
	end = cexpr_close(w->in, w->at);
	if (end == w->in.n)
		return false;
	*out = (struct str){w->in.p + w->at + 1, end - w->at - 1};
	w->at = end + 1;
	return true;
}

/* "{0x6C, 0}" or "ab" as bytes; the number of them, 0 when it is neither. */
static size_t binary_text(struct str text, uint8_t *out, size_t max)
{
	struct str s = {text.p + 1, text.n >= 2 ? text.n - 2 : 0};
	unsigned long long v;
	size_t n = 0;

	if (s.n > max || !s.n || s.p[0] != '{') {
		memcpy(out, s.p, MIN(s.n, max));
		return s.n > max ? 0 : s.n;
	}
	if (s.p[s.n - 1] != '}')
		return 0;
	s = (struct str){s.p + 1, s.n - 2};
	while (s.n && n < max) {
		if (!str_to_u64(str_trim(str_cut(&s, ',')), &v) || v > 255)
			return 0;
		out[n++] = (uint8_t)v;
	}
	return s.n ? 0 : n;
}

#define BINARY_MAX 64

/* With -B: byte by byte, also those behind a NUL. */
static bool add_binary(struct walk *w, struct str text, const char *expr)
{
	uint8_t bytes[BINARY_MAX];
	size_t n = binary_text(text, bytes, sizeof(bytes));
	bool user = w->c->probe->syscall;

	if (!n)
		return fail(w->c,
			    "with -B, STRCMP takes 1 to 64 bytes: \"{0x6c, 0x00}\" or \"text\"");
	buf_addc(&w->out, '(');
	for (size_t i = 0; i < n; i++)
		buf_printf(&w->out,
			   user ? "%s*(uptr((uint8 *)(%s)) + %zu) == %u"
				: "%s*((uint8 *)(%s) + %zu) == %u",
			   i ? " && " : "", expr, i, bytes[i]);
	buf_addc(&w->out, ')');
	return true;
}

static bool add_strcmp(struct walk *w)
{
	struct str both, first;
	const char *text, *expr;

	if (!in_brackets(w, &both))
		return fail(w->c, "STRCMP takes two operands: STRCMP(\"text\", expression)");
	first = str_trim(cexpr_cut(&both, ','));
	if (!both.n)
		return fail(w->c, "STRCMP takes two operands: STRCMP(\"text\", expression)");
	text = cexpr_translate(w->c, first);
	expr = text ? cexpr_translate(w->c, str_trim(both)) : NULL;
	if (!expr)
		return false;
	if (w->c->b->o.binary && first.n && first.p[0] == '"')
		return add_binary(w, first, expr);
	if (first.n && first.p[0] != '"')
		text = cexpr_text(w->c, text);
	buf_printf(&w->out, "(%s == %s)", cexpr_text(w->c, expr), text);
	return true;
}

/* Argument `i` of a system call: the field of its event, with the type of a signature. What it
 * points to is the process's. */
static const char *syscall_value(struct cexpr *c, size_t i, const char *type)
{
	struct arena *a = c->b->a;
	const char *field;

	look_up(c);
	if (i >= c->found.n)
		return NULL;
	field = arena_printf(a, "args.%.*s", STR_ARG(c->found.v[i].name));
	if (!type)
		return field;
	return arena_printf(a, strchr(type, '*') ? "uptr((%s)%s)" : "((%s)%s)", type, field);
}

/* Argument `i` as an entry probe has it; NULL when there are not so many. */
static const char *numbered_value(struct cexpr *c, size_t i, const char *type)
{
	if (c->probe->syscall)
		return syscall_value(c, i, type);
	if (!type)
		return arena_printf(c->b->a, "arg%zu", i);
	return arena_printf(c->b->a, "((%s)arg%zu)", type, i);
}

/* The index among what the entry probe keeps. */
static size_t keep(struct cexpr *c, struct kept k)
{
	for (size_t i = 0; i < c->kept.n; i++)
		if (strcmp(c->kept.v[i].name, k.name) == 0)
			return i;
	vec_push(c->b->a, &c->kept, k);
	return c->kept.n - 1;
}

static bool kept_param(struct cexpr *c, struct str name, struct kept *k)
{
	struct arena *a = c->b->a;
	int i = find_param(c, name);
	unsigned arg = arg_number(name);

	*k = (struct kept){.name = arena_strndup(a, name.p, name.n)};
	if (i >= 0 || arg) {
		k->value = numbered_value(c, i >= 0 ? (size_t)i : arg - 1, NULL);
		k->value = k->value ? arena_printf(a, "(uint64)%s", k->value) : NULL;
		k->type = i >= 0 ? expr_type(c, c->params.v[i].type) : NULL;
		k->user = i >= 0 && is_user(c, c->params.v[i].type);
	} else {
		k->value = found_value(c, name);
	}
	return k->value != NULL;
}

/* goret probes have the arguments as they were at the call. */
static bool add_go_entry(struct walk *w, struct str name)
{
	const char *value = arg_number(name) ? NULL : found_value(w->c, name);

	if (value)
		buf_adds(&w->out, value);
	return value != NULL;
}

static const char *near_param(struct cexpr *c, struct str name)
{
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; i < c->params.n; i++)
		nearest_try(&near, c->params.v[i].name);
	for (size_t i = 0; i < c->found.n; i++)
		nearest_try(&near, c->found.v[i].name);
	return did_you_mean(c->b->a, &near);
}

static bool add_entry(struct walk *w)
{
	struct cexpr *c = w->c;
	struct str name;
	struct kept k;

	if (!in_brackets(w, &name))
		return fail(c, "$entry takes the name of a parameter: $entry(size)");
	name = str_trim(name);
	if (!c->probe->is_return)
		return fail(c, "$entry(…) is possible in return probes only");
	if (c->probe->go && add_go_entry(w, name))
		return true;
	if (!kept_param(c, name, &k))
		return fail(c, arena_printf(c->b->a,
					    "$entry(%.*s): neither signature nor debug information "
					    "has such a parameter%s",
					    STR_ARG(name), near_param(c, name)));
	if (k.type)
		buf_printf(&w->out, k.user ? "uptr((%s)$e.%zu)" : "((%s)$e.%zu)", k.type,
			   keep(c, k) + 1);
	else
		buf_printf(&w->out, "$e.%zu", keep(c, k) + 1);
	return true;
}

static bool add_latency(struct walk *w)
{
	if (!w->c->probe->is_return)
		return fail(w->c, "$latency is possible in return probes only");
	w->c->needs_latency = !w->c->probe->go;
	buf_adds(&w->out, w->c->probe->go ? "elapsed" : "(nsecs - $e.0)");
	return true;
}

static bool add_arg(struct walk *w, unsigned number, const struct param *p)
{
	struct cexpr *c = w->c;
	bool user = followed_by(w, "@user") || (p && is_user(c, p->type));
	const char *type = p ? expr_type(c, p->type) : NULL, *value;

	if (c->probe->kind == PROBE_TRACEPOINT && !c->probe->syscall)
		return fail(c, "tracepoints have fields: args->name; tplist -v lists them");
	if (c->probe->is_return)
		return fail(c,
			    "arguments are gone when a function returns: $entry(name) keeps one");
	value = numbered_value(c, number, type);
	if (!value)
		return fail(
			c, arena_printf(c->b->a, "the system call has no argument %u", number + 1));
	buf_printf(&w->out, user && !c->probe->syscall ? "uptr(%s)" : "%s", value);
	return true;
}

/* ctx->dx, ctx->regs[3]: what bcc's programs have in `struct pt_regs *ctx`. */
static bool add_register(struct walk *w)
{
	size_t from;
	struct str name, number;

	skip_blanks(w);
	for (from = w->at; w->at < w->in.n && is_word(w->in.p[w->at]);)
		w->at++;
	name = (struct str){w->in.p + from, w->at - from};
	if (str_is(name, "regs") && w->at < w->in.n && w->in.p[w->at] == '[') {
		size_t end = cexpr_close(w->in, w->at);

		number = str_trim((struct str){w->in.p + w->at + 1, end - w->at - 1});
		w->at = MIN(end + 1, w->in.n);
		buf_printf(&w->out, "reg(\"r%.*s\")", STR_ARG(number));
		return true;
	}
	buf_printf(&w->out, "reg(\"%.*s\")", STR_ARG(name));
	return name.n || fail(w->c, "behind ctx-> the name of a register is missing");
}

/* A word that is neither bcc's nor a parameter of the signature. */
static bool add_other(struct walk *w, struct str word)
{
	struct str rest = {w->in.p + w->at, w->in.n - w->at};
	bool called = str_starts(str_trim(rest), STR("("));
	const char *named = NULL, *why = "arguments are gone when a function returns: $entry(name) "
					 "keeps one";

	if (!isdigit((unsigned char)word.p[0]) && !called)
		named = found_value(w->c, word);
	if (named && w->c->probe->is_return)
		return fail(w->c, why);
	buf_addstr(&w->out, named ? str_of(named) : word);
	return true;
}

/* retval, retval.0 or retval.NAME. C has one result, and so have its conversions. */
static bool add_go_result(struct walk *w)
{
	struct cexpr *c = w->c;

	if (!c->probe->is_return)
		return fail(c, "retval is possible in return probes only: r:…");
	look_up(c);
	buf_adds(&w->out, "retval");
	if (c->results < 2 || c->all_results)
		return true;
	if (followed_by(w, ".")) {
		buf_addc(&w->out, '.');
		w->after_member = true;
		return true;
	}
	return fail(c, arena_printf(c->b->a, "%s returns %u values: retval.0 to retval.%u%s",
				    c->probe->func, c->results, c->results - 1,
				    c->b->cmd == &cmd_trace ? ", or %v for all" : ""));
}

static bool has_registers(const struct probe *p)
{
	return p->kind == PROBE_USER || p->kind == PROBE_KERNEL || p->kind == PROBE_USDT;
}

static bool add_name(struct walk *w, struct str word)
{
	const char *to = simple_word(word);
	int param = find_param(w->c, word);
	unsigned arg = arg_number(word);

	if (str_is(word, "STRCMP"))
		return add_strcmp(w);
	if (str_is(word, "$entry"))
		return add_entry(w);
	if (str_is(word, "$latency"))
		return add_latency(w);
	if (w->c->probe->go && (str_is(word, "retval") || str_is(word, "$retval")))
		return add_go_result(w);
	if (param >= 0)
		return add_arg(w, (unsigned)param, &w->c->params.v[param]);
	if (arg)
		return add_arg(w, arg - 1, NULL);
	if (str_is(word, "ctx") && has_registers(w->c->probe) && followed_by(w, "->"))
		return add_register(w);
	if (str_is(word, "args") && followed_by(w, "->")) {
		buf_adds(&w->out, "args.");
		w->after_member = true;
		return true;
	}
	if (w->c->probe->syscall && (str_is(word, "retval") || str_is(word, "$retval")))
		to = "args.ret";
	if (word.p[0] == '$' && !to)
		return fail(
			w->c,
			arena_printf(w->c->b->a,
				     "there is no %.*s; there are $pid, $tgid, $uid, $gid, $cpu, "
				     "$task, $retval, $entry(x), $latency%s",
				     STR_ARG(word), near_word(w->c->b->a, word)));
	if (!to)
		return add_other(w, word);
	buf_adds(&w->out, to);
	if (str_is(word, "bpf_ktime_get_ns"))
		followed_by(w, "()");
	return true;
}

/* (unsigned long), (struct point *): a cast, or the operand of sizeof. */
static bool add_cast(struct walk *w)
{
	size_t end = cexpr_close(w->in, w->at), i = w->at + 1;
	struct str inside = {w->in.p + i, end - i}, first = inside;

	if (end == w->in.n)
		return false;
	for (i = 0; i < inside.n; i++)
		if (!is_word(inside.p[i]) && !strchr(" \t*", inside.p[i]))
			return false;
	first = str_trim(first);
	for (i = 0; i < first.n && is_word(first.p[i]);)
		i++;
	if (!is_type_word((struct str){first.p, i}) &&
	    !(first.n && first.p[first.n - 1] == '*' && i))
		return false;
	buf_printf(&w->out, "(%s)", expr_type(w->c, inside));
	w->at = end + 1;
	return true;
}

/* 'a' is a number in C. */
static bool add_char(struct walk *w)
{
	size_t end = past_quote(w->in, w->at);
	struct str s = {w->in.p + w->at + 1, end - w->at - 2};
	static const char escapes[] = "n\nt\tr\r0\0\\\\''";

	if (end - w->at < 3 || s.n > 2 || (s.n == 2 && s.p[0] != '\\'))
		return fail(w->c, "'…' is one character; a text stands between \"…\"");
	w->at = end;
	if (s.n == 1) {
		buf_printf(&w->out, "%d", s.p[0]);
		return true;
	}
	for (size_t i = 0; i + 1 < sizeof(escapes); i += 2)
		if (escapes[i] == s.p[1]) {
			buf_printf(&w->out, "%d", escapes[i + 1]);
			return true;
		}
	return fail(w->c, "unknown escape in a character; \\n \\t \\r \\0 \\\\ are known");
}

/* s == "text": the operand in front is an address. False where nothing is compared in front. */
static bool compare_text(struct walk *w, size_t text)
{
	const char *out = buf_cstr(&w->out);
	size_t op = text, from = w->operand;
	const char *operand;
	struct buf tail = BUF_INIT;

	while (op > 0 && out[op - 1] == ' ')
		op--;
	if (op < 2 || out[op - 1] != '=' || (out[op - 2] != '=' && out[op - 2] != '!'))
		return false;
	op -= 2;
	buf_add(&tail, out + op, w->out.n - op);
	while (op > from && out[op - 1] == ' ')
		op--;
	operand = arena_strndup(w->c->b->a, out + from, op - from);
	w->out.n = from;
	buf_printf(&w->out, "%s ", cexpr_text(w->c, operand));
	buf_addstr(&w->out, (struct str){tail.p, tail.n});
	buf_release(&tail);
	return true;
}

/* "text" == s: the operand behind is an address; up to what binds less than ==. */
static bool compare_with(struct walk *w, struct str text)
{
	struct str rest, operand;
	const char *value;
	bool equal = followed_by(w, "==");
	size_t i = 0;

	if (!equal && !followed_by(w, "!="))
		return true;
	rest = (struct str){w->in.p + w->at, w->in.n - w->at};
	while (i < rest.n && !strchr("&|?:,", rest.p[i]))
		i = strchr("([{", rest.p[i])   ? MIN(cexpr_close(rest, i) + 1, rest.n)
		    : strchr("\"'", rest.p[i]) ? past_quote(rest, i)
					       : i + 1;
	operand = str_trim((struct str){rest.p, i});
	if (!operand.n)
		return fail(w->c, arena_printf(w->c->b->a, "behind %.*s %s a value is missing",
					       STR_ARG(text), equal ? "==" : "!="));
	value = cexpr_translate(w->c, operand);
	if (value)
		buf_printf(&w->out, " %s %s", equal ? "==" : "!=", cexpr_text(w->c, value));
	w->at += i;
	return value != NULL;
}

/* Members that the kernel's headers have as macros: in its type information they are what the macro
 * stands for. */
static bool is_common_of_socks(struct str name)
{
	static const char *const common[] = {
		"sk_num",      "sk_dport",        "sk_addrpair", "sk_daddr",        "sk_rcv_saddr",
		"sk_family",   "sk_state",        "sk_reuse",    "sk_net",          "sk_prot",
		"sk_v6_daddr", "sk_v6_rcv_saddr", "sk_cookie",   "sk_bound_dev_if",
	};

	for (size_t i = 0; i < ARRAY_SIZE(common); i++)
		if (str_is(name, common[i]))
			return true;
	return false;
}

static void add_member(struct walk *w, struct str name)
{
	if (is_common_of_socks(name))
		buf_printf(&w->out, "__sk_common.skc_%.*s", (int)name.n - 3, name.p + 3);
	else
		buf_addstr(&w->out, name);
}

static bool step_word(struct walk *w)
{
	size_t from = w->at;
	struct str word;
	bool member = w->after_member;

	while (w->at < w->in.n && is_word(w->in.p[w->at]))
		w->at++;
	word = (struct str){w->in.p + from, w->at - from};
	if (!w->in_operand)
		w->operand = w->out.n;
	w->in_operand = true;
	w->after_member = false;
	if (member) {
		add_member(w, word);
		return true;
	}
	return add_name(w, word);
}

/* Brackets are translated on their own; they belong to the operand. */
static bool step_bracket(struct walk *w)
{
	size_t end = cexpr_close(w->in, w->at);
	const char *inside;

	if (!w->in_operand)
		w->operand = w->out.n;
	w->in_operand = true;
	if (w->in.p[w->at] == '(' && add_cast(w))
		return true;
	if (end == w->in.n)
		return fail(w->c, arena_printf(w->c->b->a, "unmatched '%c'", w->in.p[w->at]));
	inside = cexpr_translate(w->c, (struct str){w->in.p + w->at + 1, end - w->at - 1});
	if (!inside)
		return false;
	buf_printf(&w->out, "%c%s%c", w->in.p[w->at], inside, w->in.p[end]);
	w->at = end + 1;
	return true;
}

static bool step_operator(struct walk *w)
{
	struct str rest = {w->in.p + w->at, w->in.n - w->at};
	bool member = str_starts(rest, STR("->")) || rest.p[0] == '.';
	size_t n = str_starts(rest, STR("->")) ? 2 : 1;

	if (strchr(")]}", rest.p[0]))
		return fail(w->c, arena_printf(w->c->b->a, "unmatched '%c'", rest.p[0]));
	if (rest.p[0] == ';' || rest.p[0] == '{')
		return fail(w->c, "an expression is wanted, not statements");
	if (rest.n > 1 && rest.p[0] == '=' && rest.p[1] != '=' &&
	    !(w->out.n && strchr("=!<>", w->out.p[w->out.n - 1])))
		return fail(w->c, "= assigns; == compares");
	w->after_member = member;
	if (!member && !isspace((unsigned char)rest.p[0]))
		w->in_operand = false;
	buf_add(&w->out, rest.p, n);
	w->at += n;
	return true;
}

static bool step_text(struct walk *w)
{
	size_t end = past_quote(w->in, w->at), from = w->out.n;
	struct str text = {w->in.p + w->at, end - w->at};

	if (text.n < 2 || text.p[text.n - 1] != '"')
		return fail(w->c, "the text has no closing \"");
	buf_addstr(&w->out, text);
	w->at = end;
	if (compare_text(w, from))
		return true;
	w->operand = from;
	w->in_operand = true;
	return compare_with(w, text);
}

static bool step(struct walk *w)
{
	char c = w->in.p[w->at];

	if (c == '"')
		return step_text(w);
	if (c == '\'')
		return add_char(w);
	if (is_word(c))
		return step_word(w);
	return c == '(' || c == '[' ? step_bracket(w) : step_operator(w);
}

const char *cexpr_translate(struct cexpr *c, struct str text)
{
	struct walk w = {.c = c, .in = text};
	const char *out;
	bool ok = true;

	while (ok && w.at < text.n)
		ok = step(&w);
	out = ok ? arena_strdup(c->b->a, buf_cstr(&w.out)) : NULL;
	buf_release(&w.out);
	return out;
}

const char *cexpr_text(struct cexpr *c, const char *expr)
{
	static const char *const texts[] = {"ntop(",        "macaddr(",      "strerror(", "ksym(",
					    "usym(",        "syscall_name(", "username",  "buf(",
					    "signal_name(", "cgroup_path(",  "str(",      "comm",
					    "strftime(",    "seconds(",      "\""};
	long long size = c->b->o.strsize > 0 ? (long long)c->b->o.strsize : 80;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (str_starts(str_trim(str_of(expr)), str_of(texts[i])))
			return expr;
	return arena_printf(c->b->a, "str(%s, %lld)", expr, size);
}
