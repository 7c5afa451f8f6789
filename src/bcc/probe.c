/* The probe grammar that the commands share.
 *
 *   func                kernel function       lib:func      function of a library, program or path
 *   p::func  p:lib:func the same              r::func  r:lib:func   returns
 *   t:category:event    tracepoint            u:lib:[provider:]probe   USDT
 *   func+0x12           an instruction        lib:0xADDRESS
 *   c:str*  c:{malloc,free}  -r 'c:^mall(oc|info)$'     several
 *   c:ns::f  'c:f(int)'      demangled names of C++ and Rust
 *
 * and awl's own kinds by their names: rawtracepoint:sched_switch, software:page-faults:1,
 * profile:hz:99, syscall:openat (r:syscall:openat for what it returns).
 *
 * sys_execve and __x64_sys_execve, as tutorials have them, are the events of that system call: the
 * functions have other names on other kernels, and their arguments are not in registers.
 *
 * "c" is looked for as the library libc, then as a program; what has a slash is a path. */
#include <regex.h>
#include <string.h>
#include "base/diag.h"
#include "bcc/priv.h"

#define PARTS_MAX 5

struct parts {
	struct str v[PARTS_MAX];
	size_t n;
	bool too_many;
};

struct reading {
	struct bcc *b;
	const char *text;
	unsigned allow;
	struct probe *p;
	char type; /* p r t u, or 0 */
};

static bool wrong(const struct reading *r, const char *why)
{
	bcc_fail(r->b, "error in probe '%s': %s", r->text, why);
	return false;
}

/* At colons, but not at those of C++ names. */
static struct parts split(struct str s)
{
	struct parts out = {.n = 1};
	size_t from = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"') /* a name in quotes is whole */
			while (i + 1 < s.n && s.p[++i] != '"')
				;
		if (s.p[i] != ':')
			continue;
		if (i + 1 < s.n && s.p[i + 1] == ':' && i > from && !(i == 1 && from == 0)) {
			i++;
			continue;
		}
		if (out.n == PARTS_MAX) {
			out.too_many = true;
			break;
		}
		out.v[out.n - 1] = (struct str){s.p + from, i - from};
		from = i + 1;
		out.n++;
	}
	out.v[out.n - 1] = (struct str){s.p + from, s.n - from};
	return out;
}

static struct str unquoted(struct str s)
{
	bool quoted = s.n > 1 && s.p[0] == '"' && s.p[s.n - 1] == '"';

	return quoted ? (struct str){s.p + 1, s.n - 2} : s;
}

static const char *text_of(const struct reading *r, struct str s)
{
	s = unquoted(s);
	return s.n ? arena_strndup(r->b->a, s.p, s.n) : "";
}

/* ---- names ---- */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("_./-+@*?$", c);
}

/* A part of an attach point, quoted where it has to be. */
void probe_add_part(struct buf *out, struct str s)
{
	bool plain = s.n > 0;

	for (size_t i = 0; i < s.n; i++)
		plain = plain && is_plain(s.p[i]) && s.p[i];
	if (plain) {
		buf_addstr(out, s);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, s.p[i]);
	}
	buf_addc(out, '"');
}

static int stop(void *arg, const char *probe, const char *detail)
{
	return 1;
}

int probe_ask(struct bcc *b, struct buf *pattern)
{
	int ret = awl_list(bcc_ask(b), buf_cstr(pattern), stop, NULL);

	buf_release(pattern);
	return ret;
}

static bool has_file(struct bcc *b, const char *name)
{
	struct buf pattern = BUF_INIT;

	buf_adds(&pattern, "uprobe:");
	probe_add_part(&pattern, str_of(name));
	buf_adds(&pattern, ":-"); /* no function's name: the list is made for nobody */
	return probe_ask(b, &pattern) >= 0;
}

const char *bcc_file_of(struct bcc *b, const char *lib)
{
	const char *with = arena_printf(b->a, "lib%s", lib);

	if (strchr(lib, '/') || !lib[0])
		return lib;
	return has_file(b, with) ? with : lib;
}

/* ---- patterns ---- */

struct matching {
	struct bcc *b;
	regex_t re;
	size_t skip; /* parts of a listed name in front of what is matched */
	words matched;
};

/* go:/path/to/server:"main.f" is kept without its quotes, as the others have none. */
static int add_match(void *arg, const char *probe, const char *detail)
{
	struct matching *m = arg;
	struct str rest = str_of(probe);
	const char *name;
	regmatch_t at;

	for (size_t i = 0; i < m->skip; i++)
		str_cut(&rest, ':');
	if (!rest.p)
		return 0;
	name = arena_strndup(m->b->a, unquoted(rest).p, unquoted(rest).n);
	if (regexec(&m->re, name, 1, &at, 0) || at.rm_so != 0)
		return 0;
	vec_push(m->b->a, &m->matched,
		 arena_printf(m->b->a, "%.*s%s", (int)(rest.p - probe), probe, name));
	return 0;
}

