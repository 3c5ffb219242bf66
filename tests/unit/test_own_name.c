#include "unit.h"

#include "io/own_name.h"

/* The linker sends the module's call here. */
int __wrap_gethostname(char *name, size_t bytes);

static const char *host; /* NULL: it fails */

int
__wrap_gethostname(char *name, size_t bytes)
{
	if (host == NULL || strlen(host) >= bytes)
		return -1;
	memcpy(name, host, strlen(host) + 1);
	return 0;
}

/* What servers would refuse is replaced; nothing is ever empty. */
static void
test_names(void **state)
{
	static const struct {
		const char *host, *name;
	} rows[] = {
		{ "mail.example.com", "mail.example.com" },
		{ "mail", "strictmx.invalid" },
		{ "", "strictmx.invalid" },
		{ "mail server.example.com", "strictmx.invalid" },
		{ "192.0.2.1", "strictmx.invalid" },
		{ NULL, "strictmx.invalid" },
	};
	char name[SMX_DOMAIN_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		host = rows[i].host;
		smx_own_name(name);
		assert_string_equal(name, rows[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
