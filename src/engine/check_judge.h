/**
 * From facts to findings (RFC 8461, RFC 8460, RFC 7672).
 *
 * Layer:   engine.
 */
#ifndef SMX_ENGINE_CHECK_JUDGE_H
#define SMX_ENGINE_CHECK_JUDGE_H

#include "core/tlsrpt_txt.h"
#include "engine/check.h"

/** A certificate's faults in the order of enum smx_certificate_fault, then
 * that it expires soon: a code for each. */
#define SMX_CHECK_CERTIFICATE_CODES 8

/** Judge all facts: findings, verdict, headline. Called once. */
void smx_check_judge(struct smx_check *c);

/**
 * Raise a finding. The same of another address is one with it.
 *
 * @param diag      copied, with what it borrows.
 * @param ip        where; NULL: at no address.
 * @param evidence  may be empty; copied.
 */
void smx_check_judge_find(struct smx_check *c, const struct smx_diag *diag,
    const struct smx_ip *ip, struct smx_slice evidence);

/** Raise a finding about a name that DNS has no answer for. */
void smx_check_judge_dns(struct smx_check *c, enum smx_diag_code code,
    struct smx_slice name, enum smx_dns_status status);

/** Raise a finding for each fault of a certificate. */
void smx_check_judge_certificate(struct smx_check *c,
    const enum smx_diag_code codes[SMX_CHECK_CERTIFICATE_CODES],
    const struct smx_certificate *certificate, struct smx_slice host,
    const struct smx_ip *ip);

/** Write dates, names and issuer; nothing is escaped. */
void smx_check_judge_print_certificate(const struct smx_certificate *certificate,
    smx_time now, struct smx_buf *out);

/** The parts that have files of their own. */
void smx_check_hosts_judge(struct smx_check *c);
void smx_check_beside_judge(struct smx_check *c);
void smx_check_change_judge(struct smx_check *c);
void smx_check_verdict_judge(struct smx_check *c);

#endif
