/* Private: tracepoint.c and the three ways of attaching a tracepoint event. */
#ifndef AWL_PROBE_TRACEPOINT_H
#define AWL_PROBE_TRACEPOINT_H

#include "probe/probe.h"

/* attach_target.a: how the event is attached. */
enum tp_how {
	TP_PERF,      /* perf event: the formatted record is the context */
	TP_RAW,       /* raw tracepoint of the same name: no record, cheap to attach and to leave */
	TP_SYS_ENTER, /* syscalls:sys_enter_X by raw sys_enter and the number of the call */
	TP_SYS_EXIT,  /* syscalls:sys_exit_X by raw sys_exit */
	TP_RAW_SYS,   /* raw_syscalls:sys_enter / sys_exit with their fields, by raw tracepoints */
};

/* syscall.c */
bool syscall_target(struct attach_target *t); /* sets a and b when the raw way is possible */
void syscall_enter(struct gen *g, struct probe *p);
ir_val_t syscall_target_id(struct gen *g, struct probe *p);
struct val syscall_field(struct gen *g, struct probe *p, const struct member *m);
struct val raw_sys_field(struct gen *g, struct probe *p, const struct member *m);
struct val raw_sys_elem(struct gen *g, struct probe *p, const struct member *m, uint64_t index);
const char *syscall_raw_name(const struct attach_target *t); /* "sys_enter" */

#endif
