// Stand-in, see ../README.md: what pylon-cxx and the shim call.
#include "engine.h"

namespace Pylon
{
    using namespace standin;

    CTlFactory::~CTlFactory() {}
    CTlFactory& CTlFactory::GetInstance()
    {
        struct Only : CTlFactory
        {
        };
        static Only factory;
        return factory;
    }
    int CTlFactory::EnumerateDevices(DeviceInfoList_t& list, bool addToList)
    {
        if (!addToList)
        {
            list.clear();
        }
        int found = 0;
        for (const auto& path : camera_files())
        {
            list.push_back(info_of(path));
            ++found;
        }
        return found;
    }
    IPylonDevice* CTlFactory::CreateFirstDevice(const CDeviceInfo&)
    {
        auto files = camera_files();
        if (files.empty())
        {
            fail("No device is available or no device contains the provided device info properties");
        }
        return new Device(files.front());
    }
    static std::string path_of(const CDeviceInfo& info)
    {
        String_t path;
        info.GetPropertyValue("FullName", path);
        return path.c_str();
    }
    IPylonDevice* CTlFactory::CreateDevice(const CDeviceInfo& info)
    {
        for (const auto& path : camera_files())
        {
            if (path == path_of(info))
            {
                return new Device(path);
            }
        }
        fail("No device is available or no device contains the provided device info properties");
    }
    bool CTlFactory::IsDeviceAccessible(const CDeviceInfo& info, AccessModeSet, EDeviceAccessiblityInfo* why)
    {
        bool there = false;
        for (const auto& path : camera_files())
        {
            there = there || path == path_of(info);
        }
        bool taken = there && is_taken(path_of(info));
        if (why != nullptr)
        {
            *why = !there ? Accessibility_NotReachable : taken ? Accessibility_OpenedExclusively : Accessibility_Ok;
        }
        return there && !taken;
    }

    CGrabResultData::CGrabResultData(std::unique_ptr<GrabbedImage> image) : m_image(std::move(image)) {}
    CGrabResultData::~CGrabResultData() {}
    bool CGrabResultData::GrabSucceeded() const { return m_image->error == 0; }
    uint32_t CGrabResultData::GetErrorCode() const { return m_image->error; }
    String_t CGrabResultData::GetErrorDescription() const
    {
        return m_image->error == 0             ? ""
               : m_image->error == 0xE1000014u ? "The buffer was incompletely grabbed."
                                               : "The grab failed.";
    }
    EPayloadType CGrabResultData::GetPayloadType() const
    {
        return m_image->has_chunks ? PayloadType_ChunkData : PayloadType_Image;
    }
    EPixelType CGrabResultData::GetPixelType() const { return m_image->format; }
    uint32_t CGrabResultData::GetWidth() const { return m_image->width; }
    uint32_t CGrabResultData::GetHeight() const { return m_image->height; }
    uint32_t CGrabResultData::GetOffsetX() const { return m_image->offset_x; }
    uint32_t CGrabResultData::GetOffsetY() const { return m_image->offset_y; }
    uint32_t CGrabResultData::GetPaddingX() const { return m_image->padding; }
    uint32_t CGrabResultData::GetPaddingY() const { return 0; }
    void* CGrabResultData::GetBuffer() const { return m_image->buffer.memory; }
    size_t CGrabResultData::GetPayloadSize() const { return m_image->payload_bytes; }
    size_t CGrabResultData::GetImageSize() const { return m_image->image_bytes; }
    bool CGrabResultData::GetStride(size_t& bytes) const
    {
        bytes = m_image->image_bytes / m_image->height;
        return true;
    }
    uint64_t CGrabResultData::GetBlockID() const { return m_image->block_id; }
    uint64_t CGrabResultData::GetTimeStamp() const { return m_image->ticks; }
    bool CGrabResultData::IsChunkDataAvailable() const { return m_image->has_chunks; }
    GENAPI_NAMESPACE::INodeMap& CGrabResultData::GetChunkDataNodeMap() const
    {
        m_image->pool->device()->throw_if_told("chunks");
        return m_image->chunks;
    }
    intptr_t CGrabResultData::GetBufferContext() const { return m_image->buffer.context; }

