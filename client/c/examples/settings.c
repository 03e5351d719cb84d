/*
 * Camera settings: shows what a feature is, sets it, and prints what frames and news tell of it.
 *
 *     cc settings.c $(pkg-config --cflags --libs framebroker) -o settings
 *     ./settings STREAM                              all features
 *     ./settings STREAM FEATURE                      one of them
 *     ./settings STREAM FEATURE VALUE [FRAMES]       sets it, then looks at so many frames (default: 20)
 */
#include <framebroker.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, fb_last_error());
    return EXIT_FAILURE;
}

static void print(const fb_feature_info *info)
{
    printf("%s = %s", info->name, info->value.kind == FB_VALUE_NONE ? "?" : info->value.text);
    if (info->unit[0] != '\0')
        printf(" %s", info->unit);
    if (info->kind == FB_FEATURE_INTEGER)
        printf(" (%" PRId64 " to %" PRId64 ", step %" PRId64 ")", info->integer_min, info->integer_max, info->integer_increment);
    if (info->kind == FB_FEATURE_FLOAT)
        printf(" (%g to %g)", info->float_min, info->float_max);
    printf("%s\n", info->access == FB_ACCESS_READ_WRITE ? "" : " [cannot be set now]");
}

static int print_all(fb_broker *broker, const char *stream)
{
    fb_features *features;
    size_t count;
    if (fb_features_read(broker, stream, &features, &count) != FB_OK)
        return fail("features");
    for (size_t at = 0; at < count; at++) {
        fb_feature_info info = FB_INIT(fb_feature_info);
        if (fb_features_at(features, at, &info) == FB_OK)
            print(&info);
    }
    fb_features_close(features);
    return EXIT_SUCCESS;
}

static int print_one(fb_broker *broker, const char *stream, const char *feature)
{
    fb_feature_info info = FB_INIT(fb_feature_info);
    if (fb_feature_read(broker, stream, feature, &info) != FB_OK)
        return fail(feature);
    print(&info);
    fb_feature_entry entries[256] = { FB_INIT(fb_feature_entry) };
    size_t count;
    if (fb_feature_entries(broker, stream, feature, entries, 256, &count) != FB_OK)
        return fail(feature);
    for (size_t at = 0; at < count && at < 256; at++)
        printf("    %s\n", entries[at].name);
    return EXIT_SUCCESS;
}

/* Frames tell which settings they were exposed with: none is looked at twice, and no picture is needed for it. */
static int watch(fb_subscription *subscription, uint32_t version, long frames)
{
    for (long taken = 0; taken < frames; taken++) {
        fb_frame *frame;
        if (fb_subscription_next(subscription, 10000, &frame) != FB_OK)
            return fail("next");
        fb_frame_info info = FB_INIT(fb_frame_info);
        bool is_after = false;
        fb_status status = fb_frame_describe(frame, &info);
        if (status == FB_OK)
            status = fb_frame_is_exposed_with(frame, version, &is_after);
        fb_frame_release(frame);
        if (status != FB_OK)
            return fail("frame");
        printf("frame %" PRIu64 ": settings version %" PRIu32 ", exposed %s the change\n", info.sequence, info.settings_version,
               is_after ? "after" : "perhaps before");
        fb_settings_change change = FB_INIT(fb_settings_change);
        while (fb_subscription_next_change(subscription, &change) == FB_OK)
            printf("news: %s = %s (version %" PRIu32 ") by %s\n", change.feature, change.value.text, change.version, change.by);
    }
    return EXIT_SUCCESS;
}

static int set(fb_broker *broker, char **words, long frames)
{
    fb_subscription *subscription;
    if (fb_subscribe(broker, words[0], NULL, &subscription) != FB_OK)
        return fail("subscribe");
    fb_setting setting = FB_INIT(fb_setting);
    int ended;
    if (fb_feature_set_text(broker, words[0], words[1], words[2], &setting) == FB_OK) {
        printf("%s = %s, as the camera has it\n", words[1], setting.value.text);
        ended = watch(subscription, setting.version, frames);
    } else {
        ended = fail(words[1]);
    }
    fb_subscription_close(subscription);
    return ended;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 5) {
        fprintf(stderr, "usage: settings STREAM [FEATURE [VALUE [FRAMES]]]\n");
        return EXIT_FAILURE;
    }
    fb_connect_options options = FB_INIT(fb_connect_options);
    /* Only who sets needs it. */
    options.control = argc > 3;
    fb_broker *broker;
    if (fb_broker_connect(&options, &broker) != FB_OK)
        return fail("connect");
    int ended;
    if (argc == 2)
        ended = print_all(broker, argv[1]);
    else if (argc == 3)
        ended = print_one(broker, argv[1], argv[2]);
    else
        ended = set(broker, argv + 1, argc > 4 ? atol(argv[4]) : 20);
    fb_broker_close(broker);
    return ended;
}
