/* Argument descriptions of USDT probes: the assembler operands that the compiler chose.
 *
 *   arguments = { ["-"] N ["f"] "@" operand }          N: 1, 2, 4, 8 bytes; "-": signed; "f": float
 *
 *   x86       %eax  %ah  $-5  -20(%rbp)  8(%rax,%rbx,4)  (,%rbx,8)  sym+16(%rip)  0x601040
 *   aarch64   x0  w1  5  [sp, 16]  [x29, -20]  [x0, x1]  [x0, x1, lsl 3]
 *
 * Displacements are sums of numbers and symbol names in any order (`8+sym-4`). Registers become
 * offsets in struct pt_regs of the machine. An operand that a tracer cannot read (a float register,
 * a thread-local segment) makes the argument unreadable or the whole description an error; nothing
 * is guessed. */
#include "elf/elf_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 255, MAX_TEXT = 65536 };
enum { MAX_SYMBOLS = 1000 }; /* look-ups for one file: each scans its symbols */

struct usdt_parser {
	struct elf *f; /* for symbols; may be NULL */
	uint16_t machine;
	struct str s;    /* what is left of the operand */
	const char *why; /* first error */
};

static bool fail(struct usdt_parser *p, const char *why)
{
	if (!p->why)
		p->why = why;
	return false;
}

static bool accept(struct usdt_parser *p, char c)
{
	while (p->s.n && *p->s.p == ' ') {
		p->s.p++;
		p->s.n--;
	}
	if (!p->s.n || *p->s.p != c)
		return false;
	p->s.p++;
	p->s.n--;
	return true;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$' || c == '@';
}

/* Letters, digits and the like at the front; empty when there are none. */
static struct str take_word(struct usdt_parser *p)
{
	struct str w;

	accept(p, '\0'); /* skips blanks */
	w = (struct str){p->s.p, 0};
	while (w.n < p->s.n && is_name_char(w.p[w.n]))
		w.n++;
	p->s.p += w.n;
	p->s.n -= w.n;
	return w;
}

/* ---- registers ---- */

struct reg_name {
	char name[4];
	int16_t offset; /* in struct pt_regs */
};

/* 16-bit names; with `r` or `e` in front the wider ones. */
static const struct reg_name x86_words[] = {
	{"bp", 32},  {"bx", 40},  {"ax", 80},  {"cx", 88},  {"dx", 96},
	{"si", 104}, {"di", 112}, {"ip", 128}, {"sp", 152},
};

static const struct reg_name x86_bytes[] = {
	{"al", 80},   {"bl", 40},   {"cl", 88},  {"dl", 96},
	{"sil", 104}, {"dil", 112}, {"bpl", 32}, {"spl", 152},
};

static const struct reg_name x86_high[] = {{"ah", 80}, {"bh", 40}, {"ch", 88}, {"dh", 96}};

static int16_t reg_lookup(const struct reg_name *t, size_t n, struct str w)
{
	for (size_t i = 0; i < n; i++)
		if (str_is(w, t[i].name))
			return t[i].offset;
	return -1;
}

/* r8 … r15, with d, w, b or l behind for the narrower ones. */
static int16_t x86_numbered(struct str w)
{
	static const int16_t offsets[8] = {72, 64, 56, 48, 24, 16, 8, 0};
	unsigned long long n;

	if (w.n < 2 || w.p[0] != 'r')
		return -1;
	w.p++;
	w.n--;
	if (w.n > 1 && strchr("dwbl", w.p[w.n - 1]))
		w.n--;
	return str_to_u64(w, &n) && n >= 8 && n <= 15 ? offsets[n - 8] : -1;
}

