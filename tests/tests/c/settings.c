/*
 * Features, news of them, and what is done wrong with both. The broker is new: its settings version is 0.
 *
 *     settings SOCKET, of a pattern of 64x48 Mono8 at 100 Hz
 */
#include "check.h"

#include <math.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const STREAM = "cam0";

static fb_broker *controlling(const char *socket, const char *name)
{
    fb_connect_options options = FB_INIT(fb_connect_options);
    options.socket = socket, options.name = name, options.control = 1;
    fb_broker *broker;
    MUST(FB_OK, fb_broker_connect(&options, &broker));
    return broker;
}

static fb_feature_info feature(fb_broker *broker, const char *name)
{
    fb_feature_info info = FB_INIT(fb_feature_info);
    MUST(FB_OK, fb_feature_read(broker, STREAM, name, &info));
    CHECK(strcmp(info.name, name) == 0 && strlen(info.description) > 5);
    return info;
}

static void every_kind_is_read(fb_broker *broker)
{
    fb_feature_info width = feature(broker, "Width");
    CHECK(width.kind == FB_FEATURE_INTEGER && width.access == FB_ACCESS_READ_WRITE && strcmp(width.unit, "px") == 0);
    CHECK(width.integer_min == 1 && width.integer_max == 16384 && width.integer_increment == 1 && width.entry_count == 0);
    CHECK(width.value.kind == FB_VALUE_INTEGER && width.value.integer == 64 && width.value.number == 64.0);
    CHECK(strcmp(width.value.text, "64") == 0 && width.visibility == FB_VISIBILITY_BEGINNER);
    fb_feature_info rate = feature(broker, "AcquisitionFrameRate");
    CHECK(rate.kind == FB_FEATURE_FLOAT && rate.float_min == 0.001 && strcmp(rate.unit, "Hz") == 0);
    CHECK(rate.value.kind == FB_VALUE_FLOAT && rate.value.number == 100.0 && rate.value.integer == 0);
    fb_feature_info enable = feature(broker, "AcquisitionFrameRateEnable");
    CHECK(enable.kind == FB_FEATURE_BOOLEAN && enable.value.kind == FB_VALUE_BOOLEAN && enable.value.integer == 1);
    CHECK(strcmp(enable.value.text, "true") == 0);
    fb_feature_info format = feature(broker, "PixelFormat");
    CHECK(format.kind == FB_FEATURE_ENUMERATION && format.value.kind == FB_VALUE_TEXT && format.entry_count > 5);
    CHECK(strcmp(format.value.text, "Mono8") == 0);
    fb_feature_info user = feature(broker, "DeviceUserID");
    CHECK(user.kind == FB_FEATURE_STRING && user.value.kind == FB_VALUE_TEXT);
    fb_feature_info reset = feature(broker, "TimestampReset");
    CHECK(reset.kind == FB_FEATURE_COMMAND && reset.value.kind == FB_VALUE_NONE && reset.value.text[0] == '\0');
    CHECK(feature(broker, "SensorWidth").access == FB_ACCESS_READ_ONLY);
}

static void entries_are_listed(fb_broker *broker)
{
    fb_feature_entry entries[64] = { FB_INIT(fb_feature_entry) };
    size_t count, found = 0;
    MUST(FB_OK, fb_feature_entries(broker, STREAM, "PixelFormat", entries, 64, &count));
    CHECK(count == feature(broker, "PixelFormat").entry_count && count <= 64);
    for (size_t at = 0; at < count; at++)
        found += strcmp(entries[at].name, "Mono12p") == 0 && entries[at].struct_size == sizeof entries[at];
    CHECK(found == 1);
    /* No more are filled than there is room for. */
    fb_feature_entry first[2] = { FB_INIT(fb_feature_entry) };
    strcpy(first[1].name, "untouched");
    MUST(FB_OK, fb_feature_entries(broker, STREAM, "PixelFormat", first, 1, &count));
    CHECK(count > 1 && strcmp(first[0].name, entries[0].name) == 0 && strcmp(first[1].name, "untouched") == 0);
    MUST(FB_OK, fb_feature_entries(broker, STREAM, "Width", NULL, 0, &count));
    CHECK(count == 0);
}

