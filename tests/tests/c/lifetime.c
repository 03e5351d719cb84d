/*
 * Frames outlive the broker; a forked child gets errors and can connect anew. Each stage is told on standard output, and
 * begins when a line comes.
 *
 *     lifetime SOCKET
 */
#include "check.h"
#include "pattern.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

static void stage(const char *done)
{
    char line[64];
    puts(done);
    fflush(stdout);
    CHECK(fgets(line, sizeof line, stdin) != NULL);
}

/* In the child every handle of the parent is refused, whatever it does with it; its own work. */
static void child(const char *socket, fb_broker *broker, fb_subscription *subscription, fb_frame *frame)
{
    fb_frame_info info = FB_INIT(fb_frame_info);
    fb_frame *other;
    int fd;
    MUST(FB_ERROR_FORKED, fb_frame_describe(frame, &info));
    MUST_SAY("forked");
    MUST(FB_ERROR_FORKED, fb_frame_release(frame));
    MUST(FB_ERROR_FORKED, fb_subscription_next(subscription, 0, &other));
    MUST(FB_ERROR_FORKED, fb_subscription_try_next(subscription, &other));
    MUST(FB_ERROR_FORKED, fb_subscription_fd(subscription, &fd));
    MUST(FB_ERROR_FORKED, fb_subscription_close(subscription));
    MUST(FB_ERROR_FORKED, fb_broker_ping(broker, NULL));
    MUST(FB_ERROR_FORKED, fb_broker_close(broker));

    fb_broker *own = connected(socket);
    fb_subscription *frames;
    MUST(FB_OK, fb_subscribe(own, "cam0", NULL, &frames));
    other = next_frame(frames);
    MUST(FB_OK, fb_frame_describe(other, &info));
    CHECK(is_pattern(&info));
    MUST(FB_OK, fb_frame_release(other));
    MUST(FB_OK, fb_subscription_close(frames));
    MUST(FB_OK, fb_broker_close(own));
    exit(EXIT_SUCCESS);
}

static void fork_one(const char *socket, fb_broker *broker, fb_subscription *subscription, fb_frame *frame)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        child(socket, broker, subscription, frame);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    fb_broker *broker = connected(argv[1]);
    fb_subscription *subscription;
    fb_subscribe_options options = FB_INIT(fb_subscribe_options);
    options.max_held = 3;
    MUST(FB_OK, fb_subscribe(broker, "cam0", &options, &subscription));
    fb_frame *frame = next_frame(subscription), *other;
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    uint8_t *copy = malloc(info.data_bytes);
    CHECK(copy != NULL && is_pattern(&info));
    memcpy(copy, info.data, info.data_bytes);

    fork_one(argv[1], broker, subscription, frame);
    /* What the child did is nothing to the parent. */
    other = next_frame(subscription);
    MUST(FB_OK, fb_frame_release(other));
    MUST(FB_OK, fb_broker_ping(broker, NULL));
    stage("held");

    /* The broker was killed: what was published before comes first. */
    fb_status status;
    while ((status = fb_subscription_next(subscription, 5000, &other)) == FB_OK)
        MUST(FB_OK, fb_frame_release(other));
    MUST(FB_ERROR_BROKER_GONE, status);
    MUST_SAY("connect again");
    MUST(FB_ERROR_BROKER_GONE, fb_subscription_try_next(subscription, &other));
    int fd;
    MUST(FB_OK, fb_subscription_fd(subscription, &fd));
    struct pollfd pollfd = { .fd = fd, .events = POLLIN };
    CHECK(poll(&pollfd, 1, 5000) == 1);
    fb_subscription_info now = FB_INIT(fb_subscription_info);
    MUST(FB_OK, fb_subscription_describe(subscription, &now));
    CHECK(now.state == FB_STATE_CLOSED && now.held == 1);
    /* A broker object asks the next broker, and there is none. */
    MUST(FB_ERROR_NO_BROKER, fb_broker_ping(broker, NULL));
    fb_subscription *none;
    MUST(FB_ERROR_NO_BROKER, fb_subscribe(broker, "cam0", NULL, &none));
    CHECK(none == NULL);

    MUST(FB_OK, fb_frame_describe(frame, &info));
    CHECK(is_pattern(&info) && memcmp(info.data, copy, info.data_bytes) == 0);
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
    CHECK(memcmp(info.data, copy, info.data_bytes) == 0);
    MUST(FB_OK, fb_frame_release(frame));
    MUST(FB_ERROR_HANDLE, fb_frame_release(frame));
    free(copy);
    puts("done");
    return EXIT_SUCCESS;
}