/* pt_regs offset of an x86 register, -1: no such register. */
static int16_t x86_reg(struct str w, uint8_t *byte)
{
	int16_t r = reg_lookup(x86_high, ARRAY_SIZE(x86_high), w);

	*byte = r >= 0;
	if (r < 0)
		r = reg_lookup(x86_bytes, ARRAY_SIZE(x86_bytes), w);
	if (r < 0)
		r = reg_lookup(x86_words, ARRAY_SIZE(x86_words), w);
	if (r < 0 && w.n == 3 && (w.p[0] == 'r' || w.p[0] == 'e'))
		r = reg_lookup(x86_words, ARRAY_SIZE(x86_words), (struct str){w.p + 1, 2});
	return r >= 0 ? r : x86_numbered(w);
}

/* x0…x30, w0…w30, sp; 31 × 8 bytes, then sp. */
static int16_t arm64_reg(struct str w)
{
	unsigned long long n;

	if (str_is(w, "sp") || str_is(w, "wsp"))
		return 248;
	if (str_is(w, "lr"))
		return 240;
	if (w.n < 2 || w.n > 3 || (w.p[0] != 'x' && w.p[0] != 'w') ||
	    !isdigit((unsigned char)w.p[1]))
		return -1;
	if (w.n == 3 && (w.p[1] == '0' || !isdigit((unsigned char)w.p[2])))
		return -1;
	n = (unsigned long long)(w.p[1] - '0');
	if (w.n == 3)
		n = n * 10 + (unsigned long long)(w.p[2] - '0');
	return n <= 30 ? (int16_t)(8 * n) : -1;
}

static bool is_float_reg(struct str w)
{
	if (str_starts(w, STR("xmm")) || str_starts(w, STR("ymm")) || str_starts(w, STR("zmm")) ||
	    str_starts(w, STR("st")) || str_starts(w, STR("mm")))
		return true;
	return false;
}

/* b, h, s, d, q, v and a number. */
static bool is_arm64_float(struct str w)
{
	return w.n >= 2 && w.n <= 3 && strchr("bhsdqv", w.p[0]) && isdigit((unsigned char)w.p[1]);
}

/* ---- numbers and symbols ---- */

static bool add_symbol(struct usdt_parser *p, struct str w, bool minus, uint64_t *sum)
{
	uint64_t addr, size;

	if (minus)
		return fail(p, "a symbol is subtracted");
	if (p->f && ++p->f->usdt_symbols > MAX_SYMBOLS)
		return fail(p, "there are too many references to symbols in this file");
	if (!p->f || !elf_sym_find(p->f, w, &addr, &size))
		return fail(p, "it refers to a symbol that is not in the symbol table");
	*sum += addr;
	return true;
}

/* [+-] (number | symbol) { [+-] … }. *symbols counts the symbols; false on an error. */
static bool parse_sum(struct usdt_parser *p, int64_t *value, int *symbols)
{
	uint64_t sum = 0;

	*symbols = 0;
	do {
		bool minus = false, sign = false;
		unsigned long long n;
		struct str w;

		while ((sign = accept(p, '-')) || accept(p, '+'))
			minus ^= sign;
		w = take_word(p);
		if (!w.n)
			return fail(p, "a number or a name is missing");
		if (isdigit((unsigned char)w.p[0])) {
			if (memchr(w.p, '_', w.n) || !str_to_u64(w, &n))
				return fail(p, "a number cannot be read");
			sum += minus ? -n : n;
		} else {
			if (!add_symbol(p, w, minus, &sum))
				return false;
			++*symbols;
		}
		accept(p, '\0');
	} while (p->s.n && (*p->s.p == '+' || *p->s.p == '-'));
	*value = (int64_t)sum;
	return true;
}

/* ---- x86 operands ---- */

static bool x86_parse_reg(struct usdt_parser *p, int16_t *reg, bool *is_ip)
{
	struct str w;
	uint8_t byte;

	if (!accept(p, '%'))
		return fail(p, "a register is missing");
	w = take_word(p);
	*reg = x86_reg(w, &byte);
	*is_ip = str_is(w, "rip") || str_is(w, "eip");
	return *reg >= 0 || fail(p, "it names a register that cannot be read");
}

static bool scale_ok(int64_t n)
{
	return n == 1 || n == 2 || n == 4 || n == 8;
}

