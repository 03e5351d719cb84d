/* The test pattern, by PROTOCOL.md ("Test pattern") alone. */
#ifndef PATTERN_H
#define PATTERN_H

#include <framebroker.h>

/* Channels, bytes per container and significant bits of an unpacked format; all zero for others. */
struct shape {
    uint64_t channels, container_bytes, bits;
};

static inline struct shape shape_of(uint32_t pixel_format)
{
    switch (pixel_format) {
    case FB_PIXEL_MONO8:
        return (struct shape){ 1, 1, 8 };
    case FB_PIXEL_MONO12:
        return (struct shape){ 1, 2, 12 };
    case FB_PIXEL_RGB8:
        return (struct shape){ 3, 1, 8 };
    default:
        return (struct shape){ 0, 0, 0 };
    }
}

static inline uint8_t pattern_byte(const fb_frame_info *info, struct shape shape, uint64_t offset)
{
    if (shape.channels == 0)
        return (uint8_t)(offset + 17 * info->sequence);
    uint64_t pixel_bytes = shape.channels * shape.container_bytes;
    uint64_t pixel = offset / pixel_bytes, x = pixel % info->width, y = pixel / info->width;
    uint64_t channel = offset % pixel_bytes / shape.container_bytes, k = offset % shape.container_bytes;
    uint64_t t = (x + y + 85 * channel + 17 * info->sequence) % 256;
    uint64_t value = (t << (shape.bits - 8)) | (t >> (16 - shape.bits));
    return (uint8_t)(value >> (8 * k));
}

/* Where the first wrong byte is, or data_bytes. */
static inline size_t first_wrong_byte(const fb_frame_info *info)
{
    struct shape shape = shape_of(info->pixel_format);
    for (size_t at = 0; at < info->data_bytes; at++)
        if (info->data[at] != pattern_byte(info, shape, at))
            return at;
    return info->data_bytes;
}

static inline bool is_pattern(const fb_frame_info *info)
{
    size_t bytes = fb_pixel_format_image_bytes(info->pixel_format, info->width, info->height);
    return info->data_bytes == bytes && first_wrong_byte(info) == bytes;
}

#endif
