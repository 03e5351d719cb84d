/*
 * What a program can do wrong with synced subscriptions is an error with a text, and leaves everything else as it was. Sets in a poll loop.
 *
 *     missync SOCKET, of two patterns "left" and "right" at the same rate
 */
#include "check.h"
#include "pattern.h"

#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_HELD = 4 };

static const uint64_t MS = 1000000;

static fb_subscription *subscribed(fb_broker *broker, const char *stream)
{
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.max_held = MAX_HELD;
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, stream, &options, &subscription));
    return subscription;
}

static fb_sync_options by_arrival(void)
{
    fb_sync_options options = FB_INIT(fb_sync_options);
    /* Half the time between two frames: whatever the phase is, the nearest belongs together. */
    options.tolerance_ns = 10 * MS;
    return options;
}

static fb_synced *joined(fb_broker *broker)
{
    fb_subscription *both[2] = { subscribed(broker, "left"), subscribed(broker, "right") };
    fb_sync_options options = by_arrival();
    fb_synced *synced;
    MUST(FB_OK, fb_synchronise(both, 2, &options, &synced));
    return synced;
}

static void next_pair(fb_synced *synced, fb_frame **frames)
{
    fb_set_info set = FB_INIT(fb_set_info);
    MUST(FB_OK, fb_synced_next(synced, 20000, frames, 2, &set));
    CHECK(set.is_complete && set.frame_count == 2 && set.skew_ns <= 10 * MS);
    for (int at = 0; at < 2; at++) {
        fb_frame_info info = FB_INIT(fb_frame_info);
        MUST(FB_OK, fb_frame_describe(frames[at], &info));
        CHECK(is_pattern(&info));
    }
}

/* Whatever is wrong with a call, the subscriptions stay the caller's and go on. */
static void what_fails_takes_nothing_over(fb_broker *broker)
{
    fb_subscription *left = subscribed(broker, "left"), *right = subscribed(broker, "right");
    fb_subscription *both[2] = { left, right }, *twice[2] = { left, left }, *one[2] = { left, NULL };
    fb_subscription *other[2] = { left, (fb_subscription *)broker };
    fb_sync_options options = by_arrival();
    fb_synced *synced = (fb_synced *)broker;
    MUST(FB_ERROR_ARGUMENT, fb_synchronise(both, 2, &options, NULL));
    MUST(FB_ERROR_ARGUMENT, fb_synchronise(both, 2, NULL, &synced));
    CHECK(synced == NULL);
    MUST(FB_ERROR_ARGUMENT, fb_synchronise(NULL, 2, &options, &synced));
    MUST(FB_ERROR_ARGUMENT, fb_synchronise(both, 0, &options, &synced));
    MUST_SAY("count is 0");
    MUST(FB_ERROR_ARGUMENT, fb_synchronise(both, 100000, &options, &synced));
    MUST(FB_ERROR_ARGUMENT, fb_synchronise(twice, 2, &options, &synced));
    MUST_SAY("twice");
    MUST(FB_ERROR_HANDLE, fb_synchronise(one, 2, &options, &synced));
    MUST(FB_ERROR_HANDLE, fb_synchronise(other, 2, &options, &synced));
    options.struct_size++;
    MUST(FB_ERROR_ARGUMENT, fb_synchronise(both, 2, &options, &synced));
    MUST_SAY("FB_INIT(fb_sync_options)");
    options = by_arrival();
    options.by = 77;
    MUST(FB_ERROR_ARGUMENT, fb_synchronise(both, 2, &options, &synced));
    MUST_SAY("77");
    options.by = FB_SYNC_BLOCK_ID;
    MUST(FB_ERROR_ARGUMENT, fb_synchronise(both, 2, &options, &synced));
    MUST_SAY("tolerance_ns must be 0");
    for (uint32_t by = FB_SYNC_ARRIVAL; by <= FB_SYNC_CAMERA_TIME; by++) {
        options.by = by, options.tolerance_ns = 0;
        MUST(FB_ERROR_ARGUMENT, fb_synchronise(both, 2, &options, &synced));
        MUST_SAY("how far apart");
    }
    MUST(FB_OK, fb_frame_release(next_frame(left)));
    MUST(FB_OK, fb_frame_release(next_frame(right)));

    /* A frame held from before stays the caller's; the handles go over. */
    fb_frame *held = next_frame(left), *frames[2];
    options = by_arrival();
    MUST(FB_OK, fb_synchronise(both, 2, &options, &synced));
    fb_frame *none;
    fb_synced *again;
    MUST(FB_ERROR_HANDLE, fb_subscription_next(left, 0, &none));
    MUST_SAY("fb_synchronise");
    MUST(FB_ERROR_HANDLE, fb_subscription_close(right));
    MUST(FB_ERROR_HANDLE, fb_synchronise(both, 2, &options, &again));
    next_pair(synced, frames);
    MUST(FB_OK, fb_frame_release(held));
    MUST(FB_OK, fb_frames_release(frames, 2));
    MUST(FB_OK, fb_synced_close(synced));
}

