/*
 * A producer to be killed: it fills frames with the test pattern of their block IDs, of changing sizes, and goes.
 *
 *     producer SOCKET TURNS
 */
#include "check.h"
#include "pattern.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    fb_produce_options options = FB_INIT(fb_produce_options);
    options.width = 64, options.height = 48, options.pixel_format = FB_PIXEL_MONO8;
    options.interval_ns = 2000000;
    options.can_pause = 1;
    fb_broker *broker = connected(argv[1]);
    fb_producer *producer;
    MUST(FB_OK, fb_produce(broker, "made", &options, &producer));
    uint64_t block_id = 0;
    for (long turns = strtol(argv[2], NULL, 10); turns > 0; turns--) {
        for (int frames = 0; frames < 12; frames++) {
            fb_blank *blank;
            MUST(FB_OK, fb_producer_take(producer, 10000, &blank));
            fb_blank_info info = FB_INIT(fb_blank_info);
            MUST(FB_OK, fb_blank_describe(blank, &info));
            fb_frame_info shown = FB_INIT(fb_frame_info);
            shown.sequence = ++block_id, shown.width = options.width;
            size_t bytes = (size_t)options.width * options.height;
            CHECK(bytes <= info.data_bytes);
            for (size_t at = 0; at < bytes; at++)
                info.data[at] = pattern_byte(&shown, shape_of(options.pixel_format), at);
            fb_frame_fill fill = FB_INIT(fb_frame_fill);
            fill.width = options.width, fill.height = options.height, fill.pixel_format = options.pixel_format;
            fill.block_id = block_id;
            MUST(FB_OK, fb_blank_publish(blank, &fill));
            usleep(1000);
        }
        options.width = options.width == 64 ? 128 : 64;
        MUST(FB_OK, fb_producer_change(producer, &options));
        puts("turn bad=0");
        fflush(stdout);
    }
    MUST(FB_OK, fb_producer_close(producer));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
