/* Addresses of networks and byte order: ntop, pton, macaddr, bswap.
 *
 *      inet_t   | u32 family | u8 address[16] |     20 bytes; an IPv4 address takes the first four
 * of 16 mac_t    | u8 address[6] |
 *
 * Both are in network byte order as they were found, so that they can be keys, and become text when
 * they are printed. */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "builtin/builtin_priv.h"

/* ---- views ------------------------------------------------------------------------------- */

static void text_inet(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	uint32_t family = builtin_u32(v);
	char text[INET6_ADDRSTRLEN];

	if ((family == AF_INET || family == AF_INET6) &&
	    inet_ntop((int)family, (const char *)v + 4, text, sizeof(text)))
		buf_adds(out, text);
	else
		buf_printf(out, "unknown address family %u", family);
}

static void text_mac(struct render *r, const struct type *t, const void *v, struct buf *out)
{
	const uint8_t *m = v;

	buf_printf(out, "%02X:%02X:%02X:%02X:%02X:%02X", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static int compare_inet(const void *a, const void *b)
{
	return memcmp(a, b, 20);
}

static int compare_mac(const void *a, const void *b)
{
	return memcmp(a, b, 6);
}

const struct view view_inet = {
	.name = "inet_t", .size = 20, .align = 4, .text = text_inet, .compare = compare_inet};
const struct view view_mac = {
	.name = "mac_t", .size = 6, .align = 1, .text = text_mac, .compare = compare_mac};

/* ---- ntop -------------------------------------------------------------------------------- */

/* 4, 16, or 0: neither. */
static uint32_t address_size(const struct type *t)
{
	if (type_is_integer(t))
		return 4;
	if (t->kind == TYPE_ARRAY || t->kind == TYPE_STRING || t->kind == TYPE_STRUCT)
		return t->size == 4 || t->size == 16 ? t->size : 0;
	return 0;
}

static void check_ntop(struct sema *s, struct expr *e)
{
	size_t last = builtin_nargs(e) - 1;

	e->type = type_view(sema_types(s), &view_inet, 0);
	if (last && builtin_known(e, 0))
		sema_arg_int(s, e, 0);
	if (builtin_known(e, last) && !address_size(builtin_argtype(e, last)))
		builtin_bad_arg(s, e, last, "an integer or an array of 4 or 16 bytes");
}

/* Without a family an address of 16 bytes is IPv6, one of 4 bytes or an integer IPv4. */
static struct val lower_ntop(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	size_t last = builtin_nargs(e) - 1;
	struct expr *addr = builtin_arg(e, last);
	uint32_t size = address_size(addr->type);
	ir_val family = last ? gen_scalar(g, builtin_arg(e, 0))
			     : ir_const(b, size == 16 ? AF_INET6 : AF_INET);
	struct val dst;

	if (type_is_integer(addr->type)) {
		ir_val v = gen_scalar(g, addr);

		dst = builtin_place(g, e, want);
		builtin_put(g, dst, 4, 4, v);
	} else {
		struct val a = gen_to_bpf(g, gen_expr(g, addr));

		dst = builtin_place(g, e, want);
		ir_copy(b, dst.v, dst.off + 4, a.v, a.off, size, 1);
	}
	builtin_put(g, dst, 4, 0, family);
	if (size == 4)
		ir_zero(b, dst.v, dst.off + 8, 12, 4);
	return dst;
}

/* ---- pton -------------------------------------------------------------------------------- */

struct address {
	uint8_t bytes[16];
	uint32_t size;
};

static void check_pton(struct sema *s, struct expr *e)
{
	struct call_sem *c = sema_call(s, e);
	struct types *ts = sema_types(s);
	struct address *a = c->data;
	struct str text;
	const char *z;

	if (!a)
		a = c->data = arena_new_of(sema_arena(s), struct address);
	a->size = 4;
	if (sema_literal_str(s, e, 0, &text)) {
		z = arena_strndup(sema_arena(s), text.p, text.n);
		if (inet_pton(AF_INET6, z, a->bytes) == 1)
			a->size = 16;
		else if (inet_pton(AF_INET, z, a->bytes) != 1)
			diag_help(sema_report(s, E_ARG_TYPE, builtin_arg(e, 0)->span,
					      "\"%s\" is not an IP address", z),
				  "pton() takes \"192.0.2.1\" or \"2001:db8::1\"");
	}
	e->type = type_array(ts, type_int(ts, 1, false), a->size);
}

static struct val lower_pton(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	const struct address *a = ((struct call_sem *)e->sem)->data;
	struct val dst = builtin_place(g, e, want);

	for (uint32_t i = 0; i < a->size; i++)
		builtin_put(g, dst, 1, (int32_t)i, ir_const(b, a->bytes[i]));
	return dst;
}

/* ---- macaddr ----------------------------------------------------------------------------- */

/* Six pairs of hexadecimal digits with colons between; c->data keeps the bytes. */
static void check_mac_text(struct sema *s, struct expr *e, struct str text)
{
	struct call_sem *c = sema_call(s, e);
	const char *z = arena_strndup(sema_arena(s), text.p, text.n);
	unsigned v[6];
	int end = 0;
	uint8_t *bytes = c->data ? c->data : arena_array_of(sema_arena(s), uint8_t, 6);

	c->data = bytes;
	if (text.n != 17 || strspn(z, "0123456789abcdefABCDEF:") != 17 ||
	    sscanf(z, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		   &end) != 6 ||
	    end != 17) {
		diag_help(sema_report(s, E_ARG_TYPE, builtin_arg(e, 0)->span,
				      "\"%s\" is not the address of a network card", z),
			  "macaddr() takes \"02:00:5e:10:00:ff\", six bytes, or a pointer to them");
		return;
	}
	for (unsigned i = 0; i < 6; i++)
		bytes[i] = (uint8_t)v[i];
}

static void check_macaddr(struct sema *s, struct expr *e)
{
	const struct type *t = builtin_argtype(e, 0);
	struct str text;

	e->type = type_view(sema_types(s), &view_mac, 0);
	if (builtin_arg(e, 0)->kind == EXPR_STR && sema_literal_str(s, e, 0, &text)) {
		check_mac_text(s, e, text);
		return;
	}
	if (t->kind == TYPE_POISON || t->kind == TYPE_PTR)
		return;
	if ((t->kind != TYPE_ARRAY && t->kind != TYPE_STRING) || t->size != 6)
		builtin_bad_arg(s, e, 0, "an array of 6 bytes, a pointer to one or a text");
}

static struct val lower_macaddr(struct gen *g, struct expr *e, struct val want)
{
	const uint8_t *bytes = ((struct call_sem *)e->sem)->data;
	struct expr *a = builtin_arg(e, 0);
	struct val dst, src;
	enum space space;
	ir_val p;

	if (bytes) {
		dst = builtin_place(g, e, want);
		for (int32_t i = 0; i < 6; i++)
			builtin_put(g, dst, 1, i, ir_const(gen_ir(g), bytes[i]));
		return dst;
	}
	if (a->type->kind == TYPE_PTR) {
		p = builtin_pointer(g, a, &space);
		dst = builtin_place(g, e, want);
		gen_read(g, builtin_addr(g, dst, 0), 6, p, space);
		return dst;
	}
	src = gen_to_bpf(g, gen_expr(g, a));
	dst = builtin_place(g, e, want);
	ir_copy(gen_ir(g), dst.v, dst.off, src.v, src.off, 6, 1);
	return dst;
}

/* ---- bswap ------------------------------------------------------------------------------- */

static void check_bswap(struct sema *s, struct expr *e)
{
	const struct type *t = builtin_argtype(e, 0);

	if (t->kind == TYPE_POISON || !sema_arg_int(s, e, 0)) {
		e->type = &type_poison;
		return;
	}
	builtin_set_int(s, e, t->size, false);
}

static struct val lower_bswap(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	ir_val v = gen_scalar(g, builtin_arg(e, 0));
	unsigned size = e->type->size;

	return val_scalar(e->type, size == 1 ? ir_zext(b, v, 1) : ir_bswap(b, v, size));
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_net[] = {
	{
		.name = "ntop",
		.proto = "inet_t ntop([int af,] int addr | uint8 addr[4] | uint8 addr[16])",
		.doc = "An IP address as text.\n\n"
		       "Without the family af, an integer or four bytes are IPv4 and sixteen are "
		       "IPv6. The address is in\n"
		       "network byte order, as it is in kernel structures.\n\n"
		       "    tracepoint:sock:inet_sock_set_state { printf(\"%s\\n\", "
		       "ntop(args.saddr)); }\n",
		.examples = EXAMPLES("begin { printf(\"%s\\n\", ntop(0x0100007f)); exit(); }",
				     "begin { printf(\"%s\\n\", ntop(2, 0x0100007f)); exit(); }",
				     "begin { @[ntop(pton(\"::1\"))] = count(); exit(); }"),
		.min_args = 1,
		.max_args = 2,
		.check = check_ntop,
		.lower = lower_ntop,
	},
	{
		.name = "pton",
		.proto = "uint8[4] | uint8[16] pton(const string addr)",
		.doc = "An IP address as bytes, from text; a constant.\n\n"
		       "    begin { printf(\"%s\\n\", ntop(pton(\"127.0.0.1\"))); exit(); }\n",
		.examples = EXAMPLES(
			"begin { printf(\"%s\\n\", ntop(pton(\"127.0.0.1\"))); exit(); }"),
		.flags = BI_FILLS,
		.min_args = 1,
		.max_args = 1,
		.check = check_pton,
		.lower = lower_pton,
	},
	{
		.name = "macaddr",
		.proto = "mac_t macaddr(uint8 addr[6] | string literal)",
		.doc = "The address of a network card, shown as text: of six bytes, of a pointer "
		       "to "
		       "them, or of a text, to compare with.\n\n"
		       "    begin { if (macaddr(curtask) == macaddr(\"02:00:5e:10:00:ff\")) { "
		       "print(1); } exit(); }\n",
		.examples = EXAMPLES("begin { printf(\"%s\\n\", macaddr(curtask)); exit(); }",
				     "begin { print(macaddr(\"02:00:5e:10:00:ff\")); exit(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_macaddr,
		.lower = lower_macaddr,
	},
	{
		.name = "bswap",
		.proto = "uintN bswap(uintN n)",
		.doc = "Reverses the bytes of an integer of 2, 4 or 8 bytes.\n\n"
		       "    begin { printf(\"%x\\n\", bswap((uint16)0x1234)); exit(); }\n",
		.examples = EXAMPLES("begin { printf(\"%x\\n\", bswap((uint16)0x1234)); exit(); }"),
		.min_args = 1,
		.max_args = 1,
		.check = check_bswap,
		.lower = lower_bswap,
	},
	BUILTIN_END,
};
