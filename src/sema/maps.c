/* Maps: whether they have keys, the types of keys and values, and how those grow.
 *
 * A map belongs to the whole script. Every use joins the type of its key into the map's, every
 * assignment the type of its value:
 *
 *   @x["a"] = pid          key string[2], value uint32
 *   @x["abc"] = nsecs      key string[4], value uint64
 *   @x = count()           no key, an aggregation
 *
 * A map is used either with keys or without: never both. Statements about the map as a whole
 * (print(@x), clear(@x), for ($kv : @x)) name it without a key and count as neither. */
#include "sema/sema_priv.h"

struct map_info *sema_map(struct sema *s, struct expr *e)
{
	struct map_info *m = e->sem ? e->sem : strmap_get(&s->maps, e->map.name);

	if (!m) {
		m = arena_new_of(s->a, struct map_info);
		m->sym.name = e->map.name;
		m->sym.first = e->span;
		m->sym.decl = strmap_get(&s->map_decls, e->map.name);
		strmap_put(&s->maps, e->map.name, m);
	}
	e->sem = m;
	return m;
}

/* ---- keys ---------------------------------------------------------------------------------------
 */

static void report_scalar(struct sema *s, struct map_info *m, struct expr *e)
{
	struct diag_msg *msg;

	msg = sema_report(s, E_MAP_SCALAR, e->span, "the map @%.*s is used with and without a key",
			  STR_ARG(m->sym.name));
	diag_primary(msg, e->map.nkeys ? "with a key here" : "without a key here");
	diag_label(msg, e->map.nkeys ? m->scalar_span : m->keyed_span,
		   e->map.nkeys ? "without a key here" : "with a key here");
	diag_help(msg, "use two maps, or give it a key in both places");
}

static void report_key(struct sema *s, struct map_info *m, struct expr *e, const struct type *key)
{
	struct diag_msg *msg;

	key = sema_settled(s, key);
	msg = sema_report(s, E_MAP_KEY, e->span, "the key of @%.*s is %s here and %s elsewhere",
			  STR_ARG(m->sym.name), sema_type_text(s, key),
			  sema_type_text(s, m->sym.key));
	diag_primary(msg, "%s", sema_type_text(s, key));
	diag_label(msg, m->key_span, "%s", sema_type_text(s, m->sym.key));
	diag_help(msg, "all keys of a map have the same number and types of parts");
}

static bool bad_key_type(const struct type *t)
{
	return t->kind == TYPE_VOID || t->kind == TYPE_AGG || t->kind == TYPE_FUNC ||
	       t->kind == TYPE_FLOAT;
}

/* NULL while the type of a part is not known. */
static const struct type *key_type(struct sema *s, struct expr **keys, size_t n)
{
	const struct type *items[64];

	if (n > ARRAY_SIZE(items)) {
		sema_report(s, E_SIZE, keys[0]->span, "a key has at most %zu parts",
			    ARRAY_SIZE(items));
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		items[i] = keys[i]->type;
		if (items[i]->kind == TYPE_POISON)
			return NULL;
		if (bad_key_type(items[i])) {
			sema_report(s, E_MAP_KEY, keys[i]->span, "%s cannot be a key",
				    sema_type_text(s, items[i]));
			return NULL;
		}
	}
	return sema_stored(s, n == 1 ? items[0] : type_tuple(s->types, items, n));
}

static bool same_type(const struct type *a, const struct type *b)
{
	return a == b || (type_eq(a, b) && sema_is_flexible(a) == sema_is_flexible(b));
}

static void grow_key(struct sema *s, struct map_info *m, struct expr *e, const struct type *key)
{
	const struct type *j;
	bool clash = false;

	if (!m->sym.key) {
		m->sym.key = s->settling ? sema_settled(s, key) : key;
		m->key_span = e->span;
		s->changed = true;
		return;
	}
	j = sema_join(s, m->sym.key, key, &clash);
	if (!j) {
		report_key(s, m, e, key);
		return;
	}
	if (clash)
		diag_label(sema_report(s, W_SIGN, e->span,
				       "keys of different sign: the key of @%.*s is %s",
				       STR_ARG(m->sym.name), sema_type_text(s, j)),
			   m->key_span, "the other key");
	if (!same_type(j, m->sym.key)) {
		m->sym.key = j;
		s->changed = true;
	}
}

static void use_keys(struct sema *s, struct map_info *m, struct expr *e, struct expr **keys,
		     size_t n)
{
	const struct type *key;

	for (size_t i = 0; i < n; i++)
		sema_value(s, keys[i]);
	key = key_type(s, keys, n);
	if (!m->sym.nkeys)
		m->sym.nkeys = n;
	if (key)
		grow_key(s, m, e, key);
	if (key && m->sym.key)
		for (size_t i = 0; i < n; i++)
			sema_adapt(s, keys[i],
				   n == 1 ? m->sym.key
				   : m->sym.key->kind == TYPE_TUPLE && i < m->sym.key->tuple.n
					   ? m->sym.key->tuple.members[i].type
					   : NULL);
}

/* The conflict is shown at the first use of the kind that came later in the script. */
static bool is_second(const struct map_info *m, const struct expr *e, bool keyed)
{
	const struct span *mine = keyed ? &m->keyed_span : &m->scalar_span;
	const struct span *other = keyed ? &m->scalar_span : &m->keyed_span;

	return mine->off == e->span.off && other->off < mine->off;
}

