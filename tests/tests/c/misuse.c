/*
 * What a program can do wrong is an error with a text, and leaves everything else as it was.
 *
 *     misuse SOCKET SLOW_SOCKET, of which the second brings a frame in many seconds
 */
#include "check.h"
#include "pattern.h"

#include <pthread.h>
#include <unistd.h>

static fb_subscription *subscribed(fb_broker *broker, uint32_t max_held)
{
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.max_held = max_held;
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, "cam0", &options, &subscription));
    return subscription;
}

/* NULL in the place of everything that may not be NULL. */
static void nothing_is_an_error(const char *socket)
{
    fb_broker *broker = connected(socket);
    fb_subscription *subscription = subscribed(broker, 1);
    fb_frame *frame = next_frame(subscription), *other;
    size_t count;
    MUST(FB_ERROR_ARGUMENT, fb_broker_connect(NULL, NULL));
    MUST(FB_ERROR_HANDLE, fb_broker_ping(NULL, NULL));
    MUST_SAY("broker is NULL");
    MUST(FB_ERROR_ARGUMENT, fb_broker_describe(broker, NULL));
    MUST(FB_ERROR_ARGUMENT, fb_broker_streams(broker, NULL, 4, &count));
    MUST(FB_ERROR_ARGUMENT, fb_broker_streams(broker, NULL, 0, NULL));
    MUST(FB_ERROR_ARGUMENT, fb_broker_stats(broker, NULL, 4, &count));
    MUST(FB_ERROR_ARGUMENT, fb_subscribe(broker, NULL, NULL, &subscription));
    MUST_SAY("stream is NULL");
    CHECK(subscription == NULL);
    MUST(FB_ERROR_ARGUMENT, fb_subscribe(broker, "cam0", NULL, NULL));
    MUST(FB_ERROR_HANDLE, fb_subscribe(NULL, "cam0", NULL, &subscription));
    MUST(FB_ERROR_HANDLE, fb_subscription_next(NULL, 0, &other));
    MUST(FB_ERROR_HANDLE, fb_subscription_try_next(NULL, &other));
    MUST(FB_ERROR_HANDLE, fb_subscription_acquire(NULL, 65536, &other));
    MUST(FB_ERROR_ARGUMENT, fb_frame_describe(frame, NULL));
    MUST(FB_ERROR_ARGUMENT, fb_frame_data(frame, NULL, &count));
    MUST(FB_OK, fb_frame_release(frame));
    MUST(FB_OK, fb_broker_close(broker));
}

/* A program that failed ends all that it may have, and then says why it failed. */
static void ending_nothing_leaves_the_last_error(const char *socket)
{
    fb_broker *broker = connected(socket);
    fb_subscription *subscription;
    char kept[512], cut[8];
    MUST(FB_ERROR_UNKNOWN_STREAM, fb_subscribe(broker, "cam7", NULL, &subscription));
    size_t bytes = fb_error_copy(kept, sizeof kept);
    CHECK(bytes == strlen(fb_last_error()) + 1 && strcmp(kept, fb_last_error()) == 0);
    CHECK(fb_error_copy(NULL, 0) == bytes);
    CHECK(fb_error_copy(cut, sizeof cut) == bytes && strlen(cut) == 7 && strncmp(cut, kept, 7) == 0);
    fb_frame *places[2] = { NULL, NULL };
    MUST(FB_OK, fb_frames_release(places, 2));
    MUST(FB_OK, fb_frame_release(NULL));
    MUST(FB_OK, fb_features_close(NULL));
    MUST(FB_OK, fb_blank_drop(NULL));
    MUST(FB_OK, fb_synced_close(NULL));
    MUST(FB_OK, fb_producer_close(NULL));
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(NULL));
    CHECK(strcmp(kept, fb_last_error()) == 0);
    MUST(FB_OK, fb_broker_ping(broker, NULL));
    CHECK(strcmp(kept, fb_last_error()) == 0);
    MUST(FB_OK, fb_broker_close(broker));
}

