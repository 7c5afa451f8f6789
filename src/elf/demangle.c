/* Readable names of C++, Rust and D functions, by libiberty, with limits.
 *
 * A mangled name may refer back to its own parts, so a kilobyte can ask for gigabytes of text. C++
 * and Rust names are therefore demangled through a callback that gives up behind MAX_OUT bytes; the
 * only way out of the library's recursion is a long jump, which is safe because it holds no memory
 * there. D has no callback: its names are limited in length, and ones with too many back references
 * refused.
 *
 *   _ZN3foo3barEi → foo::bar(int)      _RNvC3foo3bar → foo::bar      x → x */
#include "elf/elf.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <libiberty/demangle.h>

#define MAX_IN     4096
#define MAX_OUT    16384
#define MAX_D      512
#define MAX_D_BACK 16

#define FLAGS (DMGL_PARAMS | DMGL_ANSI)

struct sink {
	jmp_buf too_long;
	struct buf out;
};

static void sink_add(const char *p, size_t n, void *arg)
{
	struct sink *s = arg;

	if (s->out.n + n > MAX_OUT)
		longjmp(s->too_long, 1);
	buf_add(&s->out, p, n);
}

/* False when the name is not mangled, or its text too long. */
static bool demangle_to(struct sink *s, const char *name, bool rust)
{
	if (setjmp(s->too_long) != 0)
		return false;
	return rust ? rust_demangle_callback(name, FLAGS, sink_add, s)
		    : cplus_demangle_v3_callback(name, FLAGS, sink_add, s);
}

static const char *demangle_into(struct arena *a, const char *name, bool rust)
{
	struct sink s = {.out = BUF_INIT};
	const char *text = name;

	if (demangle_to(&s, name, rust) && s.out.n)
		text = arena_strndup(a, s.out.p, s.out.n);
	buf_release(&s.out);
	return text;
}

static const char *demangle_d(struct arena *a, const char *name)
{
	const char *text = name;
	size_t back = 0;
	char *d;

	for (const char *p = name; *p; p++)
		back += *p == 'Q';
	if (back > MAX_D_BACK || strlen(name) > MAX_D)
		return name;
	d = dlang_demangle(name, FLAGS);
	if (d && strlen(d) <= MAX_OUT)
		text = arena_strdup(a, d);
	free(d);
	return text;
}

/* Rust's older names are C++ names that end in a hash: 17h and 16 hexadecimal digits, E. */
static bool is_old_rust(const char *name, size_t n)
{
	return n > 24 && strncmp(name, "_ZN", 3) == 0 && name[n - 1] == 'E' &&
	       strncmp(name + n - 20, "17h", 3) == 0 &&
	       strspn(name + n - 17, "0123456789abcdef") == 16;
}

const char *elf_demangle(struct arena *a, const char *name)
{
	const char *text;
	size_t n;

	if (name[0] != '_' || !strchr("ZRD", name[1]) || !name[1])
		return name;
	n = strnlen(name, MAX_IN + 1);
	if (n > MAX_IN)
		return name;
	if (name[1] == 'D')
		return demangle_d(a, name);
	if (name[1] == 'R')
		return demangle_into(a, name, true);
	if (is_old_rust(name, n)) {
		text = demangle_into(a, name, true);
		if (text != name)
			return text;
	}
	return demangle_into(a, name, false);
}

/* Past the bracket that closes the one at `i`. */
static size_t past_bracket(struct str s, size_t i)
{
	size_t depth = 0;

	do {
		depth += s.p[i] == '(';
		depth -= s.p[i] == ')';
	} while (++i < s.n && depth);
	return i;
}

/* "ns::(anonymous namespace)::f" of …::f(int): without the parameters, whose bracket is no part of
 * the name. */
static struct str without_params(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		struct str front = {s.p, i}, behind;
		size_t end;

		if (s.p[i] != '(')
			continue;
		end = past_bracket(s, i);
		behind = (struct str){s.p + end, s.n - end};
		if (!str_starts(behind, STR("::")) && !str_ends(front, STR("operator")))
			return front;
		i = end - 1;
	}
	return s;
}

/* "long ns::twice<int>": of templates the result stands in front. */
static struct str without_result(struct str s)
{
	size_t depth = 0, from = 0;

	if (!memchr(s.p, '<', s.n) || memmem(s.p, s.n, "operator", 8) ||
	    memmem(s.p, s.n, " thunk to ", 10))
		return s;
	for (size_t i = 0; i < s.n; i++) {
		depth += s.p[i] == '<' || s.p[i] == '(';
		depth -= (s.p[i] == '>' || s.p[i] == ')') && depth;
		if (s.p[i] == ' ' && !depth)
			from = i + 1;
	}
	return (struct str){s.p + from, s.n - from};
}

const char *elf_source_name(struct arena *a, const char *name)
{
	const char *whole = elf_demangle(a, name);
	struct str only = without_result(without_params(str_of(whole)));

	return whole == name ? name : arena_strndup(a, only.p, only.n);
}

bool elf_pattern_matches(const struct elf_pattern *p, struct arena *tmp, const char *name)
{
	struct str whole, name_only;

	if (!p->demangled)
		return str_glob(p->text, str_of(name));
	whole = str_of(elf_demangle(tmp, name));
	if (p->literal)
		return str_eq(p->text, whole);
	name_only = without_params(whole);
	return str_glob(p->text, whole) || str_glob(p->text, name_only) ||
	       str_glob(p->text, without_result(name_only));
}

bool elf_pattern_is_literal(const struct elf_pattern *p, const struct elf_func *funcs, size_t n)
{
	const struct elf_pattern exact = {.text = p->text, .demangled = true, .literal = true};
	struct arena *tmp;
	bool found = false;

	if (!p->demangled || !p->text.n || !memchr(p->text.p, '(', p->text.n))
		return false;
	tmp = arena_new();
	for (size_t i = 0; i < n && !found; i++)
		found = elf_pattern_matches(&exact, tmp, funcs[i].name);
	arena_free(tmp);
	return found;
}
