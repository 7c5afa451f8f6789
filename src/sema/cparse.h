/* Private to src/sema: what the parser of C declarations is made of.
 *
 *   ctoken.c    blanks, words, balanced text, attributes, what is said of what cannot be read
 *   clayout.c   where the members of a struct lie, as the C compiler would put them
 *   cbase.c     the type in front of a declarator: words of C, names, enums, typeof
 *   ctype.c     declarators, structs and unions, declarations
 *
 * All of them read one text from left to right; macros are replaced in it already. */
#ifndef AWL_SEMA_CPARSE_H
#define AWL_SEMA_CPARSE_H

#include "sema/cpp.h"

/* What attributes said: GNU's __attribute__((…)), _Alignas(…) of C11. */
struct cattr {
	uint32_t align;  /* aligned(N); 0: nothing said */
	uint32_t vector; /* vector_size(N) */
	uint32_t mode;   /* mode(DI): bytes of the integer */
	bool packed;
};

struct cparse {
	struct sema *s;
	struct span span; /* of the definition: what messages point at */
	struct str t;
	unsigned depth;
	bool bad;
	bool silent;         /* a header: nothing is reported */
	bool own;            /* … of the script: its types hide the kernel's */
	uint32_t base_align; /* of the type just read, when a typedef says other than the type */
};

/* A struct or union being laid out. */
struct members {
	VEC(struct member) v;
	uint64_t bits; /* laid out so far */
	uint64_t size; /* of a union: the largest */
	uint32_t align;
	uint32_t pack; /* of #pragma */
	bool is_union, packed;
};

/* ---- ctoken.c ---- */

void c_advance(struct cparse *c, size_t n);
void c_space(struct cparse *c);
struct str c_word(struct cparse *c);  /* ahead; empty: there is none */
bool c_at(struct cparse *c, char ch); /* is it ahead? */
bool c_take(struct cparse *c, char ch);
bool c_take_word(struct cparse *c, const char *word);
/* Reports once what was expected, and where; always false. */
bool c_fail(struct cparse *c, const char *what);
/* Reports once that something of C cannot be used, by its name; always false. */
bool c_unsupported(struct cparse *c, const char *what);
/* Behind the bracket that is ahead and the one that closes it. */
void c_balanced(struct cparse *c);
/* Behind the `;` or the closing brace of what begins here. */
void c_skip_declaration(struct cparse *c);
/* A constant expression, up to one of the characters in `ends`. */
uint64_t c_number(struct cparse *c, const char *ends);
/* All attributes that follow are added to *a. */
void c_attributes(struct cparse *c, struct cattr *a);
bool c_is_qualifier(struct str word);

/* ---- clayout.c ---- */

void c_place(struct cparse *c, struct members *m, struct member f, const struct cattr *a);
void c_place_bits(struct cparse *c, struct members *m, struct member f, uint64_t width,
		  const struct cattr *a);
/* The size of the whole; bit-fields get their loads. */
uint64_t c_finish(struct members *m, const struct cattr *a);

/* ---- cbase.c ---- */

/* The type in front of a declarator, or NULL after c_fail. */
const struct type *c_base(struct cparse *c, struct cattr *a);

/* ---- ctype.c ---- */

const struct type *c_aggregate(struct cparse *c, bool is_union);
const struct type *c_declarator(struct cparse *c, const struct type *base, struct str *name,
				struct cattr *a);
/* What the kernel or an earlier declaration says of this name, where a header may not say other. */
const struct type *c_known(struct cparse *c, enum type_lookup tag, struct str name);

#endif
