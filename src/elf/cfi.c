/* Call frame information: .eh_frame to rows that say how to find the caller at each instruction.
 *
 *   .eh_frame    | CIE: rules at the start of functions | FDE: function, its changes | FDE … | 0 |
 *   program      advance 1; CFA = rsp+16; rbp at CFA-16; advance 3; CFA = rbp+16; …
 *   rows         0x1140 SP+1          0x1141 SP+2 bp 2          0x1144 BP+2 bp 2       words of 8
 * bytes
 *
 * What rows say is what compilers write for x86_64, and the hand-written expressions of linkage
 * stubs, of functions that align their stack, and of signal frames. Any other rule becomes a row of
 * kind BAD, where unwinding stops instead of going astray.
 *
 * The file may be hostile. Each reader is bounded by its entry; no offset is followed except that
 * from an FDE back to its CIE. Rows are at most one for each two bytes read, and limited besides;
 * an entry that is malformed makes no rows, and the others count. */
#include "elf/elf_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_ROWS = 1 << 24,
	MAX_SAVED = 32, /* remembered states inside one another */
	MAX_CIE = 4096, /* bytes; it may be read again for each FDE */
	REG_BP = 6,
	REG_SP = 7,
	REG_RA = 16,
};

enum bp_rule { BP_SAME, BP_AT, BP_THERE, BP_LOST };

struct rules {
	uint8_t kind; /* ELF_UNWIND_SP, _BP, _PLT, _DEREF_BP, _BAD */
	int64_t cfa;  /* in bytes */
	enum bp_rule bp;
	int64_t bp_at; /* from the CFA on */
	bool ra_undefined, ra_elsewhere;
};

struct cie {
	uint64_t at; /* where it is: the last one is kept */
	bool valid, augmented, signal;
	uint8_t encoding;
	uint64_t code_align;
	int64_t data_align;
	struct rules rules;
};

struct fde {
	uint64_t start, end;
	size_t first, n; /* rows */
};

/* The bytes of one entry. `bad` once something was asked for that is not there. */
struct reader {
	const uint8_t *p, *end;
	uint64_t addr; /* of p, in memory */
	bool bad;
};

struct cfi {
	const uint8_t *data;
	uint64_t size, addr;
	struct cie cie;
	VEC(struct elf_unwind_row) rows; /* pc from each FDE's start on */
	VEC(struct fde) fdes;
};

/* ---- reading -------------------------------------------------------------------------------- */

static uint64_t get(struct reader *r, unsigned n)
{
	uint64_t v = 0;

	if ((size_t)(r->end - r->p) < n) {
		r->bad = true;
		r->p = r->end;
		return 0;
	}
	memcpy(&v, r->p, n);
	r->p += n;
	r->addr += n;
	return v;
}

/* Seven bits a byte, low ones first; `last` is the byte that ends it, `shift` the bits it filled.
 */
static uint64_t get_leb(struct reader *r, uint64_t *last, unsigned *shift)
{
	uint64_t v = 0;

	*shift = 0;
	do {
		*last = get(r, 1);
		if (*shift < 64)
			v |= (*last & 127) << *shift;
		*shift += 7;
	} while (*last & 128 && !r->bad);
	return v;
}

static uint64_t get_uleb(struct reader *r)
{
	uint64_t last;
	unsigned shift;

	return get_leb(r, &last, &shift);
}

static int64_t get_sleb(struct reader *r)
{
	uint64_t last;
	unsigned shift;
	uint64_t v = get_leb(r, &last, &shift);

	if (shift < 64 && last & 64)
		v |= ~0ull << shift;
	return (int64_t)v;
}

/* A pointer as DW_EH_PE_… says: how it is stored, and what it is relative to. */
static uint64_t get_pointer(struct reader *r, uint8_t encoding)
{
	uint64_t at = r->addr, v;

	switch (encoding & 0x0f) {
	case 0x00:
	case 0x04:
	case 0x0c:
		v = get(r, 8);
		break;
	case 0x01:
		v = get_uleb(r);
		break;
	case 0x02:
		v = get(r, 2);
		break;
	case 0x03:
		v = get(r, 4);
		break;
	case 0x09:
		v = (uint64_t)get_sleb(r);
		break;
	case 0x0a:
		v = (uint64_t)(int16_t)get(r, 2);
		break;
	case 0x0b:
		v = (uint64_t)(int32_t)get(r, 4);
		break;
	default:
		r->bad = true;
		return 0;
	}
	if ((encoding & 0xf0) == 0x10)
		return v + at;
	r->bad |= (encoding & 0xf0) != 0;
	return v;
}

