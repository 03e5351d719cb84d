/*
 * What a producer can do wrong is an error with a text, and leaves everything else as it was.
 *
 *     misproduce SOCKET OTHER_SOCKET, of which the second broker has a source of its own
 *
 * Then says `holding` and waits for a line, before which the first broker is killed.
 */
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static fb_produce_options small(void)
{
    fb_produce_options options = FB_INIT(fb_produce_options);
    options.width = 64, options.height = 48, options.pixel_format = FB_PIXEL_MONO8;
    return options;
}

static fb_frame_fill filled(void)
{
    fb_frame_fill fill = FB_INIT(fb_frame_fill);
    fill.width = 64, fill.height = 48, fill.pixel_format = FB_PIXEL_MONO8;
    return fill;
}

static fb_producer *producing(fb_broker *broker)
{
    fb_produce_options options = small();
    fb_producer *producer;
    MUST(FB_OK, fb_produce(broker, "cam0", &options, &producer));
    return producer;
}

static fb_blank *taken(fb_producer *producer)
{
    fb_blank *blank;
    MUST(FB_OK, fb_producer_take(producer, 10000, &blank));
    return blank;
}

static void nothing_is_an_error(fb_broker *broker)
{
    fb_produce_options options = small();
    fb_frame_fill fill = filled();
    fb_blank_info info = FB_INIT(fb_blank_info);
    fb_producer *producer;
    fb_blank *blank;
    size_t count;
    MUST(FB_ERROR_HANDLE, fb_produce(NULL, "cam0", &options, &producer));
    MUST(FB_ERROR_ARGUMENT, fb_produce(broker, NULL, &options, &producer));
    MUST(FB_ERROR_ARGUMENT, fb_produce(broker, "cam0", NULL, &producer));
    MUST_SAY("width, height and pixel_format");
    MUST(FB_ERROR_ARGUMENT, fb_produce(broker, "cam0", &options, NULL));
    MUST(FB_ERROR_HANDLE, fb_producer_take(NULL, 0, &blank));
    MUST_SAY("producer is NULL");
    CHECK(blank == NULL);
    MUST(FB_ERROR_HANDLE, fb_producer_try_take(NULL, &blank));
    MUST(FB_ERROR_HANDLE, fb_producer_check(NULL));
    MUST(FB_ERROR_HANDLE, fb_producer_publish(NULL, 1000, &fill));
    MUST(FB_ERROR_HANDLE, fb_producer_change(NULL, &options));
    MUST(FB_ERROR_HANDLE, fb_producer_segments(NULL, NULL, 0, &count));
    MUST(FB_ERROR_HANDLE, fb_blank_describe(NULL, &info));
    MUST(FB_ERROR_HANDLE, fb_blank_publish(NULL, &fill));
    MUST_SAY("blank is NULL");
    MUST(FB_ERROR_HANDLE, fb_blank_keep(NULL));
}

static void options_are_checked(fb_broker *broker, fb_broker *other)
{
    fb_produce_options options = small();
    fb_producer *producer;
    options.struct_size = 7;
    MUST(FB_ERROR_ARGUMENT, fb_produce(broker, "cam0", &options, &producer));
    MUST_SAY("FB_INIT(fb_produce_options)");
    CHECK(producer == NULL);
    options = small();
    options.height = 0;
    MUST(FB_ERROR_ARGUMENT, fb_produce(broker, "cam0", &options, &producer));
    MUST_SAY("width, height and pixel_format");
    options = small();
    options.pixel_format = 0x80000001;
    MUST(FB_ERROR_ARGUMENT, fb_produce(broker, "cam0", &options, &producer));
    MUST_SAY("payload_bytes");
    options = small();
    options.model = "\xff";
    MUST(FB_ERROR_ARGUMENT, fb_produce(broker, "cam0", &options, &producer));
    MUST_SAY("model is no UTF-8");
    options = small();
    options.min_queued = 513;
    MUST(FB_ERROR_ARGUMENT, fb_produce(broker, "cam0", &options, &producer));
    MUST_SAY("min_queued");
    options = small();
    MUST(FB_ERROR_UNKNOWN_STREAM, fb_produce(broker, "cam7", &options, &producer));
    MUST(FB_ERROR_ARGUMENT, fb_produce(other, "cam0", &options, &producer));
    MUST_SAY("--source producer");
}

static void a_stream_has_one_producer(fb_broker *broker)
{
    fb_producer *first = producing(broker), *second;
    fb_produce_options options = small();
    MUST(FB_ERROR_HAS_PRODUCER, fb_produce(broker, "cam0", &options, &second));
    MUST_SAY("c-test");
    CHECK(second == NULL);
    MUST(FB_OK, fb_producer_check(first));
    MUST(FB_OK, fb_producer_close(first));
    MUST(FB_ERROR_HANDLE, fb_producer_close(first));
    MUST(FB_ERROR_HANDLE, fb_producer_check(first));
}