/* The rows of an image are where its stride says, and no others are there. */
static void rows_are_within_the_image(const char *socket)
{
    fb_broker *broker = connected(socket);
    fb_subscription *subscription = subscribed(broker, 1);
    fb_frame *frame = next_frame(subscription);
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    const uint8_t *row;
    size_t bytes;
    for (uint32_t y = 0; y < info.height; y++) {
        MUST(FB_OK, fb_frame_row(frame, y, &row, &bytes));
        CHECK(row == info.data + (size_t)y * info.stride && bytes == info.width);
    }
    MUST(FB_ERROR_ARGUMENT, fb_frame_row(frame, info.height, &row, &bytes));
    MUST_SAY("the image has");
    MUST(FB_ERROR_ARGUMENT, fb_frame_row(frame, UINT32_MAX, &row, &bytes));
    MUST(FB_ERROR_ARGUMENT, fb_frame_row(frame, 0, NULL, &bytes));
    MUST(FB_OK, fb_frame_release(frame));
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
}

/* Who holds what, and who reads: as the broker sees it. */
static void holders_and_readers_are_told(const char *socket)
{
    fb_broker *broker = connected(socket);
    fb_subscription *subscription = subscribed(broker, 3);
    fb_frame *frame = next_frame(subscription);
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    fb_segment_stats segments[64];
    fb_client_stats clients[16];
    fb_subscription_stats subscriptions[16];
    size_t count;
    segments[0].struct_size = sizeof segments[0];
    clients[0].struct_size = sizeof clients[0];
    subscriptions[0].struct_size = sizeof subscriptions[0];

    MUST(FB_OK, fb_broker_segments(broker, "cam0", segments, 64, &count));
    CHECK(count >= 8 && count <= 64);
    const fb_segment_stats *segment = &segments[info.buffer_context - 1000];
    CHECK(segment->buffer_context == info.buffer_context && segment->usage_count == info.usage_count);
    CHECK(segment->state == FB_SEGMENT_HELD && segment->holder_count == 1 && segment->more_holders == 0);
    const fb_holder *holder = &segment->holders[0];
    CHECK(holder->pid == (uint32_t)getpid() && holder->uid == getuid() && strcmp(holder->name, "c-test") == 0);
    CHECK(!holder->is_overdue);

    size_t readers = 0;
    MUST(FB_OK, fb_broker_subscriptions(broker, subscriptions, 16, &count));
    CHECK(count >= 1 && count <= 16);
    for (size_t at = 0; at < count; at++) {
        const fb_subscription_stats *one = &subscriptions[at];
        if (one->pid == (uint32_t)getpid() && one->client_id == holder->client_id) {
            CHECK(strcmp(one->stream, "cam0") == 0 && one->held == 1 && one->max_held == 3 && one->uid == getuid());
            CHECK(one->policy == FB_POLICY_SEQUENTIAL && one->delivery == FB_DELIVERY_SHARED);
            readers++;
        }
    }
    CHECK(readers == 1);

    fb_broker_info self = FB_INIT(fb_broker_info);
    MUST(FB_OK, fb_broker_describe(broker, &self));
    MUST(FB_OK, fb_broker_clients(broker, clients, 16, &count));
    CHECK(count >= 2 && count <= 16);
    size_t known = 0;
    for (size_t at = 0; at < count; at++) {
        known += clients[at].client_id == self.client_id && clients[at].subscription_count == 0;
        known += clients[at].client_id == holder->client_id && clients[at].subscription_count == 1;
    }
    CHECK(known == 2);
    MUST(FB_OK, fb_broker_clients(broker, NULL, 0, &count));

    MUST(FB_ERROR_UNKNOWN_STREAM, fb_broker_segments(broker, "cam7", segments, 64, &count));
    MUST_SAY("there is cam0");
    MUST(FB_ERROR_ARGUMENT, fb_broker_segments(broker, NULL, segments, 64, &count));
    segments[0].struct_size = 7;
    MUST(FB_ERROR_ARGUMENT, fb_broker_segments(broker, "cam0", segments, 64, &count));
    MUST(FB_ERROR_ARGUMENT, fb_broker_clients(broker, clients, 16, NULL));
    MUST(FB_ERROR_HANDLE, fb_broker_subscriptions(NULL, subscriptions, 16, &count));
    MUST(FB_OK, fb_frame_release(frame));
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
}

