/* Files as they are, recorded or played back (files.h). */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "base/files.h"

static const struct files_answer *find(const struct files *f, enum files_op op, const char *path)
{
	VEC_EACH (struct files_answer, a, &f->answers)
		if (a->op == op && strcmp(a->path, path) == 0)
			return a;
	return NULL;
}

static int real_stat(const char *path, struct buf *out)
{
	struct files_stat s;
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	s = (struct files_stat){st.st_dev, st.st_ino, S_ISDIR(st.st_mode),
				(st.st_mode & S_IWOTH) != 0};
	buf_add(out, &s, sizeof(s));
	return 0;
}

static int real_list(const char *path, struct buf *out)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)))
		buf_add(out, e->d_name, strlen(e->d_name) + 1);
	closedir(d);
	return 0;
}

static int real(enum files_op op, const char *path, struct buf *out, size_t limit)
{
	switch (op) {
	case FILES_OP_READ:
		return buf_read_file(out, path, limit);
	case FILES_OP_ACCESS:
		return access(path, R_OK) == 0 ? 0 : -errno;
	case FILES_OP_STAT:
		return real_stat(path, out);
	case FILES_OP_LIST:
		return real_list(path, out);
	case FILES_OP_COUNT:
		break;
	}
	return -EINVAL;
}

static int replay(const struct files *f, enum files_op op, const char *path, struct buf *out,
		  size_t limit)
{
	const struct files_answer *a = find(f, op, path);

	if (!a)
		return -ENOENT;
	if (a->data.n > limit)
		return -EFBIG;
	buf_addstr(out, a->data);
	return a->result;
}

static void record(struct files *f, enum files_op op, const char *path, int result, struct str data)
{
	if (find(f, op, path))
		return;
	vec_push(f->arena, &f->answers,
		 (struct files_answer){op,
				       arena_strdup(f->arena, path),
				       result,
				       {arena_strndup(f->arena, data.p, data.n), data.n}});
}

static int ask(struct files *f, enum files_op op, const char *path, struct buf *out, size_t limit)
{
	size_t before = out->n;
	int r;

	if (f && f->mode == FILES_REPLAY)
		return replay(f, op, path, out, limit);
	r = real(op, path, out, limit);
	if (f && f->mode == FILES_RECORD)
		record(f, op, path, r, (struct str){buf_cstr(out) + before, out->n - before});
	return r;
}

int files_read(struct files *f, const char *path, struct buf *out, size_t limit)
{
	return ask(f, FILES_OP_READ, path, out, limit);
}

bool files_exists(struct files *f, const char *path)
{
	struct buf none = BUF_INIT;
	bool ok = ask(f, FILES_OP_ACCESS, path, &none, SIZE_MAX) == 0;

	buf_release(&none);
	return ok;
}

int files_stat(struct files *f, const char *path, struct files_stat *out)
{
	struct buf b = BUF_INIT;
	int r = ask(f, FILES_OP_STAT, path, &b, SIZE_MAX);

	if (r == 0 && b.n != sizeof(*out))
		r = -EBADMSG;
	if (r == 0)
		memcpy(out, b.p, sizeof(*out));
	buf_release(&b);
	return r;
}

int files_list(struct files *f, const char *path, struct buf *out)
{
	int r = ask(f, FILES_OP_LIST, path, out, SIZE_MAX);

	if (r == 0 && out->n && out->p[out->n - 1])
		buf_addc(out, '\0');
	return r;
}