/* What is behind "disp(": [%base] [, %index [, scale]] ")". */
static bool x86_parse_mem(struct usdt_parser *p, struct usdt_arg *a, int symbols)
{
	bool is_ip = false, index_ip = false;
	int64_t scale;
	int n;

	a->kind = USDT_MEM;
	if (p->s.n && *p->s.p == '%' && !x86_parse_reg(p, &a->reg, &is_ip))
		return false;
	if (accept(p, ',')) {
		if (!x86_parse_reg(p, &a->index, &index_ip))
			return false;
		if (accept(p, ',')) {
			if (!parse_sum(p, &scale, &n) || n || !scale_ok(scale))
				return fail(p, "the scale is not 1, 2, 4 or 8");
			a->scale = (uint8_t)scale;
		}
	}
	if (!accept(p, ')'))
		return fail(p, "a closing parenthesis is missing");
	if (index_ip || (is_ip && (a->index >= 0 || symbols != 1)))
		return fail(p, "it is relative to the instruction pointer, without a symbol");
	if (is_ip) {
		a->kind = USDT_ADDR;
		a->reg = -1;
	} else if (symbols) {
		return fail(p, "an index into a symbol depends on where the program is loaded");
	}
	return a->reg >= 0 || a->index >= 0 || is_ip || fail(p, "a register is missing");
}

static bool x86_operand(struct usdt_parser *p, struct usdt_arg *a)
{
	int symbols = 0;

	if (accept(p, '$')) {
		a->kind = USDT_CONST;
		if (!parse_sum(p, &a->value, &symbols))
			return false;
		return !symbols || fail(p, "the address of a symbol as a constant");
	}
	if (accept(p, '%')) {
		struct str w = take_word(p);

		a->kind = USDT_REG;
		if (is_float_reg(w)) {
			a->is_float = true;
			return true;
		}
		if (p->s.n && *p->s.p == ':')
			return fail(p, "memory of a segment (thread-local) cannot be read");
		a->reg = x86_reg(w, &a->reg_off);
		return a->reg >= 0 || fail(p, "it names a register that cannot be read");
	}
	if ((!p->s.n || *p->s.p != '(') && !parse_sum(p, &a->value, &symbols))
		return false;
	if (accept(p, '('))
		return x86_parse_mem(p, a, symbols);
	a->kind = USDT_ADDR; /* absolute */
	return true;
}

/* ---- aarch64 operands ---- */

/* Behind "[base,": a displacement, or an index register with [lsl n]. */
static bool arm64_parse_index(struct usdt_parser *p, struct usdt_arg *a)
{
	struct usdt_parser ahead = *p;
	struct str w = take_word(&ahead);
	int64_t shift;
	int symbols;

	a->index = w.n ? arm64_reg(w) : -1;
	if (a->index < 0) {
		accept(p, '#');
		return parse_sum(p, &a->value, &symbols) &&
		       (!symbols || fail(p, "a symbol as a displacement"));
	}
	if (w.p[0] == 'w')
		return fail(p, "a 32-bit index register needs to be extended");
	*p = ahead;
	if (!accept(p, ','))
		return true;
	w = take_word(p);
	accept(p, '#');
	if (!str_is(w, "lsl") || !parse_sum(p, &shift, &symbols) || symbols || shift < 0 ||
	    shift > 3)
		return fail(p, "the index is neither plain nor shifted left by 0 to 3");
	a->scale = (uint8_t)(1 << shift);
	return true;
}

static bool arm64_operand(struct usdt_parser *p, struct usdt_arg *a)
{
	struct usdt_parser start;
	int symbols = 0;
	struct str w;

	if (accept(p, '[')) {
		a->kind = USDT_MEM;
		w = take_word(p);
		a->reg = arm64_reg(w);
		if (a->reg < 0)
			return fail(p, "it names a register that cannot be read");
		if (accept(p, ',') && !arm64_parse_index(p, a))
			return false;
		return accept(p, ']') || fail(p, "a closing bracket is missing");
	}
	start = *p;
	w = take_word(p);
	a->kind = USDT_REG;
	a->is_float = w.n && is_arm64_float(w);
	if (a->is_float)
		return true;
	a->reg = w.n ? arm64_reg(w) : -1;
	if (a->reg >= 0)
		return true;
	a->kind = USDT_CONST;
	if (str_is(w, "xzr") || str_is(w, "wzr"))
		return true;
	*p = start;
	accept(p, '#');
	return parse_sum(p, &a->value, &symbols) &&
	       (!symbols || fail(p, "the address of a symbol as a constant"));
}

