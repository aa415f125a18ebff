/* How a kernel asks for helpers: see pool/pool.h, whose function the module `pool` hands out. */
#ifndef VRDASK_SHARE_H
#define VRDASK_SHARE_H

#include <Python.h>

/* Do the units [begin, end) of a job; `thread` is the number of whoever does: none else has it at the time. */
typedef void (*work_t)(const void *job, Py_ssize_t begin, Py_ssize_t end, int thread);

/* Do all units of a job on at most so many threads, numbered from 0, the caller's. */
typedef void (*share_out_t)(Py_ssize_t units, int threads, work_t work, const void *job);

#endif
