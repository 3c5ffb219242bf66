/**
 * Which finding a failed handshake with a policy host is.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_HTTPS_FAULT_H
#define SMX_IO_HTTPS_FAULT_H

#include "core/diag.h"
#include "io/tls_certificate.h"

/**
 * The one code for a certificate that was refused: what is mended first.
 *
 * @param seen  NULL: nothing is known of it.
 */
enum smx_diag_code smx_https_fault_certificate(
    const struct smx_tls_certificate *seen);

/**
 * The code when no TLS came about.
 *
 * @param seen    NULL: nothing is known of it.
 * @param detail  the alert is added, if there was one.
 */
enum smx_diag_code smx_https_fault_tls(const struct smx_tls_certificate *seen,
    struct smx_buf *detail);

#endif
