/*
 * A reader to be killed: it attaches, holds frames, verifies and releases them, and leaves, again and again.
 *
 *     reader SOCKET POLICY DELIVERY TURNS [STREAM]
 *
 * Policy and delivery are numbers of fb_policy and fb_delivery. After each turn it says how many frames were wrong.
 */
#include "check.h"
#include "pattern.h"

#include <inttypes.h>

static bool is_right(fb_frame *frame)
{
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    info.sequence = info.block_id;
    return is_pattern(&info);
}

int main(int argc, char **argv)
{
    CHECK(argc == 5 || argc == 6);
    const char *stream = argc == 6 ? argv[5] : "cam0";
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.policy = (uint32_t)strtoul(argv[2], NULL, 10);
    options.delivery = (uint32_t)strtoul(argv[3], NULL, 10);
    options.max_held = 3;
    for (long turns = strtol(argv[4], NULL, 10); turns > 0; turns--) {
        fb_broker *broker = connected(argv[1]);
        fb_subscription *subscription;
        MUST(FB_OK, fb_subscribe(broker, stream, &options, &subscription));
        uint64_t bad = 0;
        for (int pairs = 0; pairs < 3; pairs++) {
            fb_frame *first = next_frame(subscription), *second = next_frame(subscription);
            bad += !is_right(first) + !is_right(second);
            MUST(FB_OK, fb_frame_release(second));
            bad += !is_right(first);
            MUST(FB_OK, fb_frame_release(first));
        }
        MUST(FB_OK, fb_subscription_close(subscription));
        MUST(FB_OK, fb_broker_close(broker));
        printf("turn bad=%" PRIu64 "\n", bad);
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}
