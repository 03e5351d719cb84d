/*
 * Goes on with the next broker. Says "reading" once frames come, "gone" when the broker is gone, "done" when the next one's
 * frames come.
 *
 *     reconnect SOCKET
 */
#include "check.h"
#include "pattern.h"

static void say(const char *what)
{
    puts(what);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    fb_broker *broker = connected(argv[1]);
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.reconnect = 1;
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, "cam0", &options, &subscription));
    fb_frame *frame = next_frame(subscription);
    MUST(FB_OK, fb_frame_release(frame));
    fb_subscription_info before = FB_INIT(fb_subscription_info), after = FB_INIT(fb_subscription_info);
    MUST(FB_OK, fb_subscription_describe(subscription, &before));
    CHECK(before.reconnects == 0);
    say("reading");
    fb_status status;
    while ((status = fb_subscription_next(subscription, 300, &frame)) == FB_OK)
        MUST(FB_OK, fb_frame_release(frame));
    MUST(FB_TIMEOUT, status);
    MUST_SAY("no broker came back");
    /* So is the broker object's, until there is another. */
    MUST(FB_ERROR_NO_BROKER, fb_broker_ping(broker, NULL));
    say("gone");
    fb_connect_options waiting = FB_INIT(fb_connect_options);
    waiting.socket = argv[1], waiting.wait_ms = -5;
    fb_broker *waited;
    MUST(FB_ERROR_ARGUMENT, fb_broker_connect(&waiting, &waited));
    MUST_SAY("wait_ms is -5");
    waiting.wait_ms = FB_FOREVER;
    MUST(FB_OK, fb_broker_connect(&waiting, &waited));
    MUST(FB_OK, fb_broker_close(waited));
    MUST(FB_OK, fb_broker_ping(broker, NULL));
    MUST(FB_OK, fb_subscription_next(subscription, 20000, &frame));
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    CHECK(is_pattern(&info));
    MUST(FB_OK, fb_subscription_describe(subscription, &after));
    CHECK(after.reconnects == 1 && after.broker_id != before.broker_id && after.received > before.received);
    fb_broker_info next = FB_INIT(fb_broker_info);
    MUST(FB_OK, fb_broker_describe(broker, &next));
    CHECK(next.broker_id == after.broker_id);
    MUST(FB_OK, fb_frame_release(frame));
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
    say("done");
    return EXIT_SUCCESS;
}
