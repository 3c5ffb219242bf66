/**
 * The socketmap protocol: requests of an MTA and replies to it
 * (Postfix socketmap_table(5)).
 *
 * Layer:   core.
 * Limits:  SMX_SOCKETMAP_REQUEST_MAX, SMX_SOCKETMAP_REPLY_MAX.
 */
#ifndef SMX_CORE_SOCKETMAP_H
#define SMX_CORE_SOCKETMAP_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/status.h"

/** Which form of answer a map name asks for. */
enum smx_socketmap_form {
	SMX_SOCKETMAP_PLAIN,  /* every Postfix, Sendmail */
	SMX_SOCKETMAP_TLSRPT, /* Postfix >= 3.10: with TLSRPT attributes */
};

struct smx_socketmap_request {
	enum smx_socketmap_form form;
	struct smx_slice map;
	struct smx_slice key;
};

enum smx_socketmap_status {
	SMX_SOCKETMAP_OK,
	SMX_SOCKETMAP_NOTFOUND,
	SMX_SOCKETMAP_TEMP,
	SMX_SOCKETMAP_TIMEOUT,
	SMX_SOCKETMAP_PERM,
};

/**
 * Split "<map> <key>".
 *
 * "strictmx" and postfix-tlspol's "QUERYwithTLSRPT" ask for the TLSRPT form,
 * every other name for the plain one.
 *
 * @retval 0
 * @retval -SMX_EPARSE  there is no blank, or nothing before it.
 */
int smx_socketmap_parse_request(struct smx_slice payload,
    struct smx_socketmap_request *ret) SMX_CHECKED;

/** Append one reply as a netstring: the status, a blank, @p data. */
void smx_socketmap_print_reply(struct smx_buf *out,
    enum smx_socketmap_status status, struct smx_slice data);

/**
 * Split a reply's payload.
 *
 * @retval 0
 * @retval -SMX_EPARSE  it begins with no known status.
 */
int smx_socketmap_parse_reply(struct smx_slice payload,
    enum smx_socketmap_status *ret_status,
    struct smx_slice *ret_data) SMX_CHECKED;

#endif
