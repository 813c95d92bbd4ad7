/* A processor that QEMU emulates does vector instructions by calls of functions: libsodium's
 * portable code is three times faster there than what it would choose. The linker puts these in
 * the place of its own questions (--wrap). */
#include <cpuid.h>
#include <string.h>

#define HYPERVISOR 0x80000000u /* a bit of leaf 1 */
#define HYPERVISOR_LEAF 0x40000000u

static int is_emulated(void)
{
    unsigned eax, ebx, ecx, edx, name[3];

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & HYPERVISOR))
        return 0;
    __cpuid(HYPERVISOR_LEAF, eax, name[0], name[1], name[2]);
    return memcmp(name, "TCGTCGTCGTCG", sizeof(name)) == 0;
}

#define QUESTION(feature)                                                                          \
    int __real_sodium_runtime_has_##feature(void);                                                 \
    int __wrap_sodium_runtime_has_##feature(void);                                                 \
    int __wrap_sodium_runtime_has_##feature(void)                                                  \
    {                                                                                              \
        return __real_sodium_runtime_has_##feature() && !is_emulated();                            \
    }

QUESTION(sse2)
QUESTION(ssse3)
QUESTION(sse41)
QUESTION(avx)
QUESTION(avx2)
