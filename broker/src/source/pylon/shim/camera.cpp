#include "camera.h"

using namespace Pylon;

bool fb_pylon_initialize(fb_failure* failure)
{
    return guarded(failure, [] { PylonInitialize(); });
}

void fb_pylon_terminate(void)
{
    fb_failure ignored;
    guarded(&ignored, [] { PylonTerminate(true); });
}

// The device of a full name as pylon sees it now; false where there is none.
static bool find(const char* full_name, CDeviceInfo& found)
{
    DeviceInfoList_t devices;
    CTlFactory::GetInstance().EnumerateDevices(devices);
    for (const auto& device : devices)
    {
        String_t name;
        if (device.GetPropertyValue("FullName", name) && std::strcmp(name.c_str(), full_name) == 0)
        {
            found = device;
            return true;
        }
    }
    return false;
}

bool fb_pylon_reach(const char* full_name, uint32_t* reach, fb_failure* failure)
{
    return guarded(failure, [&] {
        CDeviceInfo device;
        *reach = FB_REACH_ABSENT;
        if (!find(full_name, device))
        {
            return;
        }
        EDeviceAccessiblityInfo why = Accessibility_Unknown;
        const bool is_free = CTlFactory::GetInstance().IsDeviceAccessible(device, Control, &why);
        if (is_free || why == Accessibility_Ok || why == Accessibility_Unknown)
        {
            *reach = FB_REACH_FREE; // or not known: opening it will tell
        }
        else if (why == Accessibility_Opened || why == Accessibility_OpenedExclusively)
        {
            *reach = FB_REACH_TAKEN;
        }
    });
}

bool fb_pylon_create(const char* full_name, fb_camera** camera, void** instant, fb_failure* failure)
{
    return guarded(failure, [&] {
        CDeviceInfo device;
        if (!find(full_name, device))
        {
            throw RUNTIME_EXCEPTION("the camera is not there any more");
        }
        std::unique_ptr<fb_camera> made(new fb_camera{});
        made->places = std::make_shared<Places>();
        std::unique_ptr<CInstantCamera> opened(new CInstantCamera(CTlFactory::GetInstance().CreateDevice(device)));
        opened->SetBufferFactory(new SegmentFactory(made->places), Cleanup_Delete);
        made->instant = opened.get();
        *instant = opened.release();
        *camera = made.release();
    });
}

void fb_pylon_destroy(fb_camera* camera)
{
    fb_failure ignored;
    guarded(&ignored, [&] { delete camera; });
}

bool fb_pylon_forget(fb_camera* camera)
{
    camera->knows_chunks = false;
    return camera->places->forget();
}

bool fb_pylon_offer(fb_camera* camera, uint32_t index, void* memory, size_t bytes, fb_failure* failure)
{
    return guarded(failure, [&] {
        if (camera->results.size() <= index)
        {
            camera->results.resize(index + 1);
        }
        camera->places->offer(index, memory, bytes);
    });
}

size_t fb_pylon_lent(fb_camera* camera)
{
    return camera->places->lent();
}

static void describe(const CGrabResultData& result, fb_frame& frame)
{
    frame.succeeded = result.GrabSucceeded();
    frame.error_code = result.GetErrorCode();
    const auto type = result.GetPayloadType();
    frame.is_image = type == PayloadType_Image || type == PayloadType_ChunkData;
    frame.has_chunks = result.IsChunkDataAvailable();
    frame.pixel_type = static_cast<uint32_t>(result.GetPixelType());
    frame.width = result.GetWidth();
    frame.height = result.GetHeight();
    frame.offset_x = result.GetOffsetX();
    frame.offset_y = result.GetOffsetY();
    size_t stride = 0;
    frame.stride = frame.succeeded != 0 && result.GetStride(stride) ? stride : 0;
    frame.image_bytes = result.GetImageSize();
    frame.payload_bytes = result.GetPayloadSize();
    frame.block_id = result.GetBlockID();
    frame.ticks = result.GetTimeStamp();
    frame.error_text[0] = '\0';
    if (frame.succeeded == 0)
    {
        copy_text(frame.error_text, sizeof frame.error_text, result.GetErrorDescription().c_str());
    }
}

int fb_pylon_retrieve(fb_camera* camera, uint32_t timeout_ms, fb_frame* frame, fb_failure* failure)
{
    int got = 0;
    const bool done = guarded(failure, [&] {
        auto& arriving = camera->arriving;
        if (!camera->instant->RetrieveResult(timeout_ms, arriving, TimeoutHandling_Return) || !arriving.IsValid())
        {
            return;
        }
        const intptr_t index = arriving->GetBufferContext() - FIRST_CONTEXT;
        if (index < 0 || static_cast<size_t>(index) >= camera->results.size())
        {
            arriving.Release();
            throw RUNTIME_EXCEPTION("pylon delivered a buffer that is no segment");
        }
        describe(*arriving.operator->(), *frame);
        frame->index = static_cast<uint32_t>(index);
        camera->results[static_cast<size_t>(index)] = arriving;
        arriving.Release();
        got = 1;
    });
    return done ? got : -1;
}

void fb_pylon_release(fb_camera* camera, uint32_t index)
{
    if (index < camera->results.size())
    {
        fb_failure ignored;
        guarded(&ignored, [&] { camera->results[index].Release(); });
    }
}

void fb_pylon_release_all(fb_camera* camera)
{
    fb_failure ignored;
    guarded(&ignored, [&] { camera->arriving.Release(); });
    for (auto& result : camera->results)
    {
        guarded(&ignored, [&] { result.Release(); });
    }
}

bool fb_pylon_is_removed(fb_camera* camera)
{
    fb_failure ignored;
    bool is_removed = true;
    guarded(&ignored, [&] { is_removed = camera->instant->IsCameraDeviceRemoved(); });
    return is_removed;
}
