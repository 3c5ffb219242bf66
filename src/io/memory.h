/**
 * Memory that only the start needed.
 *
 * Layer:   io.
 */
#ifndef SMX_IO_MEMORY_H
#define SMX_IO_MEMORY_H

/**
 * Give back to the system what is free on the heap, and the code and constants
 * of all libraries: what is needed again comes back from the page cache.
 *
 * Most of what a dozen libraries load to initialise themselves is never
 * touched again, and would stay resident for the life of the process.
 */
void smx_memory_trim(void);

#endif
