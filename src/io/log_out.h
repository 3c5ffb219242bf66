/**
 * Where log lines go: standard error, in the journal's form under systemd.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_LOG_OUT_H
#define SMX_IO_LOG_OUT_H

#include "base/log.h"

/** From now on smx_log() writes to standard error, up to @p max. */
void smx_log_out_start(enum smx_log_level max);

#endif
