/* x86 instructions, by Zydis, as the kernel's uprobes see them.
 *
 * What the kernel does with the instruction under a probe (measured on 6.18):
 *
 *   0f 1f 44 00 00            turned into a call of a trampoline             cheapest
 *   push %reg, nop of any     computed by the kernel, no second trap         about twice that
 *   length, jmp/jcc/call rel
 *   anything else             stepped over in a copy: a debug trap           up to 35 times that
 *   refused (-ENOTSUPP)       segment prefixes es cs ss ds and lock; int, in, out, hlt, cli, sti,
 *                             iret, far transfers; mov to %ss; 16-bit branches
 *
 * push counts only as one byte, or two with prefix 41: with another prefix the kernel steps it.
 *
 * Behind a vector prefix (VEX, EVEX, XOP) the kernel looks the opcode up as if it stood alone, and
 * does what that opcode would do: `62 e2 7d 28 7a ce`, vpbroadcastb, with which some of libc's
 * string functions begin, is computed as the jump that 7a is by itself, and the broadcast is never
 * done. `49 90`, xchg %rax,%r8, is taken for the nop that 90 is without its prefix. Such
 * instructions are accepted by the kernel and must be refused here. */
#include "elf/insn.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

static const uint8_t nop5[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

/* The frequent first instructions, spelled without starting up a formatter. */
static bool common_text(bool is64, const uint8_t *p, size_t n, char *out, size_t size)
{
	static const char *const low[8] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};

	if (n >= 4 && memcmp(p, "\xf3\x0f\x1e\xfa", 4) == 0)
		snprintf(out, size, "endbr64");
	else if (n >= 5 && memcmp(p, nop5, 5) == 0)
		snprintf(out, size, "nopl 0x0(%%rax,%%rax,1)");
	else if (n && p[0] == 0x90)
		snprintf(out, size, "nop");
	else if (n && p[0] >= 0x50 && p[0] <= 0x57)
		snprintf(out, size, "push %%%c%s", is64 ? 'r' : 'e', low[p[0] & 7]);
	else if (n >= 2 && is64 && p[0] == 0x41 && p[1] >= 0x50 && p[1] <= 0x57)
		snprintf(out, size, "push %%r%d", 8 + (p[1] & 7));
	else
		return false;
	return true;
}

#ifdef AWL_NO_ZYDIS

bool insn_x86_decode(bool is64, const uint8_t *p, size_t n, struct insn *out)
{
	if (!n)
		return false;
	if (is64 && (p[0] == 0xc4 || p[0] == 0xc5 || p[0] == 0x62)) {
		out->refused = "a vector instruction, which this build of awl cannot look into";
	} else if (p[0] == 0xcc) {
		out->len = 1;
		out->refused = "a breakpoint instruction (int3) of the program itself";
	} else if (n >= 4 && memcmp(p, "\xf3\x0f\x1e", 3) == 0 && (p[3] == 0xfa || p[3] == 0xfb)) {
		out->len = 4;
		out->kind = INSN_LANDING;
	} else if (n >= 5 && is64 && memcmp(p, nop5, 5) == 0) {
		out->len = 5;
		out->kind = INSN_NOP5;
	} else if (p[0] == 0x90) {
		out->len = 1;
		out->kind = INSN_NOP;
	} else if (p[0] >= 0x50 && p[0] <= 0x57) {
		out->len = 1;
		out->kind = INSN_PUSH;
	} else if (n >= 2 && is64 && p[0] == 0x41 && p[1] >= 0x50 && p[1] <= 0x57) {
		out->len = 2;
		out->kind = INSN_PUSH;
	}
	return true;
}

void insn_x86_text(bool is64, uint64_t addr, const uint8_t *p, size_t n, char *out, size_t size)
{
	if (!common_text(is64, p, n, out, size) && n)
		snprintf(out, size, ".byte 0x%02x", p[0]);
}

#else

#include <Zydis/Zydis.h>

/* One-byte opcodes that the kernel does not take in 64-bit programs, as ranges. In 32-bit programs
 * it takes some of them; a refusal by the kernel there is reported when the probe is attached. */
static const uint8_t refused_ranges[][2] = {
	{0x06, 0x07}, {0x0e, 0x0e}, {0x16, 0x17}, {0x1e, 0x1f}, {0x27, 0x27}, {0x2f, 0x2f},
	{0x37, 0x37}, {0x3f, 0x3f}, {0x60, 0x61}, {0x6c, 0x6f}, {0x82, 0x82}, {0x9a, 0x9a},
	{0xcc, 0xcf}, {0xd4, 0xd4}, {0xd6, 0xd6}, {0xe4, 0xe7}, {0xea, 0xea}, {0xec, 0xef},
	{0xf1, 0xf1}, {0xf4, 0xf4}, {0xfa, 0xfb},
};

static const char *refused_prefix(const ZydisDecodedInstruction *in)
{
	for (size_t i = 0; i < in->raw.prefix_count; i++)
		switch (in->raw.prefixes[i].value) {
		case 0xf0:
			return "the kernel takes no probe on an instruction with a lock prefix";
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			return "the kernel takes no probe on an instruction with a segment prefix";
		}
	return NULL;
}

/* Opcodes that the kernel computes, or mends the instruction pointer and flags for: jumps, calls,
 * returns, nop, popf. None may be found behind a vector prefix. */
static const uint8_t computed_ranges[][2] = {
	{0x70, 0x7f}, {0x90, 0x90}, {0x9a, 0x9a}, {0x9d, 0x9d},
	{0xc2, 0xc3}, {0xca, 0xcb}, {0xe8, 0xeb}, {0xff, 0xff},
};

