/* Programs for the entry and for the return of the same functions become one, which the kernel
 * calls at both (a session link): one link to attach and to detach instead of two, and the kernel
 * finds the functions once.
 *
 *            r6 = r1
 *            call bpf_session_is_return
 *            r1 = r6
 *            if r0 & 255 goto return
 *   entry:   the program of the entry, to its end
 *   return:  the program of the return, to its end
 *
 * Each of both begins with the context in r1 and leaves by `exit`, so their instructions can stand
 * one behind the other. The program of the return is left without code: it is attached with the
 * other. What asks which of its targets fired stays apart, because a session has one cookie for
 * both; so do programs with functions of their own, which must not lie between.
 *
 *   kprobe:vfs_* { @start[tid, func] = nsecs; }  kretprobe:vfs_* { … }
 */
#include <linux/btf.h>
#include <string.h>
#include "compile/session.h"

enum { PROLOGUE = 5 };

static bool same_functions(const struct program_prog *a, const struct program_prog *b)
{
	if (a->ntargets != b->ntargets)
		return false;
	for (size_t i = 0; i < a->ntargets; i++) {
		const struct attach_target *x = &a->targets[i], *y = &b->targets[i];

		if (!x->symbol || !y->symbol || strcmp(x->symbol, y->symbol) != 0 ||
		    strcmp(x->module ? x->module : "", y->module ? y->module : "") != 0)
			return false;
	}
	return true;
}

static bool calls(const struct ir_code *c, int helper)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct bpf_insn *in = &c->insns[i];

		if (in->code == (BPF_LD | BPF_IMM | BPF_DW))
			i++;
		else if (in->code == (BPF_JMP | BPF_CALL) && !in->src_reg && in->imm == helper)
			return true;
	}
	return false;
}

static bool may_join(const struct program_prog *p)
{
	return p->code.n && p->code.nfuncs <= 1 && !calls(&p->code, BPF_FUNC_get_attach_cookie);
}

static bool is_pair(const struct program_prog *entry, const struct program_prog *ret)
{
	const struct session *s = entry->prov->session;

	return ret->prov == s->at_return && ret->attach_type == s->multi && may_join(ret) &&
	       same_functions(entry, ret);
}

static void join(struct arena *a, struct ir_code *entry, struct ir_code *ret, uint32_t is_return)
{
	const struct bpf_insn prologue[PROLOGUE] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1},
		{.code = BPF_JMP | BPF_CALL,
		 .src_reg = BPF_PSEUDO_KFUNC_CALL,
		 .imm = (int)is_return},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6},
		{.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = 0, .imm = 255},
		{.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 0, .off = (int16_t)entry->n},
	};
	size_t n = PROLOGUE + entry->n + ret->n;
	struct bpf_insn *insns = arena_array_of(a, struct bpf_insn, n);
	struct span *spans = arena_array_of(a, struct span, n);

	memcpy(insns, prologue, sizeof(prologue));
	memcpy(insns + PROLOGUE, entry->insns, entry->n * sizeof(*insns));
	memcpy(insns + PROLOGUE + entry->n, ret->insns, ret->n * sizeof(*insns));
	for (size_t i = 0; i < PROLOGUE; i++)
		spans[i] = entry->spans[0];
	memcpy(spans + PROLOGUE, entry->spans, entry->n * sizeof(*spans));
	memcpy(spans + PROLOGUE + entry->n, ret->spans, ret->n * sizeof(*spans));
	entry->insns = insns;
	entry->spans = spans;
	entry->n = n;
	entry->stack = MAX(entry->stack, ret->stack);
	ret->n = 0;
}

static bool fits(const struct ir_code *entry)
{
	return entry->n <= INT16_MAX;
}

static void join_with_return(struct program *p, size_t i, uint32_t is_return)
{
	struct program_prog *entry = &p->progs[i];

	for (size_t j = 0; j < p->nprogs; j++)
		if (is_pair(entry, &p->progs[j])) {
			join(p->arena, &entry->code, &p->progs[j].code, is_return);
			entry->attach_type = entry->prov->session->both;
			return;
		}
}

void session_pairs(struct program *p, struct kernel *k)
{
	uint32_t is_return = 0;

	for (size_t i = 0; i < p->nprogs; i++) {
		const struct program_prog *entry = &p->progs[i];
		const struct session *s = entry->prov->session;

		if (!s || entry->attach_type != s->multi || !may_join(entry) || !fits(&entry->code))
			continue;
		if (!is_return && kernel_has(k, s->feature))
			is_return = kernel_btf_find(k, "bpf_session_is_return", BTF_KIND_FUNC);
		if (!is_return)
			return;
		join_with_return(p, i, is_return);
	}
}
