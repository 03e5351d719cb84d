/*
 * Takes frames on given terms and verifies every byte, number and figure of them.
 *
 *     verify SOCKET COUNT POLICY DELIVERY WAIT_MODE [SOURCE]
 *
 * SOURCE is the kind of source, `pattern` if it is not said.
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

/* What the broker says of itself and of its stream. */
static void verify_figures(fb_broker *broker, fb_subscription *subscription, fb_frame *frame, const char *source)
{
    fb_frame_info frame_info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &frame_info));
    fb_broker_info info = FB_INIT(fb_broker_info);
    MUST(FB_OK, fb_broker_describe(broker, &info));
    CHECK(info.broker_id != 0 && info.pid > 0 && strlen(info.socket) > 0);
    uint64_t round_trip_ns = 0;
    MUST(FB_OK, fb_broker_ping(broker, &round_trip_ns));
    MUST(FB_OK, fb_broker_ping(broker, NULL));
    CHECK(round_trip_ns > 0);

    fb_stream_info streams[2], begun = FB_INIT(fb_stream_info);
    streams[0].struct_size = sizeof streams[0];
    size_t count = 77;
    MUST(FB_OK, fb_broker_streams(broker, NULL, 0, &count));
    CHECK(count == 1);
    MUST(FB_OK, fb_broker_streams(broker, streams, 2, &count));
    CHECK(count == 1 && streams[0].struct_size == sizeof streams[0] && strcmp(streams[0].name, "cam0") == 0);
    CHECK(strcmp(streams[0].source, source) == 0 && strcmp(streams[0].backing, "memfd") == 0);
    /* Of what a producer fills the broker knows nothing. */
    CHECK(streams[0].is_pattern == (strcmp(source, "pattern") == 0));
    CHECK((streams[0].producer[0] != 0) == (strcmp(source, "producer") == 0));
    CHECK(streams[0].state == FB_STATE_LIVE && streams[0].is_shared);
    CHECK(streams[0].width == frame_info.width && streams[0].height == frame_info.height);
    CHECK(streams[0].pixel_format == frame_info.pixel_format && streams[0].head >= frame_info.sequence);
    CHECK(streams[0].segments > 0 && streams[0].segments <= streams[0].max_segments && streams[0].millihertz == 100000);
    MUST(FB_OK, fb_subscription_stream(subscription, &begun));
    CHECK(strcmp(begun.name, "cam0") == 0 && begun.id == streams[0].id);
    /* Who subscribes before a producer comes is told nothing of its frames. */
    CHECK(begun.width == streams[0].width || begun.state == FB_STATE_OFFLINE);

    fb_stream_stats stats = FB_INIT(fb_stream_stats);
    MUST(FB_OK, fb_broker_stats(broker, &stats, 1, &count));
    CHECK(count == 1 && strcmp(stats.name, "cam0") == 0 && stats.grabbed > 0);
    /* Readers are woken before the frame is entered in the books. */
    CHECK(stats.published + 1 >= frame_info.sequence);
    CHECK(stats.active_buffers == stats.total_allocated - stats.total_freed);
    CHECK(stats.current_bytes == stats.active_buffers * frame_info.data_bytes && stats.mapped_bytes >= stats.current_bytes);
}

int main(int argc, char **argv)
{
    CHECK(argc == 6 || argc == 7);
    const char *source = argc == 7 ? argv[6] : "pattern";
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
        if (taken == 0)
            verify_figures(broker, subscription, frame, source);
        if (taken % 16 == 0) {
            verify_segment(subscription, frame);
            /* The same frame once more, by its name. */
            fb_frame *again;
            MUST(FB_OK, fb_subscription_acquire(subscription, info.context, &again));
            verify_frame(again, last - 1);
            MUST(FB_OK, fb_frame_release(again));
        }
        MUST(FB_OK, fb_frame_release(frame));
    }

    fb_subscription_info info = FB_INIT(fb_subscription_info);
    MUST(FB_OK, fb_subscription_describe(subscription, &info));
    CHECK(strcmp(info.stream, "cam0") == 0 && info.state == FB_STATE_LIVE && info.held == 0 && info.max_held == 3);
    const uint32_t policy = options.policy ? options.policy : FB_POLICY_SEQUENTIAL; /* the broker's default */
    CHECK(info.policy == policy && info.delivery == options.delivery && !info.is_demoted);
    CHECK(info.received >= count && info.received + info.lost + info.skipped >= last - first + 1);
    printf("first %" PRIu64 " last %" PRIu64 " received %" PRIu64 " lost %" PRIu64 " skipped %" PRIu64 "\n", first, last,
           info.received, info.lost, info.skipped);
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
