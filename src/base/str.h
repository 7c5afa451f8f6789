/* String slices: pointer and length, not NUL-terminated, never owning. */
#ifndef AWL_BASE_STR_H
#define AWL_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(lit) ((struct str){(lit), sizeof(lit) - 1})
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str str_of(const char *z)
{
	return (struct str){z, z ? strlen(z) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool str_is(struct str a, const char *z)
{
	return str_eq(a, str_of(z));
}

static inline bool str_starts(struct str a, struct str prefix)
{
	return a.n >= prefix.n && memcmp(a.p, prefix.p, prefix.n) == 0;
}

bool str_ends(struct str a, struct str suffix);
bool str_case_eq(struct str a, struct str b); /* ASCII */
struct str str_trim(struct str s);            /* white space at both ends */
/* Cuts `s` at the first `sep`: the part before it is returned and `s` becomes the part behind it
 * (empty, with p == NULL, when there was no separator). */
struct str str_cut(struct str *s, char sep);
/* Shell-like match where `*` is any run and `?` any one character. */
bool str_glob(struct str pattern, struct str text);
/* Parses all of `s` as an integer: decimal, 0x, 0 octal, `_` separators. False when it is not one
 * or does not fit 64 bits. */
bool str_to_u64(struct str s, unsigned long long *out);
/* Levenshtein distance, for did-you-mean. */
size_t str_distance(struct str a, struct str b);

#endif
