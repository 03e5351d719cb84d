/*
 * Fills the segments of a stream with the self-verifying pattern.
 *
 *     produce SOCKET WAY COUNT INTERVAL_US
 *
 * Says `producing first=N`, waits for a line, publishes COUNT frames and says `published last=N`; goes when another line
 * comes. The ways: `blanks`, one after the other; `kept`, by buffer context, as drivers with a fixed pool do; `change`,
 * with another geometry after each third, by word only where it does not fit.
 */
#include "check.h"
#include "pattern.h"

#include <inttypes.h>
#include <unistd.h>

enum { MOST_SEGMENTS = 1024, FIRST_CONTEXT = 1000 };

struct geometry {
    uint32_t width, height, pixel_format;
};

static uint64_t sequence;

/* Draws the next frame and says what it is. */
static fb_frame_fill drawn(uint8_t *data, size_t data_bytes, struct geometry geometry)
{
    fb_frame_info frame = FB_INIT(fb_frame_info);
    frame.sequence = ++sequence;
    frame.width = geometry.width;
    size_t bytes = fb_pixel_format_image_bytes(geometry.pixel_format, geometry.width, geometry.height);
    CHECK(bytes > 0 && bytes <= data_bytes);
    struct shape shape = shape_of(geometry.pixel_format);
    for (size_t at = 0; at < bytes; at++)
        data[at] = pattern_byte(&frame, shape, at);
    fb_frame_fill fill = FB_INIT(fb_frame_fill);
    fill.width = geometry.width, fill.height = geometry.height, fill.pixel_format = geometry.pixel_format;
    fill.block_id = sequence;
    return fill;
}

/* The segment lies where it is listed. */
static void verify_listed(fb_producer *producer, const fb_blank_info *info)
{
    static fb_lent_segment segments[MOST_SEGMENTS];
    segments[0].struct_size = sizeof segments[0];
    size_t count, again;
    MUST(FB_OK, fb_producer_segments(producer, segments, MOST_SEGMENTS, &count));
    MUST(FB_OK, fb_producer_segments(producer, NULL, 0, &again));
    CHECK(count == again);
    size_t at = 0;
    while (at < count && segments[at].buffer_context != info->buffer_context)
        at++;
    CHECK(at < count && segments[at].address == info->data && segments[at].length >= info->data_bytes);
    CHECK(info->buffer_context == FIRST_CONTEXT + info->segment && (uintptr_t)info->data % 4096 == 0);
}

static fb_blank_info described(fb_blank *blank)
{
    fb_blank_info info = FB_INIT(fb_blank_info);
    MUST(FB_OK, fb_blank_describe(blank, &info));
    CHECK(info.data != NULL);
    return info;
}

static void publish_blank(fb_producer *producer, struct geometry geometry)
{
    fb_blank *blank;
    MUST(FB_OK, fb_producer_take(producer, 10000, &blank));
    fb_blank_info info = described(blank);
    if (sequence % 16 == 0)
        verify_listed(producer, &info);
    fb_frame_fill fill = drawn(info.data, info.data_bytes, geometry);
    MUST(FB_OK, fb_blank_publish(blank, &fill));
}

/* What a driver with a pool of its own has of a segment. */
struct buffer {
    uint8_t *address;
    bool is_queued;
};

static struct buffer buffers[MOST_SEGMENTS];

static void queue(fb_blank *blank)
{
    fb_blank_info info = described(blank);
    struct buffer *buffer = &buffers[info.segment];
    CHECK(!buffer->is_queued && (buffer->address == NULL || buffer->address == info.data));
    *buffer = (struct buffer){ info.data, true };
    MUST(FB_OK, fb_blank_keep(blank));
    MUST(FB_ERROR_HANDLE, fb_blank_keep(blank));
}

/* The next buffer in turn, as a driver fills them: by its address alone. */
static void publish_kept(fb_producer *producer, struct geometry geometry)
{
    static uint32_t next;
    fb_blank *blank;
    fb_status status;
    while ((status = fb_producer_try_take(producer, &blank)) == FB_OK)
        queue(blank);
    MUST(FB_EMPTY, status);
    size_t queued = 0;
    for (size_t at = 0; at < MOST_SEGMENTS; at++)
        queued += buffers[at].is_queued;
    if (queued == 0) {
        MUST(FB_OK, fb_producer_take(producer, 10000, &blank));
        queue(blank);
    }
    while (!buffers[next % MOST_SEGMENTS].is_queued)
        next++;
    uint32_t segment = next++ % MOST_SEGMENTS;
    size_t bytes = fb_pixel_format_image_bytes(geometry.pixel_format, geometry.width, geometry.height);
    fb_frame_fill fill = drawn(buffers[segment].address, bytes, geometry);
    MUST(FB_OK, fb_producer_publish(producer, FIRST_CONTEXT + segment, &fill));
    MUST(FB_ERROR_NOT_KEPT, fb_producer_publish(producer, FIRST_CONTEXT + segment, &fill));
    buffers[segment].is_queued = false;
}

static struct geometry geometry_of(bool changes, uint64_t at, uint64_t count)
{
    static const struct geometry third[3] = {
        { 320, 240, FB_PIXEL_MONO8 }, { 161, 77, FB_PIXEL_MONO12 }, { 400, 300, FB_PIXEL_RGB8 }
    };
    return third[changes ? at * 3 / count : 0];
}

/* A line of the test's. */
static void wait_for_word(void)
{
    char line[64];
    fflush(stdout);
    CHECK(fgets(line, sizeof line, stdin) != NULL);
}

int main(int argc, char **argv)
{
    CHECK(argc == 5);
    bool keeps = strcmp(argv[2], "kept") == 0, changes = strcmp(argv[2], "change") == 0;
    uint64_t count = strtoull(argv[3], NULL, 10), interval_us = strtoull(argv[4], NULL, 10), first;
    struct geometry geometry = geometry_of(changes, 0, count);
    fb_produce_options options = FB_INIT(fb_produce_options);
    options.width = geometry.width, options.height = geometry.height, options.pixel_format = geometry.pixel_format;
    options.interval_ns = interval_us * 1000;
    options.model = "C", options.serial = "42";
    options.fixed_pool = keeps, options.can_pause = 1, options.min_queued = keeps ? 3 : 0;
    fb_broker *broker = connected(argv[1]);
    fb_producer *producer;
    MUST(FB_OK, fb_produce(broker, "cam0", &options, &producer));
    MUST(FB_OK, fb_producer_first_sequence(producer, &first));
    CHECK(first > 0);
    sequence = first - 1;
    printf("producing first=%" PRIu64 "\n", first);
    wait_for_word();

    for (uint64_t at = 0; at < count; at++) {
        geometry = geometry_of(changes, at, count);
        size_t bytes = fb_pixel_format_image_bytes(geometry.pixel_format, geometry.width, geometry.height);
        size_t room = fb_pixel_format_image_bytes(options.pixel_format, options.width, options.height);
        if (bytes > room) {
            options.width = geometry.width, options.height = geometry.height, options.pixel_format = geometry.pixel_format;
            MUST(FB_OK, fb_producer_change(producer, &options));
            MUST(FB_OK, fb_producer_first_sequence(producer, &first));
            CHECK(first == sequence + 1);
        }
        keeps ? publish_kept(producer, geometry) : publish_blank(producer, geometry);
        usleep((useconds_t)interval_us);
    }
    MUST(FB_OK, fb_producer_check(producer));
    printf("published last=%" PRIu64 "\n", sequence);
    wait_for_word();
    MUST(FB_OK, fb_producer_close(producer));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
