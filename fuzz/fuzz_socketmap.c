/*
 * What an MTA sends and gets: netstrings in a stream, requests and replies in
 * them. Whatever the pieces in which the bytes arrive, the same comes out.
 */
#include "fuzz.h"
#include "core/limits.h"
#include "core/netstring.h"
#include "core/socketmap.h"

static void
require_request(struct smx_slice payload)
{
	struct smx_socketmap_request r;

	if (smx_socketmap_parse_request(payload, &r) < 0)
		return;
	SMX_REQUIRE(r.map.n > 0 && r.map.n + 1 + r.key.n == payload.n);
	SMX_REQUIRE(smx_slice_find(r.map, ' ') == r.map.n);
	SMX_REQUIRE(r.form == SMX_SOCKETMAP_PLAIN ||
	    smx_slice_equal(r.map, SMX_SLICE("strictmx")) ||
	    smx_slice_equal(r.map, SMX_SLICE("QUERYwithTLSRPT")));
}

/* What was read as a reply is printed as it was. */
static void
require_reply(struct smx_slice payload)
{
	enum smx_socketmap_status status;
	struct smx_slice data, again;
	size_t consumed;
	struct smx_buf out;

	if (smx_socketmap_parse_reply(payload, &status, &data) < 0)
		return;
	smx_buf_init(&out, payload.n + 30);
	smx_socketmap_print_reply(&out, status, data);
	SMX_REQUIRE(smx_buf_status(&out) == 0);
	SMX_REQUIRE(smx_netstring_parse(smx_buf_slice(&out), payload.n, &again,
			&consumed) == 0);
	SMX_REQUIRE(consumed == out.n && smx_slice_equal(again, payload));
	smx_buf_done(&out);
}

/* Cut anywhere, the bytes say "again" or at once what they say in the end. */
static void
require_no_change_of_mind(struct smx_slice in, int rc, size_t consumed)
{
	size_t last = rc == 0 ? consumed - 1 : in.n;

	/* All cuts of a short one; of a long one the ends. */
	for (size_t n = 0; n < last; n++) {
		struct smx_slice payload;
		size_t end;
		int early;

		if (n == 64 && last > 128)
			n = last - 64;
		early = smx_netstring_parse(smx_slice(in.p, n),
		    SMX_SOCKETMAP_REQUEST_MAX, &payload, &end);
		SMX_REQUIRE(early == -SMX_EAGAIN || (rc < 0 && early == rc));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size), payload;
	size_t consumed = 0;
	int rc;

	require_request(in);
	require_reply(in);
	for (;;) {
		rc = smx_netstring_parse(in, SMX_SOCKETMAP_REQUEST_MAX,
		    &payload, &consumed);
		SMX_REQUIRE(rc == 0 || rc == -SMX_EAGAIN || rc == -SMX_EPARSE ||
		    rc == -SMX_ELIMIT);
		require_no_change_of_mind(in, rc, consumed);
		if (rc < 0)
			break;
		SMX_REQUIRE(payload.n <= SMX_SOCKETMAP_REQUEST_MAX);
		SMX_REQUIRE(consumed <= in.n && payload.p > in.p &&
		    payload.p + payload.n + 1 == in.p + consumed);
		require_request(payload);
		require_reply(payload);
		in = smx_slice_from(in, consumed);
	}
	return 0;
}
