#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#include "core/gz.h"
#include "core/limits.h"

/* Windows of 32 KiB, in gzip's format. */
#define WINDOW_BITS (15 + 16)
#define MEMORY      8
#define CHUNK       65536

bool
smx_gz_is(struct smx_slice bytes)
{
	return smx_slice_starts(bytes, SMX_SLICE("\x1f\x8b"));
}

static int
status_of(int rc)
{
	switch (rc) {
	case Z_OK:
	case Z_STREAM_END:
		return 0;
	case Z_MEM_ERROR:
		return -SMX_ENOMEM;
	default:
		return -SMX_EPARSE;
	}
}

static void
set_input(z_stream *z, struct smx_slice bytes)
{
	z->next_in = (Bytef *)(uintptr_t)bytes.p;
	z->avail_in = (uInt)bytes.n;
}

/* Deflate what was set as input. */
static void
deflate_all(struct smx_gz_writer *w, int flush)
{
	int rc = Z_OK;

	while (w->status == 0 && rc != Z_STREAM_END &&
	    (w->z->avail_in > 0 || flush == Z_FINISH)) {
		uLong bound = deflateBound(w->z, w->z->avail_in);
		uInt room = bound < CHUNK ? (uInt)bound : CHUNK;
		char *to = smx_buf_reserve(w->out, room);

		if (to == NULL) {
			w->status = smx_buf_status(w->out);
			return;
		}
		w->z->next_out = (Bytef *)to;
		w->z->avail_out = room;
		rc = deflate(w->z, flush);
		w->status = status_of(rc);
		w->out->n += room - w->z->avail_out;
	}
}

void
smx_gz_begin(struct smx_gz_writer *w, struct smx_buf *out)
{
	*w = (struct smx_gz_writer){ .out = out, .status = -SMX_ENOMEM };
	w->z = calloc(1, sizeof(*w->z));
	if (w->z != NULL)
		w->status = status_of(deflateInit2(w->z, Z_DEFAULT_COMPRESSION,
		    Z_DEFLATED, WINDOW_BITS, MEMORY, Z_DEFAULT_STRATEGY));
}

void
smx_gz_add(struct smx_gz_writer *w, struct smx_slice bytes)
{
	while (w->status == 0 && bytes.n > 0) {
		size_t n = bytes.n < CHUNK ? bytes.n : CHUNK;

		set_input(w->z, smx_slice(bytes.p, n));
		deflate_all(w, Z_NO_FLUSH);
		bytes = smx_slice_from(bytes, n);
	}
}

int
smx_gz_end(struct smx_gz_writer *w)
{
	if (w->z != NULL) {
		deflate_all(w, Z_FINISH);
		deflateEnd(w->z);
		free(w->z);
	}
	return w->status;
}

int
smx_gz_write(struct smx_slice bytes, struct smx_buf *out)
{
	struct smx_gz_writer w;

	smx_gz_begin(&w, out);
	smx_gz_add(&w, bytes);
	return smx_gz_end(&w);
}

/* Inflate into the buffer, which may grow by @p left bytes. */
static int
inflate_some(z_stream *z, size_t left, struct smx_buf *out, int *ret_zlib)
{
	size_t room = left < CHUNK ? left : CHUNK;
	char beyond, *to = &beyond;

	if (room > 0) {
		to = smx_buf_reserve(out, room);
		if (to == NULL)
			return smx_buf_status(out);
	}
	z->next_out = (Bytef *)to;
	z->avail_out = room > 0 ? (uInt)room : 1;
	*ret_zlib = inflate(z, Z_NO_FLUSH);
	if (room > 0)
		out->n += room - z->avail_out;
	else if (z->avail_out == 0)
		return -SMX_ELIMIT;
	return status_of(*ret_zlib);
}

/* How far the buffer may be filled from an input of so many bytes. */
static size_t
limit_of(size_t bytes, const struct smx_buf *out)
{
	size_t more = bytes < SMX_GZ_INFLATED_MAX / SMX_GZ_RATIO_MAX
	    ? bytes * SMX_GZ_RATIO_MAX
	    : SMX_GZ_INFLATED_MAX;

	return more < out->max - out->n ? out->n + more : out->max;
}

int
smx_gz_read(struct smx_slice bytes, struct smx_buf *out)
{
	size_t begin = out->n, limit;
	z_stream z = { .next_in = NULL };
	int zlib = Z_OK, rc;

	if (smx_buf_status(out) < 0)
		return smx_buf_status(out);
	if (bytes.n > SMX_GZ_BYTES_MAX)
		return -SMX_ELIMIT;
	limit = limit_of(bytes.n, out);
	rc = status_of(inflateInit2(&z, WINDOW_BITS));
	if (rc < 0)
		return rc;
	set_input(&z, bytes);
	while (rc == 0 && (zlib != Z_STREAM_END || z.avail_in > 0)) {
		/* A member has ended, and another follows. */
		if (zlib == Z_STREAM_END)
			rc = status_of(inflateReset(&z));
		if (rc == 0)
			rc = inflate_some(&z, limit - out->n, out, &zlib);
	}
	inflateEnd(&z);
	if (rc < 0)
		out->n = begin;
	return rc;
}
