/**
 * Allocations of the engine that fail when a scenario says so. The linker
 * sends them here (-Wl,--wrap); those of the simulated world never fail.
 */
#ifndef SMX_SIM_FAILING_ALLOC_H
#define SMX_SIM_FAILING_ALLOC_H

#include <stdbool.h>

/** Let @p pass allocations pass, and fail the next, or all that follow. */
void failing_alloc_start(unsigned pass, bool for_ever);

/** No more. @return true when one has failed since the start. */
bool failing_alloc_stop(void);

#endif