static struct reader sub_reader(struct reader *r, uint64_t n)
{
	struct reader part = *r;

	if (n > (uint64_t)(r->end - r->p)) {
		r->bad = part.bad = true;
		n = (uint64_t)(r->end - r->p);
	}
	part.end = r->p + n;
	r->p += n;
	r->addr += n;
	return part;
}

/* ---- rules ---------------------------------------------------------------------------------- */

static void def_cfa(struct rules *u, uint64_t reg, int64_t off)
{
	u->kind = reg == REG_SP ? ELF_UNWIND_SP : reg == REG_BP ? ELF_UNWIND_BP : ELF_UNWIND_BAD;
	u->cfa = off;
}

/* A new register for a CFA that was an expression says nothing. */
static void def_register(struct rules *u, uint64_t reg)
{
	def_cfa(u, reg, u->cfa);
}

static void def_at(struct rules *u, uint64_t reg, int64_t off)
{
	if (reg == REG_BP) {
		u->bp = BP_AT;
		u->bp_at = off;
	} else if (reg == REG_RA) {
		u->ra_undefined = false;
		u->ra_elsewhere = off != -8;
	}
}

static void def_unknown(struct rules *u, uint64_t reg, bool undefined)
{
	if (reg == REG_BP) {
		u->bp = BP_LOST;
	} else if (reg == REG_RA) {
		u->ra_undefined = undefined;
		u->ra_elsewhere = !undefined;
	}
}

static void restore(struct rules *u, const struct rules *from, uint64_t reg)
{
	if (reg == REG_BP) {
		u->bp = from->bp;
		u->bp_at = from->bp_at;
	} else if (reg == REG_RA) {
		u->ra_undefined = from->ra_undefined;
		u->ra_elsewhere = from->ra_elsewhere;
	}
}

/* The linkage stub's: rsp + 8 + ((rip & 15) >= 11) * 8. */
static bool is_plt(const struct reader *x)
{
	static const uint8_t plt[] = {0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a,
				      0x3b, 0x2a, 0x33, 0x24, 0x22};

	return (size_t)(x->end - x->p) == sizeof(plt) && memcmp(x->p, plt, sizeof(plt)) == 0;
}

/* DW_OP_breg6 n, DW_OP_deref: rbp points behind a word with the CFA. */
static void cfa_expression(struct rules *u, struct reader x)
{
	u->kind = ELF_UNWIND_BAD;
	if (is_plt(&x)) {
		u->kind = ELF_UNWIND_PLT;
		u->cfa = 8;
	} else if (x.p < x.end && *x.p == 0x76) {
		get(&x, 1);
		u->cfa = get_sleb(&x);
		if (get(&x, 1) == 0x06 && x.p == x.end && !x.bad)
			u->kind = ELF_UNWIND_DEREF_BP;
	}
}

/* DW_OP_breg6 0: saved where rbp points to, by a function that aligns its stack. */
static void expression(struct rules *u, uint64_t reg, struct reader x)
{
	def_unknown(u, reg, false);
	if (reg == REG_BP && x.end - x.p == 2 && x.p[0] == 0x76 && x.p[1] == 0)
		u->bp = BP_THERE;
}

/* ---- programs ------------------------------------------------------------------------------- */

struct state {
	struct cfi *c;
	const struct cie *cie;
	struct rules rules, saved[MAX_SAVED];
	unsigned nsaved;
	uint64_t loc, size; /* in the function */
	bool rows;          /* of an FDE */
};

/* Word counts fit, or the row is bad. */
static struct elf_unwind_row row_of(const struct state *s)
{
	const struct rules *u = &s->rules;
	struct elf_unwind_row row = {.pc = (uint32_t)s->loc, .kind = u->kind};
	int64_t bp = -u->bp_at / 8;

	row.cfa = (int16_t)(u->cfa / 8);
	if (s->cie->signal)
		return (struct elf_unwind_row){.pc = row.pc, .kind = ELF_UNWIND_SIGNAL};
	if (u->ra_undefined)
		return (struct elf_unwind_row){.pc = row.pc, .kind = ELF_UNWIND_END};
	if (u->bp == BP_AT)
		row.bp = (uint8_t)bp;
	else if (u->bp == BP_THERE)
		row.bp = ELF_BP_THERE;
	if (u->ra_elsewhere || u->cfa % 8 || u->cfa / 8 != row.cfa ||
	    (u->bp == BP_AT && (u->bp_at % 8 || bp < 1 || bp >= ELF_BP_THERE)))
		row.kind = ELF_UNWIND_BAD;
	if (row.kind == ELF_UNWIND_BAD)
		row.cfa = row.bp = 0;
	return row;
}

