/* Random expressions. Every function writes one expression of its shape.
 *
 * Two rules keep most programs valid: an operator whose constant operands could overflow or divide
 * by zero gets one operand that is not known at compile time, and names keep their shape. Example:
 *
 *   ((int8)($i2 ^ 255) <= @mi[$i0 & 3]) ? strlen($s0) : -(5 * $d1) */
#include "pick.h"

static const char *const int_types[] = {"int8",  "int16",  "int32",  "int64",
					"uint8", "uint16", "uint32", "uint64"};

const struct map_row map_rows[] = {
	{"g0", -1, SHAPE_INT, NULL},
	{"g1", -1, SHAPE_INT, NULL},
	{"gs", -1, SHAPE_STR, NULL},
	{"gp", -1, SHAPE_PAIR, NULL},
	{"gm", -1, SHAPE_MIX, NULL},
	{"gr", -1, SHAPE_REC, NULL},
	{"gn", -1, SHAPE_NEST, NULL},
	{"ii", SHAPE_INT, SHAPE_INT, NULL},
	{"ji", SHAPE_INT, SHAPE_INT, NULL},
	{"si", SHAPE_STR, SHAPE_INT, NULL},
	{"di", -2, SHAPE_INT, NULL},
	{"pi", SHAPE_PAIR, SHAPE_INT, NULL},
	{"mi", SHAPE_MIX, SHAPE_INT, NULL},
	{"ni", SHAPE_NEST, SHAPE_INT, NULL},
	{"is", SHAPE_INT, SHAPE_STR, NULL},
	{"ip", SHAPE_INT, SHAPE_PAIR, NULL},
	{"im", SHAPE_INT, SHAPE_MIX, NULL},
	{"sr", SHAPE_STR, SHAPE_REC, NULL},
	{"in", SHAPE_INT, SHAPE_NEST, NULL},
	{"ac", -1, SHAPE_INT, "count"},
	{"as", -1, SHAPE_INT, "sum"},
	{"an", -1, SHAPE_INT, "min"},
	{"ax", -1, SHAPE_INT, "max"},
	{"av", -1, SHAPE_INT, "avg"},
	{"bc", SHAPE_STR, SHAPE_INT, "count"},
	{"bs", SHAPE_INT, SHAPE_INT, "sum"},
	{"bn", SHAPE_INT, SHAPE_INT, "min"},
	{"bx", SHAPE_MIX, SHAPE_INT, "max"},
	{"bv", SHAPE_INT, SHAPE_INT, "avg"},
	{"bt", SHAPE_INT, SHAPE_INT, "stats", ""},
	{"gq", -1, SHAPE_DEEP, NULL},
	{"qi", SHAPE_DEEP, SHAPE_INT, NULL},
	{"iq", SHAPE_INT, SHAPE_DEEP, NULL},
	{"ga", -1, SHAPE_ARR, NULL},
	{"ai", SHAPE_ARR, SHAPE_INT, NULL},
	{"ia", SHAPE_INT, SHAPE_ARR, NULL},
	{"wh", -1, SHAPE_INT, "hist", ""},
	{"wk", SHAPE_STR, SHAPE_INT, "hist", ", 2"},
	{"wu", SHAPE_INT, SHAPE_INT, "hist", ", 1"},
	{"wl", -1, SHAPE_INT, "lhist", ", -20, 20, 7"},
	{"wm", SHAPE_INT, SHAPE_INT, "lhist", ", 0, 8192, 1024"},
	{"tl", -1, SHAPE_INT, "tseries", ", 10d, 5"},
	{"tn", SHAPE_INT, SHAPE_INT, "tseries", ", 10d, 3, \"min\""},
	{"tx", SHAPE_INT, SHAPE_INT, "tseries", ", 10d, 3, \"max\""},
	{"ty", -1, SHAPE_INT, "tseries", ", 10d, 1, \"sum\""},
	{"ta", SHAPE_INT, SHAPE_INT, "tseries", ", 10d, 2, \"avg\""},
};

