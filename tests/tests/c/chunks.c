/*
 * Chunks by name and by place. The frames are those of c_cameras.rs, over and over, told apart by their block IDs: the first of
 * four has a list of every kind, the second chunk data of the camera's own, the third none, the fourth an empty list.
 *
 *     chunks SOCKET
 */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static bool is_text(const fb_chunk *chunk, const char *text)
{
    return chunk->data_bytes == strlen(text) && memcmp(chunk->data, text, chunk->data_bytes) == 0;
}

static fb_chunk named(fb_frame *frame, const char *name, uint32_t kind)
{
    fb_chunk chunk = FB_INIT(fb_chunk);
    MUST(FB_OK, fb_frame_chunk_named(frame, name, &chunk));
    CHECK(strcmp(chunk.name, name) == 0 && chunk.kind == kind);
    return chunk;
}

static void a_list_is_read(fb_frame *frame)
{
    fb_chunk chunk = named(frame, "ChunkTimestamp", FB_VALUE_INTEGER);
    CHECK(chunk.integer == -2 && chunk.number == -2.0 && chunk.data == NULL && chunk.data_bytes == 0);
    CHECK(named(frame, "ChunkExposureTime", FB_VALUE_FLOAT).number == 0.5);
    CHECK(named(frame, "ChunkSyncLocked", FB_VALUE_BOOLEAN).integer == 1);
    chunk = named(frame, "ChunkPixelFormat", FB_VALUE_TEXT);
    CHECK(is_text(&chunk, "Mono8"));
    /* Where it is in the frame, and no copy. */
    fb_frame_info info = FB_INIT(fb_frame_info);
    MUST(FB_OK, fb_frame_describe(frame, &info));
    CHECK(chunk.data > info.chunk && chunk.data + chunk.data_bytes <= info.chunk + info.chunk_bytes);
    chunk = named(frame, "ChunkBlob", FB_VALUE_BYTES);
    CHECK(is_text(&chunk, "\x01\x02\x03"));
    chunk = named(frame, "ChunkEmpty", FB_VALUE_TEXT);
    CHECK(chunk.data == NULL && chunk.data_bytes == 0);

    size_t count;
    MUST(FB_OK, fb_frame_chunk_count(frame, &count));
    CHECK(count == 6);
    const char *const names[] = { "ChunkTimestamp", "ChunkExposureTime", "ChunkSyncLocked", "ChunkPixelFormat", "ChunkBlob", "ChunkEmpty" };
    for (size_t at = 0; at < count; at++) {
        MUST(FB_OK, fb_frame_chunk_at(frame, at, &chunk));
        CHECK(strcmp(chunk.name, names[at]) == 0);
    }
    MUST(FB_ERROR_NO_CHUNK, fb_frame_chunk_at(frame, count, &chunk));
    MUST_SAY("6 chunks");
    MUST(FB_ERROR_NO_CHUNK, fb_frame_chunk_named(frame, "ChunkGain", &chunk));
    MUST_SAY("ChunkSyncLocked");
    MUST(FB_ERROR_NO_CHUNK, fb_frame_chunk_named(frame, "", &chunk));
}

static void misuse_is_an_error(fb_frame *frame)
{
    fb_chunk chunk = FB_INIT(fb_chunk), untouched;
    size_t count;
    MUST(FB_ERROR_ARGUMENT, fb_frame_chunk_count(frame, NULL));
    MUST(FB_ERROR_HANDLE, fb_frame_chunk_count(NULL, &count));
    MUST(FB_ERROR_ARGUMENT, fb_frame_chunk_named(frame, NULL, &chunk));
    MUST_SAY("name is NULL");
    MUST(FB_ERROR_ARGUMENT, fb_frame_chunk_named(frame, "ChunkBlob", NULL));
    MUST(FB_ERROR_ARGUMENT, fb_frame_chunk_at(frame, 0, NULL));
    MUST(FB_ERROR_HANDLE, fb_frame_chunk_at(NULL, 0, &chunk));
    chunk.struct_size--;
    memcpy(&untouched, &chunk, sizeof chunk);
    MUST(FB_ERROR_ARGUMENT, fb_frame_chunk_at(frame, 0, &chunk));
    CHECK(memcmp(&untouched, &chunk, sizeof chunk) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        chunk.struct_size = sizeof chunk;
        MUST(FB_ERROR_FORKED, fb_frame_chunk_count(frame, &count));
        MUST(FB_ERROR_FORKED, fb_frame_chunk_named(frame, "ChunkBlob", &chunk));
        exit(EXIT_SUCCESS);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* What there is besides a list is told by the text. */
static void there_is_no_list(fb_frame *frame, const char *said)
{
    fb_chunk chunk = FB_INIT(fb_chunk);
    size_t count;
    MUST(FB_OK, fb_frame_chunk_count(frame, &count));
    CHECK(count == 0);
    MUST(FB_ERROR_NO_CHUNK, fb_frame_chunk_named(frame, "ChunkGain", &chunk));
    MUST_SAY(said);
    MUST(FB_ERROR_NO_CHUNK, fb_frame_chunk_at(frame, 0, &chunk));
    MUST_SAY(said);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    fb_broker *broker = connected(argv[1]);
    fb_subscription *subscription;
    MUST(FB_OK, fb_subscribe(broker, "cam0", NULL, &subscription));
    for (unsigned seen = 0, frames = 0; seen != 0xf; frames++) {
        fb_frame *frame = next_frame(subscription);
        fb_frame_info info = FB_INIT(fb_frame_info);
        MUST(FB_OK, fb_frame_describe(frame, &info));
        CHECK(info.block_id >= 1 && frames < 100);
        fb_chunk chunk = FB_INIT(fb_chunk);
        switch ((info.block_id - 1) % 4) {
        case 0:
            a_list_is_read(frame);
            misuse_is_an_error(frame);
            break;
        case 1:
            there_is_no_list(frame, "7 bytes of chunk data");
            break;
        case 2:
            there_is_no_list(frame, "ChunkModeActive");
            break;
        default:
            MUST(FB_ERROR_NO_CHUNK, fb_frame_chunk_at(frame, 0, &chunk));
            MUST_SAY("0 chunks");
        }
        seen |= 1u << (info.block_id - 1) % 4;
        MUST(FB_OK, fb_frame_release(frame));
        MUST(FB_ERROR_HANDLE, fb_frame_chunk_at(frame, 0, &chunk));
    }
    MUST(FB_OK, fb_subscription_close(subscription));
    MUST(FB_OK, fb_broker_close(broker));
    return EXIT_SUCCESS;
}
