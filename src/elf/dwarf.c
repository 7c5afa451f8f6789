/* Debug information by libdw; see dwarf.h.
 *
 * A type is a debugging information entry (DIE). Those that were told of stand in a table; their
 * place in it, plus one, is their dwarf_ref. An entry is known again by its address in the section,
 * which is unique over units, type units and supplementary files.
 *
 *   refs   "\x40\x1f…" (address) → 3          dies   [ … , {redisObject}, … ]
 *
 * A file that only root can write is mapped and read here. The library is never run on others in
 * this process: a reader does it (dwarf_remote.c). */
#include "elf/dwarf_priv.h"
#include "elf/dwarf_remote.h"
#include "elf/image.h"

#include <dwarf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	AT_GO_KIND = 0x2900,
	AT_GO_KEY = 0x2901,
	AT_GO_ELEM = 0x2902,
	AT_GO_RUNTIME_TYPE = 0x2904,
	AT_GO_CLOSURE_OFFSET = 0x2907
};
enum { GO_KIND_MAP = 21 }; /* reflect.Kind */
enum { MAX_PEEL = 64, MAX_MEMBERS = 20000, MAX_PARAMS = 256, MAX_OPS = 256, MAX_REFS = 1 << 20 };
enum { MAX_GO_TYPES = 1 << 17 };

/* ---- opening ------------------------------------------------------------------------------- */

/* The system's own files are mapped; of others this runs in the reader, which reads them. */
static Elf *open_elf(const struct dwarf *d, int fd)
{
	elf_version(EV_CURRENT);
	return fd < 0 ? NULL : elf_begin(fd, d->trusted ? ELF_C_READ_MMAP : ELF_C_READ, NULL);
}

/* What the headers say, without the library. */
static bool look(const char *path, int fd, bool *trusted, uint64_t *info)
{
	struct image *m = image_open_fd(dup(fd), path, NULL);
	const struct image_sect *s;

	*trusted = m && m->map;
	s = m ? image_section(m, ".debug_info") : NULL;
	if (m && !s)
		s = image_section(m, ".zdebug_info");
	*info = s && s->type != SHT_NOBITS ? s->size : 0;
	image_free(m);
	return *info > 0;
}

/* The separate debug file becomes the one that is read. */
static bool take_debug_file(struct dwarf *d)
{
	bool trusted = false;
	char path[4096];

	d->main_fd = d->fd;
	d->fd = -1;
	if (!elf_debug_file(d->path, path, sizeof(path)))
		return false;
	d->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (d->fd >= 0)
		look(path, d->fd, &trusted, &d->size);
	d->info_path = arena_strdup(d->arena, path);
	d->trusted &= trusted;
	return d->size > 0;
}

static int no_info(struct dwarf *d, struct err *e)
{
	err_plain(e, ENOENT, "%s has no debug information", d->path);
	err_hint(e, "install its debug symbols (-dbgsym or -dbg packages put them below "
		    "/usr/lib/debug), or build it with -g");
	return -ENOENT;
}

int dwarf_begin_local(struct dwarf *d, struct err *e)
{
	d->reader = NULL; /* in the reader: a copy of what the parent has */
	return dwarf_ready(d, e);
}

int dwarf_ready(struct dwarf *d, struct err *e)
{
	if (d->dw)
		return 0;
	if (d->begun)
		return err_plain(e, EINVAL, "cannot read the debug information of %s", d->path);
	d->begun = true;
	d->elf = open_elf(d, d->fd);
	d->main_elf = open_elf(d, d->main_fd);
	d->dw = d->elf ? dwarf_begin_elf(d->elf, DWARF_C_READ, NULL) : NULL;
	if (!d->dw)
		return err_plain(e, EINVAL, "cannot read the debug information of %s: %s", d->path,
				 dwarf_errmsg(-1));
	return 0;
}

static int open_info(struct dwarf *d, struct err *e)
{
	int fds[2];
	size_t n = 0;

	d->fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (d->fd < 0)
		return err_set(e, errno, "cannot open %s", d->path);
	if (!look(d->path, d->fd, &d->trusted, &d->size) && !take_debug_file(d))
		return no_info(d, e);
	if (d->trusted || reader_never)
		return 0;
	fds[n++] = d->fd;
	if (d->main_fd >= 0)
		fds[n++] = d->main_fd;
	d->reader = dwarf_remote_open(d, d->path, fds, n, e);
	return d->reader ? 0 : -EINVAL;
}