static bool same_rule(const struct elf_unwind_row *a, const struct elf_unwind_row *b)
{
	return a->cfa == b->cfa && a->bp == b->bp && a->kind == b->kind;
}

static void add_row(struct state *s)
{
	struct elf_unwind_row row = row_of(s);

	if (s->rows && s->c->rows.n < MAX_ROWS)
		hvec_push(&s->c->rows, row);
}

/* Until now the rules were these. */
static void advance(struct state *s, uint64_t by)
{
	if (by == 0)
		return;
	add_row(s);
	s->loc = by > s->size - s->loc ? s->size : s->loc + by;
}

static void run_high(struct state *s, struct reader *r, uint8_t op)
{
	uint64_t low = op & 0x3f;

	if (op >> 6 == 1)
		advance(s, low * s->cie->code_align);
	else if (op >> 6 == 2)
		def_at(&s->rules, low, (int64_t)(get_uleb(r) * (uint64_t)s->cie->data_align));
	else
		restore(&s->rules, &s->cie->rules, low);
}

static void save_state(struct state *s, struct reader *r)
{
	r->bad |= s->nsaved == MAX_SAVED;
	if (!r->bad)
		s->saved[s->nsaved++] = s->rules;
}

static void restore_state(struct state *s, struct reader *r)
{
	r->bad |= s->nsaved == 0;
	if (!r->bad)
		s->rules = s->saved[--s->nsaved];
}

static int64_t scaled(const struct state *s, uint64_t v)
{
	return (int64_t)(v * (uint64_t)s->cie->data_align);
}

/* Where the CFA is. */
static bool run_cfa(struct state *s, struct reader *r, uint8_t op)
{
	struct rules *u = &s->rules;
	uint64_t reg;

	switch (op) {
	case 0x0c: /* def_cfa */
		reg = get_uleb(r);
		def_cfa(u, reg, (int64_t)get_uleb(r));
		break;
	case 0x0d: /* def_cfa_register */
		def_register(u, get_uleb(r));
		break;
	case 0x0e: /* def_cfa_offset */
		u->cfa = (int64_t)get_uleb(r);
		break;
	case 0x0f: /* def_cfa_expression */
		cfa_expression(u, sub_reader(r, get_uleb(r)));
		break;
	case 0x12: /* def_cfa_sf */
		reg = get_uleb(r);
		def_cfa(u, reg, scaled(s, (uint64_t)get_sleb(r)));
		break;
	case 0x13: /* def_cfa_offset_sf */
		u->cfa = scaled(s, (uint64_t)get_sleb(r));
		break;
	default:
		return false;
	}
	return true;
}

/* Where registers are. */
static bool run_register(struct state *s, struct reader *r, uint8_t op)
{
	struct rules *u = &s->rules;
	uint64_t reg;

	if ((op < 0x05 || op > 0x09) && op != 0x10 && op != 0x11 && op != 0x2f &&
	    (op < 0x14 || op > 0x16))
		return false;
	reg = get_uleb(r);
	if (op == 0x05) /* offset_extended */
		def_at(u, reg, scaled(s, get_uleb(r)));
	else if (op == 0x11) /* offset_extended_sf */
		def_at(u, reg, scaled(s, (uint64_t)get_sleb(r)));
	else if (op == 0x2f) /* GNU_negative_offset_extended */
		def_at(u, reg, scaled(s, 0 - get_uleb(r)));
	else if (op == 0x06) /* restore_extended */
		restore(u, &s->cie->rules, reg);
	else if (op == 0x10) /* expression */
		expression(u, reg, sub_reader(r, get_uleb(r)));
	else
		def_unknown(u, reg, op == 0x07);
	if (op == 0x08 && reg == REG_BP) /* same_value */
		u->bp = BP_SAME;
	if (op == 0x09 || op == 0x14 || op == 0x15) /* register, val_offset */
		get_uleb(r);
	if (op == 0x16) /* val_expression */
		sub_reader(r, get_uleb(r));
	return true;
}

