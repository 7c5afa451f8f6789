/* The growable byte buffer of buf.h.
 *
 *   p ──► │ n bytes of content │ NUL │ free … │
 *         0                    n               cap
 *
 * Invariant: p == NULL and n == cap == 0, or cap > n and p[n] == 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

void buf_release(struct buf *b)
{
	free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	if (b->p)
		b->p[0] = 0;
}

char *buf_reserve(struct buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 64;

	if (b->p && b->cap - b->n > more)
		return b->p + b->n;
	if (more > SIZE_MAX / 4 || b->n > SIZE_MAX / 4)
		BUG("buffer of %zu + %zu bytes", b->n, more);
	while (cap <= b->n + more)
		cap *= 2;
	b->p = realloc(b->p, cap);
	if (!b->p) {
		fprintf(stderr, "awl: out of memory: cannot get %zu bytes\n", cap);
		abort();
	}
	b->cap = cap;
	b->p[b->n] = 0;
	return b->p + b->n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	char *to = buf_reserve(b, n);

	if (n)
		memcpy(to, p, n);
	b->n += n;
	b->p[b->n] = 0;
}

void buf_addc(struct buf *b, char c)
{
	char *to = buf_reserve(b, 1);

	to[0] = c;
	to[1] = 0;
	b->n++;
}

void buf_adds(struct buf *b, const char *z)
{
	buf_add(b, z, strlen(z));
}

void buf_addstr(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

void buf_fill(struct buf *b, char c, size_t n)
{
	memset(buf_reserve(b, n), c, n);
	b->n += n;
	b->p[b->n] = 0;
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *to = buf_reserve(b, 128);
	int n;

	va_copy(again, ap);
	n = vsnprintf(to, b->cap - b->n, fmt, ap);
	if (n < 0)
		BUG("format that cannot be printed");
	if ((size_t)n >= b->cap - b->n) {
		to = buf_reserve(b, (size_t)n);
		vsnprintf(to, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	b->n += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_addu64(struct buf *b, unsigned long long v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_addi64(struct buf *b, long long v)
{
	if (v < 0) {
		buf_addc(b, '-');
		buf_addu64(b, -(unsigned long long)v);
	} else {
		buf_addu64(b, (unsigned long long)v);
	}
}

const char *buf_cstr(const struct buf *b)
{
	return b->p ? b->p : "";
}

/* One byte more than `limit` is asked for at the end, to tell a file of just that size from a
 * longer one. */
static int read_all(struct buf *b, int fd, size_t limit)
{
	size_t got = 0, want;
	ssize_t r;

	for (;;) {
		if (got > limit)
			return -EFBIG;
		want = MIN(limit - got + 1, got < 65536 ? 16384 : 1u << 20);
		r = read(fd, buf_reserve(b, want), want);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return 0;
		b->n += (size_t)r;
		b->p[b->n] = 0;
		got += (size_t)r;
	}
}

int buf_read_file(struct buf *b, const char *path, size_t limit)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return -errno;
	limit = MIN(limit, SIZE_MAX / 8);
	buf_reserve(b, 1);
	r = read_all(b, fd, limit);
	close(fd);
	return r;
}
