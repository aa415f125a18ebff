"""The prefilter of cubic B-splines along one axis. Compiled once per instruction set; see prefilter.h."""

from arrays cimport source_address, target_address
from share cimport of_the_pool, share_out_t


cdef extern from "prefilter/prefilter.h" nogil:
    enum: _SPARE "SPARE"
    const Py_ssize_t ELEMENT_SIZE[11]

    ctypedef struct prefilter_t:
        int in_type, acc_type, doublings
        Py_ssize_t radius
        const void *weights
        const Py_ssize_t *index
        Py_ssize_t plain_start, plain_stop, pitch, src_step, dst_step

    ctypedef struct runs_t:
        const Py_ssize_t *starts
        Py_ssize_t run, strips, width, pieces, length, outputs

    void prefilter_lines(const prefilter_t *job, const char *src, char *dst, Py_ssize_t at, Py_ssize_t count,
                         Py_ssize_t width, char *scratch)


SPARE = _SPARE

cdef share_out_t share_out = of_the_pool()


cdef struct call_t:
    const prefilter_t *job
    const runs_t *runs
    const char *src
    char *dst
    char *scratch
    Py_ssize_t scratch_bytes


cdef inline void filter_unit(const prefilter_t *job, const runs_t *runs, const char *src, char *dst, Py_ssize_t unit,
                             char *scratch) noexcept nogil:
    """One piece of one strip of one run."""
    cdef Py_ssize_t line = unit % runs.strips * runs.width
    cdef Py_ssize_t at = unit // runs.strips % runs.pieces * runs.length
    cdef const Py_ssize_t *start = runs.starts + 2 * (unit // (runs.strips * runs.pieces))
    prefilter_lines(job, src + start[0] + line * ELEMENT_SIZE[job.in_type], dst + start[1] + line * ELEMENT_SIZE[job.acc_type],
                    at, min(runs.length, runs.outputs - at), min(runs.width, runs.run - line), scratch)


cdef void filter_units(const void *given, Py_ssize_t begin, Py_ssize_t end, int thread) noexcept nogil:
    cdef const call_t *it = <const call_t *> given
    cdef Py_ssize_t unit
    for unit in range(begin, end):
        filter_unit(it.job, it.runs, it.src, it.dst, unit, it.scratch + thread * it.scratch_bytes)


def prefilter(source, target, int in_type, int acc_type, const unsigned char[::1] weights,
              const Py_ssize_t[::1] index, tuple plain, tuple steps, const Py_ssize_t[:, ::1] starts, Py_ssize_t run,
              Py_ssize_t width, Py_ssize_t pitch, Py_ssize_t length, unsigned char[:, ::1] scratch):
    """Filter runs of `run` neighbouring lines each, `width` lines and `length` outputs at a time.

    source, target : arrays of the samples that are read, and of the outputs.
    weights : of the accumulator; twice the number of doublings, and one.
    index : sample of each position from `radius` before the first output to `radius` behind the last.
    plain : positions between which indices are consecutive.
    pitch : accumulators from one sample to the next in scratch; more than `width` where whole registers may be touched.
    steps : bytes from one sample, and one output, of a line to the next.
    starts : bytes from the first sample and the first output to the first line of each run.
    scratch : a row per thread, of (length + 2 radius + SPARE) * pitch accumulators.
    """
    cdef prefilter_t job
    cdef runs_t runs
    cdef const char *src = source_address(source)
    cdef char *dst = target_address(target)
    cdef call_t call
    cdef Py_ssize_t units, used, acc_size = ELEMENT_SIZE[acc_type]
    cdef int threads = scratch.shape[0]
    job.in_type, job.acc_type = in_type, acc_type
    job.weights = &weights[0]
    job.doublings = (weights.shape[0] // acc_size - 1) // 2
    job.radius = 1 << job.doublings
    job.index = &index[0]
    job.plain_start, job.plain_stop = plain
    job.pitch = pitch
    job.src_step, job.dst_step = steps
    runs.starts, runs.run, runs.width, runs.length = &starts[0, 0], run, width, length
    runs.outputs = index.shape[0] - 2 * job.radius
    runs.strips = (run + width - 1) // width
    runs.pieces = (runs.outputs + length - 1) // length
    units = starts.shape[0] * runs.pieces * runs.strips
    used = (length + 2 * job.radius + _SPARE) * pitch * acc_size
    if scratch.shape[1] < used:
        raise ValueError(f"scratch must hold {used} bytes per thread; got {scratch.shape[1]}")
    call = [&job, &runs, src, dst, <char *> &scratch[0, 0], scratch.strides[0]]
    with nogil:
        share_out(units, threads, filter_units, &call)
