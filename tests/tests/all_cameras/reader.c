/*
 * Reads a stream of the simulated cameras, whose frames are ramps, while its camera comes and goes. Says what it has seen when a line
 * comes on standard input, and ends.
 *
 *     reader SOCKET STREAM
 */
#include "../c/check.h"

#include <inttypes.h>
#include <poll.h>

static bool is_told(void)
{
    struct pollfd input = { .fd = 0, .events = POLLIN };
    return poll(&input, 1, 0) > 0;
}

static bool is_ramp(const fb_frame_info *info)
{
    for (uint64_t y = 0; y < info->height; ++y) {
        for (uint64_t x = 0; x < info->width; ++x) {
            if (info->data[y * info->stride + x] != (x + y + info->block_id) % 255)
                return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    fb_broker *broker = connected(argv[1]);
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, argv[2], NULL, &subscription));
    fb_subscription_info state = FB_INIT(fb_subscription_info);
    uint64_t bad = 0, away = 0, last = 0;
    bool was_away = false;
    while (!is_told()) {
        fb_frame *frame;
        fb_frame_info info = FB_INIT(fb_frame_info);
        fb_status status = fb_subscription_next(subscription, 50, &frame);
        if (status == FB_OK) {
            MUST(FB_OK, fb_frame_describe(frame, &info));
            bad += !is_ramp(&info) || info.sequence <= last;
            last = info.sequence;
            MUST(FB_OK, fb_frame_release(frame));
        } else {
            MUST(FB_TIMEOUT, status);
        }
        MUST(FB_OK, fb_subscription_describe(subscription, &state));
        away += state.state == FB_STATE_OFFLINE && !was_away;
        was_away = state.state == FB_STATE_OFFLINE;
    }
    printf("bad=%" PRIu64 " away=%" PRIu64 " received=%" PRIu64 " lost=%" PRIu64 "\n", bad, away, state.received, state.lost);
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
