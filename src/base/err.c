/* Errors of the environment as values; see err.h for the contract.
 *
 * The text grows from the inside out: err_set writes "action object: cause", each err_wrap puts
 * "outer action: " in front. What does not fit is cut at the end, so the outermost context, which
 * the user recognises, survives. The hint is set once, by whoever knows best: an outer err_hint
 * replaces an inner one.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static void append_cause(struct err *e)
{
	size_t n = strlen(e->what);

	snprintf(e->what + n, sizeof(e->what) - n, ": %s", strerror(e->code));
}

static void set_text(struct err *e, int code, const char *fmt, va_list ap)
{
	e->code = code;
	e->hint[0] = 0;
	vsnprintf(e->what, sizeof(e->what), fmt, ap);
}

/* A failure without a code is still a failure: callers test for a negative result. */
static int valid_code(int code)
{
	if (code < 0)
		code = -code;
	return code ? code : EIO;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	code = valid_code(code);
	if (!e)
		return -code;
	va_start(ap, fmt);
	set_text(e, code, fmt, ap);
	va_end(ap);
	append_cause(e);
	return -code;
}

int err_plain(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	code = valid_code(code);
	if (!e)
		return -code;
	va_start(ap, fmt);
	set_text(e, code, fmt, ap);
	va_end(ap);
	return -code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char outer[sizeof(e->what)];
	char inner[sizeof(e->what)];
	va_list ap;

	if (!e)
		return -EIO;
	va_start(ap, fmt);
	vsnprintf(outer, sizeof(outer), fmt, ap);
	va_end(ap);
	memcpy(inner, e->what, sizeof(inner));
	inner[sizeof(inner) - 1] = 0;
	e->code = valid_code(e->code);
	if (snprintf(e->what, sizeof(e->what), "%s: %s", outer, inner) >= (int)sizeof(e->what))
		memcpy(e->what + sizeof(e->what) - 4, "...", 4);
	return -e->code;
}

void err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
}

void err_clear(struct err *e)
{
	if (!e)
		return;
	e->code = 0;
	e->what[0] = 0;
	e->hint[0] = 0;
}

_Noreturn void bug_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "awl: internal error at %s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
