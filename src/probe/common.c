/* What providers share: checking parts, numbers and durations of attach points, "no such probe". */
#include "probe/probe.h"

bool probe_is_glob(struct str s)
{
	return memchr(s.p, '*', s.n) || memchr(s.p, '?', s.n);
}

const char *probe_cstr(struct sema *s, struct str t)
{
	return arena_strndup(sema_arena(s), t.p, t.n);
}

bool probe_malformed(struct sema *s, const struct provider *prov, const struct attach_point *ap,
		     const char *why)
{
	struct diag_msg *m = sema_report(s, E_PROBE_FORM, ap->span, "malformed %s probe: %s",
					 prov->name, why);

	diag_help(m, "write %s", prov->form);
	return false;
}

bool probe_parts(struct sema *s, const struct provider *prov, const struct attach_point *ap,
		 size_t min, size_t max)
{
	if (ap->nparts < min)
		return probe_malformed(s, prov, ap, "a part is missing");
	if (ap->nparts > max)
		return probe_malformed(s, prov, ap, "there are too many parts between colons");
	for (size_t i = 1; i < ap->nparts; i++) {
		if (ap->parts[i].n == 0 && i < min)
			return probe_malformed(s, prov, ap, "a part is empty");
	}
	return true;
}

bool probe_number(struct sema *s, const struct attach_point *ap, size_t i, const char *what,
		  uint64_t *out)
{
	unsigned long long v;

	if (str_to_u64(ap->parts[i], &v)) {
		*out = v;
		return true;
	}
	sema_report(s, E_PROBE_FORM, ap->part_spans[i], "%s must be a number, not \"%.*s\"", what,
		    STR_ARG(ap->parts[i]));
	return false;
}

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{"ns", 1},         {"us", 1000},       {"ms", 1000000},
	{"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000},
};

bool probe_duration(struct str text, uint64_t unit, uint64_t *ns)
{
	unsigned long long v;
	size_t digits = 0;
	struct str suffix;

	while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9')
		digits++;
	if (!digits || !str_to_u64((struct str){text.p, digits}, &v))
		return false;
	suffix = (struct str){text.p + digits, text.n - digits};
	if (suffix.n == 0)
		return !__builtin_mul_overflow((uint64_t)v, unit, ns);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (str_is(suffix, units[i].name))
			return !__builtin_mul_overflow((uint64_t)v, units[i].ns, ns);
	}
	return false;
}

void probe_near(struct sema *s, struct nearest *near, const char *name)
{
	nearest_try(near, str_of(name));
	if (near->best.p == name)
		near->best.p = arena_strdup(sema_arena(s), name);
}

const char *probe_own_name(struct sema *s, const struct provider *prov,
			   const struct attach_point *ap)
{
	struct str rest = ap->text;

	if (ap->quoted[0] || !str_starts(rest, ap->parts[0]))
		return probe_cstr(s, rest);
	rest = (struct str){rest.p + ap->parts[0].n, rest.n - ap->parts[0].n};
	return arena_printf(sema_arena(s), "%s%.*s", prov->name, STR_ARG(rest));
}

void probe_push(struct sema *s, struct attach_targets *out, struct attach_target t)
{
	vec_push(sema_arena(s), out, t);
}

/* How to list the neighbours: of a file its own, else those of the same kind. */
static void help_list(struct diag_msg *m, const struct attach_point *ap)
{
	if (ap->nparts > 2 && memchr(ap->parts[1].p, '/', ap->parts[1].n))
		diag_help(m, "awl -l '%.*s:%.*s:*' lists what there is", STR_ARG(ap->parts[0]),
			  STR_ARG(ap->parts[1]));
	else
		diag_help(m, "awl -l '%.*s:*' lists what there is", STR_ARG(ap->parts[0]));
}

bool probe_needs_cookie(struct kernel *k, unsigned uses, enum feature f)
{
	return (uses & USES_PROBE) && !kernel_has(k, f);
}

bool probe_share_perf(struct kernel *k, unsigned uses, const struct attach_target *a,
		      const struct attach_target *b)
{
	return !probe_needs_cookie(k, uses, FEATURE_PERF_LINK);
}

uint64_t probe_cookie(struct attach_env *env, const struct attach_target *t, enum feature f)
{
	return kernel_has(env->kernel, f) ? t->id : 0;
}

bool probe_none(struct sema *s, const struct attach_point *ap, const struct nearest *near,
		const char *why)
{
	enum missing_probes missing = sema_config(s)->missing_probes;
	struct diag_msg *m;

	if (missing == MISSING_IGNORE)
		return true;
	m = sema_report(s, missing == MISSING_WARN ? W_PROBE_NONE : E_PROBE_NONE, ap->span,
			"no probe matches %.*s", STR_ARG(ap->text));
	if (why)
		diag_note(m, "%s", why);
	if (near && nearest_found(near))
		diag_help(m, "did you mean %.*s?", STR_ARG(near->best));
	else
		help_list(m, ap);
	return missing == MISSING_WARN;
}

bool probe_is_any(struct str pattern)
{
	return pattern.n == 1 && pattern.p[0] == '*';
}

struct str probe_pattern(const struct attach_point *ap, size_t i)
{
	return i < ap->nparts && ap->parts[i].n ? ap->parts[i] : STR("*");
}

void probe_list_function(struct buf *line, const char *prov, const char *module, const char *name)
{
	const char *parts[] = {prov, module, name};
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t n = parts[i] ? strlen(parts[i]) : 0;

		if (!parts[i])
			continue;
		line->n = at;
		memcpy(buf_reserve(line, n + 1), parts[i], n);
		line->p[at + n] = ':';
		at += n + 1;
	}
	line->n = at - 1;
	line->p[line->n] = 0;
}

void probe_list_members(struct types *ts, struct arena *a, const struct type *t, struct buf *out)
{
	uint32_t n = 0;
	const struct member *m = t ? type_members(ts, t, &n) : NULL;

	for (uint32_t i = 0; i < n; i++)
		buf_printf(out, "    %s %.*s\n", type_text(a, m[i].type), STR_ARG(m[i].name));
}
