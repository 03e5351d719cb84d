// Stand-in, see ../README.md: features and the maps they are found in.
#pragma once

#include <pylon/PylonIncludes.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>

namespace standin
{
    using GENAPI_NAMESPACE::EAccessMode;
    using GENAPI_NAMESPACE::EInterfaceType;
    using GENAPI_NAMESPACE::ELinkType;
    using GENAPI_NAMESPACE::EVisibility;
    using GENAPI_NAMESPACE::gcstring;
    using GENAPI_NAMESPACE::INode;
    using GENAPI_NAMESPACE::IValue;

    [[noreturn]] void fail(const std::string& text);

    class NodeMap;

    // A feature of any type. Each call of the SDK's interface locks the map it is in, as in the real one; the rest is the
    // stand-in's own, and locks nothing.
    class Node : public INode, virtual public IValue
    {
    public:
        Node(const std::string& name, EInterfaceType type, EAccessMode mode) : name(name), type(type), mode(mode) {}
        EAccessMode GetAccessMode() const override;
        gcstring GetName(bool) const override { return name.c_str(); }
        EVisibility GetVisibility() const override { return visibility; }
        gcstring GetToolTip() const override { return ""; }
        gcstring GetDescription() const override { return description.c_str(); }
        gcstring GetDisplayName() const override { return display_name.c_str(); }
        void GetChildren(GENAPI_NAMESPACE::NodeList_t& children, ELinkType link) const override;
        bool GetProperty(const gcstring& property, gcstring& value, gcstring& attribute) override;
        EInterfaceType GetPrincipalInterfaceType() const override { return type; }
        INode* GetNode() override { return this; }

        // What it says of itself, in one go.
        Node& says(const char* display_name, const char* description, const char* unit = "");
        // It cannot be set while this feature has a value other than 0, false, or its first entry.
        Node& locked_by(Node& other);
        bool is_zero() const;
        void must_be_writable() const;
        void must_be_readable() const;
        // The camera is asked or told something: may take its time, or fail.
        void access() const;
        void was_set();

        std::string name, display_name, description, unit;
        EVisibility visibility = GENAPI_NAMESPACE::Beginner;
        EInterfaceType type;
        EAccessMode mode;
        Node* locker = nullptr;
        std::vector<Node*> locks;
        std::function<void()> on_set;
        NodeMap* map = nullptr;
    };

    class IntegerNode : public Node, public GENAPI_NAMESPACE::IInteger
    {
    public:
        IntegerNode(const std::string& name, EAccessMode mode, int64_t value, int64_t min, int64_t max, int64_t inc = 1)
            : Node(name, GENAPI_NAMESPACE::intfIInteger, mode), value(value), min(min), max(max), inc(inc)
        {
        }
        gcstring ToString(bool, bool) override;
        void FromString(const gcstring& text, bool) override;
        void SetValue(int64_t wanted, bool) override;
        int64_t GetValue(bool, bool) override;
        int64_t GetMin() override { return min; }
        int64_t GetMax() override;
        int64_t GetInc() override { return inc; }
        gcstring GetUnit() override { return unit.c_str(); }

        std::atomic<int64_t> value;
        int64_t min, max, inc;
        // Where the maximum follows another feature.
        std::function<int64_t()> max_now;
    };

    class FloatNode : public Node, public GENAPI_NAMESPACE::IFloat
    {
    public:
        FloatNode(const std::string& name, EAccessMode mode, double value, double min, double max)
            : Node(name, GENAPI_NAMESPACE::intfIFloat, mode), value(value), min(min), max(max)
        {
        }
        gcstring ToString(bool, bool) override;
        void FromString(const gcstring& text, bool) override;
        void SetValue(double wanted, bool) override;
        double GetValue(bool, bool) override;
        double GetMin() override { return min; }
        double GetMax() override { return max; }
        gcstring GetUnit() const override { return unit.c_str(); }

        std::atomic<double> value;
        double min, max;
    };

