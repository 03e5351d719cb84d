/*
 * Prints the sets of two recordings of a hundred frames whose bytes are their block IDs, until both have ended, something
 * fails, or there were COUNT sets; then what was counted. Frames are given back in every way there is.
 *
 *     synced SOCKET BY TOLERANCE_NS LEFT RIGHT COUNT
 */
#include "check.h"

#include <inttypes.h>

static fb_subscription *subscribed(fb_broker *broker, const char *stream)
{
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.max_held = 16, options.start = FB_START_OLDEST;
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, stream, &options, &subscription));
    return subscription;
}

/* The block ID of a frame; 0 where there is none. In later rounds of a recording block IDs go on, and the bytes do not. */
static uint64_t block_id(fb_frame *frame)
{
    if (frame == NULL)
        return 0;
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    CHECK(info.data_bytes == 64);
    for (size_t at = 0; at < info.data_bytes; at++)
        CHECK(info.data[at] == (info.block_id - 1) % 100 + 1);
    return info.block_id;
}

/* Together, each by itself from either end, or one now and one a set later. */
static void give_back(fb_frame **frames, fb_frame **kept, uint64_t times)
{
    switch (times % 3) {
    case 0:
        MUST(FB_OK, fb_frames_release(frames, 2));
        CHECK(frames[0] == NULL && frames[1] == NULL);
        break;
    case 1:
        for (int at = 1; at >= 0; at--)
            if (frames[at] != NULL)
                MUST(FB_OK, fb_frame_release(frames[at]));
        break;
    default:
        MUST(FB_OK, fb_frames_release(kept, 1));
        *kept = frames[0];
        MUST(FB_OK, fb_frames_release(frames + 1, 1));
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 7);
    fb_broker *broker = connected(argv[1]);
    fb_subscription *subscriptions[2] = { subscribed(broker, argv[4]), subscribed(broker, argv[5]) };
    fb_sync_options options = FB_INIT(fb_sync_options);
    options.by = (uint32_t)atoi(argv[2]), options.tolerance_ns = strtoull(argv[3], NULL, 10);
    options.deliver_incomplete = 1;
    fb_synced *synced;
    MUST(FB_OK, fb_synchronise(subscriptions, 2, &options, &synced));
    MUST(FB_OK, fb_broker_close(broker));

    /* One place more than there are streams: it stays empty. */
    fb_frame *frames[3], *kept = NULL;
    fb_set_info set = FB_INIT(fb_set_info);
    fb_status status = FB_OK;
    uint64_t count = strtoull(argv[6], NULL, 10);
    for (uint64_t times = 0; times < count; times++) {
        status = fb_synced_next(synced, 10000, frames, 3, &set);
        if (status != FB_OK)
            break;
        uint64_t left = block_id(frames[0]), right = block_id(frames[1]);
        CHECK(frames[2] == NULL && set.is_complete == (left != 0 && right != 0));
        CHECK(set.frame_count == (size_t)(left != 0) + (right != 0));
        printf("set %" PRIu64 " %" PRIu64 " skew %" PRIu64 "\n", left, right, set.skew_ns);
        give_back(frames, &kept, times);
    }
    CHECK(status == FB_OK || (frames[0] == NULL && frames[1] == NULL && frames[2] == NULL));
    printf("%s: %s\n", fb_status_name(status), fb_last_error());

    fb_sync_stats stats = FB_INIT(fb_sync_stats);
    uint64_t unmatched[2];
    MUST(FB_OK, fb_synced_stats(synced, &stats, unmatched, 2));
    CHECK(stats.stream_count == 2);
    printf("complete %" PRIu64 " incomplete %" PRIu64 " mean %" PRIu64 " max %" PRIu64 " unmatched %" PRIu64 " %" PRIu64 "\n",
           stats.complete, stats.incomplete, stats.mean_skew_ns, stats.max_skew_ns, unmatched[0], unmatched[1]);
    fb_subscription_info info = FB_INIT(fb_subscription_info);
    MUST(FB_OK, fb_synced_describe(synced, 1, &info));
    CHECK(strcmp(info.stream, argv[5]) == 0 && info.received > 0 && info.max_held == 16);
    MUST(FB_OK, fb_synced_close(synced));
    /* What was kept outlives the subscription it came from. */
    block_id(kept);
    MUST(FB_OK, fb_frames_release(&kept, 1));
    return EXIT_SUCCESS;
}
