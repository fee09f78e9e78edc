// The C surface of c10d for Apus: the TCP store and the Gloo backend. The rules of apus_torch.h
// hold. Every call blocks until it is done, failed, or out of time.
#ifndef APUS_C10D_H
#define APUS_C10D_H

#include "apus_torch.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

// --- A key-value store that all ranks see. One handle is used by one thread at a time. ---

typedef struct apus_store *apus_store_t;
typedef apus_store_t _Nullable *_Nonnull apus_store_out_t;

// Connects to host:port; the server lives in this process when `is_server`.
// APUS_COMM_TIMEOUT: not reachable in time. APUS_COMM_ABORTED: refused, such as a port in use.
apus_status apus_store_open(const char *host, uint16_t port, bool is_server, double timeout_seconds,
                            apus_store_out_t out);
// A second connection to the same store, for another thread.
apus_status apus_store_clone(apus_store_t store, apus_store_out_t out);
void apus_store_release(apus_store_t store);

apus_status apus_store_set(apus_store_t store, const char *key, const char *value);
// Waits for the key. The text is valid until this thread's next apus_store_get.
apus_status apus_store_get(apus_store_t store, const char *key, double timeout_seconds,
                           const char *_Nullable *_Nonnull out);
apus_status apus_store_has(apus_store_t store, const char *key, bool *out);
apus_status apus_store_add(apus_store_t store, const char *key, int64_t amount, int64_t *out);

// --- Gloo ---

typedef struct apus_gloo *apus_gloo_t;
typedef apus_gloo_t _Nullable *_Nonnull apus_gloo_out_t;

// `name` keeps the keys of different groups in one store apart. `interface` NULL: chosen by
// `hostname`; both NULL: the address that this machine's name resolves to.
typedef struct {
    const char *name;
    int32_t rank;
    int32_t world;
    double timeout_seconds;
    const char *_Nullable hostname;
    const char *_Nullable interface;
} apus_gloo_options;
apus_status apus_gloo_make(apus_store_t store, const apus_gloo_options *options,
                           apus_gloo_out_t out);
// Closes the connections; peers that wait for this rank end with an error.
void apus_gloo_release(apus_gloo_t group);

typedef enum {
    APUS_GLOO_ALL_REDUCE,
    APUS_GLOO_REDUCE_SCATTER,
    APUS_GLOO_ALL_GATHER,
    APUS_GLOO_BROADCAST,
    APUS_GLOO_REDUCE,
    APUS_GLOO_GATHER,
    APUS_GLOO_SCATTER,
    APUS_GLOO_ALL_TO_ALL,
    APUS_GLOO_BARRIER,
    APUS_GLOO_SEND,
    APUS_GLOO_RECEIVE,
} apus_gloo_kind;

typedef enum {
    APUS_GLOO_SUM,
    APUS_GLOO_AVERAGE,
    APUS_GLOO_MINIMUM,
    APUS_GLOO_MAXIMUM,
} apus_gloo_reduction;

// `count` is the elements that each rank contributes or receives, `result` the output's dtype, as
// in apus_shm.h; the memory is borrowed.
typedef struct {
    apus_gloo_kind kind;
    apus_gloo_reduction reduction;
    apus_dtype dtype;
    apus_dtype result;
    int32_t peer;
    int64_t count;
    void *_Nullable input;
    void *_Nullable output;
} apus_gloo_call;
// APUS_COMM_TIMEOUT: a peer did not come. APUS_COMM_ABORTED: a connection broke.
apus_status apus_gloo_run(apus_gloo_t group, const apus_gloo_call *call);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif
#endif