/* Figures of how long things took, and names of what is told by numbers. */
static void figures_and_names_are_told(const char *socket)
{
    fb_broker *broker = connected(socket);
    fb_stream_stats stats = FB_INIT(fb_stream_stats);
    size_t count;
    MUST(FB_OK, fb_broker_stats(broker, &stats, 1, &count));
    CHECK(count == 1 && stats.allocate.count == stats.total_allocated && stats.allocate.max_ns >= stats.allocate.mean_ns);
    CHECK(stats.publish.count > 0 && stats.publish.mean_ns > 0);
    CHECK(strcmp(fb_policy_name(FB_POLICY_LATEST), "latest") == 0);
    CHECK(strcmp(fb_policy_name(FB_POLICY_OF_STREAM), "of the stream") == 0);
    CHECK(strcmp(fb_state_name(FB_STATE_OFFLINE), "offline") == 0);
    CHECK(strcmp(fb_access_name(FB_ACCESS_NOT_AVAILABLE), "not available") == 0);
    CHECK(strcmp(fb_feature_kind_name(FB_FEATURE_COMMAND), "command") == 0);
    CHECK(strcmp(fb_policy_name(77), "unknown") == 0 && strcmp(fb_feature_kind_name(0), "unknown") == 0);
    CHECK(strcmp(fb_state_name(UINT32_MAX), "unknown") == 0 && strcmp(fb_access_name(5), "unknown") == 0);
    MUST(FB_OK, fb_broker_close(broker));
}

static void sizes_and_values_are_checked(const char *socket)
{
    fb_broker *broker = connected(socket), *other;
    fb_subscription *subscription;
    fb_connect_options wrong = { 0 };
    wrong.socket = socket;
    MUST(FB_ERROR_ARGUMENT, fb_broker_connect(&wrong, &other));
    MUST_SAY("FB_INIT(fb_connect_options)");
    CHECK(other == NULL);
    wrong.struct_size = sizeof wrong + 8;
    MUST(FB_ERROR_ARGUMENT, fb_broker_connect(&wrong, &other));
    fb_connect_options connect = FB_INIT(fb_connect_options);
    connect.socket = "\xff";
    MUST(FB_ERROR_ARGUMENT, fb_broker_connect(&connect, &other));
    MUST_SAY("UTF-8");
    connect.socket = "/nonexistent/broker.sock";
    MUST(FB_ERROR_NO_BROKER, fb_broker_connect(&connect, &other));
    MUST_SAY("/nonexistent/broker.sock");
    connect.socket = socket;
    connect.server_uid_count = 1;
    MUST(FB_ERROR_ARGUMENT, fb_broker_connect(&connect, &other));

    uint32_t *fields[5];
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    fields[0] = &options.policy, fields[1] = &options.delivery, fields[2] = &options.start;
    fields[3] = &options.wait_mode, fields[4] = &options.max_held;
    for (int at = 0; at < 5; at++) {
        *fields[at] = 77;
        MUST(FB_ERROR_ARGUMENT, fb_subscribe(broker, "cam0", &options, &subscription));
        MUST_SAY(at == 4 ? "max_held" : "77");
        CHECK(subscription == NULL);
        *fields[at] = 0;
    }
    options.struct_size = 7;
    MUST(FB_ERROR_ARGUMENT, fb_subscribe(broker, "cam0", &options, &subscription));
    options.struct_size = sizeof options;
    options.max_held = 64;
    MUST(FB_ERROR_NOT_ADMITTED, fb_subscribe(broker, "cam0", &options, &subscription));
    MUST_SAY("--segments");
    MUST(FB_ERROR_UNKNOWN_STREAM, fb_subscribe(broker, "cam7", NULL, &subscription));
    MUST_SAY("cam0");
    MUST(FB_ERROR_ARGUMENT, fb_subscribe(broker, "cam 7", NULL, &subscription));

    fb_frame_info info = FB_INIT(fb_frame_info), untouched;
    info.struct_size -= 8;
    memcpy(&untouched, &info, sizeof info);
    subscription = subscribed(broker, 2);
    fb_frame *frame = next_frame(subscription);
    MUST(FB_ERROR_ARGUMENT, fb_frame_describe(frame, &info));
    CHECK(memcmp(&untouched, &info, sizeof info) == 0);
    MUST(FB_ERROR_ARGUMENT, fb_subscription_next(subscription, -2, &frame));
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
}

