// Decoders of the compressions that data files use.
//
// All: `in` is untrusted; nothing outside the buffers is touched, whatever it holds. The result is
// the number of bytes written to `out`, or -1 when the input is damaged or its content is larger
// than `capacity`.
#ifndef APUS_DECOMPRESS_H
#define APUS_DECOMPRESS_H
#include <stddef.h>
#include <stdint.h>

// Snappy's raw format (google/snappy, format_description.txt).
int64_t apus_snappy_decode(const uint8_t *in, size_t size, uint8_t *out, size_t capacity);

// One LZ4 block (lz4_Block_format.md).
int64_t apus_lz4_decode(const uint8_t *in, size_t size, uint8_t *out, size_t capacity);

// Gzip members with deflate (RFC 1952, RFC 1951). The checksum is verified.
int64_t apus_gzip_decode(const uint8_t *in, size_t size, uint8_t *out, size_t capacity);

// One deflate stream (RFC 1951), as an entry of a zip file; its content's CRC-32 is verified.
int64_t apus_deflate_decode(
    const uint8_t *in, size_t size, uint32_t crc32, uint8_t *out, size_t capacity);

// Zstandard frames without a dictionary (RFC 8878). The optional checksum is not verified.
int64_t apus_zstd_decode(const uint8_t *in, size_t size, uint8_t *out, size_t capacity);

#endif
