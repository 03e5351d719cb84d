/*
 * Whatever time a program gives, the longest, the shortest or none, is a time: nothing panics, and what can be had at once is had.
 *
 *     times SOCKET PRODUCING_SOCKET, of which the first broker has a pattern and the second waits for a producer
 */
#include "check.h"

static const uint64_t TIMES[] = { 0, 1, 1000000, (uint64_t)1 << 63, UINT64_MAX };
static const int64_t TIMEOUTS_MS[] = { 0, 1, INT64_MAX - 1, INT64_MAX, FB_FOREVER };

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* A wait of so long ends with what is waited for; one that is too short may end without. */
static int waited(int64_t timeout_ms, fb_status status)
{
    CHECK(status == FB_OK || (status == FB_TIMEOUT && timeout_ms >= 0 && timeout_ms <= 1));
    return status == FB_OK;
}

static void connect_within(const char *socket, uint64_t timeout_ms)
{
    fb_connect_options options = FB_INIT(fb_connect_options);
    options.socket = socket, options.timeout_ms = timeout_ms;
    fb_broker *broker;
    fb_status status = fb_broker_connect(&options, &broker);
    /* A millisecond may be too short for an answer; 0 is what is usual. */
    if (status == FB_OK)
        MUST(FB_OK, fb_broker_close(broker));
    else
        CHECK(timeout_ms == 1 && status != FB_ERROR_INTERNAL);
}

static void read_with(fb_broker *broker, uint32_t delivery, uint32_t wait_mode, uint64_t time_ns)
{
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.delivery = delivery, options.wait_mode = wait_mode;
    options.spin_ns = options.lead_ns = options.patience_ns = time_ns;
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, "cam0", &options, &subscription));
    for (size_t at = 0; at < COUNT(TIMEOUTS_MS); at++) {
        fb_frame *frame;
        if (waited(TIMEOUTS_MS[at], fb_subscription_next(subscription, TIMEOUTS_MS[at], &frame)))
            MUST(FB_OK, fb_frame_release(frame));
    }
    MUST(FB_OK, fb_subscription_close(subscription));
}

static void match_within(fb_broker *broker, uint64_t time_ns)
{
    fb_sync_options options = FB_INIT(fb_sync_options);
    fb_subscribe_options terms = FB_INIT(fb_subscribe_options);
    terms.max_held = 4;
    fb_subscription *both[2];
    for (int at = 0; at < 2; at++)
        MUST(FB_OK, fb_subscribe(broker, "cam0", &terms, &both[at]));
    options.tolerance_ns = time_ns, options.patience_ns = time_ns;
    fb_synced *synced;
    fb_status status = fb_synchronise(both, 2, &options, &synced);
    if (time_ns == 0) {
        MUST(FB_ERROR_ARGUMENT, status);
        for (int at = 0; at < 2; at++)
            MUST(FB_OK, fb_subscription_close(both[at]));
        return;
    }
    MUST(FB_OK, status);
    for (size_t at = 0; at < COUNT(TIMEOUTS_MS); at++) {
        fb_frame *frames[2];
        if (waited(TIMEOUTS_MS[at], fb_synced_next(synced, TIMEOUTS_MS[at], frames, 2, NULL)))
            MUST(FB_OK, fb_frames_release(frames, 2));
    }
    int fds[2], timeout_ms;
    size_t count;
    MUST(FB_OK, fb_synced_poll(synced, fds, 2, &count, &timeout_ms));
    CHECK(timeout_ms >= 0 && timeout_ms <= 1000);
    MUST(FB_OK, fb_synced_close(synced));
}

static void produce_every(fb_broker *broker, uint64_t interval_ns)
{
    fb_produce_options options = FB_INIT(fb_produce_options);
    options.width = 64, options.height = 48, options.pixel_format = FB_PIXEL_MONO8;
    options.interval_ns = interval_ns;
    fb_producer *producer;
    MUST(FB_OK, fb_produce(broker, "cam0", &options, &producer));
    for (size_t at = 0; at < COUNT(TIMEOUTS_MS); at++) {
        fb_blank *blank;
        if (waited(TIMEOUTS_MS[at], fb_producer_take(producer, TIMEOUTS_MS[at], &blank)))
            MUST(FB_OK, fb_blank_drop(blank));
    }
    MUST(FB_OK, fb_producer_close(producer));
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    fb_broker *broker = connected(argv[1]), *producing = connected(argv[2]);
    for (size_t at = 0; at < COUNT(TIMES); at++) {
        connect_within(argv[1], TIMES[at]);
        for (uint32_t delivery = FB_DELIVERY_SHARED; delivery <= FB_DELIVERY_SOCKET; delivery++)
            for (uint32_t mode = FB_WAIT_BLOCK; mode <= FB_WAIT_PREDICTIVE; mode++)
                read_with(broker, delivery, mode, TIMES[at]);
        match_within(broker, TIMES[at]);
        produce_every(producing, TIMES[at]);
    }
    MUST(FB_OK, fb_broker_close(producing));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
