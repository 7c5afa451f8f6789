/* What probe placement needs to know about one machine instruction. Private to src/elf. The decoder
 * of x86 is Zydis (insn_x86.c); without it (AWL_NO_ZYDIS) a handful of instructions is known by
 * hand. */
#ifndef AWL_ELF_INSN_H
#define AWL_ELF_INSN_H

#include "elf/elf.h"

enum insn_kind {
	INSN_OTHER,   /* executed by a single step in a copy */
	INSN_LANDING, /* endbr64, bti: marks the target of an indirect branch, does nothing */
	INSN_NOP,
	INSN_NOP5, /* 0f 1f 44 00 00, which newer kernels turn into a call */
	INSN_PUSH,
	INSN_BRANCH, /* direct jump, conditional jump or call, on arm64 also to a register (ret):
		      * computed by the kernel */
};

/* Where control goes on. */
enum insn_flow {
	FLOW_NEXT,
	FLOW_RET,
	FLOW_JUMP,     /* direct, always */
	FLOW_COND,     /* direct, or the next */
	FLOW_CALL,     /* direct */
	FLOW_INDIRECT, /* a jump to what a register or memory says */
};

struct insn {
	uint8_t len; /* 0: cannot be decoded (or its length is not known) */
	enum insn_kind kind;
	const char *refused; /* why the kernel does not take a probe here; NULL when it does */
	bool is_call;
	bool has_target;
	int64_t target;      /* of a direct branch, relative to the instruction's start */
	enum insn_flow flow; /* not of x86 without Zydis */
	uint8_t literal;     /* arm64: it loads so many bytes at `target`, without has_target */
};

enum { INSN_MAX = 15 };

/* Decodes the instruction in the first `n` bytes. False: no such machine, or nothing decoded. */
bool insn_decode(uint16_t machine, bool is64, const uint8_t *p, size_t n, struct insn *out);
/* What a probe on an instruction costs that is not refused; `calls`: the kernel makes calls of
 * nop5. */
enum probe_cost insn_cost(const struct insn *in, bool calls);
/* Whether lengths of all instructions are known, so that code can be walked. */
bool insn_can_walk(uint16_t machine);
void insn_text(uint16_t machine, bool is64, uint64_t addr, const uint8_t *p, size_t n, char *out,
	       size_t size);

bool insn_x86_decode(bool is64, const uint8_t *p, size_t n, struct insn *out);
void insn_x86_text(bool is64, uint64_t addr, const uint8_t *p, size_t n, char *out, size_t size);
bool insn_arm64_decode(const uint8_t *p, size_t n, struct insn *out);
void insn_arm64_text(const uint8_t *p, char *out, size_t size);

#endif
