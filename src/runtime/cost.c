/* What a run of a program costs, by what it is made of. Good enough to choose between two probes; a
 * run with --max-overhead measures. */
#include "runtime/runtime.h"

enum { START_NS = 20, CALL_NS = 25, INSNS_PER_NS = 3 };

uint32_t run_prog_ns(const struct program_prog *p)
{
	uint32_t calls = 0;

	for (size_t i = 0; i < p->code.n; i++)
		calls += p->code.insns[i].code == (BPF_JMP | BPF_CALL) &&
			 p->code.insns[i].src_reg != BPF_PSEUDO_CALL;
	return START_NS + CALL_NS * calls + (uint32_t)p->code.n / INSNS_PER_NS;
}
