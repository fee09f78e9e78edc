// Cross-entropy over rows of logits. A row is read three times (maximum, sum, gradient), but comes
// from memory once: rows of usual vocabularies fit the second cache.
#include "apus_nn_kernels.h"
#include "kernels.h"
#include <math.h>
#include <string.h>

static float row_maximum(const struct kernels *kernels, struct apus_floats logits, size_t start,
                         size_t classes) {
    float tile[APUS_TILE], most = -INFINITY;
    for (size_t i = 0; i < classes; i += APUS_TILE) {
        size_t n = apus_tile_length(i, classes);
        const float *values = apus_widened(kernels, logits, start + i, tile, n);
        most = fmaxf(most, kernels->maximum(values, n));
    }
    return most;
}

struct row_sums {
    double exponentials, values;
};

static struct row_sums row_sums(const struct kernels *kernels, struct apus_floats logits,
                                size_t start, size_t classes, float shift, bool with_values) {
    float tile[APUS_TILE];
    struct row_sums sums = {0, 0};
    for (size_t i = 0; i < classes; i += APUS_TILE) {
        size_t n = apus_tile_length(i, classes);
        const float *values = apus_widened(kernels, logits, start + i, tile, n);
        sums.exponentials += kernels->sum_of_exponentials(values, shift, n);
        if (with_values) sums.values += kernels->sum_of_values(values, n);
    }
    return sums;
}

static float element(const struct kernels *kernels, struct apus_floats floats, size_t index) {
    float tile[1];
    return *apus_widened(kernels, floats, index, tile, 1);
}

void apus_cross_entropy_forward(struct apus_loss_task task, float *losses,
                                float *log_sum_exps, struct apus_floats logits) {
    const struct kernels *kernels = apus_kernels();
    bool smooth = task.smoothing != 0;
    for (size_t row = 0; row < task.rows; row++) {
        losses[row] = 0;
        log_sum_exps[row] = 0;
        if (task.labels[row] == task.ignored_label) continue;
        size_t start = row * task.classes;
        float most = row_maximum(kernels, logits, start, task.classes);
        struct row_sums sums = row_sums(kernels, logits, start, task.classes, most, smooth);
        double log_sum_exp = (double)most + log(sums.exponentials);
        double hit = element(kernels, logits, start + (size_t)task.labels[row]);
        double loss = log_sum_exp - hit;
        if (smooth) {
            double spread = log_sum_exp - sums.values / (double)task.classes;
            loss = (1 - (double)task.smoothing) * loss + (double)task.smoothing * spread;
        }
        losses[row] = (float)loss;
        log_sum_exps[row] = (float)log_sum_exp;
    }
}

static void write_zeros(struct apus_mutable_floats to, size_t start, size_t count) {
    // Zero has the same bits in every format.
    memset(apus_mutable_floats_at(to, start).data, 0, count * apus_float_size(to.format));
}

void apus_cross_entropy_backward(struct apus_loss_task task,
                                 struct apus_mutable_floats gradient, struct apus_floats logits,
                                 const float *log_sum_exps, float scale, const float *scales) {
    const struct kernels *kernels = apus_kernels();
    float wide[APUS_TILE], result[APUS_TILE];
    float share = task.smoothing / (float)task.classes;
    for (size_t row = 0; row < task.rows; row++) {
        size_t start = row * task.classes;
        float factor = scales ? scale * scales[row] : scale;
        if (task.labels[row] == task.ignored_label) {
            write_zeros(gradient, start, task.classes);
            continue;
        }
        for (size_t i = 0; i < task.classes; i += APUS_TILE) {
            size_t n = apus_tile_length(i, task.classes);
            const float *values = apus_widened(kernels, logits, start + i, wide, n);
            kernels->softmax_gradient(result, values, log_sum_exps[row], share, factor, n);
            size_t hit = (size_t)task.labels[row];
            if (hit >= i && hit < i + n) result[hit - i] -= (1 - task.smoothing) * factor;
            apus_narrow(kernels, gradient, start + i, result, n);
        }
    }
}

int apus_labels_valid(struct apus_loss_task task, size_t *row) {
    for (*row = 0; *row < task.rows; (*row)++) {
        int64_t label = task.labels[*row];
        bool is_class = label >= 0 && (uint64_t)label < task.classes;
        if (!is_class && label != task.ignored_label) return 0;
    }
    return 1;
}
