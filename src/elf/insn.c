/* The choice of the decoder by machine, and arm64, whose instructions are four bytes each.
 *
 * On arm64 the kernel computes branches, returns, literal loads and (from 6.14) nop by itself,
 * steps over the rest in a copy, and refuses exclusive loads and stores (a step between the two
 * would always lose the reservation), exception instructions and writes of system registers. */
#include "elf/insn.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

bool insn_decode(uint16_t machine, bool is64, const uint8_t *p, size_t n, struct insn *out)
{
	*out = (struct insn){0};
	if (machine == EM_X86_64 || machine == EM_386)
		return insn_x86_decode(machine == EM_X86_64, p, n, out);
	if (machine == EM_AARCH64)
		return insn_arm64_decode(p, n, out);
	return false;
}

enum probe_cost insn_cost(const struct insn *in, bool calls)
{
	switch (in->kind) {
	case INSN_NOP5:
		return calls ? COST_CHEAP : COST_STEPPED;
	case INSN_NOP:
	case INSN_PUSH:
	case INSN_BRANCH:
		return COST_EMULATED;
	default:
		return COST_STEPPED;
	}
}

bool insn_can_walk(uint16_t machine)
{
#ifdef AWL_NO_ZYDIS
	return machine == EM_AARCH64;
#else
	return machine == EM_X86_64 || machine == EM_386 || machine == EM_AARCH64;
#endif
}

void insn_text(uint16_t machine, bool is64, uint64_t addr, const uint8_t *p, size_t n, char *out,
	       size_t size)
{
	out[0] = 0;
	if (machine == EM_X86_64 || machine == EM_386)
		insn_x86_text(machine == EM_X86_64, addr, p, n, out, size);
	else if (machine == EM_AARCH64 && n >= 4)
		insn_arm64_text(p, out, size);
}

/* ---- arm64 ---- */

static uint32_t arm64_word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A signed field of `bits` bits at `shift`, in units of four bytes. */
static int64_t arm64_offset(uint32_t w, int shift, int bits)
{
	return ((int64_t)((uint64_t)(w >> shift) << (64 - bits)) >> (64 - bits)) * 4;
}

static bool is_arm64_bti(uint32_t w)
{
	return (w & 0xffffff3f) == 0xd503241f;
}

static const char *arm64_refused(uint32_t w)
{
	if (w == 0)
		return "not an instruction";
	if ((w & 0x3f000000) == 0x08000000)
		return "an exclusive load or store cannot be stepped over";
	if ((w & 0xff000000) == 0xd4000000)
		return "an exception instruction (svc, brk) cannot be stepped over";
	if ((w & 0xfff00000) == 0xd5100000)
		return "a write of a system register cannot be stepped over";
	return NULL;
}

static bool arm64_branch(uint32_t w, int64_t *target)
{
	if ((w & 0x7c000000) == 0x14000000) /* b, bl */
		*target = arm64_offset(w, 0, 26);
	else if ((w & 0xff000010) == 0x54000000) /* b.cond */
		*target = arm64_offset(w, 5, 19);
	else if ((w & 0x7e000000) == 0x34000000) /* cbz, cbnz */
		*target = arm64_offset(w, 5, 19);
	else if ((w & 0x7e000000) == 0x36000000) /* tbz, tbnz */
		*target = arm64_offset(w, 5, 14);
	else
		return false;
	return true;
}

/* Jumps, calls and returns to what a register says:
 *
 *   1101011 │ opc:4 │ 11111 │ op3:6 │ Rn:5 │ op4:5      opc 0 br, 1 blr, 2 ret; 8, 9 braa, blraa
 *
 * The kernel computes those whose address is not authenticated: op3 and op4 are 0. */
static bool arm64_to_register(uint32_t w, struct insn *out)
{
	static const enum insn_flow flows[16] = {
		[0] = FLOW_INDIRECT, [2] = FLOW_RET, [8] = FLOW_INDIRECT};
	uint32_t opc = w >> 21 & 15;

	if ((w & 0xfe1f0000) != 0xd61f0000)
		return false;
	out->flow = flows[opc];
	out->is_call = opc == 1 || opc == 9;
	if (opc < 3 && !(w & 0xfc1f))
		out->kind = INSN_BRANCH;
	return true;
}

/* ldr, ldrsw and ldr of a vector register with an address that is relative to the instruction. */
static void arm64_literal(uint32_t w, struct insn *out)
{
	static const uint8_t general[4] = {4, 8, 4, 0}, vector[4] = {4, 8, 16, 0};

	if ((w & 0x3b000000) != 0x18000000)
		return;
	out->literal = (w & 1u << 26 ? vector : general)[w >> 30];
	out->target = arm64_offset(w, 5, 19);
}

static enum insn_flow arm64_direct(uint32_t w)
{
	if ((w & 0x7c000000) != 0x14000000)
		return FLOW_COND;
	return w >> 31 ? FLOW_CALL : FLOW_JUMP;
}

bool insn_arm64_decode(const uint8_t *p, size_t n, struct insn *out)
{
	uint32_t w;

	if (n < 4)
		return false;
	w = arm64_word(p);
	out->len = 4;
	out->refused = arm64_refused(w);
	if (is_arm64_bti(w)) {
		out->kind = INSN_LANDING;
	} else if (w == 0xd503201f) {
		out->kind = INSN_NOP;
	} else if (arm64_branch(w, &out->target)) {
		out->kind = INSN_BRANCH;
		out->has_target = true;
		out->flow = arm64_direct(w);
		out->is_call = out->flow == FLOW_CALL;
	} else if (!arm64_to_register(w, out)) {
		arm64_literal(w, out);
	}
	return true;
}

void insn_arm64_text(const uint8_t *p, char *out, size_t size)
{
	uint32_t w = arm64_word(p);
	int64_t target;

	if (w == 0xd503201f)
		snprintf(out, size, "nop");
	else if (is_arm64_bti(w))
		snprintf(out, size, "bti");
	else if (arm64_branch(w, &target))
		snprintf(out, size, "branch %+lld", (long long)target);
	else
		snprintf(out, size, ".inst 0x%08x", w);
}
