/* Threads that help a caller with the units of a job.
 *
 * The caller takes units itself until none is left, and then waits for those threads alone that have taken some. So a
 * thread that finds no free core costs nothing. A parallel region of OpenMP ends when its whole team has come to the
 * end, members that have not begun included: beside other busy processes a caller waits there for a core that nothing
 * needs, many times as long as the work takes.
 *
 * Threads start when they are first asked for and stay. One without work looks out for the next job for a little
 * while, since jobs come in rows, and then sleeps. A forked child, in which no thread but the one that forked goes on,
 * begins with a new pool.
 *
 * Which thread does which unit is left to chance, and changes no bit: units share nothing that they write. */
#ifndef VRDASK_POOL_H
#define VRDASK_POOL_H

#include "common/share.h"

enum { STACK_BYTES = 1 << 20, MOST_THREADS = 1024, LOOKS = 16 };
enum { LOOK_OUT_NS = 100000 }; /* some hundred microseconds lie between the calls of a program that makes many */
enum { CLAIMS = 32 }; /* of a thread, about, where units are many: each is a write to memory that all threads want */

#include "pool/system.h"

typedef struct shared_t {
    work_t work;
    const void *job;
    Py_ssize_t units, at_once;
    char apart[64];     /* what follows is written to while units are taken */
    counter_t taken;    /* units */
    counter_t helpers;  /* that are at work; changes under the lock */
    int wanted, joined; /* helpers that may still come, and that have come */
    struct shared_t *next;
} shared_t;

static struct {
    lock_t lock;
    condition_t more, done;
    shared_t *first;  /* jobs that helpers may come to, oldest first */
    counter_t posted; /* jobs, ever */
    int threads, looking, asleep, woken; /* woken: signals to sleepers who still have to come to a core */
    int known_to_fork;
} pool = {LOCK_INIT, CONDITION_INIT, CONDITION_INIT, NULL, 0, 0, 0, 0, 0, 0};

static void take_units(shared_t *it, int thread) {
    for (;;) {
        const Py_ssize_t begin = (Py_ssize_t)counted(&it->taken, it->at_once);
        if (begin >= it->units) return;
        it->work(it->job, begin, begin + it->at_once < it->units ? begin + it->at_once : it->units, thread);
    }
}

/* Whether `counter` has left `seen` within a little while. */
static int changes(counter_t *counter, int64_t seen) {
    const int64_t until = nanoseconds() + LOOK_OUT_NS;
    do {
        for (int k = 0; k < LOOKS; k++) {
            if (count_of(counter) != seen) return 1;
            pause_briefly();
        }
    } while (nanoseconds() < until);
    return 0;
}

static shared_t *job_that_wants_help(void) {
    shared_t *it = pool.first;
    while (it && !(it->wanted && count_of(&it->taken) < it->units)) it = it->next;
    return it;
}

static result_t THREAD_CALL help(void *unused) {
    (void)unused;
    lock(&pool.lock);
    for (;;) {
        shared_t *it = job_that_wants_help();
        if (it) {
            const int thread = ++it->joined;
            it->wanted--, counted(&it->helpers, 1);
            unlock(&pool.lock);
            take_units(it, thread);
            lock(&pool.lock);
            if (counted(&it->helpers, -1) == 1) wake_all(&pool.done);
            continue;
        }
        const int64_t seen = count_of(&pool.posted);
        pool.looking++;
        unlock(&pool.lock);
        const int found = changes(&pool.posted, seen);
        lock(&pool.lock);
        pool.looking--;
        if (found || count_of(&pool.posted) != seen) continue;
        pool.asleep++;
        wait_for(&pool.more, &pool.lock);
        pool.asleep--, pool.woken -= pool.woken > 0;
    }
    return 0;
}

static void begin_anew(void) {
    pool.lock = (lock_t)LOCK_INIT, pool.more = pool.done = (condition_t)CONDITION_INIT;
    pool.first = NULL;
    pool.threads = pool.looking = pool.asleep = pool.woken = 0;
}

/* Under the lock. Fewer threads than wanted, where the system gives no more, are enough. */
static void post(shared_t *it) {
    shared_t **last = &pool.first;
    int all = it->wanted, called = it->wanted;
    for (; *last; last = &(*last)->next) all += (*last)->wanted + (*last)->joined, called += (*last)->wanted;
    *last = it;
    if (!pool.known_to_fork) on_fork(begin_anew), pool.known_to_fork = 1;
    while (pool.threads < all && pool.threads < MOST_THREADS && start_thread(help)) pool.threads++;
    counted(&pool.posted, 1);
    for (called -= pool.looking; pool.woken < called && pool.woken < pool.asleep; pool.woken++) wake_one(&pool.more);
}

static void withdraw(shared_t *it) {
    shared_t **at = &pool.first;
    while (*at != it) at = &(*at)->next;
    *at = it->next;
}

static void share_out(Py_ssize_t units, int threads, work_t work, const void *job) {
    if (threads > units) threads = (int)units;
    if (threads < 2) {
        if (units > 0) work(job, 0, units, 0);
        return;
    }
    shared_t it = {.work = work, .job = job, .units = units, .wanted = threads - 1};
    it.at_once = units / ((Py_ssize_t)threads * CLAIMS) + 1;
    lock(&pool.lock);
    post(&it);
    unlock(&pool.lock);
    take_units(&it, 0);
    lock(&pool.lock);
    withdraw(&it);
    const int64_t busy = count_of(&it.helpers);
    if (busy) {
        unlock(&pool.lock);
        if (busy == 1) changes(&it.helpers, 1);
        lock(&pool.lock);
        while (count_of(&it.helpers)) wait_for(&pool.done, &pool.lock);
    }
    unlock(&pool.lock);
}

#endif