static void calls_are_checked(fb_broker *broker)
{
    fb_synced *synced = joined(broker);
    fb_frame *frames[2] = { (fb_frame *)broker, (fb_frame *)broker };
    fb_set_info set = FB_INIT(fb_set_info);
    fb_sync_stats stats = FB_INIT(fb_sync_stats);
    fb_subscription_info info = FB_INIT(fb_subscription_info);
    MUST(FB_ERROR_HANDLE, fb_synced_next(NULL, 0, frames, 2, &set));
    CHECK(frames[0] == NULL && frames[1] == NULL);
    MUST_SAY("synced subscription is NULL");
    MUST(FB_ERROR_HANDLE, fb_synced_next((fb_synced *)broker, 0, frames, 2, &set));
    MUST(FB_ERROR_ARGUMENT, fb_synced_next(synced, 0, NULL, 2, &set));
    MUST(FB_ERROR_ARGUMENT, fb_synced_next(synced, 0, frames, 1, &set));
    MUST_SAY("sets have 2");
    MUST(FB_ERROR_ARGUMENT, fb_synced_next(synced, 0, NULL, 0, &set));
    MUST(FB_ERROR_ARGUMENT, fb_synced_next(synced, -2, frames, 2, &set));
    set.struct_size--;
    MUST(FB_ERROR_ARGUMENT, fb_synced_next(synced, 0, frames, 2, &set));
    MUST(FB_ERROR_ARGUMENT, fb_synced_stats(synced, NULL, NULL, 0));
    MUST(FB_ERROR_ARGUMENT, fb_synced_stats(synced, &stats, NULL, 2));
    MUST(FB_ERROR_HANDLE, fb_synced_stats(NULL, &stats, NULL, 0));
    MUST(FB_ERROR_ARGUMENT, fb_synced_describe(synced, 2, &info));
    MUST_SAY("2 subscriptions");
    MUST(FB_ERROR_ARGUMENT, fb_synced_describe(synced, 0, NULL));
    MUST(FB_OK, fb_synced_describe(synced, 1, &info));
    CHECK(strcmp(info.stream, "right") == 0);
    MUST(FB_OK, fb_synced_stats(synced, &stats, NULL, 0));
    CHECK(stats.stream_count == 2);
    next_pair(synced, frames);
    MUST(FB_ERROR_HANDLE, fb_synced_close((fb_synced *)frames[0]));
    MUST(FB_OK, fb_synced_close(synced));
    MUST(FB_ERROR_HANDLE, fb_synced_close(synced));
    MUST(FB_ERROR_HANDLE, fb_synced_describe(synced, 0, &info));

    /* One of them is given back already: that is told, and the other is given back. */
    fb_frame *copies[2] = { frames[0], frames[1] };
    MUST(FB_OK, fb_frame_release(frames[0]));
    MUST(FB_ERROR_HANDLE, fb_frames_release(frames, 2));
    CHECK(frames[0] == NULL && frames[1] == NULL);
    MUST(FB_ERROR_HANDLE, fb_frame_release(copies[1]));
    MUST(FB_ERROR_HANDLE, fb_frames_release(copies, 2));
    MUST(FB_ERROR_ARGUMENT, fb_frames_release(NULL, 2));
    MUST(FB_OK, fb_frames_release(NULL, 0));
    MUST(FB_OK, fb_frames_release(frames, 2));
}

/* Who keeps all that may be held is told so, and goes on after giving a set back. */
static void holds_have_their_limit(fb_broker *broker)
{
    fb_synced *synced = joined(broker);
    fb_frame *kept[MAX_HELD + 1][2];
    int sets = 0;
    fb_status status;
    while (sets <= MAX_HELD && (status = fb_synced_next(synced, 20000, kept[sets], 2, NULL)) == FB_OK)
        sets++;
    MUST(FB_ERROR_FULL, status);
    MUST_SAY("max_held");
    CHECK(sets >= 1 && sets <= MAX_HELD);
    for (int at = 0; at < sets; at++)
        MUST(FB_OK, fb_frames_release(kept[at], 2));
    fb_frame *frames[2];
    next_pair(synced, frames);
    MUST(FB_OK, fb_frames_release(frames, 2));
    MUST(FB_OK, fb_synced_close(synced));
}

