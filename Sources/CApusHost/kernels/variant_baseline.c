// What every machine of this architecture has: SSE2 on x86-64, NEON on arm64.
#include "kernels.h"
#include <string.h>

#define APUS_VARIANT_TABLE apus_kernels_baseline
#include "variant.h"
