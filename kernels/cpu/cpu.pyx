"""What the processor can run, and how many threads OpenMP's runtime would start, which people and threadpoolctl set; the
kernels have a pool of their own. Compiled for the baseline alone."""

cdef extern from *:
    """
    #if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)
    static int vrdask_level(void) {
        __builtin_cpu_init();
        if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))) return 0;
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") ? 2 : 1;
    }
    #elif defined(_M_X64)
    #include <immintrin.h>
    #include <intrin.h>
    static int vrdask_level(void) {
        int r[4];
        __cpuid(r, 1);
        if (!(r[2] & (1 << 27)) || !(r[2] & (1 << 12))) return 0; /* OSXSAVE, FMA */
        const unsigned long long saved = _xgetbv(0);
        __cpuidex(r, 7, 0);
        if ((saved & 6) != 6 || !(r[1] & (1 << 5)) || !(r[1] & (1 << 8))) return 0; /* AVX2, BMI2 */
        const int wide = (1 << 16) | (1 << 17) | (1 << 30) | (int)(1u << 31); /* AVX512 F, DQ, BW, VL */
        return (saved & 0xe6) == 0xe6 && (r[1] & wide) == wide ? 2 : 1;
    }
    #else
    static int vrdask_level(void) { return 0; }
    #endif
    #ifdef VRDASK_OPENMP
    #include <omp.h>
    #define VRDASK_HAS_OPENMP 1
    static int vrdask_threads(void) { return omp_get_max_threads(); }
    #else
    #define VRDASK_HAS_OPENMP 0
    static int vrdask_threads(void) { return 1; }
    #endif
    """
    int vrdask_level()
    int vrdask_threads()
    int VRDASK_HAS_OPENMP

HAS_OPENMP = bool(VRDASK_HAS_OPENMP)


def level():
    """0 for the baseline, 1 for AVX2, 2 for AVX-512."""
    return vrdask_level()


def max_threads():
    """Threads that OpenMP's runtime would start here if it were not told how many; 1 without OpenMP."""
    return vrdask_threads()
