/* The printf engine: a parsed format and typed fields to text.
 *
 * A format is compiled once for each statement into ops, one for each conversion; what depends on
 * the types alone (how to load the argument, how to mask it, which writer) is settled then:
 *
 *   "%-5d %s\n"  u32, string[16]   →   { "", write_signed, load u32 at 4, width 5, minus }
 *                                      { " ", write_string, at 8 }
 *                                      { "\n", NULL }
 *
 * Integers follow C with one difference: without a length modifier the whole argument counts, not
 * its low 32 bits. Unsigned conversions of a signed argument show it in the argument's own width,
 * as C does (%x of an int32 -1 is ffffffff); `l` and longer widen it first.
 *
 * %s takes any type. Strings come from traced programs and are escaped unless `raw`; literal text
 * of the format is the script's own and goes out as it is.
 */
#include <string.h>

#include "runtime/priv.h"

struct fmt_op;
struct fmt_run_ctx {
	struct render *r;
	bool raw;
	struct str given; /* text of fields without a type */
};

typedef void (*fmt_write)(const struct fmt_op *op, const struct fmt_run_ctx *c, const uint8_t *v,
			  struct buf *out);

struct fmt_op {
	struct conv c;
	fmt_write write; /* NULL: only the literal */
	const struct type *type;
	uint32_t off;
	uint8_t mask_bytes; /* unsigned conversions: low bytes shown */
};

struct fmt {
	size_t n;
	struct fmt_op ops[];
};

/* ---- padding ----------------------------------------------------------------------------------
 */

/* Widens what was appended since `start` to the op's width with spaces. */
static void pad_spaces(const struct fmt_op *op, struct buf *out, size_t start)
{
	size_t len = out->n - start, width = op->c.width > 0 ? (size_t)op->c.width : 0, more;

	if (len >= width)
		return;
	more = width - len;
	buf_fill(out, ' ', more);
	if (op->c.minus)
		return;
	memmove(out->p + start + more, out->p + start, len);
	memset(out->p + start, ' ', more);
}

/* ---- integers ---------------------------------------------------------------------------------
 */

#define DIGITS_MAX 24

/* Writes v's digits so that they end at `end`; returns how many. */
static size_t put_decimal(char *end, uint64_t v)
{
	char *p = end;

	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return (size_t)(end - p);
}

static size_t put_radix(char *end, uint64_t v, unsigned shift, const char *digits)
{
	char *p = end;

	do {
		*--p = digits[v & ((1u << shift) - 1)];
		v >>= shift;
	} while (v);
	return (size_t)(end - p);
}

/* Puts together sign or prefix, zeros and digits as C has it. */
static void put_number(const struct fmt_op *op, struct buf *out, const char *prefix,
		       const char *digits, size_t n)
{
	size_t start = out->n, plen = strlen(prefix), zeros = 0;
	const struct conv *c = &op->c;

	if (c->prec >= 0 && (size_t)c->prec > n)
		zeros = (size_t)c->prec - n;
	else if (c->prec < 0 && c->zero && !c->minus && c->width > 0 && (size_t)c->width > n + plen)
		zeros = (size_t)c->width - n - plen;
	buf_add(out, prefix, plen);
	if (zeros)
		buf_fill(out, '0', zeros);
	buf_add(out, digits, n);
	pad_spaces(op, out, start);
}

static uint64_t load_int(const struct fmt_op *op, const uint8_t *v, bool *is_signed)
{
	uint64_t x = 0;

	value_int(op->type, v, &x, is_signed);
	return x;
}

static uint64_t cut(uint64_t x, unsigned bytes)
{
	return bytes == 0 || bytes >= 8 ? x : x & ((1ull << 8 * bytes) - 1);
}

static int64_t cut_signed(uint64_t x, unsigned bytes)
{
	unsigned shift = bytes == 0 || bytes >= 8 ? 0 : 64 - 8 * bytes;

	return (int64_t)(x << shift) >> shift;
}

