#include "apus_host.h"
