/**
 * The witness on a thread and a loop of its own, with its own DNS and SMTP:
 * what it looks at never delays an answer to an MTA.
 *
 * Layer:   app. What it has to tell goes to role collect as datagrams.
 */
#ifndef SMX_APP_WITNESS_RUN_H
#define SMX_APP_WITNESS_RUN_H

#include "app/config.h"
#include "engine/witness.h"

struct smx_witness_run;

/** Does the configuration say where events go? */
bool smx_witness_run_is_wanted(const struct smx_config *c);

/**
 * Start it. @p config is not used after the call.
 *
 * @param reason  on failure, what is wrong and how to mend it.
 *
 * @return 0 or a negative status.
 */
int smx_witness_run_start(const struct smx_config *config,
    struct smx_witness_run **ret, struct smx_buf *reason) SMX_CHECKED;

/**
 * Take another configuration. What is known stays, and nothing that was told is
 * told again; the mail log is read on when it is the same.
 *
 * @return as smx_witness_run_start(). It goes on as before unless it is 0.
 */
int smx_witness_run_set(struct smx_witness_run *r,
    const struct smx_config *config, struct smx_buf *reason) SMX_CHECKED;

/** As smx_witness_failure(), from another thread; does not wait. */
void smx_witness_run_failure(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy, enum smx_tlsrpt_result result,
    struct smx_slice reason);

/** As smx_witness_mail(), from another thread; does not wait. */
void smx_witness_run_mail(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy);

/** As smx_witness_policy(), from another thread; does not wait. */
void smx_witness_run_policy(struct smx_witness_run *r, struct smx_slice domain,
    const struct smx_witness_policy *policy);

/** Log counters. */
void smx_witness_run_log(struct smx_witness_run *r);

void smx_witness_run_stop(struct smx_witness_run **r);

#endif
