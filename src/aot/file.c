/* The container: a header, then the sections one behind the other.
 *
 *    0  "\x89AWLC\r\n\x1a"   a terminal or a text mode that mangles it is noticed
 *    8  u16 version          2 bytes: byte order 0x1234 as the machine has it
 *   12  u32 architecture     ELF's number: 62 x86-64, 183 AArch64
 *   16  u32 length           of the whole file
 *   20  u32 zero
 *   24  u64 checksum         FNV-1a of everything but itself
 *   32  char made_by[16]     version of awl
 *   48  u32 offset, u32 length of each section; the offsets follow one another
 *   80  sections, each padded to 8 bytes
 */
#include <elf.h>
#include <errno.h>
#include "aot/priv.h"
#include "awl/awl.h"

static const char magic[8] = "\x89"
			     "AWLC\r\n\x1a";

enum {
	ORDER = 0x1234,
	AT_SUM = 24,
	AT_TABLE = 48,
	HEADER = AT_TABLE + 8 * SECTION_COUNT,
#if defined(__x86_64__)
	ARCH = EM_X86_64,
#elif defined(__aarch64__)
	ARCH = EM_AARCH64,
#else
	ARCH = EM_NONE,
#endif
};

bool aot_is_compiled(struct str bytes)
{
	return bytes.n >= sizeof(magic) && memcmp(bytes.p, magic, sizeof(magic)) == 0;
}

static void put_made_by(struct buf *out)
{
	char text[16] = AWL_VERSION;

	buf_add(out, text, sizeof(text));
}

static void put_table(const struct buf sections[SECTION_COUNT], struct buf *out)
{
	uint32_t at = HEADER;

	for (int i = 0; i < SECTION_COUNT; i++) {
		put_u32(out, at);
		put_u32(out, (uint32_t)sections[i].n);
		at += (uint32_t)ALIGN_UP(sections[i].n, 8);
	}
}

static uint64_t sum_of(const char *p, size_t n)
{
	uint64_t h = wire_checksum(WIRE_CHECKSUM, p, AT_SUM);

	return wire_checksum(h, p + AT_SUM + 8, n - AT_SUM - 8);
}

static void put_sum(struct buf *out)
{
	struct buf sum = BUF_INIT;

	put_u64(&sum, sum_of(out->p, out->n));
	memcpy(out->p + AT_SUM, sum.p, 8);
	buf_release(&sum);
}

void file_write(const struct buf sections[SECTION_COUNT], struct buf *out)
{
	struct buf body = BUF_INIT;

	for (int i = 0; i < SECTION_COUNT; i++) {
		buf_addstr(&body, (struct str){buf_cstr(&sections[i]), sections[i].n});
		buf_fill(&body, '\0', ALIGN_UP(sections[i].n, 8) - sections[i].n);
	}
	buf_add(out, magic, sizeof(magic));
	put_u32(out, AOT_VERSION | (uint32_t)ORDER << 16);
	put_u32(out, ARCH);
	put_u32(out, (uint32_t)(HEADER + body.n));
	put_u32(out, 0);
	put_u64(out, 0);
	put_made_by(out);
	put_table(sections, out);
	buf_add(out, body.p, body.n);
	put_sum(out);
	buf_release(&body);
}

static int refuse(struct err *e, const char *what, const char *hint)
{
	err_plain(e, EBADMSG, "the compiled program cannot be used: %s", what);
	err_hint(e, "%s", hint);
	return -EBADMSG;
}

static const char again[] = "make it again from its script: awl --aot -o FILE.awlc SCRIPT";

static int check_header(struct reader *r, struct str bytes, struct err *e)
{
	uint32_t version = get_u32(r), arch = get_u32(r), length = get_u32(r);
	uint64_t sum = (get_u32(r), get_u64(r));

	if (r->bad)
		return refuse(e, "it is cut short", again);
	if (version >> 16 != ORDER)
		return refuse(e, "it was made on a machine of the other byte order", again);
	if ((version & 0xffff) > AOT_VERSION || !(version & 0xffff))
		return refuse(e, "its format is newer than this awl",
			      "use the awl that made it, or a newer one");
	if (arch != ARCH)
		return refuse(e, "it was made for another kind of processor", again);
	if (length > bytes.n)
		return refuse(e, "it is cut short", again);
	if (length < bytes.n)
		return refuse(e, "something was added at its end", again);
	if (length < HEADER || sum != sum_of(bytes.p, bytes.n))
		return refuse(e, "its checksum is wrong: it was changed or damaged", again);
	return 0;
}

static bool read_table(struct reader *r, struct str bytes, struct aot_file *f)
{
	uint64_t expect = HEADER;

	for (int i = 0; i < SECTION_COUNT; i++) {
		uint64_t at = get_u32(r), n = get_u32(r);

		if (r->bad || at != expect || n % 4 || at + ALIGN_UP(n, 8) > bytes.n)
			return false;
		f->sections[i] = (struct str){bytes.p + at, n};
		expect = at + ALIGN_UP(n, 8);
	}
	return expect == bytes.n;
}

int file_open(struct str bytes, struct arena *a, struct aot_file *f, struct err *e)
{
	struct reader r = {(const uint8_t *)bytes.p, bytes.n, sizeof(magic), false, a};
	int ret;

	if (!aot_is_compiled(bytes))
		return refuse(e, "it is no compiled program", again);
	ret = check_header(&r, bytes, e);
	if (ret < 0)
		return ret;
	f->made_by = arena_strndup(a, bytes.p + r.at, strnlen(bytes.p + r.at, 16));
	r.at = AT_TABLE;
	return read_table(&r, bytes, f) ? 0 : refuse(e, "its table of sections is wrong", again);
}
