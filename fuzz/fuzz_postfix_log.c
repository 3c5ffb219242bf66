/*
 * Lines of a mail log, in which much was said by others. What comes out lies
 * within the line, and the first bracket of the line is that of the tag.
 */
#include "fuzz.h"
#include "core/ip.h"
#include "core/postfix_log.h"

static void
require_within(struct smx_slice part, struct smx_slice line)
{
	SMX_REQUIRE(part.n == 0 ||
	    (part.p >= line.p && part.p + part.n <= line.p + line.n));
}

/* With a name before it. */
static void
require_tag(struct smx_slice line, struct smx_slice tag)
{
	size_t at = smx_slice_find(line, '[');

	SMX_REQUIRE(at < line.n && at > tag.n);
	SMX_REQUIRE(smx_slice_equal(smx_slice(line.p + at - tag.n, tag.n),
	    tag));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smx_slice line = { (const char *)data, size };
	struct smx_postfix_log log;
	struct smx_ip ip;

	smx_postfix_log_parse(line, &log);
	require_within(log.host, line);
	require_within(log.ip, line);
	require_within(log.queue_id, line);
	require_within(log.sender, line);
	require_within(log.domain, line);
	require_within(log.text, line);
	if (log.kind != SMX_POSTFIX_LOG_OTHER &&
	    log.kind != SMX_POSTFIX_LOG_QUEUED && !log.is_tls_failure)
		SMX_REQUIRE(smx_ip_parse(log.ip, &ip) == 0);
	if (log.kind != SMX_POSTFIX_LOG_OTHER)
		require_tag(line,
		    log.kind == SMX_POSTFIX_LOG_QUEUED ? SMX_SLICE("/qmgr")
						       : SMX_SLICE("/smtp"));
	SMX_REQUIRE(smx_slice_find(log.domain, '@') == log.domain.n);
	return 0;
}
