/*
 * framebroker: camera frames from another process, with no copy. For C11 and C++17.
 *
 * Written from the sources in client/c/src by `UPDATE_HEADER=1 cargo test -p framebroker-c --test header`.
 *
 *     fb_broker *broker;
 *     fb_subscription *subscription;
 *     fb_frame *frame;
 *     if (fb_broker_connect(NULL, &broker) == FB_OK && fb_subscribe(broker, "cam0", NULL, &subscription) == FB_OK) {
 *         while (fb_subscription_next(subscription, FB_FOREVER, &frame) == FB_OK) {
 *             fb_frame_info info = FB_INIT(fb_frame_info);
 *             fb_frame_describe(frame, &info);
 *             printf("frame %llu: %zu bytes\n", (unsigned long long)info.sequence, info.data_bytes);
 *             fb_frame_release(frame);
 *         }
 *     }
 *     fprintf(stderr, "%s\n", fb_last_error());
 *
 * Rules for all functions:
 *
 * Names. A function is called fb_THING_…, after the handle or the structure that it takes first, or of which it tells: fb_frame_release.
 *     fb_subscribe, fb_produce and fb_synchronise make a thing.
 * Errors. A call that does not return FB_OK puts a text that says what to do where fb_last_error() finds it. A call that
 *     fails has changed nothing, unless its description says so, and its results are not set, but for handles, which are
 *     NULL then.
 * Handles. fb_broker, fb_subscription, fb_frame, fb_synced, fb_features, fb_producer and fb_blank belong to the caller, who
 *     ends each once. They are looked up, not followed: one that is NULL, was ended, or is of another kind, is
 *     FB_ERROR_HANDLE. But what ends a handle (…_close, …_release, …_drop) does nothing with NULL: it returns FB_OK and leaves the
 *     last error as it is, so that a program can end all it may have and then tell what went wrong.
 * Pointers. What can be told is checked (NULL, sizes, UTF-8); else a pointer must lead to memory of its type, which nobody
 *     else uses during the call. Texts end with a NUL; those that come in are copied.
 * Structures begin with struct_size, which must be right before the call: begin with `fb_frame_info info =
 *     FB_INIT(fb_frame_info);`. Some take kilobytes, as fb_feature_info and fb_stream_info: mind small stacks. Later versions add fields at the end and take the earlier sizes too.
 * Threads. Brokers, frames, blanks and lists of features may be used by several threads at once, a subscription, a synced
 *     subscription or a producer by one at a time. fb_last_error() is each thread's own. No function may be called in a signal handler.
 * Fork. In a forked child every handle of the parent is FB_ERROR_FORKED, and pointers to the bytes of frames and
 *     blanks must not be used: the parent may give them back at any moment. Connect again in the child. Processes made by a
 *     raw clone system call are not recognised.
 */


#ifndef FRAMEBROKER_H
#define FRAMEBROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FB_VERSION_MAJOR 0
#define FB_VERSION_MINOR 1
#define FB_VERSION_PATCH 0
#define FB_VERSION "0.1.0"
/*
 * A structure with its size set and all else 0: `fb_frame_info info = FB_INIT(fb_frame_info);`
 */
#ifdef __cplusplus
#define FB_INIT(type) ([] { type fb_init_{}; fb_init_.struct_size = sizeof(type); return fb_init_; }())
#else
#define FB_INIT(type) ((type){ .struct_size = sizeof(type) })
#endif

/*
 * For what takes a time-out: wait as long as it takes.
 */
#define FB_FOREVER (-1)


/**
 * Bytes of a name in a structure, with its NUL.
 */
#define FB_NAME_BYTES 64

/**
 * Bytes of a text in a structure, with its NUL; longer texts are cut.
 */
#define FB_TEXT_BYTES 256

/**
 * Bytes of a frame's address as a text, with its NUL.
 */
#define FB_FRAME_REF_TEXT_BYTES 104

/**
 * Holders of a segment that are told one by one.
 */
#define FB_HOLDERS 8

/**
 * Bytes of a feature's name in a structure, with its NUL.
 */
#define FB_FEATURE_BYTES 128

/**
 * Bytes of what a camera says of a feature, with its NUL.
 */
#define FB_DESCRIPTION_BYTES 1025

/**
 * Bytes of a value as a text, with its NUL: no value is longer.
 */
#define FB_VALUE_TEXT_BYTES 2049

/**
 * How a call ended. 0 is success, positive values are no failure but bring nothing, negative values are failures.
 * fb_last_error() has the text that belongs to it. Later versions may add values.
 */
typedef enum {
    /**
     * Done.
     */
    FB_OK = 0,
    /**
     * No frame came in time, for a producer no segment to fill. Nothing has ended; call again.
     */
    FB_TIMEOUT = 1,
    /**
     * fb_subscription_try_next: no frame is there now; the descriptor becomes readable with the next news. fb_producer_try_take: no segment is
     * there now. fb_synced_try_next: no set is there now. fb_subscription_next_change,
     * fb_synced_next_change: no more was changed.
     */
    FB_EMPTY = 2,
    /**
     * The caller: an argument is NULL, out of its range or no UTF-8, or a struct_size is none that this library knows.
     */
    FB_ERROR_ARGUMENT = -1,
    /**
     * The caller: a handle that is NULL, of another kind, closed or released.
     */
    FB_ERROR_HANDLE = -2,
    /**
     * The caller: another thread is in a call on this subscription, synced subscription or producer.
     */
    FB_ERROR_BUSY = -3,
    /**
     * The caller: as many frames are held as the subscription may hold. Release one before asking for the next.
     */
    FB_ERROR_FULL = -4,
    /**
     * The caller: the frame asked for was retired, never existed, or is of another run of the broker; the text says which.
     */
    FB_ERROR_GONE = -5,
    /**
     * The caller: a forked child used what its parent opened. Connect and subscribe again in the child.
     */
    FB_ERROR_FORKED = -6,
    /**
     * The caller: no segment of this buffer context is kept by this producer.
     */
    FB_ERROR_NOT_KEPT = -7,
    /**
     * The caller: the frames cannot change while segments are being filled. Publish or drop them first.
     */
    FB_ERROR_FILLING = -8,
    /**
     * The caller: frames of a stream cannot be compared with those of others in the way asked for; the text says what they
     * have not. Match by another property, as FB_SYNC_ARRIVAL.
     */
    FB_ERROR_NOT_COMPARABLE = -9,
    /**
     * The caller: the frame has no such chunk; the text says which it has, if any.
     */
    FB_ERROR_NO_CHUNK = -10,
    /**
     * The caller: the frame asked for is of another stream than the subscription.
     */
    FB_ERROR_OTHER_STREAM = -11,
    /**
     * No broker was found. The text names every path tried and what came of it.
     */
    FB_ERROR_NO_BROKER = -20,
    /**
     * The broker died or closed the connection without giving a reason. Frames that are held stay valid.
     */
    FB_ERROR_BROKER_GONE = -21,
    /**
     * The broker did not answer in time: it may be stopped or overloaded.
     */
    FB_ERROR_NO_ANSWER = -22,
    /**
     * The connection failed in another way.
     */
    FB_ERROR_CONNECTION = -23,
    /**
     * The broker does not keep to the protocol, or is of another version.
     */
    FB_ERROR_PROTOCOL = -24,
    /**
     * The stream has ended, and its last frame has been taken.
     */
    FB_ERROR_CLOSED = -40,
    /**
     * The broker has ended this subscription.
     */
    FB_ERROR_EVICTED = -41,
    /**
     * The broker refused: it has no stream of this name; the text says which there are.
     */
    FB_ERROR_UNKNOWN_STREAM = -42,
    /**
     * The broker refused: too few segments for what was asked; the text says how many would do.
     */
    FB_ERROR_NOT_ADMITTED = -43,
    /**
     * The broker refused: this user may not do that.
     */
    FB_ERROR_FORBIDDEN = -44,
    /**
     * The broker refused for another reason.
     */
    FB_ERROR_REFUSED = -45,
    /**
     * The broker refused: the stream has a producer already; the text says which.
     */
    FB_ERROR_HAS_PRODUCER = -46,
    /**
     * The broker takes nothing more of what this producer was lent. fb_producer_check says why, unless it was closed.
     */
    FB_ERROR_STOPPED = -47,
    /**
     * The broker refused: the stream's source has no feature of this name; the text names the nearest.
     */
    FB_ERROR_UNKNOWN_FEATURE = -48,
    /**
     * The broker refused: the feature cannot be read, set or executed, or not now: it is read-only, locked or not available.
     */
    FB_ERROR_NOT_ACCESSIBLE = -49,
    /**
     * The broker refused: somebody else has sole control of the stream's settings; the text says who.
     */
    FB_ERROR_CONTROLLED = -50,
    /**
     * The camera is away, refused a setting, did not answer in time, or too many requests wait for it.
     */
    FB_ERROR_CAMERA_FAILED = -51,
    /**
     * This machine: shared memory cannot be used.
     */
    FB_ERROR_MEMORY = -60,
    /**
     * This machine: the kernel refuses something else, or something has run out.
     */
    FB_ERROR_SYSTEM = -61,
    /**
     * A fault of this library: please report it with its text.
     */
    FB_ERROR_INTERNAL = -62,
} fb_status;

/**
 * Which frames a subscription gets.
 */
typedef enum {
    /**
     * The stream's own, which is sequential but for the broker's --grab-strategy. fb_subscription_describe tells which.
     */
    FB_POLICY_OF_STREAM = 0,
    /**
     * All in order; those that were retired too early are counted lost.
     */
    FB_POLICY_SEQUENTIAL = 1,
    /**
     * The newest; those passed over are counted skipped.
     */
    FB_POLICY_LATEST = 2,
    /**
     * All in order, and a source that can pause waits, within the broker's --lossless-timeout.
     */
    FB_POLICY_LOSSLESS = 3,
    /**
     * The first that is published after the call; those before are counted skipped.
     */
    FB_POLICY_UPCOMING = 4,
} fb_policy;

/**
 * By which way frames come.
 */