static void write_signed(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
			 struct buf *out)
{
	char tmp[DIGITS_MAX];
	bool is_signed;
	int64_t x = cut_signed(load_int(op, v, &is_signed), op->c.bytes);
	size_t n = put_decimal(tmp + sizeof(tmp), x < 0 ? 0 - (uint64_t)x : (uint64_t)x);
	const char *sign = x < 0 ? "-" : op->c.plus ? "+" : op->c.space ? " " : "";

	if (x == 0 && op->c.prec == 0)
		n = 0;
	put_number(op, out, sign, tmp + sizeof(tmp) - n, n);
}

static void write_unsigned(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
			   struct buf *out)
{
	char tmp[DIGITS_MAX];
	bool is_signed;
	uint64_t x = cut(load_int(op, v, &is_signed), op->mask_bytes);
	size_t n = x == 0 && op->c.prec == 0 ? 0 : put_decimal(tmp + sizeof(tmp), x);

	put_number(op, out, "", tmp + sizeof(tmp) - n, n);
}

static void write_hex(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
		      struct buf *out)
{
	bool upper = op->c.spec == 'X', is_signed;
	char tmp[DIGITS_MAX];
	uint64_t x = cut(load_int(op, v, &is_signed), op->mask_bytes);
	size_t n = put_radix(tmp + sizeof(tmp), x, 4,
			     upper ? "0123456789ABCDEF" : "0123456789abcdef");

	if (x == 0 && op->c.prec == 0)
		n = 0;
	put_number(op, out, op->c.alt && x ? upper ? "0X" : "0x" : "", tmp + sizeof(tmp) - n, n);
}

static void write_octal(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
			struct buf *out)
{
	char tmp[DIGITS_MAX];
	bool is_signed;
	uint64_t x = cut(load_int(op, v, &is_signed), op->mask_bytes);
	size_t n = put_radix(tmp + sizeof(tmp), x, 3, "01234567");

	if (x == 0 && (op->c.prec == 0 || op->c.alt))
		n = 0;
	if (op->c.alt && (int)n >= op->c.prec)
		tmp[sizeof(tmp) - ++n] = '0';
	put_number(op, out, "", tmp + sizeof(tmp) - n, n);
}

static void write_pointer(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
			  struct buf *out)
{
	char tmp[DIGITS_MAX];
	bool is_signed;
	uint64_t x = load_int(op, v, &is_signed);
	size_t n = put_radix(tmp + sizeof(tmp), x, 4, "0123456789abcdef");

	put_number(op, out, "0x", tmp + sizeof(tmp) - n, n);
}

/* ---- text -------------------------------------------------------------------------------------
 */

