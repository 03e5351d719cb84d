/*
 * Reads and verifies frames, and does what lines on standard input say: `hold` keeps the next frame for ever, `stop` ends.
 *
 *     reader SOCKET
 */
#include "../c/check.h"
#include "../c/pattern.h"

#include <inttypes.h>
#include <poll.h>

static uint64_t bad;

static bool is_told(char line[64])
{
    struct pollfd input = { .fd = 0, .events = POLLIN };
    return poll(&input, 1, 0) > 0 && fgets(line, 64, stdin) != NULL;
}

static void say(fb_subscription *subscription, const char *word, uint64_t context)
{
    fb_subscription_info info = FB_INIT(fb_subscription_info);
    MUST(FB_OK, fb_subscription_describe(subscription, &info));
    printf("%s context=%" PRIu64 " bad=%" PRIu64 " received=%" PRIu64 " lost=%" PRIu64 "\n", word, context, bad, info.received,
           info.lost);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    fb_broker *broker = connected(argv[1]);
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, "cam0", NULL, &subscription));
    bool holds = false;
    char line[64] = "";
    while (strcmp(line, "stop\n") != 0) {
        fb_frame *frame;
        fb_frame_info info = FB_INIT(fb_frame_info);
        fb_status status = fb_subscription_next(subscription, 50, &frame);
        if (status == FB_OK) {
            MUST(FB_OK, fb_frame_describe(frame, &info));
            bad += !is_pattern(&info);
            if (holds) {
                say(subscription, "holding", info.context);
                CHECK(fgets(line, sizeof line, stdin) != NULL);
            }
            MUST(FB_OK, fb_frame_release(frame));
        } else {
            MUST(FB_TIMEOUT, status);
        }
        if (is_told(line))
            holds = strcmp(line, "hold\n") == 0;
    }
    say(subscription, "stopped", 0);
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
