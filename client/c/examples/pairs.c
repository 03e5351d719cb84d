/*
 * Two cameras in step: prints which frames belong together, how far apart they are, and how well the streams match.
 *
 *     cc pairs.c $(pkg-config --cflags --libs framebroker) -o pairs
 *     ./pairs LEFT RIGHT [TOLERANCE_MS [COUNT]]
 */
#include <framebroker.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEFT, RIGHT, STREAMS };

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, fb_last_error());
    return EXIT_FAILURE;
}

/* Both streams as one, which takes the subscriptions over; NULL and nothing left open where that fails. */
static fb_synced *join(fb_broker *broker, char **streams, double tolerance_ms)
{
    fb_subscription *subscriptions[STREAMS] = { NULL, NULL };
    fb_subscribe_options terms = FB_INIT(fb_subscribe_options);
    /* By how many frames they may be apart, and the one that is looked at. */
    terms.max_held = 4;
    fb_sync_options options = FB_INIT(fb_sync_options);
    options.by = FB_SYNC_ARRIVAL;
    options.tolerance_ns = (uint64_t)(tolerance_ms * 1e6);
    fb_synced *synced = NULL;
    for (int at = 0; at < STREAMS; at++) {
        if (fb_subscribe(broker, streams[at], &terms, &subscriptions[at]) != FB_OK) {
            fail(streams[at]);
            goto failed;
        }
    }
    if (fb_synchronise(subscriptions, STREAMS, &options, &synced) == FB_OK)
        return synced;
    fail("synchronise");
failed:
    for (int at = 0; at < STREAMS; at++)
        fb_subscription_close(subscriptions[at]);
    return NULL;
}

static int print_pairs(fb_synced *synced, long count)
{
    for (long taken = 0; taken < count || count == 0; taken++) {
        fb_frame *frames[STREAMS];
        fb_set_info set = FB_INIT(fb_set_info);
        fb_status status = fb_synced_next(synced, FB_FOREVER, frames, STREAMS, &set);
        if (status == FB_ERROR_CLOSED)
            break;
        if (status != FB_OK)
            return fail("next");
        fb_frame_info left = FB_INIT(fb_frame_info), right = FB_INIT(fb_frame_info);
        fb_frame_describe(frames[LEFT], &left);
        fb_frame_describe(frames[RIGHT], &right);
        /* Here a stereo algorithm reads left.data and right.data, where the cameras' drivers put them. */
        printf("frames %" PRIu64 " and %" PRIu64 ", %.3f ms apart\n", left.sequence, right.sequence, (double)set.skew_ns / 1e6);
        fb_frames_release(frames, STREAMS);
    }
    fb_sync_stats stats = FB_INIT(fb_sync_stats);
    uint64_t unmatched[STREAMS];
    if (fb_synced_stats(synced, &stats, unmatched, STREAMS) != FB_OK)
        return fail("stats");
    printf("%" PRIu64 " pairs, %.3f ms apart on average, %.3f ms at most; without a partner: %" PRIu64 " and %" PRIu64 "\n",
           stats.complete, (double)stats.mean_skew_ns / 1e6, (double)stats.max_skew_ns / 1e6, unmatched[LEFT], unmatched[RIGHT]);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: pairs LEFT RIGHT [TOLERANCE_MS [COUNT]]\n");
        return EXIT_FAILURE;
    }
    fb_broker *broker;
    if (fb_broker_connect(NULL, &broker) != FB_OK)
        return fail("connect");
    fb_synced *synced = join(broker, argv + 1, argc > 3 ? atof(argv[3]) : 2.0);
    int ended = synced == NULL ? EXIT_FAILURE : print_pairs(synced, argc > 4 ? atol(argv[4]) : 0);
    fb_synced_close(synced);
    fb_broker_close(broker);
    return ended;
}