struct dwarf *dwarf_open(const char *path, struct err *e)
{
	struct arena *a = arena_new();
	struct dwarf *d = arena_new_of(a, struct dwarf);

	d->arena = a;
	d->path = d->info_path = arena_strdup(a, path);
	d->fd = d->main_fd = -1;
	strmap_init(&d->refs, a);
	if (open_info(d, e) == 0)
		return d;
	dwarf_close(d);
	return NULL;
}

uint64_t dwarf_size(const struct dwarf *d)
{
	return d->size;
}

void dwarf_close(struct dwarf *d)
{
	if (!d)
		return;
	reader_stop(d->reader);
	if (d->dw)
		dwarf_end(d->dw);
	elf_end(d->elf);
	elf_end(d->main_elf);
	if (d->fd >= 0)
		close(d->fd);
	if (d->main_fd >= 0)
		close(d->main_fd);
	arena_free(d->arena);
}

/* ---- attributes ---------------------------------------------------------------------------- */

static bool attr_u64(Dwarf_Die *die, unsigned name, uint64_t *out)
{
	Dwarf_Attribute a;
	Dwarf_Word w;

	if (!dwarf_attr_integrate(die, name, &a) || dwarf_formudata(&a, &w) != 0)
		return false;
	*out = w;
	return true;
}

static bool attr_flag(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;
	bool set = false;

	return dwarf_attr_integrate(die, name, &a) && dwarf_formflag(&a, &set) == 0 && set;
}

static bool attr_die(Dwarf_Die *die, unsigned name, Dwarf_Die *out)
{
	Dwarf_Attribute a;

	return dwarf_attr_integrate(die, name, &a) && dwarf_formref_die(&a, out);
}

/* ---- types --------------------------------------------------------------------------------- */

static dwarf_ref ref_of(struct dwarf *d, const Dwarf_Die *die)
{
	struct str key = {(const char *)&die->addr, sizeof(die->addr)};
	uintptr_t known = (uintptr_t)strmap_get(&d->refs, key);

	if (known)
		return (dwarf_ref)known;
	if (d->dies.n >= MAX_REFS)
		return 0;
	vec_push(d->arena, &d->dies, *die);
	key.p = arena_memdup(d->arena, key.p, key.n);
	strmap_put(&d->refs, key, (void *)(uintptr_t)d->dies.n);
	return (dwarf_ref)d->dies.n;
}

static dwarf_ref type_of(struct dwarf *d, Dwarf_Die *die)
{
	Dwarf_Die type;

	return attr_die(die, DW_AT_type, &type) ? ref_of(d, &type) : 0;
}

static bool die_get(struct dwarf *d, dwarf_ref ref, Dwarf_Die *out)
{
	if (!ref || ref > d->dies.n)
		return false;
	*out = d->dies.v[ref - 1];
	return true;
}

static bool is_transparent(int tag)
{
	return tag == DW_TAG_typedef || tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
	       tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type ||
	       tag == DW_TAG_immutable_type || tag == DW_TAG_packed_type ||
	       tag == DW_TAG_shared_type;
}

/* What typedefs and qualifiers stand for; false: void. The last typedef's name goes to `name`. */
static bool peel(struct dwarf *d, Dwarf_Die *die, const char **name)
{
	for (unsigned i = 0; i < MAX_PEEL && is_transparent(dwarf_tag(die)); i++) {
		Dwarf_Die next;

		if (dwarf_tag(die) == DW_TAG_typedef && !*name)
			*name = dwarf_text(d, die, DW_AT_name);
		if (!attr_die(die, DW_AT_type, &next))
			return false;
		*die = next;
	}
	return true;
}

static void base_type(Dwarf_Die *die, struct dwarf_type *t)
{
	uint64_t encoding = 0;

	attr_u64(die, DW_AT_encoding, &encoding);
	switch (encoding) {
	case DW_ATE_boolean:
		t->kind = DWARF_BOOL;
		break;
	case DW_ATE_float:
	case DW_ATE_complex_float:
	case DW_ATE_imaginary_float:
	case DW_ATE_decimal_float:
		t->kind = DWARF_FLOAT;
		break;
	case DW_ATE_signed:
	case DW_ATE_signed_char:
		t->is_signed = true;
		__attribute__((fallthrough));
	default:
		t->kind = DWARF_INT;
	}
}

