#include "apus_decompress.h"
#include "output.h"
#include "zstd_tables.h"
#include <stdlib.h>

enum {
    MAX_BLOCK = 128 << 10,
    LITERAL_LENGTH = 0,
    OFFSET = 1,
    MATCH_LENGTH = 2,
};

// What the blocks of a frame hand on to each other.
struct frame {
    struct zstd_huffman huffman;
    struct zstd_fse tables[3];
    int has_table[3];
    uint64_t offsets[3];
    uint8_t literals[MAX_BLOCK];
    size_t literal_count;
    struct apus_output *out;
    // Where the frame's content begins: matches do not reach further back.
    size_t begin;
};

static uint64_t little_endian(const uint8_t *in, size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) value |= (uint64_t)in[i] << 8 * i;
    return value;
}

// Literals in one stream or in four, of which all but the last have the same length.
static int decode_literals(struct frame *frame, const uint8_t *in, size_t size, int streams) {
    if (streams == 1) {
        return zstd_huffman_decode(
            &frame->huffman, in, size, frame->literals, frame->literal_count);
    }
    if (size < 6) return -1;
    size_t part = (frame->literal_count + 3) / 4, at = 6, done = 0;
    for (int stream = 0; stream < 4; stream++) {
        size_t bytes = stream < 3 ? (size_t)little_endian(in + 2 * stream, 2) : size - at;
        size_t count = stream < 3 ? part : frame->literal_count - done;
        if (bytes > size - at || done + count > frame->literal_count) return -1;
        if (zstd_huffman_decode(&frame->huffman, in + at, bytes, frame->literals + done, count)) {
            return -1;
        }
        at += bytes;
        done += count;
        if (done > frame->literal_count) return -1;
    }
    return 0;
}

// Returns the bytes that the literals take, or -1.
static int64_t read_literals(struct frame *frame, const uint8_t *in, size_t size) {
    if (size == 0) return -1;
    int kind = in[0] & 3, format = in[0] >> 2 & 3;
    size_t header, count;
    if (kind < 2) {
        header = format == 1 ? 2 : format == 3 ? 3 : 1;
        if (header > size) return -1;
        count = (size_t)little_endian(in, header) >> (header == 1 ? 3 : 4);
        size_t stored = kind == 0 ? count : 1;
        if (count > MAX_BLOCK || stored > size - header) return -1;
        if (kind == 0) memcpy(frame->literals, in + header, count);
        else memset(frame->literals, in[header], count);
        frame->literal_count = count;
        return (int64_t)(header + stored);
    }
    header = format < 2 ? 3 : (size_t)format + 2;
    if (header > size) return -1;
    int width = format < 2 ? 10 : format == 2 ? 14 : 18;
    uint64_t sizes = little_endian(in, header) >> 4;
    count = (size_t)(sizes & ((1u << width) - 1));
    size_t stored = (size_t)(sizes >> width);
    if (count > MAX_BLOCK || stored > size - header) return -1;
    frame->literal_count = count;
    size_t tree = 0;
    if (kind == 2) {
        int64_t taken = zstd_huffman_read(&frame->huffman, in + header, stored);
        if (taken < 0) return -1;
        tree = (size_t)taken;
    }
    if (frame->huffman.bits == 0) return -1;
    int streams = format == 0 ? 1 : 4;
    if (decode_literals(frame, in + header + tree, stored - tree, streams) != 0) return -1;
    return (int64_t)(header + stored);
}

static const int16_t default_counts[3][53] = {
    {4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1,
        -1, -1, -1, -1},
    {1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1},
    {1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1},
};
static const int default_symbols[3] = {36, 29, 53};
static const int default_accuracy[3] = {6, 5, 6};
static const int max_accuracy[3] = {9, 8, 9};
static const int max_symbols[3] = {36, 32, 53};

