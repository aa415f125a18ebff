/* When a caller does without helpers: on a machine that others keep busy, in jobs too short for it to pay.
 *
 * There a caller loses milliseconds, slices of a scheduler, in two ways. To wake a helper is to have the system choose
 * anew who gets the core: the helper, or whoever else has waited for it. And a helper that has taken units loses its core
 * before it has done them. A long job loses its core as often without, and gains more by the second; one of two
 * milliseconds would mostly have ended first. Nothing tells beforehand whether cores are free, but such a wait tells
 * afterwards: for a while, several times as long as the wait, small jobs ask for no help. When one that does so again
 * waits, too, the while is much longer; each that does not makes the next one shorter. So waits take a bounded share of
 * the time, and one that comes once, on an idle machine, costs a few times its own length at most. */
#ifndef VRDASK_PATIENCE_H
#define VRDASK_PATIENCE_H

#include <stdint.h>

enum {
    BEARABLE_NS = 200000, /* more than it takes to wake a thread, less than others take a core for */
    TIMES_ALONE = 8,      /* the while over the wait */
    TIMES_LONGER = 4,     /* over the one before */
    LONGEST_ALONE_NS = 1000000000,
    SMALL_NS = 5000000,  /* about a slice */
    TELLING_NS = 500000  /* of a job, say how long it will take; its very first units touch memory that is new */
};

/* The nanoseconds, `before` until now, for which small jobs ask for no help, after a job that did has lost so many. */
static int64_t alone_after(int64_t before, int64_t lost, int64_t bearable) {
    if (lost <= bearable) return before - before / 4;
    if (lost >= LONGEST_ALONE_NS / TIMES_ALONE) return LONGEST_ALONE_NS;
    const int64_t worth = TIMES_ALONE * lost, longer = TIMES_LONGER * before > worth ? TIMES_LONGER * before : worth;
    return longer < LONGEST_ALONE_NS ? longer : LONGEST_ALONE_NS;
}

/* Of the nanoseconds that a caller has waited for helpers, those that nothing was done in: as many as went by without a
 * core for them or, after them, for the caller, `off`. Where that is not known it is all, and then what a helper needs
 * for its last units is subtracted: twice `at_once`, what the caller did for as many. */
static int64_t lost_of(int64_t waited, int64_t off, int64_t at_once) {
    const int64_t beyond = waited - 2 * at_once;
    if (beyond < 0) return 0;
    return beyond < off ? beyond : off;
}

/* Whether a job is small of which the first `done` of `units` have taken so long. */
static int is_small(int64_t nanoseconds, int64_t done, int64_t units) {
    return (double)nanoseconds * (double)units < (double)SMALL_NS * (double)done;
}

#endif
