/*
 * Look-up keys and host names: what comes out of them goes into DNS queries,
 * URLs and replies, so it must be a host name in its one canonical form.
 */
#include "fuzz.h"
#include "base/scan.h"
#include "core/domain.h"
#include "core/nexthop.h"

static void
require_canonical(struct smx_slice name)
{
	struct smx_domain d, again;

	if (smx_domain_parse(name, &d) < 0) {
		SMX_REQUIRE(!smx_domain_is_host(name));
		return;
	}
	SMX_REQUIRE(d.n > 0 && d.n <= SMX_DOMAIN_MAX && d.text[d.n] == '\0');
	for (size_t i = 0; i < d.n; i++) {
		SMX_REQUIRE(smx_scan_is_alnum(d.text[i]) || d.text[i] == '-' ||
		    d.text[i] == '.');
		SMX_REQUIRE(d.text[i] == smx_scan_lower(d.text[i]));
	}
	SMX_REQUIRE(d.text[d.n - 1] != '.');
	SMX_REQUIRE(smx_domain_is_host(smx_domain_slice(&d)));
	SMX_REQUIRE(!smx_domain_is_ipv4(smx_domain_slice(&d)));
	SMX_REQUIRE(smx_domain_parse(smx_domain_slice(&d), &again) == 0);
	SMX_REQUIRE(again.n == d.n && memcmp(again.text, d.text, d.n) == 0);
	/* Only case and a final dot have changed. */
	SMX_REQUIRE(smx_domain_equal(smx_domain_slice(&d),
	    smx_slice(name.p, d.n)));
	SMX_REQUIRE(name.n == d.n || (name.n == d.n + 1 && name.p[d.n] == '.'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice in = fuzz_slice(data, size), name = { NULL, 0 };
	enum smx_nexthop_kind kind = smx_nexthop_parse(in, &name);
	bool ascii = true;

	require_canonical(in);
	if (kind == SMX_NEXTHOP_NONE)
		return 0;
	SMX_REQUIRE(name.n > 0 && name.p >= in.p &&
	    name.p + name.n <= in.p + in.n);
	for (size_t i = 0; i < name.n; i++)
		ascii = ascii && (unsigned char)name.p[i] < 0x80;
	SMX_REQUIRE(ascii == (kind == SMX_NEXTHOP_NAME));
	SMX_REQUIRE(smx_slice_find(name, ':') == name.n);
	SMX_REQUIRE(!smx_domain_is_ipv4(name));
	require_canonical(name);
	return 0;
}