static bool is_in(const uint8_t (*ranges)[2], size_t n, uint8_t opcode)
{
	for (size_t i = 0; i < n; i++)
		if (opcode >= ranges[i][0] && opcode <= ranges[i][1])
			return true;
	return false;
}

static bool has_vector_prefix(const ZydisDecodedInstruction *in)
{
	return in->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
	       in->encoding != ZYDIS_INSTRUCTION_ENCODING_3DNOW;
}

static const char *refused_vector(const ZydisDecodedInstruction *in)
{
	if (has_vector_prefix(in) &&
	    is_in(computed_ranges, ARRAY_SIZE(computed_ranges), in->opcode))
		return "the kernel would mistake this vector instruction for another and not "
		       "execute it";
	return NULL;
}

static const char *refused_opcode(const ZydisDecodedInstruction *in)
{
	if (!has_vector_prefix(in) && in->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
		return NULL;
	if (in->opcode == 0xcc)
		return "a breakpoint instruction (int3) of the program itself";
	if (in->opcode == 0x90 && in->raw.rex.B)
		return "the kernel would mistake this exchange of registers for a nop and not "
		       "execute it";
	if (in->opcode == 0x8e && in->raw.modrm.reg == 2)
		return "the kernel takes no probe on a move to the stack segment";
	if (is_in(refused_ranges, ARRAY_SIZE(refused_ranges), in->opcode))
		return "the kernel takes no probe on this instruction";
	return NULL;
}

static bool is_direct_branch(const ZydisDecodedInstruction *in)
{
	if (!(in->attributes & ZYDIS_ATTRIB_IS_RELATIVE) || !in->raw.imm[0].is_relative)
		return false;
	return in->opcode_map == ZYDIS_OPCODE_MAP_0F
		       ? in->opcode >= 0x80 && in->opcode <= 0x8f
		       : in->opcode == 0xe8 || in->opcode == 0xe9 || in->opcode == 0xeb ||
				 (in->opcode >= 0x70 && in->opcode <= 0x7f);
}

static bool is_plain_push(const ZydisDecodedInstruction *in, const uint8_t *p)
{
	return in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && in->opcode >= 0x50 &&
	       in->opcode <= 0x57 && (in->length == 1 || (in->length == 2 && p[0] == 0x41));
}

static enum insn_kind kind_of(bool is64, const ZydisDecodedInstruction *in, const uint8_t *p)
{
	if (in->mnemonic == ZYDIS_MNEMONIC_ENDBR64 || in->mnemonic == ZYDIS_MNEMONIC_ENDBR32)
		return INSN_LANDING;
	if (is64 && in->length == 5 && memcmp(p, nop5, 5) == 0)
		return INSN_NOP5;
	if (in->mnemonic == ZYDIS_MNEMONIC_NOP &&
	    (in->opcode == 0x90 || (in->opcode_map == ZYDIS_OPCODE_MAP_0F && in->opcode == 0x1f)))
		return INSN_NOP;
	return is_plain_push(in, p) ? INSN_PUSH : INSN_OTHER;
}

static bool decode(bool is64, const uint8_t *p, size_t n, ZydisDecodedInstruction *in)
{
	ZydisDecoder d;

	ZydisDecoderInit(&d, is64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
			 is64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, p, n, in));
}

static enum insn_flow flow_of(const ZydisDecodedInstruction *in)
{
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_RET:
		return FLOW_RET;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return is_direct_branch(in) ? FLOW_JUMP : FLOW_INDIRECT;
	case ZYDIS_CATEGORY_COND_BR:
		return FLOW_COND;
	case ZYDIS_CATEGORY_CALL:
		return is_direct_branch(in) ? FLOW_CALL : FLOW_NEXT;
	default:
		return FLOW_NEXT;
	}
}

bool insn_x86_decode(bool is64, const uint8_t *p, size_t n, struct insn *out)
{
	ZydisDecodedInstruction in;

	if (!decode(is64, p, n, &in))
		return false;
	out->len = in.length;
	out->refused = refused_prefix(&in);
	if (!out->refused)
		out->refused = refused_vector(&in);
	if (!out->refused && is64)
		out->refused = refused_opcode(&in);
	else if (!out->refused && p[0] == 0xcc)
		out->refused = refused_opcode(&in);
	out->kind = kind_of(is64, &in, p);
	out->is_call = in.mnemonic == ZYDIS_MNEMONIC_CALL;
	out->flow = flow_of(&in);
	if (is_direct_branch(&in)) {
		out->has_target = true;
		out->target = in.length + in.raw.imm[0].value.s;
		out->kind = INSN_BRANCH;
		if (in.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
			out->refused = "the kernel takes no probe on a branch with a 16-bit prefix";
	}
	return true;
}

void insn_x86_text(bool is64, uint64_t addr, const uint8_t *p, size_t n, char *out, size_t size)
{
	ZydisDecodedInstruction in;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecoder d;
	ZydisFormatter fmt;

	if (common_text(is64, p, n, out, size))
		return;
	ZydisDecoderInit(&d, is64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32,
			 is64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
	if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, p, n, &in, ops)) &&
	    ZYAN_SUCCESS(ZydisFormatterInit(&fmt, ZYDIS_FORMATTER_STYLE_ATT)) &&
	    ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&fmt, &in, ops, in.operand_count_visible,
							 out, size, addr, NULL)))
		return;
	snprintf(out, size, "(bad)");
}

#endif
