/**
 * The clocks. Nothing outside io/ reads the time.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_CLOCK_H
#define SMX_IO_CLOCK_H

#include <stddef.h>

#include "base/when.h"

/** Now; mono goes on while the machine is suspended. */
struct smx_now smx_clock_now(void);

/** Room for smx_clock_print(), with the NUL. */
#define SMX_CLOCK_TEXT_BYTES 24

/** Write a wall time as "2026-01-31T12:00:00Z". */
void smx_clock_print(smx_time wall, char text[SMX_CLOCK_TEXT_BYTES]);

/**
 * Read a wall time as smx_clock_print() writes it.
 *
 * @return 0 or -SMX_EPARSE.
 */
int smx_clock_parse(const char *text, smx_time *ret_wall);

#endif