/* What was given up, or is of another kind, is told from what lives, also where its place was taken by another. */
static void handles_are_given_up_once(const char *socket)
{
    fb_broker *broker = connected(socket);
    fb_subscription *subscription = subscribed(broker, 4);
    fb_frame *frame = next_frame(subscription), *other;
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_release(frame));
    fb_frame *living = next_frame(subscription);
    for (int times = 0; times < 3; times++) {
        MUST(FB_ERROR_HANDLE, fb_frame_release(frame));
        MUST_SAY("released");
        MUST(FB_ERROR_HANDLE, fb_frame_describe(frame, &info));
    }
    MUST(FB_ERROR_HANDLE, fb_frame_release((fb_frame *)subscription));
    MUST(FB_ERROR_HANDLE, fb_subscription_next((fb_subscription *)living, 0, &other));
    MUST(FB_ERROR_HANDLE, fb_broker_close((fb_broker *)&info));
    MUST(FB_OK, fb_frame_describe(living, &info));
    CHECK(is_pattern(&info));

    /* The frame outlives its subscription and the connection. */
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_ERROR_HANDLE, fb_subscription_close(subscription));
    MUST(FB_ERROR_HANDLE, fb_subscription_next(subscription, 0, &other));
    CHECK(other == NULL);
    MUST(FB_OK, fb_broker_close(broker));
    MUST(FB_ERROR_HANDLE, fb_broker_close(broker));
    MUST(FB_ERROR_HANDLE, fb_broker_ping(broker, NULL));
    CHECK(is_pattern(&info));
    MUST(FB_OK, fb_frame_describe(living, &info));
    MUST(FB_OK, fb_frame_release(living));
    MUST(FB_ERROR_HANDLE, fb_frame_release(living));
}

static void holds_and_times_have_their_limits(const char *socket)
{
    fb_broker *broker = connected(socket);
    fb_subscription *subscription = subscribed(broker, 2);
    fb_frame *frames[2] = { next_frame(subscription), next_frame(subscription) }, *other;
    MUST(FB_ERROR_FULL, fb_subscription_next(subscription, 1000, &other));
    MUST_SAY("max_held");
    CHECK(other == NULL);
    fb_subscription_info info = FB_INIT(fb_subscription_info);
    MUST(FB_OK, fb_subscription_describe(subscription, &info));
    CHECK(info.held == 2);
    MUST(FB_OK, fb_frame_release(frames[0]));
    MUST(FB_ERROR_GONE, fb_subscription_acquire(subscription, 0, &other));
    MUST(FB_ERROR_GONE, fb_subscription_acquire(subscription, (1ull << 40) << 16, &other));
    MUST(FB_OK, fb_subscription_next(subscription, FB_FOREVER, &other));
    MUST(FB_OK, fb_frame_release(other));
    /* Sooner or later the reader is ahead of the camera. */
    fb_status status;
    while ((status = fb_subscription_try_next(subscription, &other)) == FB_OK)
        MUST(FB_OK, fb_frame_release(other));
    MUST(FB_EMPTY, status);
    while ((status = fb_subscription_next(subscription, 0, &other)) == FB_OK)
        MUST(FB_OK, fb_frame_release(other));
    MUST(FB_TIMEOUT, status);
    MUST_SAY("no frame came");
    MUST(FB_OK, fb_frame_release(frames[1]));
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
}

