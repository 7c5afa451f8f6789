/* skboutput: packets to a capture file.
 *
 * The record that the kernel puts in front of the packet's bytes (perf event, see
 * runtime/packets.c):
 *
 *   | u32 id | . | u64 ns since boot | u32 captured | u32 on the wire | u32 at | u16 link | u16 net
 * |
 *
 * `at` is where the packet's data begins, `link` and `net` where the headers of the link layer and
 * of IP do, all from the start of the packet's buffer: with them the reader knows what the bytes
 * that were asked for begin with.
 *
 * Example: `rawtracepoint:net_dev_queue { skboutput("out.pcap", args.skb, 128, 0); }` */
#include <linux/bpf.h>
#include <string.h>
#include "builtin/builtin_priv.h"

enum { F_NS, F_CAPTURED, F_WIRE, F_AT, F_LINK, F_NET, NFIELDS };

#define LINK_UNSET   0xffff /* what the kernel has while there is no such header */
#define CAPTURE_MAX  65535u
#define RECORD_SLACK 256 /* what else is in a record of the perf event, at most 64 KiB */

/* ---- the reader -------------------------------------------------------------------------- */

static uint32_t field(const struct event_def *def, const void *rec, unsigned i)
{
	uint32_t v = 0;

	memcpy(&v, (const char *)rec + def->fields[i].off,
	       MIN(def->fields[i].type->size, (uint32_t)sizeof(v)));
	return v;
}

static bool begins_with_link(uint32_t at, uint32_t link, uint32_t net)
{
	if (link == LINK_UNSET)
		return at < net;
	return at <= link && link != net;
}

static void handle_skboutput(struct host *h, const struct event_def *def, const void *rec,
			     size_t len)
{
	size_t skip = (size_t)def->num[0], room = len - def->size;
	uint32_t captured = (uint32_t)MIN((size_t)field(def, rec, F_CAPTURED), room);
	uint32_t at = field(def, rec, F_AT) + (uint32_t)skip, wire = field(def, rec, F_WIRE);
	const uint8_t *bytes = (const uint8_t *)rec + def->size;

	if (captured <= skip)
		return;
	h->packet(h, def,
		  &(struct packet){
			  .ns = builtin_u64((const char *)rec + def->fields[F_NS].off),
			  .bytes = bytes + skip,
			  .n = captured - (uint32_t)skip,
			  .wire = MAX(wire, captured) - (uint32_t)skip,
			  .link = begins_with_link(at, field(def, rec, F_LINK),
						   field(def, rec, F_NET)),
		  });
}

const struct event_kind kind_skboutput = {.name = "skboutput",
					  .handle = handle_skboutput,
					  .captures = true,
					  .needs = EVENT_TEXT,
					  .min_fields = NFIELDS,
					  .first_size = 8};

/* ---- checking ---------------------------------------------------------------------------- */

static struct event_def *make_event(struct sema *s, struct expr *e)
{
	const struct type *u16 = type_int(sema_types(s), 2, false);
	const struct type *u32 = type_int(sema_types(s), 4, false);
	const struct type *fields[NFIELDS] = {[F_NS] = type_int(sema_types(s), 8, false),
					      [F_CAPTURED] = u32,
					      [F_WIRE] = u32,
					      [F_AT] = u32,
					      [F_LINK] = u16,
					      [F_NET] = u16};

	return sema_event(s, e, &kind_skboutput, fields, NFIELDS);
}

static bool is_skb(const struct type *t)
{
	return t->kind == TYPE_PTR && t->ptr.to->kind == TYPE_STRUCT && t->ptr.to->agr.name &&
	       strcmp(t->ptr.to->agr.name, "sk_buff") == 0;
}

static void check_skb(struct sema *s, struct expr *e)
{
	const struct type *t = builtin_argtype(e, 1);
	const struct probe *p = sema_probe(s);
	struct diag_msg *m;

	if (!builtin_known(e, 1))
		return;
	if (!is_skb(t)) {
		builtin_bad_arg(s, e, 1, "a struct sk_buff *");
	} else if (p && p->prog_type != BPF_PROG_TYPE_TRACING) {
		m = sema_report(s, E_CALL_CONTEXT, e->span,
				"skboutput() is not possible in a %s probe", p->prov->name);
		diag_help(m,
			  "the kernel allows it in fentry, fexit and in rawtracepoint with args");
	} else if (t->ptr.space != SPACE_BTF) {
		m = sema_report(s, E_ARG_TYPE, builtin_arg(e, 1)->span,
				"skboutput() needs a packet as the kernel gave it");
		diag_help(m,
			  "take it from args at the place of the call, without variable or cast");
	}
}

static void check_skboutput(struct sema *s, struct expr *e)
{
	struct event_def *def = make_event(s, e);
	int64_t offset = 0;
	struct str path;

	builtin_set_int(s, e, 4, false);
	sema_need_packets(s);
	check_skb(s, e);
	if (builtin_known(e, 2))
		sema_arg_int(s, e, 2);
	if (sema_literal_str(s, e, 0, &path) && def)
		def->text = arena_strndup(sema_arena(s), path.p, path.n);
	if (sema_literal_int(s, e, 3, &offset) && (offset < 0 || offset > (int64_t)CAPTURE_MAX))
		sema_report(s, E_RANGE, builtin_arg(e, 3)->span,
			    "skboutput() takes an offset from 0 to %u, got %" PRId64, CAPTURE_MAX,
			    offset);
	if (def)
		def->num[0] = offset;
}

