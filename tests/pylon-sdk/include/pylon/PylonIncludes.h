// Stand-in for the headers of Basler's pylon SDK: written for framebroker's tests, not Basler's. It has the names and
// signatures that pylon-cxx and the shim use, and nothing more. See README.md.
#pragma once

#include <GenApi/GenApi.h>
#include <memory>

namespace Pylon
{
    using GENICAM_NAMESPACE::GenericException;
    typedef GENICAM_NAMESPACE::gcstring String_t;
    typedef GENICAM_NAMESPACE::gcstring_vector StringList_t;

    void PylonInitialize();
    void PylonTerminate(bool ShutDownLogging = true);
    void GetPylonVersion(unsigned int* major, unsigned int* minor, unsigned int* subminor, unsigned int* build);

    enum ECleanup
    {
        Cleanup_None,
        Cleanup_Delete
    };
    enum ETimeoutHandling
    {
        TimeoutHandling_Return,
        TimeoutHandling_ThrowException
    };
    enum EGrabStrategy
    {
        GrabStrategy_OneByOne,
        GrabStrategy_LatestImageOnly,
        GrabStrategy_LatestImages,
        GrabStrategy_UpcomingImage
    };
    enum EGrabLoop
    {
        GrabLoop_ProvidedByInstantCamera,
        GrabLoop_ProvidedByUser
    };
    enum EPayloadType
    {
        PayloadType_Undefined = -1,
        PayloadType_Image = 0,
        PayloadType_RawData,
        PayloadType_File,
        PayloadType_ChunkData
    };
    // Values are those of GenICam's PFNC.
    enum EPixelType : unsigned int
    {
        PixelType_Undefined = 0xFFFFFFFFu,
        PixelType_Mono8 = 0x01080001u,
        PixelType_Mono12 = 0x01100005u,
        PixelType_BayerRG8 = 0x01080009u
    };
    enum EDeviceAccessMode
    {
        Control = 0,
        Stream = 1,
        Event = 2,
        Exclusive = 3
    };
    enum EDeviceAccessiblityInfo
    {
        Accessibility_Unknown = 0,
        Accessibility_Ok = 1,
        Accessibility_Opened = 2,
        Accessibility_OpenedExclusively = 3,
        Accessibility_NotReachable = 4
    };
    class AccessModeSet
    {
    public:
        AccessModeSet(EDeviceAccessMode mode) : m_modes(1ul << mode) {}

    private:
        unsigned long m_modes;
    };

    class CInfoBase
    {
    public:
        virtual ~CInfoBase();
        virtual bool GetPropertyNames(StringList_t& names) const;
        virtual bool GetPropertyValue(const String_t& name, String_t& value) const;
        virtual void SetPropertyValue(const String_t& name, const String_t& value);

    protected:
        std::vector<std::pair<std::string, std::string>> m_properties;
    };

    class CDeviceInfo : public CInfoBase
    {
    public:
        CDeviceInfo();
        CDeviceInfo(const CDeviceInfo& other);
        CDeviceInfo& operator=(const CDeviceInfo& other) = default;
        String_t GetModelName() const;
        String_t GetSerialNumber() const;
    };
    class DeviceInfoList
    {
    public:
        typedef std::vector<CDeviceInfo>::iterator iterator;
        iterator begin() { return m_items.begin(); }
        iterator end() { return m_items.end(); }
        void push_back(const CDeviceInfo& item) { m_items.push_back(item); }
        void clear() { m_items.clear(); }

    private:
        std::vector<CDeviceInfo> m_items;
    };
    typedef DeviceInfoList DeviceInfoList_t;

    // Named by pylon-cxx, and not used on Linux.
    class WaitObject
    {
    public:
        virtual ~WaitObject() {}
    };

    class IPylonDevice
    {
    public:
        virtual ~IPylonDevice() {}
    };

    class CTlFactory
    {
    public:
        static CTlFactory& GetInstance();
        virtual int EnumerateDevices(DeviceInfoList_t& list, bool addToList = false);
        virtual IPylonDevice* CreateFirstDevice(const CDeviceInfo& filter = CDeviceInfo());
        virtual IPylonDevice* CreateDevice(const CDeviceInfo& device);
        virtual bool IsDeviceAccessible(
            const CDeviceInfo& device, AccessModeSet mode = Control, EDeviceAccessiblityInfo* info = nullptr);

    protected:
        virtual ~CTlFactory();
    };

    class IBufferFactory
    {
    public:
        virtual ~IBufferFactory() = 0;
        virtual void AllocateBuffer(size_t bufferSize, void** pCreatedBuffer, intptr_t& bufferContext) = 0;
        virtual void FreeBuffer(void* pCreatedBuffer, intptr_t bufferContext) = 0;
        virtual void DestroyBufferFactory() = 0;
    };
    inline IBufferFactory::~IBufferFactory() {}

    struct GrabbedImage; // the stand-in's own

    class CGrabResultData
    {
    public:
        virtual ~CGrabResultData();
        bool GrabSucceeded() const;
        String_t GetErrorDescription() const;
        uint32_t GetErrorCode() const;
        EPayloadType GetPayloadType() const;
        EPixelType GetPixelType() const;
        uint32_t GetWidth() const;
        uint32_t GetHeight() const;
        uint32_t GetOffsetX() const;
        uint32_t GetOffsetY() const;
        uint32_t GetPaddingX() const;
        uint32_t GetPaddingY() const;
        void* GetBuffer() const;
        size_t GetPayloadSize() const;
        size_t GetImageSize() const;
        bool GetStride(size_t& strideBytes) const;
        uint64_t GetBlockID() const;
        uint64_t GetTimeStamp() const;
        bool IsChunkDataAvailable() const;
        GENAPI_NAMESPACE::INodeMap& GetChunkDataNodeMap() const;
        intptr_t GetBufferContext() const;

