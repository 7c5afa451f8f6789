/* Texts that values of Go have by their String() and Error() methods, which cannot be called: those
 * of the standard library's types, by what is known of their fields.
 *
 *   *io/fs.PathError    {Op} {Path}: {Err}       open /none: no such file or directory
 *   time.Duration                                1.5s
 *   net.IP                                       192.0.2.1
 *
 * In a form, {F} is the field F, {F.G} a field of that, {F:q} quoted, {} the value itself. A type
 * whose fields are not those of its form is shown like any other. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "builtin/govalue.h"

/* ---- forms --------------------------------------------------------------------------------------
 */

static const struct {
	const char *type, *form;
} forms[] = {
	{"*errors.errorString", "{s}"},
	{"*fmt.wrapError", "{msg}"},
	{"*fmt.wrapErrors", "{msg}"},
	{"*io/fs.PathError", "{Op} {Path}: {Err}"},
	{"*os.PathError", "{Op} {Path}: {Err}"},
	{"*os.SyscallError", "{Syscall}: {Err}"},
	{"*os.LinkError", "{Op} {Old} {New}: {Err}"},
	{"*os/exec.Error", "exec: {Name:q}: {Err}"},
	{"*net/url.Error", "{Op} {URL:q}: {Err}"},
	{"*strconv.NumError", "strconv.{Func}: parsing {Num:q}: {Err}"},
	{"*encoding/json.SyntaxError", "{msg}"},
	{"*net.ParseError", "invalid {Type}: {Text}"},
	{"*net.timeoutError", "i/o timeout"},
	{"*internal/poll.DeadlineExceededError", "i/o timeout"},
	{"internal/poll.errNetClosing", "use of closed network connection"},
	{"context.deadlineExceededError", "context deadline exceeded"},
	{"context.backgroundCtx", "context.Background"},
	{"context.todoCtx", "context.TODO"},
	{"*context.emptyCtx", "context.emptyCtx"}, /* up to 1.20 both are one type */
	{"*context.cancelCtx", "{Context}.WithCancel"},
	{"*context.timerCtx", "{cancelCtx.Context}.WithDeadline({deadline})"},
	{"context.withoutCancelCtx", "{c}.WithoutCancel"},
	{"*context.afterFuncCtx", "{cancelCtx.Context}.AfterFunc"},
	{"*net/http.contextKey", "net/http context value {name}"},
	{"runtime.errorString", "runtime error: {}"},
	{"runtime.plainError", "{}"},
};

/* Does the form's field exist, up to the next `}`? */
static bool form_field(const struct goshow *s, struct gopart p, const char *from, bool *quoted,
		       struct gopart *out)
{
	size_t n = strcspn(from, ":}");
	struct str path = {from, n};
	char name[32];

	*quoted = from[n] == ':';
	*out = p;
	while (path.n) {
		struct str field = str_cut(&path, '.');

		snprintf(name, sizeof(name), "%.*s", STR_ARG(field));
		if (!goshow_member(s, *out, name, out))
			return false;
	}
	return true;
}

static bool form_fits(const struct goshow *s, struct gopart p, const char *form)
{
	struct gopart field;
	bool quoted;

	for (const char *c = strchr(form, '{'); c; c = strchr(c + 1, '{'))
		if (!form_field(s, p, c + 1, &quoted, &field))
			return false;
	return true;
}

/* `{}`: the bytes of a type that has a form are shown by kind, or this would never end. */
static void show_plain(struct goshow *s, struct gopart p)
{
	struct gotype plain = *p.t;

	plain.name = "";
	goshow_value(s, (struct gopart){&plain, p.off, p.n});
}

static void show_form(struct goshow *s, struct gopart p, const char *form)
{
	for (const char *c = form; *c; c++) {
		struct gopart field;
		bool quoted;

		if (*c != '{') {
			buf_addc(s->out, *c);
			continue;
		}
		if (!form_field(s, p, c + 1, &quoted, &field))
			return;
		buf_adds(s->out, quoted ? "\"" : "");
		if (field.off == p.off && field.t == p.t)
			show_plain(s, field);
		else
			goshow_value(s, field);
		buf_adds(s->out, quoted ? "\"" : "");
		c = strchr(c, '}');
	}
}

