/* The C section: what is in front of a script's probes, and the headers it includes.
 *
 *   #define N 42         a constant, evaluated when it is first used
 *   #define F(x) …       a macro of the script, when its body is an expression of the language
 *   struct, union, enum, typedef   types of the script; they hide the kernel's of the same name
 *   #include <…>         the same out of headers; there only types are taken that the kernel's BTF
 *                        does not have, unless the header is the script's own ("…", -I, --include)
 *
 * BPFTRACE_HAVE_BTF is defined: scripts that include kernel headers only without BTF leave them. */
#include "sema/cpp.h"
#include "lang/lang.h"

/* ---- constants ------------------------------------------------------------------------------- */

static bool string_literal(struct str t, struct constant *k)
{
	if (t.n < 2 || t.p[0] != '"' || t.p[t.n - 1] != '"' || memchr(t.p + 1, '"', t.n - 2) ||
	    memchr(t.p, '\\', t.n))
		return false;
	k->is_str = true;
	k->text = (struct str){t.p + 1, t.n - 2};
	return true;
}

static bool evaluate(struct sema *s, struct cmacro *m)
{
	struct buf b = BUF_INIT;
	struct cvalue v = {1, false, true};
	struct str t;
	bool ok;

	cpp_expand(s->cpp, m->name, &b);
	t = str_trim((struct str){buf_cstr(&b), b.n});
	ok = string_literal((struct str){arena_strndup(s->a, t.p, t.n), t.n}, &m->constant) ||
	     !m->body.n || cexpr_value(s, t, false, &v);
	buf_release(&b);
	m->constant.name = m->name;
	m->constant.value = v.value;
	m->constant.is_unsigned = v.is_unsigned;
	m->constant.narrow = v.narrow;
	m->constant.negative = !v.is_unsigned && (int64_t)v.value < 0;
	return ok;
}

const struct constant *sema_c_constant(struct sema *s, struct str name)
{
	struct cmacro *m = strmap_get(&s->cpp->macros, name);

	if (!m || m->fn)
		return NULL;
	if (m->state == CONST_UNKNOWN) {
		m->state = CONST_BUSY;
		m->state = evaluate(s, m) ? CONST_YES : CONST_NO;
	}
	return m->state == CONST_YES ? &m->constant : NULL;
}

void sema_nearest_c(struct sema *s, struct nearest *n)
{
	STRMAP_EACH (it, &s->cpp->macros)
		if (it->value)
			nearest_try(n, it->key);
}

/* ---- macros that are expressions --------------------------------------------------------------
 */

/* `macro NAME(a, b) { BODY }`, when the language can read that. */
static const char *as_script(struct sema *s, const struct cmacro *m)
{
	struct buf b = BUF_INIT;
	const char *text;

	buf_printf(&b, "macro %.*s(", STR_ARG(m->name));
	for (unsigned i = 0; i < m->nparams; i++)
		buf_printf(&b, "%s%.*s", i ? ", " : "", STR_ARG(m->params[i]));
	buf_printf(&b, ") { %.*s }", STR_ARG(m->body));
	text = arena_strndup(s->a, buf_cstr(&b), b.n);
	buf_release(&b);
	return text;
}

static const struct macro_decl *parse_macro(struct sema *s, struct diag *d, const char *name,
					    const char *text)
{
	uint32_t file = diag_add_source(d, name, str_of(text));
	struct script *script = lang_parse(s->a, d, file);

	return script->macros.n == 1 && !script->probes.n ? &script->macros.v[0] : NULL;
}

const struct macro_decl *sema_c_macro(struct sema *s, struct str name, bool call)
{
	struct cmacro *m = strmap_get(&s->cpp->macros, name);
	struct diag *probe;
	const char *text, *from;

	if (!m || m->failed || m->fn != call || !m->body.n || (!call && sema_c_constant(s, name)))
		return NULL;
	text = as_script(s, m);
	from = arena_printf(s->a, "#define %.*s", STR_ARG(name));
	probe = diag_new(s->a);
	m->failed = !parse_macro(s, probe, from, text) || diag_errors(probe);
	return m->failed ? NULL : parse_macro(s, s->in->diag, from, text);
}

/* ---- the whole section ------------------------------------------------------------------------
 */

void sema_note_header(struct sema *s, struct diag_msg *m)
{
	if (s->missing_header.n)
		diag_note(m, "the header <%.*s> was not found: -I names more directories",
			  STR_ARG(s->missing_header));
}

void cpp_missing(struct cpp *c, struct str name)
{
	struct diag_msg *m = sema_report(c->s, E_IMPORT, c->at, "there is no header %.*s",
					 STR_ARG(name));

	diag_help(
		m,
		"headers in \"…\" are looked for beside the script, and in the directories of -I");
}

