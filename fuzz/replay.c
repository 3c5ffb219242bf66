/*
 * Runs a fuzz target over files and folders of inputs: the corpus as an
 * ordinary test, with any compiler, and a finding again.
 *
 *   replay_policy PATH...
 *
 * Each input is given whole and cut at every length, in memory of exactly its
 * size, so that a sanitizer or valgrind sees a read beyond it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

/* A long input is cut only here and there. */
#define EVERY_CUT_MAX 512

static unsigned long inputs;

static void
fail(const char *path)
{
	fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
	exit(1);
}

static void
run(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = malloc(n != 0 ? n : 1);

	if (exact == NULL)
		fail("memory");
	if (n != 0)
		memcpy(exact, bytes, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	inputs++;
}

static void
run_file(const char *path, size_t bytes)
{
	uint8_t *all = malloc(bytes != 0 ? bytes : 1);
	FILE *f = fopen(path, "rb");

	if (all == NULL || f == NULL || fread(all, 1, bytes, f) != bytes)
		fail(path);
	fclose(f);
	run(all, bytes);
	for (size_t n = 0; n<bytes; n += bytes> EVERY_CUT_MAX ? 97 : 1)
		run(all, n);
	free(all);
}

static void
run_path(const char *path)
{
	struct stat st;
	struct dirent *entry;
	DIR *folder;

	if (stat(path, &st) < 0)
		fail(path);
	if (!S_ISDIR(st.st_mode)) {
		run_file(path, (size_t)st.st_size);
		return;
	}
	folder = opendir(path);
	if (folder == NULL)
		fail(path);
	while ((entry = readdir(folder)) != NULL) {
		char inner[4096];
		int n = snprintf(inner, sizeof(inner), "%s/%s", path,
		    entry->d_name);

		if (entry->d_name[0] == '.' || n >= (int)sizeof(inner))
			continue;
		if (stat(inner, &st) < 0)
			fail(inner);
		if (S_ISREG(st.st_mode))
			run_file(inner, (size_t)st.st_size);
	}
	closedir(folder);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	printf("%lu inputs\n", inputs);
	/* A corpus that is not there would pass unseen. */
	return inputs == 0;
}
