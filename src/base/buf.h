/* A growable byte buffer on the heap. BUF_INIT or zeroed memory is an empty one. `p` is always
 * NUL-terminated behind its `n` bytes once anything was added; NULL before that. */
#ifndef AWL_BASE_BUF_H
#define AWL_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include "base/str.h"

struct buf {
	char *p;
	size_t n, cap;
};

#define BUF_INIT           \
	{                  \
		NULL, 0, 0 \
	}

void buf_release(struct buf *b); /* frees, leaves an empty buffer */
void buf_reset(struct buf *b);   /* length 0, memory kept */
char *buf_reserve(struct buf *b,
		  size_t more); /* room for `more` bytes at p + n; returns that place */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *z);
void buf_addstr(struct buf *b, struct str s);
void buf_fill(struct buf *b, char c, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_addu64(struct buf *b, unsigned long long v); /* decimal, without printf's cost */
void buf_addi64(struct buf *b, long long v);
/* NUL-terminated text of the buffer, "" when empty. */
const char *buf_cstr(const struct buf *b);
/* Reads a whole file (also of /proc, which has no size). Returns 0 or -errno; appends. */
int buf_read_file(struct buf *b, const char *path, size_t limit);

#endif