    CGrabResultPtr::CGrabResultPtr() {}
    CGrabResultPtr::CGrabResultPtr(const CGrabResultPtr& other) = default;
    CGrabResultPtr& CGrabResultPtr::operator=(const CGrabResultPtr& other) = default;
    CGrabResultPtr::~CGrabResultPtr() {}
    CGrabResultData* CGrabResultPtr::operator->() const
    {
        if (!m_data)
        {
            fail("No grab result data is referenced. : LogicalErrorException");
        }
        return m_data.get();
    }
    bool CGrabResultPtr::IsValid() const { return m_data != nullptr; }
    void CGrabResultPtr::Release() { m_data.reset(); }

    CInstantCamera::CInstantCamera() : CInstantCamera(nullptr) {}
    CInstantCamera::CInstantCamera(IPylonDevice* device, ECleanup) : m_engine(new Engine)
    {
        m_engine->device.reset(dynamic_cast<Device*>(device));
        m_engine->info = info_of(m_engine->device->path);
        auto* engine = m_engine.get();
        auto& locked = engine->device->features.at<IntegerNode>("TLParamsLocked");
        for (const char* name : {"MaxNumBuffer", "MaxNumQueuedBuffer"})
        {
            engine->features.add<IntegerNode>(name, GENAPI_NAMESPACE::RW, 10, 1, INT64_MAX).locked_by(locked);
        }
    }
    CInstantCamera::~CInstantCamera() { Close(); }
    bool CInstantCamera::IsCameraDeviceRemoved() const { return m_engine->device->is_removed(); }
    void CInstantCamera::Open() { m_engine->device->open(); }
    bool CInstantCamera::IsOpen() const { return m_engine->device->is_open(); }
    void CInstantCamera::Close()
    {
        StopGrabbing();
        m_engine->device->close();
    }
    void CInstantCamera::StartGrabbing(EGrabStrategy, EGrabLoop)
    {
        if (!IsOpen() || !m_engine->factory || IsGrabbing())
        {
            fail("The stand-in grabs only with a buffer factory, when it is open and does not grab yet.");
        }
        m_engine->start(size_t(m_engine->features.at<IntegerNode>("MaxNumBuffer").value));
    }
    void CInstantCamera::StartGrabbing(size_t, EGrabStrategy, EGrabLoop) { fail("The stand-in does not count images."); }
    bool CInstantCamera::RetrieveResult(unsigned int timeoutMs, CGrabResultPtr& result, ETimeoutHandling handling)
    {
        result.Release();
        if (!IsGrabbing())
        {
            return false;
        }
        try
        {
            m_engine->device->throw_if_told("retrieve");
        }
        catch (...)
        {
            StopGrabbing(); // as the real one does
            throw;
        }
        auto image = m_engine->wait(timeoutMs);
        if (!image)
        {
            if (handling == TimeoutHandling_ThrowException)
            {
                fail("Grab timed out. : TimeoutException");
            }
            return false;
        }
        struct Data : CGrabResultData
        {
            explicit Data(std::unique_ptr<GrabbedImage> image) : CGrabResultData(std::move(image)) {}
        };
        result.m_data = std::make_shared<Data>(std::move(image));
        return true;
    }
    void CInstantCamera::StopGrabbing() { m_engine->stop(); }
    bool CInstantCamera::IsGrabbing() const { return m_engine->grabbing; }
    void CInstantCamera::SetBufferFactory(IBufferFactory* factory, ECleanup cleanup)
    {
        m_engine->factory = std::make_shared<Factory>(factory, cleanup == Cleanup_Delete);
    }
    const CDeviceInfo& CInstantCamera::GetDeviceInfo() const { return m_engine->info; }
    GENAPI_NAMESPACE::INodeMap& CInstantCamera::GetNodeMap()
    {
        if (!IsOpen())
        {
            fail("The camera is not open. : AccessException");
        }
        return m_engine->device->features;
    }
    GENAPI_NAMESPACE::INodeMap& CInstantCamera::GetTLNodeMap() { return m_engine->device->tl_features; }
    GENAPI_NAMESPACE::INodeMap& CInstantCamera::GetStreamGrabberNodeMap() { return m_engine->device->stream_features; }
    GENAPI_NAMESPACE::INodeMap& CInstantCamera::GetEventGrabberNodeMap() { return m_engine->device->event_features; }
    GENAPI_NAMESPACE::INodeMap& CInstantCamera::GetInstantCameraNodeMap() { return m_engine->features; }
} // namespace Pylon