static const char *form_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (!strcmp(forms[i].type, name))
			return forms[i].form;
	return NULL;
}

static bool by_form(struct goshow *s, struct gopart p, const char *form)
{
	if (!form_fits(s, p, form))
		return false;
	show_form(s, p, form);
	return true;
}

/* ---- times --------------------------------------------------------------------------------------
 */

/* Without the zeros behind the last digit: 1.5 of 1500 thousandths. */
static void add_fraction(struct buf *out, uint64_t v, unsigned digits)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%0*" PRIu64, (int)digits, v);

	while (n > 0 && text[n - 1] == '0')
		n--;
	if (n)
		buf_printf(out, ".%.*s", n, text);
}

static bool show_duration(struct goshow *s, struct gopart p)
{
	int64_t v = (int64_t)goshow_word(s, p.off);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v, sec = u / 1000000000;

	if (p.t->kind != GO_INT64)
		return false;
	buf_adds(s->out, v < 0 ? "-" : "");
	if (u < 1000000000) {
		unsigned digits = u < 1000 ? 0 : u < 1000000 ? 3 : 6;
		uint64_t unit = digits == 6 ? 1000000 : digits == 3 ? 1000 : 1;

		buf_printf(s->out, "%" PRIu64, u / unit);
		if (digits)
			add_fraction(s->out, u % unit, digits);
		buf_adds(s->out, !u ? "s" : digits == 6 ? "ms" : digits == 3 ? "µs" : "ns");
		return true;
	}
	if (sec >= 3600)
		buf_printf(s->out, "%" PRIu64 "h", sec / 3600);
	if (sec >= 60)
		buf_printf(s->out, "%" PRIu64 "m", sec / 60 % 60);
	buf_printf(s->out, "%" PRIu64, sec % 60);
	add_fraction(s->out, u % 1000000000, 9);
	buf_adds(s->out, "s");
	return true;
}

#define DAYS_TO(year) ((year)*365ll + (year) / 4 - (year) / 100 + (year) / 400)

/* { wall uint64; ext int64; loc }: with the highest bit of wall, seconds since 1885 are in it;
 * otherwise ext has those since the year 1. Always told in UTC. */
static bool show_time(struct goshow *s, struct gopart p)
{
	struct gopart wall_at, ext_at;
	uint64_t wall;
	int64_t sec;
	struct tm tm;
	time_t unix_sec;

	if (!goshow_member(s, p, "wall", &wall_at) || !goshow_member(s, p, "ext", &ext_at))
		return false;
	wall = goshow_word(s, wall_at.off);
	sec = (int64_t)goshow_word(s, ext_at.off);
	if (wall >> 63)
		sec = DAYS_TO(1884) * 86400 + (int64_t)(wall << 1 >> 31);
	if (__builtin_sub_overflow(sec, DAYS_TO(1969) * 86400, &unix_sec) ||
	    !gmtime_r(&unix_sec, &tm))
		return false;
	buf_printf(s->out, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	add_fraction(s->out, wall & ((1u << 30) - 1), 9);
	buf_adds(s->out, " +0000 UTC");
	return true;
}

/* ---- addresses of the network
 * ----------------------------------------------------------------------- */

static bool show_ip(struct goshow *s, struct gopart p)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char text[INET6_ADDRSTRLEN];
	uint64_t n = goshow_word(s, p.off + 8);
	const uint8_t *a;
	struct gopart bytes;
	uint32_t marks;

	if (p.t->kind != GO_SLICE)
		return false;
	if (!n) {
		buf_adds(s->out, "<nil>");
		return true;
	}
	if (!goshow_find(s, p.off, &bytes, &marks) || bytes.n != n || (n != 4 && n != 16))
		return false;
	a = s->rec + bytes.off;
	if (n == 16 && !memcmp(a, mapped, 12)) {
		a += 12;
		n = 4;
	}
	inet_ntop(n == 4 ? AF_INET : AF_INET6, a, text, sizeof(text));
	buf_adds(s->out, text);
	return true;
}