/* What was matched as attach points, but for functions of programs that cannot be probed: with a
 * pattern those are left out, too, and counted. False with the reason when none is left. */
static bool add_matches(struct reading *r, const struct matching *m, struct buf *out)
{
	const char **why = r->p->kind == PROBE_USER ? bcc_find_reasons(r->b, &m->matched) : NULL;

	for (size_t i = 0; i < m->matched.n; i++) {
		struct str rest = str_of(m->matched.v[i]);

		if (why && why[i])
			continue;
		for (size_t k = 0; k < m->skip; k++)
			str_cut(&rest, ':');
		buf_adds(out, out->n ? "," : "");
		buf_add(out, m->matched.v[i], (size_t)(rest.p - m->matched.v[i]));
		if (r->p->kind == PROBE_TRACEPOINT) /* category:event */
			buf_addstr(out, rest);
		else
			probe_add_part(out, rest);
	}
	return out->n || wrong(r, why[0]);
}

/* The probes of a list whose name a regular expression matches from its beginning on, as Python's
 * re.match() does; `skip`: parts in front of it. */
static bool add_regex(struct reading *r, const char *list, size_t skip, const char *re,
		      struct buf *out)
{
	struct matching m = {.b = r->b, .skip = skip};
	struct awl *awl;
	char why[128];
	int ret = regcomp(&m.re, re, REG_EXTENDED);

	if (ret) {
		regerror(ret, &m.re, why, sizeof(why));
		return wrong(r,
			     arena_printf(r->b->a, "\"%s\" is no regular expression: %s", re, why));
	}
	awl = bcc_ask(r->b);
	if (awl_list(awl, list, add_match, &m) < 0)
		wrong(r, bcc_error_line(r->b->a, awl_error(awl)));
	else if (m.matched.n == 0)
		wrong(r, arena_printf(r->b->a,
				      "nothing matches \"%s\"; awl -l '%s' lists what there is", re,
				      list));
	regfree(&m.re);
	if (!r->p->matched.n) /* the return's come first, those of its entry then */
		r->p->matched = m.matched;
	return m.matched.n && add_matches(r, &m, out);
}

/* "{a,b}", "str{len,cpy}" and "a" as attach points with the same front. */
static void add_each(struct buf *out, const char *front, const char *names)
{
	struct str list, head, tail, one;
	bool first = true;

	if (!names_cut_list(str_of(names), &head, &list, &tail)) {
		buf_adds(out, front);
		probe_add_part(out, str_of(names));
		return;
	}
	while (list.n) {
		struct buf name = BUF_INIT;

		one = str_trim(str_cut(&list, ','));
		buf_printf(&name, "%.*s%.*s%.*s", STR_ARG(head), STR_ARG(one), STR_ARG(tail));
		buf_adds(out, first ? "" : ",");
		buf_adds(out, front);
		probe_add_part(out, (struct str){name.p, name.n});
		buf_release(&name);
		first = false;
	}
}

/* ---- attach points ---- */

static bool is_demangled(const char *name)
{
	return strstr(name, "::") || strchr(name, '(');
}

static const char *kernel_front(bool is_return)
{
	return is_return ? "kretprobe:" : "kprobe:";
}

/* Of Go programs goret: the return probes of the kernel would crash them. */
static const char *user_front(const struct probe *p, bool is_return)
{
	if (p->go)
		return is_return ? "goret:" : "go:";
	return is_return ? "uretprobe:" : "uprobe:";
}

static const char *place_user(struct reading *r, const char *file, bool is_return, bool regex)
{
	struct buf front = BUF_INIT, out = BUF_INIT;
	const char *name = arena_printf(r->b->a, "%s%s%s", r->p->func, r->p->offset,
					r->p->sig ? r->p->sig : "");
	char *text = NULL;

	buf_adds(&front, user_front(r->p, is_return));
	probe_add_part(&front, str_of(file));
	r->p->source_name |= !regex && !r->p->go && is_demangled(name);
	buf_adds(&front, r->p->source_name ? ":cpp:" : ":");
	if (!regex)
		add_each(&out, buf_cstr(&front), name);
	else
		add_regex(r, arena_printf(r->b->a, "%s*", buf_cstr(&front)), 2, r->p->func, &out);
	if (out.n)
		text = arena_strdup(r->b->a, buf_cstr(&out));
	buf_release(&front);
	buf_release(&out);
	return text;
}

