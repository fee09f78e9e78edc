// Finding the records of text files without building values.
#ifndef APUS_SCAN_H
#define APUS_SCAN_H
#include <stddef.h>
#include <stdint.h>

// The end of the JSON value that begins at or after `from`: the offset of the first ',' ']' or '}'
// that is neither in a string nor inside nested brackets, or `size`.
size_t apus_json_value_end(const uint8_t *bytes, size_t size, size_t from);

// The end of the CSV record that begins at `from`: the offset of the first line end that is not
// inside quotes, or `size`.
size_t apus_csv_record_end(const uint8_t *bytes, size_t size, size_t from);

// The number of line ends among the bytes.
size_t apus_count_lines(const uint8_t *bytes, size_t size);

// A 64-bit hash of the bytes: for telling contents apart, not against people who forge them.
uint64_t apus_hash64(const void *bytes, size_t size, uint64_t seed);

#endif