/* True when all bytes are printable ASCII: nothing to escape. Looks at eight at a time. */
static bool is_plain(struct str s)
{
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		uint64_t w;

		memcpy(&w, s.p + i, 8);
		/* High bit set, below 0x20, or 0x7f: may be wrong the safe way only. */
		if ((w | (w - 0x2020202020202020ull) | (w + 0x0101010101010101ull)) &
		    0x8080808080808080ull)
			return false;
	}
	for (; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

static void add_text(struct buf *out, struct str s, bool raw)
{
	if (raw || is_plain(s))
		buf_addstr(out, s);
	else
		buf_add_text(out, s, false);
}

static void write_char(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
		       struct buf *out)
{
	size_t start = out->n;
	bool is_signed;
	char c = (char)load_int(op, v, &is_signed);

	add_text(out, (struct str){&c, 1}, ctx->raw);
	pad_spaces(op, out, start);
}

static void write_string(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
			 struct buf *out)
{
	size_t start = out->n;
	bool is_cut;
	struct str s = value_string(op->type, v, &is_cut);

	if (op->c.prec >= 0 && (size_t)op->c.prec <= s.n) {
		s.n = (size_t)op->c.prec;
		is_cut = false;
	}
	add_text(out, s, ctx->raw);
	if (is_cut)
		buf_adds(out, render_trailer(ctx->r));
	pad_spaces(op, out, start);
}

static void write_any(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
		      struct buf *out)
{
	size_t start = out->n;
	bool json = ctx->r->json;

	ctx->r->json = false;
	render_text(ctx->r, (struct text_opts){.raw = ctx->raw}, op->type, v, out);
	ctx->r->json = json;
	if (op->c.prec >= 0 && out->n - start > (size_t)op->c.prec)
		out->n = start + (size_t)op->c.prec;
	pad_spaces(op, out, start);
}

static void write_given(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
			struct buf *out)
{
	size_t start = out->n;

	buf_addstr(out, ctx->given);
	pad_spaces(op, out, start);
}

/* ---- buffers ----------------------------------------------------------------------------------
 */

static void add_hex(struct buf *out, uint8_t b)
{
	static const char digits[] = "0123456789abcdef";

	buf_addc(out, digits[b >> 4]);
	buf_addc(out, digits[b & 15]);
}

static struct str buffer_bytes(const struct type *t, const uint8_t *v)
{
	uint32_t n;
	bool is_cut;

	if (t->kind == TYPE_BUF) {
		memcpy(&n, v, 4);
		return (struct str){(const char *)v + 4, MIN(n, t->str.cap)};
	}
	if (t->kind == TYPE_STRING)
		return value_string(t, v, &is_cut);
	return (struct str){(const char *)v, t->size};
}

/* %r: printable ASCII as it is, the rest \xNN; %rx: all \xNN; %rh: "0a fe". */
static void write_buffer(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
			 struct buf *out)
{
	struct str s = buffer_bytes(op->type, v);
	size_t start = out->n;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t b = (uint8_t)s.p[i];

		if (op->c.variant == 0 && b >= 0x20 && b < 0x7f) {
			buf_addc(out, (char)b);
			continue;
		}
		if (op->c.variant != 'h')
			buf_adds(out, "\\x");
		else if (i)
			buf_addc(out, ' ');
		add_hex(out, b);
	}
	pad_spaces(op, out, start);
}

/* Masks of page-allocation flags, widest first, as the kernel's own traces name them. The bits are
 * those of Linux 6.x; a bit that no name covers is shown in hex. */
static const struct gfp_name {
	uint32_t mask;
	const char *name;
} gfp_names[] = {
	{0x1400dca, "GFP_TRANSHUGE"},
	{0x100dca, "GFP_HIGHUSER_MOVABLE"},
	{0x100dc2, "GFP_HIGHUSER"},
	{0x400cc0, "GFP_KERNEL_ACCOUNT"},
	{0x100cc0, "GFP_USER"},
	{0xcc0, "GFP_KERNEL"},
	{0xc40, "GFP_NOFS"},
	{0x820, "GFP_ATOMIC"},
	{0xc00, "GFP_NOIO"},
	{0x800, "GFP_NOWAIT"},
	{0x1, "GFP_DMA"},
	{0x2, "__GFP_HIGHMEM"},
	{0x4, "GFP_DMA32"},
	{0x8, "__GFP_MOVABLE"},
	{0x10, "__GFP_RECLAIMABLE"},
	{0x20, "__GFP_HIGH"},
	{0x40, "__GFP_IO"},
	{0x80, "__GFP_FS"},
	{0x100, "__GFP_ZERO"},
	{0x400, "__GFP_DIRECT_RECLAIM"},
	{0x800, "__GFP_KSWAPD_RECLAIM"},
	{0x1000, "__GFP_WRITE"},
	{0x2000, "__GFP_NOWARN"},
	{0x4000, "__GFP_RETRY_MAYFAIL"},
	{0x8000, "__GFP_NOFAIL"},
	{0x10000, "__GFP_NORETRY"},
	{0x20000, "__GFP_MEMALLOC"},
	{0x40000, "__GFP_COMP"},
	{0x80000, "__GFP_NOMEMALLOC"},
	{0x100000, "__GFP_HARDWALL"},
	{0x200000, "__GFP_THISNODE"},
	{0x400000, "__GFP_ACCOUNT"},
};

