// Adafactor over a whole parameter: the second moment of a matrix is kept as one number per row
// and one per column. Three passes: moments, size of the update, update.
#include "apus_optim_kernels.h"
#include "kernels.h"
#include <math.h>
#include <string.h>

/// Rows whose squares are summed before they join the moment: it bounds the error of fp32 sums.
enum { ROW_BLOCK = 64 };

struct pass {
    const struct kernels *kernels;
    const struct apus_update *update;
    size_t matrices, rows, columns;
    float *row_moment, *column_moment;
};

static struct apus_floats fp32(const float *values) {
    return (struct apus_floats){values, APUS_FLOAT32};
}

static double second_decay(struct apus_adafactor rule) {
    return 1 - pow((double)rule.step, rule.decay_rate);
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/// One tile of columns of one matrix: adds the squares to the row and column moments.
static void add_tile_moments(const struct pass *pass, size_t matrix, size_t column, size_t width,
                             double weight, double epsilon) {
    float wide[APUS_TILE], sums[APUS_TILE];
    float *row_moment = pass->row_moment + matrix * pass->rows;
    float *column_moment = pass->column_moment + matrix * pass->columns + column;
    for (size_t block = 0; block < pass->rows; block += ROW_BLOCK) {
        size_t end = smaller(block + ROW_BLOCK, pass->rows);
        memset(sums, 0, width * sizeof *sums);
        for (size_t row = block; row < end; row++) {
            size_t offset = (matrix * pass->rows + row) * pass->columns + column;
            const float *gradient
                = apus_widened(pass->kernels, pass->update->gradient, offset, wide, width);
            double squares = pass->kernels->add_squares(sums, gradient,
                                                        pass->update->gradient_scale, width);
            double mean_share = (squares + (double)width * epsilon) / (double)pass->columns;
            row_moment[row] += (float)(weight * mean_share);
        }
        pass->kernels->accumulate(column_moment, fp32(sums),
                                  (float)(weight / (double)pass->rows), width);
    }
}

static void update_moments(const struct pass *pass, struct apus_adafactor rule) {
    double decay = second_decay(rule);
    size_t row_count = pass->matrices * pass->rows;
    pass->kernels->scale((struct apus_mutable_floats){pass->row_moment, APUS_FLOAT32},
                         (float)decay, row_count);
    for (size_t i = 0; i < pass->matrices * pass->columns; i++) {
        double kept = decay * pass->column_moment[i] + (1 - decay) * rule.epsilon;
        pass->column_moment[i] = (float)kept;
    }
    for (size_t matrix = 0; matrix < pass->matrices; matrix++) {
        for (size_t column = 0; column < pass->columns; column += APUS_TILE) {
            size_t width = apus_tile_length(column, pass->columns);
            add_tile_moments(pass, matrix, column, width, 1 - decay, rule.epsilon);
        }
    }
}

static double mean(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i];
    return sum / (double)count;
}

/// One matrix: either measures (returns the sum of squares of the direction) or applies it.
static double walk_matrix(const struct pass *pass, size_t matrix, bool apply, float decay,
                          float rate) {
    float wide[APUS_TILE], factors[APUS_TILE], direction[APUS_TILE];
    const struct apus_update *update = pass->update;
    const float *row_moment = pass->row_moment + matrix * pass->rows;
    const float *column_moment = pass->column_moment + matrix * pass->columns;
    double row_mean = mean(row_moment, pass->rows), squares = 0;
    for (size_t column = 0; column < pass->columns; column += APUS_TILE) {
        size_t width = apus_tile_length(column, pass->columns);
        pass->kernels->inverse_root(factors, column_moment + column, width);
        for (size_t row = 0; row < pass->rows; row++) {
            size_t offset = (matrix * pass->rows + row) * pass->columns + column;
            const float *gradient
                = apus_widened(pass->kernels, update->gradient, offset, wide, width);
            float factor = (float)(update->gradient_scale / sqrt(row_moment[row] / row_mean));
            pass->kernels->scale_by_factors(direction, gradient, factor, factors, width);
            if (!apply) {
                squares += pass->kernels->sum_of_squares(fp32(direction), width);
                continue;
            }
            pass->kernels->descend(update->weights + offset, direction, decay, rate, width);
            apus_narrow(pass->kernels, update->copy, offset, update->weights + offset, width);
        }
    }
    return squares;
}

/// The factor that brings the update's root mean square down to the threshold, times the rate.
static float clipped_rate(double squares, size_t count, struct apus_adafactor rule) {
    double excess = sqrt(squares / (double)count) / rule.clip_threshold;
    return (float)(rule.learning_rate / fmax(excess, 1));
}

void apus_adafactor_factored(struct apus_update update, size_t matrices, size_t rows,
                             size_t columns, float *row_moment, float *column_moment,
                             struct apus_adafactor rule) {
    if (update.count == 0) return;
    struct pass pass = {apus_kernels(), &update, matrices, rows, columns, row_moment,
                        column_moment};
    update_moments(&pass, rule);
    double squares = 0;
    for (size_t i = 0; i < matrices; i++) squares += walk_matrix(&pass, i, false, 0, 0);
    float rate = clipped_rate(squares, update.count, rule);
    float decay = (float)(1 - rule.learning_rate * rule.weight_decay);
    for (size_t i = 0; i < matrices; i++) walk_matrix(&pass, i, true, decay, rate);
}

void apus_adafactor_unfactored(struct apus_update update, float *second_moment,
                               struct apus_adafactor rule) {
    if (update.count == 0) return;
    const struct kernels *kernels = apus_kernels();
    float wide[APUS_TILE], factors[APUS_TILE], direction[APUS_TILE];
    double decay = second_decay(rule), squares = 0;
    struct moment_scalars s = {update.gradient_scale, (float)decay, (float)(1 - decay),
                               (float)rule.epsilon};
    for (size_t i = 0; i < update.count; i += APUS_TILE) {
        size_t n = apus_tile_length(i, update.count);
        const float *gradient = apus_widened(kernels, update.gradient, i, wide, n);
        kernels->decay_moment(second_moment + i, gradient, n, &s);
        kernels->inverse_root(factors, second_moment + i, n);
        kernels->scale_by_factors(direction, gradient, update.gradient_scale, factors, n);
        squares += kernels->sum_of_squares(fp32(direction), n);
    }
    float rate = clipped_rate(squares, update.count, rule);
    float keep = (float)(1 - rule.learning_rate * rule.weight_decay);
    for (size_t i = 0; i < update.count; i += APUS_TILE) {
        size_t n = apus_tile_length(i, update.count);
        const float *gradient = apus_widened(kernels, update.gradient, i, wide, n);
        kernels->inverse_root(factors, second_moment + i, n);
        kernels->scale_by_factors(direction, gradient, update.gradient_scale, factors, n);
        kernels->descend(update.weights + i, direction, keep, rate, n);
        apus_narrow(kernels, update.copy, i, update.weights + i, n);
    }
}