const unsigned map_count = ARRAY_SIZE(map_rows);

/* splitmix64 */
unsigned pick_below(struct pick *p, unsigned n)
{
	uint64_t z = p->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ (z >> 31)) >> 11) % n;
}

/* ---- literals
 * ------------------------------------------------------------------------------------------ */

void pick_literal(struct pick *p)
{
	static const char *const edges[] = {
		"127",
		"128",
		"255",
		"256",
		"0xffff",
		"32768",
		"65536",
		"2147483647",
		"2147483648",
		"4294967295",
		"4294967296",
		"0x7fffffffffffffff",
		"9223372036854775808",
		"18446744073709551615",
		"-128",
		"-129",
		"-32769",
		"-2147483648",
		"-2147483649",
		"-4294967296",
		"(-9223372036854775807)",
		"1e6",
		"5us",
		"0755",
		"sizeof(uint32)",
	};

	if (pick_chance(p, 70))
		buf_printf(p->out, "%u", pick_below(p, 12));
	else if (pick_chance(p, 30))
		buf_printf(p->out, "-%u", pick_below(p, 12));
	else
		buf_adds(p->out, edges[pick_below(p, ARRAY_SIZE(edges))]);
}

void pick_text(struct pick *p)
{
	static const char *const words[] = {
		"",
		"a",
		"b",
		"ab",
		"abc",
		"x y",
		"hello",
		"seven77",
		"eight888",
		"sixteen bytes 16",
		"twenty-four characters!!",
		"a text of more than thirty-two bytes in all",
		("this one is longer: it does not fit into the small copies that "
		 "are made inline, by far")};
	unsigned n = pick_chance(p, 85) ? 9 : ARRAY_SIZE(words);

	buf_printf(p->out, "\"%s\"", words[pick_below(p, n)]);
}

/* ---- names
 * ------------------------------------------------------------------------------------------------
 */

static void leaf_var(struct pick *p)
{
	unsigned n = pick_below(p, 8 + p->nlocals);

	if (n < 5)
		buf_printf(p->out, "$i%u", n);
	else if (n < 8)
		buf_printf(p->out, "$d%u", n - 5);
	else
		buf_printf(p->out, "$l%u", p->locals[n - 8]);
}

void pick_map_ref(struct pick *p, unsigned row, unsigned depth)
{
	const struct map_row *m = &map_rows[row];

	p->maps |= UINT64_C(1) << row;
	buf_printf(p->out, "@%s", m->name);
	if (m->key == -1)
		return;
	buf_addc(p->out, '[');
	if (m->key == SHAPE_INT && pick_chance(p, 80)) {
		buf_addc(p->out, '(');
		pick_dyn(p, depth);
		buf_adds(p->out, " & 3)");
	} else if (m->key == -2) {
		pick_int(p, depth);
		buf_adds(p->out, ", ");
		pick_shape(p, SHAPE_STR, depth);
	} else {
		pick_shape(p, (enum shape)m->key, depth);
	}
	buf_addc(p->out, ']');
}

bool pick_map(struct pick *p, enum shape value, bool scalar_ok, unsigned depth)
{
	unsigned rows[64], n = 0;

	for (unsigned i = 0; i < map_count; i++)
		if (map_rows[i].value == value && !map_rows[i].agg &&
		    (scalar_ok || map_rows[i].key != -1))
			rows[n++] = i;
	if (!n || p->bare)
		return false;
	pick_map_ref(p, rows[pick_below(p, n)], depth);
	return true;
}

/* ---- integers
 * ------------------------------------------------------------------------------------------------
 */

static void pick_binary(struct pick *p, unsigned depth)
{
	static const char *const ops[] = {"+",  "-",  "*", "&",  "|", "^",
					  "==", "!=", "<", "<=", ">", ">="};
	bool left = pick_chance(p, 65);

	buf_addc(p->out, '(');
	left ? pick_dyn(p, depth) : pick_int(p, depth);
	buf_printf(p->out, " %s ", ops[pick_below(p, ARRAY_SIZE(ops))]);
	left ? pick_int(p, depth) : pick_dyn(p, depth);
	buf_addc(p->out, ')');
}