typedef enum {
    /**
     * Through the ring in shared memory: nothing is sent per frame. The fast one.
     */
    FB_DELIVERY_SHARED = 0,
    /**
     * A message each, up to max_held ahead. The only one for segments of --backing posix.
     */
    FB_DELIVERY_SOCKET = 1,
} fb_delivery;

/**
 * With which frame a subscription begins.
 */
typedef enum {
    /**
     * The first that is published from now on.
     */
    FB_START_NEXT = 0,
    /**
     * The oldest that can still be read.
     */
    FB_START_OLDEST = 1,
} fb_start;

/**
 * How fb_subscription_next waits for a shared delivery: less latency for more processor time.
 */
typedef enum {
    /**
     * Sleeps. Costs nothing while it waits.
     */
    FB_WAIT_BLOCK = 0,
    /**
     * Looks without pause: lowest latency, a whole core.
     */
    FB_WAIT_SPIN = 1,
    /**
     * Looks for spin_ns, then sleeps.
     */
    FB_WAIT_SPIN_THEN_BLOCK = 2,
    /**
     * Sleeps until lead_ns before the next frame is due, then looks, until patience_ns after: for cameras with a steady
     * rate.
     */
    FB_WAIT_PREDICTIVE = 3,
} fb_wait_mode;

/**
 * Whether frames can come.
 */
typedef enum {
    /**
     * The camera is away; the stream goes on when it is back.
     */
    FB_STATE_OFFLINE = 0,
    /**
     * Frames come.
     */
    FB_STATE_LIVE = 1,
    /**
     * No more frames come; the next call that finds none says why.
     */
    FB_STATE_CLOSED = 2,
} fb_state;

/**
 * What a segment is doing.
 */
typedef enum {
    /**
     * With the source, behind the one that is filled; or waiting for the source.
     */
    FB_SEGMENT_QUEUED = 0,
    /**
     * The source writes it, or will write it next.
     */
    FB_SEGMENT_FILLING = 1,
    /**
     * Readable, held by nobody.
     */
    FB_SEGMENT_PUBLISHED = 2,
    /**
     * Readable and held.
     */
    FB_SEGMENT_HELD = 3,
    /**
     * Held by a subscription that was ended while it read; never filled again.
     */
    FB_SEGMENT_QUARANTINED = 4,
} fb_segment_state;

/**
 * Pixel formats whose layout this library knows, by their codes in "GenICam Pixel Format Names and Values" (EMVA). Frames
 * may have other codes.
 */
typedef enum {
    FB_PIXEL_MONO8 = 17301505,
    FB_PIXEL_MONO10 = 17825795,
    FB_PIXEL_MONO12 = 17825797,
    FB_PIXEL_MONO16 = 17825799,
    FB_PIXEL_MONO10P = 17432646,
    FB_PIXEL_MONO12P = 17563719,
    FB_PIXEL_MONO10_PACKED = 17563652,
    FB_PIXEL_MONO12_PACKED = 17563654,
    FB_PIXEL_BAYER_GR8 = 17301512,
    FB_PIXEL_BAYER_RG8 = 17301513,
    FB_PIXEL_BAYER_GB8 = 17301514,
    FB_PIXEL_BAYER_BG8 = 17301515,
    FB_PIXEL_BAYER_GR10 = 17825804,
    FB_PIXEL_BAYER_RG10 = 17825805,
    FB_PIXEL_BAYER_GB10 = 17825806,
    FB_PIXEL_BAYER_BG10 = 17825807,
    FB_PIXEL_BAYER_GR12 = 17825808,
    FB_PIXEL_BAYER_RG12 = 17825809,
    FB_PIXEL_BAYER_GB12 = 17825810,
    FB_PIXEL_BAYER_BG12 = 17825811,
    FB_PIXEL_BAYER_GR16 = 17825838,
    FB_PIXEL_BAYER_RG16 = 17825839,
    FB_PIXEL_BAYER_GB16 = 17825840,
    FB_PIXEL_BAYER_BG16 = 17825841,
    FB_PIXEL_BAYER_GR10P = 17432662,
    FB_PIXEL_BAYER_RG10P = 17432664,
    FB_PIXEL_BAYER_GB10P = 17432660,
    FB_PIXEL_BAYER_BG10P = 17432658,
    FB_PIXEL_BAYER_GR12P = 17563735,
    FB_PIXEL_BAYER_RG12P = 17563737,
    FB_PIXEL_BAYER_GB12P = 17563733,
    FB_PIXEL_BAYER_BG12P = 17563731,
    FB_PIXEL_BAYER_GR10_PACKED = 17563686,
    FB_PIXEL_BAYER_RG10_PACKED = 17563687,
    FB_PIXEL_BAYER_GB10_PACKED = 17563688,
    FB_PIXEL_BAYER_BG10_PACKED = 17563689,
    FB_PIXEL_BAYER_GR12_PACKED = 17563690,
    FB_PIXEL_BAYER_RG12_PACKED = 17563691,
    FB_PIXEL_BAYER_GB12_PACKED = 17563692,
    FB_PIXEL_BAYER_BG12_PACKED = 17563693,
    FB_PIXEL_RGB8 = 35127316,
    FB_PIXEL_BGR8 = 35127317,
    FB_PIXEL_RGBA8 = 35651606,
    FB_PIXEL_BGRA8 = 35651607,
    FB_PIXEL_RGB16 = 36700211,
    FB_PIXEL_YUV422_8 = 34603058,
    FB_PIXEL_YUV422_8_UYVY = 34603039,
    FB_PIXEL_YCBCR422_8 = 34603067,
    FB_PIXEL_YCBCR422_8_CBYCRY = 34603075,
} fb_pixel_format;

/**
 * What a value is.
 */
typedef enum {
    /**
     * There is none: of a command, and of what cannot be read.
     */
    FB_VALUE_NONE = 0,
    /**
     * A whole number.
     */
    FB_VALUE_INTEGER = 1,
    /**
     * A floating-point number.
     */
    FB_VALUE_FLOAT = 2,
    /**
     * True or false.
     */
    FB_VALUE_BOOLEAN = 3,
    /**
     * A text, or the name of an enumeration's entry.
     */
    FB_VALUE_TEXT = 4,
    /**
     * Bytes, only of chunks.
     */
    FB_VALUE_BYTES = 5,
} fb_value_kind;

/**
 * Of what kind a feature is.
 */
typedef enum {
    /**
     * A whole number: integer_min, integer_min + integer_increment, … up to integer_max.
     */
    FB_FEATURE_INTEGER = 1,
    /**
     * A floating-point number: float_min to float_max.
     */
    FB_FEATURE_FLOAT = 2,
    /**
     * True or false.
     */
    FB_FEATURE_BOOLEAN = 3,
    /**
     * One of the names that fb_feature_entries lists.
     */
    FB_FEATURE_ENUMERATION = 4,
    /**
     * A text.
     */
    FB_FEATURE_STRING = 5,
    /**
     * Something that can be executed: fb_feature_execute.
     */
    FB_FEATURE_COMMAND = 6,
} fb_feature_kind;

/**
 * What can be done with a feature now; other features' values may change it.
 */
typedef enum {
    /**
     * It can be read and set; a command can be executed.
     */
    FB_ACCESS_READ_WRITE = 0,
    /**
     * It can only be read.
     */
    FB_ACCESS_READ_ONLY = 1,
    /**
     * It can only be set.
     */
    FB_ACCESS_WRITE_ONLY = 2,
    /**
     * It can be read, and cannot be set while other features have the values they have.
     */
    FB_ACCESS_LOCKED = 3,
    /**
     * Not on this camera, or not while other features have the values they have.
     */
    FB_ACCESS_NOT_AVAILABLE = 4,
} fb_access;

/**
 * For whom a feature is meant (SFNC).
 */
typedef enum {
    /**
     * The camera does not tell.
     */
    FB_VISIBILITY_UNKNOWN = 0,
    /**
     * Everyone.
     */
    FB_VISIBILITY_BEGINNER = 1,
    /**
     * Those who know cameras.
     */
    FB_VISIBILITY_EXPERT = 2,
    /**
     * Those who could harm the camera's settings.
     */
    FB_VISIBILITY_GURU = 3,
    /**
     * Programs only.
     */
    FB_VISIBILITY_INVISIBLE = 4,
} fb_visibility;

/**
 * What makes frames of several streams belong together.
 */
typedef enum {
    /**
     * The time at which they were complete in this machine's memory (monotonic_ns). Works with every camera, and knows
     * nothing of how long a frame was on its way.
     */
    FB_SYNC_ARRIVAL = 0,
    /**
     * The cameras' own times (camera_timestamp_ns): for cameras whose clocks are set by one another (PTP), and recordings
     * of them.
     */
    FB_SYNC_CAMERA_TIME = 1,
    /**
     * The same block_id: for cameras that are started together and triggered by one signal.
     */
    FB_SYNC_BLOCK_ID = 2,
} fb_sync_by;

/**
 * A segment to be filled, which nobody else writes or reads. A handle: not an address, do not follow it.
 */
typedef struct fb_blank fb_blank;

/**
 * A connection to a broker, for questions and for subscribing. A handle: not an address, do not follow it.
 */
typedef struct fb_broker fb_broker;

/**
 * A list of features, as they were when it was read. A handle: not an address, do not follow it.
 */
typedef struct fb_features fb_features;

/**
 * A frame that is held: its bytes stay as they are until it is released. A handle: not an address, do not follow it.
 */
typedef struct fb_frame fb_frame;

/**
 * Fills the segments of one stream, on a connection of its own. A handle: not an address, do not follow it.
 */
typedef struct fb_producer fb_producer;

/**
 * Frames of one stream, on a connection of its own. A handle: not an address, do not follow it.
 */
typedef struct fb_subscription fb_subscription;

/**
 * Several subscriptions, whose frames come in sets that belong together. A handle: not an address, do not follow it.
 */
typedef struct fb_synced fb_synced;

/**
 * How to connect. Begin with FB_INIT(fb_connect_options): 0 and NULL stand for the defaults.
 */
