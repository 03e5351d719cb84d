/*
 * Fills the segments of a stream: a bright square that crosses a dark image. Start the broker with `broker --source producer`.
 *
 *     cc produce.c $(pkg-config --cflags --libs framebroker) -o produce
 *     ./produce [STREAM [FRAMES [PER_SECOND]]]        0 frames: without end
 */
#include <framebroker.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WIDTH = 640, HEIGHT = 480, SIDE = 48 };

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, fb_last_error());
    return EXIT_FAILURE;
}

/* Where the driver of a camera would have its image, this program draws it: nothing is copied afterwards. */
static void draw(uint8_t *image, uint64_t number)
{
    size_t left = number * 4 % (WIDTH - SIDE), top = number * 3 % (HEIGHT - SIDE);
    memset(image, 16, (size_t)WIDTH * HEIGHT);
    for (size_t row = top; row < top + SIDE; row++)
        memset(image + row * WIDTH + left, 235, SIDE);
}

static int publish_frame(fb_producer *producer, uint64_t number)
{
    fb_blank *blank;
    fb_status status;
    /* Readers may hold every segment for a while. */
    while ((status = fb_producer_take(producer, 1000, &blank)) == FB_TIMEOUT)
        fprintf(stderr, "%s\n", fb_last_error());
    if (status != FB_OK)
        return fail("take");
    fb_blank_info info = FB_INIT(fb_blank_info);
    if (fb_blank_describe(blank, &info) != FB_OK)
        return fail("blank");
    draw(info.data, number);
    fb_frame_fill fill = FB_INIT(fb_frame_fill);
    fill.width = WIDTH, fill.height = HEIGHT, fill.pixel_format = FB_PIXEL_MONO8;
    fill.block_id = number;
    /* From here on the segment is the readers'. */
    return fb_blank_publish(blank, &fill) == FB_OK ? EXIT_SUCCESS : fail("publish");
}

static int publish_frames(fb_producer *producer, uint64_t count, long per_second)
{
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (uint64_t number = 1; number <= count || count == 0; number++) {
        if (publish_frame(producer, number) != EXIT_SUCCESS)
            return EXIT_FAILURE;
        due.tv_nsec += 1000000000 / per_second;
        due.tv_sec += due.tv_nsec / 1000000000;
        due.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    }
    printf("published %" PRIu64 " frames\n", count);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *stream = argc > 1 ? argv[1] : "cam0";
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    long per_second = argc > 3 ? atol(argv[3]) : 30;
    if (per_second < 1) {
        fprintf(stderr, "usage: produce [STREAM [FRAMES [PER_SECOND]]]\n");
        return EXIT_FAILURE;
    }
    fb_broker *broker;
    if (fb_broker_connect(NULL, &broker) != FB_OK)
        return fail("connect");
    fb_produce_options options = FB_INIT(fb_produce_options);
    options.width = WIDTH, options.height = HEIGHT, options.pixel_format = FB_PIXEL_MONO8;
    options.interval_ns = 1000000000 / (uint64_t)per_second;
    options.model = "moving square";
    fb_producer *producer;
    if (fb_produce(broker, stream, &options, &producer) != FB_OK) {
        int failed = fail("produce");
        fb_broker_close(broker);
        return failed;
    }
    uint64_t first;
    if (fb_producer_first_sequence(producer, &first) == FB_OK)
        printf("producing %s from frame %" PRIu64 " on\n", stream, first);
    fflush(stdout);
    int ended = publish_frames(producer, count, per_second);
    fb_producer_close(producer);
    fb_broker_close(broker);
    return ended;
}
