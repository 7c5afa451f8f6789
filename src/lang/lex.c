/* The lexer: one token at a time from the text of a script; see lang_priv.h for how the parser
 * drives it.
 *
 *   identifiers  [_a-zA-Z][_a-zA-Z0-9]*
 *   integers     42  0x1f  017  1_000  1e6  10ull     durations 100ns 5us 1ms 2s 3m 1h 7d
 *   strings      "…" on one line, escapes \n \t \r \" \\ \a \b \f \v \e \ooo \xhh
 *   names        $x  @x  @          parameters $1 $#
 *   comments     // …  and  / * … * /, collected into the script for the formatter
 *
 * What is malformed is reported here. Where the meaning is clear all the same ('text' or “text” for
 * "text") the token is delivered as if it had been right; otherwise it is T_BAD, and the parser
 * recovers without a message of its own.
 */
#include <stdlib.h>

#include "lang/lang_priv.h"

static const struct {
	const char *text;
	unsigned char len;
	enum token_kind kind;
} puncts[] = {
#define TOKEN(name, text)         {text, sizeof(text) - 1, name},
#define ASSIGN_OP(name, text, op) {text, sizeof(text) - 1, name},
#include "lang/token.def"
#undef TOKEN
#undef ASSIGN_OP
};

char text_at(const struct parser *p, uint32_t off)
{
	return off < p->text.n ? p->text.p[off] : 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool is_ident_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_ident_char(char c)
{
	return is_ident_start(c) || is_digit(c);
}

static struct str text_of(const struct parser *p, uint32_t from, uint32_t to)
{
	return (struct str){p->text.p + from, to - from};
}

void lex_init(struct parser *p, struct arena *a, struct diag *d, uint32_t file)
{
	*p = (struct parser){.arena = a, .diag = d, .file = file};
	p->text = diag_source_text(d, file);
	if (p->text.n >= UINT32_MAX / 2)
		p->text.n = UINT32_MAX / 2;
	p->script = arena_new_of(a, struct script);
	p->script->file = file;
	p->script->span = (struct span){0, (uint32_t)p->text.n, file};
}

/* ---- white space and comments ------------------------------------------------------------- */

static bool own_line(const struct parser *p, uint32_t off)
{
	while (off > 0 && p->text.p[off - 1] != '\n') {
		char c = p->text.p[--off];

		if (c != ' ' && c != '\t' && c != '\r')
			return false;
	}
	return true;
}

/* The parser goes back at times: what is behind the last comment collected is new. */
static void add_comment(struct parser *p, uint32_t from, uint32_t to)
{
	size_t n = p->script->comments.n;

	if (n && p->script->comments.v[n - 1].span.off >= from)
		return;
	vec_push(p->arena, &p->script->comments,
		 (struct comment){span_at(p, from, to), own_line(p, from)});
}

static uint32_t line_end(const struct parser *p, uint32_t off)
{
	const char *nl = off < p->text.n ? memchr(p->text.p + off, '\n', p->text.n - off) : NULL;

	return nl ? (uint32_t)(nl - p->text.p) : (uint32_t)p->text.n;
}

static void block_comment(struct parser *p)
{
	uint32_t from = p->pos;
	const char *end = memmem(p->text.p + from + 2, p->text.n - from - 2, "*/", 2);
	struct diag_msg *m;

	if (end) {
		p->pos = (uint32_t)(end + 2 - p->text.p);
	} else {
		p->pos = (uint32_t)p->text.n;
		m = syntax_error(p, E_COMMENT, span_at(p, from, from + 2), "comment is not closed");
		diag_primary(m, "no `*/` follows");
		p->give_up = true;
	}
	add_comment(p, from, p->pos);
}

static bool is_white(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

void lex_skip_trivia(struct parser *p)
{
	for (;;) {
		char c = text_at(p, p->pos);

		if (is_white(c)) {
			p->pos++;
		} else if (c == '/' && text_at(p, p->pos + 1) == '/') {
			uint32_t end = line_end(p, p->pos);

			add_comment(p, p->pos, end);
			p->pos = end;
		} else if (c == '/' && text_at(p, p->pos + 1) == '*') {
			block_comment(p);
		} else {
			return;
		}
	}
}

/* ---- numbers ------------------------------------------------------------------------------ */

static bool bad_number(struct parser *p, uint32_t end, const char *why)
{
	struct str text = text_of(p, p->pos, end);
	struct diag_msg *m = syntax_error(p, E_NUMBER, span_at(p, p->pos, end),
					  "malformed number `%.*s`", STR_ARG(text));

	diag_primary(m, "%s", why);
	p->tok.kind = T_BAD;
	return false;
}

/* What may follow the digits. 0: not a unit. */
static uint64_t unit_of(struct str s)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"ns", 1ull},
		{"us", 1000ull},
		{"ms", 1000000ull},
		{"s", 1000000000ull},
		{"m", 60000000000ull},
		{"h", 3600000000000ull},
		{"d", 86400000000000ull},
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (str_is(s, units[i].name))
			return units[i].ns;
	return 0;
}