typedef struct {
    /**
     * sizeof(fb_connect_options); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * The broker's socket. NULL: the variable FRAMEBROKER_SOCKET, else the first of $XDG_RUNTIME_DIR/framebroker.sock,
     * /run/framebroker/broker.sock and /tmp/framebroker-$UID/broker.sock on which a broker answers.
     */
    const char *socket;
    /**
     * What this client is called in statistics and logs; cut to 63 bytes. NULL: the program's name.
     */
    const char *name;
    /**
     * Users whose brokers are trusted, beside one's own user and root. Whom you trust here can change frames while you
     * read them.
     */
    const uint32_t *server_uids;
    /**
     * How many server_uids.
     */
    size_t server_uid_count;
    /**
     * How long connecting to a broker that is there, and every answer, may take, in ms. 0: 5000.
     */
    uint64_t timeout_ms;
    /**
     * Not 0: this connection may change camera settings (fb_feature_set_…, fb_feature_execute, fb_control_take). The broker
     * must allow it: its own user always may. Reading settings, and subscribing, need it not.
     */
    uint32_t control;
    /**
     * Frames of one stream that fb_broker_acquire may hold at once, 1 to 64. 0: 2.
     */
    uint32_t max_acquired;
    /**
     * How long fb_broker_connect waits for a broker that is not there yet, in ms; FB_FOREVER: as long as it takes. 0: not at all.
     */
    int64_t wait_ms;
} fb_connect_options;

/**
 * A connection.
 */
typedef struct {
    /**
     * sizeof(fb_broker_info); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Which run of a broker this is: a broker started anew has another.
     */
    uint64_t broker_id;
    /**
     * Names this connection in the broker's statistics.
     */
    uint64_t client_id;
    /**
     * The broker's process; 0 where it is in a PID namespace that cannot be seen from here.
     */
    int32_t pid;
    /**
     * The socket on which the broker answered.
     */
    char socket[FB_TEXT_BYTES];
} fb_broker_info;

/**
 * A stream. Every frame has its own geometry: that of the stream may change while it runs.
 */
typedef struct {
    /**
     * sizeof(fb_stream_info); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Its name, to subscribe with.
     */
    char name[FB_NAME_BYTES];
    /**
     * Kind of source: "pattern", "aravis", …
     */
    char source[FB_TEXT_BYTES];
    /**
     * Vendor and model.
     */
    char model[FB_TEXT_BYTES];
    /**
     * Serial number, empty for none.
     */
    char serial[FB_TEXT_BYTES];
    /**
     * What backs its segments: "memfd", "hugetlb", "posix", …
     */
    char backing[FB_TEXT_BYTES];
    /**
     * Newest sequence; 0 before the first.
     */
    uint64_t head;
    /**
     * Nominal frames per second in thousandths; 0 unknown.
     */
    uint64_t millihertz;
    /**
     * Its number in the broker.
     */
    uint32_t id;
    /**
     * An fb_state.
     */
    uint32_t state;
    /**
     * Width in pixels.
     */
    uint32_t width;
    /**
     * Height in pixels.
     */
    uint32_t height;
    /**
     * PFNC code: an fb_pixel_format, or one that is not listed there.
     */
    uint32_t pixel_format;
    /**
     * Segments now.
     */
    uint32_t segments;
    /**
     * Segments it may grow to.
     */
    uint32_t max_segments;
    /**
     * Holds that can still be granted, growth included.
     */
    uint32_t holds_left;
    /**
     * Whether FB_DELIVERY_SHARED is granted.
     */
    bool is_shared;
    /**
     * Whether every byte of its frames follows the test pattern that PROTOCOL.md specifies.
     */
    bool is_pattern;
    /**
     * Source "producer": who fills its segments, for people; empty while nobody does.
     */
    char producer[FB_TEXT_BYTES];
} fb_stream_info;

/**
 * How often the broker did something, and how long it took. A part of other structures: it has no size of its own, and never grows.
 */
typedef struct {
    /**
     * How often.
     */
    uint64_t count;
    /**
     * The mean, in ns; 0 if it was never done.
     */
    uint64_t mean_ns;
    /**
     * The longest, in ns.
     */
    uint64_t max_ns;
} fb_timing;

/**
 * Figures of a stream, as the broker counts them. Bytes are payload asked for, mapped_bytes what it takes in pages.
 */
typedef struct {
    /**
     * sizeof(fb_stream_stats); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * The stream's name.
     */
    char name[FB_NAME_BYTES];
    /**
     * Segments ever allocated.
     */
    uint64_t total_allocated;
    /**
     * Segments freed.
     */
    uint64_t total_freed;
    /**
     * Segments now.
     */
    uint64_t active_buffers;
    /**
     * Segments the stream may grow to.
     */
    uint64_t max_buffers;
    /**
     * Payload bytes of the segments now.
     */
    uint64_t current_bytes;
    /**
     * The most payload bytes at any time.
     */
    uint64_t peak_bytes;
    /**
     * Bytes of the segments' pages now.
     */
    uint64_t mapped_bytes;
    /**
     * Payload bytes of segments that were given up because a living process may still read them.
     */
    uint64_t given_up_bytes;
    /**
     * Frames the source delivered.
     */
    uint64_t grabbed;
    /**
     * Frames published.
     */
    uint64_t published;
    /**
     * Frames of which a part was lost on the way.
     */
    uint64_t incomplete;
    /**
     * Frames lost between camera and broker.
     */
    uint64_t lost_at_camera;
    /**
     * Frames dropped because no segment was free.
     */
    uint64_t starved;
    /**
     * Holds that became older than the broker's --lease.
     */
    uint64_t overdue;
    /**
     * Subscriptions that were ended for such a hold.
     */
    uint64_t evicted;
    /**
     * Packets asked for again.
     */
    uint64_t resent_packets;
    /**
     * Packets that never came.
     */
    uint64_t missing_packets;
    /**
     * Frames the driver gave up.
     */
    uint64_t failed_frames;
    /**
     * Allocating a segment.
     */
    fb_timing allocate;
    /**
     * Publishing a frame.
     */
    fb_timing publish;
    /**
     * Retiring a frame, to fill its segment again.
     */
    fb_timing retire;
} fb_stream_stats;

/**
 * Who holds a frame. A part of other structures: it has no size of its own, and never grows.
 */
typedef struct {
    /**
     * Its connection, as in fb_broker_info and fb_client_stats.
     */
    uint64_t client_id;
    /**
     * For how long, as the broker has seen it.
     */
    uint64_t held_ns;
    /**
     * Its process.
     */
    uint32_t pid;
    /**
     * Its user.
     */
    uint32_t uid;
    /**
     * Whether that is longer than the broker's --lease.
     */
    bool is_overdue;
    /**
     * What it is called.
     */
    char name[FB_NAME_BYTES];
} fb_holder;

/**
 * A segment of a stream, as the broker sees it.
 */
typedef struct {
    /**
     * sizeof(fb_segment_stats); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Payload bytes.
     */
    uint64_t bytes;
    /**
     * CLOCK_REALTIME when it was allocated.
     */
    uint64_t allocated_realtime_ns;
    /**
     * Times it was published.
     */
    uint64_t usage_count;
    /**
     * 1000 + index of the segment, as in fb_frame_info.
     */
    uint32_t buffer_context;
    /**
     * An fb_segment_state.
     */
    uint32_t state;
    /**
     * Who holds its frame: holder_count of them are set.
     */
    fb_holder holders[FB_HOLDERS];
    /**
     * How many holders are told.
     */
    uint32_t holder_count;
    /**
     * How many more there are.
     */
    uint32_t more_holders;
} fb_segment_stats;

/**
 * A connection to the broker. A process has one for its questions and one for each subscription.
 */
typedef struct {
    /**
     * sizeof(fb_client_stats); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Names the connection.
     */
    uint64_t client_id;
    /**
     * Its process.
     */
    uint32_t pid;
    /**
     * Its user.
     */
    uint32_t uid;
    /**
     * How many subscriptions it has: see fb_broker_subscriptions.
     */
    uint32_t subscription_count;
    /**
     * What it is called.
     */
    char name[FB_NAME_BYTES];
} fb_client_stats;

/**
 * A subscription of any client, as the broker sees it.
 */
typedef struct {
    /**
     * sizeof(fb_subscription_stats); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Whose it is.
     */
    uint64_t client_id;
    /**
     * Frames received.
     */
    uint64_t received;
    /**
     * Frames that were retired before they were taken.
     */
    uint64_t lost;
    /**
     * Frames passed over by policy.
     */
    uint64_t skipped;
    /**
     * The longest hold, those that stand included.
     */
    uint64_t longest_hold_ns;
    /**
     * Its number.
     */
    uint32_t id;
    /**
     * The fb_policy in force.
     */
    uint32_t policy;
    /**
     * An fb_delivery.
     */
    uint32_t delivery;
    /**
     * Frames that are held now.
     */
    uint32_t held;
    /**
     * Frames that may be held at once.
     */
    uint32_t max_held;
    /**
     * Holds older than the broker's --lease.
     */
    uint32_t overdue;
    /**
     * The process whose it is.
     */
    uint32_t pid;
    /**
     * The user whose it is.
     */
    uint32_t uid;
    /**
     * The client's name.
     */
    char name[FB_NAME_BYTES];
    /**
     * The stream's name.
     */
    char stream[FB_NAME_BYTES];
} fb_subscription_stats;

/**
 * All that is known about a frame, and where its bytes are. Units: pixels, bytes, nanoseconds.
 */