static void show_ip_port(struct goshow *s, struct gopart ip, struct gopart port)
{
	size_t start = s->out->n;
	bool six;

	if (goshow_word(s, ip.off + 8))
		goshow_value(s, ip);
	six = memchr(s->out->p + start, ':', s->out->n - start) != NULL;
	if (six) {
		char text[INET6_ADDRSTRLEN];

		snprintf(text, sizeof(text), "%.*s", (int)(s->out->n - start), s->out->p + start);
		s->out->n = start;
		buf_printf(s->out, "[%s]", text);
	}
	buf_printf(s->out, ":%" PRId64, (int64_t)goshow_word(s, port.off));
}

/* *net.TCPAddr, *net.UDPAddr: without a zone, which would stand in between. */
static bool show_endpoint(struct goshow *s, struct gopart p)
{
	struct gopart ip, port, zone;

	if (!goshow_member(s, p, "IP", &ip) || !goshow_member(s, p, "Port", &port) ||
	    !goshow_member(s, p, "Zone", &zone) || goshow_word(s, zone.off + 8))
		return false;
	show_ip_port(s, ip, port);
	return true;
}

/* ---- errors that are more than a form
 * ---------------------------------------------------------------- */

static bool show_errno(struct goshow *s, struct gopart p)
{
	uint64_t v = goshow_word(s, p.off);
	const char *text = v && v < 4096 ? strerrordesc_np((int)v) : NULL;

	if (p.t->size != 8)
		return false;
	if (!text) {
		buf_printf(s->out, "errno %" PRIu64, v);
		return true;
	}
	/* Go's texts are these, in lower case but for abbreviations. */
	buf_addc(s->out,
		 islower((unsigned char)text[1]) ? (char)tolower((unsigned char)text[0]) : text[0]);
	buf_adds(s->out, text + 1);
	return true;
}

static bool is_set(const struct goshow *s, struct gopart p)
{
	return goshow_word(s, p.off) != 0;
}

static bool show_op_error(struct goshow *s, struct gopart p)
{
	struct gopart op, net, source, addr, err;

	if (!goshow_member(s, p, "Op", &op) || !goshow_member(s, p, "Net", &net) ||
	    !goshow_member(s, p, "Source", &source) || !goshow_member(s, p, "Addr", &addr) ||
	    !goshow_member(s, p, "Err", &err))
		return false;
	goshow_value(s, op);
	if (goshow_word(s, net.off + 8)) {
		buf_addc(s->out, ' ');
		goshow_value(s, net);
	}
	if (is_set(s, source)) {
		buf_addc(s->out, ' ');
		goshow_value(s, source);
	}
	if (is_set(s, addr)) {
		buf_adds(s->out, is_set(s, source) ? "->" : " ");
		goshow_value(s, addr);
	}
	buf_adds(s->out, ": ");
	goshow_value(s, err);
	return true;
}

static bool show_dns_error(struct goshow *s, struct gopart p)
{
	struct gopart err, name, server;

	if (!goshow_member(s, p, "Err", &err) || !goshow_member(s, p, "Name", &name) ||
	    !goshow_member(s, p, "Server", &server))
		return false;
	buf_adds(s->out, "lookup ");
	goshow_value(s, name);
	if (goshow_word(s, server.off + 8)) {
		buf_adds(s->out, " on ");
		goshow_value(s, server);
	}
	buf_adds(s->out, ": ");
	goshow_value(s, err);
	return true;
}

/* ---- contexts ----------------------------------------------------------------------------------
 */

