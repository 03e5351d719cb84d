// Stand-in for the GenICam headers of the pylon SDK: written for framebroker's tests, not Basler's. It has the names and
// signatures that pylon-cxx and the shim use, and nothing more. See README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

// The SDK puts its version into these names (pylon 6 and 7: as here); check-symbols.sh sets that of another one.
#ifndef GENICAM_SUFFIX
#define GENICAM_SUFFIX 3_1_Basler_pylon
#endif
#define GENICAM_JOIN_(a, b) a##b
#define GENICAM_JOIN(a, b) GENICAM_JOIN_(a, b)
#define GENICAM_NAMESPACE GENICAM_JOIN(GenICam_, GENICAM_SUFFIX)
#define GENAPI_NAMESPACE GENICAM_JOIN(GenApi_, GENICAM_SUFFIX)

namespace GENICAM_NAMESPACE
{
    class gcstring
    {
    public:
        gcstring();
        gcstring(const char* text);
        gcstring(const char* text, size_t count);
        gcstring(const gcstring& other);
        virtual ~gcstring();
        virtual gcstring& operator=(const gcstring& other);
        virtual const char* c_str(void) const;
        virtual size_t length(void) const;
        virtual operator const char*(void) const;
        bool operator==(const gcstring& other) const { return m_text == other.m_text; }

    private:
        std::string m_text;
    };

    class gcstring_vector
    {
    public:
        typedef std::vector<gcstring>::iterator iterator;
        typedef std::vector<gcstring>::const_iterator const_iterator;
        iterator begin() { return m_items.begin(); }
        iterator end() { return m_items.end(); }
        const_iterator begin() const { return m_items.begin(); }
        const_iterator end() const { return m_items.end(); }
        size_t size() const { return m_items.size(); }
        void push_back(const gcstring& item) { m_items.push_back(item); }

    private:
        std::vector<gcstring> m_items;
    };

    class GenericException : public std::exception
    {
    public:
        GenericException(const char* description, const char* sourceFileName, unsigned int sourceLine);
        virtual ~GenericException() throw();
        virtual const char* GetDescription() const throw();
        virtual const char* what() const throw();

    private:
        std::string m_text;
    };

    // Each class of errors is a class of its own, as in the SDK.
#define GENICAM_EXCEPTION(Name)                                                                                        \
    class Name : public GenericException                                                                               \
    {                                                                                                                  \
    public:                                                                                                            \
        Name(const char* description, const char* sourceFileName, int sourceLine);                                     \
        virtual ~Name() throw();                                                                                       \
    }
    GENICAM_EXCEPTION(RuntimeException);
    GENICAM_EXCEPTION(AccessException);
    GENICAM_EXCEPTION(OutOfRangeException);
    GENICAM_EXCEPTION(InvalidArgumentException);
    GENICAM_EXCEPTION(PropertyException);
#undef GENICAM_EXCEPTION
} // namespace GENICAM_NAMESPACE
namespace GenICam = GENICAM_NAMESPACE;

#define RUNTIME_EXCEPTION(text) GENICAM_NAMESPACE::RuntimeException(text, __FILE__, __LINE__)

namespace GENAPI_NAMESPACE
{
    using GENICAM_NAMESPACE::gcstring;

    typedef enum _EAccessMode
    {
        NI,
        NA,
        WO,
        RO,
        RW,
        _UndefinedAccesMode,
        _CycleDetectAccesMode
    } EAccessMode;

    typedef enum _EInterfaceType
    {
        intfIValue,
        intfIBase,
        intfIInteger,
        intfIBoolean,
        intfICommand,
        intfIFloat,
        intfIString,
        intfIRegister,
        intfICategory,
        intfIEnumeration,
        intfIEnumEntry,
        intfIPort
    } EInterfaceType;

    typedef enum _EVisibility
    {
        Beginner = 0,
        Expert = 1,
        Guru = 2,
        Invisible = 3,
        _UndefinedVisibility = 99
    } EVisibility;

    typedef enum _ELinkType
    {
        ctParentNodes,
        ctReadingChildren,
        ctWritingChildren,
        ctInvalidatingChildren,
        ctDependingNodes,
        ctTerminalNodes
    } ELinkType;

    class INode;
    class IValue;

    template <class T>
    class pointer_vector
    {
    public:
        typedef typename std::vector<T*>::iterator iterator;
        iterator begin() { return m_items.begin(); }
        iterator end() { return m_items.end(); }
        void push_back(T* item) { m_items.push_back(item); }

    private:
        std::vector<T*> m_items;
    };
    class node_vector : public pointer_vector<INode>
    {
    };
    typedef node_vector NodeList_t;
    class value_vector : public pointer_vector<IValue>
    {
    };
    typedef value_vector FeatureList_t;

