#include "apus_nccl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- NCCL's binary interface (nccl.h of 2.x; these values have not changed since 2.10) ---

typedef struct ncclComm *communicator;
typedef struct {
    char bytes[APUS_NCCL_ID_BYTES];
} unique_id;

enum { UNHANDLED_CUDA_ERROR = 1, INVALID_ARGUMENT = 4, INVALID_USAGE = 5 };
enum { INT8 = 0, UINT8 = 1, INT32 = 2, INT64 = 4, FLOAT16 = 6, FLOAT32 = 7, FLOAT64 = 8,
       BFLOAT16 = 9, NO_TYPE = -1 };
enum { SUM = 0, MAXIMUM = 2, MINIMUM = 3, AVERAGE = 4 };

static struct {
    int (*get_version)(int *version);
    int (*get_unique_id)(unique_id *id);
    int (*init_rank)(communicator *out, int world, unique_id id, int rank);
    int (*destroy)(communicator group);
    int (*abort)(communicator group);
    int (*async_error)(communicator group, int *result);
    const char *(*error_string)(int result);
    int (*all_reduce)(const void *input, void *output, size_t count, int type, int op,
                      communicator group, void *stream);
    int (*reduce)(const void *input, void *output, size_t count, int type, int op, int root,
                  communicator group, void *stream);
    int (*reduce_scatter)(const void *input, void *output, size_t count, int type, int op,
                          communicator group, void *stream);
    int (*all_gather)(const void *input, void *output, size_t count, int type,
                      communicator group, void *stream);
    int (*broadcast)(const void *input, void *output, size_t count, int type, int root,
                     communicator group, void *stream);
    int (*send)(const void *input, size_t count, int type, int peer, communicator group,
                void *stream);
    int (*receive)(void *output, size_t count, int type, int peer, communicator group,
                   void *stream);
} nccl;

static const struct {
    const char *name;
    void *slot;
} symbols[] = {
    {"ncclGetVersion", &nccl.get_version},       {"ncclGetUniqueId", &nccl.get_unique_id},
    {"ncclCommInitRank", &nccl.init_rank},       {"ncclCommDestroy", &nccl.destroy},
    {"ncclCommAbort", &nccl.abort},              {"ncclCommGetAsyncError", &nccl.async_error},
    {"ncclGetErrorString", &nccl.error_string},  {"ncclAllReduce", &nccl.all_reduce},
    {"ncclReduce", &nccl.reduce},                {"ncclReduceScatter", &nccl.reduce_scatter},
    {"ncclAllGather", &nccl.all_gather},         {"ncclBroadcast", &nccl.broadcast},
    {"ncclSend", &nccl.send},                    {"ncclRecv", &nccl.receive},
};

static char problem[512];

static void load(void) {
    void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *reason = dlerror();
        snprintf(problem, sizeof problem, "%s", reason ? reason : "libnccl.so.2 not found");
        return;
    }
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *address = dlsym(library, symbols[i].name);
        if (address == NULL) {
            snprintf(problem, sizeof problem, "libnccl.so.2 has no %s", symbols[i].name);
            return;
        }
        memcpy(symbols[i].slot, &address, sizeof address);
    }
}

const char *apus_nccl_problem(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return problem[0] == 0 ? NULL : problem;
}

int32_t apus_nccl_version(void) {
    int version = 0;
    if (apus_nccl_problem() != NULL || nccl.get_version(&version) != 0) return 0;
    return version;
}

const char *apus_nccl_message(apus_nccl_result result) {
    return apus_nccl_problem() ? apus_nccl_problem() : nccl.error_string(result);
}

// --- Groups ---

struct apus_nccl {
    communicator comm;
    atomic_bool is_aborted;
};

apus_nccl_result apus_nccl_make_id(unsigned char *id) {
    if (apus_nccl_problem() != NULL) return UNHANDLED_CUDA_ERROR;
    unique_id made;
    int result = nccl.get_unique_id(&made);
    if (result == 0) memcpy(id, made.bytes, sizeof made.bytes);
    return result;
}

