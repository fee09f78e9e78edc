#include "apus_decompress.h"
#include "output.h"

enum { LONGEST_CODE = 15, FAST_BITS = 10, SYMBOLS = 288 };

// Bits are taken from the low end of each byte. Beyond the input they are zero, and `missing`
// counts them: using any is an error.
struct bits {
    const uint8_t *in;
    size_t size;
    size_t at;
    uint64_t held;
    int count;
    int missing;
};

static void refill(struct bits *bits) {
    while (bits->count <= 56) {
        if (bits->at < bits->size) {
            bits->held |= (uint64_t)bits->in[bits->at++] << bits->count;
        } else {
            bits->missing += 8;
        }
        bits->count += 8;
    }
}

static uint32_t take(struct bits *bits, int count) {
    refill(bits);
    uint32_t value = (uint32_t)(bits->held & ((1u << count) - 1));
    bits->held >>= count;
    bits->count -= count;
    return value;
}

static int overran(const struct bits *bits) { return bits->missing > bits->count; }

// A canonical Huffman code: a table for short codes, counts by length for the others.
struct code {
    uint16_t fast[1 << FAST_BITS];  // symbol * 16 + length, or 0
    uint16_t count[LONGEST_CODE + 1];
    uint16_t symbols[SYMBOLS];
};

static uint32_t reversed(uint32_t value, int count) {
    uint32_t result = 0;
    for (int i = 0; i < count; i++) result |= (value >> i & 1) << (count - 1 - i);
    return result;
}

// Returns -1 when the lengths describe more codes than there are.
static int build(struct code *code, const uint8_t *lengths, int symbols) {
    memset(code, 0, sizeof *code);
    for (int s = 0; s < symbols; s++) code->count[lengths[s]]++;
    code->count[0] = 0;
    int left = 1;
    for (int length = 1; length <= LONGEST_CODE; length++) {
        left = left * 2 - code->count[length];
        if (left < 0) return -1;
    }
    uint16_t next[LONGEST_CODE + 2] = {0};
    uint32_t value[LONGEST_CODE + 2] = {0};
    for (int length = 1; length <= LONGEST_CODE; length++) {
        next[length + 1] = (uint16_t)(next[length] + code->count[length]);
        value[length + 1] = (value[length] + code->count[length]) << 1;
    }
    for (int s = 0; s < symbols; s++) {
        int length = lengths[s];
        if (length == 0) continue;
        code->symbols[next[length]++] = (uint16_t)s;
        uint32_t bits = reversed(value[length]++, length);
        if (length > FAST_BITS) continue;
        for (uint32_t i = bits; i < 1u << FAST_BITS; i += 1u << length) {
            code->fast[i] = (uint16_t)(s << 4 | length);
        }
    }
    return 0;
}

// The next symbol, or -1.
static int decode(const struct code *code, struct bits *bits) {
    refill(bits);
    uint16_t entry = code->fast[bits->held & ((1 << FAST_BITS) - 1)];
    if (entry != 0) {
        bits->held >>= entry & 15;
        bits->count -= entry & 15;
        return entry >> 4;
    }
    int value = 0, first = 0, index = 0;
    for (int length = 1; length <= LONGEST_CODE; length++) {
        value |= (int)take(bits, 1);
        int count = code->count[length];
        if (value - count < first) return code->symbols[index + (value - first)];
        index += count;
        first = (first + count) << 1;
        value <<= 1;
    }
    return -1;
}

static int stored(struct bits *bits, struct apus_output *out) {
    // Whole bytes may be waiting among the held bits.
    take(bits, bits->count & 7);
    uint32_t length = take(bits, 16), check = take(bits, 16);
    if (overran(bits) || (length ^ check) != 0xFFFF) return -1;
    for (; length > 0; length--) {
        uint8_t byte = (uint8_t)take(bits, 8);
        if (overran(bits) || apus_append(out, &byte, 1) != 0) return -1;
    }
    return 0;
}