/* The list outlives its connection, and says what reading one by one says. */
static void all_are_listed(const char *socket)
{
    fb_broker *broker = connected(socket);
    fb_features *features;
    size_t count, entries;
    MUST(FB_OK, fb_features_read(broker, STREAM, &features, &count));
    CHECK(count > 15);
    int kinds = 0;
    fb_feature_info listed = FB_INIT(fb_feature_info);
    for (size_t at = 0; at < count; at++) {
        MUST(FB_OK, fb_features_at(features, at, &listed));
        fb_feature_info read = feature(broker, listed.name);
        CHECK(read.kind == listed.kind && read.access == listed.access && read.entry_count == listed.entry_count);
        CHECK(strcmp(read.display_name, listed.display_name) == 0 && strcmp(read.description, listed.description) == 0);
        MUST(FB_OK, fb_features_entries(features, at, NULL, 0, &entries));
        CHECK(entries == listed.entry_count);
        kinds |= 1 << listed.kind;
    }
    CHECK(kinds == 0x7e);
    MUST(FB_OK, fb_broker_close(broker));
    MUST(FB_OK, fb_features_at(features, 0, &listed));
    MUST(FB_ERROR_ARGUMENT, fb_features_at(features, count, &listed));
    MUST_SAY("index");
    MUST(FB_ERROR_ARGUMENT, fb_features_entries(features, SIZE_MAX, NULL, 0, &entries));
    MUST(FB_OK, fb_features_close(features));
    MUST(FB_ERROR_HANDLE, fb_features_close(features));
    MUST(FB_ERROR_HANDLE, fb_features_at(features, 0, &listed));
    MUST_SAY("list of features");
}

/* Each value by each way; versions count them, and frames have them. */
static void every_kind_is_set(fb_broker *broker, fb_subscription *subscription)
{
    fb_setting setting = FB_INIT(fb_setting);
    MUST(FB_OK, fb_feature_set_integer(broker, STREAM, "Width", 128, &setting));
    CHECK(setting.version == 1 && setting.value.kind == FB_VALUE_INTEGER && setting.value.integer == 128);
    fb_frame_info info = FB_INIT(fb_frame_info);
    do {
        fb_frame *frame = next_frame(subscription);
        MUST(FB_OK, fb_frame_describe(frame, &info));
        MUST(FB_OK, fb_frame_release(frame));
        CHECK(info.width == (info.settings_version == 0 ? 64 : 128));
    } while (info.settings_version - setting.version >= 1u << 31);
    MUST(FB_OK, fb_feature_set_float(broker, STREAM, "AcquisitionFrameRate", 62.5, &setting));
    CHECK(setting.version == 2 && setting.value.kind == FB_VALUE_FLOAT && setting.value.number == 62.5);
    /* A whole number is one that a float may be set to. */
    MUST(FB_OK, fb_feature_set_integer(broker, STREAM, "AcquisitionFrameRate", 50, &setting));
    CHECK(setting.version == 3 && setting.value.kind == FB_VALUE_FLOAT && strcmp(setting.value.text, "50") == 0);
    MUST(FB_OK, fb_feature_set_boolean(broker, STREAM, "AcquisitionFrameRateEnable", 0, &setting));
    CHECK(setting.version == 4 && setting.value.kind == FB_VALUE_BOOLEAN && setting.value.integer == 0);
    CHECK(feature(broker, "AcquisitionFrameRate").access == FB_ACCESS_LOCKED);
    MUST(FB_ERROR_NOT_ACCESSIBLE, fb_feature_set_float(broker, STREAM, "AcquisitionFrameRate", 10, &setting));
    MUST_SAY("locked");
    MUST(FB_OK, fb_feature_set_boolean(broker, STREAM, "AcquisitionFrameRateEnable", -1, NULL));
    MUST(FB_OK, fb_feature_set_text(broker, STREAM, "Width", "0x40", &setting));
    CHECK(setting.version == 6 && setting.value.integer == 64);
    MUST(FB_OK, fb_feature_set_text(broker, STREAM, "PixelFormat", "mono16", &setting));
    CHECK(setting.value.kind == FB_VALUE_TEXT && strcmp(setting.value.text, "Mono16") == 0);
    MUST(FB_OK, fb_feature_set_text(broker, STREAM, "DeviceUserID", "links \xc3\xbc", &setting));
    CHECK(strcmp(setting.value.text, "links \xc3\xbc") == 0);
    MUST(FB_OK, fb_feature_execute(broker, STREAM, "TimestampReset", &setting));
    CHECK(setting.version == 9 && setting.value.kind == FB_VALUE_NONE);
}