/* The first dimension; those behind it make arrays of arrays, told as one of all elements. */
static uint64_t array_count(Dwarf_Die *die)
{
	Dwarf_Die c;
	uint64_t count = 0, total = 1;

	if (dwarf_child(die, &c) != 0)
		return 0;
	do {
		if (dwarf_tag(&c) != DW_TAG_subrange_type)
			continue;
		count = 0;
		if (!attr_u64(&c, DW_AT_count, &count) && attr_u64(&c, DW_AT_upper_bound, &count))
			count = count == UINT64_MAX || count > UINT32_MAX ? 0 : count + 1;
		total *= MIN(count, UINT32_MAX);
		if (total > UINT32_MAX)
			return 0;
	} while (dwarf_siblingof(&c, &c) == 0);
	return total;
}

static void composite(Dwarf_Die *die, struct dwarf_type *t)
{
	uint64_t cc = 0;

	t->kind = dwarf_tag(die) == DW_TAG_union_type ? DWARF_UNION : DWARF_STRUCT;
	t->incomplete = attr_flag(die, DW_AT_declaration);
	attr_u64(die, DW_AT_calling_convention, &cc);
	t->by_reference = cc == DW_CC_pass_by_reference;
}

static void fill_type(struct dwarf *d, Dwarf_Die *die, struct dwarf_type *t)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_base_type:
		base_type(die, t);
		break;
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
	case DW_TAG_ptr_to_member_type:
		t->kind = DWARF_PTR;
		t->reference = dwarf_tag(die) == DW_TAG_reference_type ||
			       dwarf_tag(die) == DW_TAG_rvalue_reference_type;
		t->to = type_of(d, die);
		t->size = t->size ? t->size : 8;
		break;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_interface_type:
	case DW_TAG_union_type:
		composite(die, t);
		break;
	case DW_TAG_enumeration_type:
		t->kind = DWARF_ENUM;
		t->to = type_of(d, die);
		break;
	case DW_TAG_array_type:
		t->kind = DWARF_ARRAY;
		t->to = type_of(d, die);
		t->count = array_count(die);
		break;
	case DW_TAG_subroutine_type:
		t->kind = DWARF_FUNC;
		break;
	case DW_TAG_subrange_type:
		t->kind = DWARF_INT;
		break;
	default: /* DW_TAG_unspecified_type: decltype(nullptr) */
		t->kind = DWARF_UNKNOWN;
	}
}

/* Of an array's element; arrays of arrays are told with all elements of all dimensions. */
static uint64_t element_size(struct dwarf *d, dwarf_ref ref)
{
	const char *alias = NULL;
	uint64_t size = 0;
	Dwarf_Die die;

	if (die_get(d, ref, &die) && peel(d, &die, &alias) &&
	    !attr_u64(&die, DW_AT_byte_size, &size) && dwarf_tag(&die) == DW_TAG_pointer_type)
		size = 8;
	return MIN(size, UINT32_MAX);
}

/* Interfaces, maps and channels of Go are typedefs of structures of the runtime: what tells the
 * kind first says what it is. */
static uint8_t go_kind(Dwarf_Die die)
{
	uint64_t kind = 0;

	for (unsigned i = 0; i < MAX_PEEL && !attr_u64(&die, AT_GO_KIND, &kind); i++)
		if (!is_transparent(dwarf_tag(&die)) || !attr_die(&die, DW_AT_type, &die))
			return 0;
	return kind < 32 ? (uint8_t)kind : 0;
}

/* The typedef that tells a map's kind also tells what it is of. */
static void go_map(struct dwarf *d, Dwarf_Die die, struct dwarf_type *t)
{
	Dwarf_Die key, elem;

	for (unsigned i = 0; i < MAX_PEEL && !dwarf_hasattr(&die, AT_GO_KIND); i++)
		if (!attr_die(&die, DW_AT_type, &die))
			return;
	if (!attr_die(&die, AT_GO_KEY, &key) || !attr_die(&die, AT_GO_ELEM, &elem))
		return;
	t->key = ref_of(d, &key);
	t->elem = ref_of(d, &elem);
}

