#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/dns_files.h"

/* Take the next word off @p rest. @return "" when there is none. */
static char *
take_word(char **rest)
{
	char *word = *rest + strspn(*rest, " \t\r\n");
	size_t n = strcspn(word, " \t\r\n");

	*rest = word + n + (word[n] != '\0');
	word[n] = '\0';
	return word;
}

int
smx_dns_files_servers(const char *path, char **ret, size_t max)
{
	char line[512];
	FILE *f = fopen(path, "re");
	size_t count = 0;
	int rc = 0;

	if (f == NULL)
		return 0;
	while (rc == 0 && count < max && fgets(line, sizeof(line), f) != NULL) {
		char *rest = line;
		const char *key = take_word(&rest);
		const char *address = take_word(&rest);

		if (strcmp(key, "nameserver") != 0 || *address == '\0')
			continue;
		ret[count] = strdup(address);
		if (ret[count++] == NULL)
			rc = -SMX_ENOMEM;
	}
	fclose(f);
	ret[count] = NULL;
	return rc;
}

int
smx_dns_files_anchor_name(const char *path, char name[SMX_DOMAIN_MAX + 2],
    struct smx_buf *reason)
{
	FILE *f = fopen(path, "re");
	char line[4096];
	int rc = -SMX_EINVAL;

	if (f == NULL) {
		smx_buf_printf(reason, "trust anchor file %s: %m", path);
		return rc;
	}
	while (rc != 0 && fgets(line, sizeof(line), f) != NULL) {
		char *rest = line;
		const char *word = take_word(&rest);
		size_t n = strlen(word);

		if (*word == ';' || *word == '#' || n == 0 ||
		    n > SMX_DOMAIN_MAX + 1)
			continue;
		memcpy(name, word, n + 1);
		rc = 0;
	}
	fclose(f);
	if (rc != 0)
		smx_buf_printf(reason, "trust anchor file %s: has no record",
		    path);
	return rc;
}