static bool is_c_suffix(struct str s)
{
	static const char *const suffixes[] = {"u", "l", "ul", "lu", "ll", "ull", "llu"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (str_case_eq(s, str_of(suffixes[i])))
			return true;
	return false;
}

static bool scale(uint64_t *v, uint64_t by)
{
	return !__builtin_mul_overflow(*v, by, v);
}

/* `e6` behind a coefficient. */
static bool is_exponent(struct str s, unsigned *exponent)
{
	unsigned long long v;

	if (s.n < 2 || s.p[0] != 'e' || !is_digit(s.p[1]) || (s.n > 2 && s.p[1] == '0'))
		return false;
	if (!str_to_u64((struct str){s.p + 1, s.n - 1}, &v) || v > 19)
		return false;
	*exponent = (unsigned)v;
	return true;
}

static bool apply_suffix(struct parser *p, uint32_t end, struct str suffix)
{
	uint64_t unit = unit_of(suffix);
	unsigned exponent = 0;

	if (!suffix.n || is_c_suffix(suffix))
		return true;
	if (unit) {
		p->tok.duration = true;
		return scale(&p->tok.value, unit) || bad_number(p, end, "does not fit 64 bits");
	}
	if (!is_exponent(suffix, &exponent))
		return bad_number(p, end,
				  "an integer may end in u, l, ll, ns, us, ms, s, m, h, d "
				  "or an exponent such as e6");
	while (exponent--)
		if (!scale(&p->tok.value, 10))
			return bad_number(p, end, "does not fit 64 bits");
	return true;
}

/* The end of the digits that begin at pos: hexadecimal ones, or decimal ones. */
static uint32_t digits_end(const struct parser *p, uint32_t end)
{
	uint32_t i = p->pos;
	bool hex = text_at(p, i) == '0' && (text_at(p, i + 1) | 32) == 'x';

	for (i += hex ? 2 : 0; i < end; i++) {
		char c = text_at(p, i), l = (char)(c | 32);

		if (!is_digit(c) && c != '_' && !(hex && l >= 'a' && l <= 'f'))
			break;
	}
	return i;
}

static void lex_number(struct parser *p)
{
	uint32_t end = p->pos, digits;
	unsigned long long v;

	while (is_ident_char(text_at(p, end)))
		end++;
	digits = digits_end(p, end);
	p->tok.kind = T_INT;
	if (!str_to_u64(text_of(p, p->pos, digits), &v)) {
		bad_number(p, end, "not a 64-bit integer (decimal, 0x hexadecimal or 0 octal)");
	} else {
		p->tok.value = v;
		apply_suffix(p, end, text_of(p, digits, end));
	}
	p->pos = end;
}

/* ---- strings ------------------------------------------------------------------------------ */

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t numeric_escape(const struct parser *p, uint32_t i, char *out)
{
	unsigned v = 0;
	uint32_t n = 0;

	if (text_at(p, i) == 'x') {
		for (i++; n < 2 && hex_value(text_at(p, i)) >= 0; n++)
			v = v * 16 + (unsigned)hex_value(text_at(p, i++));
		*out = (char)v;
		return n ? i : 0;
	}
	for (; n < 3 && text_at(p, i) >= '0' && text_at(p, i) <= '7'; n++)
		v = v * 8 + (unsigned)(text_at(p, i++) - '0');
	*out = (char)v;
	return n && v < 256 ? i : 0;
}

/* One escape, i behind the backslash. Returns the offset behind it, 0 when there is none such. */
static uint32_t lex_escape(const struct parser *p, uint32_t i, char *out)
{
	static const char known[] = "n\nt\tr\r\"\"\\\\a\ab\bf\fv\ve\033''";
	char c = text_at(p, i);

	for (const char *k = known; *k; k += 2) {
		if (*k == c) {
			*out = k[1];
			return i + 1;
		}
	}
	return numeric_escape(p, i, out);
}

/* The escape whose backslash is at `i`. Returns the offset behind it; what is unknown is reported
 * and stands for itself. */
static uint32_t escape(struct parser *p, uint32_t i, char *c)
{
	uint32_t next = lex_escape(p, i + 1, c), end;
	struct diag_msg *m;

	if (next)
		return next;
	end = i + 1 < p->text.n && text_at(p, i + 1) != '\n' ? i + 2 : i + 1;
	m = syntax_error(p, E_STRING, span_at(p, i, end), "unknown escape in a string");
	diag_help(m, "known are \\n \\t \\r \\\" \\\\ \\a \\b \\f \\v \\e, "
		     "octal \\101 and hexadecimal \\x41");
	return end;
}

static bool text_is(const struct parser *p, uint32_t i, struct str s)
{
	return p->text.n - i >= s.n && memcmp(p->text.p + i, s.p, s.n) == 0;
}

/* From `i` on up to the text `close`, unescaped into the arena when there is anything to unescape.
 * Returns the offset of `close`, or UINT32_MAX when the line ends before. */
static uint32_t string_body(struct parser *p, uint32_t i, struct str close)
{
	uint32_t from = i;
	struct buf b = BUF_INIT;
	bool escaped = false, closed = false;

	while (i < p->text.n && p->text.p[i] != '\n' && !(closed = text_is(p, i, close))) {
		uint32_t next = i + 1;
		char c = p->text.p[i];

		if (c == '\\') {
			if (!escaped)
				buf_add(&b, p->text.p + from, i - from);
			escaped = true;
			next = escape(p, i, &c);
		}
		if (escaped)
			buf_addc(&b, c);
		i = next;
	}
	p->tok.str = text_of(p, from, i);
	if (escaped)
		p->tok.str = (struct str){arena_strndup(p->arena, buf_cstr(&b), b.n), b.n};
	buf_release(&b);
	return closed ? i : UINT32_MAX;
}

static void lex_string(struct parser *p)
{
	uint32_t from = p->pos, end = string_body(p, from + 1, STR("\""));
	struct diag_msg *m;

	p->tok.kind = T_STRING;
	if (end != UINT32_MAX) {
		p->pos = end + 1;
		return;
	}
	p->pos = line_end(p, from);
	m = syntax_error(p, E_STRING, span_at(p, from, p->pos), "string is not closed");
	diag_primary(m, "no `\"` follows on this line");
	/* Of a script's last line it swallowed what closes its blocks: that they are open says
	 * nothing. */
	p->give_up |= p->pos + 1 >= p->text.n;
	p->tok.kind = T_BAD;
}

/* 'text' and “text”: taken for "text" after a message. */
static bool lex_wrong_quote(struct parser *p)
{
	static const char *const quotes[][2] = {
		{"'", "'"},
		{"\xe2\x80\x9c", "\xe2\x80\x9d"},
		{"\xe2\x80\x98", "\xe2\x80\x99"},
		{"\xe2\x80\x9d", "\xe2\x80\x9d"},
	};
	struct str rest = text_of(p, p->pos, line_end(p, p->pos));
	uint32_t from = p->pos, end;
	struct diag_msg *m;

	for (size_t i = 0; i < ARRAY_SIZE(quotes); i++) {
		struct str open = str_of(quotes[i][0]), close = str_of(quotes[i][1]);

		if (!str_starts(rest, open))
			continue;
		end = string_body(p, from + (uint32_t)open.n, close);
		p->tok.kind = end == UINT32_MAX ? T_BAD : T_STRING;
		p->pos = end == UINT32_MAX ? from + (uint32_t)open.n : end + (uint32_t)close.n;
		m = syntax_error(p, E_STRING, span_at(p, from, p->pos),
				 "strings are written in double quotes");
		if (end != UINT32_MAX)
			diag_suggest(m, span_at(p, from, p->pos),
				     arena_printf(p->arena, "\"%.*s\"", (int)(end - from - open.n),
						  p->text.p + from + open.n));
		return true;
	}
	return false;
}

/* ---- all tokens --------------------------------------------------------------------------- */

static enum keyword keyword_of(struct str s)
{
	static const char *const names[] = {
		[KW_BREAK] = "break",       [KW_COMPTIME] = "comptime",
		[KW_CONTINUE] = "continue", [KW_ELSE] = "else",
		[KW_ENUM] = "enum",         [KW_FALSE] = "false",
		[KW_FOR] = "for",           [KW_IF] = "if",
		[KW_IMPORT] = "import",     [KW_LET] = "let",
		[KW_OFFSETOF] = "offsetof", [KW_RETURN] = "return",
		[KW_SIZEOF] = "sizeof",     [KW_STRUCT] = "struct",
		[KW_TRUE] = "true",         [KW_TYPEINFO] = "typeinfo",
		[KW_TYPEOF] = "typeof",     [KW_UNION] = "union",
		[KW_UNROLL] = "unroll",     [KW_WHILE] = "while",
	};

	if (s.n < 2 || s.n > 8)
		return KW_NONE;
	for (size_t i = 1; i < ARRAY_SIZE(names); i++)
		if (names[i][0] == s.p[0] && str_is(s, names[i]))
			return (enum keyword)i;
	return KW_NONE;
}

static uint32_t ident_end(const struct parser *p, uint32_t i)
{
	while (is_ident_char(text_at(p, i)))
		i++;
	return i;
}

static void lex_dollar(struct parser *p)
{
	uint32_t from = p->pos + 1, end = ident_end(p, from);
	struct diag_msg *m;
	unsigned long long v;

	p->tok.str = text_of(p, from, end);
	p->tok.kind = T_VAR;
	p->pos = end;
	if (text_at(p, from) == '#') {
		p->tok.kind = T_NPARAMS;
		p->pos = from + 1;
	} else if (is_digit(text_at(p, from))) {
		p->tok.kind = T_PARAM;
		if (str_to_u64(p->tok.str, &v) && p->tok.str.p[0] != '0' && v <= 65535) {
			p->tok.value = v;
			return;
		}
		syntax_error(p, E_PARAM, span_at(p, from - 1, end),
			     "`$%.*s` is not a positional parameter: they are $1, $2 …",
			     STR_ARG(p->tok.str));
		p->tok.kind = T_BAD;
	} else if (from == end) {
		m = syntax_error(p, E_CHAR, span_at(p, from - 1, from),
				 "`$` needs the name of a variable");
		diag_primary(m, "a name such as $x, a parameter such as $1, or $#");
		p->tok.kind = T_BAD;
	}
}

static bool lex_punct(struct parser *p)
{
	size_t left = p->text.n - p->pos;

	for (size_t i = 0; i < ARRAY_SIZE(puncts); i++) {
		if (puncts[i].text[0] != p->text.p[p->pos] || puncts[i].len > left ||
		    memcmp(puncts[i].text, p->text.p + p->pos, puncts[i].len) != 0)
			continue;
		p->tok.kind = puncts[i].kind;
		p->pos += puncts[i].len;
		return true;
	}
	return false;
}

static bool is_text(char c)
{
	return is_ident_char(c) || is_white(c) || (c && strchr("\"'$@(){}[],;:?.~=!<>+-*/%&|^", c));
}

/* A run of bytes that begin no token is one mistake. */
static void lex_unknown(struct parser *p)
{
	uint32_t from = p->pos;
	unsigned char c = (unsigned char)p->text.p[from];
	struct diag_msg *m;

	do {
		p->pos++;
	} while (p->pos < p->text.n && !is_text(p->text.p[p->pos]) && c >= 0x80 &&
		 ((unsigned char)p->text.p[p->pos] & 0xc0) == 0x80);
	p->tok.kind = T_BAD;
	if (c < 0x20 || c == 0x7f)
		m = syntax_error(p, E_CHAR, span_at(p, from, p->pos),
				 "unexpected control character \\x%02x", c);
	else
		m = syntax_error(p, E_CHAR, span_at(p, from, p->pos),
				 c < 0x80 ? "unexpected character `%c`" : "unexpected character",
				 c);
	if (c == '\\')
		diag_help(m, "behind -e, put the program in single quotes: then the shell leaves "
			     "quotes and $ alone");
	else if (c == '`')
		diag_help(m, "the output of commands is printed by system(\"…\"), with --unsafe");
	if (c == '#')
		diag_help(m,
			  "comments begin with `//`; preprocessor lines stand before all probes");
	else if (c >= 0x80)
		diag_help(m, "only strings and comments hold characters other than ASCII");
}

static void lex_token(struct parser *p)
{
	char c = p->text.p[p->pos];

	if (is_ident_start(c)) {
		uint32_t end = ident_end(p, p->pos);

		p->tok.kind = T_IDENT;
		p->tok.str = text_of(p, p->pos, end);
		p->tok.kw = keyword_of(p->tok.str);
		p->pos = end;
	} else if (is_digit(c)) {
		lex_number(p);
	} else if (c == '"') {
		lex_string(p);
	} else if (c == '$') {
		lex_dollar(p);
	} else if (c == '@') {
		uint32_t end = ident_end(p, p->pos + 1);

		p->tok.kind = T_MAP;
		p->tok.str = text_of(p, p->pos + 1, end);
		p->pos = end;
	} else if (!lex_punct(p) && !lex_wrong_quote(p)) {
		lex_unknown(p);
	}
}

static bool has_newline(const struct parser *p, uint32_t from, uint32_t to)
{
	return from == 0 || (to > from && memchr(p->text.p + from, '\n', to - from) != NULL);
}

void advance(struct parser *p)
{
	if (p->failed)
		return;
	p->prev_end = p->tok.off + p->tok.len;
	if (!p->give_up)
		lex_skip_trivia(p);
	if (p->give_up)
		p->pos = (uint32_t)p->text.n;
	p->tok = (struct token){.kind = T_EOF, .off = p->pos};
	p->tok.line_start = has_newline(p, p->prev_end, p->pos);
	if (p->pos < p->text.n)
		lex_token(p);
	p->tok.len = p->pos - p->tok.off;
}