bool dwarf_type_get(struct dwarf *d, dwarf_ref ref, struct dwarf_type *out)
{
	Dwarf_Die die;
	const char *alias = NULL, *own;

	if (d->made)
		return dwarf_made_type(d, ref, out);
	if (d->reader)
		return dwarf_remote_type(d->reader, d->arena, ref, out);
	*out = (struct dwarf_type){.kind = DWARF_VOID};
	if (!ref)
		return true;
	if (!die_get(d, ref, &die))
		return false;
	out->go_kind = go_kind(die);
	if (out->go_kind == GO_KIND_MAP)
		go_map(d, die, out);
	if (!peel(d, &die, &alias))
		return true;
	out->self = ref_of(d, &die);
	own = dwarf_text(d, &die, DW_AT_name);
	out->name = own ? own : alias;
	out->alias = alias;
	attr_u64(&die, DW_AT_byte_size, &out->size);
	fill_type(d, &die, out);
	if (out->kind == DWARF_ARRAY)
		out->size = out->count * element_size(d, out->to);
	return true;
}

/* ---- members and enumerators --------------------------------------------------------------- */

/* Where a member is: a number, or, in DWARF 2, an expression that adds one. Other expressions are
 * those of virtual base classes. */
static bool member_offset(Dwarf_Die *die, uint64_t *bytes)
{
	Dwarf_Attribute a;
	Dwarf_Op *ops;
	size_t n;

	if (!dwarf_attr_integrate(die, DW_AT_data_member_location, &a) ||
	    attr_u64(die, DW_AT_data_member_location, bytes))
		return true;
	if (dwarf_getlocation(&a, &ops, &n) != 0 || n != 1 || ops[0].atom != DW_OP_plus_uconst)
		return false;
	*bytes = ops[0].number;
	return true;
}

/* Bit-fields: DWARF 4 and later count from the start of the struct; before, from the most
 * significant bit of a storage unit. */
static bool member_bits(Dwarf_Die *die, struct dwarf *d, struct dwarf_member *m)
{
	uint64_t bytes = 0, bits = 0, at, unit = 0;
	struct dwarf_type t;

	if (attr_u64(die, DW_AT_bit_size, &bits) && bits <= 64)
		m->bit_size = (uint32_t)bits;
	if (attr_u64(die, DW_AT_data_bit_offset, &at)) {
		m->bit_offset = at;
		return true;
	}
	if (!member_offset(die, &bytes))
		return false;
	m->bit_offset = bytes * 8;
	if (!attr_u64(die, DW_AT_bit_offset, &at))
		return true;
	if (!attr_u64(die, DW_AT_byte_size, &unit) && dwarf_type_get(d, m->type, &t))
		unit = t.size;
	if (unit > 16 || at + bits > unit * 8)
		return false;
	m->bit_offset += unit * 8 - at - bits;
	return true;
}

static bool is_member(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return tag == DW_TAG_inheritance ||
	       (tag == DW_TAG_member && !attr_flag(die, DW_AT_external) &&
		!attr_flag(die, DW_AT_declaration));
}

size_t dwarf_members(struct dwarf *d, dwarf_ref ref, struct arena *a,
		     const struct dwarf_member **out)
{
	VEC(struct dwarf_member) v = {0};
	Dwarf_Die die, c;
	const char *alias = NULL, *name;

	if (d->made)
		return dwarf_made_members(d, ref, out);
	if (d->reader)
		return dwarf_remote_members(d->reader, ref, a, out);
	*out = NULL;
	if (!die_get(d, ref, &die) || !peel(d, &die, &alias) || dwarf_child(&die, &c) != 0)
		return 0;
	do {
		struct dwarf_member m = {.name = ""};

		if (!is_member(&c))
			continue;
		m.type = type_of(d, &c);
		name = dwarf_tag(&c) == DW_TAG_member ? dwarf_text(d, &c, DW_AT_name) : NULL;
		if (name)
			m.name = arena_strdup(a, name);
		if (member_bits(&c, d, &m))
			vec_push(a, &v, m);
	} while (v.n < MAX_MEMBERS && dwarf_siblingof(&c, &c) == 0);
	*out = v.v;
	return v.n;
}

