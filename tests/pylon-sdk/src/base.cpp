// Stand-in, see ../README.md: strings, exceptions, device properties, and the library's own life.
#include <pylon/PylonIncludes.h>

#include <atomic>

namespace GENICAM_NAMESPACE
{
    gcstring::gcstring() {}
    gcstring::gcstring(const char* text) : m_text(text) {}
    gcstring::gcstring(const char* text, size_t count) : m_text(text, count) {}
    gcstring::gcstring(const gcstring& other) : m_text(other.m_text) {}
    gcstring::~gcstring() {}
    gcstring& gcstring::operator=(const gcstring& other)
    {
        m_text = other.m_text;
        return *this;
    }
    const char* gcstring::c_str(void) const { return m_text.c_str(); }
    size_t gcstring::length(void) const { return m_text.length(); }
    gcstring::operator const char*(void) const { return m_text.c_str(); }

    GenericException::GenericException(const char* description, const char*, unsigned int) : m_text(description) {}
    GenericException::~GenericException() throw() {}
    const char* GenericException::GetDescription() const throw() { return m_text.c_str(); }
    const char* GenericException::what() const throw() { return m_text.c_str(); }

#define GENICAM_EXCEPTION(Name)                                                                                        \
    Name::Name(const char* description, const char* file, int line)                                                    \
        : GenericException(description, file, static_cast<unsigned int>(line))                                         \
    {                                                                                                                  \
    }                                                                                                                  \
    Name::~Name() throw() {}
    GENICAM_EXCEPTION(RuntimeException)
    GENICAM_EXCEPTION(AccessException)
    GENICAM_EXCEPTION(OutOfRangeException)
    GENICAM_EXCEPTION(InvalidArgumentException)
    GENICAM_EXCEPTION(PropertyException)
#undef GENICAM_EXCEPTION
} // namespace GENICAM_NAMESPACE

namespace Pylon
{
    static std::atomic<int> users(0);

    void PylonInitialize() { ++users; }
    void PylonTerminate(bool) { --users; }
    void GetPylonVersion(unsigned int* major, unsigned int* minor, unsigned int* subminor, unsigned int* build)
    {
        *major = 6;
        *minor = 1;
        *subminor = 0;
        *build = 0;
    }
    bool is_initialized() { return users > 0; }

    CInfoBase::~CInfoBase() {}
    bool CInfoBase::GetPropertyNames(StringList_t& names) const
    {
        for (const auto& property : m_properties)
        {
            names.push_back(property.first.c_str());
        }
        return true;
    }
    bool CInfoBase::GetPropertyValue(const String_t& name, String_t& value) const
    {
        for (const auto& property : m_properties)
        {
            if (property.first == name.c_str())
            {
                value = property.second.c_str();
                return true;
            }
        }
        return false;
    }
    void CInfoBase::SetPropertyValue(const String_t& name, const String_t& value)
    {
        m_properties.emplace_back(name.c_str(), value.c_str());
    }

    CDeviceInfo::CDeviceInfo() {}
    CDeviceInfo::CDeviceInfo(const CDeviceInfo& other) = default;
    static String_t property(const CDeviceInfo& info, const char* name)
    {
        String_t value;
        info.GetPropertyValue(name, value);
        return value;
    }
    String_t CDeviceInfo::GetModelName() const { return property(*this, "ModelName"); }
    String_t CDeviceInfo::GetSerialNumber() const { return property(*this, "SerialNumber"); }
} // namespace Pylon
