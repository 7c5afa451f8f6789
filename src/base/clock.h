/* The time of a clock as one number. */
#ifndef AWL_BASE_CLOCK_H
#define AWL_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds; 0 when the clock cannot be read (that of a process that has ended). May be called in
 * a signal handler. */
uint64_t clock_ns(clockid_t clock);

#endif