/* ---- descriptions ---- */

/* [-]N[f]@ ; without it the size is that of a machine word. */
static bool parse_size(struct usdt_parser *p, struct usdt_arg *a)
{
	const char *at = p->s.n ? memchr(p->s.p, '@', p->s.n) : NULL;
	struct str head;
	bool minus;

	a->size = 8;
	if (!at || at - p->s.p > 3)
		return true;
	head = (struct str){p->s.p, (size_t)(at - p->s.p)};
	p->s.p += head.n + 1;
	p->s.n -= head.n + 1;
	if (!head.n)
		return true;
	minus = str_starts(head, STR("-"));
	if (minus)
		head = (struct str){head.p + 1, head.n - 1};
	if (head.n == 2 && head.p[1] == 'f') {
		a->is_float = true;
		head.n = 1;
	}
	if (head.n != 1 || !strchr("1248", head.p[0]))
		return fail(p, "the size is not 1, 2, 4 or 8");
	a->size = (int8_t)(minus ? -(head.p[0] - '0') : head.p[0] - '0');
	return true;
}

static bool parse_arg(struct usdt_parser *p, struct usdt_arg *a)
{
	bool is_float, ok;

	*a = (struct usdt_arg){.reg = -1, .index = -1, .scale = 1, .text = a->text};
	if (!parse_size(p, a))
		return false;
	is_float = a->is_float;
	if (p->machine == EM_AARCH64)
		ok = arm64_operand(p, a);
	else
		ok = x86_operand(p, a);
	a->is_float |= is_float;
	if (!ok)
		return false;
	if (a->kind == USDT_REG && a->reg_off && abs(a->size) != 1)
		return fail(p, "the second byte of a register as a wider value");
	accept(p, '\0');
	return !p->s.n || fail(p, "there is text behind the operand");
}

/* Cuts the next argument: up to a blank that is outside of brackets and parentheses. */
static struct str next_arg(struct str *s)
{
	struct str w;
	int depth = 0;

	while (s->n && *s->p == ' ') {
		s->p++;
		s->n--;
	}
	w = (struct str){s->p, 0};
	for (; w.n < s->n; w.n++) {
		char c = w.p[w.n];

		depth += (c == '[' || c == '(') - (c == ']' || c == ')');
		if (c == ' ' && depth <= 0)
			break;
	}
	s->p += w.n;
	s->n -= w.n;
	return w;
}

int usdt_parse_args(struct arena *a, struct elf *f, uint16_t machine, const char *text,
		    struct usdt_arg **args, size_t *n, struct err *e)
{
	struct str rest = {text, strnlen(text, MAX_TEXT)}, word;
	VEC(struct usdt_arg) v = {0};

	*args = NULL;
	*n = 0;
	if (machine != EM_X86_64 && machine != EM_AARCH64)
		return err_plain(e, ENOTSUP, "USDT arguments of machine %u are not supported",
				 machine);
	while ((word = next_arg(&rest)).n) {
		struct usdt_parser p = {.f = f, .machine = machine, .s = word};
		struct usdt_arg arg = {.text = arena_strndup(a, word.p, word.n)};

		if (v.n == MAX_ARGS)
			return err_plain(e, EINVAL, "more than %d USDT arguments", MAX_ARGS);
		if (!parse_arg(&p, &arg))
			return err_plain(e, EINVAL, "argument %zu, `%.100s`: %s", v.n, arg.text,
					 p.why);
		vec_push(a, &v, arg);
	}
	*args = v.v;
	*n = v.n;
	return 0;
}