static void pick_divide(struct pick *p, unsigned depth)
{
	buf_addc(p->out, '(');
	pick_dyn(p, depth);
	buf_adds(p->out, pick_chance(p, 50) ? " / " : " % ");
	if (pick_chance(p, 40))
		buf_printf(p->out, "%s%u", pick_chance(p, 30) ? "-" : "", 1 + pick_below(p, 20));
	else
		pick_dyn(p, depth);
	buf_addc(p->out, ')');
}

static void pick_shift(struct pick *p, unsigned depth)
{
	buf_addc(p->out, '(');
	pick_dyn(p, depth);
	buf_adds(p->out, pick_chance(p, 50) ? " << " : " >> ");
	if (pick_chance(p, 50)) {
		buf_printf(p->out, "%u", pick_below(p, 64));
	} else if (pick_chance(p, 90)) {
		buf_addc(p->out, '(');
		pick_dyn(p, depth);
		buf_adds(p->out, " & 63)");
	} else {
		pick_dyn(p, depth);
	}
	buf_addc(p->out, ')');
}

static void pick_unary(struct pick *p, unsigned depth)
{
	static const char *const ops[] = {"-", "~", "!"};

	buf_printf(p->out, "%s(", ops[pick_below(p, 3)]);
	pick_dyn(p, depth);
	buf_addc(p->out, ')');
}

static void pick_cast(struct pick *p, unsigned depth)
{
	buf_printf(p->out, "(%s)(", int_types[pick_below(p, ARRAY_SIZE(int_types))]);
	pick_dyn(p, depth);
	buf_addc(p->out, ')');
}

static void pick_ternary(struct pick *p, enum shape s, unsigned depth)
{
	buf_addc(p->out, '(');
	pick_cond(p, depth);
	buf_adds(p->out, " ? ");
	pick_shape(p, s, depth);
	buf_adds(p->out, " : ");
	pick_shape(p, s, depth);
	buf_addc(p->out, ')');
}

static void pick_elvis(struct pick *p, unsigned depth)
{
	buf_addc(p->out, '(');
	pick_dyn(p, depth);
	buf_adds(p->out, " ?: ");
	pick_int(p, depth);
	buf_addc(p->out, ')');
}

static void pick_logical(struct pick *p, unsigned depth)
{
	buf_addc(p->out, '(');
	pick_cond(p, depth);
	buf_adds(p->out, pick_chance(p, 50) ? " && " : " || ");
	pick_cond(p, depth);
	buf_addc(p->out, ')');
}

static void pick_equal(struct pick *p, unsigned depth)
{
	static const enum shape shapes[] = {SHAPE_STR,  SHAPE_STR,  SHAPE_STR,
					    SHAPE_PAIR, SHAPE_MIX,  SHAPE_NEST,
					    SHAPE_REC,  SHAPE_DEEP, SHAPE_ARR};
	enum shape s = shapes[pick_below(p, ARRAY_SIZE(shapes))];

	buf_addc(p->out, '(');
	pick_shape(p, s, depth);
	buf_adds(p->out, pick_chance(p, 50) ? " == " : " != ");
	pick_shape(p, s, depth);
	buf_addc(p->out, ')');
}

static void pick_string_call(struct pick *p, unsigned depth)
{
	static const char *const calls[] = {"strlen(", "strcontains(", "(strncmp(", "strstr("};
	unsigned n = pick_below(p, 4);

	buf_adds(p->out, calls[n]);
	pick_shape(p, SHAPE_STR, depth);
	if (n) {
		buf_adds(p->out, ", ");
		pick_shape(p, SHAPE_STR, depth);
	}
	if (n == 2)
		buf_printf(p->out, ", %u) == 0", 1 + pick_below(p, 6));
	buf_addc(p->out, ')');
}

