/* Threads that help a caller with the units of a job.
 *
 * The caller takes units itself until none is left, and then waits for those threads alone that have taken some. So a
 * thread that finds no free core costs nothing. A parallel region of OpenMP ends when its whole team has come to the
 * end, members that have not begun included: beside other busy processes a caller waits there for a core that nothing
 * needs, many times as long as the work takes. What is left to wait for, on such a machine, makes small jobs do without
 * help for a while: patience.h.
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

#include "pool/patience.h"
#include "pool/system.h"

typedef struct shared_t {
    work_t work;
    const void *job;
    Py_ssize_t units, at_once;
    char apart[64];     /* what follows is written to while units are taken */
    counter_t taken;    /* units */
    counter_t helpers;  /* that are at work; changes under the lock */
    int wanted, joined; /* helpers that may still come, and that have come */
    int64_t off, ended; /* of helpers: nanoseconds without a core, of the one with the most; when the last has ended */
    struct shared_t *next;
} shared_t;

static struct {
    lock_t lock;
    condition_t more, done;
    shared_t *first;  /* jobs that helpers may come to, oldest first */
    counter_t posted; /* jobs, ever */
    int threads, looking, asleep, woken; /* woken: signals to sleepers who still have to come to a core */
    int known_to_fork;
    int64_t bearable;      /* nanoseconds that a job may lose */
    int64_t alone;         /* nanoseconds for which small jobs ask for no help, after one has lost more */
    counter_t alone_until; /* changes under the lock; 0 before there was a reason */
} pool = {LOCK_INIT, CONDITION_INIT, CONDITION_INIT, NULL, 0, 0, 0, 0, 0, 0, BEARABLE_NS, 0, 0};

