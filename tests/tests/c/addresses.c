/*
 * Hands a frame over by its address, to be got by it and by no other way: not at another stream, not at the next broker. Says
 * "handed over TEXT" and waits for a line; the broker is started anew meanwhile. Says "done".
 *
 *     addresses SOCKET
 */
#include "check.h"

static fb_frame_info described(fb_frame *frame)
{
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    return info;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    fb_broker *broker = connected(argv[1]);
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.reconnect = 1;
    fb_subscription *left, *right;
    MUST(FB_OK, fb_subscribe(broker, "left", &options, &left));
    MUST(FB_OK, fb_subscribe(broker, "right", &options, &right));
    fb_frame *frame = next_frame(left), *again;
    fb_frame_info info = described(frame);

    fb_frame_ref address, copy;
    char text[FB_FRAME_REF_TEXT_BYTES];
    MUST(FB_OK, fb_frame_reference(frame, &address));
    CHECK(address.context == info.context && strcmp(address.stream, "left") == 0);
    MUST(FB_OK, fb_frame_ref_to_text(&address, text, sizeof text));
    MUST(FB_OK, fb_frame_ref_from_text(text, &copy));
    CHECK(memcmp(&address, &copy, sizeof copy) == 0);

    MUST(FB_OK, fb_subscription_acquire_ref(left, &copy, &again));
    CHECK(described(again).monotonic_ns == info.monotonic_ns);
    MUST(FB_OK, fb_frame_release(again));
    MUST(FB_OK, fb_broker_acquire(broker, &copy, &again));
    CHECK(described(again).monotonic_ns == info.monotonic_ns);
    MUST(FB_OK, fb_frame_release(again));

    MUST(FB_ERROR_OTHER_STREAM, fb_subscription_acquire_ref(right, &address, &again));
    MUST_SAY("this subscription is to right");
    CHECK(again == NULL);

    MUST(FB_ERROR_ARGUMENT, fb_frame_ref_to_text(&address, text, strlen(text)));
    MUST_SAY("FB_FRAME_REF_TEXT_BYTES");
    MUST(FB_ERROR_ARGUMENT, fb_frame_ref_to_text(NULL, text, sizeof text));
    MUST(FB_ERROR_ARGUMENT, fb_frame_ref_from_text("589832", &copy));
    MUST_SAY("BROKER/STREAM/CONTEXT");
    MUST(FB_ERROR_ARGUMENT, fb_frame_ref_from_text(NULL, &copy));
    MUST(FB_ERROR_ARGUMENT, fb_subscription_acquire_ref(left, NULL, &again));
    copy.context = 0;
    MUST(FB_ERROR_ARGUMENT, fb_broker_acquire(broker, &copy, &again));
    memset(copy.stream, 'x', sizeof copy.stream);
    MUST(FB_ERROR_ARGUMENT, fb_broker_acquire(broker, &copy, &again));
    memset(&copy, 0, sizeof copy);
    MUST(FB_ERROR_ARGUMENT, fb_broker_acquire(broker, &copy, &again));
    MUST(FB_ERROR_HANDLE, fb_frame_reference(NULL, &copy));
    MUST(FB_OK, fb_frame_release(frame));

    printf("handed over %s\n", text);
    fflush(stdout);
    CHECK(fgets(text, sizeof text, stdin) != NULL);
    /* The number alone names another frame by now. */
    frame = next_frame(right);
    MUST(FB_OK, fb_frame_release(frame));
    do {
        frame = next_frame(left);
        info = described(frame);
        MUST(FB_OK, fb_frame_reference(frame, &copy));
        MUST(FB_OK, fb_broker_acquire(broker, &copy, &again));
        MUST(FB_OK, fb_frame_release(again));
        MUST(FB_OK, fb_frame_release(frame));
    } while (info.sequence < address.context >> 16);
    MUST(FB_ERROR_GONE, fb_subscription_acquire_ref(left, &address, &again));
    MUST_SAY("run of the broker");
    MUST(FB_ERROR_GONE, fb_broker_acquire(broker, &address, &again));
    MUST_SAY("run of the broker");
    MUST(FB_OK, fb_subscription_close(left));
    MUST(FB_OK, fb_subscription_close(right));
    MUST(FB_OK, fb_broker_close(broker));
    puts("done");
    return EXIT_SUCCESS;
}
