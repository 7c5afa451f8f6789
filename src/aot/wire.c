/* Words and texts of a compiled program, written and read (wire.h). */
#include "aot/wire.h"

#define NO_TEXT UINT32_MAX

void put_u32(struct buf *b, uint32_t v)
{
	const uint8_t bytes[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
				  (uint8_t)(v >> 24)};

	buf_add(b, bytes, sizeof(bytes));
}

void put_u64(struct buf *b, uint64_t v)
{
	put_u32(b, (uint32_t)v);
	put_u32(b, (uint32_t)(v >> 32));
}

void put_str(struct buf *b, struct str s)
{
	put_u32(b, (uint32_t)s.n);
	buf_addstr(b, s);
	buf_fill(b, '\0', ALIGN_UP(s.n, 4) - s.n);
}

void put_text(struct buf *b, const char *z)
{
	if (z)
		put_str(b, str_of(z));
	else
		put_u32(b, NO_TEXT);
}

static const uint8_t *take(struct reader *r, size_t n)
{
	const uint8_t *p = r->p + r->at;

	if (r->bad || n > r->n - r->at) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return p;
}

uint32_t get_u32(struct reader *r)
{
	const uint8_t *p = take(r, 4);

	return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
			       (uint32_t)p[3] << 24
		 : 0;
}

uint64_t get_u64(struct reader *r)
{
	uint64_t low = get_u32(r);

	return low | (uint64_t)get_u32(r) << 32;
}

static struct str str_of_length(struct reader *r, uint32_t n)
{
	const uint8_t *p = take(r, n);

	if (!p || !take(r, ALIGN_UP((size_t)n, 4) - n))
		return (struct str){"", 0};
	return (struct str){arena_strndup(r->a, (const char *)p, n), n};
}

struct str get_str(struct reader *r)
{
	return str_of_length(r, get_u32(r));
}

static const char *checked(struct reader *r, struct str s)
{
	if (memchr(s.p, '\0', s.n))
		r->bad = true;
	return s.p;
}

const char *get_text(struct reader *r)
{
	return checked(r, get_str(r));
}

const char *get_text_or_none(struct reader *r)
{
	uint32_t n = get_u32(r);

	return n == NO_TEXT ? NULL : checked(r, str_of_length(r, n));
}

uint32_t get_below(struct reader *r, uint32_t limit)
{
	uint32_t v = get_u32(r);

	if (v < limit)
		return v;
	r->bad = true;
	return 0;
}

uint32_t get_count(struct reader *r, size_t each)
{
	uint32_t n = get_u32(r);

	if ((uint64_t)n * each <= r->n - r->at)
		return r->bad ? 0 : n;
	r->bad = true;
	return 0;
}

bool get_bool(struct reader *r)
{
	return get_below(r, 2);
}

/* FNV-1a. It finds accidents; who wants to deceive can make any sum, so everything that is read is
 * checked besides. */
uint64_t wire_checksum(uint64_t h, const void *p, size_t n)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * 0x100000001b3;
	return h;
}