static const char *place_kernel(struct reading *r, bool is_return, bool regex)
{
	const char *front = kernel_front(is_return);
	struct buf out = BUF_INIT;
	char *text = NULL;

	if (!regex)
		add_each(&out, front, arena_printf(r->b->a, "%s%s", r->p->func, r->p->offset));
	else
		add_regex(r, arena_printf(r->b->a, "%s*", front), 1, r->p->func, &out);
	if (out.n)
		text = arena_strdup(r->b->a, buf_cstr(&out));
	buf_release(&out);
	return text;
}

static const char *place_tracepoint(struct reading *r, bool regex)
{
	struct buf out = BUF_INIT;
	const char *re = arena_printf(r->b->a, "^(%s):(%s)", r->p->lib, r->p->func);
	char *text = NULL;

	if (regex)
		add_regex(r, "tracepoint:*:*", 1, re, &out);
	else
		add_each(&out, arena_printf(r->b->a, "tracepoint:%s:", r->p->lib), r->p->func);
	if (out.n)
		text = arena_strdup(r->b->a, buf_cstr(&out));
	buf_release(&out);
	return text;
}

static const char *place_usdt(struct reading *r, const char *provider)
{
	struct buf front = BUF_INIT, out = BUF_INIT;
	char *text;

	buf_adds(&front, "usdt:");
	probe_add_part(&front, str_of(bcc_file_of(r->b, r->p->lib)));
	buf_printf(&front, ":%s:", provider[0] ? provider : "*");
	add_each(&out, buf_cstr(&front), r->p->func);
	text = arena_strdup(r->b->a, buf_cstr(&out));
	buf_release(&front);
	buf_release(&out);
	return text;
}

/* ---- reading ---- */

static bool is_pattern(const char *s)
{
	return strpbrk(s, "*?{") != NULL;
}

static bool read_offset(struct reading *r)
{
	char *plus = strrchr(r->p->func, '+');
	unsigned long long v;

	r->p->offset = "";
	if (!plus || strchr(r->p->func, '(') || r->b->o.regexp)
		return true;
	if (!(r->allow & ALLOW_OFFSET))
		return wrong(r, "an offset is possible with trace, funccount and stackcount only");
	if (!str_to_u64(str_of(plus + 1), &v))
		return wrong(
			r,
			arena_printf(r->b->a,
				     "invalid offset format '%s', must be decimal or hexadecimal",
				     plus));
	if (r->p->is_return)
		return wrong(r, "a return probe takes no offset");
	r->p->offset = arena_strdup(r->b->a, plus);
	*plus = '\0';
	return true;
}

static bool event_exists(struct bcc *b, const char *place)
{
	struct awl *awl = bcc_ask(b);
	bool there = awl_list(awl, place, stop, NULL) > 0;

	return there;
}

static void set_syscall(struct reading *r, const char *name, bool is_return)
{
	const char *front = "tracepoint:syscalls:sys_";

	r->p->kind = PROBE_TRACEPOINT;
	r->p->syscall = true;
	r->p->is_return = is_return;
	r->p->lib = "syscalls";
	r->p->offset = "";
	r->p->entry = arena_printf(r->b->a, "%senter_%s", front, name);
	r->p->place = is_return ? arena_printf(r->b->a, "%sexit_%s", front, name) : r->p->entry;
}

/* sys_execve, SyS_execve, __x64_sys_execve */
static bool read_syscall_function(struct reading *r, struct str func)
{
	static const char *const fronts[] = {"sys_", "SyS_", "__x64_sys_", "__arm64_sys_",
					     "__se_sys_"};
	struct str name = {0};

	for (size_t i = 0; i < ARRAY_SIZE(fronts); i++)
		if (str_starts(func, str_of(fronts[i])))
			name = (struct str){func.p + strlen(fronts[i]), func.n - strlen(fronts[i])};
	if (!name.n || !(r->allow & ALLOW_EVENTS) || r->b->o.regexp)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!is_plain(name.p[i]) || strchr("*?+./@", name.p[i]))
			return false;
	if (!event_exists(r->b, arena_printf(r->b->a, "tracepoint:syscalls:sys_enter_%.*s",
					     STR_ARG(name))))
		return false;
	r->p->func = text_of(r, func);
	set_syscall(r, text_of(r, name), r->type == 'r');
	return true;
}

