/* Errors of the environment (a system call, a file, the verifier): values with context. The library
 * never prints them. A function that can fail so takes `struct err *e` last and returns 0 or a
 * negative errno; the innermost failing function says what it did to what, callers may wrap.
 *
 *   if (fd < 0)
 *           return err_set(e, errno, "open %s", path);       // "open /x: No such file or
 * directory"
 *   ...
 *   if ((r = f(…, e)) < 0)
 *           return err_wrap(e, "attach %s", name);           // "attach …: open /x: No such …"
 *
 * Bugs of awl itself are BUG(…): file, line, abort. */
#ifndef AWL_BASE_ERR_H
#define AWL_BASE_ERR_H

struct err {
	int code;       /* positive errno, 0 when there is no error */
	char what[512]; /* action, object and cause */
	char hint[256]; /* what to do about it, or "" */
};

/* All return -code (negative), so that they can be returned directly. `e` may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Like err_set without ": strerror(code)" at the end, for causes that errno does not describe. */
int err_plain(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void err_clear(struct err *e);

_Noreturn void bug_at(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)

#endif