size_t dwarf_values(struct dwarf *d, dwarf_ref ref, struct arena *a, const struct dwarf_value **out)
{
	VEC(struct dwarf_value) v = {0};
	Dwarf_Die die, c;
	Dwarf_Attribute at;
	Dwarf_Sword n;
	const char *alias = NULL, *name;

	if (d->reader)
		return dwarf_remote_values(d->reader, ref, a, out);
	*out = NULL;
	if (!die_get(d, ref, &die) || !peel(d, &die, &alias) || dwarf_child(&die, &c) != 0)
		return 0;
	do {
		name = dwarf_tag(&c) == DW_TAG_enumerator ? dwarf_text(d, &c, DW_AT_name) : NULL;
		if (name && dwarf_attr(&c, DW_AT_const_value, &at) && dwarf_formsdata(&at, &n) == 0)
			vec_push(a, &v, (struct dwarf_value){arena_strdup(a, name), n});
	} while (v.n < MAX_MEMBERS && dwarf_siblingof(&c, &c) == 0);
	*out = v.v;
	return v.n;
}

/* ---- types of Go at run time ---------------------------------------------------------------- */

/* An offset in the form of an address. */
static bool runtime_type(Dwarf_Die *die, uint64_t *out)
{
	Dwarf_Attribute a;
	Dwarf_Addr v;

	if (attr_u64(die, AT_GO_RUNTIME_TYPE, out))
		return *out != 0;
	if (!dwarf_attr(die, AT_GO_RUNTIME_TYPE, &a) || dwarf_formaddr(&a, &v) != 0)
		return false;
	*out = v;
	return v != 0;
}

size_t dwarf_go_types(struct dwarf *d, struct arena *a, const struct dwarf_go_type **out)
{
	VEC(struct dwarf_go_type) v = {0};
	Dwarf_Die cu, sub, c;
	Dwarf_CU *at = NULL;
	uint8_t type;

	*out = NULL;
	if (d->reader)
		return dwarf_remote_go_types(d->reader, a, out);
	if (d->made || dwarf_ready(d, NULL) < 0)
		return 0;
	while (dwarf_get_units(d->dw, at, &at, NULL, &type, &cu, &sub) == 0) {
		if (dwarf_child(&cu, &c) != 0)
			continue;
		do {
			struct dwarf_go_type t;

			if (dwarf_tag(&c) == DW_TAG_subprogram || !runtime_type(&c, &t.offset))
				continue;
			t.ref = ref_of(d, &c);
			if (t.ref)
				vec_push(a, &v, t);
		} while (v.n < MAX_GO_TYPES && dwarf_siblingof(&c, &c) == 0);
	}
	*out = v.v;
	return v.n;
}

/* ---- places -------------------------------------------------------------------------------- */

static struct dwarf_expr copy_ops(struct arena *a, const Dwarf_Op *ops, size_t n)
{
	struct dwarf_op *v;

	if (!n || n > MAX_OPS)
		return (struct dwarf_expr){0};
	v = arena_array_of(a, struct dwarf_op, n);
	for (size_t i = 0; i < n; i++)
		v[i] = (struct dwarf_op){ops[i].atom, ops[i].number, ops[i].number2};
	return (struct dwarf_expr){v, n};
}

static bool is_expression(Dwarf_Attribute *at)
{
	switch (dwarf_whatform(at)) {
	case DW_FORM_exprloc:
	case DW_FORM_block:
	case DW_FORM_block1:
	case DW_FORM_block2:
	case DW_FORM_block4:
		return true;
	default:
		return false;
	}
}

/* Where several lines and copies begin at one instruction, a place may hold between them and end
 * there: its range is empty, and it is right in front of the instruction. */
static bool place_between(Dwarf_Attribute *at, uint64_t addr, Dwarf_Op **ops, size_t *n)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t off = 0;

	while ((off = dwarf_getlocations(at, off, &base, &start, &end, ops, n)) > 0)
		if (start == addr && end == addr)
			return true;
	return false;
}

