/*
 * Reads frames: prints what is known about each and its mean brightness, without a copy.
 *
 *     cc attach.c $(pkg-config --cflags --libs framebroker) -o attach
 *     ./attach [STREAM [COUNT]]
 */
#include <framebroker.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, fb_last_error());
    return EXIT_FAILURE;
}

/* Of the bytes as they lie in memory; right for formats of one byte per sample. */
static double mean(const uint8_t *bytes, size_t count)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < count; at++)
        sum += bytes[at];
    return count == 0 ? 0.0 : (double)sum / (double)count;
}

static void print(const fb_frame_info *info)
{
    const char *format = fb_pixel_format_name(info->pixel_format);
    printf("frame %" PRIu64 " (context %" PRIu64 ", buffer %" PRIu32 "): %" PRIu32 "x%" PRIu32 " %s, %zu bytes, mean %.2f%s\n",
           info->sequence, info->context, info->buffer_context, info->width, info->height,
           format ? format : "of another format", info->data_bytes, mean(info->data, info->data_bytes),
           info->is_complete ? "" : ", incomplete");
}

static int read_frames(fb_subscription *subscription, long count)
{
    for (long taken = 0; taken < count || count == 0; taken++) {
        fb_frame *frame;
        fb_status status = fb_subscription_next(subscription, FB_FOREVER, &frame);
        if (status == FB_ERROR_CLOSED)
            break;
        if (status != FB_OK)
            return fail("next");
        fb_frame_info info = FB_INIT(fb_frame_info);
        status = fb_frame_describe(frame, &info);
        if (status == FB_OK)
            print(&info);
        /* From here on the camera may fill this memory again. */
        if (fb_frame_release(frame) != FB_OK || status != FB_OK)
            return fail("frame");
    }
    fb_subscription_info info = FB_INIT(fb_subscription_info);
    if (fb_subscription_describe(subscription, &info) != FB_OK)
        return fail("subscription");
    printf("received %" PRIu64 " lost %" PRIu64 " skipped %" PRIu64 "\n", info.received, info.lost, info.skipped);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *stream = argc > 1 ? argv[1] : "cam0";
    long count = argc > 2 ? atol(argv[2]) : 0;

    fb_broker *broker;
    if (fb_broker_connect(NULL, &broker) != FB_OK)
        return fail("connect");
    fb_subscription *subscription;
    if (fb_subscribe(broker, stream, NULL, &subscription) != FB_OK) {
        int failed = fail("subscribe");
        fb_broker_close(broker);
        return failed;
    }
    int ended = read_frames(subscription, count);
    fb_subscription_close(subscription);
    fb_broker_close(broker);
    return ended;
}