struct waiting {
    fb_subscription *subscription;
    fb_status status;
};

static void *wait_for_frames(void *argument)
{
    struct waiting *waiting = argument;
    fb_frame *frame;
    do {
        waiting->status = fb_subscription_next(waiting->subscription, 2000, &frame);
    } while (waiting->status == FB_ERROR_BUSY);
    if (waiting->status == FB_OK)
        fb_frame_release(frame);
    return NULL;
}

/* The second broker's next frame comes too late for all that. */
static void one_thread_at_a_time(const char *socket)
{
    fb_broker *broker = connected(socket);
    struct waiting waiting = { subscribed(broker, 2), FB_OK };
    fb_frame *other;
    MUST(FB_TIMEOUT, fb_subscription_next(waiting.subscription, 0, &other));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_for_frames, &waiting) == 0);
    fb_status status;
    do {
        usleep(1000);
        status = fb_subscription_next(waiting.subscription, 0, &other);
    } while (status == FB_TIMEOUT);
    MUST(FB_ERROR_BUSY, status);
    MUST_SAY("another thread");
    MUST(FB_ERROR_BUSY, fb_subscription_close(waiting.subscription));
    /* Errors are each thread's own: the other one's time-out does not change this text. */
    CHECK(pthread_join(thread, NULL) == 0);
    MUST_SAY("another thread");
    MUST(FB_TIMEOUT, waiting.status);
    MUST(FB_OK, fb_subscription_close(waiting.subscription));
    MUST(FB_OK, fb_broker_close(broker));
}

/* The second broker has published its first frame long ago: only who asks for the oldest gets it. */
static void the_oldest_comes_first_to_who_asks(const char *socket)
{
    fb_broker *broker = connected(socket);
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.start = FB_START_OLDEST;
    fb_subscription *next = subscribed(broker, 1), *oldest;
    MUST(FB_OK, fb_subscribe(broker, "cam0", &options, &oldest));
    fb_frame *frame = next_frame(oldest);
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    CHECK(info.sequence == 1);
    MUST(FB_OK, fb_frame_release(frame));
    MUST(FB_TIMEOUT, fb_subscription_next(next, 0, &frame));
    MUST(FB_OK, fb_subscription_close(oldest));
    MUST(FB_OK, fb_subscription_close(next));
    MUST(FB_OK, fb_broker_close(broker));
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    CHECK(strcmp(fb_last_error(), "") == 0);
    CHECK(strcmp(fb_version(), FB_VERSION) == 0);
    CHECK(strcmp(fb_status_name(FB_ERROR_FULL), "FB_ERROR_FULL") == 0);
    CHECK(strcmp(fb_status_name(12345), "unknown") == 0);
    ending_nothing_leaves_the_last_error(argv[1]);
    rows_are_within_the_image(argv[1]);
    figures_and_names_are_told(argv[1]);
    holders_and_readers_are_told(argv[1]);
    nothing_is_an_error(argv[1]);
    sizes_and_values_are_checked(argv[1]);
    handles_are_given_up_once(argv[1]);
    holds_and_times_have_their_limits(argv[1]);
    one_thread_at_a_time(argv[2]);
    the_oldest_comes_first_to_who_asks(argv[2]);
    return EXIT_SUCCESS;
}