/* What cannot be true of a segment is refused, and the blank stays. */
static void frames_are_checked(fb_producer *producer)
{
    fb_blank *blank = taken(producer);
    fb_blank_info info = FB_INIT(fb_blank_info);
    MUST(FB_ERROR_ARGUMENT, fb_blank_describe(blank, NULL));
    MUST(FB_OK, fb_blank_describe(blank, &info));
    CHECK(info.data_bytes == 64 * 48);
    memset(info.data, 1, info.data_bytes);
    fb_frame_fill fill = filled();
    MUST(FB_ERROR_ARGUMENT, fb_blank_publish(blank, NULL));
    fill.struct_size++;
    MUST(FB_ERROR_ARGUMENT, fb_blank_publish(blank, &fill));
    MUST_SAY("FB_INIT(fb_frame_fill)");
    fill = filled(), fill.height = 49;
    MUST(FB_ERROR_ARGUMENT, fb_blank_publish(blank, &fill));
    MUST_SAY("do not fit");
    fill = filled(), fill.chunk_bytes = 1;
    MUST(FB_ERROR_ARGUMENT, fb_blank_publish(blank, &fill));
    MUST_SAY("do not fit");
    fill = filled(), fill.image_bytes = 64 * 48 - 1;
    MUST(FB_ERROR_ARGUMENT, fb_blank_publish(blank, &fill));
    MUST_SAY("fewer bytes than its rows");
    fill = filled(), fill.stride = 63;
    MUST(FB_ERROR_ARGUMENT, fb_blank_publish(blank, &fill));
    MUST_SAY("stride");
    fill = filled(), fill.width = 0;
    MUST(FB_ERROR_ARGUMENT, fb_blank_publish(blank, &fill));
    MUST_SAY("is 0");
    fill = filled(), fill.pixel_format = 0x80000001;
    MUST(FB_ERROR_ARGUMENT, fb_blank_publish(blank, &fill));
    MUST_SAY("image_bytes");
    /* A smaller image, its chunk data and padded rows fit. */
    fill = filled(), fill.height = 40, fill.stride = 70, fill.chunk_bytes = 64 * 48 - 39 * 70 - 64;
    MUST(FB_OK, fb_blank_publish(blank, &fill));
}

static void a_blank_ends_once(fb_producer *producer)
{
    fb_frame_fill fill = filled();
    fb_blank_info info = FB_INIT(fb_blank_info);
    fb_blank *blank = taken(producer);
    MUST(FB_ERROR_HANDLE, fb_frame_release((fb_frame *)blank));
    MUST(FB_ERROR_HANDLE, fb_blank_drop((fb_blank *)producer));
    MUST(FB_OK, fb_blank_publish(blank, &fill));
    for (int times = 0; times < 3; times++) {
        MUST(FB_ERROR_HANDLE, fb_blank_publish(blank, &fill));
        MUST_SAY("published");
        MUST(FB_ERROR_HANDLE, fb_blank_drop(blank));
        MUST(FB_ERROR_HANDLE, fb_blank_keep(blank));
        MUST(FB_ERROR_HANDLE, fb_blank_describe(blank, &info));
    }
    blank = taken(producer);
    MUST(FB_OK, fb_blank_describe(blank, &info));
    uint32_t context = info.buffer_context;
    MUST(FB_OK, fb_blank_drop(blank));
    MUST(FB_ERROR_HANDLE, fb_blank_drop(blank));
    MUST(FB_ERROR_NOT_KEPT, fb_producer_publish(producer, context, &fill));
    /* What was dropped comes first. */
    blank = taken(producer);
    MUST(FB_OK, fb_blank_describe(blank, &info));
    CHECK(info.buffer_context == context);
    MUST(FB_OK, fb_blank_keep(blank));
    fill.height = 49;
    MUST(FB_ERROR_ARGUMENT, fb_producer_publish(producer, context, &fill));
    fill.height = 48;
    MUST(FB_OK, fb_producer_publish(producer, context, &fill));
    MUST(FB_ERROR_NOT_KEPT, fb_producer_publish(producer, context, &fill));
    MUST(FB_ERROR_NOT_KEPT, fb_producer_publish(producer, 77, &fill));
}

static void nothing_changes_while_segments_are_filled(fb_producer *producer)
{
    fb_produce_options larger = small();
    larger.height = 96;
    fb_blank *blank = taken(producer);
    MUST(FB_ERROR_FILLING, fb_producer_change(producer, &larger));
    MUST_SAY("publish or drop");
    MUST(FB_OK, fb_blank_drop(blank));
    larger.pixel_format = 0;
    MUST(FB_ERROR_ARGUMENT, fb_producer_change(producer, &larger));
    MUST(FB_ERROR_ARGUMENT, fb_producer_change(producer, NULL));
    larger = small();
    larger.payload_bytes = (uint64_t)1 << 50;
    MUST(FB_ERROR_ARGUMENT, fb_producer_change(producer, &larger));
    larger = small();
    larger.height = 96;
    MUST(FB_OK, fb_producer_change(producer, &larger));
    blank = taken(producer);
    fb_blank_info info = FB_INIT(fb_blank_info);
    MUST(FB_OK, fb_blank_describe(blank, &info));
    CHECK(info.data_bytes == 64 * 96);
    MUST(FB_OK, fb_blank_drop(blank));
}