typedef struct {
    /**
     * sizeof(fb_frame_info); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * The image: rows of stride bytes from top to bottom. Read-only memory: writing there is a segmentation fault. Valid
     * until fb_frame_release.
     */
    const uint8_t *data;
    /**
     * Bytes of image.
     */
    size_t data_bytes;
    /**
     * The chunk data the camera sent behind the image; NULL if it sent none. Read-only and valid as data.
     */
    const uint8_t *chunk;
    /**
     * Bytes of chunk data.
     */
    size_t chunk_bytes;
    /**
     * Names this frame in its stream and the life of its broker, in every process: sequence << 16 | segment.
     * fb_frame_reference gives what names it everywhere.
     */
    uint64_t context;
    /**
     * The frame's number in its stream: 1, 2, 3, … Gaps are frames that this subscription did not get.
     */
    uint64_t sequence;
    /**
     * How many times this segment was published, this frame included.
     */
    uint64_t usage_count;
    /**
     * The camera's own clock; 0 where it has none.
     */
    uint64_t camera_timestamp_ns;
    /**
     * CLOCK_MONOTONIC of this machine when the frame was complete in memory.
     */
    uint64_t monotonic_ns;
    /**
     * CLOCK_REALTIME of this machine at the same moment.
     */
    uint64_t realtime_ns;
    /**
     * The camera's block ID; 0 where it has none.
     */
    uint64_t block_id;
    /**
     * Where the image begins in its segment.
     */
    uint64_t payload_offset;
    /**
     * Where the chunk data begin in their segment; 0 if there are none.
     */
    uint64_t chunk_offset;
    /**
     * 1000 + index of the segment the frame lies in.
     */
    uint32_t buffer_context;
    /**
     * Width in pixels.
     */
    uint32_t width;
    /**
     * Height in pixels.
     */
    uint32_t height;
    /**
     * Bytes from row to row; 0 for packed formats whose rows do not begin on a byte.
     */
    uint32_t stride;
    /**
     * Where the image lies on the sensor.
     */
    uint32_t offset_x;
    /**
     * Where the image lies on the sensor.
     */
    uint32_t offset_y;
    /**
     * PFNC code: an fb_pixel_format, or one that is not listed there.
     */
    uint32_t pixel_format;
    /**
     * Frames lost between camera and broker since the frame before.
     */
    uint32_t lost_at_camera;
    /**
     * Raised by every change of a camera setting. A frame with the version of a change (fb_setting, fb_settings_change), or
     * a later one, was exposed after it: fb_frame_is_exposed_with. Up to three frames that arrive right after a change keep
     * the version before, none where the camera exposes for software triggers only.
     */
    uint32_t settings_version;
    /**
     * Whether every packet of the frame arrived.
     */
    bool is_complete;
} fb_frame_info;

/**
 * The terms of a subscription. Begin with FB_INIT(fb_subscribe_options): 0 stands for the default everywhere.
 */
typedef struct {
    /**
     * sizeof(fb_subscribe_options); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * An fb_policy: which frames come. Default: FB_POLICY_OF_STREAM.
     */
    uint32_t policy;
    /**
     * An fb_delivery: by which way frames come. Default: FB_DELIVERY_SHARED.
     */
    uint32_t delivery;
    /**
     * Frames that may be held at once, 1 to 64. Default: 2. Every hold costs the broker a segment.
     */
    uint32_t max_held;
    /**
     * An fb_start: with which frame it begins. Default: FB_START_NEXT.
     */
    uint32_t start;
    /**
     * An fb_wait_mode: how fb_subscription_next waits. Default: FB_WAIT_BLOCK.
     */
    uint32_t wait_mode;
    /**
     * Not 0: goes on with the next broker when this one dies or ends. Sequences and context IDs begin anew with each.
     */
    uint32_t reconnect;
    /**
     * For FB_WAIT_SPIN_THEN_BLOCK, in ns. Default: 50000.
     */
    uint64_t spin_ns;
    /**
     * For FB_WAIT_PREDICTIVE: looks so long before the next frame is due, in ns. Default: 150000.
     */
    uint64_t lead_ns;
    /**
     * For FB_WAIT_PREDICTIVE: sleeps again so long after, if the frame is late, in ns. Default: 100000.
     */
    uint64_t patience_ns;
} fb_subscribe_options;

/**
 * A subscription as it is now.
 */
typedef struct {
    /**
     * sizeof(fb_subscription_info); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * The stream's name.
     */
    char stream[FB_NAME_BYTES];
    /**
     * Frames received. received + lost + skipped is the number of frames published since the first the subscription could
     * have got, up to the one taken last.
     */
    uint64_t received;
    /**
     * Frames that were retired before they were taken.
     */
    uint64_t lost;
    /**
     * Frames passed over by policy.
     */
    uint64_t skipped;
    /**
     * How often it went on at another broker.
     */
    uint64_t reconnects;
    /**
     * Which run of a broker the frames come from.
     */
    uint64_t broker_id;
    /**
     * An fb_state.
     */
    uint32_t state;
    /**
     * The fb_policy in force: FB_POLICY_SEQUENTIAL after a demotion from FB_POLICY_LOSSLESS.
     */
    uint32_t policy;
    /**
     * An fb_delivery.
     */
    uint32_t delivery;
    /**
     * Frames that may be held at once.
     */
    uint32_t max_held;
    /**
     * Frames that are held now.
     */
    uint32_t held;
    /**
     * Whether the broker no longer waits for this lossless subscription: from then on it may lose frames.
     */
    bool is_demoted;
    /**
     * Why the camera is away; empty if it is not, or if nothing is known.
     */
    char offline_reason[FB_TEXT_BYTES];
    /**
     * Why the broker no longer waits; empty if it does.
     */
    char demotion_reason[FB_TEXT_BYTES];
} fb_subscription_info;

/**
 * The value of a feature. A part of other structures: it has no size of its own, and never grows.
 */
typedef struct {
    /**
     * The value of FB_VALUE_INTEGER; 1 or 0 of FB_VALUE_BOOLEAN; else 0.
     */
    int64_t integer;
    /**
     * The value of FB_VALUE_FLOAT; that of FB_VALUE_INTEGER as a floating-point number; else 0.
     */
    double number;
    /**
     * An fb_value_kind.
     */
    uint32_t kind;
    /**
     * Of every kind, as people write it: "true", "5000.5", "Mono8". fb_feature_set_text takes it. Empty for FB_VALUE_NONE.
     */
    char text[FB_VALUE_TEXT_BYTES];
} fb_value;

/**
 * News: somebody has set a feature of the stream, or executed a command that is no trigger.
 */
typedef struct {
    /**
     * sizeof(fb_settings_change); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * The settings version that began. Where it is not one more than in the news before, others were left out because they
     * were not read in time.
     */
    uint32_t version;
    /**
     * Which feature.
     */
    char feature[FB_FEATURE_BYTES];
    /**
     * Its value now; FB_VALUE_NONE for a command.
     */
    fb_value value;
    /**
     * Who has done it, for people.
     */
    char by[FB_TEXT_BYTES];
} fb_settings_change;

/**
 * A segment as it is mapped in this process, read-only: to register it with a GPU once, not frame by frame.
 */
typedef struct {
    /**
     * sizeof(fb_segment); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Where the mapping begins. It keeps its address while it is listed, and while a frame in it is held.
     */
    const uint8_t *address;
    /**
     * Bytes mapped.
     */
    size_t length;
    /**
     * 1000 + index of the segment, as in fb_frame_info.
     */
    uint32_t buffer_context;
    /**
     * Which object backs it: another one under the same buffer context has another number, and another address.
     */
    uint32_t backing;
} fb_segment;

/**
 * The address of a frame, which names it among the frames of all streams and brokers. Plain bytes of a fixed size: send it
 * through a pipe, keep it in shared memory. It has no size of its own, and never grows.
 */
typedef struct {
    /**
     * The run of the broker that the frame is of.
     */
    uint64_t broker_id;
    /**
     * Its context ID.
     */
    uint64_t context;
    /**
     * Its stream's name.
     */
    char stream[FB_NAME_BYTES];
} fb_frame_ref;

/**
 * What a camera sent with an image beside its pixels (SFNC: chunk data), as name and value.
 */
typedef struct {
    /**
     * sizeof(fb_chunk); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * FB_VALUE_TEXT: its characters, UTF-8, with no NUL behind them. FB_VALUE_BYTES: the bytes. NULL for other kinds and
     * where there are none. Read-only memory in the frame's segment, not a copy: valid until fb_frame_release.
     */
    const uint8_t *data;
    /**
     * How many bytes data has.
     */
    size_t data_bytes;
    /**
     * The value of FB_VALUE_INTEGER; 1 or 0 of FB_VALUE_BOOLEAN; else 0.
     */
    int64_t integer;
    /**
     * The value of FB_VALUE_FLOAT; that of FB_VALUE_INTEGER as a floating-point number; else 0.
     */
    double number;
    /**
     * An fb_value_kind.
     */
    uint32_t kind;
    /**
     * The feature's name: "ChunkExposureTime".
     */
    char name[FB_TEXT_BYTES];
} fb_chunk;

/**
 * A feature of a camera, by its name in the GenICam SFNC as far as the camera keeps to that, as it was when it was read.
 */
typedef struct {
    /**
     * sizeof(fb_feature_info); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * FB_FEATURE_INTEGER: the lowest value.
     */
    int64_t integer_min;
    /**
     * FB_FEATURE_INTEGER: the highest value.
     */
    int64_t integer_max;
    /**
     * FB_FEATURE_INTEGER: from one value to the next, at least 1.
     */
    int64_t integer_increment;
    /**
     * FB_FEATURE_FLOAT: the lowest value.
     */
    double float_min;
    /**
     * FB_FEATURE_FLOAT: the highest value.
     */
    double float_max;
    /**
     * FB_FEATURE_ENUMERATION: how many entries there are.
     */
    size_t entry_count;
    /**
     * An fb_feature_kind.
     */
    uint32_t kind;
    /**
     * An fb_access.
     */
    uint32_t access;
    /**
     * An fb_visibility.
     */
    uint32_t visibility;
    /**
     * Its name: "ExposureTime".
     */
    char name[FB_FEATURE_BYTES];
    /**
     * Its name for people; empty where the camera tells none.
     */
    char display_name[FB_TEXT_BYTES];
    /**
     * The unit of a number; empty for none.
     */
    char unit[FB_TEXT_BYTES];
    /**
     * What it is for; empty where the camera does not tell.
     */
    char description[FB_DESCRIPTION_BYTES];
    /**
     * Its value.
     */
    fb_value value;
} fb_feature_info;

/**
 * One of the values that an enumeration may have.
 */
typedef struct {
    /**
     * sizeof(fb_feature_entry); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Its name: "Mono8".
     */
    char name[FB_FEATURE_BYTES];
} fb_feature_entry;