void pick_whole(struct pick *p, enum shape s, unsigned depth)
{
	buf_addc(p->out, '(');
	pick_shape(p, s, depth);
	buf_addc(p->out, ')');
}

static void pick_item(struct pick *p, unsigned depth)
{
	static const struct {
		enum shape shape;
		const char *item;
	} rows[] = {{SHAPE_PAIR, ".0"},   {SHAPE_PAIR, "[1]"},   {SHAPE_MIX, "[0]"},
		    {SHAPE_NEST, ".0"},   {SHAPE_NEST, ".1[0]"}, {SHAPE_REC, ".a"},
		    {SHAPE_DEEP, ".t.0"}, {SHAPE_DEEP, ".u[1]"}};
	unsigned n = pick_below(p, ARRAY_SIZE(rows));

	pick_whole(p, rows[n].shape, depth);
	buf_adds(p->out, rows[n].item);
}

/* An aggregation that can be read, or whether a key is there. */
static void pick_of_map(struct pick *p, unsigned depth)
{
	unsigned row = pick_below(p, map_count);
	const struct map_row *m = &map_rows[row];

	if (m->agg && !m->more && pick_chance(p, 50)) {
		buf_adds(p->out, "((int64)");
		pick_map_ref(p, row, depth);
		buf_addc(p->out, ')');
		return;
	}
	if (m->key == -1 || m->agg || m->key == -2) {
		pick_map(p, SHAPE_INT, true, depth);
		return;
	}
	buf_adds(p->out, "has_key(");
	pick_map_ref(p, row, depth);
	buf_addc(p->out, ')');
}

static void pick_step(struct pick *p)
{
	static const char *const ops[] = {"++", "--"};
	const char *op = ops[pick_below(p, 2)];
	bool prefix = pick_chance(p, 50), map = pick_chance(p, 40);

	buf_addc(p->out, '(');
	if (prefix)
		buf_adds(p->out, op);
	if (map)
		pick_map(p, SHAPE_INT, true, 0);
	else if (pick_chance(p, 50))
		buf_printf(p->out, "$i%u", pick_below(p, 5));
	else
		buf_printf(p->out, "$d%u", pick_below(p, 3));
	if (!prefix)
		buf_adds(p->out, op);
	buf_addc(p->out, ')');
}

/* What a block does before it has its value. */
static void pick_change(struct pick *p, unsigned depth)
{
	enum shape s = (enum shape)pick_below(p, SHAPE_COUNT);

	if (s == SHAPE_INT && p->depth < 5 && pick_chance(p, 10)) {
		buf_adds(p->out, "if ($d0 > 40) { return; } ");
	} else if (s == SHAPE_INT) {
		buf_printf(p->out, "$i%u = ", pick_below(p, 5));
		pick_int(p, depth);
		buf_adds(p->out, "; ");
	} else {
		if (p->bare || pick_chance(p, 60) || !pick_map(p, s, true, 0))
			buf_printf(p->out, "$%c%u", pick_letters[s], pick_below(p, 2));
		buf_adds(p->out, " = ");
		pick_shape(p, s, depth);
		buf_adds(p->out, "; ");
	}
}

static void pick_block(struct pick *p, enum shape s, unsigned depth)
{
	unsigned n = p->serial++, before = p->nlocals;

	buf_printf(p->out, "({ let $l%u = ", n);
	pick_int(p, depth);
	buf_adds(p->out, "; ");
	if (!p->calm && pick_chance(p, 60))
		pick_change(p, depth);
	if (p->nlocals < ARRAY_SIZE(p->locals))
		p->locals[p->nlocals++] = n;
	pick_shape(p, s, depth);
	p->nlocals = before;
	buf_adds(p->out, " })");
}

static void pick_if(struct pick *p, enum shape s, unsigned depth)
{
	buf_adds(p->out, "(if ");
	pick_cond(p, depth);
	buf_adds(p->out, " { ");
	pick_shape(p, s, depth);
	buf_adds(p->out, " } else { ");
	pick_shape(p, s, depth);
	buf_adds(p->out, " })");
}

