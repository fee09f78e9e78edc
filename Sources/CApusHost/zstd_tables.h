// The entropy decoders of Zstandard: bits read backwards, finite-state entropy, Huffman codes.
#ifndef APUS_ZSTD_TABLES_H
#define APUS_ZSTD_TABLES_H
#include <stddef.h>
#include <stdint.h>

enum {
    ZSTD_MAX_ACCURACY = 9,
    ZSTD_MAX_HUFFMAN_BITS = 11,
};

// Bits from the end of the buffer to its beginning, below a final 1 that marks where they start.
// Bits before the beginning read as zero and make `position` negative.
struct zstd_bits {
    const uint8_t *in;
    int64_t size;
    int64_t position;
};

// Returns -1 when the mark is missing.
int zstd_bits_open(struct zstd_bits *bits, const uint8_t *in, size_t size);
// At most 56 bits.
uint64_t zstd_bits_take(struct zstd_bits *bits, int count);

// A finite-state table: each state gives a symbol and how to get to the next.
struct zstd_fse {
    int accuracy;
    struct {
        uint16_t base;
        uint8_t bits;
        uint8_t symbol;
    } states[1 << ZSTD_MAX_ACCURACY];
};

// Counts that add up to 1 << accuracy; -1 stands for a probability below one.
int zstd_fse_build(struct zstd_fse *table, const int16_t *counts, int symbols, int accuracy);
// One symbol always, without bits.
void zstd_fse_single(struct zstd_fse *table, uint8_t symbol);
// Reads a table's description from `in`. Returns the bytes it takes, or -1.
int64_t zstd_fse_read(
    struct zstd_fse *table, const uint8_t *in, size_t size, int max_accuracy, int max_symbols);
uint32_t zstd_fse_begin(const struct zstd_fse *table, struct zstd_bits *bits);
uint32_t zstd_fse_next(const struct zstd_fse *table, uint32_t state, struct zstd_bits *bits);

// A Huffman code as one table over its longest code.
struct zstd_huffman {
    int bits;  // 0: there is none yet
    struct {
        uint8_t symbol;
        uint8_t bits;
    } entries[1 << ZSTD_MAX_HUFFMAN_BITS];
};

// Reads a tree's description. Returns the bytes it takes, or -1.
int64_t zstd_huffman_read(struct zstd_huffman *code, const uint8_t *in, size_t size);
// Decodes exactly `count` symbols from one stream. Returns 0, or -1.
int zstd_huffman_decode(
    const struct zstd_huffman *code, const uint8_t *in, size_t size, uint8_t *out, size_t count);

#endif
