/* The writer behind everything that awl prints: text or JSON, one buffer, flushed by policy.
 * What comes from traced programs is escaped once, here: out_text() replaces control bytes other
 * than newline and tab, marks that reorder text, and invalid UTF-8, by \xNN unless `raw`. A failed
 * write (closed pipe, full disk) is remembered in `error` and later output is dropped: the caller
 * looks at it and stops. */
#ifndef AWL_BASE_OUT_H
#define AWL_BASE_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/str.h"

enum out_format { OUT_TEXT, OUT_JSON, OUT_NDJSON };
enum out_buffering { OUT_NONE, OUT_LINE, OUT_FULL }; /* -B */

struct out {
	struct buf b;
	int fd;
	enum out_format format;
	enum out_buffering buffering;
	bool raw;  /* bytes of strings go out unescaped */
	int error; /* errno of the first failed write */
};

void out_init(struct out *o, int fd, enum out_format format, enum out_buffering buffering);
void out_release(struct out *o); /* flushes */
void out_flush(struct out *o);
/* Called at the end of each record: flushes as the policy says. With OUT_LINE the flush may wait
 * until out_flush(): the event loop calls it whenever the ring is drained. */
void out_commit(struct out *o);

void out_printf(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_str(struct out *o, struct str s);  /* bytes as they are */
void out_text(struct out *o, struct str s); /* escaped, see above */
void buf_add_text(struct buf *b, struct str s, bool raw);

/* JSON pieces. Strings are valid UTF-8 afterwards: an invalid byte becomes U+FFFD. Integers that no
 * double holds exactly are written as strings. */
void out_json_str(struct out *o, struct str s);
void buf_add_json_str(struct buf *b, struct str s);
/* Without loss: a string, or for bytes that are no UTF-8 {"$text": "caf\ufffd", "$base64":
 * "Y2Fmww=="}.
 */
void buf_add_json_data(struct buf *b, struct str s);
void buf_add_base64(struct buf *b, struct str s);
void buf_add_json_u64(struct buf *b, uint64_t v);
void buf_add_json_i64(struct buf *b, int64_t v);

#endif