/**
 * What came of setting a feature, or executing a command.
 */
typedef struct {
    /**
     * sizeof(fb_setting); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * The newest frame before the camera was asked; 0 before the first. What a trigger brings comes after it.
     */
    uint64_t head;
    /**
     * Frames with this settings_version (fb_frame_info), or a later one, were exposed after it was done: fb_subscription_next_with. A trigger
     * changes no setting: there it is the present one.
     */
    uint32_t version;
    /**
     * The value as the camera has it now: it may have rounded.
     */
    fb_value value;
} fb_setting;

/**
 * How frames are matched. Begin with FB_INIT(fb_sync_options); tolerance_ns is needed but for FB_SYNC_BLOCK_ID.
 */
typedef struct {
    /**
     * sizeof(fb_sync_options); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * How far apart the frames of a set may be, in ns. Should be below half the time between two frames: else a frame may be
     * matched with a neighbour's partner. 0 with FB_SYNC_BLOCK_ID, where numbers are the same or not.
     */
    uint64_t tolerance_ns;
    /**
     * How long the first frame of a set waits for the others, in ns. 0: 500000000.
     */
    uint64_t patience_ns;
    /**
     * An fb_sync_by. Default: FB_SYNC_ARRIVAL.
     */
    uint32_t by;
    /**
     * Not 0: a set in which a stream has no frame is handed out too. Default: it is given back and counted.
     */
    uint32_t deliver_incomplete;
} fb_sync_options;

/**
 * A set of frames.
 */
typedef struct {
    /**
     * sizeof(fb_set_info); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * How far apart its frames are, in ns: at most the tolerance, 0 where they are matched by block ID.
     */
    uint64_t skew_ns;
    /**
     * How many streams have a frame in it.
     */
    size_t frame_count;
    /**
     * Whether every stream has.
     */
    bool is_complete;
} fb_set_info;

/**
 * What was matched so far.
 */
typedef struct {
    /**
     * sizeof(fb_sync_stats); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Sets with a frame of every stream.
     */
    uint64_t complete;
    /**
     * Sets without: given back, or handed out, as was asked for.
     */
    uint64_t incomplete;
    /**
     * The mean skew of complete sets, in ns; 0 before the first.
     */
    uint64_t mean_skew_ns;
    /**
     * The largest skew of a complete set, in ns.
     */
    uint64_t max_skew_ns;
    /**
     * How many streams there are.
     */
    size_t stream_count;
} fb_sync_stats;

/**
 * What a producer says of its frames. Begin with FB_INIT(fb_produce_options); width, height and pixel_format are needed, 0
 * and NULL stand for the defaults of the rest.
 */
typedef struct {
    /**
     * sizeof(fb_produce_options); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Bytes of image and chunk data of the largest frame. Default: those of the image, where the pixel format is known.
     */
    uint64_t payload_bytes;
    /**
     * Nominal time between frames in ns, to be shown. Default: unknown.
     */
    uint64_t interval_ns;
    /**
     * Vendor and model of what the frames come from. Default: "producer".
     */
    const char *model;
    /**
     * Its serial number. Default: none.
     */
    const char *serial;
    /**
     * Width in pixels. Each frame carries its own geometry: this one is shown, and says how large segments must be.
     */
    uint32_t width;
    /**
     * Height in pixels.
     */
    uint32_t height;
    /**
     * PFNC code: an fb_pixel_format, or one that is not listed there.
     */
    uint32_t pixel_format;
    /**
     * Segments that are needed at all times so as to lose nothing; the broker grants no hold that would take one of them.
     * Default: 2, one to be filled while the next is awaited.
     */
    uint32_t min_queued;
    /**
     * Not 0: no segment can come once it has begun, as where a driver has all its buffers from the start. The ring then
     * cannot grow for new readers: start the broker with as many --segments as they will need.
     */
    uint32_t fixed_pool;
    /**
     * Not 0: frames can be delayed, as recorded ones can and those of a camera cannot; the ring may then wait for lossless
     * readers.
     */
    uint32_t can_pause;
} fb_produce_options;

/**
 * What is in a segment that was filled. Begin with FB_INIT(fb_frame_fill); width, height and pixel_format are needed, 0
 * stands for the default of the rest. Units: pixels, bytes, nanoseconds.
 */
typedef struct {
    /**
     * sizeof(fb_frame_fill); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Bytes of image, from the first byte of the segment on. Default: those of its rows, where the pixel format is known.
     */
    size_t image_bytes;
    /**
     * Bytes of chunk data directly behind the image. Default: none.
     */
    size_t chunk_bytes;
    /**
     * The camera's own clock. Default: it has none.
     */
    uint64_t camera_timestamp_ns;
    /**
     * The camera's block ID. Default: it has none.
     */
    uint64_t block_id;
    /**
     * Width in pixels.
     */
    uint32_t width;
    /**
     * Height in pixels.
     */
    uint32_t height;
    /**
     * PFNC code: an fb_pixel_format, or one that is not listed there.
     */
    uint32_t pixel_format;
    /**
     * Bytes from row to row. Default: rows have no padding.
     */
    uint32_t stride;
    /**
     * Where the image lies on the sensor.
     */
    uint32_t offset_x;
    /**
     * Where the image lies on the sensor.
     */
    uint32_t offset_y;
    /**
     * Frames known to be lost between camera and segment since the frame before.
     */
    uint32_t lost_at_camera;
    /**
     * Not 0: a part of the frame is missing. The broker counts it, and publishes it only with --publish-incomplete.
     */
    uint32_t is_incomplete;
} fb_frame_fill;

/**
 * A segment that is lent to a producer, as it is mapped in this process: to give a driver all of them at once.
 */
typedef struct {
    /**
     * sizeof(fb_lent_segment); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Where the mapping begins. It stays the same while it is listed, also when the segment is taken again; may be written
     * while the segment is taken, or kept and not published.
     */
    uint8_t *address;
    /**
     * Bytes mapped.
     */
    size_t length;
    /**
     * Its buffer context: 1000 + index of the segment.
     */
    uint32_t buffer_context;
    /**
     * Which object backs it: another one under the same buffer context has another number, and another address.
     */
    uint32_t backing;
} fb_lent_segment;

/**
 * Where a segment to be filled is.
 */
typedef struct {
    /**
     * sizeof(fb_blank_info); FB_INIT sets it.
     */
    size_t struct_size;
    /**
     * Its first byte, with what the last frame in it left: the image begins here, chunk data follow it directly. May be
     * written until the blank is published or dropped.
     */
    uint8_t *data;
    /**
     * Bytes that may be written: the payload_bytes of the producer.
     */
    size_t data_bytes;
    /**
     * Its buffer context: 1000 + segment.
     */
    uint32_t buffer_context;
    /**
     * Its index.
     */
    uint32_t segment;
} fb_blank_info;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The text that belongs to the last call in this thread that did not return FB_OK: what happened and what to do, in
 * English, UTF-8. Empty if there was none. It stays while calls in the same thread return FB_OK, and is valid until the next one that
 * does not: fb_error_copy keeps it longer. Do not free it. Thread-safe.
 */
const char *fb_last_error(void);

/**
 * Copies the text of fb_last_error to buffer, at most capacity bytes with its NUL; a text that is too long is cut between
 * characters. Returns how many bytes the whole text takes, with its NUL. buffer may be NULL where capacity is 0. Changes nothing
 * else. Thread-safe.
 */
size_t fb_error_copy(char *buffer,
                     size_t capacity);

/**
 * The name of a status, as "FB_ERROR_FULL"; "unknown" for a number that is none. Static: do not free it. Thread-safe.
 */
const char *fb_status_name(int32_t status);

/**
 * The version of this library, as "0.1.0". Compare with FB_VERSION, the header's. Static: do not free it. Thread-safe.
 */
const char *fb_version(void);

/**
 * Connects to a broker.
 *
 * options may be NULL. The new handle is put to *broker, NULL if the call fails, and belongs to the caller, who closes it
 * with fb_broker_close. Thread-safe, as all functions on brokers are: several threads may use one, and take turns.
 *
 * When the broker has ended, the next question goes to the one that is there then: fb_broker_describe tells which. What belonged
 * to the connection, as sole control of a camera, is gone with the broker that gave it.
 *
 * FB_ERROR_NO_BROKER, FB_ERROR_FORBIDDEN, FB_ERROR_REFUSED, FB_ERROR_PROTOCOL, FB_ERROR_SYSTEM.
 */
fb_status fb_broker_connect(const fb_connect_options *options,
                            fb_broker **broker);

/**
 * Closes a connection. Its subscriptions and their frames have connections of their own, and go on. A call on it that
 * another thread is in ends as usual.
 *
 * FB_ERROR_HANDLE, FB_ERROR_FORKED.
 */
fb_status fb_broker_close(fb_broker *broker);

/**
 * Triggers a camera (TriggerSoftware) and waits for its frame, at most timeout_ms from then on: the first that comes after the
 * trigger. The camera waits for triggers: its TriggerMode is On, its TriggerSource Software. The connection was made with control.
 *
 * Subscribes to the stream when it is first called, on a connection that is kept until fb_broker_close, for two frames: one may be
 * held while the next is waited for. Threads that trigger the same camera take turns.
 *
 * FB_TIMEOUT: no frame came, as where the camera ignored the trigger. FB_ERROR_FULL: release one of two. Else as
 * fb_feature_execute, fb_subscribe and fb_subscription_next.
 */
fb_status fb_broker_trigger(fb_broker *broker,
                            const char *stream,
                            int64_t timeout_ms,
                            fb_frame **frame);

/**
 * Tells to whom this is a connection.
 *
 * FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_broker_describe(fb_broker *broker, fb_broker_info *info);

/**
 * Asks whether the broker is still there. round_trip_ns, which may be NULL, gets how long the answer took.
 *
 * FB_ERROR_HANDLE, FB_ERROR_FORKED, FB_ERROR_BROKER_GONE, FB_ERROR_NO_ANSWER, FB_ERROR_PROTOCOL, FB_ERROR_CONNECTION.
 */
fb_status fb_broker_ping(fb_broker *broker, uint64_t *round_trip_ns);

