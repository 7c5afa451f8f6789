/* What the hand-written programs share: the few kernel structures they read, and the two ways to do
 * the job.
 *
 * Without COUNT_LOSS the programs are as one would write them at first: a failed update or a full
 * ring is not noticed, and a counter is a plain addition. With it they do the tracer's job: every
 * addition is atomic (a program on a uprobe can be preempted by another run of itself on the same
 * CPU), and what could not be stored is counted. The second is the one to compare with, the first
 * tells what exactness costs.
 */
#ifndef BENCH_BPF_H
#define BENCH_BPF_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* The kernel's struct pt_regs. */
struct regs {
#if defined(__TARGET_ARCH_arm64)
	__u64 regs[31], sp, pc, pstate;
#else
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs,
		flags, sp, ss;
#endif
};

#if defined(__TARGET_ARCH_arm64)
#define ARG0(r) ((r)->regs[0])
#define ARG1(r) ((r)->regs[1])
#define ARG2(r) ((r)->regs[2])
#else
#define ARG0(r) ((r)->di)
#define ARG1(r) ((r)->si)
#define ARG2(r) ((r)->dx)
#endif

/* The record of a tracepoint of the syscalls group. */
struct sys_enter_args {
	__u64 common;
	__s64 nr;
	__u64 args[6];
};

struct line {
	__u32 pid;
	char comm[16];
	char text[64];
};

struct comm {
	char text[16];
};

volatile __u64 lost; /* what happened and is in no map and no record */

#ifdef COUNT_LOSS
#define ADD(p, n) __sync_fetch_and_add((p), (n))
#define LOST()    __sync_fetch_and_add(&lost, 1)
#else
#define ADD(p, n) (*(p) += (n))
#define LOST()    ((void)0)
#endif

/* 0 for 0 and negative numbers of no interest here; else 1 + the number of the highest bit. */
static __always_inline __u32 log2_bucket(__u64 v)
{
	__u32 bucket = v != 0;

	if (v >> 32) {
		v >>= 32;
		bucket += 32;
	}
	if (v >> 16) {
		v >>= 16;
		bucket += 16;
	}
	if (v >> 8) {
		v >>= 8;
		bucket += 8;
	}
	if (v >> 4) {
		v >>= 4;
		bucket += 4;
	}
	if (v >> 2) {
		v >>= 2;
		bucket += 2;
	}
	if (v >> 1)
		bucket += 1;
	return bucket;
}

#endif