/* The frame of a trigger has the settings before it, and comes after the head of the trigger. */
static void triggers_are_exact(const char *socket, fb_broker *broker)
{
    fb_broker *reader = connected(socket);
    fb_subscription *subscription;
    fb_setting setting = FB_INIT(fb_setting), triggered = FB_INIT(fb_setting);
    fb_frame *frame, *other;
    bool is_exposed_with;
    MUST(FB_OK, fb_subscribe(reader, STREAM, NULL, &subscription));
    MUST(FB_OK, fb_feature_set_text(broker, STREAM, "TriggerMode", "On", &setting));
    for (int round = 0; round < 10; round++) {
        MUST(FB_OK, fb_feature_set_integer(broker, STREAM, "OffsetX", 4 * round, &setting));
        MUST(FB_OK, fb_feature_execute(broker, STREAM, "TriggerSoftware", &triggered));
        CHECK(triggered.version == setting.version);
        MUST(FB_OK, fb_subscription_next_with(subscription, setting.version, 10000, &frame));
        fb_frame_info info = FB_INIT(fb_frame_info);
        MUST(FB_OK, fb_frame_describe(frame, &info));
        CHECK(info.settings_version == setting.version && info.sequence == triggered.head + 1);
        MUST(FB_OK, fb_frame_is_exposed_with(frame, setting.version, &is_exposed_with));
        CHECK(is_exposed_with);
        MUST(FB_OK, fb_frame_is_exposed_with(frame, setting.version + 1, &is_exposed_with));
        CHECK(!is_exposed_with);
        MUST(FB_OK, fb_frame_release(frame));
    }
    MUST(FB_TIMEOUT, fb_subscription_next_with(subscription, setting.version, 50, &frame));
    CHECK(frame == NULL);
    MUST(FB_OK, fb_broker_trigger(broker, STREAM, 10000, &frame));
    MUST(FB_OK, fb_broker_trigger(broker, STREAM, 10000, &other));
    fb_frame *none;
    MUST(FB_ERROR_FULL, fb_broker_trigger(broker, STREAM, 10000, &none));
    MUST(FB_OK, fb_frame_release(frame));
    MUST(FB_OK, fb_frame_release(other));
    MUST(FB_TIMEOUT, fb_subscription_next_with(subscription, setting.version + 1, 50, &frame));
    MUST_SAY("of 2 that came");
    MUST(FB_ERROR_ARGUMENT, fb_broker_trigger(broker, NULL, 0, &frame));
    MUST(FB_OK, fb_feature_set_text(broker, STREAM, "TriggerMode", "Off", NULL));
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(reader));
}

/* The same nine changes as news, in order, typed and as texts. */
static void news_are_heard(fb_subscription *subscription)
{
    static const struct {
        const char *feature, *text;
        uint32_t kind;
    } expected[] = {
        { "Width", "128", FB_VALUE_INTEGER },
        { "AcquisitionFrameRate", "62.5", FB_VALUE_FLOAT },
        { "AcquisitionFrameRate", "50", FB_VALUE_FLOAT },
        { "AcquisitionFrameRateEnable", "false", FB_VALUE_BOOLEAN },
        { "AcquisitionFrameRateEnable", "true", FB_VALUE_BOOLEAN },
        { "Width", "64", FB_VALUE_INTEGER },
        { "PixelFormat", "Mono16", FB_VALUE_TEXT },
        { "DeviceUserID", "links \xc3\xbc", FB_VALUE_TEXT },
        { "TimestampReset", "", FB_VALUE_NONE },
    };
    uint32_t heard = 0;
    fb_settings_change change = FB_INIT(fb_settings_change);
    for (int frames = 0; heard < 9 && frames < 1000; frames++) {
        fb_status status;
        while ((status = fb_subscription_next_change(subscription, &change)) == FB_OK) {
            CHECK(heard < 9 && change.version == heard + 1);
            CHECK(strcmp(change.feature, expected[heard].feature) == 0 && change.value.kind == expected[heard].kind);
            CHECK(strcmp(change.value.text, expected[heard].text) == 0 && strstr(change.by, "controller") != NULL);
            heard++;
        }
        MUST(FB_EMPTY, status);
        MUST(FB_OK, fb_frame_release(next_frame(subscription)));
    }
    CHECK(heard == 9);
}

