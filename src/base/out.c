/* The writer of out.h: text and JSON escaping, and a file descriptor written to in large pieces.
 *
 * Escaping is done in runs: bytes that need nothing are copied as one piece up to the next that
 * does. UTF-8 is checked by decode(), which accepts just what Unicode allows: no overlong forms, no
 * surrogates, nothing above U+10FFFF.
 *
 *   "a\033[2Jb"  →  text a\x1b[2Jb          →  JSON "a\u001b[2Jb"
 *   "caf\xc3"    →  text caf\xc3            →  JSON "caf\ufffd" (as the character itself)
 *
 * C1 controls (U+0080–U+009F) are valid UTF-8 but steer some terminals: they count as controls.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"

#define FLUSH_AT (64u << 10)

void out_init(struct out *o, int fd, enum out_format format, enum out_buffering buffering)
{
	*o = (struct out){.fd = fd, .format = format, .buffering = buffering};
}

void out_release(struct out *o)
{
	out_flush(o);
	buf_release(&o->b);
}

/* Writes once; waits when the descriptor is non-blocking and full. Returns bytes or -errno. */
static ssize_t write_some(int fd, const char *p, size_t n)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	ssize_t r = write(fd, p, n);

	if (r >= 0)
		return r;
	if (errno == EINTR)
		return 0;
	if (errno != EAGAIN)
		return -errno;
	return poll(&pfd, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

void out_flush(struct out *o)
{
	size_t done = 0;

	while (done < o->b.n && !o->error) {
		ssize_t r = write_some(o->fd, o->b.p + done, o->b.n - done);

		if (r < 0)
			o->error = (int)-r;
		else
			done += (size_t)r;
	}
	buf_reset(&o->b);
}

void out_commit(struct out *o)
{
	if (o->buffering == OUT_NONE || o->b.n >= FLUSH_AT || o->error)
		out_flush(o);
}

void out_printf(struct out *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&o->b, fmt, ap);
	va_end(ap);
}

void out_str(struct out *o, struct str s)
{
	buf_addstr(&o->b, s);
}

static bool continues(struct str s, size_t i)
{
	return i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80;
}

/* The length of the valid UTF-8 sequence at s[i], or 0. `*c` is its code point. */
static size_t decode(struct str s, size_t i, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char b = (unsigned char)s.p[i];
	size_t n = b < 0x80 ? 1 : b < 0xc2 ? 0 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 0;

	if (n < 2) {
		*c = b;
		return n;
	}
	*c = b & (0x7fu >> n);
	for (size_t k = 1; k < n; k++) {
		if (!continues(s, i + k))
			return 0;
		*c = *c << 6 | ((unsigned char)s.p[i + k] & 0x3f);
	}
	if (*c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000))
		return 0;
	return n;
}

/* Marks that show text in another order than it has: a name could pretend to be another one. */
static bool is_reordering(uint32_t c)
{
	return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static bool is_control(uint32_t c)
{
	return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || is_reordering(c);
}

static void add_hex(struct buf *b, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "\\x%02x", (unsigned char)p[i]);
}

void buf_add_text(struct buf *b, struct str s, bool raw)
{
	size_t start = 0, i = 0;

	if (raw) {
		buf_addstr(b, s);
		return;
	}
	while (i < s.n) {
		uint32_t c;
		size_t n = decode(s, i, &c);

		if (n && !is_control(c)) {
			i += n;
			continue;
		}
		n = n ? n : 1;
		buf_add(b, s.p + start, i - start);
		add_hex(b, s.p + i, n);
		i += n;
		start = i;
	}
	buf_add(b, s.p + start, s.n - start);
}

void out_text(struct out *o, struct str s)
{
	buf_add_text(&o->b, s, o->raw);
}

static void add_json_escape(struct buf *b, uint32_t c, bool valid)
{
	static const char letters[] = "\bb\ff\nn\rr\tt\"\"\\\\";

	if (!valid) {
		buf_adds(b, "\xef\xbf\xbd");
		return;
	}
	for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
		if ((uint32_t)letters[i] == c) {
			buf_addc(b, '\\');
			buf_addc(b, letters[i + 1]);
			return;
		}
	}
	buf_printf(b, "\\u%04x", (unsigned)c);
}

void buf_add_json_str(struct buf *b, struct str s)
{
	size_t start = 0, i = 0;

	buf_addc(b, '"');
	while (i < s.n) {
		uint32_t c;
		size_t n = decode(s, i, &c);

		if (n && c >= 0x20 && c != '"' && c != '\\' && !(c >= 0x7f && c < 0xa0)) {
			i += n;
			continue;
		}
		buf_add(b, s.p + start, i - start);
		add_json_escape(b, c, n > 0);
		i += n ? n : 1;
		start = i;
	}
	buf_add(b, s.p + start, s.n - start);
	buf_addc(b, '"');
}

void buf_add_base64(struct buf *b, struct str s)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		size_t left = s.n - i;
		uint32_t v = (uint32_t)(uint8_t)s.p[i] << 16;

		v |= left > 1 ? (uint32_t)(uint8_t)s.p[i + 1] << 8 : 0;
		v |= left > 2 ? (uint8_t)s.p[i + 2] : 0;
		buf_addc(b, digits[v >> 18]);
		buf_addc(b, digits[v >> 12 & 63]);
		buf_addc(b, left > 1 ? digits[v >> 6 & 63] : '=');
		buf_addc(b, left > 2 ? digits[v & 63] : '=');
	}
}

static bool is_utf8(struct str s)
{
	uint32_t c;

	for (size_t i = 0, n; i < s.n; i += n) {
		n = decode(s, i, &c);
		if (!n)
			return false;
	}
	return true;
}

void buf_add_json_data(struct buf *b, struct str s)
{
	if (is_utf8(s)) {
		buf_add_json_str(b, s);
		return;
	}
	buf_adds(b, "{\"$text\": ");
	buf_add_json_str(b, s);
	buf_adds(b, ", \"$base64\": \"");
	buf_add_base64(b, s);
	buf_adds(b, "\"}");
}

void out_json_str(struct out *o, struct str s)
{
	buf_add_json_str(&o->b, s);
}

/* Beyond 2^53 neighbouring integers share a double. The rule goes by magnitude, not by value, so
 * that a consumer finds one type on each side of the limit. */
#define JSON_EXACT (1ull << 53)

void buf_add_json_u64(struct buf *b, uint64_t v)
{
	const char *quote = v > JSON_EXACT ? "\"" : "";

	buf_adds(b, quote);
	buf_addu64(b, v);
	buf_adds(b, quote);
}

void buf_add_json_i64(struct buf *b, int64_t v)
{
	const char *quote = v > (int64_t)JSON_EXACT || v < -(int64_t)JSON_EXACT ? "\"" : "";

	buf_adds(b, quote);
	buf_addi64(b, v);
	buf_adds(b, quote);
}