/**
 * Lists the streams.
 *
 * Fills at most capacity elements of streams, of which the first must have its struct_size set: it counts for all. *count
 * gets how many streams there are, which may be more. With a capacity of 0, streams may be NULL.
 *
 * As fb_broker_ping, and FB_ERROR_ARGUMENT.
 */
fb_status fb_broker_streams(fb_broker *broker,
                            fb_stream_info *streams,
                            size_t capacity,
                            size_t *count);

/**
 * Figures of all streams, as the broker counts them. Arguments and errors as those of fb_broker_streams.
 */
fb_status fb_broker_stats(fb_broker *broker, fb_stream_stats *stats, size_t capacity, size_t *count);

/**
 * What each segment of a stream is doing, and who holds it for how long, by index. Other arguments and errors as those of
 * fb_broker_streams; FB_ERROR_UNKNOWN_STREAM.
 */
fb_status fb_broker_segments(fb_broker *broker,
                             const char *stream,
                             fb_segment_stats *segments,
                             size_t capacity,
                             size_t *count);

/**
 * All connections to the broker, this one among them. Arguments and errors as those of fb_broker_streams.
 */
fb_status fb_broker_clients(fb_broker *broker, fb_client_stats *clients, size_t capacity, size_t *count);

/**
 * The subscriptions of all clients. Arguments and errors as those of fb_broker_streams.
 */
fb_status fb_broker_subscriptions(fb_broker *broker,
                                  fb_subscription_stats *subscriptions,
                                  size_t capacity,
                                  size_t *count);

/**
 * Tells all that is known about a frame, and where its bytes are.
 *
 * Thread-safe, as all functions on frames are: a frame may be passed to other threads, read by several at once, and
 * released by any. It outlives its subscription, the connection, and the broker.
 *
 * FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_frame_describe(fb_frame *frame, fb_frame_info *info);

/**
 * The bytes of the image, without the rest. *data is read-only memory, in which the camera's driver put them: writing there
 * is a segmentation fault. Valid until fb_frame_release.
 *
 * FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_frame_data(fb_frame *frame,
                        const uint8_t **data,
                        size_t *data_bytes);

/**
 * A row of the image, row 0 being the uppermost: its pixels, without the padding between it and the next. Read-only and valid as
 * fb_frame_data.
 *
 * FB_ERROR_ARGUMENT: the image has no such row, or its rows do not begin on a byte (its stride is 0), or the size of its pixel
 * format is not known. FB_ERROR_HANDLE, FB_ERROR_FORKED.
 */
fb_status fb_frame_row(fb_frame *frame,
                       uint32_t y,
                       const uint8_t **row,
                       size_t *row_bytes);

/**
 * The chunk data that the camera sent behind the image: NULL and 0 if it sent none. Read-only and valid as fb_frame_data.
 *
 * FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_frame_chunk(fb_frame *frame,
                         const uint8_t **chunk,
                         size_t *chunk_bytes);

/**
 * Whether a frame was exposed with a setting, or with a later one: version is that of an fb_setting or an fb_settings_change. Where
 * that is not known, as of a frame that was under way when the camera was set, it is false.
 *
 * FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_frame_is_exposed_with(fb_frame *frame,
                                   uint32_t version,
                                   bool *is_exposed_with);

/**
 * Gives a frame back: from now on its segment may be filled again, and no pointer to its bytes may be used. Any thread may
 * call it, once.
 *
 * FB_ERROR_HANDLE if it was released before; nothing happens then. FB_ERROR_FORKED in a forked child: the frame is its
 * parent's.
 */
fb_status fb_frame_release(fb_frame *frame);

/**
 * Subscribes to a stream by its name ("cam0"), on a connection of its own. May take as long as the broker needs to allocate
 * segments, at most 30 s.
 *
 * options may be NULL. The new handle is put to *subscription, NULL if the call fails, and belongs to the caller, who closes
 * it with fb_subscription_close.
 *
 * A subscription is for one thread at a time; it need not always be the same. A call while another thread is in one
 * returns FB_ERROR_BUSY and does nothing.
 *
 * FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED, FB_ERROR_NO_BROKER, FB_ERROR_UNKNOWN_STREAM, FB_ERROR_NOT_ADMITTED,
 * FB_ERROR_CLOSED, FB_ERROR_REFUSED, FB_ERROR_NO_ANSWER, FB_ERROR_MEMORY, FB_ERROR_SYSTEM.
 */
fb_status fb_subscribe(fb_broker *broker,
                       const char *stream,
                       const fb_subscribe_options *options,
                       fb_subscription **subscription);

/**
 * Ends a subscription. Frames that are held stay valid until they are released, and only then does the broker count them
 * as given back. To stop a thread that waits in fb_subscription_next, let it wait with a time limit, and tell it by a variable of your
 * own.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_FORKED.
 */
fb_status fb_subscription_close(fb_subscription *subscription);

/**
 * Waits for the next frame of the policy, at most timeout_ms: 0 does not wait, FB_FOREVER waits as long as it takes.
 *
 * The frame is put to *frame, NULL if the call does not return FB_OK, and belongs to the caller, who gives it back with
 * fb_frame_release. Frames that were published before a stream ended or a broker died come before the error does.
 *
 * FB_TIMEOUT: call again. FB_ERROR_FULL: release a frame. FB_ERROR_PROTOCOL may be about one frame: call again. For good:
 * FB_ERROR_CLOSED, FB_ERROR_EVICTED, FB_ERROR_BROKER_GONE (not with reconnect), FB_ERROR_REFUSED, FB_ERROR_CONNECTION,
 * FB_ERROR_MEMORY. Also FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_subscription_next(fb_subscription *subscription,
                               int64_t timeout_ms,
                               fb_frame **frame);

/**
 * Waits for the next frame that was exposed with a setting or with a later one, as fb_subscription_next does, and passes over those before it.
 * version is that of the setting: of an fb_setting or an fb_settings_change.
 *
 * Where the camera waits for triggers, trigger it after it was set and before this is called. Of a camera that runs freely or is
 * triggered by hardware up to three frames after a setting are passed over: they may have been exposed before it.
 *
 * Errors as those of fb_subscription_next; the text of FB_TIMEOUT tells how far it came.
 */
fb_status fb_subscription_next_with(fb_subscription *subscription,
                                    uint32_t version,
                                    int64_t timeout_ms,
                                    fb_frame **frame);

/**
 * The next frame of the policy if there is one now, as fb_subscription_next gives it. Else FB_EMPTY, and the descriptor becomes readable
 * with the next news: see fb_subscription_fd.
 *
 * Never waits, with one exception: with reconnect, while the broker is gone, an attempt to join the next one may take up to
 * a second. With FB_POLICY_UPCOMING a frame counts as upcoming if it was published after a call that gave FB_EMPTY.
 *
 * Errors as those of fb_subscription_next.
 */
fb_status fb_subscription_try_next(fb_subscription *subscription,
                                   fb_frame **frame);

/**
 * Holds the frame of a context ID, whatever the policy, as fb_subscription_next gives it. Neither the order of other frames nor the
 * counters change. Waits for the broker where it must: with FB_DELIVERY_SOCKET always, else only if the segment is new.
 *
 * That the number is of this stream and this run of the broker nobody can check: if it is not, it may name another frame here.
 * Use fb_subscription_acquire_ref for what comes from other processes.
 *
 * FB_ERROR_GONE if it was retired or never existed; else as fb_subscription_next.
 */
fb_status fb_subscription_acquire(fb_subscription *subscription,
                                  uint64_t context,
                                  fb_frame **frame);

/**
 * A descriptor for poll, select or epoll (level-triggered). It is readable whenever fb_subscription_try_next may have something to say:
 * a frame, or an error. When it is, call fb_subscription_try_next until it gives FB_EMPTY; no frame is missed in between. It is readable
 * from the start, and the same for the life of the subscription, over reconnections too.
 *
 * It belongs to the subscription: do not read from it, do not close it, and do not use it after fb_subscription_close.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_subscription_fd(fb_subscription *subscription,
                             int *fd);

/**
 * Tells how a subscription is: counters, state, terms. News are heard by fb_subscription_next and fb_subscription_try_next.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_subscription_describe(fb_subscription *subscription,
                                   fb_subscription_info *info);

/**
 * Tells what the stream was when the subscription began, or went on at another broker.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_subscription_stream(fb_subscription *subscription, fb_stream_info *info);

/**
 * What somebody has changed in the camera's settings: the oldest news not asked for yet, FB_EMPTY if there are none. They are
 * heard by fb_subscription_next and fb_subscription_try_next, at least five times a second; the newest 64 are kept. Never waits.
 *
 * Frames need no such news: each has its own geometry and settings_version.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_subscription_next_change(fb_subscription *subscription,
                                      fb_settings_change *change);

/**
 * Lists the segments that are mapped in this process, by index. Segments come and go while a stream runs: where a frame
 * lies in one that is not registered yet (its buffer_context and address tell), list them again.
 *
 * Fills at most capacity elements of segments, of which the first must have its struct_size set: it counts for all. *count
 * gets how many there are, which may be more. With a capacity of 0, segments may be NULL.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_subscription_segments(fb_subscription *subscription,
                                   fb_segment *segments,
                                   size_t capacity,
                                   size_t *count);

/**
 * A frame's address: what to hand to other threads and processes, which get this frame by it (fb_broker_acquire,
 * fb_subscription_acquire_ref) or an error, never another one. The frame must stay held until they have it, or it may be gone.
 *
 * FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_frame_reference(fb_frame *frame,
                             fb_frame_ref *address);

/**
 * An address as a text, "BROKER/STREAM/CONTEXT", with its NUL. FB_FRAME_REF_TEXT_BYTES are enough for any.
 *
 * FB_ERROR_ARGUMENT where capacity is too small, or it is no address.
 */
fb_status fb_frame_ref_to_text(const fb_frame_ref *address, char *text, size_t capacity);

/**
 * The address that a text says, as fb_frame_ref_to_text, other languages and `str()` of Python give it.
 *
 * FB_ERROR_ARGUMENT.
 */
fb_status fb_frame_ref_from_text(const char *text, fb_frame_ref *address);