struct waiting {
    fb_synced *synced;
    fb_status status;
};

static void *wait_for_sets(void *argument)
{
    struct waiting *waiting = argument;
    fb_frame *frames[2];
    do {
        waiting->status = fb_synced_next(waiting->synced, 2000, frames, 2, NULL);
    } while (waiting->status == FB_ERROR_BUSY);
    fb_frames_release(frames, 2);
    return NULL;
}

/* Frames so far apart never belong together, so that a thread waits until its time is up. */
static void one_thread_at_a_time(fb_broker *broker)
{
    fb_subscription *both[2] = { subscribed(broker, "left"), subscribed(broker, "right") };
    fb_sync_options options = by_arrival();
    options.tolerance_ns = 1;
    struct waiting waiting = { NULL, FB_OK };
    MUST(FB_OK, fb_synchronise(both, 2, &options, &waiting.synced));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_for_sets, &waiting) == 0);
    fb_frame *frames[2];
    fb_status status;
    int times = 0;
    do {
        usleep(1000);
        status = fb_synced_next(waiting.synced, 0, frames, 2, NULL);
    } while (status == FB_TIMEOUT && ++times < 10000);
    MUST(FB_ERROR_BUSY, status);
    MUST_SAY("another thread");
    MUST(FB_ERROR_BUSY, fb_synced_close(waiting.synced));
    CHECK(pthread_join(thread, NULL) == 0);
    MUST(FB_TIMEOUT, waiting.status);
    /* Frames came all the time. */
    MUST(FB_TIMEOUT, fb_synced_next(waiting.synced, 0, frames, 2, NULL));
    MUST_SAY("no set came within");
    MUST_SAY("apart, and the tolerance is 1ns");
    MUST(FB_OK, fb_synced_close(waiting.synced));
}

static void *wait_for_frames(void *subscription)
{
    fb_status status;
    for (int times = 0; times < 10000; times++) {
        fb_frame *frame;
        if ((status = fb_subscription_next(subscription, 1000, &frame)) == FB_OK)
            MUST(FB_OK, fb_frame_release(frame));
        else if (status == FB_ERROR_HANDLE)
            return subscription;
        else
            CHECK(status == FB_ERROR_BUSY || status == FB_TIMEOUT);
        usleep(1000);
    }
    return NULL;
}

/* A subscription that another thread is in a call on is not taken over, nor are the others; when it is, that thread is told. */
static void what_is_in_use_is_not_taken_over(fb_broker *broker, const char *socket)
{
    fb_connect_options control = FB_INIT(fb_connect_options);
    control.socket = socket, control.control = 1;
    fb_broker *controller;
    MUST(FB_OK, fb_broker_connect(&control, &controller));
    fb_subscription *right = subscribed(broker, "right"), *left = subscribed(broker, "left");
    fb_subscription *both[2] = { right, left };
    fb_subscription_info info = FB_INIT(fb_subscription_info);
    fb_sync_options options = by_arrival();
    fb_synced *synced;
    /* Without a trigger no frame comes, and the thread is in its call nearly always. */
    MUST(FB_OK, fb_feature_set_text(controller, "left", "TriggerMode", "On", NULL));
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_for_frames, left) == 0);
    fb_status status;
    int times = 0;
    while ((status = fb_synchronise(both, 2, &options, &synced)) != FB_ERROR_BUSY) {
        /* The thread had not begun yet. */
        MUST(FB_OK, status);
        MUST(FB_OK, fb_synced_close(synced));
        CHECK(++times < 100);
        void *told;
        CHECK(pthread_join(thread, &told) == 0 && told == left);
        both[0] = right = subscribed(broker, "right"), both[1] = left = subscribed(broker, "left");
        CHECK(pthread_create(&thread, NULL, wait_for_frames, left) == 0);
        usleep(100000);
    }
    MUST_SAY("another thread");
    MUST(FB_OK, fb_subscription_describe(right, &info));
    MUST(FB_OK, fb_feature_set_text(controller, "left", "TriggerMode", "Off", NULL));
    for (times = 0; (status = fb_synchronise(both, 2, &options, &synced)) == FB_ERROR_BUSY && times < 100000; times++)
        usleep(100);
    MUST(FB_OK, status);
    void *told;
    CHECK(pthread_join(thread, &told) == 0 && told == left);
    fb_frame *frames[2];
    next_pair(synced, frames);
    MUST(FB_OK, fb_frames_release(frames, 2));
    MUST(FB_OK, fb_synced_close(synced));
    MUST(FB_OK, fb_broker_close(controller));
}