static void run_other(struct state *s, struct reader *r, uint8_t op, uint64_t start)
{
	uint64_t to;

	switch (op) {
	case 0x00: /* nop */
		break;
	case 0x01: /* set_loc */
		to = get_pointer(r, s->cie->encoding) - start;
		r->bad |= to < s->loc;
		advance(s, r->bad ? 0 : to - s->loc);
		break;
	case 0x02: /* advance_loc1, 2, 4 */
	case 0x03:
	case 0x04:
		advance(s, get(r, op == 0x02 ? 1 : op == 0x03 ? 2 : 4) * s->cie->code_align);
		break;
	case 0x0a: /* remember_state */
		save_state(s, r);
		break;
	case 0x0b: /* restore_state */
		restore_state(s, r);
		break;
	case 0x2e: /* GNU_args_size */
		get_uleb(r);
		break;
	default:
		r->bad = true;
	}
}

static void run(struct state *s, struct reader *r, uint64_t start)
{
	while (r->p < r->end && !r->bad) {
		uint8_t op = (uint8_t)get(r, 1);

		if (op >> 6)
			run_high(s, r, op);
		else if (!run_cfa(s, r, op) && !run_register(s, r, op))
			run_other(s, r, op, start);
	}
}

/* ---- entries -------------------------------------------------------------------------------- */

/* The reader of an entry's body behind its id; false at the end or when it is malformed. `*at`
 * moves behind it; `*id_at` is where its id is. */
static bool next_entry(const struct cfi *c, uint64_t *at, struct reader *r, uint64_t *id_at,
		       uint32_t *id)
{
	struct reader all = {c->data + *at, c->data + c->size, c->addr + *at, false};
	uint64_t n = get(&all, 4);

	if (n == UINT32_MAX)
		n = get(&all, 8);
	if (all.bad || n < 4 || n > (uint64_t)(all.end - all.p))
		return false;
	*id_at = (uint64_t)(all.p - c->data);
	*r = sub_reader(&all, n);
	*id = (uint32_t)get(r, 4);
	*at = *id_at + n;
	return true;
}

/* "zPLR": what stands behind the length, in the order of the letters. */
static void augmentation(struct cie *cie, struct reader *r, const char *letters, size_t n)
{
	struct reader x;

	cie->augmented = n && letters[0] == 'z';
	if (!cie->augmented) {
		r->bad |= n != 0;
		return;
	}
	x = sub_reader(r, get_uleb(r));
	for (size_t i = 1; i < n; i++) {
		if (letters[i] == 'R')
			cie->encoding = (uint8_t)get(&x, 1);
		else if (letters[i] == 'P')
			get_pointer(&x, get(&x, 1) & 0x0f);
		else if (letters[i] == 'L')
			get(&x, 1);
		else if (letters[i] == 'S')
			cie->signal = true;
		else if (letters[i] != 'B')
			x.bad = true;
	}
	r->bad |= x.bad;
}

static void read_cie(struct cfi *c, uint64_t at)
{
	struct state s = {.c = c, .cie = &c->cie};
	const char *letters;
	struct reader r;
	uint64_t id_at;
	uint32_t id;
	uint8_t version;
	size_t n;

	c->cie = (struct cie){.at = at};
	if (at >= c->size || !next_entry(c, &at, &r, &id_at, &id) || id != 0 ||
	    r.end - r.p > MAX_CIE)
		return;
	version = (uint8_t)get(&r, 1);
	letters = (const char *)r.p;
	n = strnlen(letters, (size_t)(r.end - r.p));
	sub_reader(&r, n + 1);
	if (version == 4)
		get(&r, 2); /* sizes of addresses and segments */
	c->cie.code_align = get_uleb(&r);
	c->cie.data_align = get_sleb(&r);
	r.bad |= (version == 1 ? get(&r, 1) : get_uleb(&r)) != REG_RA;
	if (r.bad || (version != 1 && version != 3 && version != 4))
		return;
	augmentation(&c->cie, &r, letters, n);
	s.rules = (struct rules){.kind = ELF_UNWIND_BAD};
	run(&s, &r, 0);
	c->cie.rules = s.rules;
	c->cie.valid = !r.bad;
}