apus_nccl_result apus_nccl_join(const unsigned char *id, int32_t rank, int32_t world,
                                apus_nccl_t *out) {
    if (apus_nccl_problem() != NULL) return UNHANDLED_CUDA_ERROR;
    struct apus_nccl *group = calloc(1, sizeof *group);
    if (group == NULL) return UNHANDLED_CUDA_ERROR;
    unique_id name;
    memcpy(name.bytes, id, sizeof name.bytes);
    int result = nccl.init_rank(&group->comm, world, name, rank);
    if (result == 0) *out = group;
    else free(group);
    return result;
}

void apus_nccl_abort(apus_nccl_t group) {
    // Aborting frees the communicator.
    if (!atomic_exchange(&group->is_aborted, true)) nccl.abort(group->comm);
}

void apus_nccl_release(apus_nccl_t group) {
    if (!atomic_exchange(&group->is_aborted, true)) nccl.destroy(group->comm);
    free(group);
}

apus_nccl_result apus_nccl_failure(apus_nccl_t group) {
    int result = 0;
    if (atomic_load(&group->is_aborted)) return 0;
    int status = nccl.async_error(group->comm, &result);
    return status != 0 ? status : result;
}

// --- Operations ---

static int type_of(apus_shm_dtype dtype) {
    switch (dtype) {
    case APUS_SHM_FLOAT32: return FLOAT32;
    case APUS_SHM_FLOAT64: return FLOAT64;
    case APUS_SHM_FLOAT16: return FLOAT16;
    case APUS_SHM_BFLOAT16: return BFLOAT16;
    case APUS_SHM_INT8: return INT8;
    case APUS_SHM_INT32: return INT32;
    case APUS_SHM_INT64: return INT64;
    case APUS_SHM_UINT8: return UINT8;
    case APUS_SHM_INT16:
    case APUS_SHM_BOOL: return NO_TYPE;
    }
    return NO_TYPE;
}

static int operation_of(apus_shm_reduction reduction) {
    switch (reduction) {
    case APUS_SHM_SUM: return SUM;
    case APUS_SHM_AVERAGE: return AVERAGE;
    case APUS_SHM_MINIMUM: return MINIMUM;
    case APUS_SHM_MAXIMUM: return MAXIMUM;
    }
    return SUM;
}

static int reduce(communicator comm, const apus_shm_call *call, void *stream) {
    int type = type_of(call->dtype), op = operation_of(call->reduction);
    if (type == NO_TYPE || call->result != call->dtype) return INVALID_ARGUMENT;
    const void *input = call->input;
    void *output = call->output;
    switch (call->kind) {
    case APUS_SHM_ALL_REDUCE:
        return nccl.all_reduce(input, output, call->count, type, op, comm, stream);
    case APUS_SHM_REDUCE_SCATTER:
        return nccl.reduce_scatter(input, output, call->count, type, op, comm, stream);
    default: return nccl.reduce(input, output, call->count, type, op, call->peer, comm, stream);
    }
}

apus_nccl_result apus_nccl_run(apus_nccl_t group, const apus_shm_call *call, void *stream) {
    if (atomic_load(&group->is_aborted)) return INVALID_USAGE;
    // What is only moved goes as bytes: NCCL does not know all dtypes.
    size_t bytes = call->count * apus_shm_dtype_size(call->dtype);
    communicator comm = group->comm;
    switch (call->kind) {
    case APUS_SHM_ALL_REDUCE:
    case APUS_SHM_REDUCE_SCATTER:
    case APUS_SHM_REDUCE: return reduce(comm, call, stream);
    case APUS_SHM_ALL_GATHER:
        return nccl.all_gather(call->input, call->output, bytes, UINT8, comm, stream);
    case APUS_SHM_BROADCAST:
        return nccl.broadcast(call->input, call->output, bytes, UINT8, call->peer, comm, stream);
    case APUS_SHM_SEND: return nccl.send(call->input, bytes, UINT8, call->peer, comm, stream);
    case APUS_SHM_RECEIVE:
        return nccl.receive(call->output, bytes, UINT8, call->peer, comm, stream);
    case APUS_SHM_GATHER:
    case APUS_SHM_SCATTER:
    case APUS_SHM_ALL_TO_ALL:
    case APUS_SHM_BARRIER: return INVALID_ARGUMENT;
    }
    return INVALID_ARGUMENT;
}