static void define_all(struct cpp *c, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cpp_define(c, texts[i]);
}

/* A C library leaves these to the header of the same name that comes with a compiler. */
void cpp_compiler_header(struct cpp *c, struct str name)
{
	static const char *const limits[] = {
		"CHAR_BIT 8",
		"SCHAR_MIN (-128)",
		"SCHAR_MAX 127",
		"UCHAR_MAX 255",
		"CHAR_MIN SCHAR_MIN",
		"CHAR_MAX SCHAR_MAX",
		"SHRT_MIN (-32768)",
		"SHRT_MAX 32767",
		"USHRT_MAX 65535",
		"INT_MIN (-INT_MAX - 1)",
		"INT_MAX 2147483647",
		"UINT_MAX 4294967295U",
		"LONG_MIN (-LONG_MAX - 1L)",
		"LONG_MAX 9223372036854775807L",
		"ULONG_MAX 18446744073709551615UL",
		"LLONG_MIN (-LLONG_MAX - 1LL)",
		"LLONG_MAX 9223372036854775807LL",
		"ULLONG_MAX 18446744073709551615ULL",
	};
	static const char *const booleans[] = {"bool _Bool", "__bool_true_false_are_defined 1"};

	if (str_is(name, "limits.h"))
		define_all(c, limits, ARRAY_SIZE(limits));
	else if (str_is(name, "stdbool.h"))
		define_all(c, booleans, ARRAY_SIZE(booleans));
}

/* What gcc 12 defines by itself, and what scripts of older releases of bpftrace count on. */
static const char *const predefined[] = {
	"BPFTRACE_HAVE_BTF 1",
	"__linux__ 1",
	"__linux 1",
	"__gnu_linux__ 1",
	"__unix__ 1",
	"__unix 1",
	"__ELF__ 1",
	"_LP64 1",
	"__LP64__ 1",
	"__STDC__ 1",
	"__STDC_HOSTED__ 1",
	"__STDC_VERSION__ 201710L",
	"__GNUC__ 12",
	"__GNUC_MINOR__ 2",
	"__GNUC_PATCHLEVEL__ 0",
	"__CHAR_BIT__ 8",
	"__SCHAR_MAX__ 0x7f",
	"__SHRT_MAX__ 0x7fff",
	"__INT_MAX__ 0x7fffffff",
	"__LONG_MAX__ 0x7fffffffffffffffL",
	"__LONG_LONG_MAX__ 0x7fffffffffffffffLL",
	"__WCHAR_MAX__ 0x7fffffff",
	"__WCHAR_MIN__ (-__WCHAR_MAX__ - 1)",
	"__WINT_MAX__ 0xffffffffU",
	"__LDBL_MANT_DIG__ 64",
	"__DBL_MANT_DIG__ 53",
	"__FLT_MANT_DIG__ 24",
	"__SIZE_MAX__ 0xffffffffffffffffUL",
	"__SIZEOF_SHORT__ 2",
	"__SIZEOF_INT__ 4",
	"__SIZEOF_LONG__ 8",
	"__SIZEOF_LONG_LONG__ 8",
	"__SIZEOF_POINTER__ 8",
	"__SIZEOF_SIZE_T__ 8",
	"__SIZEOF_PTRDIFF_T__ 8",
	"__SIZEOF_WCHAR_T__ 4",
	"__SIZEOF_WINT_T__ 4",
	"__SIZEOF_FLOAT__ 4",
	"__SIZEOF_DOUBLE__ 8",
	"__SIZEOF_LONG_DOUBLE__ 16",
	"__SIZEOF_INT128__ 16",
	"__BIGGEST_ALIGNMENT__ 16",
	"__ORDER_LITTLE_ENDIAN__ 1234",
	"__ORDER_BIG_ENDIAN__ 4321",
	"__ORDER_PDP_ENDIAN__ 3412",
	"__BYTE_ORDER__ 1234",
	"__FLOAT_WORD_ORDER__ 1234",
	"__SIZE_TYPE__ unsigned long",
	"__PTRDIFF_TYPE__ long",
	"__WCHAR_TYPE__ int",
	"__WINT_TYPE__ unsigned int",
	"__INTPTR_TYPE__ long",
	"__UINTPTR_TYPE__ unsigned long",
	"__INT8_TYPE__ signed char",
	"__INT16_TYPE__ short",
	"__INT32_TYPE__ int",
	"__INT64_TYPE__ long",
	"__UINT8_TYPE__ unsigned char",
	"__UINT16_TYPE__ unsigned short",
	"__UINT32_TYPE__ unsigned int",
	"__UINT64_TYPE__ unsigned long",
	"__INTMAX_TYPE__ long",
	"__UINTMAX_TYPE__ unsigned long",
	"__CHAR16_TYPE__ unsigned short",
	"__CHAR32_TYPE__ unsigned int",
	"__OPTIMIZE__ 1",
#if defined(__x86_64__)
	"__x86_64__ 1",
	"__x86_64 1",
	"__amd64__ 1",
	"__SSE__ 1",
	"__SSE2__ 1",
#elif defined(__aarch64__)
	"__aarch64__ 1",
#endif
/* sarg0 … sarg9, until bpftrace 0.24: what a function finds on the stack when it begins. */
#if defined(__x86_64__) /* behind the return address */
	"sarg0 (*(uint64 *)(reg(\"sp\") + 8))",
	"sarg1 (*(uint64 *)(reg(\"sp\") + 16))",
	"sarg2 (*(uint64 *)(reg(\"sp\") + 24))",
	"sarg3 (*(uint64 *)(reg(\"sp\") + 32))",
	"sarg4 (*(uint64 *)(reg(\"sp\") + 40))",
	"sarg5 (*(uint64 *)(reg(\"sp\") + 48))",
	"sarg6 (*(uint64 *)(reg(\"sp\") + 56))",
	"sarg7 (*(uint64 *)(reg(\"sp\") + 64))",
	"sarg8 (*(uint64 *)(reg(\"sp\") + 72))",
	"sarg9 (*(uint64 *)(reg(\"sp\") + 80))",
#elif defined(__aarch64__)
	"sarg0 (*(uint64 *)(reg(\"sp\") + 0))",
	"sarg1 (*(uint64 *)(reg(\"sp\") + 8))",
	"sarg2 (*(uint64 *)(reg(\"sp\") + 16))",
	"sarg3 (*(uint64 *)(reg(\"sp\") + 24))",
	"sarg4 (*(uint64 *)(reg(\"sp\") + 32))",
	"sarg5 (*(uint64 *)(reg(\"sp\") + 40))",
	"sarg6 (*(uint64 *)(reg(\"sp\") + 48))",
	"sarg7 (*(uint64 *)(reg(\"sp\") + 56))",
	"sarg8 (*(uint64 *)(reg(\"sp\") + 64))",
	"sarg9 (*(uint64 *)(reg(\"sp\") + 72))",
#endif
};

