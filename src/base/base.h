/* The face of src/base: no knowledge of tracing, libc only. */
#ifndef AWL_BASE_H
#define AWL_BASE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/files.h"
#include "base/out.h"
#include "base/str.h"
#include "base/strmap.h"
#include "base/vec.h"

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + (a)-1) / (a) * (a))
#define MIN(a, b)      ((a) < (b) ? (a) : (b))
#define MAX(a, b)      ((a) > (b) ? (a) : (b))

#endif
