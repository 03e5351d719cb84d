/*
 * A frame costs no allocation. Counts what this thread asks of malloc while it takes, describes and releases frames, and
 * while it fills them.
 *
 *     allocations SOCKET PRODUCER_SOCKET, of which the second broker's stream is for producers
 */
#include "check.h"

/* The C library's own, behind what is defined here. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *pointer, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static _Thread_local unsigned long calls;

void *malloc(size_t bytes)
{
    calls++;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    calls++;
    return __libc_calloc(count, bytes);
}

void *realloc(void *pointer, size_t bytes)
{
    calls++;
    return __libc_realloc(pointer, bytes);
}

int posix_memalign(void **pointer, size_t alignment, size_t bytes)
{
    calls++;
    *pointer = __libc_memalign(alignment, bytes);
    return *pointer ? 0 : 12;
}

/* Five frames taken and given back. */
static void read_some(fb_subscription *subscription)
{
    for (int at = 0; at < 5; at++) {
        fb_frame *frame = next_frame(subscription), *other;
        fb_frame_info info = FB_INIT(fb_frame_info);
        MUST(FB_OK, fb_frame_describe(frame, &info));
        MUST(FB_OK, fb_frame_release(frame));
        fb_status status = fb_subscription_try_next(subscription, &other);
        if (status == FB_OK)
            MUST(FB_OK, fb_frame_release(other));
        else
            MUST(FB_EMPTY, status);
    }
}

/* Five frames filled, and a segment given up. */
static void fill_some(fb_producer *producer)
{
    fb_frame_fill fill = FB_INIT(fb_frame_fill);
    fill.width = 64, fill.height = 48, fill.pixel_format = FB_PIXEL_MONO8;
    for (int at = 0; at < 5; at++) {
        fb_blank *blank, *other;
        MUST(FB_OK, fb_producer_take(producer, 10000, &blank));
        fb_blank_info info = FB_INIT(fb_blank_info);
        MUST(FB_OK, fb_blank_describe(blank, &info));
        fb_status status = fb_producer_try_take(producer, &other);
        if (status == FB_OK)
            MUST(FB_OK, fb_blank_drop(other));
        else
            MUST(FB_EMPTY, status);
        MUST(FB_OK, fb_blank_publish(blank, &fill));
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    fb_broker *broker = connected(argv[1]), *other = connected(argv[2]);
    CHECK(calls > 0);
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, "cam0", NULL, &subscription));
    fb_produce_options options = FB_INIT(fb_produce_options);
    options.width = 64, options.height = 48, options.pixel_format = FB_PIXEL_MONO8;
    fb_producer *producer;
    MUST(FB_OK, fb_produce(other, "cam0", &options, &producer));
    /* The connection is looked at now and then, which may allocate: a series that fits between two looks shows what the
     * frames themselves cost. */
    unsigned long reading = (unsigned long)-1, filling = (unsigned long)-1;
    for (int series = 0; series < 50 && (reading > 0 || filling > 0); series++) {
        unsigned long before = calls;
        read_some(subscription);
        reading = calls - before < reading ? calls - before : reading;
        before = calls;
        fill_some(producer);
        filling = calls - before < filling ? calls - before : filling;
    }
    CHECK(reading == 0);
    CHECK(filling == 0);
    MUST(FB_OK, fb_producer_close(producer));
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(other));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
