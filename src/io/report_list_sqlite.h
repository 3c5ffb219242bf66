/**
 * Looking at the store of reports: what was counted, and where reports stand.
 *
 * Layer:   io (SQLite). A look changes nothing, and goes on beside the daemon.
 * Memory:  a page of the walk, whatever the size of the store.
 */
#ifndef SMX_IO_REPORT_LIST_SQLITE_H
#define SMX_IO_REPORT_LIST_SQLITE_H

#include "base/buf.h"
#include "engine/port_reports.h"

/** A day of a domain, and one of its deliveries. */
struct smx_report_list_row {
	struct smx_report_day day;
	uint64_t success, failure; /* sessions */
	bool has_delivery;
	struct smx_report_delivery delivery;
	enum smx_delivery_state state;
	smx_time next;  /* wall, while waiting */
	smx_time ended; /* wall, else */
	struct smx_slice detail;
};

struct smx_report_list_filter {
	struct smx_slice domain; /* canonical; empty: all */
	int64_t day;             /* since the epoch, or -1: all */
};

struct smx_report_list_visitor {
	/** @param row  borrowed during the call. */
	void (*row)(void *arg, const struct smx_report_list_row *row);
	/**
	 * A page of rows is over and nothing is locked: the time to write,
	 * however slow the reader is. NULL when there is nothing to do.
	 *
	 * @return false to end the walk.
	 */
	bool (*page)(void *arg);
	void *arg;
};

/**
 * Walk through days and deliveries, by day, domain and place. A day without a
 * delivery comes once. Each page is of one moment; what the daemon changes
 * meanwhile shows in later ones.
 *
 * @retval 0
 * @retval -SMX_ENOENT    there is no store.
 * @retval -SMX_EIO, ...  it can't be read; @p reason says why.
 */
int smx_report_list(const char *path,
    const struct smx_report_list_filter *filter,
    const struct smx_report_list_visitor *visitor,
    struct smx_buf *reason) SMX_CHECKED;

/**
 * Make deliveries due at once. Of one domain: those that wait, and those given
 * up. Of all: those given up, and those that failed before; what waits for its
 * place in the spread keeps it.
 *
 * @param ret_count  how many there were.
 *
 * @return as above. Nothing is made where there is no store.
 */
int smx_report_list_hurry(const char *path,
    const struct smx_report_list_filter *filter, smx_time wall,
    size_t *ret_count, struct smx_buf *reason) SMX_CHECKED;

#endif