/**
 * Holds the frame of an address, as fb_subscription_acquire does, and checks it: FB_ERROR_GONE if it was retired, never existed, or is of
 * another run of the broker; FB_ERROR_OTHER_STREAM if it is of another stream than the subscription. Else as fb_subscription_next.
 */
fb_status fb_subscription_acquire_ref(fb_subscription *subscription,
                                      const fb_frame_ref *address,
                                      fb_frame **frame);

/**
 * Holds the frame of an address, of whatever stream: no subscription is needed. Subscribes behind the scenes when a frame of a
 * stream is first asked for, on a connection that is kept until fb_broker_close; then, and where the broker was started anew, it
 * may take as long as fb_subscribe. Thread-safe. max_acquired of the fb_connect_options says how many frames of a stream may be
 * held so.
 *
 * FB_ERROR_GONE if it was retired, never existed, or is of another run of the broker. FB_ERROR_FULL: release one. Else as
 * fb_subscribe and fb_subscription_next.
 */
fb_status fb_broker_acquire(fb_broker *broker,
                            const fb_frame_ref *address,
                            fb_frame **frame);

/**
 * How many chunks a frame has by name: 0 if the camera sent none, and if they are in the camera's own form, which
 * fb_frame_chunk shows. Which sources send a list of them, the broker's README tells.
 *
 * FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_frame_chunk_count(fb_frame *frame, size_t *count);

/**
 * One chunk of a frame by its place, 0 to the count of fb_frame_chunk_count - 1, in the camera's order. Nothing is allocated,
 * and the bytes of texts are not copied: they are valid until fb_frame_release.
 *
 * FB_ERROR_NO_CHUNK, FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_frame_chunk_at(fb_frame *frame,
                            size_t index,
                            fb_chunk *chunk);

/**
 * One chunk of a frame by its name, as "ChunkExposureTime". As fb_frame_chunk_at.
 */
fb_status fb_frame_chunk_named(fb_frame *frame, const char *name, fb_chunk *chunk);

/**
 * Reads a feature of a stream's source, as it is now. Every connection may. The camera is given 4 s to answer.
 *
 * FB_ERROR_UNKNOWN_FEATURE, FB_ERROR_UNKNOWN_STREAM, FB_ERROR_CAMERA_FAILED, FB_ERROR_ARGUMENT (also for a name that none can
 * have), FB_ERROR_HANDLE, FB_ERROR_FORKED, FB_ERROR_REFUSED, FB_ERROR_BROKER_GONE, FB_ERROR_NO_ANSWER, FB_ERROR_PROTOCOL,
 * FB_ERROR_CONNECTION.
 */
fb_status fb_feature_read(fb_broker *broker,
                          const char *stream,
                          const char *feature,
                          fb_feature_info *info);

/**
 * Lists the values that an enumeration may have now.
 *
 * Fills at most capacity elements of entries, of which the first must have its struct_size set: it counts for all. *count
 * gets how many there are, at most 256, and 0 for a feature that is no enumeration. With a capacity of 0, entries may be
 * NULL.
 *
 * Errors as those of fb_feature_read.
 */
fb_status fb_feature_entries(fb_broker *broker,
                             const char *stream,
                             const char *feature,
                             fb_feature_entry *entries,
                             size_t capacity,
                             size_t *count);

/**
 * Sets a feature to a whole number, an integer's or a float's, and reads it. The connection must have been made with control
 * (fb_connect_options). Where that changes the size of frames, the stream pauses for a moment; its readers need do nothing.
 *
 * setting may be NULL.
 *
 * FB_ERROR_FORBIDDEN, FB_ERROR_NOT_ACCESSIBLE, FB_ERROR_CONTROLLED; FB_ERROR_ARGUMENT: of another kind, or out of its range,
 * the text says what would do. Else as fb_feature_read. After FB_ERROR_CAMERA_FAILED or FB_ERROR_NO_ANSWER it may have been
 * set or not.
 */
fb_status fb_feature_set_integer(fb_broker *broker,
                                 const char *stream,
                                 const char *feature,
                                 int64_t value,
                                 fb_setting *setting);

/**
 * Sets a feature of the kind float. As fb_feature_set_integer.
 */
fb_status fb_feature_set_float(fb_broker *broker,
                               const char *stream,
                               const char *feature,
                               double value,
                               fb_setting *setting);

/**
 * Sets a feature of the kind boolean: 0 is false, all else true. As fb_feature_set_integer.
 */
fb_status fb_feature_set_boolean(fb_broker *broker,
                                 const char *stream,
                                 const char *feature,
                                 int32_t value,
                                 fb_setting *setting);

/**
 * Sets a feature of any kind but a command to a text, which the broker reads by the feature's kind, as people write such
 * values: "0x10", "62.5", "on", "Mono8". As fb_feature_set_integer.
 */
fb_status fb_feature_set_text(fb_broker *broker,
                              const char *stream,
                              const char *feature,
                              const char *value,
                              fb_setting *setting);

/**
 * Executes a command. setting may be NULL; its value is FB_VALUE_NONE. Errors as those of fb_feature_set_integer.
 */
fb_status fb_feature_execute(fb_broker *broker, const char *stream, const char *command, fb_setting *setting);

/**
 * Takes sole control of a stream's settings: others can read them, and are told who has it when they set one. It ends with
 * fb_control_give or fb_broker_close. Who has it may take it again.
 *
 * FB_ERROR_CONTROLLED, FB_ERROR_FORBIDDEN; else as fb_broker_ping, FB_ERROR_ARGUMENT and FB_ERROR_UNKNOWN_STREAM.
 */
fb_status fb_control_take(fb_broker *broker,
                          const char *stream);

/**
 * Gives sole control back. Errors as those of fb_control_take.
 */
fb_status fb_control_give(fb_broker *broker, const char *stream);

/**
 * Reads all features of a stream's source, in the camera's order, as they are now; none where it has none. A real camera has
 * hundreds, which takes seconds.
 *
 * The list is put to *features, NULL if the call fails, and belongs to the caller, who ends it with fb_features_close. It
 * does not change, and outlives the connection. *count gets how many features it has. Thread-safe, as all functions on
 * lists of features are.
 *
 * Errors as those of fb_feature_read.
 */
fb_status fb_features_read(fb_broker *broker,
                           const char *stream,
                           fb_features **features,
                           size_t *count);

/**
 * Tells of one feature of a list, 0 to count - 1.
 *
 * FB_ERROR_ARGUMENT, FB_ERROR_HANDLE, FB_ERROR_FORKED.
 */
fb_status fb_features_at(fb_features *features, size_t index, fb_feature_info *info);

/**
 * Lists the values that an enumeration of a list may have. Arguments as those of fb_features_at and fb_feature_entries, errors
 * as those of fb_features_at.
 */
fb_status fb_features_entries(fb_features *features,
                              size_t index,
                              fb_feature_entry *entries,
                              size_t capacity,
                              size_t *count);

/**
 * Ends a list of features.
 *
 * FB_ERROR_HANDLE, FB_ERROR_FORKED.
 */
fb_status fb_features_close(fb_features *features);

/**
 * Joins count subscriptions, each with terms of its own, so that their frames come in sets that belong together. They may be
 * of several brokers, not twice the same.
 *
 * Takes the subscriptions over: their handles are no longer valid if the call returns FB_OK, and fb_synced_close ends them.
 * If it fails they stay the caller's, as they were. Frames that are held already stay the caller's. The new handle is put to
 * *synced, NULL if the call fails. It is for one thread at a time.
 *
 * Memory: a stream that is ahead waits with its frames held, and holds no more than its subscription may. Take max_held as
 * large as the number of frames by which the streams may be apart, plus those of the sets you keep. Where a stream can hold
 * no more, of the frames that wait all but the last are given up, as incomplete sets. So a stream that stalls delays the others
 * by no more than they can hold or the patience, and one that is offline or has ended not at all. FB_POLICY_SEQUENTIAL usually
 * fits.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY (another thread is in a call on one of them), FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_synchronise(fb_subscription *const *subscriptions,
                         size_t count,
                         const fb_sync_options *options,
                         fb_synced **synced);

/**
 * Ends a synced subscription and the subscriptions in it. Frames that are held stay valid until they are released.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_FORKED.
 */
fb_status fb_synced_close(fb_synced *synced);

/**
 * Waits for the next set, at most timeout_ms: 0 does not wait, FB_FOREVER waits as long as it takes. The frames of each
 * stream come in order.
 *
 * frames is an array of capacity places, at least one for each subscription. In the order of the subscriptions, each gets that
 * stream's frame, or NULL where the set is incomplete; NULL too if the call does not return FB_OK. The frames are like those
 * of fb_subscription_next: each belongs to the caller, who gives them back one by one with fb_frame_release, when and in whatever order
 * fits, or together with fb_frames_release. info may be NULL.
 *
 * FB_TIMEOUT: call again. FB_ERROR_FULL: the caller holds all the frames that a stream may have; release a set, or subscribe
 * with a larger max_held. FB_ERROR_NOT_COMPARABLE: a camera has no time or block ID of its own. FB_ERROR_CLOSED or
 * FB_ERROR_EVICTED when all streams have ended and the last set was handed out. Else as fb_subscription_next, of the first stream that has
 * it.
 */
fb_status fb_synced_next(fb_synced *synced,
                         int64_t timeout_ms,
                         fb_frame **frames,
                         size_t capacity,
                         fb_set_info *info);

/**
 * The next set if there is one now, as fb_synced_next gives it; else FB_EMPTY. Never waits, but as fb_subscription_try_next does.
 *
 * Errors as those of fb_synced_next.
 */
fb_status fb_synced_try_next(fb_synced *synced,
                             fb_frame **frames,
                             size_t capacity,
                             fb_set_info *info);