/* ---- generating -------------------------------------------------------------------------- */

static ir_val skb_field(struct gen *g, ir_val skb, const char *name)
{
	struct types *ts = gen_types(g);
	struct member m = {0};

	if (!type_member(ts, type_lookup(ts, LOOKUP_STRUCT, STR("sk_buff")), str_of(name), &m))
		return ir_const(gen_ir(g), 0);
	return gen_load(g, val_mem(m.type, skb, (int32_t)m.offset, SPACE_BTF));
}

static void put_field(struct gen *g, const struct event_def *def, struct val rec, unsigned i,
		      ir_val v)
{
	builtin_put(g, rec, def->fields[i].type->size, (int32_t)def->fields[i].off, v);
}

/* Fills the record; how many bytes of the packet belong behind it. */
static ir_val fill(struct gen *g, const struct event_def *def, struct val rec, ir_val skb,
		   ir_val want)
{
	struct ir *b = gen_ir(g);
	ir_val wire = skb_field(g, skb, "len"), n = ir_bound(b, want, CAPTURE_MAX - RECORD_SLACK);
	struct ir_block *less = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell captured = ir_cell_new(b, "captured", false);

	ir_set(b, captured, n);
	ir_br(b, ir_bin(b, IR_ULT, wire, n), less, done, IR_LIKELY_EVEN);
	ir_at(b, less);
	ir_set(b, captured, wire);
	ir_jmp(b, done);
	ir_at(b, done);
	builtin_put(g, rec, 4, 0, ir_const(b, def->id));
	put_field(g, def, rec, F_NS, IR_CALL0(b, BPF_FUNC_ktime_get_boot_ns));
	put_field(g, def, rec, F_CAPTURED, ir_get(b, captured));
	put_field(g, def, rec, F_WIRE, wire);
	put_field(g, def, rec, F_AT,
		  ir_bin(b, IR_SUB, skb_field(g, skb, "data"), skb_field(g, skb, "head")));
	put_field(g, def, rec, F_LINK, skb_field(g, skb, "mac_header"));
	put_field(g, def, rec, F_NET, skb_field(g, skb, "network_header"));
	return ir_get(b, captured);
}

static struct val lower_skboutput(struct gen *g, struct expr *e, struct val want)
{
	struct ir *b = gen_ir(g);
	const struct event_def *def = ((struct call_sem *)e->sem)->event;
	struct ir_block *some = ir_block_new(b, NULL), *done = ir_block_new(b, NULL);
	ir_cell result = ir_cell_new(b, "result", false);
	ir_val length = gen_scalar(g, builtin_arg(e, 2)), captured;
	struct val skb = gen_expr(g, builtin_arg(e, 1));
	struct val rec = gen_temp_bytes(g, def->size, 8, true);

	ir_set(b, result, ir_const(b, 0));
	if (skb.kind == VAL_MEM)
		skb.v = ir_load_ptr(b, skb.v, skb.off);
	ir_br(b, skb.v, some, done, IR_LIKELY_YES);
	ir_at(b, some);
	skb.v = ir_nonnull(b, skb.v);
	captured = fill(g, def, rec, skb.v, length);
	captured = ir_bin(b, IR_OR, ir_bini(b, IR_SHL, captured, 32),
			  ir_const(b, (int64_t)BPF_F_CURRENT_CPU));
	ir_set(b, result,
	       IR_CALL(b, BPF_FUNC_skb_output, skb.v, gen_map_ref(g, gen_input(g)->maps.packets),
		       captured, builtin_addr(g, rec, 0), ir_const(b, def->size)));
	ir_jmp(b, done);
	ir_at(b, done);
	return val_scalar(e->type, ir_zext(b, ir_get(b, result), 4));
}

/* ---- rows -------------------------------------------------------------------------------- */

const struct builtin builtins_packet[] = {
	{
		.name = "skboutput",
		.proto = "uint32 skboutput(const string file, struct sk_buff *skb, uint32 length, "
			 "const int offset)",
		.doc = "Writes a packet to a capture file, for tcpdump or Wireshark.\n\n"
		       "At most `length` bytes of it, without the first `offset` of them. The file "
		       "is made anew. 0, or an\n"
		       "error of the kernel. Possible in fentry, fexit and rawtracepoint. The "
		       "first packet says what\n"
		       "the packets of a file begin with: the link layer's header, or that of "
		       "IP.\n\n"
		       "    rawtracepoint:net_dev_queue { skboutput(\"sent.pcap\", args.skb, 128, "
		       "0); }\n",
		.examples = EXAMPLES("rawtracepoint:net_dev_queue { skboutput(\"/tmp/sent.pcap\", "
				     "args.skb, 128, 0); }",
				     "rawtracepoint:netif_receive_skb { $r = "
				     "skboutput(\"/tmp/got.pcap\", args.skb, args.skb.len, 0); "
				     "print($r); }"),
		.flags = BI_EFFECT,
		.min_args = 4,
		.max_args = 4,
		.needs = FEATURE_BTF,
		.check = check_skboutput,
		.lower = lower_skboutput,
	},
	BUILTIN_END,
};