static void write_gfp(const struct fmt_op *op, const struct fmt_run_ctx *ctx, const uint8_t *v,
		      struct buf *out)
{
	size_t start = out->n;
	bool is_signed;
	uint64_t x = load_int(op, v, &is_signed);

	for (size_t i = 0; i < ARRAY_SIZE(gfp_names) && x; i++) {
		if ((x & gfp_names[i].mask) != gfp_names[i].mask)
			continue;
		if (out->n > start)
			buf_addc(out, '|');
		buf_adds(out, gfp_names[i].name);
		x &= ~(uint64_t)gfp_names[i].mask;
	}
	if (x || out->n == start)
		buf_printf(out, "%s%#" PRIx64, out->n > start ? "|" : "", x);
	pad_spaces(op, out, start);
}

/* ---- compiling and running ----------------------------------------------------------------------
 */

static fmt_write pick_buffer(const struct conv *c)
{
	return c->variant == 'g' ? write_gfp : write_buffer;
}

static fmt_write pick(const struct conv *c, const struct type *t)
{
	switch (c->spec) {
	case 'd':
	case 'i':
		return write_signed;
	case 'u':
		return write_unsigned;
	case 'x':
	case 'X':
		return write_hex;
	case 'o':
		return write_octal;
	case 'p':
		return write_pointer;
	case 'c':
		return write_char;
	case 'r':
		return pick_buffer(c);
	case 's':
	case 'v':
		return t->kind == TYPE_STRING ? write_string : write_any;
	default:
		return NULL;
	}
}

static bool wants_number(const struct conv *c)
{
	return c->spec && (strchr("diuoxXpc", c->spec) || (c->spec == 'r' && c->variant == 'g'));
}

static void op_init(struct fmt_op *op, const struct conv *c, const struct event_field *f)
{
	*op = (struct fmt_op){.c = *c};
	if (!c->spec || !f)
		return;
	if (!f->type) {
		op->write = write_given;
		return;
	}
	op->type = f->type;
	op->off = f->off;
	op->write = pick(c, f->type);
	/* Aggregates that have no number are shown as text by any conversion but %r. */
	if (wants_number(c) && !value_has_number(f->type))
		op->write = f->type->kind == TYPE_STRING ? write_string : write_any;
	op->mask_bytes = c->bytes ? c->bytes : (uint8_t)MIN(f->type->size, 8u);
}

struct fmt *fmt_new(struct arena *a, const struct format *f, const struct event_field *fields,
		    uint32_t nfields)
{
	struct fmt *out = arena_alloc(a, sizeof(*out) + f->n * sizeof(out->ops[0]));
	uint32_t next = 0;

	out->n = f->n;
	for (size_t i = 0; i < f->n; i++) {
		const struct conv *c = &f->convs[i];

		op_init(&out->ops[i], c, c->spec && next < nfields ? &fields[next] : NULL);
		next += c->spec != 0;
	}
	return out;
}

void fmt_run_given(const struct fmt *f, struct render *r, bool raw, const void *rec,
		   struct str given, struct buf *out)
{
	const struct fmt_run_ctx ctx = {.r = r, .raw = raw, .given = given};

	for (size_t i = 0; i < f->n; i++) {
		const struct fmt_op *op = &f->ops[i];

		buf_addstr(out, op->c.literal);
		if (op->write)
			op->write(op, &ctx, (const uint8_t *)rec + op->off, out);
	}
}

void fmt_run(const struct fmt *f, struct render *r, bool raw, const void *rec, struct buf *out)
{
	fmt_run_given(f, r, raw, rec, (struct str){0}, out);
}
