/* Signs a message: dkim_sign KEY DOMAIN SELECTOR SECONDS <message >signature.
 * Without a domain the record to be published is printed. */
#include <stdio.h>
#include <stdlib.h>

#include "io/dkim.h"

#define MESSAGE_MAX ((size_t)64 << 20)

static int
fail(int rc, struct smx_buf *reason)
{
	fprintf(stderr, "dkim_sign: %s: %s\n", smx_status_text(rc),
	    smx_buf_text(reason));
	return 1;
}

static int
sign(const struct smx_dkim_key *key, char **args, struct smx_buf *out)
{
	const struct smx_dkim_identity id = {
		.domain = smx_slice_text(args[0]),
		.selector = smx_slice_text(args[1]),
	};
	struct smx_buf message;
	char chunk[4096];
	size_t n;
	int rc;

	smx_buf_init(&message, MESSAGE_MAX);
	while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
		smx_buf_add(&message, smx_slice(chunk, n));
	rc = smx_buf_status(&message);
	if (rc == 0)
		rc = smx_dkim_sign(key, &id, smx_buf_slice(&message),
		    strtoll(args[2], NULL, 10) * SMX_SECOND, out);
	smx_buf_done(&message);
	return rc;
}

int
main(int argc, char **argv)
{
	struct smx_dkim_key *key;
	struct smx_buf out, reason;
	int rc;

	if (argc != 2 && argc != 5)
		return 2;
	smx_buf_init(&out, 65536);
	smx_buf_init(&reason, 1024);
	rc = smx_dkim_key_load(argv[1], &key, &reason);
	if (rc == 0) {
		rc = argc == 2 ? smx_dkim_key_print_record(key, &out)
			       : sign(key, argv + 2, &out);
		smx_dkim_key_free(&key);
	}
	rc = rc != 0 ? fail(rc, &reason)
		     : fwrite(out.p, 1, out.n, stdout) != out.n;
	smx_buf_done(&reason);
	smx_buf_done(&out);
	return rc;
}
