/*
 * Takes frames on given terms and verifies every byte, number and figure of them.
 *
 *     verify SOCKET COUNT POLICY DELIVERY WAIT_MODE
 */
#include "check.h"
#include "pattern.h"

#include <inttypes.h>

static void verify_frame(fb_frame *frame, uint64_t sequence_before)
{
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    CHECK(info.sequence > sequence_before && info.sequence == info.context >> 16);
    CHECK(info.buffer_context == 1000 + (info.context & 0xffff));
    CHECK(info.is_complete && info.usage_count > 0 && info.monotonic_ns > 0 && info.realtime_ns > info.monotonic_ns);
    CHECK(info.chunk == NULL && info.chunk_bytes == 0);
    CHECK((uintptr_t)info.data % 4096 == 0);
    if (!is_pattern(&info)) {
        fprintf(stderr, "frame %" PRIu64 ": byte %zu of %zu is wrong\n", info.sequence, first_wrong_byte(&info), info.data_bytes);
        exit(EXIT_FAILURE);
    }
    const uint8_t *data, *chunk;
    size_t data_bytes, chunk_bytes;
    MUST(FB_OK, fb_frame_data(frame, &data, &data_bytes));
    CHECK(data == info.data && data_bytes == info.data_bytes);
    MUST(FB_OK, fb_frame_chunk(frame, &chunk, &chunk_bytes));
    CHECK(chunk == NULL && chunk_bytes == 0);
}

/* The frame lies in one of the listed segments: that is what programs register with a GPU. */
static void verify_segment(fb_subscription *subscription, fb_frame *frame)
{
    static fb_segment segments[1024];
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    segments[0].struct_size = sizeof segments[0];
    size_t count, again;
    MUST(FB_OK, fb_subscription_segments(subscription, segments, 1024, &count));
    MUST(FB_OK, fb_subscription_segments(subscription, NULL, 0, &again));
    CHECK(count > 0 && count == again);
    bool found = false;
    for (size_t at = 0; at < count; at++)
        if (segments[at].buffer_context == info.buffer_context)
            found = info.data == segments[at].address + info.payload_offset && info.data_bytes <= segments[at].length;
    CHECK(found);
}

int main(int argc, char **argv)
{
    CHECK(argc == 6);
    uint64_t count = strtoull(argv[2], NULL, 10);
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.policy = (uint32_t)atoi(argv[3]);
    options.delivery = (uint32_t)atoi(argv[4]);
    options.wait_mode = (uint32_t)atoi(argv[5]);
    options.max_held = 3;

    fb_broker *broker = connected(argv[1]);
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, "cam0", &options, &subscription));
    uint64_t first = 0, last = 0;
    for (uint64_t taken = 0; taken < count; taken++) {
        fb_frame *frame = next_frame(subscription);
        verify_frame(frame, last);
        fb_frame_info info = FB_INIT(fb_frame_info);
        MUST(FB_OK, fb_frame_describe(frame, &info));
        first = first == 0 ? info.sequence : first;
        last = info.sequence;
        if (taken % 16 == 0) {
            verify_segment(subscription, frame);
            /* The same frame once more, by its name. */
            fb_frame *again;
            MUST(FB_OK, fb_acquire(subscription, info.context, &again));
            verify_frame(again, last - 1);
            MUST(FB_OK, fb_frame_release(again));
        }
        MUST(FB_OK, fb_frame_release(frame));
    }

    fb_subscription_info info = FB_INIT(fb_subscription_info);
    MUST(FB_OK, fb_subscription_describe(subscription, &info));
    CHECK(strcmp(info.stream, "cam0") == 0 && info.state == FB_STATE_LIVE && info.held == 0 && info.max_held == 3);
    CHECK(info.policy == options.policy && info.delivery == options.delivery && !info.is_demoted);
    CHECK(info.received >= count && info.received + info.lost + info.skipped >= last - first + 1);
    printf("first %" PRIu64 " last %" PRIu64 " received %" PRIu64 " lost %" PRIu64 " skipped %" PRIu64 "\n", first, last,
           info.received, info.lost, info.skipped);
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