struct waiting {
    fb_producer *producer;
    fb_status status;
};

static void *wait_for_a_segment(void *argument)
{
    struct waiting *waiting = argument;
    fb_blank *blank;
    do {
        waiting->status = fb_producer_take(waiting->producer, 2000, &blank);
    } while (waiting->status == FB_ERROR_BUSY);
    if (waiting->status == FB_OK)
        fb_blank_drop(blank);
    return NULL;
}

/* All segments are taken, so that there is something to wait for. */
static void one_thread_at_a_time(fb_producer *producer)
{
    fb_blank *blanks[1024], *other;
    size_t count = 0;
    fb_status status;
    while ((status = fb_producer_try_take(producer, &blanks[count])) == FB_OK)
        count++;
    MUST(FB_EMPTY, status);
    CHECK(count > 2 && blanks[count] == NULL);
    MUST(FB_TIMEOUT, fb_producer_take(producer, 10, &other));
    MUST_SAY("readers may hold them all");
    MUST(FB_ERROR_ARGUMENT, fb_producer_take(producer, -2, &other));

    struct waiting waiting = { producer, FB_OK };
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_for_a_segment, &waiting) == 0);
    do {
        usleep(1000);
        status = fb_producer_take(producer, 0, &other);
    } while (status == FB_TIMEOUT);
    MUST(FB_ERROR_BUSY, status);
    MUST_SAY("another thread");
    MUST(FB_ERROR_BUSY, fb_producer_close(producer));
    /* A blank may be ended all the same, which serves the thread that waits. */
    MUST(FB_OK, fb_blank_drop(blanks[--count]));
    CHECK(pthread_join(thread, NULL) == 0);
    MUST(FB_OK, waiting.status);
    while (count > 0)
        MUST(FB_OK, fb_blank_drop(blanks[--count]));
}

static void a_child_is_refused(fb_producer *producer, fb_blank *blank)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        fb_frame_fill fill = filled();
        fb_blank *other;
        MUST(FB_ERROR_FORKED, fb_producer_take(producer, 0, &other));
        MUST_SAY("forked");
        MUST(FB_ERROR_FORKED, fb_producer_check(producer));
        MUST(FB_ERROR_FORKED, fb_producer_close(producer));
        MUST(FB_ERROR_FORKED, fb_blank_publish(blank, &fill));
        MUST(FB_ERROR_FORKED, fb_blank_drop(blank));
        /* Another program in its place, since valgrind would count the parent's threads, which the child does not have, as
         * its leaks when it ends. */
        execlp("true", "true", (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    MUST(FB_OK, fb_producer_check(producer));
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    fb_broker *broker = connected(argv[1]), *other = connected(argv[2]);
    nothing_is_an_error(broker);
    options_are_checked(broker, other);
    MUST(FB_OK, fb_broker_close(other));
    a_stream_has_one_producer(broker);
    fb_producer *producer = producing(broker);
    frames_are_checked(producer);
    a_blank_ends_once(producer);
    nothing_changes_while_segments_are_filled(producer);
    one_thread_at_a_time(producer);
    fb_blank *blank = taken(producer);
    a_child_is_refused(producer, blank);

    /* A blank outlives its producer, and is good for nothing then. */
    fb_frame_fill fill = filled();
    fb_blank_info info = FB_INIT(fb_blank_info);
    MUST(FB_OK, fb_producer_close(producer));
    MUST(FB_OK, fb_blank_describe(blank, &info));
    memset(info.data, 2, info.data_bytes);
    MUST(FB_ERROR_STOPPED, fb_blank_publish(blank, &fill));
    MUST(FB_ERROR_HANDLE, fb_blank_drop(blank));

    producer = producing(broker);
    blank = taken(producer);
    MUST(FB_OK, fb_blank_describe(blank, &info));
    puts("holding");
    fflush(stdout);
    char line[64];
    CHECK(fgets(line, sizeof line, stdin) != NULL);
    fb_blank *another;
    fb_status status;
    while ((status = fb_producer_take(producer, 5000, &another)) == FB_OK)
        MUST(FB_OK, fb_blank_drop(another));
    MUST(FB_ERROR_BROKER_GONE, status);
    MUST(FB_ERROR_BROKER_GONE, fb_producer_check(producer));
    memset(info.data, 3, info.data_bytes);
    MUST(FB_OK, fb_blank_drop(blank));
    MUST(FB_OK, fb_producer_close(producer));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