/* How many times there were some to take. */
static int64_t take_units(shared_t *it, int thread) {
    for (int64_t times = 0;; times++) {
        const Py_ssize_t begin = (Py_ssize_t)counted(&it->taken, it->at_once);
        if (begin >= it->units) return times;
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

/* For which this thread has had no core, but for a constant. A system call, of up to half a microsecond. */
static int64_t nanoseconds_off(void) { return nanoseconds() - nanoseconds_of_this_thread(); }

static result_t THREAD_CALL help(void *unused) {
    (void)unused;
    int64_t off_before = 0;
    int slept = 1;
    lock(&pool.lock);
    for (;;) {
        shared_t *it = job_that_wants_help();
        if (it) {
            const int thread = ++it->joined;
            it->wanted--, counted(&it->helpers, 1);
            unlock(&pool.lock);
            if (slept) off_before = nanoseconds_off(), slept = 0;
            const int64_t begun = nanoseconds();
            take_units(it, thread);
            const int64_t ended = nanoseconds(), off = ended - begun > BEARABLE_NS ? nanoseconds_off() : off_before;
            lock(&pool.lock);
            if (off - off_before > it->off) it->off = off - off_before;
            off_before = off;
            it->ended = ended;
            if (counted(&it->helpers, -1) == 1) {
                unlock(&pool.lock); /* the caller wants it */
                wake_all(&pool.done);
                lock(&pool.lock);
            }
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
        slept = 1;
    }
    return 0;
}

static void begin_anew(void) {
    pool.lock = (lock_t)LOCK_INIT, pool.more = pool.done = (condition_t)CONDITION_INIT;
    pool.first = NULL;
    pool.threads = pool.looking = pool.asleep = pool.woken = 0;
    pool.alone = pool.alone_until = 0;
}

/* Under the lock; the number of sleepers to wake after it, since they want it. Fewer threads than wanted, where the
 * system gives no more, are enough. */
static int post(shared_t *it) {
    const int woken = pool.woken;
    shared_t **last = &pool.first;
    int all = it->wanted, called = it->wanted;
    for (; *last; last = &(*last)->next) all += (*last)->wanted + (*last)->joined, called += (*last)->wanted;
    *last = it;
    if (!pool.known_to_fork) on_fork(begin_anew), pool.known_to_fork = 1;
    while (pool.threads < all && pool.threads < MOST_THREADS && start_thread(help)) pool.threads++;
    counted(&pool.posted, 1);
    for (called -= pool.looking; pool.woken < called && pool.woken < pool.asleep;) pool.woken++;
    return pool.woken - woken;
}

static void withdraw(shared_t *it) {
    shared_t **at = &pool.first;
    while (*at != it) at = &(*at)->next;
    *at = it->next;
}

/* What asking for help cost the caller; to start threads is no loss. */
static int64_t ask_for_help(shared_t *it) {
    const int64_t begun = nanoseconds();
    lock(&pool.lock);
    const int before = pool.threads;
    int sleepers = post(it);
    const int started = pool.threads > before;
    unlock(&pool.lock);
    while (sleepers--) wake_one(&pool.more);
    return started ? 0 : nanoseconds() - begun;
}

/* Under the lock, which is free meanwhile. The time that is lost, of what has gone by since `begun`. */
static int64_t wait_for_helpers(shared_t *it, int64_t begun, int64_t at_once) {
    const int64_t locked = nanoseconds(), busy = count_of(&it->helpers);
    if (!busy) return locked - begun;
    unlock(&pool.lock);
    if (busy == 1) changes(&it->helpers, 1);
    lock(&pool.lock);
    while (count_of(&it->helpers)) wait_for(&pool.done, &pool.lock);
    const int64_t now = nanoseconds();
    return locked - begun + lost_of(now - locked, it->off + now - it->ended, at_once);
}

/* Under the lock. */
static void learn(int64_t lost) {
    if (lost <= pool.bearable && !pool.alone) return;
    pool.alone = alone_after(pool.alone, lost, pool.bearable);
    if (lost > pool.bearable) counted(&pool.alone_until, nanoseconds() + pool.alone - count_of(&pool.alone_until));
}

/* For tests: as if a job had lost so much. */
static void lose(int64_t lost) {
    lock(&pool.lock);
    learn(lost);
    unlock(&pool.lock);
}

/* For tests: forget all losses, and bear others from now on; what has been borne. */
static int64_t bear(int64_t bearable) {
    lock(&pool.lock);
    const int64_t before = pool.bearable;
    pool.bearable = bearable, pool.alone = 0;
    counted(&pool.alone_until, -count_of(&pool.alone_until));
    unlock(&pool.lock);
    return before;
}

/* Whether losses are to be feared now. */
static int better_alone(void) {
    const int64_t until = count_of(&pool.alone_until);
    return until && nanoseconds() < until;
}

/* Do units until the job is known to be small, or not to be; how many are done then: all of a small job. */
static Py_ssize_t do_alone(Py_ssize_t units, Py_ssize_t at_once, work_t work, const void *job) {
    const int64_t begun = nanoseconds();
    for (Py_ssize_t done = 0; done < units;) {
        Py_ssize_t end = done + at_once < units ? done + at_once : units;
        const int64_t spent = nanoseconds() - begun;
        if (spent >= TELLING_NS) {
            if (!is_small(spent, done, units)) return done;
            end = units;
        }
        work(job, done, end, 0);
        done = end;
    }
    return units;
}

static void share_out(Py_ssize_t units, int threads, work_t work, const void *job) {
    if (threads > units) threads = (int)units;
    const Py_ssize_t at_once = threads > 1 ? units / ((Py_ssize_t)threads * CLAIMS) + 1 : units;
    const Py_ssize_t done = threads > 1 && better_alone() ? do_alone(units, at_once, work, job) : 0;
    if (threads > units - done) threads = (int)(units - done);
    if (threads < 2) {
        if (done < units) work(job, done, units, 0);
        return;
    }
    shared_t it = {.work = work, .job = job, .units = units, .at_once = at_once, .taken = done, .wanted = threads - 1};
    const int64_t asking = ask_for_help(&it), begun = nanoseconds(), times = take_units(&it, 0), ended = nanoseconds();
    lock(&pool.lock);
    withdraw(&it);
    learn(asking + wait_for_helpers(&it, ended, times ? (ended - begun) / times : 0));
    unlock(&pool.lock);
}

#endif