static void read_fde(struct cfi *c, struct reader r)
{
	struct state s = {.c = c, .cie = &c->cie, .rules = c->cie.rules, .rows = true};
	struct fde f = {.first = c->rows.n};

	f.start = get_pointer(&r, c->cie.encoding);
	s.size = get_pointer(&r, c->cie.encoding & 0x0f);
	if (c->cie.augmented)
		sub_reader(&r, get_uleb(&r));
	if (r.bad || s.size == 0 || s.size > UINT32_MAX || f.start + s.size < f.start)
		return;
	run(&s, &r, f.start);
	if (s.loc < s.size)
		add_row(&s);
	f.end = f.start + s.size;
	f.n = c->rows.n - f.first;
	if (r.bad || c->rows.n >= MAX_ROWS) {
		c->rows.n = f.first;
		return;
	}
	hvec_push(&c->fdes, f);
}

static void read_all(struct cfi *c)
{
	uint64_t at = 0, id_at;
	struct reader r;
	uint32_t id;

	c->cie.at = UINT64_MAX;
	while (at < c->size && next_entry(c, &at, &r, &id_at, &id)) {
		if (id == 0 || id > id_at)
			continue;
		if (c->cie.at != id_at - id)
			read_cie(c, id_at - id);
		if (c->cie.valid)
			read_fde(c, r);
	}
}

/* ---- the table ------------------------------------------------------------------------------ */

static int by_start(const void *a, const void *b)
{
	const struct fde *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void put(struct elf_unwind *u, uint64_t addr, struct elf_unwind_row row)
{
	row.pc = (uint32_t)(addr - u->base);
	if (u->n && u->rows[u->n - 1].pc == row.pc)
		u->n--;
	if (u->n == 0 || !same_rule(&u->rows[u->n - 1], &row))
		u->rows[u->n++] = row;
}

/* Functions in order; behind one that none follows, nothing is known. Those that begin inside
 * another, or further from the first than rows can say, are left out. */
static int make_table(struct cfi *c, struct elf_unwind *u)
{
	uint64_t end = 0;

	if (c->fdes.n == 0)
		return -ENOENT;
	qsort(c->fdes.v, c->fdes.n, sizeof(*c->fdes.v), by_start);
	u->base = c->fdes.v[0].start;
	u->rows = calloc(c->rows.n + c->fdes.n + 1, sizeof(*u->rows));
	if (!u->rows)
		return -ENOMEM;
	for (size_t i = 0; i < c->fdes.n; i++) {
		const struct fde *f = &c->fdes.v[i];

		if ((i && f->start < end) || f->end - u->base > UINT32_MAX)
			continue;
		if (i && f->start > end)
			put(u, end, (struct elf_unwind_row){.kind = ELF_UNWIND_NONE});
		for (size_t k = 0; k < f->n; k++)
			put(u, f->start + c->rows.v[f->first + k].pc, c->rows.v[f->first + k]);
		end = f->end;
	}
	put(u, end, (struct elf_unwind_row){.kind = ELF_UNWIND_NONE});
	return 0;
}

int elf_unwind_read(struct elf *f, struct elf_unwind *out, struct err *e)
{
	struct elf_section s;
	struct cfi c = {0};
	int r;

	*out = (struct elf_unwind){0};
	if (elf_machine(f) != EM_X86_64 || !elf_is_64(f) || !elf_section_find(f, ".eh_frame", &s) ||
	    !s.data)
		return err_plain(e, ENOENT, "%s has no .eh_frame for x86_64", elf_path(f));
	c.data = s.data;
	c.size = s.size;
	c.addr = s.addr;
	read_all(&c);
	r = make_table(&c, out);
	hvec_release(&c.rows);
	hvec_release(&c.fdes);
	if (r == -ENOENT)
		return err_plain(e, EINVAL, "no function can be unwound by .eh_frame of %s",
				 elf_path(f));
	return r < 0 ? err_set(e, -r, "read .eh_frame of %s", elf_path(f)) : 0;
}

void elf_unwind_free(struct elf_unwind *u)
{
	free(u->rows);
	*u = (struct elf_unwind){0};
}

/* Code with frame pointers has most of its instructions behind `mov %rsp,%rbp`. */
bool elf_unwind_lacks_bp(const struct elf_unwind *u)
{
	uint64_t by_bp = 0, by_sp = 0;

	for (size_t i = 0; i + 1 < u->n; i++) {
		uint32_t n = u->rows[i + 1].pc - u->rows[i].pc;

		if (u->rows[i].kind == ELF_UNWIND_BP)
			by_bp += n;
		else if (u->rows[i].kind == ELF_UNWIND_SP)
			by_sp += n;
	}
	return by_sp > by_bp;
}