static void pick_macro(struct pick *p, unsigned depth)
{
	unsigned n = pick_below(p, 3);

	buf_printf(p->out, "mac%u(", n);
	pick_dyn(p, depth);
	if (n) {
		buf_adds(p->out, ", ");
		pick_dyn(p, depth);
	}
	buf_addc(p->out, ')');
}

static void pick_function(struct pick *p, unsigned depth)
{
	static const unsigned params[] = {2, 2, 2, 0, 4, 1};
	unsigned f = pick_below(p, p->calm ? 3 : ARRAY_SIZE(params));

	if (f == 5) {
		buf_adds(p->out, "fun5($b0)");
		return;
	}
	if (f == 3)
		p->maps |= 1 << 7; /* @ii */
	buf_printf(p->out, "fun%u(", f);
	for (unsigned i = 0; i < params[f]; i++) {
		buf_adds(p->out, i ? ", " : "");
		pick_dyn(p, depth);
	}
	buf_addc(p->out, ')');
}

static void pick_swap(struct pick *p, unsigned depth)
{
	buf_printf(p->out, "bswap((uint%u)(", 8u << pick_below(p, 4));
	pick_dyn(p, depth);
	buf_adds(p->out, "))");
}

/* One byte of a string, also behind its end. */
static void pick_character(struct pick *p, unsigned depth)
{
	buf_printf(p->out, "$s%u[(", pick_below(p, 2));
	pick_dyn(p, depth);
	buf_printf(p->out, " & %u)]", pick_chance(p, 50) ? 7 : 127);
}

static void pick_buffers_equal(struct pick *p, unsigned depth)
{
	buf_addc(p->out, '(');
	pick_buffer(p, depth);
	buf_adds(p->out, pick_chance(p, 50) ? " == " : " != ");
	pick_buffer(p, depth);
	buf_addc(p->out, ')');
}

static void pick_constant(struct pick *p)
{
	static const char *const ops[] = {"+", "-", "*", "^", "|", "&", "/", "%", "<<", ">>"};

	buf_printf(p->out, "(comptime (%u %s %u) + $i0)", pick_below(p, 99), ops[pick_below(p, 10)],
		   1 + pick_below(p, 20));
}

static void pick_leaf(struct pick *p)
{
	if (p->kind == PROGRAM_LOAD && pick_chance(p, 20))
		pick_live_int(p);
	else if (pick_chance(p, 75) || !pick_map(p, SHAPE_INT, true, 0))
		leaf_var(p);
}

static void pick_rare(struct pick *p, unsigned depth)
{
	switch (pick_below(p, 17)) {
	case 16:
		pick_buffers_equal(p, depth);
		return;
	case 12:
	case 13:
		pick_memory(p, depth);
		return;
	case 14:
		pick_named(p);
		return;
	case 15:
		pick_swap(p, depth);
		return;
	case 0:
		pick_elvis(p, depth);
		return;
	case 1:
		pick_equal(p, depth);
		return;
	case 2:
		pick_string_call(p, depth);
		return;
	case 3:
		pick_item(p, depth);
		return;
	case 4:
		pick_of_map(p, depth);
		return;
	case 5:
		if (!p->calm) {
			pick_step(p);
			return;
		}
		pick_leaf(p);
		return;
	case 6:
		pick_block(p, SHAPE_INT, depth);
		return;
	case 7:
		pick_if(p, SHAPE_INT, depth);
		return;
	case 8:
		pick_function(p, depth);
		return;
	case 9:
		pick_character(p, depth);
		return;
	case 10:
		pick_constant(p);
		return;
	default:
		pick_macro(p, depth);
		return;
	}
}

void pick_dyn(struct pick *p, unsigned depth)
{
	unsigned n = pick_below(p, 100);

	if (depth == 0 || n < 18 || p->cost > p->budget) {
		pick_leaf(p);
		return;
	}
	depth--;
	p->cost++;
	if (n < 48)
		pick_binary(p, depth);
	else if (n < 55)
		pick_divide(p, depth);
	else if (n < 61)
		pick_shift(p, depth);
	else if (n < 65)
		pick_unary(p, depth);
	else if (n < 73)
		pick_cast(p, depth);
	else if (n < 77)
		pick_ternary(p, SHAPE_INT, depth);
	else if (n < 81)
		pick_logical(p, depth);
	else
		pick_rare(p, depth);
}