/**
 * What to wait for after fb_synced_try_next gave FB_EMPTY, in a poll loop of your own: until one of the descriptors is readable
 * (level-triggered), or timeout_ms has gone by, since a set is also decided when the patience is over. Then call
 * fb_synced_try_next until it gives FB_EMPTY, and ask here again: which descriptors there are changes.
 *
 * Fills at most capacity elements of fds; *count gets how many there are, which is never more than there are streams. They
 * belong to the synced subscription: do not read from them, do not close them, and do not use them after fb_synced_close.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_synced_poll(fb_synced *synced,
                         int *fds,
                         size_t capacity,
                         size_t *count,
                         int *timeout_ms);

/**
 * What somebody has changed in the settings of one of the cameras, by its place in the order of the subscriptions, as
 * fb_subscription_next_change tells it. News are heard by fb_synced_next and fb_synced_try_next.
 *
 * FB_EMPTY. FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_synced_next_change(fb_synced *synced, size_t index, fb_settings_change *change);

/**
 * Gives the frames of an array back, such as those of a set. Places with NULL are passed over, and all are NULL afterwards.
 *
 * FB_ERROR_HANDLE if one was released before; the others are given back nevertheless. FB_ERROR_ARGUMENT. FB_ERROR_FORKED in
 * a forked child: the frames are its parent's.
 */
fb_status fb_frames_release(fb_frame **frames,
                            size_t count);

/**
 * Figures of what was matched so far.
 *
 * unmatched gets, for at most capacity streams in the order of the subscriptions, how many frames are in no complete set.
 * With a capacity of 0 it may be NULL.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_synced_stats(fb_synced *synced,
                          fb_sync_stats *stats,
                          uint64_t *unmatched,
                          size_t capacity);

/**
 * Tells how one of the subscriptions is, by its place in their order, as fb_subscription_describe does.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_synced_describe(fb_synced *synced, size_t index, fb_subscription_info *info);

/**
 * Becomes the producer of a stream, by its name ("cam0"), on a connection of its own: fills its segments in place of a
 * camera of the broker's, which was started with --source producer. A stream has one producer at a time. Returns when every
 * segment is mapped and frames can be published, which may take as long as the broker needs to allocate segments, at most
 * 30 s.
 *
 * The new handle is put to *producer, NULL if the call fails, and belongs to the caller, who closes it with
 * fb_producer_close. A thread of the library hears the broker and maps the segments that come as the ring grows. What is
 * done per frame costs no system call, but for one that wakes the broker where it sleeps.
 *
 * A producer is for one thread at a time; it need not always be the same. A call while another thread is in one returns
 * FB_ERROR_BUSY and does nothing.
 *
 * FB_ERROR_HANDLE, FB_ERROR_ARGUMENT (also where the stream has another source), FB_ERROR_FORKED, FB_ERROR_NO_BROKER,
 * FB_ERROR_FORBIDDEN (the broker's --allow-uid UID:producer lets another user produce), FB_ERROR_HAS_PRODUCER,
 * FB_ERROR_UNKNOWN_STREAM, FB_ERROR_NOT_ADMITTED, FB_ERROR_CLOSED, FB_ERROR_REFUSED, FB_ERROR_NO_ANSWER, FB_ERROR_MEMORY,
 * FB_ERROR_SYSTEM.
 */
fb_status fb_produce(fb_broker *broker,
                     const char *stream,
                     const fb_produce_options *options,
                     fb_producer **producer);

/**
 * Ends a producer: what was published is still shown, and the stream's readers wait for the next producer. Blanks that live
 * cannot be published any more (FB_ERROR_STOPPED); their memory stays valid until they are dropped. That of segments that
 * were kept does not: see to it that no driver writes them any more.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_FORKED.
 */
fb_status fb_producer_close(fb_producer *producer);

/**
 * Waits for a segment to fill, at most timeout_ms: 0 does not wait, FB_FOREVER waits as long as it takes.
 *
 * The blank is put to *blank, NULL if the call does not return FB_OK, and belongs to the caller, who ends it with
 * fb_blank_publish, fb_blank_keep or fb_blank_drop. Several may be had at once, and ended in any order and in any thread.
 *
 * FB_TIMEOUT: readers may hold all segments; call again. For good: FB_ERROR_CLOSED, FB_ERROR_REFUSED (the broker has
 * disconnected this producer; the text says why), FB_ERROR_BROKER_GONE, FB_ERROR_PROTOCOL, FB_ERROR_MEMORY,
 * FB_ERROR_CONNECTION. Also FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_producer_take(fb_producer *producer,
                           int64_t timeout_ms,
                           fb_blank **blank);

/**
 * A segment to fill if there is one now, as fb_producer_take gives it; else FB_EMPTY. Never waits.
 *
 * Errors as those of fb_producer_take.
 */
fb_status fb_producer_try_take(fb_producer *producer, fb_blank **blank);

/**
 * Publishes the segment of a buffer context, which was taken and kept (fb_blank_keep) and has been filled by its address. It
 * comes back by fb_producer_take, under the same buffer context.
 *
 * A driver with a fixed pool of buffers goes like this. Say fixed_pool. Take every segment with fb_producer_try_take, until
 * FB_EMPTY; keep each, and give its address and buffer context to the driver. When the driver says that a buffer is filled,
 * publish its context. Now and then fb_producer_try_take; keep what comes, and let the driver have it again. A driver that tells of
 * filled buffers in a thread of its own while another one waits in fb_producer_take had better have the blanks beside their contexts:
 * fb_blank_publish is for any thread.
 *
 * FB_ERROR_NOT_KEPT; FB_ERROR_ARGUMENT: fill cannot be true of the segment, which stays kept. FB_ERROR_STOPPED: see
 * fb_producer_check. Also FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_FORKED.
 */
fb_status fb_producer_publish(fb_producer *producer,
                              uint32_t buffer_context,
                              const fb_frame_fill *fill);

/**
 * Whether the broker still takes what is filled: FB_OK, or else why not, as fb_producer_take would say for good. Never waits.
 *
 * Also FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_FORKED.
 */
fb_status fb_producer_check(fb_producer *producer);

/**
 * Says that the frames change: to another geometry, or a size that needs other segments. Frames of another geometry that
 * fit in the segments need not be told. Nothing may be taken or kept meanwhile. The stream stays live, and its readers notice
 * nothing but the new frames; addresses of segments may be others afterwards.
 *
 * What is 0 or NULL in options stays as it is, all three of width, height and pixel_format or none of them; so does
 * payload_bytes where it was said, and else it follows the geometry. Takes as long as fb_produce.
 *
 * FB_ERROR_FILLING; else as fb_produce. If the broker refuses, the producer goes on as before.
 */
fb_status fb_producer_change(fb_producer *producer,
                             const fb_produce_options *options);

/**
 * The sequence that the first frame got, or the first after the last change. Those that follow are numbered without a gap,
 * but for incomplete ones that the broker does not publish.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_producer_first_sequence(fb_producer *producer,
                                     uint64_t *sequence);

/**
 * Lists every segment that is lent to the producer now or will be again, by index.
 *
 * Fills at most capacity elements of segments, of which the first must have its struct_size set: it counts for all. *count
 * gets how many there are, which may be more. With a capacity of 0, segments may be NULL.
 *
 * FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_producer_segments(fb_producer *producer,
                               fb_lent_segment *segments,
                               size_t capacity,
                               size_t *count);

/**
 * Tells where a segment to be filled is, and which.
 *
 * Thread-safe, as all functions on blanks are. A blank outlives its producer, but cannot be published then.
 *
 * FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
 */
fb_status fb_blank_describe(fb_blank *blank, fb_blank_info *info);

/**
 * Makes a filled segment a frame: from now on no pointer to it may be written, until it is taken again. Ends the blank.
 *
 * FB_ERROR_ARGUMENT: fill cannot be true of the segment; the text says why, and the blank stays. FB_ERROR_STOPPED: the
 * broker takes nothing more, or the producer was closed; the blank has ended. FB_ERROR_HANDLE, FB_ERROR_FORKED.
 */
fb_status fb_blank_publish(fb_blank *blank, const fb_frame_fill *fill);

/**
 * Leaves a segment to whoever fills it by its address, such as a driver. fb_producer_publish makes it a frame, named by its
 * buffer context. Ends the blank: its memory may be written until the segment is published, and stays mapped until then,
 * unless the producer is closed.
 *
 * FB_ERROR_HANDLE, FB_ERROR_FORKED.
 */
fb_status fb_blank_keep(fb_blank *blank);

/**
 * Gives a segment up unfilled: the next fb_producer_take brings it again. Ends the blank.
 *
 * FB_ERROR_HANDLE, FB_ERROR_FORKED.
 */
fb_status fb_blank_drop(fb_blank *blank);

/**
 * The PFNC name of a pixel format, as "Mono8"; NULL if the code is not in fb_pixel_format. Static: do not free it.
 * Thread-safe.
 */
const char *fb_pixel_format_name(uint32_t code);

/**
 * The code of a PFNC name, in upper or lower case; 0 if it is none of fb_pixel_format, or NULL. Thread-safe.
 */
uint32_t fb_pixel_format_from_name(const char *name);

/**
 * Bits that a pixel takes in memory, padding included: 8 for Mono8, 16 for Mono12, 12 for Mono12p. Of any code, since the
 * code says it; 0 where it does not. Thread-safe.
 */
uint32_t fb_pixel_format_bits(uint32_t code);

/**
 * Bytes of an image without padding between its rows, the last byte rounded up. 0 if the code does not say how large a
 * pixel is, or the image would not fit into the address space. Thread-safe.
 */
size_t fb_pixel_format_image_bytes(uint32_t code, uint32_t width, uint32_t height);

/**
 * The name of an fb_policy, as "latest"; "unknown" for a number that is none. Static: do not free it. Thread-safe.
 */
const char *fb_policy_name(uint32_t policy);

/**
 * The name of an fb_state, as "live"; "unknown" for a number that is none. Static: do not free it. Thread-safe.
 */
const char *fb_state_name(uint32_t state);

/**
 * The name of an fb_access, as "read-write"; "unknown" for a number that is none. Static: do not free it. Thread-safe.
 */
const char *fb_access_name(uint32_t access);

/**
 * The name of an fb_feature_kind, as "integer"; "unknown" for a number that is none. Static: do not free it. Thread-safe.
 */
const char *fb_feature_kind_name(uint32_t kind);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FRAMEBROKER_H */