/* Moves what was read so far, with macros replaced, into the arena. */
static struct str take_text(struct cpp *c)
{
	struct str t;

	cpp_flush(c);
	t = (struct str){arena_strndup(c->s->a, buf_cstr(c->done), c->done->n), c->done->n};
	buf_reset(c->done);
	return t;
}

static void include_all(struct cpp *c)
{
	for (const char *const *f = c->s->in->includes; f && *f; f++) {
		if (!cpp_given_header(c, *f))
			diag_help(
				sema_report(c->s, E_IMPORT, NO_SPAN, "cannot read the header %s",
					    *f),
				"--include takes the path of a file, or a name in the directories "
				"of -I or of the system");
		sema_declarations(c->s, NO_SPAN, take_text(c), true);
	}
}

/* `#include "x"` and -I: the script's own; other headers only add what BTF does not know. */
static bool is_own_include(const struct c_def *d)
{
	return d->text.n && memchr(d->text.p, '"', d->text.n);
}

static void one(struct cpp *c, const struct c_def *d)
{
	c->at = d->span;
	c->path = diag_source_name(c->s->in->diag, d->span.file);
	cpp_run(c, d->text);
	if (!c->out->n && !c->done->n)
		return;
	if (d->kind == C_PREPROCESSOR)
		sema_declarations(c->s, d->span, take_text(c),
				  is_own_include(d) || c->s->in->include_dirs);
	else
		sema_ctype(c->s, d->span, take_text(c));
}

void sema_cdefs(struct sema *s)
{
	struct buf out = BUF_INIT, done = BUF_INIT;

	s->cpp = arena_new_of(s->a, struct cpp);
	s->cpp->s = s;
	s->cpp->out = &out;
	s->cpp->done = &done;
	strmap_init(&s->cpp->typedefs, s->a);
	strmap_init(&s->cpp->aligns, s->a);
	strmap_init(&s->cpp->macros, s->a);
	strmap_init(&s->cpp->once, s->a);
	define_all(s->cpp, predefined, ARRAY_SIZE(predefined));
	include_all(s->cpp);
	VEC_EACH (struct c_def, d, &s->in->script->c_defs)
		one(s->cpp, d);
	buf_release(&out);
	buf_release(&done);
	s->cpp->out = s->cpp->done = NULL;
}