    protected:
        explicit CGrabResultData(std::unique_ptr<GrabbedImage> image);
        friend class CInstantCamera;
        std::unique_ptr<GrabbedImage> m_image;
    };

    class CGrabResultPtr
    {
    public:
        CGrabResultPtr();
        CGrabResultPtr(const CGrabResultPtr& other);
        CGrabResultPtr& operator=(const CGrabResultPtr& other);
        virtual ~CGrabResultPtr();
        CGrabResultData* operator->() const;
        bool IsValid() const;
        virtual void Release();

    private:
        friend class CInstantCamera;
        std::shared_ptr<CGrabResultData> m_data;
    };

    struct Engine; // the stand-in's own

    class CInstantCamera
    {
    public:
        CInstantCamera();
        CInstantCamera(IPylonDevice* pDevice, ECleanup cleanupProcedure = Cleanup_Delete);
        virtual ~CInstantCamera();
        virtual bool IsCameraDeviceRemoved() const;
        virtual void Open();
        virtual bool IsOpen() const;
        virtual void Close();
        virtual void StartGrabbing(
            EGrabStrategy strategy = GrabStrategy_OneByOne, EGrabLoop grabLoopType = GrabLoop_ProvidedByUser);
        virtual void StartGrabbing(
            size_t maxImages, EGrabStrategy strategy = GrabStrategy_OneByOne, EGrabLoop grabLoopType = GrabLoop_ProvidedByUser);
        virtual bool RetrieveResult(
            unsigned int timeoutMs, CGrabResultPtr& grabResult, ETimeoutHandling timeoutHandling = TimeoutHandling_ThrowException);
        virtual void StopGrabbing();
        virtual bool IsGrabbing() const;
        virtual void SetBufferFactory(IBufferFactory* pFactory, ECleanup cleanupProcedure = Cleanup_Delete);
        virtual const CDeviceInfo& GetDeviceInfo() const;
        virtual GENAPI_NAMESPACE::INodeMap& GetNodeMap();
        virtual GENAPI_NAMESPACE::INodeMap& GetTLNodeMap();
        virtual GENAPI_NAMESPACE::INodeMap& GetStreamGrabberNodeMap();
        virtual GENAPI_NAMESPACE::INodeMap& GetEventGrabberNodeMap();
        virtual GENAPI_NAMESPACE::INodeMap& GetInstantCameraNodeMap();

    private:
        std::unique_ptr<Engine> m_engine;
    };

    class CFeaturePersistence
    {
    public:
        static void Load(const String_t& FileName, GENAPI_NAMESPACE::INodeMap* pNodeMap, bool validate = true);
        static void Save(const String_t& FileName, GENAPI_NAMESPACE::INodeMap* pNodeMap);
        static void LoadFromString(const String_t& Features, GENAPI_NAMESPACE::INodeMap* pNodeMap, bool validate = true);
        static void SaveToString(String_t& Features, GENAPI_NAMESPACE::INodeMap* pNodeMap);
    };

    class CBooleanParameter
    {
    public:
        CBooleanParameter(GENAPI_NAMESPACE::INodeMap& nodeMap, const char* pName);
        virtual ~CBooleanParameter();
        virtual bool GetValue(bool Verify = false, bool IgnoreCache = false) const;
        virtual void SetValue(bool Value, bool Verify = true);

    private:
        GENAPI_NAMESPACE::INode* m_node;
    };

    class CIntegerParameter
    {
    public:
        CIntegerParameter(GENAPI_NAMESPACE::INodeMap& nodeMap, const char* pName);
        virtual ~CIntegerParameter();
        virtual int64_t GetValue(bool Verify = false, bool IgnoreCache = false);
        virtual void SetValue(int64_t value, bool Verify = true);
        virtual int64_t GetMin();
        virtual int64_t GetMax();
        virtual String_t GetUnit();

    private:
        GENAPI_NAMESPACE::INode* m_node;
    };

    class CFloatParameter
    {
    public:
        CFloatParameter(GENAPI_NAMESPACE::INodeMap& nodeMap, const char* pName);
        virtual ~CFloatParameter();
        virtual double GetValue(bool Verify = false, bool IgnoreCache = false);
        virtual void SetValue(double value, bool Verify = true);
        virtual double GetMin();
        virtual double GetMax();
        virtual String_t GetUnit() const;

    private:
        GENAPI_NAMESPACE::INode* m_node;
    };

    class CEnumParameter
    {
    public:
        CEnumParameter(GENAPI_NAMESPACE::INodeMap& nodeMap, const char* pName);
        virtual ~CEnumParameter();
        virtual String_t GetValue();
        virtual void SetValue(const String_t& value);
        virtual void GetSettableValues(StringList_t& values);

    private:
        GENAPI_NAMESPACE::INode* m_node;
    };

    class CCommandParameter
    {
    public:
        CCommandParameter(GENAPI_NAMESPACE::INodeMap& nodeMap, const char* pName);
        virtual ~CCommandParameter();
        virtual void Execute(bool Verify = true);

    private:
        GENAPI_NAMESPACE::INode* m_node;
    };
} // namespace Pylon
