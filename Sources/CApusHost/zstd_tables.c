#include "zstd_tables.h"
#include <string.h>

static int highest_bit(uint32_t value) {
    int bit = -1;
    for (; value > 0; value >>= 1) bit++;
    return bit;
}

int zstd_bits_open(struct zstd_bits *bits, const uint8_t *in, size_t size) {
    if (size == 0 || in[size - 1] == 0) return -1;
    bits->in = in;
    bits->size = (int64_t)size;
    bits->position = (int64_t)(size - 1) * 8 + highest_bit(in[size - 1]);
    return 0;
}

uint64_t zstd_bits_take(struct zstd_bits *bits, int count) {
    uint64_t value = 0;
    int64_t low = bits->position - count;
    if (low >= 0 && low / 8 + 8 <= bits->size && count <= 56) {
        // All in one little-endian word: nearly always.
        memcpy(&value, bits->in + low / 8, sizeof value);
        bits->position = low;
        return value >> low % 8 & ((1ull << count) - 1);
    }
    // The bytes that hold the bits [low, position), from the highest down.
    for (int64_t at = (bits->position + 7) / 8 - 1; at >= 0 && at * 8 + 8 > low; at--) {
        uint64_t byte = bits->in[at];
        int64_t shift = at * 8 - low;
        value |= shift >= 0 ? byte << shift : byte >> -shift;
    }
    bits->position = low;
    return value & ((1ull << count) - 1);
}

int zstd_fse_build(struct zstd_fse *table, const int16_t *counts, int symbols, int accuracy) {
    uint32_t size = 1u << accuracy, high = size;
    uint16_t next[256];
    table->accuracy = accuracy;
    for (int s = 0; s < symbols; s++) {
        next[s] = counts[s] < 0 ? 1 : (uint16_t)counts[s];
        if (counts[s] < 0) table->states[--high].symbol = (uint8_t)s;
    }
    // Symbols are spread over the table with a step that visits every place once.
    uint32_t step = (size >> 1) + (size >> 3) + 3, position = 0;
    for (int s = 0; s < symbols; s++) {
        for (int i = 0; i < counts[s]; i++) {
            table->states[position].symbol = (uint8_t)s;
            do position = (position + step) & (size - 1);
            while (position >= high);
        }
    }
    if (position != 0) return -1;
    for (uint32_t i = 0; i < size; i++) {
        uint32_t state = next[table->states[i].symbol]++;
        int bits = accuracy - highest_bit(state);
        table->states[i].bits = (uint8_t)bits;
        table->states[i].base = (uint16_t)((state << bits) - size);
    }
    return 0;
}

void zstd_fse_single(struct zstd_fse *table, uint8_t symbol) {
    table->accuracy = 0;
    table->states[0].symbol = symbol;
    table->states[0].bits = 0;
    table->states[0].base = 0;
}

// Bits from the low end of a buffer on; zero beyond its end.
static uint32_t peek(const uint8_t *in, size_t size, size_t position, int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; i++) {
        size_t at = (position + (size_t)i) / 8;
        if (at < size) value |= (uint32_t)(in[at] >> ((position + (size_t)i) % 8) & 1) << i;
    }
    return value;
}

// One count of a description: as few bits as the rest that is to be given away allows.
static int read_count(const uint8_t *in, size_t size, size_t *position, int remaining) {
    int bits = highest_bit((uint32_t)remaining + 1) + 1;
    uint32_t value = peek(in, size, *position, bits);
    uint32_t lower = (1u << (bits - 1)) - 1;
    uint32_t threshold = (1u << bits) - 1 - ((uint32_t)remaining + 1);
    if ((value & lower) < threshold) {
        *position += (size_t)bits - 1;
        return (int)(value & lower) - 1;
    }
    *position += (size_t)bits;
    if (value > lower) value -= threshold;
    return (int)value - 1;
}

int64_t zstd_fse_read(
    struct zstd_fse *table, const uint8_t *in, size_t size, int max_accuracy, int max_symbols) {
    int accuracy = (int)peek(in, size, 0, 4) + 5;
    if (size == 0 || accuracy > max_accuracy) return -1;
    size_t position = 4;
    int remaining = 1 << accuracy, symbols = 0;
    int16_t counts[256] = {0};
    while (remaining > 0 && symbols < max_symbols) {
        int count = read_count(in, size, &position, remaining);
        remaining -= count < 0 ? 1 : count;
        counts[symbols++] = (int16_t)count;
        if (position > size * 8 || remaining < 0) return -1;
        if (count != 0) continue;
        // A zero is followed by how many more there are, in steps of up to three.
        uint32_t zeros;
        do {
            zeros = peek(in, size, position, 2);
            position += 2;
            symbols += (int)zeros;
        } while (zeros == 3 && symbols < max_symbols);
        if (symbols > max_symbols || position > size * 8) return -1;
    }
    if (remaining != 0 || zstd_fse_build(table, counts, symbols, accuracy) != 0) return -1;
    return (int64_t)((position + 7) / 8);
}