// Sets one of the three tables as its mode says. Returns the bytes of its description, or -1.
static int64_t read_table(struct frame *frame, int kind, int mode, const uint8_t *in, size_t size) {
    struct zstd_fse *table = &frame->tables[kind];
    if (mode == 3) return frame->has_table[kind] ? 0 : -1;
    frame->has_table[kind] = 1;
    switch (mode) {
    case 0:
        return zstd_fse_build(
            table, default_counts[kind], default_symbols[kind], default_accuracy[kind]);
    case 1:
        if (size == 0 || in[0] >= max_symbols[kind]) return -1;
        zstd_fse_single(table, in[0]);
        return 1;
    default: return zstd_fse_read(table, in, size, max_accuracy[kind], max_symbols[kind]);
    }
}

static uint64_t literal_length(uint8_t code, struct zstd_bits *bits) {
    static const uint32_t base[20] = {16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024,
        2048, 4096, 8192, 16384, 32768, 65536};
    static const uint8_t extra[20] = {
        1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    return code < 16 ? code : base[code - 16] + zstd_bits_take(bits, extra[code - 16]);
}

static uint64_t match_length(uint8_t code, struct zstd_bits *bits) {
    static const uint32_t base[21] = {35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515,
        1027, 2051, 4099, 8195, 16387, 32771, 65539};
    static const uint8_t extra[21] = {
        1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    return code < 32 ? code + 3u : base[code - 32] + zstd_bits_take(bits, extra[code - 32]);
}

// Values up to 3 name one of the last three distances; without literals they count one further.
static uint64_t distance(struct frame *frame, uint64_t value, uint64_t literals) {
    uint64_t *last = frame->offsets;
    uint64_t found;
    if (value > 3) {
        found = value - 3;
        last[2] = last[1];
    } else {
        uint64_t which = value - 1 + (literals == 0);
        if (which == 0) return last[0];
        found = which == 3 ? last[0] - 1 : last[which];
        if (which != 1) last[2] = last[1];
    }
    last[1] = last[0];
    last[0] = found;
    return found;
}

static int execute(struct frame *frame, struct zstd_bits *bits, size_t count) {
    const struct zstd_fse *tables = frame->tables;
    uint32_t lengths = zstd_fse_begin(&tables[LITERAL_LENGTH], bits);
    uint32_t offsets = zstd_fse_begin(&tables[OFFSET], bits);
    uint32_t matches = zstd_fse_begin(&tables[MATCH_LENGTH], bits);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        int offset_code = tables[OFFSET].states[offsets].symbol;
        uint64_t value = (1ull << offset_code) + zstd_bits_take(bits, offset_code);
        uint64_t match = match_length(tables[MATCH_LENGTH].states[matches].symbol, bits);
        uint64_t length = literal_length(tables[LITERAL_LENGTH].states[lengths].symbol, bits);
        if (length > frame->literal_count - used) return -1;
        if (apus_append(frame->out, frame->literals + used, (size_t)length) != 0) return -1;
        used += (size_t)length;
        uint64_t back = distance(frame, value, length);
        if (back > frame->out->size - frame->begin) return -1;
        if (apus_append_match(frame->out, (size_t)back, (size_t)match) != 0) return -1;
        if (i + 1 < count) {
            lengths = zstd_fse_next(&tables[LITERAL_LENGTH], lengths, bits);
            matches = zstd_fse_next(&tables[MATCH_LENGTH], matches, bits);
            offsets = zstd_fse_next(&tables[OFFSET], offsets, bits);
        }
        if (bits->position < 0) return -1;
    }
    if (bits->position != 0) return -1;
    return apus_append(frame->out, frame->literals + used, frame->literal_count - used);
}

static int compressed_block(struct frame *frame, const uint8_t *in, size_t size) {
    int64_t taken = read_literals(frame, in, size);
    if (taken < 0 || (size_t)taken == size) return -1;
    size_t at = (size_t)taken;
    size_t count = in[at++];
    if (count == 0) {
        if (at != size) return -1;
        return apus_append(frame->out, frame->literals, frame->literal_count);
    }
    size_t more = count < 128 ? 0 : count < 255 ? 1 : 2;
    if (more > size - at) return -1;
    if (more == 1) count = ((count - 128) << 8) + in[at];
    if (more == 2) count = (size_t)little_endian(in + at, 2) + 0x7F00;
    at += more;
    if (at == size) return -1;
    int modes = in[at++];
    if (modes & 3) return -1;
    for (int kind = 0; kind < 3; kind++) {
        int64_t bytes = read_table(frame, kind, modes >> (6 - 2 * kind) & 3, in + at, size - at);
        if (bytes < 0 || (size_t)bytes > size - at) return -1;
        at += (size_t)bytes;
    }
    struct zstd_bits bits;
    if (zstd_bits_open(&bits, in + at, size - at) != 0) return -1;
    return execute(frame, &bits, count);
}

// Returns the bytes that the blocks take, or -1.
static int64_t read_blocks(struct frame *frame, const uint8_t *in, size_t size) {
    size_t at = 0;
    for (int last = 0; !last;) {
        if (size - at < 3) return -1;
        uint32_t header = (uint32_t)little_endian(in + at, 3);
        at += 3;
        last = header & 1;
        int kind = header >> 1 & 3;
        size_t length = header >> 3, stored = kind == 1 ? 1 : length;
        if (kind == 3 || length > MAX_BLOCK || stored > size - at) return -1;
        int status = 0;
        if (kind == 0) status = apus_append(frame->out, in + at, length);
        if (kind == 1) {
            memset(frame->literals, in[at], length);
            status = apus_append(frame->out, frame->literals, length);
        }
        if (kind == 2) status = compressed_block(frame, in + at, length);
        if (status != 0) return -1;
        at += stored;
    }
    return (int64_t)at;
}

// The bytes of a frame's header after its magic number; 0 when it is damaged or wants a dictionary.
static size_t header_length(const uint8_t *in, size_t size, int *checksum) {
    if (size == 0) return 0;
    uint8_t flags = in[0];
    int single = flags >> 5 & 1;
    static const size_t size_bytes[4] = {0, 2, 4, 8}, dictionary_bytes[4] = {0, 1, 2, 4};
    size_t content = size_bytes[flags >> 6];
    if (content == 0 && single) content = 1;
    size_t dictionary = dictionary_bytes[flags & 3];
    size_t length = 1 + !single + dictionary + content;
    if ((flags & 8) || length > size) return 0;
    if (little_endian(in + 1 + !single, dictionary) != 0) return 0;
    *checksum = flags >> 2 & 1;
    return length;
}

static int64_t read_frames(struct frame *frame, const uint8_t *in, size_t size) {
    size_t at = 0;
    while (at < size) {
        if (size - at < 8) return -1;
        uint32_t magic = (uint32_t)little_endian(in + at, 4);
        at += 4;
        if ((magic & 0xFFFFFFF0u) == 0x184D2A50u) {
            size_t skipped = (size_t)little_endian(in + at, 4);
            if (skipped > size - at - 4) return -1;
            at += 4 + skipped;
            continue;
        }
        int checksum = 0;
        size_t header = header_length(in + at, size - at, &checksum);
        if (magic != 0xFD2FB528u || header == 0) return -1;
        at += header;
        frame->huffman.bits = 0;
        memset(frame->has_table, 0, sizeof frame->has_table);
        frame->offsets[0] = 1;
        frame->offsets[1] = 4;
        frame->offsets[2] = 8;
        frame->begin = frame->out->size;
        int64_t taken = read_blocks(frame, in + at, size - at);
        if (taken < 0 || (checksum && size - at - (size_t)taken < 4)) return -1;
        at += (size_t)taken + (checksum ? 4 : 0);
    }
    return (int64_t)frame->out->size;
}

int64_t apus_zstd_decode(const uint8_t *in, size_t size, uint8_t *out, size_t capacity) {
    struct apus_output output = {out, 0, capacity};
    struct frame *frame = malloc(sizeof *frame);
    if (frame == NULL) return -1;
    frame->out = &output;
    int64_t result = read_frames(frame, in, size);
    free(frame);
    return result;
}
