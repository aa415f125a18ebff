/* Threads, locks and counters as the operating system has them. */
#ifndef VRDASK_SYSTEM_H
#define VRDASK_SYSTEM_H

#include <Python.h>
#include <stdint.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

typedef SRWLOCK lock_t;
typedef CONDITION_VARIABLE condition_t;
typedef volatile LONG64 counter_t;
#define LOCK_INIT SRWLOCK_INIT
#define CONDITION_INIT CONDITION_VARIABLE_INIT

static void lock(lock_t *it) { AcquireSRWLockExclusive(it); }
static void unlock(lock_t *it) { ReleaseSRWLockExclusive(it); }
static void wait_for(condition_t *it, lock_t *held) { SleepConditionVariableSRW(it, held, INFINITE, 0); }
static void wake_one(condition_t *it) { WakeConditionVariable(it); }
static void wake_all(condition_t *it) { WakeAllConditionVariable(it); }
static int64_t counted(counter_t *it, int64_t more) { return InterlockedExchangeAdd64(it, more); }
static int64_t count_of(counter_t *it) { return InterlockedCompareExchange64(it, 0, 0); }
static void pause_briefly(void) { YieldProcessor(); }

static int64_t nanoseconds(void) {
    LARGE_INTEGER now, second;
    QueryPerformanceCounter(&now), QueryPerformanceFrequency(&second);
    return (int64_t)(now.QuadPart * (1e9 / second.QuadPart));
}
/* What this thread has had a core for; here nothing, since such clocks advance by the tick of the system's. */
static int64_t nanoseconds_of_this_thread(void) { return 0; }

typedef DWORD result_t;
#define THREAD_CALL WINAPI
static int start_thread(result_t(THREAD_CALL *run)(void *)) {
    HANDLE thread = CreateThread(NULL, STACK_BYTES, run, NULL, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    return thread != NULL && CloseHandle(thread);
}
static void on_fork(void (*in_child)(void)) { (void)in_child; }

#else
#include <pthread.h>
#include <signal.h>
#include <time.h>

typedef pthread_mutex_t lock_t;
typedef pthread_cond_t condition_t;
typedef int64_t counter_t;
#define LOCK_INIT PTHREAD_MUTEX_INITIALIZER
#define CONDITION_INIT PTHREAD_COND_INITIALIZER

static void lock(lock_t *it) { pthread_mutex_lock(it); }
static void unlock(lock_t *it) { pthread_mutex_unlock(it); }
static void wait_for(condition_t *it, lock_t *held) { pthread_cond_wait(it, held); }
static void wake_one(condition_t *it) { pthread_cond_signal(it); }
static void wake_all(condition_t *it) { pthread_cond_broadcast(it); }
static int64_t counted(counter_t *it, int64_t more) { return __atomic_fetch_add(it, more, __ATOMIC_ACQ_REL); }
static int64_t count_of(counter_t *it) { return __atomic_load_n(it, __ATOMIC_ACQUIRE); }

static void pause_briefly(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static int64_t nanoseconds_by(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
static int64_t nanoseconds(void) { return nanoseconds_by(CLOCK_MONOTONIC); }
/* What this thread has had a core for. */
static int64_t nanoseconds_of_this_thread(void) { return nanoseconds_by(CLOCK_THREAD_CPUTIME_ID); }

typedef void *result_t;
#define THREAD_CALL
/* Signals that come from outside are for the threads that Python knows. */
static int start_thread(result_t(THREAD_CALL *run)(void *)) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t others, before;
    pthread_attr_t attributes;
    pthread_t thread;
    sigfillset(&others);
    for (size_t k = 0; k < sizeof own / sizeof *own; k++) sigdelset(&others, own[k]);
    if (pthread_attr_init(&attributes)) return 0;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    const int failed = pthread_create(&thread, &attributes, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return !failed;
}
static void on_fork(void (*in_child)(void)) { pthread_atfork(NULL, NULL, in_child); }
#endif

#endif