bool probe_take_source_name(struct bcc *b, struct probe *p)
{
	struct reading r = {.b = b, .p = p};
	const char *file;

	if (p->kind != PROBE_USER || p->go || p->many || p->source_name || p->offset[0])
		return false;
	file = bcc_file_of(b, p->lib);
	p->source_name = true;
	p->place = place_user(&r, file, p->is_return, false);
	p->entry = p->is_return ? place_user(&r, file, false, false) : NULL;
	return true;
}

static int first_name(void *arg, const char *probe, const char *detail)
{
	struct reading *r = arg;
	struct str rest = str_of(probe);

	str_cut(&rest, ':');
	str_cut(&rest, ':');
	if (rest.n)
		r->p->func = arena_strndup(r->b->a, rest.p, rest.n);
	return 1;
}

/* lib:0x1189 is probed, and so shown, as the function that has it and how far in it is. */
static bool read_address(struct reading *r, const char *file)
{
	const char *front;
	struct buf place = BUF_INIT;
	unsigned long long v;
	struct awl *awl;

	if (r->p->is_return || r->b->o.regexp || !str_to_u64(str_of(r->p->func), &v))
		return false;
	buf_adds(&place, "uprobe:");
	probe_add_part(&place, str_of(file));
	front = arena_printf(r->b->a, "%s:", buf_cstr(&place));
	buf_release(&place);
	awl = bcc_ask(r->b);
	r->p->many = awl_list(awl, arena_printf(r->b->a, "%s%s", front, r->p->func), first_name,
			      r) > 0;
	r->p->place = arena_printf(r->b->a, "%s%s", front, r->p->func);
	return true;
}

/* A name of a Go program may have a signature behind it. An offset is an instruction, and the same
 * in all programs. */
static void find_go(struct reading *r, const char *file)
{
	struct str rest = str_of(r->p->func), name = names_cut(&rest);
	const char *func = arena_strndup(r->b->a, name.p, name.n);

	if (r->p->offset[0] || !names_are_go(r->b, file, r->b->o.regexp ? "*" : func))
		return;
	r->p->go = true;
	r->p->func = r->b->o.regexp ? r->p->func : func;
	r->p->sig = rest.n && !r->b->o.regexp ? rest.p : NULL;
}

static bool read_func(struct reading *r, struct str lib, struct str func)
{
	bool regex = r->b->o.regexp;
	const char *file;

	if (!lib.n && read_syscall_function(r, func))
		return true;
	r->p->lib = text_of(r, lib);
	r->p->func = text_of(r, func);
	r->p->is_return = r->type == 'r';
	r->p->kind = lib.n ? PROBE_USER : PROBE_KERNEL;
	r->p->many = regex || names_are_many(r->p->func);
	if (!r->p->func[0])
		return wrong(r, "the name of the function is missing");
	if (!read_offset(r))
		return false;
	if (r->p->kind == PROBE_KERNEL) {
		r->p->place = place_kernel(r, r->p->is_return, regex);
		r->p->entry = r->p->place && r->p->is_return ? place_kernel(r, false, regex) : NULL;
		return r->p->place != NULL;
	}
	file = names_file_with(r->b, bcc_file_of(r->b, r->p->lib), r->p->func);
	if (read_address(r, file))
		return true;
	find_go(r, file);
	r->p->place = place_user(r, file, r->p->is_return, regex);
	r->p->entry = r->p->place && r->p->is_return ? place_user(r, file, false, regex) : NULL;
	return r->p->place != NULL;
}

static bool read_event(struct reading *r, const struct parts *s)
{
	if (!(r->allow & ALLOW_EVENTS))
		return wrong(r, "functions only, not tracepoints and USDT probes");
	if (s->n < 3 || !s->v[1].n || !s->v[s->n - 1].n)
		return wrong(r, r->type == 't'
					? "a tracepoint is written t:category:event"
					: "a USDT probe is written u:library:[provider:]probe");
	if (r->type == 't' && s->n > 3)
		return wrong(r, "too many ':'-separated components: t:category:event");
	r->p->lib = text_of(r, s->v[1]);
	r->p->func = text_of(r, s->v[s->n - 1]);
	r->p->offset = "";
	r->p->kind = r->type == 't' ? PROBE_TRACEPOINT : PROBE_USDT;
	r->p->many = r->b->o.regexp || is_pattern(r->p->func) || is_pattern(r->p->lib);
	if (r->type == 't')
		r->p->place = place_tracepoint(r, r->b->o.regexp);
	else
		r->p->place = place_usdt(r, s->n > 3 ? text_of(r, s->v[2]) : "");
	return r->p->place != NULL;
}