static void refusals_say_what_would_do(fb_broker *broker, fb_broker *reader)
{
    char longest[2100];
    memset(longest, 'x', sizeof longest - 1), longest[sizeof longest - 1] = '\0';
    fb_feature_info info = FB_INIT(fb_feature_info), before = feature(broker, "Width");
    MUST(FB_ERROR_UNKNOWN_FEATURE, fb_feature_read(broker, STREAM, "Widht", &info));
    MUST_SAY("nearest is Width");
    MUST(FB_ERROR_UNKNOWN_STREAM, fb_feature_read(broker, "cam7", "Width", &info));
    MUST_SAY("cam0");
    MUST(FB_ERROR_ARGUMENT, fb_feature_read(broker, STREAM, "", &info));
    MUST(FB_ERROR_ARGUMENT, fb_feature_read(broker, "cam 7", "Width", &info));
    MUST(FB_ERROR_ARGUMENT, fb_feature_set_integer(broker, STREAM, "Width", 20000, NULL));
    MUST_SAY("1 to 16384");
    MUST(FB_ERROR_ARGUMENT, fb_feature_set_boolean(broker, STREAM, "AcquisitionFrameRate", 1, NULL));
    MUST(FB_ERROR_ARGUMENT, fb_feature_set_float(broker, STREAM, "AcquisitionFrameRate", NAN, NULL));
    MUST_SAY("no number");
    MUST(FB_ERROR_ARGUMENT, fb_feature_set_text(broker, STREAM, "PixelFormat", "Mono9", NULL));
    MUST_SAY("Mono8");
    MUST(FB_ERROR_ARGUMENT, fb_feature_set_text(broker, STREAM, "DeviceUserID", longest, NULL));
    MUST_SAY("2048");
    MUST(FB_ERROR_NOT_ACCESSIBLE, fb_feature_set_integer(broker, STREAM, "SensorWidth", 1, NULL));
    MUST(FB_ERROR_ARGUMENT, fb_feature_execute(broker, STREAM, "Width", NULL));
    MUST(FB_ERROR_FORBIDDEN, fb_feature_set_integer(reader, STREAM, "Width", 32, NULL));
    MUST(FB_ERROR_FORBIDDEN, fb_feature_execute(reader, STREAM, "TimestampReset", NULL));
    MUST(FB_ERROR_FORBIDDEN, fb_control_take(reader, STREAM));
    CHECK(feature(reader, "Width").value.integer == before.value.integer);
}

static void sole_control(const char *socket, fb_broker *first)
{
    fb_broker *second = controlling(socket, "second");
    MUST(FB_OK, fb_control_take(first, STREAM));
    MUST(FB_OK, fb_control_take(first, STREAM));
    MUST(FB_ERROR_CONTROLLED, fb_feature_set_integer(second, STREAM, "Width", 32, NULL));
    MUST_SAY("controller");
    MUST(FB_ERROR_CONTROLLED, fb_control_take(second, STREAM));
    MUST(FB_ERROR_CONTROLLED, fb_control_give(second, STREAM));
    MUST(FB_ERROR_UNKNOWN_STREAM, fb_control_take(second, "cam7"));
    CHECK(feature(second, "Width").value.integer == 64);
    MUST(FB_OK, fb_feature_set_integer(first, STREAM, "Width", 96, NULL));
    MUST(FB_OK, fb_control_give(first, STREAM));
    MUST(FB_OK, fb_control_take(second, STREAM));
    MUST(FB_ERROR_CONTROLLED, fb_feature_set_integer(first, STREAM, "Width", 32, NULL));
    /* It ends with the connection, as soon as the broker sees that. */
    MUST(FB_OK, fb_broker_close(second));
    fb_status status;
    for (int times = 0; (status = fb_control_take(first, STREAM)) == FB_ERROR_CONTROLLED && times < 1000; times++)
        usleep(10000);
    MUST(FB_OK, status);
    MUST(FB_OK, fb_control_give(first, STREAM));
}

