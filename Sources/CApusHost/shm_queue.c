// Operations that were started run in order on one thread of the group, which sleeps when there are
// none.
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "shm_internal.h"

struct apus_shm_work {
    struct apus_shm_group *group;
    struct apus_shm_work *next;
    apus_shm_call call;
    char label[APUS_SHM_LABEL];
    apus_shm_status status;
    bool is_finished;
    uint64_t began, ended;
};

static void execute_work(struct apus_shm_group *group, struct apus_shm_work *work) {
    group->is_executing = true;
    pthread_mutex_unlock(&group->lock);
    work->began = now_ns();
    apus_shm_status status = execute(group, &work->call);
    work->ended = now_ns();
    pthread_mutex_lock(&group->lock);
    group->is_executing = false;
    work->status = status;
    work->is_finished = true;
    pthread_cond_broadcast(&group->changed);
}

static void *serve(void *context) {
    struct apus_shm_group *group = context;
    pthread_mutex_lock(&group->lock);
    while (true) {
        struct apus_shm_work *work = group->first;
        if (work != NULL) {
            group->first = work->next;
            if (group->first == NULL) group->last = NULL;
            execute_work(group, work);
        } else if (group->stops) {
            break;
        } else {
            pthread_cond_wait(&group->changed, &group->lock);
        }
    }
    pthread_mutex_unlock(&group->lock);
    return NULL;
}

void start_queue(struct apus_shm_group *group) {
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->changed, NULL);
}

// Signals are for the threads of the program, not for this one.
static bool start_thread(struct apus_shm_group *group) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool is_started = pthread_create(&group->thread, NULL, serve, group) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return is_started;
}

void stop_queue(struct apus_shm_group *group) {
    if (group->has_thread) {
        pthread_mutex_lock(&group->lock);
        group->stops = true;
        pthread_cond_broadcast(&group->changed);
        pthread_mutex_unlock(&group->lock);
        pthread_join(group->thread, NULL);
    }
    pthread_cond_destroy(&group->changed);
    pthread_mutex_destroy(&group->lock);
}

apus_shm_status apus_shm_run(apus_shm_group_t group, const apus_shm_call *call) {
    pthread_mutex_lock(&group->lock);
    while (group->first != NULL || group->is_executing)
        pthread_cond_wait(&group->changed, &group->lock);
    pthread_mutex_unlock(&group->lock);
    return execute(group, call);
}

apus_shm_work_t apus_shm_start(apus_shm_group_t group, const apus_shm_call *call) {
    struct apus_shm_work *work = calloc(1, sizeof *work);
    work->group = group;
    work->call = *call;
    if (call->label) {
        strncat(work->label, call->label, APUS_SHM_LABEL - 1);
        work->call.label = work->label;
    }
    pthread_mutex_lock(&group->lock);
    if (!group->has_thread) group->has_thread = start_thread(group);
    if (group->has_thread) {
        if (group->last) group->last->next = work;
        else group->first = work;
        group->last = work;
        pthread_cond_broadcast(&group->changed);
    } else { // no thread to be had: do it now
        execute_work(group, work);
    }
    pthread_mutex_unlock(&group->lock);
    return work;
}

bool apus_shm_work_is_finished(apus_shm_work_t work) {
    pthread_mutex_lock(&work->group->lock);
    bool is_finished = work->is_finished;
    pthread_mutex_unlock(&work->group->lock);
    return is_finished;
}

apus_shm_status apus_shm_work_wait(apus_shm_work_t work, uint64_t *began, uint64_t *ended) {
    struct apus_shm_group *group = work->group;
    pthread_mutex_lock(&group->lock);
    while (!work->is_finished) pthread_cond_wait(&group->changed, &group->lock);
    pthread_mutex_unlock(&group->lock);
    apus_shm_status status = work->status;
    *began = work->began;
    *ended = work->ended;
    free(work);
    return status;
}