static const char *const own_kinds[] = {"tracepoint", "rawtracepoint", "software",  "hardware",
					"profile",    "kprobe",        "uprobe",    "usdt",
					"fentry",     "fexit",         "kretprobe", "uretprobe"};

static bool is_own_kind(struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(own_kinds); i++)
		if (str_is(name, own_kinds[i]))
			return true;
	return false;
}

static bool read_own(struct reading *r, const struct parts *s)
{
	if (!(r->allow & ALLOW_EVENTS))
		return wrong(r, "functions only, not events");
	r->p->kind = PROBE_OTHER;
	r->p->func = text_of(r, s->v[s->n - 1]);
	r->p->lib = r->p->offset = "";
	r->p->many = is_pattern(r->p->func);
	r->p->place = r->text;
	return r->p->func[0] || wrong(r, "its last part is empty");
}

/* syscall:openat, r:syscall:openat */
static bool read_syscall(struct reading *r, struct str name)
{
	bool is_return = r->type == 'r';

	if (!(r->allow & ALLOW_EVENTS))
		return wrong(r, "functions only, not events");
	if (!name.n)
		return wrong(r, "its last part is empty");
	r->p->many = is_pattern(text_of(r, name));
	set_syscall(r, text_of(r, name), is_return);
	r->p->func = arena_printf(r->b->a, "sys_%s_%.*s", is_return ? "exit" : "enter",
				  STR_ARG(name));
	if (r->p->many)
		r->p->place = place_tracepoint(r, false);
	return true;
}

static bool bad_type(struct reading *r, struct str type)
{
	return wrong(
		r, arena_printf(
			   r->b->a,
			   r->allow & ALLOW_RETURN
				   ? "probe type must be '', 'p', 't', 'r', or 'u', but got '%.*s'"
				   : "probe type must be '' or 'p', but got '%.*s'",
			   STR_ARG(type)));
}

static bool read_typed(struct reading *r, const struct parts *s)
{
	struct str type = s->v[0];

	if (s->n > 3 && !str_is(type, "u") && !str_is(type, "t"))
		return wrong(r, "too many ':'-separated components; lib:function, p:lib:function, "
				"r:lib:function, t:category:event and u:lib:probe are possible");
	if (type.n > 1 || (type.n && !strchr("prtu", type.p[0])))
		return bad_type(r, type);
	r->type = type.n ? type.p[0] : 'p';
	if (r->type == 'r' && !(r->allow & ALLOW_RETURN))
		return bad_type(r, type);
	if (r->type == 'r' && s->n == 3 && str_is(s->v[1], "syscall"))
		return read_syscall(r, s->v[2]);
	if (r->type == 't' || r->type == 'u')
		return read_event(r, s);
	return read_func(r, s->v[1], s->v[2]);
}

bool probe_read(struct bcc *b, const char *text, unsigned allow, struct probe *out)
{
	struct reading r = {.b = b, .text = text, .allow = allow, .p = out};
	struct parts s = split(str_of(text));

	*out = (struct probe){0};
	if (!text[0])
		return wrong(&r, "it is empty");
	if (s.too_many)
		return wrong(&r, "too many ':'-separated components");
	if (s.n > 1 && is_own_kind(s.v[0]))
		return read_own(&r, &s);
	if (s.n == 2 && str_is(s.v[0], "syscall"))
		return read_syscall(&r, s.v[1]);
	if (s.n == 1)
		return read_func(&r, (struct str){0}, s.v[0]);
	if (s.n == 2 && (str_is(s.v[0], "t") || str_is(s.v[0], "u"))) {
		r.type = s.v[0].p[0];
		return read_event(&r, &s);
	}
	if (s.n == 2)
		return read_func(&r, s.v[0], s.v[1]);
	return read_typed(&r, &s);
}

bool probe_function(struct bcc *b, const char *text, const char **lib, const char **func)
{
	struct reading r = {.b = b};
	struct parts s = split(str_of(text));
	bool event = s.n > 1 && (str_is(s.v[0], "t") || str_is(s.v[0], "u") || is_own_kind(s.v[0]));

	if (s.too_many || s.n > 3 || event)
		return false;
	*lib = s.n > 1 ? text_of(&r, s.v[s.n - 2]) : "";
	*func = text_of(&r, s.v[s.n - 1]);
	return true;
}

const char *bcc_return_of(struct bcc *b, const char *text)
{
	struct parts s = split(str_of(text));

	if (s.n == 1)
		return arena_printf(b->a, "r::%s", text);
	if (s.n == 2)
		return arena_printf(b->a, "r:%s", text);
	return s.v[0].n == 1 && s.v[0].p[0] == 'p' ? arena_printf(b->a, "r%s", text + 1) : text;
}
