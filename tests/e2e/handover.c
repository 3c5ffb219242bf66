/*
 * Hands reports over as a JSON text on standard input says, and prints an
 * answer a line. What a run is made of:
 *
 *   dns      the forwarder's address
 *   post     settings of smx_post_new(); may be missing
 *   mail     settings of smx_mail_new(); may be missing
 *   jobs     list: host, port, path, type and file for POST;
 *            from, to and file for mail
 *   stop_ms  take it all down after so long, whatever is under way
 *   again    settings of smx_post_set() and smx_mail_set() before the jobs
 */
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/require.h"
#include "io/clock.h"
#include "io/dns_unbound.h"
#include "io/mail_curl.h"
#include "io/post_curl.h"

struct run {
	struct event_base *base;
	struct smx_dns *dns;
	struct smx_post_client *post;
	struct smx_mail_client *mail;
	bool is_asking;
	size_t left;
};

struct job {
	struct run *run;
	size_t number;
	smx_time begun;
	bool is_done;
	char *bytes;
	size_t n;
};

static void
tell(struct job *j, const char *status, json_t *more, struct smx_slice detail)
{
	struct run *r = j->run;
	struct smx_buf shown;

	SMX_REQUIRE(!j->is_done && !r->is_asking);
	smx_buf_init(&shown, 65536);
	smx_buf_add_escaped(&shown, detail);
	j->is_done = true;
	json_object_set_new(more, "job", json_integer((json_int_t)j->number));
	json_object_set_new(more, "status", json_string(status));
	json_object_set_new(more, "detail", json_stringn(shown.p, shown.n));
	smx_buf_done(&shown);
	json_object_set_new(more, "ms",
	    json_integer(smx_clock_now().mono - j->begun));
	json_dumpf(more, stdout, JSON_COMPACT);
	json_decref(more);
	puts("");
	fflush(stdout);
	if (--r->left == 0)
		event_base_loopbreak(r->base);
}

static void
on_posted(void *arg, const struct smx_post_answer *answer)
{
	json_t *more = json_pack("{s:i, s:I}", "http", (int)answer->http_status,
	    "retry_after_s", (json_int_t)answer->retry_after_s);

	tell(arg, answer->status == SMX_POST_ACCEPTED ? "accepted" : "later",
	    more, answer->detail);
}

static void
on_mailed(void *arg, const struct smx_mail_answer *answer)
{
	static const char *const names[] = {
		[SMX_MAIL_ACCEPTED] = "accepted",
		[SMX_MAIL_LATER] = "later",
		[SMX_MAIL_REFUSED] = "refused",
	};

	tell(arg, names[answer->status], json_object(), answer->detail);
}