    class BooleanNode : public Node, public GENAPI_NAMESPACE::IBoolean
    {
    public:
        BooleanNode(const std::string& name, EAccessMode mode, bool value)
            : Node(name, GENAPI_NAMESPACE::intfIBoolean, mode), value(value)
        {
        }
        gcstring ToString(bool, bool) override { return GetValue(false, false) ? "1" : "0"; }
        void FromString(const gcstring& text, bool) override;
        void SetValue(bool wanted, bool) override;
        bool GetValue(bool, bool) const override;

        std::atomic<bool> value;
    };

    // An entry of an enumeration, of which some cannot be chosen.
    class EntryNode : public Node, public GENAPI_NAMESPACE::IEnumEntry
    {
    public:
        EntryNode(const std::string& name, EAccessMode mode) : Node(name, GENAPI_NAMESPACE::intfIEnumEntry, mode) {}
        gcstring ToString(bool, bool) override { return name.c_str(); }
        void FromString(const gcstring&, bool) override { fail("an entry cannot be set"); }
        gcstring GetSymbolic() const override { return name.c_str(); }
    };

    // A string.
    class TextNode : public Node
    {
    public:
        TextNode(const std::string& name, EAccessMode mode, const std::string& value)
            : Node(name, GENAPI_NAMESPACE::intfIString, mode), value(value)
        {
        }
        gcstring ToString(bool, bool) override;
        void FromString(const gcstring& text, bool) override;

        std::string value;
    };

    class EnumerationNode : public Node, public GENAPI_NAMESPACE::IEnumeration
    {
    public:
        EnumerationNode(
            const std::string& name, EAccessMode mode, const std::string& value, const std::vector<std::string>& entries);
        gcstring ToString(bool, bool) override;
        void FromString(const gcstring& text, bool) override;
        void GetEntries(GENAPI_NAMESPACE::NodeList_t& list) override;
        // Of a pixel format, its code.
        int64_t GetIntValue(bool, bool) override;
        int64_t code() const;

        std::string value;
        std::vector<std::unique_ptr<EntryNode>> entries;
    };

    class CommandNode : public Node, public GENAPI_NAMESPACE::ICommand
    {
    public:
        explicit CommandNode(const std::string& name) : Node(name, GENAPI_NAMESPACE::intfICommand, GENAPI_NAMESPACE::WO) {}
        gcstring ToString(bool, bool) override { return ""; }
        void FromString(const gcstring&, bool) override { Execute(true); }
        void Execute(bool) override;
        bool IsDone(bool) override;

        std::function<bool()> is_done;
    };

    class CategoryNode : public Node, public GENAPI_NAMESPACE::ICategory
    {
    public:
        explicit CategoryNode(const std::string& name)
            : Node(name, GENAPI_NAMESPACE::intfICategory, GENAPI_NAMESPACE::RO)
        {
        }
        gcstring ToString(bool, bool) override { return name.c_str(); }
        void FromString(const gcstring&, bool) override { fail("a category cannot be set"); }
        void GetFeatures(GENAPI_NAMESPACE::FeatureList_t& list) const override;

        std::vector<Node*> members;
    };

    class NodeMap : public GENAPI_NAMESPACE::INodeMap
    {
    public:
        void GetNodes(GENAPI_NAMESPACE::NodeList_t& nodes) const override;
        INode* GetNode(const gcstring& name) const override;

        // What is added from here on belongs to this category; to none, where it has no name.
        void begin(const std::string& category);

        template <class T, class... Args>
        T& add(Args&&... args)
        {
            auto node = std::make_unique<T>(std::forward<Args>(args)...);
            T& added = *node;
            added.map = this;
            nodes[added.name] = std::move(node);
            if (m_category != nullptr)
            {
                m_category->members.push_back(&added);
            }
            return added;
        }
        template <class T>
        T& at(const std::string& name) const
        {
            return dynamic_cast<T&>(*nodes.at(name));
        }

        std::map<std::string, std::unique_ptr<Node>> nodes;
        std::function<void(const Node&)> on_access;
        mutable std::recursive_mutex mutex;

    private:
        CategoryNode* m_category = nullptr;
    };
} // namespace standin