/* Sets in a poll loop of the program's own, and news of the camera that was set and no other. */
static void sets_are_polled_for(fb_broker *broker, const char *socket)
{
    fb_connect_options control = FB_INIT(fb_connect_options);
    control.socket = socket, control.control = 1;
    fb_broker *controller;
    MUST(FB_OK, fb_broker_connect(&control, &controller));
    fb_synced *synced = joined(broker);
    MUST(FB_OK, fb_feature_set_text(controller, "right", "DeviceUserID", "polled", NULL));
    fb_settings_change change = FB_INIT(fb_settings_change);
    bool is_told = false;
    int sets = 0;
    for (int turns = 0; sets < 20 || !is_told; turns++) {
        CHECK(turns < 10000);
        fb_frame *frames[2];
        fb_status status;
        while ((status = fb_synced_try_next(synced, frames, 2, NULL)) == FB_OK) {
            CHECK(frames[0] != NULL && frames[1] != NULL);
            MUST(FB_OK, fb_frames_release(frames, 2));
            sets++;
        }
        MUST(FB_EMPTY, status);
        CHECK(frames[0] == NULL && frames[1] == NULL);
        MUST(FB_EMPTY, fb_synced_next_change(synced, 0, &change));
        if (fb_synced_next_change(synced, 1, &change) == FB_OK) {
            CHECK(strcmp(change.feature, "DeviceUserID") == 0 && strcmp(change.value.text, "polled") == 0 && !is_told);
            is_told = true;
        }
        int fds[2], timeout_ms;
        size_t count;
        MUST(FB_OK, fb_synced_poll(synced, fds, 2, &count, &timeout_ms));
        CHECK(count == 2 && timeout_ms >= 0 && timeout_ms <= 1000);
        struct pollfd news[2] = { { .fd = fds[0], .events = POLLIN }, { .fd = fds[1], .events = POLLIN } };
        CHECK(poll(news, 2, timeout_ms) >= 0);
    }
    size_t count;
    int timeout_ms;
    MUST(FB_ERROR_ARGUMENT, fb_synced_next_change(synced, 2, &change));
    MUST(FB_ERROR_ARGUMENT, fb_synced_next_change(synced, 0, NULL));
    MUST(FB_ERROR_ARGUMENT, fb_synced_poll(synced, NULL, 1, &count, &timeout_ms));
    MUST(FB_ERROR_ARGUMENT, fb_synced_poll(synced, NULL, 0, NULL, &timeout_ms));
    MUST(FB_ERROR_ARGUMENT, fb_synced_poll(synced, NULL, 0, &count, NULL));
    MUST(FB_OK, fb_synced_poll(synced, NULL, 0, &count, &timeout_ms));
    CHECK(count == 2);
    MUST(FB_OK, fb_synced_close(synced));
    MUST(FB_ERROR_HANDLE, fb_synced_try_next(synced, NULL, 0, NULL));
    MUST(FB_ERROR_HANDLE, fb_synced_poll(synced, NULL, 0, &count, &timeout_ms));
    MUST(FB_OK, fb_broker_close(controller));
}

static void a_child_is_refused(fb_broker *broker)
{
    fb_synced *synced = joined(broker);
    fb_frame *frames[2];
    next_pair(synced, frames);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        fb_frame *others[2], *copies[2] = { frames[0], frames[1] };
        fb_sync_stats stats = FB_INIT(fb_sync_stats);
        MUST(FB_ERROR_FORKED, fb_synced_next(synced, 0, others, 2, NULL));
        MUST(FB_ERROR_FORKED, fb_synced_stats(synced, &stats, NULL, 0));
        MUST(FB_ERROR_FORKED, fb_frames_release(copies, 2));
        MUST(FB_ERROR_FORKED, fb_synced_close(synced));
        exit(EXIT_SUCCESS);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    /* What the child did is nothing to the parent. */
    for (int at = 0; at < 2; at++) {
        fb_frame_info info = FB_INIT(fb_frame_info);
        MUST(FB_OK, fb_frame_describe(frames[at], &info));
        CHECK(is_pattern(&info));
    }
    MUST(FB_OK, fb_frames_release(frames, 2));
    next_pair(synced, frames);
    MUST(FB_OK, fb_frames_release(frames, 2));
    MUST(FB_OK, fb_synced_close(synced));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    fb_broker *broker = connected(argv[1]);
    what_fails_takes_nothing_over(broker);
    calls_are_checked(broker);
    holds_have_their_limit(broker);
    one_thread_at_a_time(broker);
    what_is_in_use_is_not_taken_over(broker, argv[1]);
    sets_are_polled_for(broker, argv[1]);
    a_child_is_refused(broker);
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