static void nothing_is_an_error(fb_broker *broker, fb_subscription *subscription)
{
    fb_feature_info info = FB_INIT(fb_feature_info);
    fb_setting setting = FB_INIT(fb_setting);
    fb_settings_change change = FB_INIT(fb_settings_change);
    fb_features *features;
    size_t count;
    MUST(FB_ERROR_ARGUMENT, fb_feature_read(broker, STREAM, "Width", NULL));
    MUST(FB_ERROR_ARGUMENT, fb_feature_read(broker, NULL, "Width", &info));
    MUST_SAY("stream is NULL");
    MUST(FB_ERROR_ARGUMENT, fb_feature_read(broker, STREAM, NULL, &info));
    MUST_SAY("feature is NULL");
    MUST(FB_ERROR_HANDLE, fb_feature_read(NULL, STREAM, "Width", &info));
    MUST(FB_ERROR_HANDLE, fb_feature_read((fb_broker *)subscription, STREAM, "Width", &info));
    MUST(FB_ERROR_ARGUMENT, fb_feature_entries(broker, STREAM, "PixelFormat", NULL, 1, &count));
    MUST(FB_ERROR_ARGUMENT, fb_feature_entries(broker, STREAM, "PixelFormat", NULL, 0, NULL));
    MUST(FB_ERROR_ARGUMENT, fb_feature_set_text(broker, STREAM, "Width", NULL, &setting));
    MUST_SAY("value is NULL");
    MUST(FB_ERROR_ARGUMENT, fb_feature_set_text(broker, STREAM, "Width", "\xff", &setting));
    MUST(FB_ERROR_ARGUMENT, fb_feature_execute(broker, STREAM, NULL, NULL));
    MUST(FB_ERROR_ARGUMENT, fb_control_take(broker, NULL));
    MUST(FB_ERROR_HANDLE, fb_control_take(NULL, STREAM));
    MUST(FB_ERROR_ARGUMENT, fb_features_read(broker, STREAM, NULL, &count));
    MUST(FB_ERROR_ARGUMENT, fb_features_read(broker, STREAM, &features, NULL));
    CHECK(features == NULL);
    MUST(FB_ERROR_HANDLE, fb_features_at(NULL, 0, &info));
    MUST(FB_ERROR_HANDLE, fb_features_close((fb_features *)broker));
    MUST(FB_ERROR_ARGUMENT, fb_subscription_next_change(subscription, NULL));
    MUST(FB_ERROR_HANDLE, fb_subscription_next_change(NULL, &change));

    /* Where the place for the result is of another size nothing is set. */
    uint32_t version = 0;
    MUST(FB_OK, fb_feature_set_text(broker, STREAM, "DeviceUserID", "before", &setting));
    version = setting.version;
    setting.struct_size--;
    MUST(FB_ERROR_ARGUMENT, fb_feature_set_text(broker, STREAM, "DeviceUserID", "after", &setting));
    MUST_SAY("FB_INIT(fb_setting)");
    CHECK(strcmp(feature(broker, "DeviceUserID").value.text, "before") == 0 && setting.version == version);
}

/* Options as a program has them that was built before there was control: they go on as before. */
static void earlier_options_are_taken(const char *socket)
{
    fb_connect_options options = FB_INIT(fb_connect_options);
    options.socket = socket;
    /* Beyond what such a program has, anything may lie. */
    options.control = 1;
    options.struct_size = offsetof(fb_connect_options, control);
    fb_broker *broker;
    MUST(FB_OK, fb_broker_connect(&options, &broker));
    MUST(FB_ERROR_FORBIDDEN, fb_feature_set_integer(broker, STREAM, "Width", 32, NULL));
    MUST(FB_OK, fb_broker_close(broker));
}

static void a_child_is_refused(const char *socket, fb_broker *broker, fb_subscription *subscription)
{
    fb_features *features;
    size_t count;
    MUST(FB_OK, fb_features_read(broker, STREAM, &features, &count));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        fb_feature_info info = FB_INIT(fb_feature_info);
        fb_settings_change change = FB_INIT(fb_settings_change);
        MUST(FB_ERROR_FORKED, fb_feature_read(broker, STREAM, "Width", &info));
        MUST(FB_ERROR_FORKED, fb_feature_set_integer(broker, STREAM, "Width", 32, NULL));
        MUST(FB_ERROR_FORKED, fb_control_take(broker, STREAM));
        MUST(FB_ERROR_FORKED, fb_features_at(features, 0, &info));
        MUST(FB_ERROR_FORKED, fb_features_close(features));
        MUST(FB_ERROR_FORKED, fb_subscription_next_change(subscription, &change));
        fb_broker *own = controlling(socket, "child");
        MUST(FB_OK, fb_feature_set_integer(own, STREAM, "Width", 80, NULL));
        MUST(FB_OK, fb_broker_close(own));
        exit(EXIT_SUCCESS);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    CHECK(feature(broker, "Width").value.integer == 80);
    MUST(FB_OK, fb_features_close(features));
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    fb_broker *broker = controlling(argv[1], "controller"), *reader = connected(argv[1]);
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(reader, STREAM, NULL, &subscription));
    every_kind_is_read(reader);
    entries_are_listed(reader);
    all_are_listed(argv[1]);
    every_kind_is_set(broker, subscription);
    news_are_heard(subscription);
    refusals_say_what_would_do(broker, reader);
    sole_control(argv[1], broker);
    nothing_is_an_error(broker, subscription);
    earlier_options_are_taken(argv[1]);
    triggers_are_exact(argv[1], broker);
    a_child_is_refused(argv[1], broker, subscription);
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(reader));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