/* The type as reflection calls it: *http.Server of *net/http.Server. */
static void add_type_name(struct goshow *s, const char *name)
{
	const char *last = strrchr(name, '/');
	size_t stars = strspn(name, "*[]");

	buf_add(s->out, name, stars);
	buf_adds(s->out, last ? last + 1 : name + stars);
}

/* A text, what has a text, or the type alone. */
static void show_named(struct goshow *s, struct gopart iface)
{
	struct gopart to;
	struct str name;
	uint32_t marks;

	if (!goshow_word(s, iface.off) || !goshow_find(s, iface.off, &to, &marks) ||
	    (marks & GO_CHUNK_FAULT))
		goshow_dynamic(s, iface);
	else if ((marks & GO_CHUNK_UNKNOWN) && gotype_name_of(s->gt, goshow_word(s, to.off), &name))
		buf_add_text(s->out, name, false);
	else if (marks & GO_CHUNK_UNKNOWN)
		goshow_dynamic(s, iface);
	else if (to.t->kind == GO_STRING && !strcmp(to.t->name, "string"))
		goshow_value(s, to);
	else if (!goshow_known(s, to))
		add_type_name(s, to.t->name);
}

static bool show_value_context(struct goshow *s, struct gopart p)
{
	struct gopart parent, key, val;

	if (!goshow_member(s, p, "Context", &parent) || !goshow_member(s, p, "key", &key) ||
	    !goshow_member(s, p, "val", &val))
		return false;
	goshow_value(s, parent);
	buf_adds(s->out, ".WithValue(");
	show_named(s, key);
	buf_adds(s->out, ", ");
	show_named(s, val);
	buf_adds(s->out, ")");
	return true;
}

/* ---- numbers that have names -------------------------------------------------------------------
 */

static bool show_month(struct goshow *s, struct gopart p)
{
	static const char *const names[] = {"January",   "February", "March",    "April",
					    "May",       "June",     "July",     "August",
					    "September", "October",  "November", "December"};
	uint64_t v = goshow_word(s, p.off);

	if (v < 1 || v > ARRAY_SIZE(names) || p.t->size != 8)
		return false;
	buf_adds(s->out, names[v - 1]);
	return true;
}

static bool show_weekday(struct goshow *s, struct gopart p)
{
	static const char *const names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
					    "Thursday", "Friday", "Saturday"};
	uint64_t v = goshow_word(s, p.off);

	if (v >= ARRAY_SIZE(names) || p.t->size != 8)
		return false;
	buf_adds(s->out, names[v]);
	return true;
}

static const struct {
	const char *type;
	bool (*show)(struct goshow *s, struct gopart p);
} special[] = {
	{"time.Duration", show_duration},
	{"time.Time", show_time},
	{"time.Month", show_month},
	{"time.Weekday", show_weekday},
	{"*context.valueCtx", show_value_context},
	{"net.IP", show_ip},
	{"syscall.Errno", show_errno},
	{"*net.TCPAddr", show_endpoint},
	{"*net.UDPAddr", show_endpoint},
	{"*net.OpError", show_op_error},
	{"*net.DNSError", show_dns_error},
};

/* What the name is of, with a pointer followed; false: it cannot be. */
static bool behind_pointer(const struct goshow *s, struct gopart *p)
{
	uint32_t marks;

	if (p->t->kind != GO_POINTER)
		return true;
	return goshow_word(s, p->off) && goshow_find(s, p->off, p, &marks) &&
	       !(marks & GO_CHUNK_FAULT);
}

bool goshow_known(struct goshow *s, struct gopart p)
{
	const char *name = p.t->name, *form;

	if (p.n < p.t->size || !strchr(name, '.'))
		return false;
	form = form_of(name);
	if (form && !strchr(form, '{') && (p.t->kind != GO_POINTER || goshow_word(s, p.off))) {
		buf_adds(s->out, form); /* whatever it is that a pointer leads to */
		return true;
	}
	if (!behind_pointer(s, &p))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		if (!strcmp(special[i].type, name))
			return special[i].show(s, p);
	return form && by_form(s, p, form);
}