static struct dwarf_expr place(Dwarf_Die *die, unsigned attr, uint64_t addr, struct arena *a,
			       bool *always)
{
	Dwarf_Attribute at;
	Dwarf_Op *ops;
	size_t n;

	if (!dwarf_attr_integrate(die, attr, &at))
		return (struct dwarf_expr){0};
	*always = is_expression(&at);
	if (dwarf_getlocation_addr(&at, addr, &ops, &n, 1) < 1 &&
	    !place_between(&at, addr, &ops, &n))
		return (struct dwarf_expr){0};
	return copy_ops(a, ops, n);
}

/* How the frame of the caller is found from the registers at `addr`. */
static struct dwarf_expr cfa_at(struct dwarf *d, uint64_t addr, struct arena *a)
{
	Elf *elf = d->main_elf ? d->main_elf : d->elf;
	Dwarf_CFI *cfi[] = {dwarf_getcfi(d->dw), dwarf_getcfi_elf(elf)};
	struct dwarf_expr out = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cfi) && !out.n; i++) {
		Dwarf_Frame *f = NULL;
		Dwarf_Op *ops;
		size_t n;

		if (!cfi[i] || dwarf_cfi_addrframe(cfi[i], addr, &f) != 0)
			continue;
		if (dwarf_frame_cfa(f, &ops, &n) == 0)
			out = copy_ops(a, ops, n);
		free(f);
	}
	if (cfi[1])
		dwarf_cfi_end(cfi[1]);
	return out;
}

/* ---- functions ----------------------------------------------------------------------------- */

struct search {
	uint64_t addr;
	const void *last; /* entry of the walk */
	Dwarf_Die found;
};

static bool covers(Dwarf_Die *die, uint64_t addr)
{
	return dwarf_haspc(die, addr) > 0;
}

/* Functions are children of the unit, of namespaces and of classes. */
static bool find_func(struct search *s, Dwarf_Die *parent, unsigned depth)
{
	Dwarf_Die c;

	if (depth > MAX_PEEL || dwarf_child(parent, &c) != 0)
		return false;
	do {
		if (!dwarf_goes_on(&s->last, &c))
			return false;
		switch (dwarf_tag(&c)) {
		case DW_TAG_subprogram:
			if (covers(&c, s->addr)) {
				s->found = c;
				return true;
			}
			break;
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_structure_type:
		case DW_TAG_class_type:
			if (find_func(s, &c, depth + 1))
				return true;
			break;
		}
	} while (dwarf_siblingof(&c, &c) == 0);
	return false;
}

/* A skeleton's tree in its .dwo file, which the library opens by names that it does not check for
 * their ends. */
static bool split_tree(struct dwarf *d, Dwarf_CU *cu, Dwarf_Die *die, Dwarf_Die *tree)
{
	memset(tree, 0, sizeof(*tree));
	if (!dwarf_text(d, die, DW_AT_dwo_name) && !dwarf_text(d, die, DW_AT_GNU_dwo_name))
		return false;
	if (dwarf_hasattr(die, DW_AT_comp_dir) && !dwarf_text(d, die, DW_AT_comp_dir))
		return false;
	return dwarf_cu_info(cu, NULL, NULL, NULL, tree, NULL, NULL, NULL) == 0 && tree->addr;
}

bool dwarf_each_tree(struct dwarf *d, bool (*fn)(void *arg, Dwarf_Die *cu, Dwarf_Die *tree),
		     void *arg)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, sub;
	uint8_t type;

	while (dwarf_get_units(d->dw, cu, &cu, NULL, &type, &die, NULL) == 0) {
		if (type == DW_UT_type)
			continue;
		if (fn(arg, &die, &die))
			return true;
		if (type == DW_UT_skeleton && split_tree(d, cu, &die, &sub) && fn(arg, &die, &sub))
			return true;
	}
	return false;
}

static bool find_in_tree(void *arg, Dwarf_Die *cu, Dwarf_Die *tree)
{
	struct search *s = arg;

	s->last = NULL;
	return covers(cu, s->addr) && find_func(s, tree, 0);
}

/* Does the place depend on the function's own frame? */
static bool is_in_frame(const struct dwarf_expr *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->ops[i].op == DW_OP_fbreg || e->ops[i].op == DW_OP_call_frame_cfa)
			return true;
	return false;
}

