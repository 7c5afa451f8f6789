/* Operations on string slices that are too long to be inline; see str.h.
 *
 * str_glob runs in O(pattern * text) without recursion: on a mismatch it goes back to the last `*`
 * only, which is enough because an earlier `*` can take no better match than the one it has.
 *
 *   str_glob(STR("vfs_*e?"), STR("vfs_readex"))  →  true
 */
#include <stdlib.h>

#include "base/base.h"

bool str_ends(struct str a, struct str suffix)
{
	return a.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(a.p + a.n - suffix.n, suffix.p, suffix.n) == 0);
}

static unsigned char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : (unsigned char)c;
}

bool str_case_eq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
	while (s.n && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str str_cut(struct str *s, char sep)
{
	const char *at = s->n ? memchr(s->p, sep, s->n) : NULL;
	struct str head = *s;

	if (!at) {
		*s = (struct str){NULL, 0};
		return head;
	}
	head.n = (size_t)(at - s->p);
	s->p = at + 1;
	s->n -= head.n + 1;
	return head;
}

bool str_glob(struct str pattern, struct str text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;

	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			resume = t;
		} else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == text.p[t])) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (lower(c) >= 'a' && lower(c) <= 'f')
		return lower(c) - 'a' + 10;
	return 99;
}

bool str_to_u64(struct str s, unsigned long long *out)
{
	unsigned base = 10;
	unsigned long long v = 0;
	bool digit = false;
	size_t i = 0;

	if (s.n > 2 && s.p[0] == '0' && lower(s.p[1]) == 'x') {
		base = 16;
		i = 2;
	} else if (s.n > 1 && s.p[0] == '0') {
		base = 8;
	}
	for (; i < s.n; i++) {
		unsigned d = (unsigned)digit_value(s.p[i]);

		if (s.p[i] == '_' && digit && i + 1 < s.n)
			continue;
		if (d >= base || v > (UINT64_MAX - d) / base)
			return false;
		v = v * base + d;
		digit = true;
	}
	*out = v;
	return digit;
}

/* Edits that make `b` of `a`: a character more, less, another one, or two neighbours exchanged
 * (optimal string alignment). Three rows of the matrix at a time. Long strings are never typing
 * mistakes of each other: their distance is not worth computing exactly. */
size_t str_distance(struct str a, struct str b)
{
	enum { LONGEST = 256 };
	size_t rows[3][LONGEST + 1];

	if (a.n > LONGEST || b.n > LONGEST)
		return str_eq(a, b) ? 0 : MAX(a.n, b.n);
	for (size_t j = 0; j <= b.n; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t other = up[j - 1] + (a.p[i - 1] != b.p[j - 1]);

			row[j] = MIN(other, MIN(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
				row[j] = MIN(row[j], up2[j - 2] + 1);
		}
	}
	return rows[a.n % 3][b.n];
}
