/* What pylon-cxx lacks, as C functions: a buffer factory over the broker's segments, grab results that are kept, chunk
 * data, and features for other threads. ffi/sys.rs declares the same for Rust.
 *
 * No function lets a C++ exception out. Those that can fail return false (or -1) and fill in the failure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

    struct fb_failure
    {
        uint32_t is_refusal; /* the camera is well and says no: not this value, or not now */
        char text[1024];     /* UTF-8 with a final zero */
    };

    /* One camera. Not for more than one thread at a time, but for what pylon's own threads call, and for functions on
     * features: those read no field but `instant`, which stays as it was made, and node maps, which lock themselves. */
    struct fb_camera;

    /* What is known of a grab result. */
    struct fb_frame
    {
        uint32_t index; /* segment index: buffer context - 1000 */
        uint32_t succeeded;
        uint32_t error_code;
        uint32_t is_image;
        uint32_t has_chunks;
        uint32_t pixel_type;
        uint32_t width;
        uint32_t height;
        uint32_t offset_x;
        uint32_t offset_y;
        uint64_t stride; /* 0: not known */
        uint64_t image_bytes;
        uint64_t payload_bytes;
        uint64_t block_id;
        uint64_t ticks;
        char error_text[256];
    };

    enum fb_chunk_type
    {
        FB_CHUNK_INTEGER = 0,
        FB_CHUNK_FLOAT = 1,
        FB_CHUNK_BOOLEAN = 2,
        FB_CHUNK_TEXT = 3
    };

    /* A value that the camera sent with an image. */
    struct fb_chunk
    {
        const char* name; /* valid until the camera starts again */
        uint32_t type;
        uint32_t text_bytes;
        int64_t integer; /* of a boolean 0 or 1 */
        double number;
        char text[256];
    };

    enum fb_map
    {
        FB_MAP_CAMERA = 0,
        FB_MAP_STREAM = 1
    };

    enum fb_access
    {
        FB_ACCESS_MISSING = 0,
        FB_ACCESS_UNAVAILABLE = 1,
        FB_ACCESS_READ_ONLY = 2,
        FB_ACCESS_READ_WRITE = 3,
        FB_ACCESS_WRITE_ONLY = 4,
        FB_ACCESS_LOCKED = 5 /* read-only while other features have the values they have */
    };

    enum fb_visibility
    {
        FB_VISIBILITY_UNKNOWN = 0,
        FB_VISIBILITY_BEGINNER = 1,
        FB_VISIBILITY_EXPERT = 2,
        FB_VISIBILITY_GURU = 3,
        FB_VISIBILITY_INVISIBLE = 4
    };

    enum fb_kind
    {
        FB_KIND_OTHER = 0,
        FB_KIND_INTEGER = 1,
        FB_KIND_FLOAT = 2,
        FB_KIND_BOOLEAN = 3,
        FB_KIND_ENUMERATION = 4,
        FB_KIND_TEXT = 5,
        FB_KIND_COMMAND = 6
    };

    /* A feature as it is now, but for its texts. */
    struct fb_feature
    {
        uint32_t kind;
        uint32_t access;
        uint32_t visibility;
        uint32_t has_value;
        uint32_t has_range;
        int64_t integer; /* of a boolean 0 or 1; of an enumeration the code of its entry */
        int64_t min;
        int64_t max;
        int64_t increment;
        double number;
        double lowest;
        double highest;
    };

    enum fb_text
    {
        FB_TEXT_NAME = 0,
        FB_TEXT_VALUE = 1,
        FB_TEXT_ENTRY = 2,
        FB_TEXT_UNIT = 3,
        FB_TEXT_DISPLAY_NAME = 4,
        FB_TEXT_DESCRIPTION = 5
    };

    /* Takes a text that lives during the call. It is called by the thread that asks, before its call returns. */
    typedef void (*fb_tell)(void* to, uint32_t what, const char* text);

    enum fb_reach
    {
        FB_REACH_FREE = 0,
        FB_REACH_TAKEN = 1,
        FB_REACH_ABSENT = 2
    };

    /* The library counts who uses it. */
    bool fb_pylon_initialize(struct fb_failure* failure);
    void fb_pylon_terminate(void);

    /* Whether the camera of this full name can be opened: an fb_reach. */
    bool fb_pylon_reach(const char* full_name, uint32_t* reach, struct fb_failure* failure);

    /* Makes a camera whose buffers are the segments offered below. *instant is a CInstantCamera for the caller to delete:
     * after the results were released, before fb_pylon_destroy. */
    bool fb_pylon_create(const char* full_name, struct fb_camera** camera, void** instant, struct fb_failure* failure);
    void fb_pylon_destroy(struct fb_camera* camera);

    /* Forgets the segments offered before; false while the driver has one of them. */
    bool fb_pylon_forget(struct fb_camera* camera);
    /* Offers memory as the buffer of a segment, for the next start. */
    bool fb_pylon_offer(struct fb_camera* camera, uint32_t index, void* memory, size_t bytes, struct fb_failure* failure);
    /* How many segments the driver has been given and not freed. */
    size_t fb_pylon_lent(struct fb_camera* camera);

    /* Waits for a result and keeps it: 1 for one, 0 for none in time, -1 for a failure, after which nothing is grabbed. */
    int fb_pylon_retrieve(struct fb_camera* camera, uint32_t timeout_ms, struct fb_frame* frame, struct fb_failure* failure);
    /* Lets go of a result: its buffer is filled again, or freed if nothing is grabbed. */
    void fb_pylon_release(struct fb_camera* camera, uint32_t index);
    void fb_pylon_release_all(struct fb_camera* camera);
    /* Reads the chunk data of a kept result; returns how many, at most `room`, or -1. */
    int fb_pylon_chunks(
        struct fb_camera* camera, uint32_t index, struct fb_chunk* chunks, uint32_t room, struct fb_failure* failure);

    /* From here on: for any thread, beside the one that grabs, until the camera is deleted. */

    bool fb_pylon_is_removed(struct fb_camera* camera);

    /* Reads a feature; with its details, what it may be set to and what it is for. Without `tell`, no texts. After a
     * failure, `feature` is what was known by then. */
    bool fb_pylon_feature(struct fb_camera* camera,
                          uint32_t map,
                          const char* name,
                          bool with_details,
                          struct fb_feature* feature,
                          fb_tell tell,
                          void* to,
                          struct fb_failure* failure);
    /* The features that this camera has, in the order of its categories. */
    bool fb_pylon_feature_names(struct fb_camera* camera, fb_tell tell, void* to, struct fb_failure* failure);
    /* Whether a feature cannot be set or executed because the camera grabs. */
    bool fb_pylon_feature_is_held(struct fb_camera* camera, const char* name, bool* is_held, struct fb_failure* failure);

    bool fb_pylon_set_integer(struct fb_camera* camera, const char* name, int64_t value, struct fb_failure* failure);
    bool fb_pylon_set_float(struct fb_camera* camera, const char* name, double value, struct fb_failure* failure);
    bool fb_pylon_set_boolean(struct fb_camera* camera, const char* name, bool value, struct fb_failure* failure);
    /* Sets a string, or an enumeration by the name of its entry. */
    bool fb_pylon_set_text(struct fb_camera* camera, const char* name, const char* value, struct fb_failure* failure);
    /* Begins a command; whether it is done is asked until it is. */
    bool fb_pylon_execute(struct fb_camera* camera, const char* name, struct fb_failure* failure);
    bool fb_pylon_is_done(struct fb_camera* camera, const char* name, bool* is_done, struct fb_failure* failure);

#ifdef __cplusplus
}
#endif
