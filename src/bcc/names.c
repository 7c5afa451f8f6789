/* Names that have brackets of their own, and the signature that may stand behind a name.
 *
 *   ./srv:main.(*T).Handle(id string) (arg1 > 3)      a method of Go; its signature; a predicate
 *   ./wl:ns::f(int, char*) "%d", arg1                 an overload of C++: which is looked up
 *   ./wl:"ns::f(int, char*)"                          the same, said by quotes
 *   c:open(char *path, int flags)                     a signature: types and names
 *
 * A bracket behind a dot or colons, or with one of them behind it, is in the midst of a name. */
#include <ctype.h>
#include <string.h>
#include "bcc/priv.h"

static bool is_inner(struct str s, size_t open, size_t close)
{
	struct str behind = {s.p + close + 1, s.n - close - 1};

	if (open > 0 && (s.p[open - 1] == '.' || s.p[open - 1] == ':'))
		return true;
	return str_starts(behind, STR(".")) || str_starts(behind, STR("::"));
}

static size_t past_quotes(struct str s, size_t i)
{
	for (i++; i < s.n && s.p[i] != '"'; i++)
		;
	return MIN(i + 1, s.n);
}

struct str names_cut(struct str *rest)
{
	size_t i = 0, close;
	struct str out;

	while (i < rest->n && !isspace((unsigned char)rest->p[i])) {
		if (rest->p[i] == '"') {
			i = past_quotes(*rest, i);
			continue;
		}
		close = strchr("({[", rest->p[i]) ? cexpr_close(*rest, i) : 0;
		if (rest->p[i] == '(' && (close == rest->n || !is_inner(*rest, i, close)))
			break;
		i = close && close < rest->n ? close + 1 : i + 1;
	}
	out = (struct str){rest->p, i};
	*rest = (struct str){rest->p + i, rest->n - i};
	return out;
}

bool names_are_many(const char *name)
{
	struct str s = str_of(name);

	if (strstr(name, "operator"))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '(')
			i = MIN(cexpr_close(s, i), s.n - 1);
		else if (strchr("*?{", s.p[i]))
			return true;
	}
	return false;
}

bool names_cut_list(struct str s, struct str *head, struct str *list, struct str *tail)
{
	const char *open = s.n ? memchr(s.p, '{', s.n) : NULL;
	const char *close = open ? memchr(open, '}', s.n - (size_t)(open - s.p)) : NULL;

	if (!close || memchr(s.p, '(', s.n))
		return false;
	*head = (struct str){s.p, (size_t)(open - s.p)};
	*list = (struct str){open + 1, (size_t)(close - open) - 1};
	*tail = (struct str){close + 1, s.n - (size_t)(close + 1 - s.p)};
	return list->n > 0;
}

/* ---- which one is it? ---- */

static bool is_listed(struct bcc *b, const char *front, const char *file, const char *between,
		      const char *name)
{
	struct buf pattern = BUF_INIT;

	buf_adds(&pattern, front);
	probe_add_part(&pattern, str_of(file));
	buf_adds(&pattern, between);
	probe_add_part(&pattern, str_of(name));
	return probe_ask(b, &pattern) > 0;
}

/* Names that the Go compiler makes have a dot, behind the package. One that no list has may be
 * misspelled or inlined: the error is then that of the probes for Go. */
bool names_are_go(struct bcc *b, const char *file, const char *name)
{
	struct str head, list, tail, one;

	if (names_cut_list(str_of(name), &head, &list, &tail)) {
		one = str_trim(str_cut(&list, ','));
		name = arena_printf(b->a, "%.*s%.*s%.*s", STR_ARG(head), STR_ARG(one),
				    STR_ARG(tail));
	}
	if (!strpbrk(name, ".*?") || strstr(name, "::"))
		return false;
	if (is_listed(b, "go:", file, ":", name))
		return true;
	return !names_are_many(name) && is_listed(b, "go:", file, ":", "*") &&
	       !is_listed(b, "uprobe:", file, ":", name);
}

/* Since glibc 2.34 these are parts of libc, and their files are there with nothing in them. */
static bool is_part_of_libc(const char *file)
{
	static const char *const parts[] = {"libpthread", "libdl", "librt", "libutil", "libanl"};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcmp(file, parts[i]) == 0)
			return true;
	return false;
}

const char *names_file_with(struct bcc *b, const char *file, const char *name)
{
	return is_part_of_libc(file) && !is_listed(b, "uprobe:", file, ":", name) &&
			       is_listed(b, "uprobe:", "libc", ":", name)
		       ? "libc"
		       : file;
}

/* "f( int,char * )" as demanglers write it: "f(int, char*)". */
static const char *as_demangled(struct arena *a, const char *text)
{
	struct buf out = BUF_INIT;
	char *whole;

	for (const char *p = text; *p; p++) {
		char last = out.n ? out.p[out.n - 1] : ' ';

		if (isspace((unsigned char)*p) && strchr(" (,", last))
			continue;
		while (strchr(",*&)", *p) && out.n && out.p[out.n - 1] == ' ')
			out.n--;
		buf_adds(&out, last == ',' ? " " : "");
		buf_addc(&out, *p);
	}
	whole = arena_strdup(a, buf_cstr(&out));
	buf_release(&out);
	return whole;
}

const char *names_with_bracket(struct bcc *b, struct str probe, struct str inside)
{
	const char *text = arena_strndup(b->a, probe.p, probe.n), *lib, *func, *file, *whole;
	int front;

	if (!probe_function(b, text, &lib, &func) || !lib[0] || probe.p[probe.n - 1] == '"')
		return NULL;
	file = bcc_file_of(b, lib);
	front = (int)(probe.n - strlen(func));
	whole = arena_printf(b->a, "%s(%.*s)", func, STR_ARG(inside));
	if (is_listed(b, "uprobe:", file, ":cpp:", as_demangled(b->a, whole)))
		whole = as_demangled(b->a, whole);
	else if (!names_are_go(b, file, func))
		return NULL;
	else if (!str_trim(inside).n)
		return text;
	return arena_printf(b->a, "%.*s\"%s\"", front, text, whole);
}