    class IBase
    {
    public:
        virtual EAccessMode GetAccessMode() const = 0;
        virtual ~IBase() {}
    };

    class INode : virtual public IBase
    {
    public:
        virtual gcstring GetName(bool FullQualified = false) const = 0;
        virtual EVisibility GetVisibility() const = 0;
        virtual gcstring GetToolTip() const = 0;
        virtual gcstring GetDescription() const = 0;
        virtual gcstring GetDisplayName() const = 0;
        virtual void GetChildren(NodeList_t& Children, ELinkType LinkType = ctReadingChildren) const = 0;
        virtual bool GetProperty(const gcstring& PropertyName, gcstring& ValueStr, gcstring& AttributeStr) = 0;
        virtual EInterfaceType GetPrincipalInterfaceType() const = 0;
    };

    class IValue : virtual public IBase
    {
    public:
        virtual INode* GetNode() = 0;
        virtual gcstring ToString(bool Verify = false, bool IgnoreCache = false) = 0;
        virtual void FromString(const gcstring& ValueStr, bool Verify = true) = 0;
    };

    class IInteger : virtual public IValue
    {
    public:
        virtual void SetValue(int64_t Value, bool Verify = true) = 0;
        virtual int64_t GetValue(bool Verify = false, bool IgnoreCache = false) = 0;
        virtual int64_t GetMin() = 0;
        virtual int64_t GetMax() = 0;
        virtual int64_t GetInc() = 0;
        virtual gcstring GetUnit() = 0;
    };

    class IFloat : virtual public IValue
    {
    public:
        virtual void SetValue(double Value, bool Verify = true) = 0;
        virtual double GetValue(bool Verify = false, bool IgnoreCache = false) = 0;
        virtual double GetMin() = 0;
        virtual double GetMax() = 0;
        virtual gcstring GetUnit() const = 0;
    };

    class IBoolean : virtual public IValue
    {
    public:
        virtual void SetValue(bool Value, bool Verify = true) = 0;
        virtual bool GetValue(bool Verify = false, bool IgnoreCache = false) const = 0;
    };

    class IEnumEntry : virtual public IValue
    {
    public:
        virtual gcstring GetSymbolic() const = 0;
    };

    class IEnumeration : virtual public IValue
    {
    public:
        virtual void GetEntries(NodeList_t& Entries) = 0;
        virtual int64_t GetIntValue(bool Verify = false, bool IgnoreCache = false) = 0;
    };

    class ICommand : virtual public IValue
    {
    public:
        virtual void Execute(bool Verify = true) = 0;
        virtual bool IsDone(bool Verify = true) = 0;
    };

    class ICategory : virtual public IValue
    {
    public:
        virtual void GetFeatures(FeatureList_t& Features) const = 0;
    };

    class INodeMap
    {
    public:
        virtual void GetNodes(NodeList_t& Nodes) const = 0;
        virtual INode* GetNode(const gcstring& Name) const = 0;
        virtual ~INodeMap() {}
    };

    template <class T>
    class CPointer
    {
    public:
        CPointer(IBase* base = nullptr) : m_pointer(dynamic_cast<T*>(base)) {}
        bool IsValid() const { return m_pointer != nullptr; }
        T* operator->() const
        {
            if (m_pointer == nullptr)
            {
                throw RUNTIME_EXCEPTION("there is no such node, or it is of another type");
            }
            return m_pointer;
        }

    private:
        T* m_pointer;
    };
    typedef CPointer<IValue> CValuePtr;
    typedef CPointer<IInteger> CIntegerPtr;
    typedef CPointer<IFloat> CFloatPtr;
    typedef CPointer<IBoolean> CBooleanPtr;
    typedef CPointer<ICommand> CCommandPtr;
    typedef CPointer<IEnumeration> CEnumerationPtr;
    typedef CPointer<IEnumEntry> CEnumEntryPtr;
    typedef CPointer<ICategory> CCategoryPtr;

    inline bool IsReadable(EAccessMode mode) { return mode == RO || mode == RW; }
    inline bool IsAvailable(EAccessMode mode) { return mode != NA && mode != NI; }
    inline bool IsAvailable(const IBase* base) { return base != nullptr && IsAvailable(base->GetAccessMode()); }
    inline bool IsWritable(EAccessMode mode) { return mode == WO || mode == RW; }
    inline bool IsWritable(const IBase* base) { return base != nullptr && IsWritable(base->GetAccessMode()); }
    inline bool IsReadable(const IBase* base) { return base != nullptr && IsReadable(base->GetAccessMode()); }
} // namespace GENAPI_NAMESPACE
namespace GenApi = GENAPI_NAMESPACE;