void sema_map_use(struct sema *s, struct map_info *m, struct expr *e)
{
	bool keyed = e->map.nkeys > 0;

	if (keyed && !m->sym.keyed) {
		m->sym.keyed = true;
		m->keyed_span = e->span;
	}
	if (!keyed && !m->sym.scalar) {
		m->sym.scalar = true;
		m->scalar_span = e->span;
	}
	if (m->sym.keyed && m->sym.scalar && is_second(m, e, keyed))
		report_scalar(s, m, e);
	if (keyed)
		use_keys(s, m, e, e->map.keys, e->map.nkeys);
}

/* ---- values
 * ---------------------------------------------------------------------------------------- */

bool sema_map_defined(struct sema *s, struct map_info *m, struct expr *e)
{
	struct diag_msg *msg;
	struct nearest n;

	if (m->defined)
		return true;
	if (s->dropped)
		return false;
	msg = sema_report(s, E_MAP_UNDEF, e->span, "nothing is ever assigned to the map @%.*s",
			  STR_ARG(m->sym.name));
	if (!msg)
		return false;
	nearest_init(&n, m->sym.name);
	STRMAP_EACH (it, &s->maps)
		if (((struct map_info *)it->value)->defined)
			nearest_try(&n, it->key);
	if (nearest_found(&n) && n.best.n)
		diag_suggest(msg,
			     (struct span){e->span.off, (uint32_t)m->sym.name.n + 1, e->span.file},
			     arena_printf(s->a, "@%.*s", STR_ARG(n.best)));
	else
		diag_help(msg, "assign to it somewhere: @%.*s%s = …;", STR_ARG(m->sym.name),
			  m->sym.keyed ? "[…]" : "");
	return false;
}

/* The type of an aggregation as a number in an expression; NULL when it has none. */
const struct type *sema_map_number(struct sema *s, const struct type *value)
{
	if (value->kind != TYPE_AGG)
		return value;
	if (!value->agg.agg->number)
		return NULL;
	return type_int(s->types, 8, value->agg.is_signed);
}

void sema_map_read(struct sema *s, struct expr *e)
{
	struct map_info *m = sema_map(s, e);
	const struct type *t;

	sema_map_use(s, m, e);
	m->sym.read = true;
	e->type = &type_poison;
	if (!sema_map_defined(s, m, e) || !m->sym.value)
		return;
	t = sema_map_number(s, m->sym.value);
	if (t) {
		e->type = t;
		return;
	}
	diag_help(sema_report(s, E_TYPE, e->span,
			      "@%.*s is a %s: it has no value that an expression could use",
			      STR_ARG(m->sym.name), m->sym.value->agg.agg->name),
		  "print(@%.*s) shows it", STR_ARG(m->sym.name));
}

/* A map as the first argument of print(), clear(), delete() …: with its key, or as a whole. */
void sema_map_arg(struct sema *s, struct expr *e)
{
	struct map_info *m = sema_map(s, e);

	if (e->map.nkeys)
		sema_map_use(s, m, e);
	m->sym.read = true;
	e->type = &type_poison;
	if (sema_map_defined(s, m, e) && m->sym.value)
		e->type = m->sym.value;
}

static void report_value(struct sema *s, struct map_info *m, struct expr *value,
			 const struct type *t, struct span at)
{
	struct diag_msg *msg;

	msg = sema_report(s, E_MAP_VALUE, value ? value->span : at,
			  "@%.*s has values of type %s, this is %s", STR_ARG(m->sym.name),
			  sema_type_text(s, m->sym.value), sema_type_text(s, t));
	diag_primary(msg, "%s", sema_type_text(s, t));
	diag_label(msg, m->value_span, "%s", sema_type_text(s, m->sym.value));
	if (m->sym.value->kind == TYPE_AGG)
		diag_help(msg, "clear(@%.*s) empties an aggregation, delete() removes one key",
			  STR_ARG(m->sym.name));
	else if (m->sym.value->kind == TYPE_STRING && t->kind == TYPE_PTR)
		diag_help(msg, "str() reads the text that a pointer points to");
	else if (type_is_integer(m->sym.value) && t->kind == TYPE_PTR)
		diag_help(msg, "an address as a number: (uint64)…");
	else
		diag_help(msg, "all values of a map have one type: use another map for these");
}

static bool unstorable(const struct type *t)
{
	return t->kind == TYPE_VOID || t->kind == TYPE_FUNC || t->kind == TYPE_FLOAT;
}

static void grow_value(struct sema *s, struct map_info *m, struct expr *value, const struct type *t,
		       struct span at)
{
	const struct type *j;
	bool clash = false;

	if (!m->sym.value) {
		m->sym.value = s->settling ? sema_settled(s, t) : t;
		m->value_span = value ? value->span : at;
		s->changed = true;
		return;
	}
	j = sema_join(s, m->sym.value, t, &clash);
	if (!j) {
		report_value(s, m, value, t, at);
		return;
	}
	if (clash)
		diag_label(sema_report(s, W_SIGN, value ? value->span : at,
				       "@%.*s gets values of different sign: it is %s",
				       STR_ARG(m->sym.name), sema_type_text(s, j)),
			   m->value_span, "the other value");
	if (!same_type(j, m->sym.value)) {
		m->sym.value = j;
		s->changed = true;
	}
}

void sema_map_assign(struct sema *s, struct expr *map, struct expr *value, const struct type *t,
		     struct span at)
{
	struct map_info *m = sema_map(s, map);

	sema_map_use(s, m, map);
	s->changed |= !m->defined;
	m->defined = true;
	m->sym.written = true;
	if (t->kind == TYPE_POISON)
		return;
	if (unstorable(t)) {
		sema_report(s, E_MAP_VALUE, value ? value->span : at, "%s cannot be kept in a map",
			    sema_type_text(s, t));
		return;
	}
	grow_value(s, m, value, sema_stored(s, t), at);
	map->type = m->sym.value;
}