void pick_int(struct pick *p, unsigned depth)
{
	if (pick_chance(p, 28))
		pick_literal(p);
	else
		pick_dyn(p, depth);
}

/* In brackets: behind `if`, a record would be taken for them. */
void pick_cond(struct pick *p, unsigned depth)
{
	buf_addc(p->out, '(');
	if (pick_chance(p, 15))
		pick_equal(p, depth);
	else
		pick_dyn(p, depth);
	buf_addc(p->out, ')');
}

/* ---- other shapes
 * ------------------------------------------------------------------------------------------- */

const char pick_letters[] = "isptnrqa";

static void leaf_shape(struct pick *p, enum shape s)
{
	if (s == SHAPE_STR && p->kind == PROGRAM_LOAD && pick_chance(p, 30))
		pick_live_text(p);
	else if (s == SHAPE_STR && pick_chance(p, 50))
		pick_text(p);
	else if (pick_chance(p, 60) || !pick_map(p, s, true, 0))
		buf_printf(p->out, "$%c%u", pick_letters[s], pick_below(p, 2));
}

struct parts {
	const char *names[2];
	enum shape shapes[2];
};

static const struct parts parts_of[SHAPE_COUNT] = {
	[SHAPE_PAIR] = {{"", ""}, {SHAPE_INT, SHAPE_INT}},
	[SHAPE_MIX] = {{"", ""}, {SHAPE_INT, SHAPE_STR}},
	[SHAPE_NEST] = {{"", ""}, {SHAPE_INT, SHAPE_MIX}},
	[SHAPE_REC] = {{"a = ", "b = "}, {SHAPE_INT, SHAPE_STR}},
	[SHAPE_DEEP] = {{"t = ", "u = "}, {SHAPE_MIX, SHAPE_PAIR}},
};

/* The fields of a record come in any order. */
static void make_tuple(struct pick *p, enum shape s, unsigned depth)
{
	const struct parts *of = &parts_of[s];
	unsigned turned = *of->names[0] && pick_chance(p, 30);

	buf_addc(p->out, '(');
	for (unsigned i = 0; i < 2; i++) {
		buf_adds(p->out, i ? ", " : "");
		buf_adds(p->out, of->names[i ^ turned]);
		pick_shape(p, of->shapes[i ^ turned], depth);
	}
	buf_addc(p->out, ')');
}

static void pick_string_item(struct pick *p, unsigned depth)
{
	static const char *const items[] = {"[1]", ".1.1", ".b", ".t.1"};
	static const enum shape shapes[] = {SHAPE_MIX, SHAPE_NEST, SHAPE_REC, SHAPE_DEEP};
	unsigned n = pick_below(p, 4);

	pick_whole(p, shapes[n], depth);
	buf_adds(p->out, items[n]);
}

void pick_shape(struct pick *p, enum shape s, unsigned depth)
{
	unsigned n = pick_below(p, 100);

	if (s == SHAPE_INT) {
		pick_int(p, depth);
		return;
	}
	p->cost++;
	if (depth == 0 || n < 35 || p->cost > p->budget)
		leaf_shape(p, s);
	else if (n < 45)
		pick_ternary(p, s, depth - 1);
	else if (n < 50)
		pick_if(p, s, depth - 1);
	else if (n < 55)
		pick_block(p, s, depth - 1);
	else if (n < 65 && pick_map(p, s, true, depth - 1))
		return;
	else if (s == SHAPE_STR)
		n < 85 ? pick_string_item(p, depth - 1) : leaf_shape(p, s);
	else if (s == SHAPE_ARR)
		pick_array(p, depth - 1);
	else
		make_tuple(p, s, depth - 1);
}
