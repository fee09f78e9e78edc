// CApusHost: C kernels and system calls that need no libtorch.
#ifndef APUS_HOST_H
#define APUS_HOST_H
#include <stddef.h>
#include <stdint.h>

#endif