/* A class with a copy constructor or destructor is passed by address. Compilers that do not say so
 * of the type show it by the place: what a slot of the frame points to, or what a register does. */
static bool is_by_address(struct dwarf *d, const struct dwarf_param *p)
{
	const struct dwarf_expr *e = &p->at;
	struct dwarf_type t;

	if (!dwarf_type_get(d, p->type, &t) || (t.kind != DWARF_STRUCT && t.kind != DWARF_UNION))
		return false;
	if (t.by_reference)
		return true;
	if (e->n == 1)
		return e->ops[0].op >= DW_OP_breg0 && e->ops[0].op <= DW_OP_breg31;
	return e->n == 2 && e->ops[0].op == DW_OP_fbreg && e->ops[1].op == DW_OP_deref;
}

static void add_param(struct dwarf *d, Dwarf_Die *die, uint64_t addr, struct arena *a,
		      struct dwarf_param *p)
{
	const char *name = dwarf_text(d, die, DW_AT_name);
	Dwarf_Attribute at;
	Dwarf_Sword n;

	*p = (struct dwarf_param){.name = name ? arena_strdup(a, name) : "",
				  .type = type_of(d, die)};
	p->at = place(die, DW_AT_location, addr, a, &p->always);
	p->always = p->always && is_in_frame(&p->at);
	p->by_reference = is_by_address(d, p);
	p->result = attr_flag(die, DW_AT_variable_parameter);
	if (dwarf_attr_integrate(die, DW_AT_const_value, &at) && dwarf_formsdata(&at, &n) == 0) {
		p->constant = true;
		p->value = (uint64_t)n;
	}
}

struct params {
	struct dwarf *d;
	struct arena *a;
	uint64_t addr;
	VEC(struct dwarf_param) v;
};

static bool has_param(const struct params *ps, const char *name)
{
	for (size_t i = 0; i < ps->v.n; i++)
		if (!strcmp(ps->v.v[i].name, name))
			return true;
	return false;
}

/* Parameters or variables of one scope. Of equal names the inner one, which was taken before. */
static void take_scope(struct params *ps, Dwarf_Die *scope, int tag)
{
	struct dwarf_param p;
	Dwarf_Die c;

	if (dwarf_child(scope, &c) != 0)
		return;
	do {
		if (dwarf_tag(&c) != tag)
			continue;
		add_param(ps->d, &c, ps->addr, ps->a, &p);
		if (tag == DW_TAG_formal_parameter || (*p.name && !has_param(ps, p.name)))
			vec_push(ps->a, &ps->v, p);
	} while (ps->v.n < MAX_PARAMS && dwarf_siblingof(&c, &c) == 0);
}

/* Variables of a function literal that the compiler tells the place of in the closure. */
static void take_captured(struct params *ps, Dwarf_Die *func)
{
	struct dwarf_param p;
	Dwarf_Word offset;
	Dwarf_Die c;

	if (dwarf_child(func, &c) != 0)
		return;
	do {
		Dwarf_Attribute at;

		if (dwarf_tag(&c) != DW_TAG_variable ||
		    !dwarf_attr_integrate(&c, AT_GO_CLOSURE_OFFSET, &at) ||
		    dwarf_formudata(&at, &offset) != 0 || !offset || offset > UINT16_MAX)
			continue;
		add_param(ps->d, &c, ps->addr, ps->a, &p);
		p.captured = (uint32_t)offset;
		if (*p.name)
			vec_push(ps->a, &ps->v, p);
	} while (ps->v.n < MAX_PARAMS && dwarf_siblingof(&c, &c) == 0);
}

/* The child scope of `tag` that covers the address. */
static bool inner_scope(Dwarf_Die *scope, uint64_t addr, int tag, Dwarf_Die *out)
{
	if (dwarf_child(scope, out) != 0)
		return false;
	do {
		if (dwarf_tag(out) == tag && covers(out, addr))
			return true;
	} while (dwarf_siblingof(out, out) == 0);
	return false;
}

/* Variables of the blocks that the address is in, the innermost first. */
static void take_blocks(struct params *ps, Dwarf_Die *scope, unsigned depth)
{
	Dwarf_Die block;

	if (depth < MAX_PEEL && inner_scope(scope, ps->addr, DW_TAG_lexical_block, &block))
		take_blocks(ps, &block, depth + 1);
	take_scope(ps, scope, DW_TAG_variable);
}

