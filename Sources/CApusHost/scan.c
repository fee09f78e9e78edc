#include "apus_scan.h"
#include <string.h>

size_t apus_json_value_end(const uint8_t *bytes, size_t size, size_t from) {
    size_t depth = 0;
    for (size_t i = from; i < size; i++) {
        switch (bytes[i]) {
        case '"':
            for (i++; i < size && bytes[i] != '"'; i++) {
                if (bytes[i] == '\\') i++;
            }
            break;
        case '[':
        case '{': depth++; break;
        case ']':
        case '}':
            if (depth == 0) return i;
            depth--;
            break;
        case ',':
            if (depth == 0) return i;
            break;
        default: break;
        }
    }
    return size;
}

size_t apus_csv_record_end(const uint8_t *bytes, size_t size, size_t from) {
    int quoted = 0;
    for (size_t i = from; i < size; i++) {
        // A doubled quote inside quotes closes and opens them again: no special case.
        if (bytes[i] == '"') quoted = !quoted;
        if (bytes[i] == '\n' && !quoted) return i;
    }
    return size;
}

size_t apus_count_lines(const uint8_t *bytes, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += bytes[i] == '\n';
    return count;
}

static uint64_t mixed(uint64_t word) {
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9u;
    word = (word ^ word >> 27) * 0x94D049BB133111EBu;
    return word ^ word >> 31;
}

uint64_t apus_hash64(const void *bytes, size_t size, uint64_t seed) {
    const uint8_t *next = bytes;
    uint64_t hash = mixed(seed ^ size);
    for (size_t left = size; left > 0;) {
        uint64_t word = 0;
        size_t part = left < sizeof word ? left : sizeof word;
        memcpy(&word, next, part);
        hash = (hash ^ mixed(word)) * 0x9E3779B97F4A7C15u;
        next += part;
        left -= part;
    }
    return mixed(hash);
}
