/**
 * What the fuzz targets share. A target is one function that is given bytes
 * and aborts when something that must hold does not.
 */
#ifndef SMX_FUZZ_FUZZ_H
#define SMX_FUZZ_FUZZ_H

#include <stdint.h>

#include "base/buf.h"
#include "base/require.h"
#include "core/diag.h"

/** libFuzzer calls it, and so does replay.c. @return 0 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct smx_slice
fuzz_slice(const uint8_t *data, size_t size)
{
	return smx_slice((const char *)data, size);
}

static inline void
fuzz_require_printable(struct smx_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		SMX_REQUIRE(s.p[i] >= ' ' && s.p[i] <= '~');
}

/** Findings point into the input, and their sentences are fit to print. */
static inline void
fuzz_require_findings(const struct smx_diag_list *l, struct smx_slice input)
{
	for (size_t i = 0; i < smx_diag_list_kept(l); i++) {
		const struct smx_diag *d = &l->items[i];
		char storage[1024];
		struct smx_buf out;

		SMX_REQUIRE(d->offset <= input.n);
		SMX_REQUIRE(d->arg.n <= input.n - d->offset);
		SMX_REQUIRE(d->arg.n == 0 || d->arg.p == input.p + d->offset);
		smx_buf_init_fixed(&out, storage, sizeof(storage));
		smx_diag_print(d, &out);
		SMX_REQUIRE(smx_buf_status(&out) == 0 && out.n > 0);
		fuzz_require_printable(smx_buf_slice(&out));
	}
}

#endif