static void read_params(struct dwarf *d, Dwarf_Die *func, uint64_t addr, struct arena *a,
			struct dwarf_func *out)
{
	struct params ps = {d, a, addr, {0}};

	take_scope(&ps, func, DW_TAG_formal_parameter);
	if (!out->entry)
		take_blocks(&ps, func, 0);
	else
		take_captured(&ps, func);
	out->params = ps.v.v;
	out->nparams = ps.v.n;
}

/* Down through blocks and inlined copies. */
static void innermost(Dwarf_Die *scope, uint64_t addr, Dwarf_Die *instance)
{
	Dwarf_Die at = *scope, next;

	for (unsigned i = 0; i < MAX_PEEL; i++, at = next) {
		if (inner_scope(&at, addr, DW_TAG_inlined_subroutine, &next))
			*instance = next;
		else if (!inner_scope(&at, addr, DW_TAG_lexical_block, &next))
			return;
	}
}

bool dwarf_instance_at(struct dwarf *d, uint64_t addr, const char *copy_of, Dwarf_Die *instance,
		       Dwarf_Die *outer)
{
	struct search s = {.addr = addr};
	Dwarf_Addr entry;

	if (!dwarf_each_tree(d, find_in_tree, &s))
		return false;
	*instance = *outer = s.found;
	if (copy_of)
		return dwarf_copy_in(d, outer, addr, copy_of, instance);
	if (dwarf_entrypc(outer, &entry) != 0 || entry != addr)
		innermost(outer, addr, instance);
	return true;
}

static bool mentions(const struct dwarf_func *f, const char *name)
{
	for (size_t i = 0; i < f->nparams; i++)
		if (!strcmp(f->params[i].name, name))
			return true;
	return false;
}

/* Go's compiler does not mention parameters of a copy that were optimized out; the function that
 * was copied has them all. */
static void add_missing(struct dwarf *d, Dwarf_Die *copy, struct arena *a, struct dwarf_func *out)
{
	struct dwarf_func all = {0};
	struct dwarf_param *v;
	Dwarf_Die origin, cu;

	if (dwarf_srclang(dwarf_diecu(copy, &cu, NULL, NULL)) != DW_LANG_Go ||
	    !attr_die(copy, DW_AT_abstract_origin, &origin))
		return;
	all.entry = true;
	read_params(d, &origin, 0, a, &all);
	v = arena_array_of(a, struct dwarf_param, out->nparams + all.nparams + 1);
	if (out->nparams)
		memcpy(v, out->params, out->nparams * sizeof(*v));
	out->params = v;
	for (size_t i = 0; i < all.nparams; i++) {
		if (mentions(out, all.params[i].name))
			continue;
		v[out->nparams] = all.params[i];
		v[out->nparams++].at = (struct dwarf_expr){0};
	}
}

int dwarf_func_at(struct dwarf *d, uint64_t addr, const char *copy_of, struct arena *a,
		  struct dwarf_func *out, struct err *e)
{
	Dwarf_Die fn, outer;
	const char *name;
	Dwarf_Addr entry;
	bool always;

	if (d->reader)
		return dwarf_remote_func(d->reader, addr, copy_of, a, out, e);
	*out = (struct dwarf_func){0};
	if (dwarf_ready(d, e) < 0)
		return -EINVAL;
	if (!dwarf_instance_at(d, addr, copy_of, &fn, &outer))
		return err_plain(e, ENOENT,
				 "the debug information of %s tells of no function at 0x%" PRIx64,
				 d->path, addr);
	name = dwarf_symbol(d, &fn);
	out->name = name ? arena_strdup(a, name) : NULL;
	out->ret = type_of(d, &fn);
	out->external = attr_flag(&fn, DW_AT_external);
	out->entry = !copy_of && dwarf_entrypc(&outer, &entry) == 0 && entry == addr;
	out->frame_base = place(&outer, DW_AT_frame_base, addr, a, &always);
	out->cfa = cfa_at(d, addr, a);
	read_params(d, &fn, addr, a, out);
	if (copy_of)
		add_missing(d, &fn, a, out);
	return 0;
}
