#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/memory.h"

/* Drop the pages of one object's segments that are mapped from its file and
 * can't have been changed: those without write permission. */
static int
drop_object(struct dl_phdr_info *object, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)arg;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t start, end;

		if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
			continue;
		start = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
		end = object->dlpi_addr + segment->p_vaddr + segment->p_filesz;
		end &= ~(page - 1);
		if (start < end)
			madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 0;
}

void
smx_memory_trim(void)
{
	malloc_trim(0);
	dl_iterate_phdr(drop_object, NULL);
}