uint32_t zstd_fse_begin(const struct zstd_fse *table, struct zstd_bits *bits) {
    return (uint32_t)zstd_bits_take(bits, table->accuracy);
}

uint32_t zstd_fse_next(const struct zstd_fse *table, uint32_t state, struct zstd_bits *bits) {
    return table->states[state].base + (uint32_t)zstd_bits_take(bits, table->states[state].bits);
}

// Weights coded by two interleaved states that share one table. Returns their number, or -1.
static int read_weights(const uint8_t *in, size_t size, uint8_t *weights) {
    struct zstd_fse table;
    int64_t header = zstd_fse_read(&table, in, size, 6, 256);
    struct zstd_bits bits;
    if (header < 0 || zstd_bits_open(&bits, in + header, size - (size_t)header) != 0) return -1;
    uint32_t states[2];
    states[0] = zstd_fse_begin(&table, &bits);
    states[1] = zstd_fse_begin(&table, &bits);
    if (bits.position < 0) return -1;
    int count = 0;
    for (int turn = 0; count < 254; turn ^= 1) {
        weights[count++] = table.states[states[turn]].symbol;
        states[turn] = zstd_fse_next(&table, states[turn], &bits);
        if (bits.position >= 0) continue;
        // The bits are used up: the other state still holds a symbol.
        weights[count++] = table.states[states[turn ^ 1]].symbol;
        return count;
    }
    return -1;
}

// A symbol of weight w has a code of (bits + 1 - w) bits; the last weight follows from the others.
static int build_huffman(struct zstd_huffman *code, uint8_t *weights, int count) {
    uint32_t sum = 0;
    for (int i = 0; i < count; i++) {
        if (weights[i] > ZSTD_MAX_HUFFMAN_BITS) return -1;
        if (weights[i] > 0) sum += 1u << (weights[i] - 1);
    }
    if (sum == 0) return -1;
    int bits = highest_bit(sum) + 1;
    uint32_t left = (1u << bits) - sum;
    if (bits > ZSTD_MAX_HUFFMAN_BITS || (left & (left - 1)) != 0) return -1;
    weights[count++] = (uint8_t)(highest_bit(left) + 1);
    uint32_t at = 0;
    for (int weight = 1; weight <= bits; weight++) {
        for (int s = 0; s < count; s++) {
            if (weights[s] != weight) continue;
            for (uint32_t i = 0; i < 1u << (weight - 1); i++, at++) {
                code->entries[at].symbol = (uint8_t)s;
                code->entries[at].bits = (uint8_t)(bits + 1 - weight);
            }
        }
    }
    code->bits = bits;
    return 0;
}

int64_t zstd_huffman_read(struct zstd_huffman *code, const uint8_t *in, size_t size) {
    if (size == 0) return -1;
    uint8_t weights[256] = {0};
    int header = in[0], count;
    size_t taken;
    if (header < 128) {
        taken = 1 + (size_t)header;
        if (taken > size) return -1;
        count = read_weights(in + 1, (size_t)header, weights);
    } else {
        count = header - 127;
        taken = 1 + ((size_t)count + 1) / 2;
        if (taken > size) return -1;
        for (int i = 0; i < count; i++) weights[i] = in[1 + i / 2] >> (i % 2 == 0 ? 4 : 0) & 15;
    }
    if (count < 0 || count > 255 || build_huffman(code, weights, count) != 0) return -1;
    return (int64_t)taken;
}

int zstd_huffman_decode(
    const struct zstd_huffman *code, const uint8_t *in, size_t size, uint8_t *out, size_t count) {
    struct zstd_bits bits;
    if (zstd_bits_open(&bits, in, size) != 0) return -1;
    uint32_t mask = (1u << code->bits) - 1;
    uint32_t state = (uint32_t)zstd_bits_take(&bits, code->bits);
    for (size_t i = 0; i < count; i++) {
        out[i] = code->entries[state].symbol;
        int used = code->entries[state].bits;
        state = ((state << used) + (uint32_t)zstd_bits_take(&bits, used)) & mask;
        if (bits.position < -2 * ZSTD_MAX_HUFFMAN_BITS) return -1;
    }
    // All bits were used, and no more: the state holds bits from before the beginning only.
    return bits.position == -code->bits ? 0 : -1;
}