static int compressed(
    struct bits *bits, const struct code *lengths, const struct code *distances,
    struct apus_output *out) {
    static const uint16_t length_base[29] = {3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27,
        31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_bits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3,
        3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_base[30] = {1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    for (;;) {
        int symbol = decode(lengths, bits);
        if (symbol < 0 || overran(bits)) return -1;
        if (symbol < 256) {
            uint8_t byte = (uint8_t)symbol;
            if (apus_append(out, &byte, 1) != 0) return -1;
            continue;
        }
        if (symbol == 256) return 0;
        if (symbol > 285) return -1;
        size_t count = length_base[symbol - 257] + take(bits, length_bits[symbol - 257]);
        int code = decode(distances, bits);
        if (code < 0 || code > 29) return -1;
        size_t distance = distance_base[code] + take(bits, code < 4 ? 0 : code / 2 - 1);
        if (overran(bits) || apus_append_match(out, distance, count) != 0) return -1;
    }
}

static int fixed_block(struct bits *bits, struct apus_output *out) {
    uint8_t sizes[SYMBOLS];
    for (int s = 0; s < SYMBOLS; s++) sizes[s] = s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : 8;
    struct code lengths, distances;
    if (build(&lengths, sizes, SYMBOLS) != 0) return -1;
    memset(sizes, 5, 30);
    if (build(&distances, sizes, 30) != 0) return -1;
    return compressed(bits, &lengths, &distances, out);
}

// The code lengths of a dynamic block, themselves coded, with repetitions.
static int read_sizes(struct bits *bits, const struct code *code, uint8_t *sizes, int count) {
    for (int i = 0; i < count;) {
        int symbol = decode(code, bits);
        if (symbol < 0 || overran(bits)) return -1;
        if (symbol < 16) {
            sizes[i++] = (uint8_t)symbol;
            continue;
        }
        if (symbol == 16 && i == 0) return -1;
        uint8_t repeated = symbol == 16 ? sizes[i - 1] : 0;
        int times = symbol == 16 ? 3 + (int)take(bits, 2)
            : symbol == 17 ? 3 + (int)take(bits, 3) : 11 + (int)take(bits, 7);
        if (times > count - i) return -1;
        memset(sizes + i, repeated, (size_t)times);
        i += times;
    }
    return 0;
}

static int dynamic_block(struct bits *bits, struct apus_output *out) {
    static const uint8_t order[19] = {
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    int lengths_count = 257 + (int)take(bits, 5);
    int distances_count = 1 + (int)take(bits, 5);
    int coded = 4 + (int)take(bits, 4);
    if (lengths_count > 286 || distances_count > 30) return -1;
    uint8_t sizes[286 + 30] = {0};
    for (int i = 0; i < coded; i++) sizes[order[i]] = (uint8_t)take(bits, 3);
    struct code lengths, distances;
    if (build(&lengths, sizes, 19) != 0) return -1;
    memset(sizes, 0, sizeof sizes);
    if (read_sizes(bits, &lengths, sizes, lengths_count + distances_count) != 0) return -1;
    if (build(&lengths, sizes, lengths_count) != 0) return -1;
    if (build(&distances, sizes + lengths_count, distances_count) != 0) return -1;
    return compressed(bits, &lengths, &distances, out);
}

// Returns the bytes of input that the blocks took, or -1.
static int64_t inflate(const uint8_t *in, size_t size, struct apus_output *out) {
    struct bits bits = {in, size, 0, 0, 0, 0};
    for (int last = 0; !last;) {
        last = (int)take(&bits, 1);
        int status = -1;
        switch (take(&bits, 2)) {
        case 0: status = stored(&bits, out); break;
        case 1: status = fixed_block(&bits, out); break;
        case 2: status = dynamic_block(&bits, out); break;
        default: break;
        }
        if (status != 0 || overran(&bits)) return -1;
    }
    return (int64_t)(bits.at - (size_t)(bits.count - bits.missing) / 8);
}

static uint32_t crc32(const uint8_t *bytes, size_t size) {
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++) {
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xEDB88320u : 0);
        }
    }
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255];
    return ~crc;
}

// The length of a member's header, or 0.
static size_t header_length(const uint8_t *in, size_t size) {
    if (size < 18 || in[0] != 0x1F || in[1] != 0x8B || in[2] != 8) return 0;
    uint8_t flags = in[3];
    size_t at = 10;
    if (flags & 4) {
        size_t extra = (size_t)in[at] | (size_t)in[at + 1] << 8;
        at += 2;
        if (extra > size - at) return 0;
        at += extra;
    }
    // A name and a comment, each with a zero at its end.
    for (int strings = (flags >> 3 & 1) + (flags >> 4 & 1); strings > 0; strings--) {
        while (at < size && in[at] != 0) at++;
        at++;
    }
    if (flags & 2) at += 2;
    return at < size ? at : 0;
}

int64_t apus_deflate_decode(
    const uint8_t *in, size_t size, uint32_t expected, uint8_t *out, size_t capacity) {
    struct apus_output output = {out, 0, capacity};
    if (inflate(in, size, &output) < 0 || crc32(out, output.size) != expected) return -1;
    return (int64_t)output.size;
}

int64_t apus_gzip_decode(const uint8_t *in, size_t size, uint8_t *out, size_t capacity) {
    struct apus_output output = {out, 0, capacity};
    while (size > 0) {
        size_t header = header_length(in, size);
        if (header == 0) return -1;
        size_t begin = output.size;
        int64_t taken = inflate(in + header, size - header, &output);
        if (taken < 0 || size - header - (size_t)taken < 8) return -1;
        in += header + (size_t)taken;
        size -= header + (size_t)taken;
        uint32_t expected = 0;
        for (int i = 0; i < 4; i++) expected |= (uint32_t)in[i] << 8 * i;
        if (crc32(output.bytes + begin, output.size - begin) != expected) return -1;
        in += 8;
        size -= 8;
    }
    return (int64_t)output.size;
}
