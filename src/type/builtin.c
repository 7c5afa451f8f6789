/* The names of integers that are known without BTF: the language's own (int8 … uint64), C's words
 * in any order ("unsigned long int"), and the usual typedefs of the kernel. */
#include "type/priv.h"

struct name {
	const char *name;
	uint8_t size;
	bool is_signed;
};

static const struct name names[] = {
	{"int8", 1, true},
	{"int16", 2, true},
	{"int32", 4, true},
	{"int64", 8, true},
	{"uint8", 1, false},
	{"uint16", 2, false},
	{"uint32", 4, false},
	{"uint64", 8, false},
	{"s8", 1, true},
	{"s16", 2, true},
	{"s32", 4, true},
	{"s64", 8, true},
	{"u8", 1, false},
	{"u16", 2, false},
	{"u32", 4, false},
	{"u64", 8, false},
	{"__s8", 1, true},
	{"__s16", 2, true},
	{"__s32", 4, true},
	{"__s64", 8, true},
	{"__u8", 1, false},
	{"__u16", 2, false},
	{"__u32", 4, false},
	{"__u64", 8, false},
	{"int8_t", 1, true},
	{"int16_t", 2, true},
	{"int32_t", 4, true},
	{"int64_t", 8, true},
	{"uint8_t", 1, false},
	{"uint16_t", 2, false},
	{"uint32_t", 4, false},
	{"uint64_t", 8, false},
	{"__le16", 2, false},
	{"__le32", 4, false},
	{"__le64", 8, false},
	{"__be16", 2, false},
	{"__be32", 4, false},
	{"__be64", 8, false},
	{"uchar", 1, false},
	{"ushort", 2, false},
	{"uint", 4, false},
	{"ulong", 8, false},
	{"size_t", 8, false},
	{"ssize_t", 8, true},
	{"ptrdiff_t", 8, true},
	{"intptr_t", 8, true},
	{"uintptr_t", 8, false},
	{"pid_t", 4, true},
	{"uid_t", 4, false},
	{"gid_t", 4, false},
	{"qid_t", 4, false},
	{"mode_t", 4, false},
	{"umode_t", 2, false},
	{"dev_t", 4, false},
	{"ino_t", 8, false},
	{"nlink_t", 4, false},
	{"off_t", 8, true},
	{"loff_t", 8, true},
	{"time_t", 8, true},
	{"time64_t", 8, true},
	{"clock_t", 8, true},
	{"clockid_t", 4, true},
	{"timer_t", 4, true},
	{"key_t", 4, true},
	{"key_serial_t", 4, true},
	{"mqd_t", 4, true},
	{"rwf_t", 4, true},
	{"gfp_t", 4, false},
	{"fmode_t", 4, false},
	{"sector_t", 8, false},
	{"blkcnt_t", 8, false},
	{"dma_addr_t", 8, false},
	{"phys_addr_t", 8, false},
	{"resource_size_t", 8, false},
	{"aio_context_t", 8, false},
	{"ktime_t", 8, true},
	{"socklen_t", 4, false},
	{"sa_family_t", 2, false},
	{"in_addr_t", 4, false},
	{"in_port_t", 2, false},
	{"cputime_t", 8, false},
	{"__kernel_old_time_t", 8, true},
};

static const struct type *find_name(struct types *ts, struct str name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_is(name, names[i].name))
			return type_int(ts, names[i].size, names[i].is_signed);
	return NULL;
}

/* C's words: how often each occurs decides. */
struct words {
	int n_signed, n_unsigned, n_char, n_short, n_int, n_long;
};

static bool count_word(struct words *w, struct str word)
{
	if (str_is(word, "signed"))
		w->n_signed++;
	else if (str_is(word, "unsigned"))
		w->n_unsigned++;
	else if (str_is(word, "char"))
		w->n_char++;
	else if (str_is(word, "short"))
		w->n_short++;
	else if (str_is(word, "int"))
		w->n_int++;
	else if (str_is(word, "long"))
		w->n_long++;
	else
		return str_is(word, "const") || str_is(word, "volatile");
	return true;
}

static const struct type *c_int(struct types *ts, const struct words *w)
{
	int n_sign = w->n_signed + w->n_unsigned;
	int n_base = !!w->n_char + !!w->n_short + !!w->n_long;

	if (n_sign > 1 || n_base > 1 || w->n_int > 1 || w->n_char > 1 || w->n_short > 1 ||
	    w->n_long > 2)
		return NULL;
	if ((w->n_char && w->n_int) || !(n_sign + n_base + w->n_int))
		return NULL;
	return type_int(ts, w->n_char ? 1 : w->n_short ? 2 : w->n_long ? 8 : 4, !w->n_unsigned);
}

const struct type *type_builtin(struct types *ts, struct str name)
{
	struct words w = {0};
	const struct type *t;

	name = str_trim(name);
	if (str_is(name, "void"))
		return &type_void;
	if (str_is(name, "bool") || str_is(name, "_Bool"))
		return &type_bool;
	t = find_name(ts, name);
	if (t)
		return t;
	while (name.n) {
		struct str word = str_cut(&name, ' ');

		if (word.n && !count_word(&w, word))
			return NULL;
	}
	return c_int(ts, &w);
}

/* ---- numbers that no register holds -------------------------------------------------------- */

const struct type *type_float(struct types *ts, uint64_t size)
{
	static const struct type floats[] = {
		{.kind = TYPE_FLOAT, .size = 4, .align = 4},
		{.kind = TYPE_FLOAT, .size = 8, .align = 8},
		{.kind = TYPE_FLOAT, .size = 16, .align = 16},
	};

	for (size_t i = 0; i < ARRAY_SIZE(floats); i++)
		if (floats[i].size == size)
			return &floats[i];
	return type_wide_int(ts, size);
}

const struct type *type_wide_int(struct types *ts, uint64_t size)
{
	size = MIN(size, INT32_MAX);
	if (size && size % 8 == 0) /* __int128 */
		return type_array(ts, type_int(ts, 8, false), (uint32_t)size / 8);
	return type_array(ts, type_int(ts, 1, false), (uint32_t)size);
}
