/*
 * Frames and standard input in one poll loop: prints each frame's number until a line, or the end of input, comes.
 *
 *     cc poll.c $(pkg-config --cflags --libs framebroker) -o poll
 *     ./poll [STREAM]
 */
#include <framebroker.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Takes what has come, up to FB_EMPTY: only then does the descriptor become readable again for the next frame. */
static fb_status take_all(fb_subscription *subscription)
{
    fb_frame *frame;
    fb_status status;
    while ((status = fb_subscription_try_next(subscription, &frame)) == FB_OK) {
        fb_frame_info info = FB_INIT(fb_frame_info);
        if (fb_frame_describe(frame, &info) == FB_OK)
            printf("frame %" PRIu64 "\n", info.sequence);
        fb_frame_release(frame);
    }
    fflush(stdout);
    return status;
}

static fb_status run(fb_subscription *subscription)
{
    int fd;
    fb_status status = fb_subscription_fd(subscription, &fd);
    if (status != FB_OK)
        return status;
    struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
    while (poll(fds, 2, -1) > 0) {
        if (fds[1].revents != 0)
            return FB_OK;
        if ((status = take_all(subscription)) != FB_EMPTY)
            return status;
    }
    return FB_OK;
}

int main(int argc, char **argv)
{
    fb_broker *broker = NULL;
    fb_subscription *subscription = NULL;
    fb_status status = fb_broker_connect(NULL, &broker);
    if (status == FB_OK)
        status = fb_subscribe(broker, argc > 1 ? argv[1] : "cam0", NULL, &subscription);
    if (status == FB_OK)
        status = run(subscription);
    if (status != FB_OK)
        fprintf(stderr, "%s: %s\n", fb_status_name(status), fb_last_error());
    /* NULL is answered with an error that nobody need look at. */
    fb_subscription_close(subscription);
    fb_broker_close(broker);
    return status == FB_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