static const char *
text(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static long
number(json_t *o, const char *key)
{
	return (long)json_integer_value(json_object_get(o, key));
}

static struct smx_slice
slice(json_t *o, const char *key)
{
	json_t *s = json_object_get(o, key);

	return smx_slice(json_string_value(s), json_string_length(s));
}

static struct smx_post_settings
post_settings(json_t *o)
{
	return (struct smx_post_settings){
		.ca_file = text(o, "ca_file"),
		.allow_private_addresses = number(o, "private") != 0,
		.allow_bad_certificate = number(o, "bad_certificate") != 0,
		.timeout = number(o, "timeout_ms"),
	};
}

static struct smx_mail_settings
mail_settings(json_t *o)
{
	return (struct smx_mail_settings){
		.host = text(o, "host"),
		.port = (uint16_t)number(o, "port"),
		.tls = (enum smx_mail_tls)number(o, "tls"),
		.user = text(o, "user"),
		.password_file = text(o, "password_file"),
		.ehlo_name = text(o, "ehlo_name"),
		.ca_file = text(o, "ca_file"),
		.timeout = number(o, "timeout_ms"),
		.session_max = (size_t)number(o, "session_max"),
	};
}

static void
read_file(const char *path, struct job *j)
{
	FILE *file = fopen(path, "rb");
	long n;

	SMX_REQUIRE(file != NULL && fseek(file, 0, SEEK_END) == 0);
	n = ftell(file);
	SMX_REQUIRE(n >= 0 && fseek(file, 0, SEEK_SET) == 0);
	/* Not a byte more: a sanitizer sees who reads on. */
	j->bytes = malloc(n > 0 ? (size_t)n : 1);
	SMX_REQUIRE(j->bytes != NULL);
	j->n = fread(j->bytes, 1, (size_t)n, file);
	fclose(file);
}

static void
ask(struct job *j, json_t *o)
{
	struct smx_post_port post = smx_post_as_port(j->run->post);
	struct smx_mail_port mail = smx_mail_as_port(j->run->mail);
	int rc;

	read_file(text(o, "file"), j);
	j->begun = smx_clock_now().mono;
	j->run->is_asking = true;
	if (text(o, "host") != NULL)
		rc = post.ops->post(post.self,
		    &(struct smx_post){
			.host = slice(o, "host"),
			.port = (uint16_t)number(o, "port"),
			.path = slice(o, "path"),
			.media_type = slice(o, "type"),
			.body = smx_slice(j->bytes, j->n),
		    },
		    on_posted, j);
	else
		rc = mail.ops->send(mail.self,
		    &(struct smx_mail){
			.from = slice(o, "from"),
			.to = slice(o, "to"),
			.bytes = smx_slice(j->bytes, j->n),
		    },
		    on_mailed, j);
	j->run->is_asking = false;
	SMX_REQUIRE(rc == 0);
}

static int
make(struct run *r, json_t *o, struct smx_buf *reason)
{
	static char *forwarders[2];
	struct smx_dns_settings dns = { .forwarders = forwarders };
	struct smx_post_settings post =
	    post_settings(json_object_get(o, "post"));
	struct smx_mail_settings mail =
	    mail_settings(json_object_get(o, "mail"));
	int rc;

	forwarders[0] = (char *)(uintptr_t)text(o, "dns");
	rc = smx_dns_new(r->base, &dns, &r->dns, reason);
	if (rc == 0 && json_object_get(o, "post") != NULL)
		rc = smx_post_new(r->base, r->dns, &post, &r->post, reason);
	if (rc == 0 && json_object_get(o, "mail") != NULL)
		rc = smx_mail_new(r->base, r->dns, &mail, &r->mail, reason);
	o = json_object_get(o, "again");
	post = post_settings(json_object_get(o, "post"));
	mail = mail_settings(json_object_get(o, "mail"));
	if (rc == 0 && json_object_get(o, "post") != NULL)
		rc = smx_post_set(r->post, &post, reason);
	if (rc == 0 && json_object_get(o, "mail") != NULL)
		rc = smx_mail_set(r->mail, &mail, reason);
	return rc;
}

int
main(void)
{
	json_t *o = json_loadf(stdin, JSON_ALLOW_NUL, NULL);
	json_t *list = json_object_get(o, "jobs");
	struct run r = { .left = json_array_size(list) };
	struct job *jobs = calloc(r.left + 1, sizeof(*jobs));
	char storage[300];
	struct smx_buf reason;
	struct timeval stop = { 0, 0 };
	long stop_ms = number(o, "stop_ms");
	size_t count = r.left;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	r.base = event_base_new();
	SMX_REQUIRE(o != NULL && jobs != NULL && r.base != NULL);
	smx_buf_init_fixed(&reason, storage, sizeof(storage));
	rc = make(&r, o, &reason);
	if (rc < 0)
		printf("{\"error\":\"%s\"}\n", smx_buf_text(&reason));
	for (size_t i = 0; rc == 0 && i < count; i++) {
		jobs[i].run = &r;
		jobs[i].number = i;
		ask(&jobs[i], json_array_get(list, i));
	}
	if (stop_ms != 0) {
		stop.tv_sec = stop_ms / 1000;
		stop.tv_usec = stop_ms % 1000 * 1000;
		event_base_loopexit(r.base, &stop);
	}
	if (rc == 0 && count > 0)
		event_base_dispatch(r.base);
	smx_dns_free(&r.dns);
	smx_post_free(&r.post);
	smx_mail_free(&r.mail);
	event_base_free(r.base);
	for (size_t i = 0; i < count; i++)
		free(jobs[i].bytes);
	free(jobs);
	json_decref(o);
	return rc < 0;
}
